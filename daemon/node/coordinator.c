/* SPDX-License-Identifier: Apache-2.0 */
#include "node/coordinator.h"

#include <stdlib.h>

#include "base/error.h"
#include "node/local.h"
#include "node/rounds.h"

enum { LOOK_US = 10000 /* between two looks whether an answer is still to be expected */ };

static struct node_block *block_of(struct node *node, const struct active *a)
{
	return &node->blocks[a->key.block];
}

/* ---- The end of tasks ------------------------------------------------------------------ */

void coordinator_end(struct node *node, struct node_step *step, struct task *task)
{
	if (task->end != NULL)
		task->end(node, step, task);
	else
		step->effects->done(step->effects->ctx, task);
}

void coordinator_fail(struct node *node, struct node_step *step, struct task *task, int status)
{
	task->whole = (struct op_result){.status = status};
	coordinator_end(node, step, task);
}

/* ---- Those that do not answer ------------------------------------------------------------ */

static uint16_t away_seats(const struct node *node, const struct node_block *block)
{
	uint16_t away = 0;
	for (unsigned seat = 0; seat < block->seats; seat++) {
		uint16_t member = block->members[seat];
		if (seat != block->self &&
		    (node_is_down(node, member) || node_is_slow(node, member)))
			away |= (uint16_t)(1u << seat);
	}
	return away;
}

/* A replica that is gone must not delay the others: neither where they have read different things,
 * nor where one of them has refused. */
static bool waits_in_vain(struct node *node, const struct active *a)
{
	return a->state == ACTIVE_ASKS &&
	       round_waits_in_vain(&a->round, away_seats(node, block_of(node, a)));
}

/* When a key that waits for answers is to be looked at next: those that it waits for may turn out
 * to be gone. */
static uint64_t next_look(const struct node_step *step, const struct active *a)
{
	uint64_t look_us = step->now_us + LOOK_US;
	bool may_be_in_vain = round_waits_in_vain(&a->round, quorum_all(&a->round.quorum));
	return may_be_in_vain && look_us < a->until_us ? look_us : a->until_us;
}

/* ---- What drives it ---------------------------------------------------------------------- */

/* Goes on until answers or time are waited for, or nothing is left to do: then a is gone. Each
 * turn ends a task, begins one of ROUND_MAX rounds of a batch, or waits. */
static int drive(struct node *node, struct node_step *step, struct active *a)
{
	for (;;) {
		int rc = 0;
		switch (a->state) {
		case ACTIVE_IDLE:
			if (list_is_empty(&a->queue)) {
				active_destroy(node, a);
				return 0;
			}
			rc = rounds_begin(node, step, a);
			break;
		case ACTIVE_READS:
			rc = rounds_read(node, step, a);
			break;
		case ACTIVE_PREPARES:
			rc = rounds_prepare(node, step, a);
			break;
		case ACTIVE_PROPOSES:
			rc = rounds_propose(node, step, a);
			break;
		case ACTIVE_REPEATS:
			rc = rounds_propose_again(node, step, a);
			break;
		case ACTIVE_ASKS:
			rounds_set_alarm(node, step, a, next_look(step, a));
			return 0;
		case ACTIVE_BACKS_OFF:
			rounds_set_alarm(node, step, a, a->until_us);
			return 0;
		}
		if (rc != 0)
			return rc;
	}
}

int rounds_advance(struct node *node, struct node_step *step, struct active *a)
{
	int rc = drive(node, step, a);
	if (rc == DHT_EAGAIN)
		rounds_set_alarm(node, step, a, step->now_us + node->times.round_us);
	return rc;
}

/* The one replica asks nobody: the whole round is this step. */
static int run_alone(struct node *node, struct node_step *step, struct task *task)
{
	struct op_result *whole = &task->whole;
	*whole = (struct op_result){0};
	series_set_time(&task->series, step->now_ms);
	task->series.fetched = step->fetched;
	local_run_series(node, step->appender, &task->series, whole);
	task->series.fetched = NULL;
	if (whole->status == DHT_EDAMAGED)
		return DHT_EDAMAGED;
	if (whole->status == DHT_EAGAIN) {
		step->waits_for = whole->cold != 0 ? NODE_WAITS_FOR_RECORD : NODE_WAITS_FOR_COMMIT;
		step->cold = whole->cold;
		return DHT_EAGAIN;
	}
	if (whole->location != 0 && !whole->is_pinned) {
		store_pin(node->store, whole->location);
		whole->is_pinned = true;
	}
	/* It may lie in what was fetched for this step. */
	if (whole->location == 0 && active_copy_value(task) != 0)
		whole->status = DHT_EUNCERTAIN;
	coordinator_end(node, step, task);
	return 0;
}

int coordinator_submit(struct node *node, struct node_step *step, struct task *task)
{
	struct node_block *block = &node->blocks[task->series.key.block];
	DHT_ASSERT(node_block_is_replica(block));
	struct active *a = active_find(block, &task->series.key);
	if (a != NULL) {
		list_push_tail(&a->queue, &task->link);
		rounds_alarm_by(node, step, a, task->deadline_us);
		return 0;
	}
	if (node_block_is_alone(block) && task->kind == TASK_OPERATIONS)
		return run_alone(node, step, task);
	a = active_create(block, &task->series.key);
	if (a == NULL) {
		coordinator_fail(node, step, task, DHT_ENOMEM);
		return 0;
	}
	list_push_tail(&a->queue, &task->link);
	int rc = drive(node, step, a);
	if (rc != 0) {
		list_remove(&task->link);
		active_destroy(node, a);
	}
	return rc;
}

/* ---- Answers ----------------------------------------------------------------------------- */

/* A refusal, also a late one: what is reserved here does not help any more. */
static void cool(struct node *node, struct node_step *step, const struct store_key *key,
		 struct ballot bound)
{
	struct entry entry;
	rounds_see_bound(node, bound);
	if (entry_load(node, step, key, &entry) != 0 || !entry.acceptor.hot)
		return;
	entry.acceptor.hot = false;
	entry_save_promise(node, &entry);
}

/* The record that an answer tells, its value included. False: the answer makes no sense. */
static bool take_record(struct active *a, const struct message *m, struct paxos_record *record)
{
	*record = m->record;
	if (!m->is_omitted)
		return true;
	if (!ballot_equal(record->acc, a->named.acc))
		return false;
	record->value = a->named.value;
	a->was_omitted = true;
	return true;
}

/* True if this promise will be counted, and its record is the highest so far. */
static bool is_highest(const struct active *a, unsigned seat, const struct message *m)
{
	const struct round *r = &a->round;
	return ballot_equal(m->b, r->b) && (r->agreed >> seat & 1) == 0 &&
	       ballot_compare(m->record.acc, r->base.acc) > 0;
}

static enum round_step on_promise(struct node *node, struct active *a, unsigned seat,
				  const struct message *m)
{
	struct paxos_record record;
	if (!take_record(a, m, &record))
		return ROUND_WAITS;
	if (!m->is_omitted && is_highest(a, seat, m)) {
		/* Without memory for it, the answer is lost. */
		if (active_hold_found(node, a, record.value) != 0)
			return ROUND_WAITS;
		record.value = a->found.bytes;
	}
	return round_on_promise(&a->round, seat, m->tag, m->b, &record, m->bound);
}

static enum round_step on_value(struct active *a, unsigned seat, const struct message *m)
{
	struct paxos_record record;
	if (!take_record(a, m, &record))
		return ROUND_WAITS;
	return round_on_value(&a->round, seat, m->tag, &record);
}

static enum round_step on_answer(struct node *node, struct active *a, const struct message *m)
{
	unsigned seat = node_block_seat(block_of(node, a), m->from);
	if (seat == NODE_NO_SEAT)
		return ROUND_WAITS;
	if (m->kind == MESSAGE_VALUE)
		return on_value(a, seat, m);
	if (!m->is_ok)
		return round_on_nack(&a->round, seat, m->tag);
	if (m->kind == MESSAGE_PROMISE)
		return on_promise(node, a, seat, m);
	return round_on_ok(&a->round, seat, m->tag, m->b, m->bound);
}

static bool is_answer_to(const struct active *a, const struct message *m)
{
	return a->state == ACTIVE_ASKS && m->tag == a->round.tag;
}

int coordinator_handle(struct node *node, struct node_step *step, const struct message *m)
{
	struct store_key key = node_key(node, m->key);
	if (m->kind != MESSAGE_VALUE && !m->is_ok)
		cool(node, step, &key, m->bound);
	struct active *a = active_find(&node->blocks[key.block], &key);
	if (a == NULL)
		return 0;
	int rc = is_answer_to(a, m) ? rounds_follow(node, step, a, on_answer(node, a, m)) : 0;
	if (rc == 0 && waits_in_vain(node, a))
		rc = rounds_follow(node, step, a, round_on_timeout(&a->round));
	return rc != 0 ? rc : rounds_advance(node, step, a);
}

/* ---- Other events ------------------------------------------------------------------------ */

static int on_time(struct node *node, struct node_step *step, struct active *a)
{
	rounds_expire(node, step, a);
	if (a->until_us > step->now_us && !waits_in_vain(node, a))
		return 0;
	if (a->state == ACTIVE_ASKS)
		return rounds_follow(node, step, a, round_on_timeout(&a->round));
	if (a->state == ACTIVE_BACKS_OFF)
		a->state = ACTIVE_PREPARES;
	return 0;
}

bool coordinator_on_timer(struct node *node, struct node_step *step, const struct node_timer *timer,
			  int *rc)
{
	struct active *a = active_find_alarm(&node->blocks[timer->block], timer);
	if (a == NULL)
		return false;
	a->alarm = 0;
	*rc = on_time(node, step, a);
	if (*rc == 0)
		*rc = drive(node, step, a);
	if (*rc == DHT_EAGAIN) { /* the call is repeated */
		a->alarm = timer->tag;
		a->alarm_us = step->now_us;
	}
	return true;
}

static void end_identity(struct node *node, struct node_step *step, struct task *task)
{
	(void)node, (void)step;
	task_fini(task);
	free(task);
}

int coordinator_identity(struct node *node, struct node_step *step, const struct store_key *key)
{
	struct node_block *block = &node->blocks[key->block];
	if (!node_block_is_replica(block) || active_find(block, key) != NULL)
		return 0;
	struct task *task = malloc(sizeof(*task));
	if (task == NULL)
		return 0; /* there will be another occasion */
	task_init(task, TASK_IDENTITY);
	task->end = end_identity;
	task->series.key = *key;
	task->deadline_us = step->now_us + TASK_DEADLINE_MAX_US;
	int rc = coordinator_submit(node, step, task);
	if (rc != 0)
		end_identity(node, step, task);
	return rc;
}

static void forget_tasks(struct node *node, struct list *tasks)
{
	LIST_FOREACH_SAFE(link, following, tasks)
	{
		struct task *task = LIST_ENTRY(link, struct task, link);
		list_remove(link);
		if (task->end != NULL)
			task->end(node, NULL, task);
	}
}

static void forget(void *ctx, struct table_link *link)
{
	struct node *node = ctx;
	struct active *a = DHT_CONTAINER_OF(link, struct active, link);
	forget_tasks(node, &a->batch);
	forget_tasks(node, &a->queue);
	active_destroy(node, a);
}

void coordinator_fini(struct node *node, uint32_t block)
{
	struct table *active = &node->blocks[block].active;
	table_visit(active, forget, node);
	table_fini(active);
}
