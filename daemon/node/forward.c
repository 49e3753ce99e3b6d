/* SPDX-License-Identifier: Apache-2.0 */
#include "node/forward.h"

#include <stdlib.h>

#include "base/error.h"
#include "node/coordinator.h"

enum { FORWARDS_MAX = 8 }; /* how often a task is sent to a node that does not take it */

/* A task under way at another node. */
struct forward {
	struct table_link link; /* number: the tag */
	struct task *task;
	uint16_t to;
	struct list lost;
};

static struct node_block *block_of(struct node *node, const struct task *task)
{
	return &node->blocks[task->series.key.block];
}

/* ---- Where to ---------------------------------------------------------------------------- */

static bool was_sent_to(const struct task *task, const struct node_block *block, unsigned seat)
{
	return task->sent_version == block->acceptor.version &&
	       (task->was_sent_to >> seat & 1) != 0;
}

static void note_seat(struct task *task, const struct node_block *block, unsigned seat)
{
	if (task->sent_version != block->acceptor.version)
		task->was_sent_to = 0;
	task->sent_version = block->acceptor.version;
	task->was_sent_to |= (uint16_t)(1u << seat);
	task->forwards++;
}

/* How much is to be expected of a seat; the less the better. */
enum hope { HOPE_ANSWERS, HOPE_IS_SLOW, HOPE_LEAVES, HOPE_IS_DOWN, HOPE_NONE };

/* Of what this node itself has under way when it is no replica any more, the outcome is unknown. */
static enum hope hope_of(const struct node *node, const struct node_block *block, unsigned seat)
{
	if (seat == block->self)
		return node_block_leaves(block) ? HOPE_LEAVES : HOPE_ANSWERS;
	if (node_is_down(node, block->members[seat]))
		return HOPE_IS_DOWN;
	return node_is_slow(node, block->members[seat]) ? HOPE_IS_SLOW : HOPE_ANSWERS;
}

/* Of the seats that have not refused the task the first one, in order of preference, with the best
 * hope; else none. */
static unsigned choose_seat(const struct node *node, const struct node_block *block,
			    const struct task *task)
{
	unsigned best = NODE_NO_SEAT;
	enum hope best_hope = HOPE_NONE;
	if (task->forwards >= FORWARDS_MAX)
		return block->self;
	for (unsigned i = 0; i < block->seats && best_hope != HOPE_ANSWERS; i++) {
		unsigned seat = block->order[i];
		enum hope hope = hope_of(node, block, seat);
		if (hope >= best_hope || was_sent_to(task, block, seat))
			continue;
		best = seat;
		best_hope = hope;
	}
	return best_hope >= HOPE_IS_DOWN && node_block_is_replica(block) ? block->self : best;
}

/* A cold record was not written just now. */
static bool is_hot(const struct node *node, const struct store_key *key)
{
	struct store_hit hit;
	return store_find(node->store, key, NULL, &hit) == STORE_FOUND && hit.hot;
}

static bool is_for_here(struct node *node, const struct task *task)
{
	const struct node_block *block = block_of(node, task);
	if (!node_block_is_replica(block))
		return false;
	if (node_block_is_alone(block) || !series_writes(&task->series))
		return true;
	if (choose_seat(node, block, task) == block->self)
		return true;
	return !node_block_leaves(block) && is_hot(node, &task->series.key);
}

int forward_route(struct node *node, struct node_step *step, struct task *task)
{
	if (is_for_here(node, task))
		return coordinator_submit(node, step, task);
	forward_task(node, step, task);
	return 0;
}

/* ---- Sending ----------------------------------------------------------------------------- */

static void alarm_by(struct node *node, struct node_step *step, uint32_t number, uint64_t at_us)
{
	struct node_block *block = &node->blocks[number];
	if (block->forwards_alarm != 0 && block->forwards_alarm_us <= at_us)
		return;
	block->forwards_alarm = node_tag(node);
	block->forwards_alarm_us = at_us;
	struct node_timer timer = {.block = number, .tag = block->forwards_alarm};
	step->effects->timer(step->effects->ctx, &timer,
			     at_us > step->now_us ? at_us - step->now_us : 0);
}

/* What the other node may take: its answer has a way to go, too. */
static uint64_t time_left(const struct node *node, const struct node_step *step,
			  const struct task *task)
{
	uint64_t left_us = task->deadline_us - step->now_us;
	uint64_t way_us = node->times.round_us;
	return left_us - (way_us < left_us / 4 ? way_us : left_us / 4);
}

static void send_forward(struct node *node, struct node_step *step, const struct forward *forward)
{
	const struct task *task = forward->task;
	const struct series *series = &task->series;
	struct message m = {
	    .kind = MESSAGE_FORWARD,
	    .from = node->number,
	    .block = series->key.block,
	    .version = block_of(node, task)->acceptor.version,
	    .tag = forward->link.number,
	    .key = series->key.key,
	    .ops = series->ops,
	    .op_count = series->count,
	    .is_watched = series->is_watched,
	    .watched = series->watched,
	    .deadline_us = time_left(node, step, task),
	};
	step->effects->send(step->effects->ctx, &forward->to, 1, &m, node_map_end(node));
}

static int make_forward(struct node *node, struct task *task, uint16_t to, struct forward **out)
{
	struct forward *forward = malloc(sizeof(*forward));
	if (forward == NULL)
		return DHT_ENOMEM;
	*forward = (struct forward){.task = task, .to = to};
	list_init(&forward->lost);
	int rc = table_insert(&block_of(node, task)->forwards, &forward->link, node_tag(node));
	if (rc != 0)
		free(forward);
	else
		*out = forward;
	return rc;
}

void forward_task(struct node *node, struct node_step *step, struct task *task)
{
	struct node_block *block = block_of(node, task);
	struct forward *forward;
	if (task->is_forwarded || task->kind != TASK_OPERATIONS) {
		coordinator_fail(node, step, task, DHT_EUNAVAIL);
		return;
	}
	unsigned seat = choose_seat(node, block, task);
	if (seat == NODE_NO_SEAT || seat == block->self || task->deadline_us <= step->now_us) {
		task->asked = task->forwards;
		task->answered = 0;
		coordinator_fail(node, step, task,
				 task->refusal != 0 ? task->refusal : DHT_ENOQUORUM);
		return;
	}
	int rc = make_forward(node, task, block->members[seat], &forward);
	if (rc != 0) {
		coordinator_fail(node, step, task, rc);
		return;
	}
	note_seat(task, block, seat);
	alarm_by(node, step, task->series.key.block, task->deadline_us);
	send_forward(node, step, forward);
}

/* ---- The end of a forwarded task --------------------------------------------------------- */

static struct forward *find(struct node *node, uint32_t block, uint64_t tag)
{
	struct table_link *link = table_find(&node->blocks[block].forwards, tag);
	return link != NULL ? DHT_CONTAINER_OF(link, struct forward, link) : NULL;
}

static void forget_forward(struct node *node, uint32_t block, struct forward *forward)
{
	table_remove(&node->blocks[block].forwards, &forward->link);
	free(forward);
}

/* The task is not under way there any more; it is the caller's. */
static struct task *take_back(struct node *node, struct forward *forward)
{
	struct task *task = forward->task;
	forget_forward(node, task->series.key.block, forward);
	return task;
}

/* Nobody has answered, or will. */
static void give_up(struct node *node, struct node_step *step, struct task *task)
{
	bool is_harmless = !series_writes(&task->series);
	task->asked = 1;
	task->answered = 0;
	coordinator_fail(node, step, task, is_harmless ? DHT_ENOQUORUM : DHT_EUNCERTAIN);
}

/* It was certainly not done: another node may do it, or this one. */
static int route_anew(struct node *node, struct node_step *step, struct forward *forward)
{
	struct task *task = forward->task;
	uint32_t block = task->series.key.block;
	if (is_for_here(node, task)) {
		/* It may be over at once, and its owner's. */
		int rc = coordinator_submit(node, step, task);
		if (rc == 0)
			forget_forward(node, block, forward);
		return rc;
	}
	forward_task(node, step, take_back(node, forward));
	return 0;
}

int forward_failed(struct node *node, struct node_step *step, uint32_t block, uint64_t tag)
{
	struct forward *forward = find(node, block, tag);
	return forward != NULL ? route_anew(node, step, forward) : 0;
}

struct sweep {
	struct node *node;
	struct node_step *step;
	uint16_t member;
	uint64_t next_us;
	struct list lost;
};

static void sweep_late(void *ctx, struct table_link *link)
{
	struct sweep *sweep = ctx;
	struct forward *forward = DHT_CONTAINER_OF(link, struct forward, link);
	uint64_t deadline_us = forward->task->deadline_us;
	if (deadline_us <= sweep->step->now_us)
		give_up(sweep->node, sweep->step, take_back(sweep->node, forward));
	else if (deadline_us < sweep->next_us)
		sweep->next_us = deadline_us;
}

bool forward_on_timer(struct node *node, struct node_step *step, const struct node_timer *timer)
{
	struct node_block *block = &node->blocks[timer->block];
	struct sweep sweep = {.node = node, .step = step, .next_us = UINT64_MAX};
	if (block->forwards_alarm != timer->tag)
		return false;
	block->forwards_alarm = 0;
	table_visit(&block->forwards, sweep_late, &sweep);
	if (sweep.next_us != UINT64_MAX)
		alarm_by(node, step, timer->block, sweep.next_us);
	return true;
}

static void sweep_member(void *ctx, struct table_link *link)
{
	struct sweep *sweep = ctx;
	struct forward *forward = DHT_CONTAINER_OF(link, struct forward, link);
	if (forward->to == sweep->member)
		list_push_tail(&sweep->lost, &forward->lost);
}

/* Calls fn for each task that a member was sent. */
static int for_each_at(struct node *node, struct node_step *step, uint32_t block, uint16_t member,
		       int (*fn)(struct node *node, struct node_step *step,
				 struct forward *forward))
{
	struct sweep sweep = {.node = node, .step = step, .member = member};
	int rc = 0;
	list_init(&sweep.lost);
	table_visit(&node->blocks[block].forwards, sweep_member, &sweep);
	LIST_FOREACH_SAFE(link, following, &sweep.lost)
	{
		list_remove(link);
		int one = fn(node, step, LIST_ENTRY(link, struct forward, lost));
		rc = one != 0 ? one : rc;
	}
	return rc;
}

static int on_lost(struct node *node, struct node_step *step, struct forward *forward)
{
	if (!series_writes(&forward->task->series))
		return route_anew(node, step, forward);
	give_up(node, step, take_back(node, forward));
	return 0;
}

int forward_peer_lost(struct node *node, struct node_step *step, uint32_t block, uint16_t member)
{
	return for_each_at(node, step, block, member, on_lost);
}

/* Where no other answers, this one may in the end. */
static int on_slow(struct node *node, struct node_step *step, struct forward *forward)
{
	const struct task *task = forward->task;
	const struct node_block *block = block_of(node, task);
	unsigned seat = choose_seat(node, block, task);
	if (series_writes(&task->series) || seat == NODE_NO_SEAT ||
	    hope_of(node, block, seat) != HOPE_ANSWERS)
		return 0;
	return route_anew(node, step, forward);
}

int forward_peer_slow(struct node *node, struct node_step *step, uint32_t block, uint16_t member)
{
	return for_each_at(node, step, block, member, on_slow);
}

/* ---- Results ----------------------------------------------------------------------------- */

static int copy_results(struct task *task, const struct message *m)
{
	struct bytes last = bytes_of(NULL, 0), copy = last;
	for (size_t i = 0; i < task->series.count; i++) {
		struct op_result *result = &task->series.results[i];
		*result = m->results[i];
		result->location = result->cold = result->end = 0;
		result->is_pinned = false;
		/* Several results often show one value. */
		if (result->value.len > 0 &&
		    (result->value.data != last.data || result->value.len != last.len)) {
			last = result->value;
			int rc = arena_copy(&task->held, last, &copy);
			if (rc != 0)
				return rc;
		}
		result->value = result->value.len > 0 ? copy : bytes_of(NULL, 0);
	}
	return 0;
}

static bool is_result_sane(const struct task *task, const struct message *m)
{
	if (m->whole == NULL || m->whole->status > 0 || m->whole->status == DHT_EAGAIN)
		return false;
	return m->whole->status != 0 ||
	       (m->op_count == task->series.count && (m->op_count == 0 || m->results != NULL));
}

static void take_result(struct task *task, const struct message *m)
{
	task->asked = m->asked;
	task->answered = m->answered;
	task->whole = (struct op_result){
	    .status = m->whole->status,
	    .existed = m->whole->existed,
	    .version = m->whole->version,
	    .expires_ms = m->whole->expires_ms,
	    .size = m->whole->size,
	};
	if (m->whole->status != 0 || copy_results(task, m) == 0)
		return;
	bool is_harmless = !series_writes(&task->series);
	task->whole = (struct op_result){.status = is_harmless ? DHT_ENOMEM : DHT_EUNCERTAIN};
}

static int on_result(struct node *node, struct node_step *step, const struct message *m)
{
	struct forward *forward = find(node, m->block, m->tag);
	if (forward == NULL || forward->to != m->from || !is_result_sane(forward->task, m))
		return 0;
	/* Who refuses it may know better who takes it. */
	if (m->version > node->blocks[m->block].acceptor.version)
		step->effects->wants_map(step->effects->ctx, m->from);
	if (m->whole->status == DHT_EUNAVAIL)
		return route_anew(node, step, forward);
	/* The others may have room. */
	if (m->whole->status == DHT_ENOSPC) {
		forward->task->refusal = DHT_ENOSPC;
		return route_anew(node, step, forward);
	}
	struct task *task = take_back(node, forward);
	take_result(task, m);
	coordinator_end(node, step, task);
	return 0;
}

/* ---- Tasks of other nodes ---------------------------------------------------------------- */

/* A copy of what another node has sent. */
struct foreign {
	struct task task;
	uint16_t from;
	uint64_t tag;
	struct arena bytes;
	struct op *ops;
	struct op_result *results;
};

static void free_foreign(struct foreign *foreign)
{
	task_fini(&foreign->task);
	arena_fini(&foreign->bytes);
	free(foreign->ops);
	free(foreign->results);
	free(foreign);
}

static void answer(struct node *node, struct node_step *step, uint16_t to, struct message *m)
{
	uint64_t map_end = node_map_end(node);
	m->kind = MESSAGE_RESULT;
	m->from = node->number;
	m->version = node->blocks[m->block].acceptor.version;
	step->effects->send(step->effects->ctx, &to, 1, m,
			    m->whole->end > map_end ? m->whole->end : map_end);
}

static void end_foreign(struct node *node, struct node_step *step, struct task *task)
{
	struct foreign *foreign = DHT_CONTAINER_OF(task, struct foreign, task);
	struct message m = {
	    .block = task->series.key.block,
	    .tag = foreign->tag,
	    .key = task->series.key.key,
	    .whole = &task->whole,
	    .results = task->series.results,
	    .op_count = task->whole.status == 0 ? task->series.count : 0,
	    .asked = task->asked,
	    .answered = task->answered,
	};
	if (step != NULL)
		answer(node, step, foreign->from, &m);
	if (task->whole.is_pinned)
		store_unpin(node->store, task->whole.location);
	free_foreign(foreign);
}

static int copy_op(struct foreign *foreign, const struct op *from, struct op *op)
{
	*op = *from;
	op->key = foreign->task.series.key;
	op->fetched = NULL;
	int rc = arena_copy(&foreign->bytes, from->value, &op->value);
	return rc != 0 ? rc : arena_copy(&foreign->bytes, from->expected, &op->expected);
}

static int fill_foreign(struct foreign *foreign, const struct message *m,
			const struct store_key *key)
{
	struct series *series = &foreign->task.series;
	size_t room = m->op_count > 0 ? m->op_count : 1;
	series->key = *key;
	series->ops = foreign->ops = calloc(room, sizeof(*foreign->ops));
	series->results = foreign->results = calloc(room, sizeof(*foreign->results));
	if (foreign->ops == NULL || foreign->results == NULL)
		return DHT_ENOMEM;
	int rc = arena_copy(&foreign->bytes, key->key, &series->key.key);
	for (; rc == 0 && series->count < m->op_count; series->count++)
		rc = copy_op(foreign, &m->ops[series->count], &foreign->ops[series->count]);
	return rc;
}

static struct foreign *make_foreign(const struct node_step *step, const struct message *m,
				    const struct store_key *key)
{
	struct foreign *foreign = calloc(1, sizeof(*foreign));
	if (foreign == NULL)
		return NULL;
	task_init(&foreign->task, TASK_OPERATIONS);
	arena_init(&foreign->bytes);
	foreign->from = m->from;
	foreign->tag = m->tag;
	foreign->task.end = end_foreign;
	foreign->task.is_forwarded = true;
	foreign->task.series.is_watched = m->is_watched;
	foreign->task.series.watched = m->watched;
	uint64_t deadline_us =
	    m->deadline_us < TASK_DEADLINE_MAX_US ? m->deadline_us : TASK_DEADLINE_MAX_US;
	foreign->task.deadline_us = step->now_us + deadline_us;
	if (fill_foreign(foreign, m, key) == 0)
		return foreign;
	free_foreign(foreign);
	return NULL;
}

/* It was not taken on. */
static void refuse(struct node *node, struct node_step *step, const struct message *asked,
		   int status)
{
	struct op_result whole = {.status = status};
	struct message m = {
	    .block = asked->block, .tag = asked->tag, .key = asked->key, .whole = &whole};
	answer(node, step, asked->from, &m);
}

static int on_forward(struct node *node, struct node_step *step, const struct message *m)
{
	const struct node_block *block = &node->blocks[m->block];
	struct store_key key = node_key(node, m->key);
	if (key.block != m->block)
		return 0;
	if (m->version > block->acceptor.version)
		step->effects->wants_map(step->effects->ctx, m->from);
	if (!node_block_is_replica(block)) {
		refuse(node, step, m, DHT_EUNAVAIL);
		return 0;
	}
	struct foreign *foreign = make_foreign(step, m, &key);
	if (foreign == NULL) {
		refuse(node, step, m, DHT_ENOMEM);
		return 0;
	}
	int rc = coordinator_submit(node, step, &foreign->task);
	if (rc != 0)
		free_foreign(foreign);
	return rc;
}

int forward_handle(struct node *node, struct node_step *step, const struct message *m)
{
	return m->kind == MESSAGE_FORWARD ? on_forward(node, step, m) : on_result(node, step, m);
}

static void forget(void *ctx, struct table_link *link)
{
	(void)ctx;
	free(DHT_CONTAINER_OF(link, struct forward, link));
}

void forward_fini(struct node *node, uint32_t block)
{
	struct table *forwards = &node->blocks[block].forwards;
	table_visit(forwards, forget, NULL);
	table_fini(forwards);
}
