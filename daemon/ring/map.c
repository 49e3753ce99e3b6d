/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ring/slot.h"

enum { NO_LIST = UINT16_MAX };

/* ---- Members ----------------------------------------------------------------------- */

static void free_addresses(struct ring_address *addresses, size_t count)
{
	for (size_t i = 0; addresses != NULL && i < count; i++)
		free(addresses[i].host);
	free(addresses);
}

static void free_member(struct ring_member *member)
{
	free(member->name);
	free(member->zone);
	free_addresses(member->clients, member->client_count);
	free_addresses(member->peers, member->peer_count);
}

/* NULL also where there is none. */
static struct ring_address *copy_addresses(const struct ring_address *addresses, size_t count)
{
	struct ring_address *copy = count == 0 ? NULL : calloc(count, sizeof(*copy));
	for (size_t i = 0; copy != NULL && i < count; i++) {
		copy[i] = (struct ring_address){strdup(addresses[i].host), addresses[i].port};
		if (copy[i].host == NULL) {
			free_addresses(copy, count);
			return NULL;
		}
	}
	return copy;
}

static int copy_member(struct ring_member *dst, const struct ring_member *src)
{
	*dst = *src;
	dst->name = strdup(src->name);
	dst->zone = strdup(src->zone);
	dst->clients = copy_addresses(src->clients, src->client_count);
	dst->peers = copy_addresses(src->peers, src->peer_count);
	if (dst->name != NULL && dst->zone != NULL &&
	    (dst->clients != NULL || src->client_count == 0) &&
	    (dst->peers != NULL || src->peer_count == 0))
		return 0;
	free_member(dst);
	return DHT_ENOMEM;
}

/* Makes room for one element more. */
static int grow(void **array, size_t count, size_t size)
{
	void *grown = realloc(*array, (count + 1) * size);
	if (grown == NULL)
		return DHT_ENOMEM;
	*array = grown;
	return 0;
}

int ring_map_add_member(struct ring_map *map, const struct ring_member *member)
{
	DHT_ASSERT(map->member_count < RING_MEMBERS_MAX);
	void *members = map->members;
	int rc = grow(&members, map->member_count, sizeof(*map->members));
	if (rc != 0)
		return rc;
	map->members = members;
	rc = copy_member(&map->members[map->member_count], member);
	if (rc == 0)
		map->member_count++;
	return rc;
}

/* ---- Replicas ---------------------------------------------------------------------- */

static bool is_equal(const struct ring_replicas *a, const struct ring_replicas *b)
{
	return a->count == b->count &&
	       memcmp(a->members, b->members, a->count * sizeof(a->members[0])) == 0;
}

int ring_map_set_replicas(struct ring_map *map, uint32_t block,
			  const struct ring_replicas *replicas)
{
	DHT_ASSERT(block < map->blocks);
	DHT_ASSERT(replicas->count > 0 && replicas->count <= RING_REPLICAS_MAX);
	for (uint16_t i = 0; i < replicas->count; i++)
		DHT_ASSERT(replicas->members[i] < map->member_count);
	size_t list = map->list_count;
	/* Backwards: neighbours come one after the other. */
	while (list > 0 && !is_equal(&map->lists[list - 1], replicas))
		list--;
	if (list > 0) {
		map->list_of[block] = (uint16_t)(list - 1);
		return 0;
	}
	void *lists = map->lists;
	int rc = grow(&lists, map->list_count, sizeof(*map->lists));
	if (rc != 0)
		return rc;
	map->lists = lists;
	map->lists[map->list_count] = *replicas;
	map->list_of[block] = (uint16_t)map->list_count++;
	return 0;
}

/* ---- The whole --------------------------------------------------------------------- */

int ring_map_create(uint32_t blocks, uint64_t epoch, struct ring_map **out)
{
	DHT_ASSERT(ring_slot_is_block_count(blocks));
	struct ring_map *map = calloc(1, sizeof(*map));
	if (map == NULL)
		return DHT_ENOMEM;
	*map = (struct ring_map){.epoch = epoch, .blocks = blocks};
	map->list_of = calloc(blocks, sizeof(*map->list_of));
	if (map->list_of == NULL) {
		free(map);
		return DHT_ENOMEM;
	}
	for (uint32_t block = 0; block < blocks; block++)
		map->list_of[block] = NO_LIST;
	*out = map;
	return 0;
}

int ring_map_create_alone(uint32_t blocks, const struct ring_member *self, struct ring_map **out)
{
	const struct ring_replicas alone = {.count = 1};
	struct ring_map *map;
	int rc = ring_map_create(blocks, 0, &map);
	if (rc != 0)
		return rc;
	rc = ring_map_add_member(map, self);
	for (uint32_t block = 0; rc == 0 && block < blocks; block++)
		rc = ring_map_set_replicas(map, block, &alone);
	if (rc == 0)
		*out = map;
	else
		ring_map_destroy(map);
	return rc;
}

void ring_map_destroy(struct ring_map *map)
{
	if (map == NULL)
		return;
	for (size_t i = 0; i < map->member_count; i++)
		free_member(&map->members[i]);
	free(map->members);
	free(map->lists);
	free(map->list_of);
	free(map);
}

static bool belongs_together(const struct ring_map *map, enum ring_merge merge, uint32_t a,
			     uint32_t b)
{
	return merge == RING_MERGE_EQUAL ? map->list_of[a] == map->list_of[b]
					 : ring_map_first(map, a) == ring_map_first(map, b);
}

bool ring_map_next_range(const struct ring_map *map, enum ring_merge merge,
			 struct ring_range *range)
{
	uint32_t first = range->next_block, end = first + 1;
	if (first == map->blocks)
		return false;
	while (end < map->blocks && belongs_together(map, merge, first, end))
		end++;
	*range = (struct ring_range){
	    .next_block = end,
	    .first_slot = ring_block_first_slot(first, map->blocks),
	    .last_slot = ring_block_last_slot(end - 1, map->blocks),
	    .list = map->list_of[first],
	};
	return true;
}
