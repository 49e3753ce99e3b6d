/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/phase: every step does to a block what the register protocol says (section 6), and to
 * others nothing; ring/voters.
 */
#include <string.h>

#include "base/error.h"
#include "helper_map.h"
#include "ring/check.h"
#include "ring/phase.h"
#include "ring/voters.h"
#include "unit.h"

enum { BLOCK = 10, MEMBERS = 5 }; /* the block has the replicas 0, 1, 2 */

static struct ring_map *map;

static struct ring_block get(void)
{
	struct ring_block block;
	struct ring_fault fault;
	int rc = ring_map_check(map, &fault);
	ck_assert_msg(rc == 0, "block %u: %s", fault.block, fault.text);
	ring_map_get_block(map, BLOCK, &block);
	return block;
}

static void check_list(const struct ring_replicas *list, uint16_t count, const uint16_t *members)
{
	ck_assert_uint_eq(list->count, count);
	for (uint16_t i = 0; i < count; i++)
		ck_assert_uint_eq(list->members[i], members[i]);
}

#define CHECK_LIST(list, ...)                                                                      \
	check_list(&(list), sizeof((uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t),                  \
		   (uint16_t[]){__VA_ARGS__})
#define LIST(...)                                                                                  \
	(&(struct ring_replicas){sizeof((uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t),             \
				 {__VA_ARGS__}})

static void begin(const struct ring_replicas *next)
{
	ck_assert_int_eq(ring_phase_begin(map, BLOCK, next), 0);
}

static void setup(void)
{
	map = helper_map(64, MEMBERS);
}

static void teardown(void)
{
	/* Whatever happened to one block, the others are as they were. */
	struct ring_map *before = helper_map(64, MEMBERS);
	for (uint32_t i = 0; i < map->blocks; i++) {
		struct ring_block now, then;
		ring_map_get_block(map, i, &now);
		ring_map_get_block(before, i, &then);
		if (i != BLOCK)
			ck_assert_mem_eq(&now, &then, sizeof(now));
	}
	ring_map_destroy(before);
	ring_map_destroy(map);
}

START_TEST(joint_keeps_o_and_sets_n)
{
	setup();
	begin(LIST(4, 2, 3));
	struct ring_block block = get();
	ck_assert_int_eq(block.phase, RING_JOINT);
	CHECK_LIST(block.old, 0, 1, 2);
	CHECK_LIST(block.next, 4, 2, 3);
	teardown();
}
END_TEST

START_TEST(joint_starts_with_the_new_version)
{
	setup();
	begin(LIST(2, 3, 4));
	struct ring_block block = get();
	ck_assert_uint_eq(block.version, 1);
	ck_assert_uint_eq(block.start, 1);
	teardown();
}
END_TEST

START_TEST(new_replicas_are_ones_since_the_joint_version)
{
	setup();
	begin(LIST(4, 2, 3));
	struct ring_block block = get();
	ck_assert_uint_eq(block.next_since[0], 1);
	ck_assert_uint_eq(block.next_since[1], 0);
	ck_assert_uint_eq(block.next_since[2], 1);
	ck_assert_int_eq(ring_phase_finish(map, BLOCK), 0);
	begin(LIST(0, 3, 4));
	block = get();
	ck_assert_uint_eq(block.version, 3);
	ck_assert_uint_eq(block.next_since[0], 3); /* it was one before, in another life */
	ck_assert_uint_eq(block.next_since[1], 1);
	ck_assert_uint_eq(block.next_since[2], 1);
	teardown();
}
END_TEST

START_TEST(finish_makes_n_the_replicas)
{
	setup();
	begin(LIST(4, 2, 3));
	ck_assert_int_eq(ring_phase_finish(map, BLOCK), 0);
	struct ring_block block = get();
	ck_assert_int_eq(block.phase, RING_STABLE);
	ck_assert_uint_eq(block.version, 2);
	ck_assert_uint_eq(block.start, 1);
	CHECK_LIST(block.old, 4, 2, 3);
	ck_assert_uint_eq(block.next.count, 0);
	ck_assert_uint_eq(block.old_since[0], 1);
	ck_assert_uint_eq(block.old_since[1], 0);
	ck_assert_uint_eq(block.old_since[2], 1);
	teardown();
}
END_TEST

START_TEST(cancel_leaves_o_the_replicas)
{
	setup();
	begin(LIST(4, 2, 3));
	ck_assert_int_eq(ring_phase_cancel(map, BLOCK), 0);
	struct ring_block block = get();
	ck_assert_int_eq(block.phase, RING_STABLE);
	ck_assert_uint_eq(block.version, 2);
	ck_assert_uint_eq(block.start, 1);
	CHECK_LIST(block.old, 0, 1, 2);
	ck_assert_uint_eq(block.next.count, 0);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(block.old_since[i], 0);
	teardown();
}
END_TEST

/* Whoever was in N of a cancelled change has a new life in the next one: it dropped what it
 * had when it adopted the cancelling map, or drops it when it sees that its since is another. */
START_TEST(a_change_begun_again_has_a_new_since)
{
	setup();
	begin(LIST(0, 1, 3));
	ck_assert_int_eq(ring_phase_cancel(map, BLOCK), 0);
	begin(LIST(0, 1, 3));
	ck_assert_uint_eq(get().next_since[2], 3);
	teardown();
}
END_TEST

START_TEST(recover_has_the_survivors_and_a_new_start)
{
	setup();
	begin(LIST(4, 2, 3));
	ck_assert_int_eq(ring_phase_recover(map, BLOCK, LIST(3, 0)), 0);
	struct ring_block block = get();
	ck_assert_int_eq(block.phase, RING_RECOVER);
	ck_assert_uint_eq(block.version, 2);
	ck_assert_uint_eq(block.start, 2);
	CHECK_LIST(block.old, 3, 0);
	ck_assert_uint_eq(block.next.count, 0);
	ck_assert_uint_eq(block.old_since[0], 1);
	ck_assert_uint_eq(block.old_since[1], 0);
	ck_assert_int_eq(ring_phase_recovered(map, BLOCK), 0);
	block = get();
	ck_assert_int_eq(block.phase, RING_STABLE);
	ck_assert_uint_eq(block.version, 3);
	ck_assert_uint_eq(block.start, 2);
	CHECK_LIST(block.old, 3, 0);
	teardown();
}
END_TEST

START_TEST(recover_takes_replicas_alone)
{
	setup();
	ck_assert_int_eq(ring_phase_recover(map, BLOCK, LIST(0, 3)), DHT_EINVAL);
	ck_assert_int_eq(ring_phase_recover(map, BLOCK, &(struct ring_replicas){0}), DHT_EINVAL);
	ck_assert_int_eq(get().phase, RING_STABLE);
	teardown();
}
END_TEST

START_TEST(steps_are_taken_in_their_phase_alone)
{
	setup();
	ck_assert_int_eq(ring_phase_finish(map, BLOCK), DHT_EPRECOND);
	ck_assert_int_eq(ring_phase_cancel(map, BLOCK), DHT_EPRECOND);
	ck_assert_int_eq(ring_phase_recovered(map, BLOCK), DHT_EPRECOND);
	ck_assert_uint_eq(get().version, 0);
	begin(LIST(3));
	ck_assert_int_eq(ring_phase_begin(map, BLOCK, LIST(4)), DHT_EPRECOND);
	ck_assert_int_eq(ring_phase_begin(map, BLOCK, LIST(0, 1, 2)), DHT_EPRECOND);
	ck_assert_int_eq(ring_phase_recovered(map, BLOCK), DHT_EPRECOND);
	ck_assert_int_eq(ring_phase_recover(map, BLOCK, LIST(1)), 0);
	ck_assert_int_eq(ring_phase_begin(map, BLOCK, LIST(4)), DHT_EPRECOND);
	ck_assert_int_eq(ring_phase_finish(map, BLOCK), DHT_EPRECOND);
	ck_assert_int_eq(ring_phase_cancel(map, BLOCK), DHT_EPRECOND);
	ck_assert_uint_eq(get().version, 2);
	teardown();
}
END_TEST

START_TEST(a_block_whose_set_stays_is_not_touched)
{
	setup();
	begin(LIST(0, 1, 2));
	struct ring_block block = get();
	ck_assert_int_eq(block.phase, RING_STABLE);
	ck_assert_uint_eq(block.version, 0);
	/* Its order is a preference: another one is no new version, and since goes with it. */
	begin(LIST(3, 1, 2));
	ck_assert_int_eq(ring_phase_finish(map, BLOCK), 0);
	begin(LIST(2, 3, 1));
	block = get();
	ck_assert_int_eq(block.phase, RING_STABLE);
	ck_assert_uint_eq(block.version, 2);
	ck_assert_uint_eq(block.start, 1);
	CHECK_LIST(block.old, 2, 3, 1);
	ck_assert_uint_eq(block.old_since[0], 0);
	ck_assert_uint_eq(block.old_since[1], 1);
	ck_assert_uint_eq(block.old_since[2], 0);
	teardown();
}
END_TEST

START_TEST(next_replicas_are_members_named_once)
{
	setup();
	ck_assert_int_eq(ring_phase_begin(map, BLOCK, &(struct ring_replicas){0}), DHT_EINVAL);
	ck_assert_int_eq(ring_phase_begin(map, BLOCK, LIST(0, 5)), DHT_EINVAL);
	ck_assert_int_eq(ring_phase_begin(map, BLOCK, LIST(0, 3, 0)), DHT_EINVAL);
	struct ring_replicas many = {.count = RING_REPLICAS_MAX + 1};
	ck_assert_int_eq(ring_phase_begin(map, BLOCK, &many), DHT_EINVAL);
	ck_assert_uint_eq(get().version, 0);
	teardown();
}
END_TEST

START_TEST(versions_do_not_wrap)
{
	setup();
	struct ring_block block = get();
	block.version = UINT32_MAX;
	block.start = UINT32_MAX - 1;
	ck_assert_int_eq(ring_map_set_block(map, BLOCK, &block), 0);
	ck_assert_int_eq(ring_phase_begin(map, BLOCK, LIST(4)), DHT_EFULL);
	ck_assert_int_eq(ring_phase_recover(map, BLOCK, LIST(1)), DHT_EFULL);
	ck_assert_uint_eq(get().version, UINT32_MAX);
	teardown();
}
END_TEST

/* Random steps: whatever order they come in, the map stays valid. */
START_TEST(any_sequence_of_steps_keeps_the_map_valid)
{
	uint64_t seed = 0x2545f4914f6cdd1du;
	setup();
	for (int i = 0; i < 3000; i++) {
		struct ring_replicas list = {0};
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint64_t random = seed >> 33;
		uint32_t version = get().version;
		for (uint16_t m = 0; m < MEMBERS; m++) {
			if ((random >> (8 + m) & 1) != 0 && list.count < RING_REPLICAS_MAX)
				list.members[list.count++] = m;
		}
		int rc = 0;
		switch (random % 8) {
		case 0:
			rc = ring_phase_cancel(map, BLOCK);
			break;
		case 1:
			rc = ring_phase_recover(map, BLOCK, &list);
			break;
		case 2:
		case 3:
			rc = ring_phase_recovered(map, BLOCK);
			break;
		case 4:
		case 5:
			rc = ring_phase_finish(map, BLOCK);
			break;
		default:
			rc = ring_phase_begin(map, BLOCK, &list);
		}
		uint32_t now = get().version;
		UNIT_REQUIRE(now == version || (rc == 0 && now == version + 1));
	}
	ck_assert_uint_gt(get().version, 500);
	teardown();
}
END_TEST

START_TEST(all_of_few_members_are_voters)
{
	map = helper_map(64, 4);
	ck_assert_uint_eq(map->voters.count, 4);
	ring_map_destroy(map);
}
END_TEST

START_TEST(five_of_many_members_are_voters_and_spread_over_zones)
{
	map = helper_map(64, 9); /* zones z0, z1, z2 in turn */
	unsigned in_zone[3] = {0};
	ck_assert_uint_eq(map->voters.count, 5);
	for (int i = 0; i < 5; i++)
		in_zone[map->voters.members[i] % 3]++;
	for (int i = 0; i < 3; i++)
		ck_assert_uint_ge(in_zone[i], 1);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_le(in_zone[i], 2);
	ring_map_destroy(map);
}
END_TEST

START_TEST(voters_stay_voters)
{
	map = helper_map(64, 9);
	map->voters = (struct ring_voters){5, {8, 7, 6, 5, 4}};
	ring_voters_choose(map);
	for (uint16_t number = 4; number < 9; number++) {
		bool is_voter = false;
		for (int i = 0; i < 5; i++)
			is_voter |= map->voters.members[i] == number;
		ck_assert(is_voter);
	}
	ring_map_destroy(map);
}
END_TEST

UNIT_MAIN("ring_phase", 60, joint_keeps_o_and_sets_n, joint_starts_with_the_new_version,
	  new_replicas_are_ones_since_the_joint_version, finish_makes_n_the_replicas,
	  cancel_leaves_o_the_replicas, a_change_begun_again_has_a_new_since,
	  recover_has_the_survivors_and_a_new_start, recover_takes_replicas_alone,
	  steps_are_taken_in_their_phase_alone, a_block_whose_set_stays_is_not_touched,
	  next_replicas_are_members_named_once, versions_do_not_wrap,
	  any_sequence_of_steps_keeps_the_map_valid, all_of_few_members_are_voters,
	  five_of_many_members_are_voters_and_spread_over_zones, voters_stay_voters)
