/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/map: who holds which slots, in a cluster of one and in larger ones.
 */
#include <stdlib.h>
#include <string.h>

#include "ring/map.h"
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
		ck_assert_uint_eq(map->list_count, 1);
		ck_assert(ring_map_next_range(map, RING_MERGE_EQUAL, &range));
		ck_assert_uint_eq(range.first_slot, 0);
		ck_assert_uint_eq(range.last_slot, RING_SLOTS - 1);
		ck_assert_uint_eq(map->lists[range.list].count, 1);
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
	char names[3][3] = {"n0", "n1", "n2"};
	struct ring_map *map = NULL;
	ck_assert_int_eq(ring_map_create(64, 7, &map), 0);
	for (int i = 0; i < 3; i++) {
		struct ring_member member = member_of(names[i], names[i], NULL, 0);
		ck_assert_int_eq(ring_map_add_member(map, &member), 0);
	}
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
	ck_assert_uint_eq(map->list_count, 3);
	for (; ring_map_next_range(map, RING_MERGE_EQUAL, &range); n++) {
		ck_assert_uint_eq(range.first_slot, equal[n]);
		ck_assert_uint_eq(range.last_slot, equal[n + 1] - 1);
	}
	ck_assert_uint_eq(n, 4);
	range = (struct ring_range){0};
	for (n = 0; ring_map_next_range(map, RING_MERGE_FIRST, &range); n++) {
		ck_assert_uint_eq(range.first_slot, first[n]);
		ck_assert_uint_eq(range.last_slot, first[n + 1] - 1);
		ck_assert_uint_eq(map->lists[range.list].members[0], n == 1 ? 1 : 0);
	}
	ck_assert_uint_eq(n, 3);
	ck_assert_uint_eq(map->list_of[0], map->list_of[63]);
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
	ck_assert_uint_eq(map->list_count, 5);
	ck_assert_uint_eq(ring_map_first(map, 7), 1);
	ck_assert_uint_eq(ring_map_replicas(map, 6)->count, 1);
	ck_assert_uint_eq(ring_map_replicas(map, 8)->count, 2);
	ring_map_destroy(map);
}
END_TEST

UNIT_MAIN("map", 60, one_node_holds_all_slots, texts_of_a_member_are_copied,
	  equal_neighbours_are_one_range, a_list_is_kept_once)
