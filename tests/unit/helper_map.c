/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_map.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "ring/voters.h"

struct ring_member helper_member(uint16_t number, char name[16])
{
	static char zones[3][3] = {"z0", "z1", "z2"};
	static char client[] = "10.0.0.1", first_peer[] = "10.0.1.1", second_peer[] = "::1";
	static struct ring_address clients[] = {{client, 7401}};
	static struct ring_address peers[] = {{first_peer, 7402}, {second_peer, 7403}};
	struct ring_member member = {
	    .number = number,
	    .name = name,
	    .zone = zones[number % 3],
	    .weight = 100u + number,
	    .clients = clients,
	    .client_count = 1,
	    .peers = peers,
	    .peer_count = 2,
	};
	snprintf(name, 16, "n%u", number);
	snprintf(member.id, sizeof(member.id), "%032x", 0xabc000u + number);
	return member;
}

void helper_add_member(struct ring_map *map, uint16_t number)
{
	char name[16];
	struct ring_member member = helper_member(number, name);
	ck_assert_int_eq(ring_map_add_member(map, &member), 0);
}

struct ring_map *helper_map(uint32_t blocks, uint16_t count)
{
	struct ring_map *map = NULL;
	ck_assert_int_eq(ring_map_create(blocks, 7, &map), 0);
	memset(map->lineage, 0x5a, sizeof(map->lineage));
	for (uint16_t i = 0; i < count; i++)
		helper_add_member(map, i);
	for (uint32_t block = 0; block < blocks; block++) {
		struct ring_replicas list = {.count = count < 3 ? count : 3};
		for (uint16_t i = 0; i < list.count; i++)
			list.members[i] = (uint16_t)((block + i) % count);
		ck_assert_int_eq(ring_map_set_replicas(map, block, &list), 0);
	}
	ring_voters_choose(map);
	return map;
}

struct ring_map *helper_next(const struct ring_map *map)
{
	struct ring_map *next = NULL;
	ck_assert_int_eq(ring_map_copy(map, map->epoch + 1, &next), 0);
	return next;
}
