/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/phase.h"

#include <string.h>

#include "base/error.h"

static bool is_list(const struct ring_map *map, const struct ring_replicas *list)
{
	if (list->count == 0 || list->count > RING_REPLICAS_MAX)
		return false;
	for (uint16_t i = 0; i < list->count; i++) {
		if (ring_map_member(map, list->members[i]) == NULL ||
		    ring_replicas_find(list, list->members[i]) != i)
			return false;
	}
	return true;
}

/* Reads a block that is in this phase, its version raised. */
static int step_from(const struct ring_map *map, uint32_t number, enum ring_phase phase,
		     struct ring_block *block)
{
	ring_map_get_block(map, number, block);
	if (block->phase != phase)
		return DHT_EPRECOND;
	if (block->version == UINT32_MAX)
		return DHT_EFULL;
	block->version++;
	return 0;
}

static void clear_next(struct ring_block *block)
{
	block->next = (struct ring_replicas){0};
	memset(block->next_since, 0, sizeof(block->next_since));
}

/* Since when a member is a replica: for one that is new, this version. */
static uint32_t since_of(const struct ring_block *block, uint16_t member)
{
	uint16_t at = ring_replicas_find(&block->old, member);
	if (at < block->old.count)
		return block->old_since[at];
	at = ring_replicas_find(&block->next, member);
	return at < block->next.count ? block->next_since[at] : block->version;
}

/* The same set in another order. */
static int reorder(struct ring_map *map, uint32_t number, const struct ring_replicas *order)
{
	struct ring_block block, ordered;
	ring_map_get_block(map, number, &block);
	ordered = block;
	for (uint16_t i = 0; i < order->count; i++) {
		ordered.old.members[i] = order->members[i];
		ordered.old_since[i] = since_of(&block, order->members[i]);
	}
	return ring_map_set_block(map, number, &ordered);
}

int ring_phase_begin(struct ring_map *map, uint32_t number, const struct ring_replicas *next)
{
	struct ring_block block;
	if (!is_list(map, next))
		return DHT_EINVAL;
	if (ring_map_kept(map, number)->phase == RING_STABLE &&
	    ring_replicas_are_same_set(ring_map_replicas(map, number), next))
		return reorder(map, number, next);
	int rc = step_from(map, number, RING_STABLE, &block);
	if (rc != 0)
		return rc;
	block.phase = RING_JOINT;
	block.start = block.version;
	for (uint16_t i = 0; i < next->count; i++)
		block.next_since[i] = since_of(&block, next->members[i]);
	block.next = *next;
	return ring_map_set_block(map, number, &block);
}

int ring_phase_finish(struct ring_map *map, uint32_t number)
{
	struct ring_block block;
	int rc = step_from(map, number, RING_JOINT, &block);
	if (rc != 0)
		return rc;
	block.phase = RING_STABLE;
	block.old = block.next;
	memcpy(block.old_since, block.next_since, sizeof(block.old_since));
	clear_next(&block);
	return ring_map_set_block(map, number, &block);
}

int ring_phase_cancel(struct ring_map *map, uint32_t number)
{
	struct ring_block block;
	int rc = step_from(map, number, RING_JOINT, &block);
	if (rc != 0)
		return rc;
	block.phase = RING_STABLE;
	clear_next(&block);
	return ring_map_set_block(map, number, &block);
}

int ring_phase_recover(struct ring_map *map, uint32_t number, const struct ring_replicas *survivors)
{
	struct ring_block block, survived;
	ring_map_get_block(map, number, &block);
	if (!is_list(map, survivors))
		return DHT_EINVAL;
	if (block.version == UINT32_MAX)
		return DHT_EFULL;
	survived = (struct ring_block){
	    .phase = RING_RECOVER,
	    .version = block.version + 1,
	    .start = block.version + 1,
	    .old = *survivors,
	};
	for (uint16_t i = 0; i < survivors->count; i++) {
		uint16_t member = survivors->members[i];
		if (ring_replicas_find(&block.old, member) == block.old.count &&
		    ring_replicas_find(&block.next, member) == block.next.count)
			return DHT_EINVAL;
		survived.old_since[i] = since_of(&block, member);
	}
	return ring_map_set_block(map, number, &survived);
}

int ring_phase_recovered(struct ring_map *map, uint32_t number)
{
	struct ring_block block;
	int rc = step_from(map, number, RING_RECOVER, &block);
	if (rc != 0)
		return rc;
	block.phase = RING_STABLE;
	return ring_map_set_block(map, number, &block);
}
