/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/map: who holds which slots, in a cluster of one and in larger ones.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "helper_map.h"
#include "ring/phase.h"
#include "ring/slot.h"
#include "unit.h"

/* A member with addresses; its texts are not the map's. */
static struct ring_member member_of(const char *id, char *name, struct ring_address *clients,
				    size_t count)
{
	struct ring_member member = {
	    .name = name, .zone = name, .weight = 100, .clients = clients, .client_count = count};
	memset(member.id, '0', RING_ID_SIZE - 1);
	memcpy(member.id, id, strlen(id));
	return member;
}

static struct ring_map *alone(uint32_t blocks)
{
	char host[] = "10.0.0.1", name[] = "n1";
	struct ring_address address = {host, 7401};
	struct ring_member self = member_of("ab", name, &address, 1);
	struct ring_map *map = NULL;
	ck_assert_int_eq(ring_map_create_alone(blocks, &self, &map), 0);
	memset(host, 'x', sizeof(host) - 1);
	memset(name, 'x', sizeof(name) - 1);
	return map;
}

START_TEST(one_node_holds_all_slots)
{
	for (uint32_t blocks = RING_BLOCKS_MIN; blocks <= RING_BLOCKS_MAX; blocks *= 2) {
		struct ring_map *map = alone(blocks);
		struct ring_range range = {0};
		ck_assert_uint_eq(map->member_count, 1);
		ck_assert_uint_eq(map->states.count, 1);
		ck_assert(ring_map_next_range(map, RING_MERGE_EQUAL, &range));
		ck_assert_uint_eq(range.first_slot, 0);
		ck_assert_uint_eq(range.last_slot, RING_SLOTS - 1);
		ck_assert_uint_eq(ring_map_list(map, range.list)->count, 1);
		ck_assert(!ring_map_next_range(map, RING_MERGE_EQUAL, &range));
		ck_assert_uint_eq(ring_map_first(map, blocks - 1), 0);
		ring_map_destroy(map);
	}
	ring_map_destroy(NULL);
}
END_TEST

START_TEST(texts_of_a_member_are_copied)
{
	struct ring_map *map = alone(64);
	ck_assert_str_eq(map->members[0].name, "n1");
	ck_assert_str_eq(map->members[0].zone, "n1");
	ck_assert_str_eq(map->members[0].clients[0].host, "10.0.0.1");
	ck_assert_uint_eq(map->members[0].clients[0].port, 7401);
	ck_assert_ptr_null(map->members[0].peers);
	ring_map_destroy(map);
}
END_TEST

/* Three members and 64 blocks: 0-15 are of 0, 1; 16-31 of 0, 2; 32-47 of 1, 2; then of
 * 0, 1 again. */
static struct ring_map *of_three(void)
{
	const struct ring_replicas lists[] = {{2, {0, 1}}, {2, {0, 2}}, {2, {1, 2}}, {2, {0, 1}}};
	struct ring_map *map = NULL;
	ck_assert_int_eq(ring_map_create(64, 7, &map), 0);
	for (uint16_t i = 0; i < 3; i++)
		helper_add_member(map, i);
	for (uint32_t block = 0; block < 64; block++)
		ck_assert_int_eq(ring_map_set_replicas(map, block, &lists[block / 16]), 0);
	return map;
}

START_TEST(equal_neighbours_are_one_range)
{
	static const uint32_t equal[] = {0, 4096, 8192, 12288, RING_SLOTS};
	static const uint32_t first[] = {0, 8192, 12288, RING_SLOTS};
	struct ring_map *map = of_three();
	struct ring_range range = {0};
	size_t n = 0;
	ck_assert_uint_eq(map->states.count, 3);
	for (; ring_map_next_range(map, RING_MERGE_EQUAL, &range); n++) {
		ck_assert_uint_eq(range.first_slot, equal[n]);
		ck_assert_uint_eq(range.last_slot, equal[n + 1] - 1);
	}
	ck_assert_uint_eq(n, 4);
	range = (struct ring_range){0};
	for (n = 0; ring_map_next_range(map, RING_MERGE_FIRST, &range); n++) {
		ck_assert_uint_eq(range.first_slot, first[n]);
		ck_assert_uint_eq(range.last_slot, first[n + 1] - 1);
		ck_assert_uint_eq(ring_map_list(map, range.list)->members[0], n == 1 ? 1 : 0);
	}
	ck_assert_uint_eq(n, 3);
	ck_assert_uint_eq(map->state_of[0], map->state_of[63]);
	ring_map_destroy(map);
}
END_TEST

START_TEST(a_list_is_kept_once)
{
	struct ring_map *map = of_three();
	const struct ring_replicas reversed = {2, {1, 0}}, one = {1, {0}};
	ck_assert_int_eq(ring_map_set_replicas(map, 5, &reversed), 0);
	ck_assert_int_eq(ring_map_set_replicas(map, 6, &one), 0);
	ck_assert_int_eq(ring_map_set_replicas(map, 7, &reversed), 0);
	ck_assert_uint_eq(map->states.count, 5);
	ck_assert_uint_eq(ring_map_first(map, 7), 1);
	ck_assert_uint_eq(ring_map_replicas(map, 6)->count, 1);
	ck_assert_uint_eq(ring_map_replicas(map, 8)->count, 2);
	ring_map_destroy(map);
}
END_TEST

START_TEST(members_are_found_by_number)
{
	struct ring_map *map = NULL;
	ck_assert_int_eq(ring_map_create(64, 0, &map), 0);
	static const uint16_t numbers[] = {7, 4094, 0, 3, 8};
	for (size_t i = 0; i < DHT_ARRAY_LEN(numbers); i++)
		helper_add_member(map, numbers[i]);
	for (size_t i = 0; i < DHT_ARRAY_LEN(numbers); i++)
		ck_assert_uint_eq(ring_map_member(map, numbers[i])->number, numbers[i]);
	for (size_t i = 1; i < map->member_count; i++)
		ck_assert_uint_lt(map->members[i - 1].number, map->members[i].number);
	ck_assert_ptr_null(ring_map_member(map, 1));
	ck_assert_ptr_null(ring_map_member(map, 4095));
	char name[16];
	struct ring_member taken = helper_member(3, name), none = helper_member(4095, name);
	ck_assert_int_eq(ring_map_add_member(map, &taken), DHT_EINVAL);
	ck_assert_int_eq(ring_map_add_member(map, &none), DHT_EINVAL);
	ring_map_destroy(map);
}
END_TEST

START_TEST(a_new_member_gets_the_smallest_free_number)
{
	struct ring_map *map = helper_map(64, 5);
	ck_assert_uint_eq(ring_map_free_number(map), 5);
	helper_add_member(map, 6);
	ck_assert_uint_eq(ring_map_free_number(map), 5);
	ck_assert_int_eq(ring_map_remove_member(map, 6), 0);
	ck_assert_int_eq(ring_map_remove_member(map, 6), DHT_ENOTFOUND);
	for (uint16_t i = 5; i < RING_MEMBERS_MAX; i++)
		helper_add_member(map, i);
	ck_assert_uint_eq(ring_map_free_number(map), RING_MEMBERS_MAX);
	ck_assert_int_eq(ring_map_remove_member(map, 2000), 0);
	ck_assert_uint_eq(ring_map_free_number(map), 2000);
	ring_map_destroy(map);
}
END_TEST

/* Member 4 leaves block by block: its number is free only when O and N of all have forgotten
 * it, and with them since. */
START_TEST(a_number_that_a_block_names_is_not_reused)
{
	struct ring_map *map = helper_map(64, 5);
	const struct ring_replicas others = {3, {0, 1, 2}};
	map->voters = (struct ring_voters){1, {0}};
	for (uint32_t block = 0; block < 64; block++) {
		ck_assert_int_eq(ring_map_remove_member(map, 4), DHT_EPRECOND);
		ck_assert_uint_eq(ring_map_free_number(map), 5);
		bool is_in_it = ring_replicas_find(ring_map_replicas(map, block), 4) < 3;
		ck_assert_int_eq(ring_phase_begin(map, block, &others), 0);
		if (!is_in_it)
			continue;
		ck_assert_int_eq(ring_map_remove_member(map, 4), DHT_EPRECOND);
		ck_assert_int_eq(ring_phase_finish(map, block), 0);
	}
	map->voters = (struct ring_voters){2, {0, 4}};
	ck_assert_int_eq(ring_map_remove_member(map, 4), DHT_EPRECOND);
	map->voters = (struct ring_voters){1, {0}};
	ck_assert_int_eq(ring_map_remove_member(map, 4), 0);
	ck_assert_uint_eq(ring_map_free_number(map), 4);
	ring_map_destroy(map);
}
END_TEST

/* A joiner is in N alone; the number counts as named. */
START_TEST(a_number_that_only_a_joint_phase_names_is_not_reused)
{
	struct ring_map *map = helper_map(64, 4);
	const struct ring_replicas next = {3, {0, 1, 3}};
	map->voters = (struct ring_voters){1, {0}};
	for (uint32_t block = 0; block < 64; block++)
		ck_assert_int_eq(
		    ring_map_set_replicas(map, block, &(struct ring_replicas){3, {0, 1, 2}}), 0);
	ck_assert_int_eq(ring_phase_begin(map, 9, &next), 0);
	ck_assert_int_eq(ring_map_remove_member(map, 3), DHT_EPRECOND);
	ck_assert_int_eq(ring_phase_cancel(map, 9), 0);
	ck_assert_int_eq(ring_map_remove_member(map, 3), 0);
	ring_map_destroy(map);
}
END_TEST

START_TEST(clients_see_the_old_replicas_in_a_joint_phase)
{
	struct ring_map *map = of_three();
	const struct ring_replicas next = {3, {2, 1, 0}};
	struct ring_range range = {0};
	size_t ranges = 0;
	for (uint32_t block = 0; block < 16; block++)
		ck_assert_int_eq(ring_phase_begin(map, block, &next), 0);
	ck_assert_uint_eq(ring_map_replicas(map, 3)->count, 2);
	ck_assert_uint_eq(ring_map_first(map, 3), 0);
	ck_assert_uint_eq(ring_map_next(map, 3)->count, 3);
	ck_assert_uint_eq(ring_map_next(map, 16)->count, 0);
	while (ring_map_next_range(map, RING_MERGE_EQUAL, &range))
		ranges++;
	ck_assert_uint_eq(ranges, 4);
	/* Two states, one list: they are still one range. */
	ck_assert_int_eq(ring_phase_cancel(map, 7), 0);
	range = (struct ring_range){0};
	ck_assert(ring_map_next_range(map, RING_MERGE_EQUAL, &range));
	ck_assert_uint_eq(range.last_slot, 4095);
	ring_map_destroy(map);
}
END_TEST

START_TEST(a_copy_forgets_what_no_block_uses)
{
	struct ring_map *map = of_three(), *copy = NULL;
	const struct ring_replicas alone = {1, {2}};
	for (uint32_t block = 0; block < 64; block++)
		ck_assert_int_eq(ring_map_set_replicas(map, block, &alone), 0);
	ck_assert_uint_eq(map->states.count, 4);
	ck_assert_int_eq(ring_map_copy(map, 99, &copy), 0);
	ck_assert_uint_eq(copy->states.count, 1);
	ck_assert_uint_eq(copy->epoch, 99);
	ck_assert_uint_eq(copy->member_count, 3);
	ck_assert_uint_eq(ring_map_first(copy, 63), 2);
	ck_assert_ptr_ne(copy->members[0].name, map->members[0].name);
	ring_map_destroy(map);
	ring_map_destroy(copy);
}
END_TEST

/* All blocks change at once, each on its own list: the largest that tables can get. */
START_TEST(every_block_may_have_a_state_of_its_own)
{
	struct ring_map *map = NULL;
	ck_assert_int_eq(ring_map_create(RING_BLOCKS_MAX, 1, &map), 0);
	for (uint16_t i = 0; i < 200; i++)
		helper_add_member(map, i);
	for (uint32_t block = 0; block < map->blocks; block++) {
		struct ring_replicas list = {2, {(uint16_t)(block / 128), (uint16_t)(block % 128)}};
		if (list.members[0] == list.members[1])
			list.members[1] = 199;
		ck_assert_int_eq(ring_map_set_replicas(map, block, &list), 0);
	}
	for (uint32_t block = 0; block < map->blocks; block++) {
		struct ring_replicas list = *ring_map_replicas(map, block);
		list.members[list.count++] = 198;
		ck_assert_int_eq(ring_phase_begin(map, block, &list), 0);
	}
	for (uint32_t block = 0; block < map->blocks; block++) {
		UNIT_REQUIRE(ring_map_first(map, block) == block / 128);
		UNIT_REQUIRE(ring_map_next(map, block)->members[2] == 198);
	}
	ck_assert_uint_eq(map->states.count, 2 * RING_BLOCKS_MAX);
	ring_map_destroy(map);
}
END_TEST

UNIT_MAIN("map", 60, one_node_holds_all_slots, texts_of_a_member_are_copied,
	  equal_neighbours_are_one_range, a_list_is_kept_once, members_are_found_by_number,
	  a_new_member_gets_the_smallest_free_number, a_number_that_a_block_names_is_not_reused,
	  a_number_that_only_a_joint_phase_names_is_not_reused,
	  clients_see_the_old_replicas_in_a_joint_phase, a_copy_forgets_what_no_block_uses,
	  every_block_may_have_a_state_of_its_own)
