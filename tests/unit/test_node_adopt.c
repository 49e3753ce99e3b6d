/* SPDX-License-Identifier: Apache-2.0
 *
 * node/adopt: what a change of the map does to a block, and what a restart finds.
 */
#include "base/error.h"
#include "helper_map.h"
#include "helper_node.h"
#include "node/adopt.h"
#include "node/entry.h"
#include "node/replica.h"
#include "ring/phase.h"
#include "unit.h"

static struct helper_node h;
static struct ring_map *map;

/* Members 0 to 3. Block b has the replicas b mod 4 and the two that follow. */
static void begin(uint16_t number)
{
	map = helper_map(HELPER_NODE_BLOCKS, 4);
	helper_node_open(&h, number, map);
}

static void end(void)
{
	helper_node_close(&h);
	ring_map_destroy(map);
}

/* The map goes on to the next epoch. */
static void next_epoch(void)
{
	struct ring_map *next = helper_next(map);
	ring_map_destroy(map);
	map = next;
}

static void begin_joint(uint32_t block, uint16_t a, uint16_t b, uint16_t c)
{
	struct ring_replicas list = {.count = 3, .members = {a, b, c}};
	ck_assert_int_eq(ring_phase_begin(map, block, &list), 0);
}

static struct entry load(uint32_t block, unsigned number)
{
	unsigned from = number;
	struct store_key key = helper_node_key(&h, helper_node_text_in(&h, block, &from));
	struct entry entry;
	ck_assert_int_eq(entry_load(&h.node, &h.step, &key, &entry), 0);
	return entry;
}

/* Accepts a value as another one's coordinator has it; the key is the first from number on. */
static int accept_value(uint32_t block, unsigned number, uint64_t counter)
{
	unsigned from = number;
	struct store_key key = helper_node_key(&h, helper_node_text_in(&h, block, &from));
	struct entry entry;
	struct acceptor_answer answer;
	struct ballot b = ballot_make(h.node.blocks[block].acceptor.version, counter, 2);
	struct paxos_record record = {.acc = b, .ver = b, .value = bytes_of_text("value")};
	ck_assert_int_eq(entry_load(&h.node, &h.step, &key, &entry), 0);
	int rc = replica_accept(&h.node, &h.step, &entry, &record, ballot_successor(b), &answer);
	ck_assert(rc != 0 || answer.is_ok);
	return rc;
}

static bool has_record(uint32_t block, unsigned number)
{
	struct entry entry = load(block, number);
	return paxos_record_is_there(&entry.acceptor.record);
}

static struct node_block *block_of(uint32_t number)
{
	return &h.node.blocks[number];
}

/* ---- Adoption ---------------------------------------------------------------------- */

START_TEST(only_blocks_that_changed_do_anything)
{
	begin(1);
	ck_assert_int_eq(accept_value(0, 0, 5), 0);
	ck_assert_int_eq(accept_value(1, 0, 5), 0);
	block_of(0)->acceptor.floor = ballot_make(0, 3, 4095);
	block_of(1)->acceptor.floor = ballot_make(0, 3, 4095);
	next_epoch();
	begin_joint(0, 1, 2, 3);
	helper_node_adopt(&h, map);
	ck_assert_uint_eq(atomic_load(&h.node.epoch), map->epoch);
	ck_assert_uint_eq(block_of(0)->acceptor.version, 1);
	ck_assert_uint_eq(block_of(0)->acceptor.start, 1);
	ck_assert_int_eq(block_of(0)->phase, RING_JOINT);
	ck_assert_uint_eq(block_of(1)->acceptor.version, 0);
	/* A replica that stays one keeps all it has. */
	ck_assert(has_record(0, 0) && has_record(1, 0));
	ck_assert(ballot_counter(block_of(0)->acceptor.floor) == 3);
	ck_assert(ballot_counter(block_of(1)->acceptor.floor) == 3);
	end();
}
END_TEST

START_TEST(who_is_no_replica_any_more_drops_all)
{
	begin(1);
	struct node_block *block = block_of(1);
	ck_assert_int_eq(accept_value(1, 0, 5), 0);
	next_epoch();
	begin_joint(1, 0, 2, 3);
	helper_node_adopt(&h, map);
	ck_assert(has_record(1, 0) && node_block_is_replica(block));
	block->acceptor.floor = block->acceptor.low = ballot_make(1, 3, 4095);
	ck_assert_int_eq(
	    promises_set(&block->promises, bytes_of_text("k"), 1, ballot_make(1, 4, 2)), 0);
	next_epoch();
	ck_assert_int_eq(ring_phase_finish(map, 1), 0);
	helper_node_adopt(&h, map);
	ck_assert(!has_record(1, 0) && !node_block_is_replica(block));
	ck_assert_uint_eq(block->promises.count, 0);
	ck_assert(ballot_is_absent(block->acceptor.floor));
	ck_assert(ballot_is_absent(block->acceptor.low));
	ck_assert_uint_eq(block->since, 0);
	helper_node_commit(&h);
	helper_node_restart(&h, HELPER_DISK_DROP, map);
	ck_assert(!has_record(1, 0));
	ck_assert_uint_eq(atomic_load(&h.node.epoch), map->epoch);
	end();
}
END_TEST

/* It slept through the map without it, and finds itself in the next one, in another life. */
START_TEST(who_joins_again_drops_what_it_had)
{
	begin(1);
	ck_assert_int_eq(accept_value(1, 0, 5), 0);
	ck_assert_int_eq(accept_value(0, 0, 5), 0);
	next_epoch();
	begin_joint(1, 0, 2, 3);
	next_epoch();
	ck_assert_int_eq(ring_phase_finish(map, 1), 0);
	next_epoch();
	begin_joint(1, 1, 2, 3);
	helper_node_adopt(&h, map);
	ck_assert_uint_eq(block_of(1)->acceptor.version, 3);
	ck_assert_uint_eq(block_of(1)->since, 3);
	ck_assert(!has_record(1, 0) && has_record(0, 0));
	end();
}
END_TEST

START_TEST(what_is_told_meanwhile_waits_for_the_map)
{
	begin(1);
	ck_assert_int_eq(accept_value(0, 0, 5), 0);
	next_epoch();
	begin_joint(0, 1, 2, 3);
	begin_joint(1, 0, 2, 3);
	node_adopt_begin(&h.node, map);
	ck_assert(node_is_adopting(&h.node));
	/* One block has adopted, the other has not: both answer, in versions of their own. */
	ck_assert_int_eq(node_adopt_block(&h.node, &h.step, map, 0), 0);
	unsigned from = 0;
	struct message read = {.kind = MESSAGE_READ, .from = 2, .block = 0, .version = 1};
	read.key = bytes_of_text(helper_node_text_in(&h, 0, &from));
	ck_assert_int_eq(helper_node_handle(&h, &read), 0);
	helper_node_sent(&h, MESSAGE_VALUE);
	ck_assert_uint_eq(h.sent[0].rests_on, NODE_RESTS_ON_MAP);
	from = 0;
	read.key = bytes_of_text(helper_node_text_in(&h, 1, &from));
	read.block = 1;
	ck_assert_int_eq(helper_node_handle(&h, &read), DHT_EAGAIN);
	ck_assert_int_eq(h.step.waits_for, NODE_WAITS_FOR_MAP);
	read.version = 0;
	ck_assert_int_eq(helper_node_handle(&h, &read), 0);
	/* The rest is done when it is repeated, too. */
	for (uint32_t i = 0; i < HELPER_NODE_BLOCKS; i++)
		ck_assert_int_eq(node_adopt_block(&h.node, &h.step, map, i), 0);
	ck_assert_int_eq(node_adopt_end(&h.node, &h.step, map), 0);
	ck_assert(!node_is_adopting(&h.node));
	ck_assert_uint_gt(node_map_end(&h.node), store_durable(h.store));
	helper_node_commit(&h);
	ck_assert_uint_le(node_map_end(&h.node), store_durable(h.store));
	end();
}
END_TEST

START_TEST(a_stop_before_the_map_is_durable_undoes_the_drops)
{
	begin(1);
	ck_assert_int_eq(accept_value(1, 0, 5), 0);
	helper_node_commit(&h);
	struct ring_map *before;
	ck_assert_int_eq(ring_map_copy(map, map->epoch, &before), 0);
	next_epoch();
	begin_joint(1, 0, 2, 3);
	next_epoch();
	ck_assert_int_eq(ring_phase_finish(map, 1), 0);
	node_adopt_begin(&h.node, map);
	ck_assert_int_eq(node_adopt_block(&h.node, &h.step, map, 1), 0);
	ck_assert(!has_record(1, 0));
	helper_node_commit(&h);
	helper_node_restart(&h, HELPER_DISK_DROP, before);
	ck_assert_uint_eq(atomic_load(&h.node.epoch), before->epoch);
	ck_assert(has_record(1, 0));
	helper_node_adopt(&h, map);
	helper_node_commit(&h);
	helper_node_restart(&h, HELPER_DISK_DROP, before);
	ck_assert_uint_eq(atomic_load(&h.node.epoch), map->epoch);
	ck_assert(!has_record(1, 0));
	ring_map_destroy(before);
	end();
}
END_TEST

/* Adopts the map on a disk that may crash at any time. */
static void adopt_until_crash(void)
{
	node_adopt_begin(&h.node, map);
	for (uint32_t i = 0; i < HELPER_NODE_BLOCKS; i++) {
		ck_assert_int_eq(node_adopt_block(&h.node, &h.step, map, i), 0);
		if (i % 16 == 0 && store_commit(h.store, STORE_SYNC) != 0)
			return;
	}
	ck_assert_int_eq(node_adopt_end(&h.node, &h.step, map), 0);
	(void)!store_commit(h.store, STORE_SYNC);
}

/* Blocks 1, 5, 9... are dropped by the second of two maps: all of them, or none. */
START_TEST(a_crash_finds_all_drops_or_none)
{
	bool had_none = false, had_all = false;
	for (uint64_t at = 1; at < 14; at++) {
		struct ring_map *before;
		begin(1);
		next_epoch();
		for (uint32_t i = 1; i < HELPER_NODE_BLOCKS; i += 4) {
			ck_assert_int_eq(accept_value(i, 0, 5), 0);
			begin_joint(i, 0, 2, 3);
		}
		helper_node_adopt(&h, map);
		helper_node_commit(&h);
		ck_assert_int_eq(ring_map_copy(map, map->epoch, &before), 0);
		next_epoch();
		for (uint32_t i = 1; i < HELPER_NODE_BLOCKS; i += 4)
			ck_assert_int_eq(ring_phase_finish(map, i), 0);
		helper_disk_crash_at(&h.disk, at);
		adopt_until_crash();
		helper_node_restart(&h, HELPER_DISK_TEAR, before);
		bool is_new = atomic_load(&h.node.epoch) == map->epoch;
		ck_assert(is_new || atomic_load(&h.node.epoch) == before->epoch);
		for (uint32_t i = 1; i < HELPER_NODE_BLOCKS; i += 4) {
			ck_assert(has_record(i, 0) == !is_new);
			ck_assert(node_block_is_replica(block_of(i)) == !is_new);
		}
		had_all = had_all || is_new;
		had_none = had_none || !is_new;
		ring_map_destroy(before);
		end();
	}
	ck_assert(had_all && had_none);
}
END_TEST

START_TEST(nothing_is_stored_between_a_drop_and_its_map)
{
	begin(1);
	ck_assert_int_eq(accept_value(1, 0, 5), 0);
	next_epoch();
	begin_joint(1, 0, 2, 3);
	next_epoch();
	ck_assert_int_eq(ring_phase_finish(map, 1), 0);
	next_epoch();
	begin_joint(1, 1, 2, 3);
	node_adopt_begin(&h.node, map);
	for (uint32_t i = 0; i < HELPER_NODE_BLOCKS; i++)
		ck_assert_int_eq(node_adopt_block(&h.node, &h.step, map, i), 0);
	ck_assert_int_eq(accept_value(1, 0, 9), DHT_EAGAIN);
	ck_assert_int_eq(h.step.waits_for, NODE_WAITS_FOR_MAP);
	ck_assert_int_eq(accept_value(0, 0, 9), 0);
	ck_assert_int_eq(node_adopt_end(&h.node, &h.step, map), 0);
	ck_assert_int_eq(accept_value(1, 0, 9), 0);
	helper_node_commit(&h);
	helper_node_restart(&h, HELPER_DISK_DROP, map);
	ck_assert(has_record(1, 0));
	end();
}
END_TEST

START_TEST(another_order_keeps_the_seats)
{
	begin(1);
	struct node_block before = *block_of(0);
	next_epoch();
	struct ring_block block;
	ring_map_get_block(map, 0, &block);
	ck_assert_uint_eq(block.old.members[0], 0);
	block.old.members[0] = 2;
	block.old.members[2] = 0;
	ck_assert_int_eq(ring_map_set_block(map, 0, &block), 0);
	helper_node_adopt(&h, map);
	ck_assert_mem_eq(before.members, block_of(0)->members, sizeof(before.members));
	ck_assert_uint_eq(before.self, block_of(0)->self);
	ck_assert_uint_eq(block_of(0)->members[block_of(0)->order[0]], 2);
	ck_assert_uint_eq(block_of(0)->members[block_of(0)->order[1]], 1);
	ck_assert_uint_eq(block_of(0)->members[block_of(0)->order[2]], 0);
	/* After a restart it is as the map says, again. */
	helper_node_commit(&h);
	helper_node_restart(&h, HELPER_DISK_DROP, map);
	ck_assert_uint_eq(block_of(0)->members[block_of(0)->order[0]], 2);
	end();
}
END_TEST

/* A node that was alone adopts the map of the cluster that it joins: its blocks have version
 * 0, too, and other replicas. */
START_TEST(a_map_of_another_cluster_is_not_the_same)
{
	char name[16];
	struct ring_member self = helper_member(5, name);
	struct ring_map *alone;
	ck_assert_int_eq(ring_map_create_alone(HELPER_NODE_BLOCKS, &self, &alone), 0);
	helper_node_open(&h, 5, alone);
	ck_assert(node_block_is_alone(block_of(0)));
	map = helper_map(HELPER_NODE_BLOCKS, 4);
	helper_node_adopt(&h, map);
	ck_assert(!node_block_is_replica(block_of(0)));
	ring_map_destroy(alone);
	end();
}
END_TEST

/* ---- Restarts ---------------------------------------------------------------------- */

START_TEST(low_covers_what_was_forgotten)
{
	begin(1);
	next_epoch();
	begin_joint(0, 1, 2, 3);
	helper_node_adopt(&h, map);
	uint64_t ceiling = h.report.ceiling + 2 * COUNTER_AHEAD_MIN;
	helper_node_commit(&h);
	helper_node_restart(&h, HELPER_DISK_DROP, map);
	ck_assert_uint_eq(h.report.ceiling, ceiling);
	ck_assert(
	    ballot_equal(block_of(0)->acceptor.low, ballot_make(1, ceiling, BALLOT_MEMBER_TOP)));
	ck_assert(
	    ballot_equal(block_of(1)->acceptor.low, ballot_make(0, ceiling, BALLOT_MEMBER_TOP)));
	end();
}
END_TEST

START_TEST(who_was_always_alone_needs_no_low)
{
	char name[16];
	struct ring_member self = helper_member(5, name);
	ck_assert_int_eq(ring_map_create_alone(HELPER_NODE_BLOCKS, &self, &map), 0);
	helper_node_open(&h, 5, map);
	helper_node_restart(&h, HELPER_DISK_DROP, map);
	ck_assert_uint_gt(h.report.ceiling, 0);
	ck_assert(ballot_is_absent(block_of(0)->acceptor.low));
	end();
}
END_TEST

START_TEST(a_fin_counts_for_its_version_alone)
{
	begin(1);
	uint8_t version[RECORD_FIN_VERSION_SIZE];
	uint64_t position;
	next_epoch();
	begin_joint(0, 1, 2, 3);
	begin_joint(3, 1, 2, 3);
	helper_node_adopt(&h, map);
	put_u32(version, 1);
	ck_assert_int_eq(store_put_note(h.store, 0, RECORD_FIN, 0, map->epoch,
					bytes_of(version, sizeof(version)), &position),
			 0);
	put_u32(version, 0);
	ck_assert_int_eq(store_put_note(h.store, 0, RECORD_FIN, 3, map->epoch,
					bytes_of(version, sizeof(version)), &position),
			 0);
	helper_node_commit(&h);
	helper_node_restart(&h, HELPER_DISK_DROP, map);
	ck_assert(block_of(0)->is_fin && block_of(0)->fin_end == 0);
	ck_assert(!block_of(3)->is_fin && !block_of(1)->is_fin);
	next_epoch();
	ck_assert_int_eq(ring_phase_finish(map, 0), 0);
	helper_node_adopt(&h, map);
	ck_assert(!block_of(0)->is_fin);
	end();
}
END_TEST

/* As server/control_join does it. */
static void adopt_joined(const struct ring_map *of, uint16_t number)
{
	node_adopt_begin_joined(&h.node, of, number, HELPER_NODE_SEED);
	for (uint32_t block = 0; block < of->blocks; block++)
		ck_assert_int_eq(node_adopt_block(&h.node, &h.step, of, block), 0);
	ck_assert_int_eq(node_adopt_end(&h.node, &h.step, of), 0);
}

START_TEST(who_joins_with_the_founders_number_takes_nothing_of_its)
{
	/* Both were founded alone, as member 0. This one's epoch is the higher one. */
	map = helper_map(HELPER_NODE_BLOCKS, 1);
	map->epoch = 9;
	helper_node_open(&h, 0, map);
	struct ring_map *other = helper_map(HELPER_NODE_BLOCKS, 1);
	other->epoch = 2;
	ck_assert_int_eq(accept_value(0, 0, 5), 0);
	ck_assert(node_block_is_alone(block_of(0)));
	adopt_joined(other, 1);
	ck_assert(!has_record(0, 0));
	for (uint32_t block = 0; block < map->blocks; block++)
		ck_assert(!node_block_is_replica(block_of(block)));
	ck_assert_uint_eq(h.node.number, 1);
	ck_assert_uint_eq(atomic_load(&h.node.epoch), 2);
	struct ballot drawn;
	helper_node_commit(&h);
	ck_assert_int_eq(counter_draw(&h.node.counter, 0, &drawn), 0);
	ck_assert_uint_eq(ballot_member(drawn), 1);
	/* From then on it is a member like any other. */
	struct ring_map *next = helper_next(other);
	helper_node_adopt(&h, next);
	ck_assert(!node_block_is_replica(block_of(0)));
	ring_map_destroy(next);
	ring_map_destroy(other);
	end();
}
END_TEST

UNIT_MAIN("node_adopt", 60, who_joins_with_the_founders_number_takes_nothing_of_its,
	  only_blocks_that_changed_do_anything, who_is_no_replica_any_more_drops_all,
	  who_joins_again_drops_what_it_had, what_is_told_meanwhile_waits_for_the_map,
	  a_stop_before_the_map_is_durable_undoes_the_drops, a_crash_finds_all_drops_or_none,
	  nothing_is_stored_between_a_drop_and_its_map, another_order_keeps_the_seats,
	  a_map_of_another_cluster_is_not_the_same, low_covers_what_was_forgotten,
	  who_was_always_alone_needs_no_low, a_fin_counts_for_its_version_alone)
