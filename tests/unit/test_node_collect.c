/* SPDX-License-Identifier: Apache-2.0
 *
 * node/collect: tombstones vanish from all replicas, or from none.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "helper_map.h"
#include "helper_node.h"
#include "node/adopt.h"
#include "node/collect.h"
#include "node/replica.h"
#include "ring/phase.h"
#include "unit.h"

/* All keys are in block 0, whose replicas are the members 0 to 2. */
enum { NODES = 3 };

static struct helper_node h[NODES];
static struct helper_node *nodes[NODES];
static struct ring_map *map;

static void begin(void)
{
	map = helper_map(HELPER_NODE_BLOCKS, 4);
	for (uint16_t i = 0; i < NODES; i++) {
		nodes[i] = &h[i];
		helper_node_open(&h[i], i, map);
	}
}

static void end(void)
{
	for (unsigned i = 0; i < NODES; i++)
		helper_node_close(&h[i]);
	ring_map_destroy(map);
}

static void next_epoch(void)
{
	struct ring_map *next = helper_next(map);
	ring_map_destroy(map);
	map = next;
}

static void adopt(void)
{
	for (unsigned i = 0; i < NODES; i++)
		helper_node_adopt(&h[i], map);
}

static const char *key_text(unsigned number)
{
	static char text[16];
	unsigned from = 0;
	for (unsigned i = 0; i <= number; i++)
		snprintf(text, sizeof(text), "%s", helper_node_text_in(&h[0], 0, &from));
	return text;
}

static struct entry load(unsigned node, unsigned key)
{
	struct store_key k = helper_node_key(&h[node], key_text(key));
	struct entry entry;
	ck_assert_int_eq(entry_load(&h[node].node, &h[node].step, &k, &entry), 0);
	return entry;
}

static bool has_record(unsigned node, unsigned key)
{
	struct entry entry = load(node, key);
	return paxos_record_is_there(&entry.acceptor.record);
}

static void store(unsigned node, unsigned key, struct ballot b, bool is_tombstone)
{
	struct store_key k = helper_node_key(&h[node], key_text(key));
	struct paxos_record record = {.acc = b, .ver = b, .is_tombstone = is_tombstone};
	struct entry entry;
	struct acceptor_answer answer;
	ck_assert_int_eq(entry_load(&h[node].node, &h[node].step, &k, &entry), 0);
	ck_assert_int_eq(replica_accept(&h[node].node, &h[node].step, &entry, &record,
					ballot_successor(b), &answer),
			 0);
	ck_assert(answer.is_ok);
}

static struct ballot ballot(uint64_t counter)
{
	return ballot_make(h[0].node.blocks[0].acceptor.version, counter, 0);
}

static void collect(unsigned node, unsigned key)
{
	struct store_key k = helper_node_key(&h[node], key_text(key));
	ck_assert_int_eq(collect_key(&h[node].node, &h[node].step, &k), 0);
}

/* Walks over all tombstones once. */
static void walk(unsigned node)
{
	bool is_done = false;
	for (int i = 0; i < 1000 && !is_done; i++) {
		ck_assert_int_eq(collect_step(&h[node].node, &h[node].step, 0, false, &is_done), 0);
		helper_node_exchange(nodes, NODES);
	}
	ck_assert(is_done);
}

START_TEST(a_tombstone_that_all_hold_is_gone_in_two_round_trips)
{
	begin();
	for (unsigned i = 0; i < NODES; i++)
		store(i, 0, ballot(5), true);
	collect(0, 0);
	collect(0, 0); /* it is under way */
	/* HOLDS, HELD, ERASE: to and from two others. */
	ck_assert_uint_eq(helper_node_exchange(nodes, NODES), 6);
	for (unsigned i = 0; i < NODES; i++) {
		ck_assert(!has_record(i, 0));
		struct ballot floor = h[i].node.blocks[0].acceptor.floor;
		ck_assert(ballot_equal(floor, ballot_top(ballot_successor(ballot(5)))));
	}
	ck_assert_uint_eq(h[0].node.blocks[0].collection_count, 0);
	end();
}
END_TEST

START_TEST(nobody_erases_before_it_is_durable_at_the_collector)
{
	begin();
	for (unsigned i = 0; i < NODES; i++)
		store(i, 0, ballot(5), true);
	collect(0, 0);
	struct entry entry = load(0, 0);
	uint64_t position = entry_rests_on(&h[0].node, &entry);
	ck_assert_uint_gt(position, store_durable(h[0].store));
	ck_assert_uint_eq(h[0].sent_count, 2);
	struct message held = h[0].sent[0].message;
	ck_assert_uint_ge(h[0].sent[0].rests_on, position);
	held.kind = MESSAGE_HELD;
	held.holding = ACCEPTOR_HOLDS;
	for (uint16_t from = 1; from < NODES; from++) {
		held.from = from;
		ck_assert_int_eq(helper_node_handle(&h[0], &held), 0);
	}
	helper_node_sent(&h[0], MESSAGE_ERASE);
	ck_assert_uint_ge(h[0].sent[2].rests_on, position);
	end();
}
END_TEST

START_TEST(one_that_is_behind_is_told)
{
	begin();
	store(0, 0, ballot(5), true);
	store(1, 0, ballot(5), true);
	store(2, 0, ballot(4), false);
	collect(0, 0);
	helper_node_exchange(nodes, NODES);
	for (unsigned i = 0; i < NODES; i++)
		ck_assert(!has_record(i, 0));
	end();
}
END_TEST

START_TEST(one_that_promised_more_keeps_it_and_is_not_erased)
{
	begin();
	store(0, 0, ballot(5), true);
	store(1, 0, ballot(5), true);
	store(2, 0, ballot(4), false);
	struct entry entry = load(2, 0);
	ck_assert(replica_prepare(&h[2].node, &entry, ballot_make(0, 9, 1)).is_ok);
	collect(0, 0);
	helper_node_exchange(nodes, NODES);
	/* The tombstone became a copy there, which is no vote. */
	ck_assert(load(2, 0).acceptor.record.is_copy);
	ck_assert(has_record(0, 0) && has_record(1, 0));
	end();
}
END_TEST

START_TEST(something_newer_ends_it)
{
	begin();
	store(0, 0, ballot(5), true);
	store(1, 0, ballot(5), true);
	store(2, 0, ballot(7), false);
	collect(0, 0);
	helper_node_exchange(nodes, NODES);
	ck_assert(has_record(0, 0) && has_record(1, 0) && has_record(2, 0));
	ck_assert_uint_eq(h[0].node.blocks[0].collection_count, 0);
	end();
}
END_TEST

START_TEST(what_the_collector_wrote_meanwhile_stays)
{
	begin();
	for (unsigned i = 0; i < NODES; i++)
		store(i, 0, ballot(5), true);
	collect(0, 0);
	store(0, 0, ballot(8), false);
	helper_node_exchange(nodes, NODES);
	for (unsigned i = 0; i < NODES; i++)
		ck_assert(has_record(i, 0));
	end();
}
END_TEST

START_TEST(without_one_replica_nothing_is_erased)
{
	begin();
	for (unsigned i = 0; i < NODES; i++)
		store(i, 0, ballot(5), true);
	nodes[2] = NULL;
	collect(0, 0);
	helper_node_exchange(nodes, NODES);
	ck_assert(has_record(0, 0) && has_record(1, 0));
	/* It is given up, and not begun again while that one is known to be down. */
	h[0].step.now_us = 100 * HELPER_NODE_ROUND_US;
	node_set_down(&h[0].node, 2, true);
	walk(0);
	ck_assert_uint_eq(h[0].node.blocks[0].collection_count, 0);
	nodes[2] = &h[2];
	node_set_down(&h[0].node, 2, false);
	walk(0);
	for (unsigned i = 0; i < NODES; i++)
		ck_assert(!has_record(i, 0));
	end();
}
END_TEST

START_TEST(values_and_absent_keys_are_left_alone)
{
	begin();
	store(0, 0, ballot(5), false);
	collect(0, 0);
	collect(0, 1);
	ck_assert_uint_eq(h[0].sent_count, 0);
	end();
}
END_TEST

START_TEST(a_block_in_transition_collects_nothing)
{
	begin();
	next_epoch();
	struct ring_replicas list = {.count = 3, .members = {1, 2, 3}};
	ck_assert_int_eq(ring_phase_begin(map, 0, &list), 0);
	for (unsigned i = 0; i < NODES; i++)
		store(i, 0, ballot(5), true);
	collect(0, 0);
	ck_assert_uint_eq(h[0].node.blocks[0].collection_count, 1);
	adopt();
	/* What was under way is forgotten, and late answers are of another version. */
	ck_assert_uint_eq(h[0].node.blocks[0].collection_count, 0);
	helper_node_exchange(nodes, NODES);
	for (unsigned i = 0; i < NODES; i++)
		store(i, 1, ballot(9), true);
	collect(1, 1);
	walk(1);
	for (unsigned i = 0; i < NODES; i++)
		ck_assert(has_record(i, 0) && has_record(i, 1));
	end();
}
END_TEST

/* Joint and back: the tombstones are of an older version, and no votes. */
START_TEST(a_tombstone_that_is_no_vote_is_settled_first)
{
	begin();
	for (unsigned i = 0; i < NODES; i++)
		store(i, 0, ballot(5), true);
	next_epoch();
	struct ring_replicas list = {.count = 3, .members = {1, 2, 3}};
	ck_assert_int_eq(ring_phase_begin(map, 0, &list), 0);
	next_epoch();
	ck_assert_int_eq(ring_phase_cancel(map, 0), 0);
	adopt();
	collect(0, 0);
	ck_assert_uint_eq(h[0].sent_count, 0);
	bool is_done;
	ck_assert_int_eq(collect_step(&h[0].node, &h[0].step, 0, false, &is_done), 0);
	ck_assert(is_done);
	helper_node_sent(&h[0], MESSAGE_PREPARE);
	/* What the round decides is collected at once. */
	helper_node_exchange(nodes, NODES);
	for (unsigned i = 0; i < NODES; i++)
		ck_assert(!has_record(i, 0));
	end();
}
END_TEST

START_TEST(a_walk_meets_all_tombstones)
{
	enum { KEYS = 300 };
	begin();
	char(*texts)[16] = calloc(KEYS, sizeof(*texts));
	unsigned from = 0;
	for (unsigned k = 0; k < KEYS; k++) {
		snprintf(texts[k], sizeof(texts[k]), "%s", helper_node_text_in(&h[0], 0, &from));
		for (unsigned i = 0; i < NODES; i++) {
			struct store_key key = helper_node_key(&h[i], texts[k]);
			struct paxos_record record = {.acc = ballot(5 + k),
						      .is_tombstone = k % 3 != 0};
			struct entry entry;
			struct acceptor_answer answer;
			UNIT_REQUIRE(entry_load(&h[i].node, &h[i].step, &key, &entry) == 0);
			UNIT_REQUIRE(replica_accept(&h[i].node, &h[i].step, &entry, &record,
						    ballot_successor(record.acc), &answer) == 0);
		}
	}
	walk(0);
	for (unsigned i = 0; i < NODES; i++) {
		ck_assert_uint_eq(store_tombstones(h[i].store, 0), 0);
		ck_assert_uint_eq(store_keys(h[i].store, 0), KEYS / 3);
	}
	free(texts);
	end();
}
END_TEST

START_TEST(the_table_is_bounded_and_late_ones_make_room)
{
	begin();
	nodes[1] = nodes[2] = NULL;
	for (unsigned k = 0; k < COLLECT_MAX + 5; k++) {
		store(0, k, ballot(5 + k), true);
		collect(0, k);
	}
	ck_assert_uint_eq(h[0].node.blocks[0].collection_count, COLLECT_MAX);
	ck_assert_uint_eq(h[0].sent_count, 2 * COLLECT_MAX);
	h[0].step.now_us = 100 * HELPER_NODE_ROUND_US;
	collect(0, COLLECT_MAX);
	ck_assert_uint_eq(h[0].node.blocks[0].collection_count, 1);
	end();
}
END_TEST

/* What is erased stays so after a crash, where low stands for the floor. */
START_TEST(an_erased_key_stays_absent)
{
	begin();
	for (unsigned i = 0; i < NODES; i++)
		store(i, 0, ballot(5), true);
	collect(0, 0);
	helper_node_exchange(nodes, NODES);
	for (unsigned i = 0; i < NODES; i++) {
		helper_node_commit(&h[i]);
		helper_node_restart(&h[i], HELPER_DISK_DROP, map);
		ck_assert(!has_record(i, 0));
	}
	/* The accept that was told again late: refused. */
	struct entry entry = load(1, 0);
	struct paxos_record record = {.acc = ballot(5), .ver = ballot(5), .is_tombstone = true};
	enum acceptor_learnt learnt;
	ck_assert_int_eq(replica_learn(&h[1].node, &h[1].step, &entry, &record, &learnt), 0);
	ck_assert_int_eq(learnt, ACCEPTOR_REFUSED);
	end();
}
END_TEST

/* A replica that is alone asks nobody, and so nobody's answer shows that its map is durable. */
START_TEST(one_alone_erases_nothing_while_a_map_is_adopted)
{
	begin();
	h[0].node.blocks[0].quorum.old = 1;
	store(0, 0, ballot(5), true);
	atomic_store(&h[0].node.map_end, NODE_RESTS_ON_MAP);
	walk(0);
	ck_assert(has_record(0, 0));
	atomic_store(&h[0].node.map_end, 0);
	walk(0);
	ck_assert(!has_record(0, 0));
	end();
}
END_TEST

UNIT_MAIN("node_collect", 60, a_tombstone_that_all_hold_is_gone_in_two_round_trips,
	  nobody_erases_before_it_is_durable_at_the_collector, one_that_is_behind_is_told,
	  one_that_promised_more_keeps_it_and_is_not_erased, something_newer_ends_it,
	  what_the_collector_wrote_meanwhile_stays, without_one_replica_nothing_is_erased,
	  values_and_absent_keys_are_left_alone, a_block_in_transition_collects_nothing,
	  a_tombstone_that_is_no_vote_is_settled_first, a_walk_meets_all_tombstones,
	  the_table_is_bounded_and_late_ones_make_room, an_erased_key_stays_absent,
	  one_alone_erases_nothing_while_a_map_is_adopted)
