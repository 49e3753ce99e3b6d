/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/map - who is in the cluster, and which members hold a block.
 *
 * Why     Whatever tells a client where keys are (CLUSTER SLOTS, SHARDS, NODES), and
 *         whatever counts keys per node, reads this one structure.
 * Owns    Copies of the members' texts, the lists of replicas.
 * Thread  One thread builds it; constant from then on, and read by any.
 * Errors  DHT_ENOMEM: the map is unchanged.
 *
 * Neighbouring blocks mostly have the same replicas, so a block has the number of a list,
 * and equal lists are one.
 */
#ifndef DHT_RING_MAP_H
#define DHT_RING_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum {
	RING_MEMBERS_MAX = 4095, /* their numbers: 0 to 4094 */
	RING_REPLICAS_MAX = 7,
	RING_ID_SIZE = 33, /* 32 hexadecimal digits and a NUL */
};

struct ring_address {
	char *host; /* a name, or a numeric address without brackets */
	uint16_t port;
};

/* What is known of a member. */
enum ring_state {
	RING_UP,
	RING_DOWN, /* it does not answer */
};

struct ring_member {
	char id[RING_ID_SIZE];
	char *name, *zone;
	uint32_t weight;
	enum ring_state state;
	/* Where programs and other nodes reach it, the preferred address first; an address
	 * that only says "any" (0.0.0.0, ::) reaches nobody, and is left out. */
	struct ring_address *clients, *peers;
	size_t client_count, peer_count;
};

/* The replicas of a block: places in ring_map.members, in the order of preference. */
struct ring_replicas {
	uint16_t count;
	uint16_t members[RING_REPLICAS_MAX];
};

struct ring_map {
	uint64_t epoch;
	uint32_t blocks;
	struct ring_member *members;
	size_t member_count;
	struct ring_replicas *lists; /* no two are equal */
	size_t list_count;
	uint16_t *list_of; /* of each block */
};

/* Makes the map of a cluster of one: self, of which copies are made, holds all blocks.
 * blocks is a number that ring_slot_is_block_count (asserted). */
int ring_map_create_alone(uint32_t blocks, const struct ring_member *self,
			  struct ring_map **out) DHT_MUST_CHECK;

/* The same in steps: a map whose blocks have no replicas yet; its members, one after the
 * other; and for every block its replicas, at least one (asserted). */
int ring_map_create(uint32_t blocks, uint64_t epoch, struct ring_map **out) DHT_MUST_CHECK;
int ring_map_add_member(struct ring_map *map, const struct ring_member *member) DHT_MUST_CHECK;
int ring_map_set_replicas(struct ring_map *map, uint32_t block,
			  const struct ring_replicas *replicas) DHT_MUST_CHECK;

/* NULL is allowed. */
void ring_map_destroy(struct ring_map *map);

static inline const struct ring_replicas *ring_map_replicas(const struct ring_map *map,
							    uint32_t block)
{
	DHT_ASSERT(block < map->blocks);
	return &map->lists[map->list_of[block]];
}

/* The member that a block's requests go to first. */
static inline uint16_t ring_map_first(const struct ring_map *map, uint32_t block)
{
	return ring_map_replicas(map, block)->members[0];
}

/* What neighbouring blocks must have in common to be one range. */
enum ring_merge {
	RING_MERGE_EQUAL, /* all replicas, in their order */
	RING_MERGE_FIRST, /* the first one */
};

/* A run of slots. */
struct ring_range {
	uint32_t next_block; /* 0: before the first range */
	uint32_t first_slot, last_slot;
	uint16_t list; /* of its first block */
};

/* Goes on to the next range; starts as zeros. False: there is none. The ranges cover all
 * slots in their order. */
bool ring_map_next_range(const struct ring_map *map, enum ring_merge merge,
			 struct ring_range *range);

#endif
