/* SPDX-License-Identifier: Apache-2.0
 *
 * node/sync: new members get what the old ones hold, as copies, whatever happens meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "helper_map.h"
#include "helper_node.h"
#include "node/adopt.h"
#include "node/range.h"
#include "node/replica.h"
#include "node/sync.h"
#include "ring/phase.h"
#include "unit.h"

/* All keys are in block 0, whose replicas are the members 0 to 2 at first. */
enum { NODES = 4, KEYS = 1500 };

static struct helper_node h[NODES];
static struct helper_node *nodes[NODES];
static struct ring_map *map;
static char (*texts)[16];

static void begin(void)
{
	map = helper_map(HELPER_NODE_BLOCKS, NODES);
	for (uint16_t i = 0; i < NODES; i++) {
		nodes[i] = &h[i];
		helper_node_open(&h[i], i, map);
	}
	unsigned from = 0;
	texts = calloc(KEYS, sizeof(*texts));
	for (unsigned k = 0; k < KEYS; k++)
		snprintf(texts[k], sizeof(texts[k]), "%s", helper_node_text_in(&h[0], 0, &from));
}

static void end(void)
{
	for (unsigned i = 0; i < NODES; i++)
		helper_node_close(&h[i]);
	ring_map_destroy(map);
	free(texts);
}

static void next_epoch(void)
{
	struct ring_map *next = helper_next(map);
	ring_map_destroy(map);
	map = next;
}

static void adopt_joint(uint16_t a, uint16_t b, uint16_t c)
{
	struct ring_replicas list = {.count = 3, .members = {a, b, c}};
	next_epoch();
	ck_assert_int_eq(ring_phase_begin(map, 0, &list), 0);
	for (unsigned i = 0; i < NODES; i++)
		helper_node_adopt(&h[i], map);
}

static struct node_block *block_of(unsigned node)
{
	return &h[node].node.blocks[0];
}

static struct entry load(unsigned node, const char *key)
{
	struct store_key k = helper_node_key(&h[node], key);
	struct entry entry;
	int rc;
	do
		rc = entry_load(&h[node].node, &h[node].step, &k, &entry);
	while (rc == DHT_EAGAIN && helper_node_provide(&h[node]));
	ck_assert_int_eq(rc, 0);
	return entry;
}

static void store(unsigned node, const char *key, struct ballot b, struct bytes value)
{
	struct store_key k = helper_node_key(&h[node], key);
	struct paxos_record record = {
	    .acc = b, .ver = b, .is_tombstone = value.len == 0, .value = value};
	struct acceptor_answer answer;
	struct entry entry;
	int rc;
	do {
		rc = entry_load(&h[node].node, &h[node].step, &k, &entry);
		if (rc == 0)
			rc = replica_accept(&h[node].node, &h[node].step, &entry, &record,
					    ballot_successor(b), &answer);
	} while (rc == DHT_EAGAIN && helper_node_provide(&h[node]));
	UNIT_REQUIRE(rc == 0 && answer.is_ok);
	helper_node_done(&h[node]);
}

static struct ballot ballot(uint64_t counter)
{
	return ballot_make(block_of(0)->acceptor.version, counter, 0);
}

/* The same records at the old replicas; every tenth is a tombstone. */
static void store_all(void)
{
	for (unsigned k = 0; k < KEYS; k++) {
		for (unsigned i = 0; i < 3; i++)
			store(i, texts[k], ballot(5 + k),
			      bytes_of_text(k % 10 == 0 ? "" : texts[k]));
	}
}

static void step(unsigned node)
{
	int rc;
	do
		rc = sync_step(&h[node].node, &h[node].step, 0);
	while (rc == DHT_EAGAIN && helper_node_provide(&h[node]));
	ck_assert_int_eq(rc, 0);
	helper_node_done(&h[node]);
}

/* Steps and delivers until the node has said fin; each turn takes ten rounds' time. Returns the
 * number of messages. */
static unsigned pull(unsigned node)
{
	unsigned messages = 0;
	for (int i = 0; i < 2000 && !block_of(node)->is_fin; i++) {
		h[node].step.now_us += 10 * HELPER_NODE_ROUND_US;
		step(node);
		if (!block_of(node)->is_fin)
			messages += helper_node_exchange(nodes, NODES);
	}
	ck_assert(block_of(node)->is_fin);
	return messages;
}

static bool is_fin(unsigned node)
{
	return sync_is_fin(&h[node].node, 0, store_durable(h[node].store));
}

static void check_equal(unsigned a, unsigned b)
{
	for (unsigned k = 0; k < KEYS; k++) {
		struct entry x = load(a, texts[k]), y = load(b, texts[k]);
		UNIT_REQUIRE(ballot_equal(x.acceptor.record.acc, y.acceptor.record.acc));
		UNIT_REQUIRE(x.acceptor.record.is_tombstone == y.acceptor.record.is_tombstone);
		UNIT_REQUIRE(bytes_equal(x.acceptor.record.value, y.acceptor.record.value));
	}
}

START_TEST(a_new_member_gets_copies_of_all)
{
	begin();
	store_all();
	block_of(1)->acceptor.floor = ballot_make(0, 7, 4095);
	block_of(2)->acceptor.low = ballot_make(0, 8, 4095);
	block_of(0)->acceptor.floor = ballot_make(0, 6, 4095);
	adopt_joint(1, 2, 3);
	ck_assert(sync_is_needed(&h[3].node, 0) && !sync_is_needed(&h[0].node, 0));
	pull(3);
	check_equal(0, 3);
	ck_assert(load(3, texts[1]).acceptor.record.is_copy);
	ck_assert_uint_eq(block_of(3)->pull.records, KEYS);
	/* The bounds of a majority; no promise is below a copy. */
	struct ballot floor = block_of(3)->acceptor.floor;
	ck_assert(ballot_compare(floor, ballot_make(0, 7, 4095)) >= 0);
	ck_assert(ballot_compare(load(3, texts[1]).acceptor.promised, ballot_make(0, 6, 0)) >= 0);
	ck_assert_uint_ge(counter_value(&h[3].node.counter), KEYS + 4);
	end();
}
END_TEST

START_TEST(a_fin_is_told_when_it_is_durable_and_outlives_a_restart)
{
	begin();
	store_all();
	adopt_joint(1, 2, 3);
	pull(3);
	ck_assert(!is_fin(3));
	helper_node_commit(&h[3]);
	ck_assert(is_fin(3) && !sync_is_needed(&h[3].node, 0));
	helper_node_restart(&h[3], HELPER_DISK_DROP, map);
	ck_assert(is_fin(3) && !sync_is_needed(&h[3].node, 0));
	check_equal(0, 3);
	ck_assert(load(3, texts[1]).acceptor.record.is_copy);
	end();
}
END_TEST

START_TEST(a_restart_before_fin_begins_anew)
{
	begin();
	store_all();
	adopt_joint(1, 2, 3);
	for (int i = 0; i < 3; i++) {
		h[3].step.now_us += 10 * HELPER_NODE_ROUND_US;
		step(3);
		helper_node_exchange(nodes, NODES);
	}
	ck_assert_uint_gt(block_of(3)->pull.hash, 0);
	helper_node_commit(&h[3]);
	helper_node_restart(&h[3], HELPER_DISK_DROP, map);
	ck_assert_uint_eq(block_of(3)->pull.hash, 0);
	pull(3);
	check_equal(0, 3);
	end();
}
END_TEST

START_TEST(who_has_it_all_is_sent_nothing)
{
	begin();
	store_all();
	adopt_joint(1, 2, 3);
	pull(1);
	ck_assert_uint_eq(block_of(1)->pull.records, 0);
	ck_assert(!load(1, texts[1]).acceptor.record.is_copy);
	/* One record differs: one range is sent. */
	store(0, texts[7], ballot_make(1, 9000, 0), bytes_of_text("newer"));
	store(1, texts[7], ballot_make(1, 9000, 0), bytes_of_text("newer"));
	pull(2);
	ck_assert_uint_eq(block_of(2)->pull.records, 1);
	ck_assert(load(2, texts[7]).acceptor.record.is_copy);
	end();
}
END_TEST

START_TEST(a_majority_that_is_itself_needs_nobody)
{
	char name[16];
	struct ring_member self = helper_member(0, name);
	ck_assert_int_eq(ring_map_create_alone(HELPER_NODE_BLOCKS, &self, &map), 0);
	helper_node_open(&h[0], 0, map);
	next_epoch();
	for (uint16_t i = 1; i < 3; i++)
		helper_add_member(map, i);
	struct ring_replicas list = {.count = 3, .members = {0, 1, 2}};
	ck_assert_int_eq(ring_phase_begin(map, 0, &list), 0);
	helper_node_adopt(&h[0], map);
	step(0);
	ck_assert_uint_eq(h[0].sent_count, 0);
	helper_node_commit(&h[0]);
	ck_assert(is_fin(0));
	helper_node_close(&h[0]);
	ring_map_destroy(map);
}
END_TEST

START_TEST(a_copy_never_replaces_what_is_newer)
{
	begin();
	store_all();
	adopt_joint(1, 2, 3);
	store(3, texts[3], ballot_make(1, 9000, 0), bytes_of_text("newer"));
	pull(3);
	struct entry entry = load(3, texts[3]);
	ck_assert(bytes_equal(entry.acceptor.record.value, bytes_of_text("newer")));
	ck_assert(!entry.acceptor.record.is_copy);
	ck_assert_uint_eq(block_of(3)->pull.records, KEYS - 1);
	end();
}
END_TEST

START_TEST(a_copy_ends_what_was_reserved)
{
	begin();
	adopt_joint(1, 2, 3);
	struct ballot before = ballot_make(1, 9000, 1), newer = ballot_make(1, 9500, 0);
	store(1, texts[5], before, bytes_of_text("before"));
	struct entry entry = load(1, texts[5]);
	entry.acceptor.hot = true;
	entry_save_promise(&h[1].node, &entry);
	entry = load(1, texts[5]);
	ck_assert(entry.acceptor.hot && entry.hit.promised);
	for (unsigned i = 0; i < 3; i += 2)
		store(i, texts[5], newer, bytes_of_text("newer"));
	pull(1);
	entry = load(1, texts[5]);
	ck_assert(entry.acceptor.record.is_copy);
	ck_assert(ballot_equal(entry.acceptor.record.acc, newer));
	ck_assert(!entry.acceptor.hot && !entry.hit.hot && !entry.hit.promised);
	ck_assert(ballot_equal(entry.acceptor.promised, newer));
	end();
}
END_TEST

/* The sources have erased keys in the phase before: what they might have promised is below all
 * ballots of this one, and is not to be remembered key by key. */
START_TEST(a_floor_of_the_old_phase_costs_nothing_for_each_key)
{
	begin();
	store_all();
	for (unsigned i = 0; i < 3; i++)
		block_of(i)->acceptor.floor = ballot_top(ballot(9000));
	adopt_joint(1, 2, 3);
	pull(3);
	check_equal(3, 0);
	ck_assert_uint_eq(block_of(3)->promises.count, 0);
	ck_assert(ballot_equal(block_of(3)->acceptor.floor, ballot_top(ballot_make(0, 9000, 0))));
	end();
}
END_TEST

/* But what they might have promised in this one is. */
START_TEST(a_floor_of_this_phase_is_the_promise_of_each_copy)
{
	begin();
	store_all();
	adopt_joint(1, 2, 3);
	struct ballot floor = ballot_top(ballot_make(1, 9000, 0));
	for (unsigned i = 0; i < 3; i++)
		block_of(i)->acceptor.floor = floor;
	pull(3);
	ck_assert(ballot_equal(load(3, texts[7]).acceptor.promised, floor));
	end();
}
END_TEST

START_TEST(another_source_is_asked_for_one_that_dies)
{
	begin();
	store_all();
	adopt_joint(1, 2, 3);
	h[3].step.now_us += 10 * HELPER_NODE_ROUND_US;
	step(3);
	helper_node_exchange(nodes, NODES);
	uint8_t first = block_of(3)->pull.from;
	ck_assert_uint_gt(block_of(3)->pull.hash, 0);
	nodes[block_of(3)->members[first]] = NULL;
	pull(3);
	ck_assert_uint_eq(block_of(3)->pull.pulled >> first & 1, 0);
	check_equal(2, 3);
	end();
}
END_TEST

/* Its records may be cold: an answer that came too late once has more time the next time. */
START_TEST(a_slow_source_gets_more_time_with_each_question)
{
	enum { ROUNDS = 5 };
	unsigned times = 0;
	begin();
	store_all();
	adopt_joint(1, 2, 3);
	step(3);
	for (unsigned asked = 1; asked <= 3; asked++) {
		ck_assert_uint_eq(h[3].sent_count, asked);
		for (times = 0; h[3].sent_count == asked; times++) {
			h[3].step.now_us += ROUNDS * HELPER_NODE_ROUND_US;
			step(3);
		}
		ck_assert_uint_eq(times, ((4u << (asked - 1)) + ROUNDS - 1) / ROUNDS);
	}
	helper_node_forget(&h[3]);
	end();
}
END_TEST

START_TEST(a_source_that_is_known_to_be_down_is_not_asked)
{
	begin();
	store_all();
	adopt_joint(1, 2, 3);
	node_set_down(&h[3].node, 0, true);
	nodes[0] = NULL;
	unsigned messages = pull(3);
	ck_assert_uint_eq(block_of(3)->pull.pulled & 1u, 0);
	/* It took no time-out: question and answer for each range. */
	ck_assert_uint_eq(messages % 2, 0);
	end();
}
END_TEST

START_TEST(without_a_majority_there_is_no_fin)
{
	begin();
	store_all();
	adopt_joint(1, 2, 3);
	nodes[0] = nodes[1] = NULL;
	for (int i = 0; i < 200; i++) {
		h[3].step.now_us += 10 * HELPER_NODE_ROUND_US;
		step(3);
		helper_node_exchange(nodes, NODES);
	}
	ck_assert(!block_of(3)->is_fin);
	ck_assert_uint_eq(quorum_count(block_of(3)->pull.pulled), 1);
	nodes[1] = &h[1];
	pull(3);
	end();
}
END_TEST

START_TEST(only_the_answer_to_the_question_counts)
{
	begin();
	store_all();
	adopt_joint(1, 2, 3);
	node_set_down(&h[3].node, 1, true);
	node_set_down(&h[3].node, 2, true);
	step(3);
	struct message pull = h[3].sent[0].message;
	ck_assert_int_eq(pull.kind, MESSAGE_PULL);
	ck_assert_uint_eq(h[3].sent[0].to, 0);
	ck_assert_int_eq(helper_node_handle(&h[0], &pull), 0);
	struct message chunk = *helper_node_sent(&h[0], MESSAGE_CHUNK);
	ck_assert_uint_gt(chunk.item_count, 0);
	/* A step before the answer, and in time: nothing. */
	step(3);
	ck_assert_uint_eq(h[3].sent_count, 1);
	struct message other = chunk;
	other.tag++;
	ck_assert_int_eq(helper_node_handle(&h[3], &other), 0);
	other = chunk;
	other.from = 1;
	ck_assert_int_eq(helper_node_handle(&h[3], &other), 0);
	other = chunk;
	other.from_hash++;
	ck_assert_int_eq(helper_node_handle(&h[3], &other), 0);
	other = chunk;
	other.until_hash = chunk.from_hash;
	ck_assert_int_eq(helper_node_handle(&h[3], &other), 0);
	other = chunk;
	other.version--;
	ck_assert_int_eq(helper_node_handle(&h[3], &other), 0);
	ck_assert_uint_eq(block_of(3)->pull.records, 0);
	ck_assert_int_eq(helper_node_handle(&h[3], &chunk), 0);
	ck_assert_uint_eq(block_of(3)->pull.records, chunk.item_count);
	ck_assert_uint_eq(block_of(3)->pull.hash, chunk.until_hash);
	/* The same one again is of a question that is over. */
	ck_assert_int_eq(helper_node_handle(&h[3], &chunk), 0);
	ck_assert_uint_eq(block_of(3)->pull.hash, chunk.until_hash);
	end();
}
END_TEST

START_TEST(a_source_that_has_not_adopted_the_version_does_not_answer)
{
	begin();
	store_all();
	struct ring_replicas list = {.count = 3, .members = {1, 2, 3}};
	next_epoch();
	ck_assert_int_eq(ring_phase_begin(map, 0, &list), 0);
	helper_node_adopt(&h[3], map);
	step(3);
	struct message pull = h[3].sent[0].message;
	ck_assert_int_eq(helper_node_handle(&h[0], &pull), DHT_EAGAIN);
	ck_assert_int_eq(h[0].step.waits_for, NODE_WAITS_FOR_MAP);
	ck_assert_uint_eq(h[0].sent_count, 0);
	end();
}
END_TEST

START_TEST(a_chunk_waits_for_all_that_it_tells)
{
	begin();
	adopt_joint(1, 2, 3);
	for (unsigned i = 0; i < NODES; i++)
		helper_node_commit(&h[i]);
	for (unsigned i = 0; i < 3; i++)
		store(i, texts[0], ballot(5), bytes_of_text("value"));
	step(3);
	unsigned source = h[3].sent[0].to;
	ck_assert_int_eq(helper_node_handle(&h[source], &h[3].sent[0].message), 0);
	helper_node_sent(&h[source], MESSAGE_CHUNK);
	ck_assert_uint_gt(h[source].sent[0].rests_on, store_durable(h[source].store));
	end();
}
END_TEST

START_TEST(large_values_come_in_many_chunks_and_cold_ones_are_read)
{
	enum { LARGE = 40 };
	begin();
	size_t len = HELPER_NODE_SEGMENT / 8;
	char *value = calloc(1, len + 1);
	memset(value, 'v', len);
	for (unsigned k = 0; k < LARGE; k++) {
		for (unsigned i = 0; i < 3; i++)
			store(i, texts[k], ballot(5 + k), bytes_of(value, len));
	}
	for (unsigned i = 0; i < 3; i++) {
		h[i].memory_bytes = 4 * HELPER_NODE_SEGMENT;
		helper_node_commit(&h[i]);
		helper_node_restart(&h[i], HELPER_DISK_KEEP, map);
	}
	adopt_joint(1, 2, 3);
	unsigned repeats = h[0].repeats + h[1].repeats + h[2].repeats;
	unsigned messages = pull(3);
	ck_assert_uint_ge(messages, 2 * LARGE / 2);
	ck_assert_uint_gt(h[0].repeats + h[1].repeats + h[2].repeats, repeats + LARGE);
	ck_assert_uint_eq(block_of(3)->pull.records, LARGE);
	ck_assert_uint_ge(block_of(3)->pull.bytes, LARGE * len);
	struct entry entry = load(3, texts[LARGE - 1]);
	ck_assert(bytes_equal(entry.acceptor.record.value, bytes_of(value, len)));
	free(value);
	end();
}
END_TEST

START_TEST(a_full_disk_holds_up_the_fin)
{
	enum { LARGE = 100 };
	begin();
	size_t len = HELPER_NODE_SEGMENT / 8;
	char *value = calloc(1, len + 1);
	memset(value, 'v', len);
	for (unsigned k = 0; k < LARGE; k++) {
		for (unsigned i = 0; i < 3; i++)
			store(i, texts[k], ballot(5 + k), bytes_of(value, len));
	}
	adopt_joint(1, 2, 3);
	helper_disk_set_capacity(&h[3].disk, 8 * HELPER_NODE_SEGMENT);
	for (int i = 0; i < 300; i++) {
		h[3].step.now_us += 10 * HELPER_NODE_ROUND_US;
		step(3);
		helper_node_exchange(nodes, NODES);
	}
	ck_assert(store_is_full(h[3].store));
	ck_assert(!block_of(3)->is_fin && block_of(3)->pull.pulled == 0);
	helper_disk_set_capacity(&h[3].disk, 64 * HELPER_NODE_SEGMENT);
	pull(3);
	ck_assert_uint_eq(block_of(3)->pull.records, LARGE);
	free(value);
	end();
}
END_TEST

/* Two of three were lost. What one has missed it gets from the other. */
START_TEST(survivors_pull_from_each_other)
{
	begin();
	store(0, texts[0], ballot(5), bytes_of_text("one"));
	store(1, texts[0], ballot(7), bytes_of_text("two"));
	store(1, texts[1], ballot(8), bytes_of_text("other"));
	store(0, texts[2], ballot(9), bytes_of_text("third"));
	next_epoch();
	struct ring_replicas survivors = {.count = 2, .members = {0, 1}};
	ck_assert_int_eq(ring_phase_recover(map, 0, &survivors), 0);
	helper_node_adopt(&h[0], map);
	helper_node_adopt(&h[1], map);
	nodes[2] = nodes[3] = NULL;
	step(0);
	ck_assert(!block_of(0)->is_fin);
	helper_node_exchange(nodes, NODES);
	pull(0);
	pull(1);
	for (unsigned i = 0; i < 2; i++) {
		struct entry entry = load(i, texts[0]);
		ck_assert(bytes_equal(entry.acceptor.record.value, bytes_of_text("two")));
		entry = load(i, texts[1]);
		ck_assert(bytes_equal(entry.acceptor.record.value, bytes_of_text("other")));
		entry = load(i, texts[2]);
		ck_assert(bytes_equal(entry.acceptor.record.value, bytes_of_text("third")));
	}
	end();
}
END_TEST

/* It leaves, misses a write, joins again: it has what is there now, and after a crash, too. */
START_TEST(who_joins_again_has_what_is_there_now)
{
	begin();
	store_all();
	adopt_joint(1, 2, 3);
	pull(3);
	next_epoch();
	ck_assert_int_eq(ring_phase_finish(map, 0), 0);
	for (unsigned i = 0; i < NODES; i++)
		helper_node_adopt(&h[i], map);
	ck_assert_uint_eq(store_keys(h[0].store, 0), 0);
	for (unsigned i = 1; i < 4; i++)
		store(i, texts[0], ballot_make(2, 9000, 1), bytes_of_text("newer"));
	adopt_joint(0, 1, 2);
	pull(0);
	helper_node_commit(&h[0]);
	helper_node_restart(&h[0], HELPER_DISK_DROP, map);
	ck_assert(is_fin(0));
	check_equal(1, 0);
	ck_assert(load(0, texts[1]).acceptor.record.is_copy);
	end();
}
END_TEST

START_TEST(ranges_are_the_same_whatever_they_are_cut_into)
{
	begin();
	store_all();
	struct range *range = calloc(1, sizeof(*range));
	size_t total = 0;
	uint32_t from = 0;
	while (from < STORE_HASH_END) {
		uint32_t until = from + 1 + (from * 7919u + 12345u) % 5000;
		until = until < STORE_HASH_END ? until : STORE_HASH_END;
		UNIT_REQUIRE(range_collect(&h[0].node, &h[0].step, 0, from, until, RANGE_KEYS_ALONE,
					   range) == 0);
		UNIT_REQUIRE(range->until > from && range->until <= until);
		for (size_t i = 0; i < range->count; i++) {
			struct store_key key = node_key(&h[0].node, range->items[i].key);
			UNIT_REQUIRE(range_hash(&key) >= from && range_hash(&key) < range->until);
		}
		total += range->count;
		from = range->until;
	}
	ck_assert_uint_eq(total, KEYS);
	free(range);
	end();
}
END_TEST

UNIT_MAIN("node_sync", 120, a_new_member_gets_copies_of_all,
	  a_fin_is_told_when_it_is_durable_and_outlives_a_restart, a_restart_before_fin_begins_anew,
	  who_has_it_all_is_sent_nothing, a_majority_that_is_itself_needs_nobody,
	  a_copy_never_replaces_what_is_newer, a_copy_ends_what_was_reserved,
	  a_slow_source_gets_more_time_with_each_question,
	  another_source_is_asked_for_one_that_dies,
	  a_floor_of_the_old_phase_costs_nothing_for_each_key,
	  a_floor_of_this_phase_is_the_promise_of_each_copy,
	  a_source_that_is_known_to_be_down_is_not_asked, without_a_majority_there_is_no_fin,
	  only_the_answer_to_the_question_counts,
	  a_source_that_has_not_adopted_the_version_does_not_answer,
	  a_chunk_waits_for_all_that_it_tells,
	  large_values_come_in_many_chunks_and_cold_ones_are_read, a_full_disk_holds_up_the_fin,
	  survivors_pull_from_each_other, who_joins_again_has_what_is_there_now,
	  ranges_are_the_same_whatever_they_are_cut_into)
