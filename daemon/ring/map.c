/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ring/slot.h"

enum { NO_STATE = INTERN_MAX };

/* ---- Members ----------------------------------------------------------------------- */

static void free_addresses(struct ring_address *addresses, size_t count)
{
	for (size_t i = 0; addresses != NULL && i < count; i++)
		free(addresses[i].host);
	free(addresses);
}

void ring_member_fini(struct ring_member *member)
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

int ring_member_copy(struct ring_member *dst, const struct ring_member *src)
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
	ring_member_fini(dst);
	return DHT_ENOMEM;
}

static bool same_addresses(const struct ring_address *a, size_t a_count,
			   const struct ring_address *b, size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++) {
		if (a[i].port != b[i].port || strcmp(a[i].host, b[i].host) != 0)
			return false;
	}
	return true;
}

bool ring_member_is_equal(const struct ring_member *a, const struct ring_member *b)
{
	return a->standing == b->standing && strcmp(a->id, b->id) == 0 &&
	       strcmp(a->name, b->name) == 0 && strcmp(a->zone, b->zone) == 0 &&
	       a->weight == b->weight &&
	       same_addresses(a->clients, a->client_count, b->clients, b->client_count) &&
	       same_addresses(a->peers, a->peer_count, b->peers, b->peer_count);
}

size_t ring_map_place(const struct ring_map *map, uint16_t number)
{
	size_t low = 0, high = map->member_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (map->members[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct ring_member *ring_map_member(const struct ring_map *map, uint16_t number)
{
	size_t at = ring_map_place(map, number);
	bool is_found = at < map->member_count && map->members[at].number == number;
	return is_found ? &map->members[at] : NULL;
}

int ring_map_add_member(struct ring_map *map, const struct ring_member *member)
{
	if (member->number >= RING_MEMBERS_MAX || ring_map_member(map, member->number) != NULL)
		return DHT_EINVAL;
	struct ring_member *members =
	    realloc(map->members, (map->member_count + 1) * sizeof(*members));
	if (members == NULL)
		return DHT_ENOMEM;
	map->members = members;
	struct ring_member copy;
	int rc = ring_member_copy(&copy, member);
	if (rc != 0)
		return rc;
	size_t at = ring_map_place(map, member->number);
	memmove(&members[at + 1], &members[at], (map->member_count - at) * sizeof(*members));
	members[at] = copy;
	map->member_count++;
	return 0;
}

int ring_map_set_member(struct ring_map *map, const struct ring_member *member)
{
	struct ring_member copy;
	if (ring_map_member(map, member->number) == NULL)
		return DHT_ENOTFOUND;
	int rc = ring_member_copy(&copy, member);
	if (rc != 0)
		return rc;
	size_t at = ring_map_place(map, member->number);
	ring_member_fini(&map->members[at]);
	map->members[at] = copy;
	return 0;
}

/* Marks the members that a block or the voters name. */
static void mark_named(const struct ring_map *map, bool named[RING_MEMBERS_MAX])
{
	const struct ring_kept *states = map->states.items;
	bool is_used[INTERN_MAX + 1] = {false};
	for (uint32_t block = 0; block < map->blocks; block++)
		is_used[map->state_of[block]] = map->state_of[block] != NO_STATE;
	for (size_t i = 0; i < map->states.count; i++) {
		const struct ring_replicas *old = ring_map_list(map, states[i].old);
		const struct ring_replicas *next = ring_map_list(map, states[i].next);
		for (uint16_t k = 0; is_used[i] && k < old->count; k++)
			named[old->members[k]] = true;
		for (uint16_t k = 0; is_used[i] && k < next->count; k++)
			named[next->members[k]] = true;
	}
	for (uint16_t i = 0; i < map->voters.count; i++)
		named[map->voters.members[i]] = true;
}

int ring_map_remove_member(struct ring_map *map, uint16_t number)
{
	bool named[RING_MEMBERS_MAX] = {false};
	size_t at = ring_map_place(map, number);
	if (at == map->member_count || map->members[at].number != number)
		return DHT_ENOTFOUND;
	mark_named(map, named);
	if (named[number])
		return DHT_EPRECOND;
	ring_member_fini(&map->members[at]);
	map->member_count--;
	memmove(&map->members[at], &map->members[at + 1],
		(map->member_count - at) * sizeof(*map->members));
	return 0;
}

uint16_t ring_map_free_number(const struct ring_map *map)
{
	bool named[RING_MEMBERS_MAX] = {false};
	uint16_t number = 0;
	mark_named(map, named);
	for (size_t i = 0; i < map->member_count; i++)
		named[map->members[i].number] = true;
	while (number < RING_MEMBERS_MAX && named[number])
		number++;
	return number;
}

/* ---- Blocks ------------------------------------------------------------------------ */

uint16_t ring_replicas_find(const struct ring_replicas *list, uint16_t member)
{
	uint16_t i = 0;
	while (i < list->count && list->members[i] != member)
		i++;
	return i;
}

bool ring_replicas_are_same_set(const struct ring_replicas *a, const struct ring_replicas *b)
{
	for (uint16_t i = 0; i < a->count; i++) {
		if (ring_replicas_find(b, a->members[i]) == b->count)
			return false;
	}
	return a->count == b->count;
}

static int number_list(struct ring_map *map, const struct ring_replicas *list, uint16_t *number)
{
	struct ring_replicas clean = {.count = list->count};
	DHT_ASSERT(list->count <= RING_REPLICAS_MAX);
	for (uint16_t i = 0; i < list->count; i++) {
		DHT_ASSERT(list->members[i] < RING_MEMBERS_MAX);
		clean.members[i] = list->members[i];
	}
	return intern_number(&map->lists, &clean, sizeof(clean), number);
}

int ring_map_set_block(struct ring_map *map, uint32_t block, const struct ring_block *from)
{
	_Static_assert(sizeof(struct ring_kept) ==
			   16 + sizeof(from->old_since) + sizeof(from->next_since),
		       "no padding: states are compared as bytes");
	struct ring_kept kept = {
	    .phase = (uint16_t)from->phase, .version = from->version, .start = from->start};
	DHT_ASSERT(block < map->blocks && from->old.count > 0);
	memcpy(kept.since[0], from->old_since, from->old.count * sizeof(from->old_since[0]));
	memcpy(kept.since[1], from->next_since, from->next.count * sizeof(from->next_since[0]));
	int rc = number_list(map, &from->old, &kept.old);
	if (rc == 0)
		rc = number_list(map, &from->next, &kept.next);
	if (rc == 0)
		rc = intern_number(&map->states, &kept, sizeof(kept), &map->state_of[block]);
	return rc;
}

void ring_map_get_block(const struct ring_map *map, uint32_t block, struct ring_block *out)
{
	const struct ring_kept *kept = ring_map_kept(map, block);
	*out = (struct ring_block){
	    .phase = kept->phase,
	    .version = kept->version,
	    .start = kept->start,
	    .old = *ring_map_list(map, kept->old),
	    .next = *ring_map_list(map, kept->next),
	};
	memcpy(out->old_since, kept->since[0], sizeof(out->old_since));
	memcpy(out->next_since, kept->since[1], sizeof(out->next_since));
}

int ring_map_set_replicas(struct ring_map *map, uint32_t block,
			  const struct ring_replicas *replicas)
{
	return ring_map_set_block(map, block, &(struct ring_block){.old = *replicas});
}

/* ---- The whole --------------------------------------------------------------------- */

int ring_map_create(uint32_t blocks, uint64_t epoch, struct ring_map **out)
{
	DHT_ASSERT(ring_slot_is_block_count(blocks));
	struct ring_map *map = calloc(1, sizeof(*map));
	if (map == NULL)
		return DHT_ENOMEM;
	*map =
	    (struct ring_map){.epoch = epoch, .blocks = blocks, .replicas = RING_REPLICAS_DEFAULT};
	map->state_of = calloc(blocks, sizeof(*map->state_of));
	if (map->state_of == NULL) {
		free(map);
		return DHT_ENOMEM;
	}
	for (uint32_t block = 0; block < blocks; block++)
		map->state_of[block] = NO_STATE;
	*out = map;
	return 0;
}

int ring_map_create_alone(uint32_t blocks, const struct ring_member *self, struct ring_map **out)
{
	const struct ring_replicas alone = {1, {self->number}};
	struct ring_map *map;
	int rc = ring_map_create(blocks, 0, &map);
	if (rc != 0)
		return rc;
	map->voters = (struct ring_voters){1, {self->number}};
	rc = ring_map_add_member(map, self);
	for (uint32_t block = 0; rc == 0 && block < blocks; block++)
		rc = ring_map_set_replicas(map, block, &alone);
	if (rc == 0)
		*out = map;
	else
		ring_map_destroy(map);
	return rc;
}

/* Copies what the blocks use and nothing else. Each state is looked up once: neighbours
 * that have the same one come one after the other. */
static int copy_blocks(struct ring_map *copy, const struct ring_map *map)
{
	struct ring_block block;
	int rc = 0;
	for (uint32_t i = 0; rc == 0 && i < map->blocks; i++) {
		if (map->state_of[i] == NO_STATE)
			continue;
		if (i > 0 && map->state_of[i] == map->state_of[i - 1]) {
			copy->state_of[i] = copy->state_of[i - 1];
			continue;
		}
		ring_map_get_block(map, i, &block);
		rc = ring_map_set_block(copy, i, &block);
	}
	return rc;
}

int ring_map_copy(const struct ring_map *map, uint64_t epoch, struct ring_map **out)
{
	struct ring_map *copy;
	int rc = ring_map_create(map->blocks, epoch, &copy);
	if (rc != 0)
		return rc;
	memcpy(copy->lineage, map->lineage, sizeof(copy->lineage));
	copy->lineage_before = map->lineage_before;
	copy->hash_seed = map->hash_seed;
	copy->replicas = map->replicas;
	copy->voters = map->voters;
	copy->change = map->change;
	for (size_t i = 0; rc == 0 && i < map->member_count; i++)
		rc = ring_map_add_member(copy, &map->members[i]);
	if (rc == 0)
		rc = copy_blocks(copy, map);
	if (rc == 0)
		*out = copy;
	else
		ring_map_destroy(copy);
	return rc;
}

void ring_map_destroy(struct ring_map *map)
{
	if (map == NULL)
		return;
	for (size_t i = 0; i < map->member_count; i++)
		ring_member_fini(&map->members[i]);
	free(map->members);
	intern_fini(&map->lists);
	intern_fini(&map->states);
	free(map->state_of);
	free(map);
}

static bool belongs_together(const struct ring_map *map, enum ring_merge merge, uint32_t a,
			     uint32_t b)
{
	return merge == RING_MERGE_EQUAL ? ring_map_kept(map, a)->old == ring_map_kept(map, b)->old
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
	    .list = ring_map_kept(map, first)->old,
	};
	return true;
}
