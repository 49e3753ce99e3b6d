/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_nodes.h"

#include <stdlib.h>

#include "base/error.h"
#include "helper_map.h"
#include "node/coordinator.h"
#include "unit.h"

/* ---- Letters --------------------------------------------------------------------------- */

static struct bytes copy_into(struct letter *letter, struct bytes from)
{
	struct bytes copy;
	UNIT_REQUIRE(arena_copy(&letter->bytes, from, &copy) == 0);
	return copy;
}

static void copy_ops(struct letter *letter, const struct message *m)
{
	if (m->ops == NULL)
		return;
	letter->ops = calloc(m->op_count + 1, sizeof(*letter->ops));
	UNIT_REQUIRE(letter->ops != NULL);
	for (size_t i = 0; i < m->op_count; i++) {
		letter->ops[i] = m->ops[i];
		letter->ops[i].key.key = copy_into(letter, m->ops[i].key.key);
		letter->ops[i].value = copy_into(letter, m->ops[i].value);
		letter->ops[i].expected = copy_into(letter, m->ops[i].expected);
	}
	letter->message.ops = letter->ops;
}

static void copy_results(struct letter *letter, const struct message *m)
{
	if (m->whole == NULL)
		return;
	letter->whole = *m->whole;
	letter->whole.value = bytes_of(NULL, 0);
	letter->message.whole = &letter->whole;
	letter->results = calloc(m->op_count + 1, sizeof(*letter->results));
	UNIT_REQUIRE(letter->results != NULL);
	for (size_t i = 0; i < m->op_count; i++) {
		letter->results[i] = m->results[i];
		letter->results[i].value = copy_into(letter, m->results[i].value);
	}
	letter->message.results = letter->results;
}

static void copy_items(struct letter *letter, const struct message *m)
{
	letter->items = calloc(m->item_count + 1, sizeof(*letter->items));
	UNIT_REQUIRE(letter->items != NULL);
	for (size_t i = 0; i < m->item_count; i++) {
		letter->items[i] = m->items[i];
		letter->items[i].key = copy_into(letter, m->items[i].key);
		letter->items[i].record.value = copy_into(letter, m->items[i].record.value);
	}
	letter->message.items = letter->items;
}

static void write_letter(struct helper_nodes *n, uint16_t to, const struct message *m,
			 uint64_t rests_on)
{
	struct letter *letter = calloc(1, sizeof(*letter));
	UNIT_REQUIRE(letter != NULL && n->letter_count < NODES_LETTERS_MAX);
	letter->to = to;
	letter->rests_on = rests_on;
	letter->message = *m;
	arena_init(&letter->bytes);
	letter->message.key = copy_into(letter, m->key);
	letter->message.record.value = copy_into(letter, m->record.value);
	copy_ops(letter, m);
	copy_results(letter, m);
	copy_items(letter, m);
	n->letters[n->letter_count++] = letter;
	n->sent[m->kind]++;
}

static void free_letter(struct letter *letter)
{
	arena_fini(&letter->bytes);
	free(letter->ops);
	free(letter->results);
	free(letter->items);
	free(letter);
}

static struct letter *take_letter(struct helper_nodes *n, unsigned index)
{
	UNIT_REQUIRE(index < n->letter_count);
	struct letter *letter = n->letters[index];
	n->letter_count--;
	memmove(&n->letters[index], &n->letters[index + 1],
		(n->letter_count - index) * sizeof(struct letter *));
	return letter;
}

/* ---- Effects --------------------------------------------------------------------------- */

static void on_send(void *ctx, const uint16_t *to, unsigned count, const struct message *m,
		    uint64_t rests_on)
{
	struct helper_nodes_member *member = ctx;
	UNIT_REQUIRE(count > 0 && count <= QUORUM_SEATS && m->from == member->h.node.number);
	/* A sender may pin the record that the value lies in instead of copying it. */
	if (m->location != 0 && m->record.value.len > 0) {
		store_pin(member->h.store, m->location);
		store_unpin(member->h.store, m->location);
	}
	for (unsigned i = 0; i < count; i++) {
		UNIT_REQUIRE(to[i] != m->from);
		write_letter(member->all, to[i], m, rests_on);
	}
}

static void on_done(void *ctx, struct task *task)
{
	(void)ctx;
	struct call *call = DHT_CONTAINER_OF(task, struct call, task);
	UNIT_REQUIRE(!call->is_done);
	UNIT_REQUIRE(task->whole.status <= 0 && task->whole.status != DHT_EAGAIN);
	call->is_done = true;
}

static void on_timer(void *ctx, const struct node_timer *timer, uint64_t delay_us)
{
	struct helper_nodes_member *member = ctx;
	struct helper_nodes *n = member->all;
	UNIT_REQUIRE(n->alarm_count < NODES_ALARMS_MAX);
	n->alarms[n->alarm_count].member = member->h.node.number;
	n->alarms[n->alarm_count].timer = *timer;
	n->alarms[n->alarm_count++].at_us = n->now_us + delay_us;
}

static void on_wants_map(void *ctx, uint16_t from)
{
	struct helper_nodes_member *member = ctx;
	UNIT_REQUIRE(from < member->all->count);
	member->all->wants_map++;
}

/* ---- Steps ----------------------------------------------------------------------------- */

static void begin_step(struct helper_nodes *n, struct helper_node *h)
{
	h->step.now_us = n->now_us;
	h->step.now_ms = n->now_ms;
	h->step.random = h->step.random * 6364136223846793005ull + 1442695040888963407ull;
}

/* What the committer does for a call that waits. */
static bool provide(struct helper_node *h)
{
	if (h->step.waits_for == NODE_WAITS_FOR_COMMIT)
		counter_ceiling_durable(&h->node.counter,
					counter_value(&h->node.counter) + COUNTER_AHEAD_MIN);
	return helper_node_provide(h);
}

static void end_step(struct helper_node *h, int rc)
{
	UNIT_REQUIRE(rc == 0 || (rc == DHT_EAGAIN && h->step.waits_for == NODE_WAITS_FOR_MAP));
	helper_node_done(h);
}

static void handle(struct helper_nodes *n, const struct letter *letter)
{
	UNIT_REQUIRE(letter->to < n->count && letter->message.from < n->count);
	struct helper_node *from = &n->members[letter->message.from].h;
	struct helper_node *to = &n->members[letter->to].h;
	if (letter->rests_on > store_durable(from->store))
		helper_node_commit(from);
	UNIT_REQUIRE(letter->rests_on <= store_durable(from->store));
	int rc;
	do {
		begin_step(n, to);
		rc = node_handle(&to->node, &to->step, &letter->message);
	} while (rc == DHT_EAGAIN && provide(to));
	end_step(to, rc);
}

void helper_nodes_deliver(struct helper_nodes *n, unsigned index)
{
	struct letter *letter = take_letter(n, index);
	handle(n, letter);
	free_letter(letter);
}

void helper_nodes_repeat(struct helper_nodes *n, unsigned index)
{
	UNIT_REQUIRE(index < n->letter_count);
	handle(n, n->letters[index]);
}

void helper_nodes_lose(struct helper_nodes *n, unsigned index)
{
	free_letter(take_letter(n, index));
}

static bool is_on_way(const struct letter *letter, enum message_kind kind, uint16_t from,
		      uint16_t to)
{
	return letter->message.kind == kind && (from == ANYBODY || letter->message.from == from) &&
	       (to == ANYBODY || letter->to == to);
}

int helper_nodes_find(const struct helper_nodes *n, enum message_kind kind, uint16_t from,
		      uint16_t to)
{
	for (unsigned i = 0; i < n->letter_count; i++) {
		if (is_on_way(n->letters[i], kind, from, to))
			return (int)i;
	}
	return -1;
}

unsigned helper_nodes_deliver_all(struct helper_nodes *n, enum message_kind kind, uint16_t from,
				  uint16_t to)
{
	unsigned count = 0;
	int index;
	for (; (index = helper_nodes_find(n, kind, from, to)) >= 0; count++)
		helper_nodes_deliver(n, (unsigned)index);
	return count;
}

unsigned helper_nodes_lose_all(struct helper_nodes *n, enum message_kind kind, uint16_t from,
			       uint16_t to)
{
	unsigned count = 0;
	int index;
	for (; (index = helper_nodes_find(n, kind, from, to)) >= 0; count++)
		helper_nodes_lose(n, (unsigned)index);
	return count;
}

void helper_nodes_settle(struct helper_nodes *n)
{
	for (unsigned i = 0; n->letter_count > 0; i++) {
		UNIT_REQUIRE(i < 100000);
		helper_nodes_deliver(n, 0);
	}
}

/* ---- Time ------------------------------------------------------------------------------ */

static int next_alarm(const struct helper_nodes *n)
{
	int next = -1;
	for (unsigned i = 0; i < n->alarm_count; i++) {
		if (next < 0 || n->alarms[i].at_us < n->alarms[next].at_us)
			next = (int)i;
	}
	return next;
}

static void ring(struct helper_nodes *n, unsigned index)
{
	struct helper_node *h = &n->members[n->alarms[index].member].h;
	struct node_timer timer = n->alarms[index].timer;
	n->alarms[index] = n->alarms[--n->alarm_count];
	int rc;
	do {
		begin_step(n, h);
		rc = node_on_timer(&h->node, &h->step, &timer);
	} while (rc == DHT_EAGAIN && provide(h));
	end_step(h, rc);
}

void helper_nodes_pass(struct helper_nodes *n, uint64_t us)
{
	uint64_t until_us = n->now_us + us;
	int next;
	while ((next = next_alarm(n)) >= 0 && n->alarms[next].at_us <= until_us) {
		if (n->alarms[next].at_us > n->now_us)
			n->now_us = n->alarms[next].at_us;
		ring(n, (unsigned)next);
	}
	n->now_us = until_us;
}

void helper_nodes_finish(struct helper_nodes *n, struct call *call)
{
	for (int i = 0; !call->is_done; i++) {
		UNIT_REQUIRE(i < 100000);
		helper_nodes_settle(n);
		if (!call->is_done)
			helper_nodes_pass(n, 100);
	}
	struct helper_node *h = &n->members[call->at].h;
	if (call->task.whole.end > store_durable(h->store))
		helper_node_commit(h);
	UNIT_REQUIRE(call->task.whole.end <= store_durable(h->store));
}

/* ---- Calls ----------------------------------------------------------------------------- */

void helper_nodes_ask(struct helper_nodes *n, unsigned at, struct call *call,
		      const struct store_key *key, const struct op *ops, size_t count)
{
	struct helper_node *h = &n->members[at].h;
	UNIT_REQUIRE(count <= CALL_OPS_MAX);
	memset(call, 0, sizeof(*call));
	task_init(&call->task, TASK_OPERATIONS);
	call->at = (uint16_t)at;
	for (size_t i = 0; i < count; i++) {
		call->ops[i] = ops[i];
		call->ops[i].key = *key;
	}
	call->task.series.key = *key;
	call->task.series.ops = call->ops;
	call->task.series.results = call->results;
	call->task.series.count = count;
	call->task.deadline_us = n->now_us + 5000000;
	int rc;
	do {
		begin_step(n, h);
		rc = node_submit(&h->node, &h->step, &call->task);
	} while (rc == DHT_EAGAIN && provide(h));
	end_step(h, rc);
}

void helper_call_end(struct helper_nodes *n, struct call *call)
{
	UNIT_REQUIRE(call->is_done);
	if (call->task.whole.location != 0) {
		UNIT_REQUIRE(call->task.whole.is_pinned);
		store_unpin(n->members[call->at].h.store, call->task.whole.location);
	}
	task_fini(&call->task);
}

void helper_nodes_do(struct helper_nodes *n, unsigned at, struct call *call,
		     const struct store_key *key, struct op op)
{
	helper_nodes_ask(n, at, call, key, &op, 1);
	helper_nodes_finish(n, call);
}

/* ---- Life ------------------------------------------------------------------------------ */

void helper_nodes_open(struct helper_nodes *n, unsigned count)
{
	memset(n, 0, sizeof(*n));
	UNIT_REQUIRE(count <= NODES_MAX);
	n->count = count;
	n->map = helper_map(HELPER_NODE_BLOCKS, (uint16_t)count);
	n->now_us = 1000000;
	n->now_ms = 1000000;
	for (unsigned i = 0; i < count; i++) {
		struct helper_nodes_member *member = &n->members[i];
		member->all = n;
		helper_node_open(&member->h, (uint16_t)i, n->map);
		member->h.effects =
		    (struct node_effects){member, on_send, on_done, on_timer, on_wants_map, NULL};
		member->h.step.random = i * 77777 + 1;
		member->h.node.times = (struct node_times){.round_us = 1000, .back_off_us = 200};
	}
}

void helper_nodes_close(struct helper_nodes *n)
{
	while (n->letter_count > 0)
		helper_nodes_lose(n, 0);
	for (unsigned i = 0; i < n->count; i++)
		helper_node_close(&n->members[i].h);
	ring_map_destroy(n->map);
}

struct store_key helper_nodes_key(struct helper_nodes *n, uint32_t block)
{
	static char texts[16][16];
	static unsigned used;
	unsigned from = 0;
	char *text = texts[used++ % DHT_ARRAY_LEN(texts)];
	strcpy(text, helper_node_text_in(&n->members[0].h, block, &from));
	return helper_node_key(&n->members[0].h, text);
}

void helper_nodes_move(struct helper_nodes *n, unsigned at, uint32_t block,
		       const struct ring_block *to)
{
	struct helper_node *h = &n->members[at].h;
	begin_step(n, h);
	node_block_set(&h->node.blocks[block], to, h->node.number);
	UNIT_REQUIRE(coordinator_move(&h->node, &h->step, block) == 0);
}

uint64_t helper_nodes_log(struct helper_nodes *n, unsigned at)
{
	helper_node_commit(&n->members[at].h);
	return store_durable(n->members[at].h.store);
}

bool helper_nodes_are_idle(struct helper_nodes *n)
{
	for (unsigned i = 0; i < n->count; i++) {
		for (uint32_t b = 0; b < HELPER_NODE_BLOCKS; b++) {
			const struct node_block *block = &helper_nodes_node(n, i)->blocks[b];
			if (block->active.count > 0 || block->forwards.count > 0)
				return false;
		}
	}
	return true;
}
