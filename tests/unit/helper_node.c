/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_node.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "node/adopt.h"
#include "ring/code.h"
#include "unit.h"

/* ---- Copies of messages ------------------------------------------------------------ */

static struct bytes copy_of(struct bytes from)
{
	if (from.len == 0)
		return bytes_of(NULL, 0);
	uint8_t *data = malloc(from.len);
	ck_assert_ptr_nonnull(data);
	memcpy(data, from.data, from.len);
	return bytes_of(data, from.len);
}

static void free_bytes(struct bytes bytes)
{
	free((void *)(uintptr_t)bytes.data);
}

static struct message copy_message(const struct message *m)
{
	struct message copy = *m;
	copy.key = copy_of(m->key);
	copy.record.value = copy_of(m->record.value);
	struct message_item *items = calloc(m->item_count + 1, sizeof(*items));
	ck_assert_ptr_nonnull(items);
	for (size_t i = 0; i < m->item_count; i++) {
		items[i] = m->items[i];
		items[i].key = copy_of(m->items[i].key);
		items[i].record.value = copy_of(m->items[i].record.value);
	}
	copy.items = items;
	struct message_count *counts = calloc(m->count_count + 1, sizeof(*counts));
	ck_assert_ptr_nonnull(counts);
	for (size_t i = 0; i < m->count_count; i++)
		counts[i] = m->counts[i];
	copy.counts = counts;
	return copy;
}

static void free_message(struct message *m)
{
	free_bytes(m->key);
	free_bytes(m->record.value);
	for (size_t i = 0; i < m->item_count; i++) {
		free_bytes(m->items[i].key);
		free_bytes(m->items[i].record.value);
	}
	free((void *)(uintptr_t)m->items);
	free((void *)(uintptr_t)m->counts);
}

/* ---- Effects ----------------------------------------------------------------------- */

static void on_send(void *ctx, const uint16_t *to, unsigned count, const struct message *m,
		    uint64_t rests_on)
{
	struct helper_node *h = ctx;
	UNIT_REQUIRE(count <= QUORUM_SEATS && m->from == h->node.number);
	for (unsigned i = 0; i < count; i++) {
		UNIT_REQUIRE(to[i] != h->node.number);
		UNIT_REQUIRE(h->sent_count < HELPER_NODE_SENT_MAX);
		h->sent[h->sent_count++] = (struct helper_sent){
		    .to = to[i], .message = copy_message(m), .rests_on = rests_on};
	}
}

static void on_done(void *ctx, struct task *task)
{
	(void)ctx, (void)task;
}

static void on_timer(void *ctx, const struct node_timer *timer, uint64_t delay_us)
{
	(void)ctx, (void)timer, (void)delay_us;
}

static void on_wants_map(void *ctx, uint16_t from)
{
	struct helper_node *h = ctx;
	h->wants_map_count++;
	h->wants_map_from = from;
}

static void on_answer(void *ctx, const struct message *m)
{
	struct helper_node *h = ctx;
	if (h->answered_count > 0)
		free_message(&h->answered);
	h->answered = copy_message(m);
	h->answered_count++;
}

/* ---- Life -------------------------------------------------------------------------- */

static void *table_resize(void *ctx, void *table, size_t old_size, size_t new_size)
{
	(void)ctx, (void)old_size;
	if (new_size > 0)
		return realloc(table, new_size);
	free(table);
	return NULL;
}

static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	(void)ctx;
	*key = node_locate(key->key, HELPER_NODE_SEED, blocks);
}

static void commit(struct helper_node *h)
{
	while (store_wants_segment(h->store)) {
		int rc = store_prepare(h->store);
		if (rc == DHT_ENOSPC)
			break;
		ck_assert_int_eq(rc, 0);
	}
	ck_assert_int_eq(store_commit(h->store, STORE_SYNC), 0);
}

static void raise_ceiling(struct helper_node *h, uint64_t ceiling)
{
	uint64_t end;
	ck_assert_int_eq(store_put_ceiling(h->store, 0, ceiling, &end), 0);
	commit(h);
	counter_ceiling_durable(&h->node.counter, ceiling);
}

void helper_node_commit(struct helper_node *h)
{
	commit(h);
	uint64_t wanted = counter_wants_ceiling(&h->node.counter, 0);
	if (wanted != 0)
		raise_ceiling(h, wanted);
}

/* The map of the store, if it holds one. */
static void restore(struct helper_node *h, const struct ring_map *map)
{
	struct ring_map *kept = NULL;
	struct bytes code;
	if (store_note(h->store, RECORD_MAP, 0, &code))
		ck_assert_int_eq(ring_map_decode(code, NULL, &kept), 0);
	node_restore(&h->node, kept != NULL ? kept : map, h->report.ceiling);
	ring_map_destroy(kept);
}

static void start(struct helper_node *h, uint16_t number, const struct ring_map *map)
{
	struct store_options options = {
	    .blocks = HELPER_NODE_BLOCKS,
	    .segment_size_bytes = HELPER_NODE_SEGMENT,
	    .memory_bytes = h->memory_bytes,
	    .locate = locate,
	    .report = &h->report,
	};
	h->starts++;
	ck_assert_int_eq(store_open(&options, &h->disk.os, &h->store), 0);
	ck_assert_int_eq(node_init(&h->node, h->store, number, HELPER_NODE_SEED, h->report.ceiling,
				   (uint32_t)h->starts),
			 0);
	restore(h, map);
	h->node.times.round_us = HELPER_NODE_ROUND_US;
	commit(h);
	raise_ceiling(h, h->report.ceiling + 2 * COUNTER_AHEAD_MIN);
}

static void stop(struct helper_node *h)
{
	helper_node_done(h);
	helper_node_forget(h);
	node_fini(&h->node);
	store_close(h->store);
	h->store = NULL;
}

void helper_node_open(struct helper_node *h, uint16_t number, const struct ring_map *map)
{
	memset(h, 0, sizeof(*h));
	helper_disk_init(&h->disk, number + 1u);
	h->disk.os.table_resize = table_resize;
	h->effects = (struct node_effects){h, on_send, on_done, on_timer, on_wants_map, on_answer};
	h->step = (struct node_step){.effects = &h->effects};
	start(h, number, map);
}

void helper_node_close(struct helper_node *h)
{
	stop(h);
	helper_disk_fini(&h->disk);
	if (h->answered_count > 0)
		free_message(&h->answered);
}

void helper_node_restart(struct helper_node *h, enum helper_disk_loss loss,
			 const struct ring_map *map)
{
	uint16_t number = h->node.number;
	stop(h);
	helper_disk_power_back(&h->disk, loss);
	start(h, number, map);
}

/* ---- Steps ------------------------------------------------------------------------- */

struct store_key helper_node_key(const struct helper_node *h, const char *text)
{
	return node_key(&h->node, bytes_of_text(text));
}

const char *helper_node_text_in(const struct helper_node *h, uint32_t block, unsigned *from)
{
	static char text[16];
	do
		snprintf(text, sizeof(text), "key%u", (*from)++);
	while (helper_node_key(h, text).block != block);
	return text;
}

bool helper_node_provide(struct helper_node *h)
{
	h->repeats++;
	UNIT_REQUIRE(h->repeats < 1000000);
	if (h->step.waits_for == NODE_WAITS_FOR_MAP)
		return false;
	if (h->step.waits_for == NODE_WAITS_FOR_COMMIT) {
		helper_node_commit(h);
		return true;
	}
	struct store_fetched *fetched = calloc(1, sizeof(*fetched));
	uint8_t *data;
	ck_assert_ptr_nonnull(fetched);
	store_pin(h->store, h->step.cold);
	ck_assert_int_eq(store_fetch(h->store, h->step.cold, &data), 0);
	store_unpin(h->store, h->step.cold);
	*fetched = (struct store_fetched){h->step.cold, data, h->step.fetched};
	h->step.fetched = fetched;
	return true;
}

void helper_node_done(struct helper_node *h)
{
	while (h->step.fetched != NULL) {
		const struct store_fetched *next = h->step.fetched->next;
		free((void *)(uintptr_t)h->step.fetched->data);
		free((void *)(uintptr_t)h->step.fetched);
		h->step.fetched = next;
	}
	h->step.random++;
}

int helper_node_handle(struct helper_node *h, const struct message *m)
{
	int rc;
	do
		rc = node_handle(&h->node, &h->step, m);
	while (rc == DHT_EAGAIN && helper_node_provide(h));
	helper_node_done(h);
	return rc;
}

const struct message *helper_node_sent(struct helper_node *h, enum message_kind kind)
{
	ck_assert_uint_gt(h->sent_count, 0);
	const struct message *m = &h->sent[h->sent_count - 1].message;
	ck_assert_str_eq(message_name(m->kind), message_name(kind));
	return m;
}

void helper_node_forget(struct helper_node *h)
{
	for (unsigned i = 0; i < h->sent_count; i++)
		free_message(&h->sent[i].message);
	h->sent_count = 0;
}

/* ---- Several ----------------------------------------------------------------------- */

void helper_node_adopt(struct helper_node *h, const struct ring_map *map)
{
	int rc = 0;
	node_adopt_begin(&h->node, map);
	for (uint32_t i = 0; i < HELPER_NODE_BLOCKS; i++) {
		do
			rc = node_adopt_block(&h->node, &h->step, map, i);
		while (rc == DHT_EAGAIN && helper_node_provide(h));
		ck_assert_int_eq(rc, 0);
		helper_node_done(h);
	}
	do
		rc = node_adopt_end(&h->node, &h->step, map);
	while (rc == DHT_EAGAIN && helper_node_provide(h));
	ck_assert_int_eq(rc, 0);
}

static struct helper_node *find(struct helper_node *const *nodes, unsigned count, uint16_t number)
{
	for (unsigned i = 0; i < count; i++) {
		if (nodes[i] != NULL && nodes[i]->node.number == number)
			return nodes[i];
	}
	return NULL;
}

/* What `from` has sent so far. */
static unsigned deliver(struct helper_node *from, struct helper_node *const *nodes, unsigned count)
{
	unsigned delivered = 0, until = from->sent_count;
	helper_node_commit(from);
	for (unsigned i = 0; i < until; i++) {
		struct helper_sent *sent = &from->sent[i];
		struct helper_node *to = find(nodes, count, sent->to);
		bool was_taken = sent->is_taken;
		sent->is_taken = true;
		if (was_taken || to == NULL)
			continue;
		uint64_t rests_on = sent->rests_on == NODE_RESTS_ON_MAP ? node_map_end(&from->node)
									: sent->rests_on;
		UNIT_REQUIRE(rests_on <= store_durable(from->store));
		int rc = helper_node_handle(to, &sent->message);
		UNIT_REQUIRE(rc == 0 || rc == DHT_EAGAIN);
		delivered++;
	}
	return delivered;
}

unsigned helper_node_exchange(struct helper_node *const *nodes, unsigned count)
{
	unsigned total = 0, delivered;
	do {
		delivered = 0;
		for (unsigned i = 0; i < count; i++) {
			if (nodes[i] != NULL)
				delivered += deliver(nodes[i], nodes, count);
		}
		total += delivered;
	} while (delivered > 0);
	for (unsigned i = 0; i < count; i++) {
		if (nodes[i] != NULL)
			helper_node_forget(nodes[i]);
	}
	return total;
}
