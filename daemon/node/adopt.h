/* SPDX-License-Identifier: Apache-2.0
 *
 * node/adopt - how a node takes over a map: at its start, and whenever a newer one is decided.
 *
 * Why     A map changes the versions of blocks, and with them what this node is a replica of,
 *         whom its rounds ask and what its data is worth (the register protocol, section 6).
 *         Each block changes in one step, under the lock of its group; blocks that have
 *         changed and blocks that have not work beside each other, as nodes do that have not
 *         all heard of a map.
 * Owns    Nothing: the map is the caller's until node_adopt_end.
 * Thread  node_restore: before anything else. The rest: one thread, the adoption's;
 *         node_adopt_block under the lock of the block's group, the other two under that of
 *         block 0.
 * Errors  DHT_EAGAIN as of node/node.h. DHT_ENOSPC, DHT_ENOMEM: nothing was done, try again when
 *         there is room. DHT_EDAMAGED.
 *
 * An adoption is node_adopt_begin, node_adopt_block for each block in any order, node_adopt_end.
 * The map and the drops that it causes become durable together, with the MAP record that the
 * last call appends: whatever is told meanwhile waits for it (NODE_RESTS_ON_MAP).
 */
#ifndef DHT_NODE_ADOPT_H
#define DHT_NODE_ADOPT_H

#include "node/node.h"

/* Starts with the map that the store holds, or that the node was founded with. ceiling is the
 * counter's that the last run left, of which nothing is known but that: 0 if there was none. */
void node_restore(struct node *node, const struct ring_map *map, uint64_t ceiling);

/* Begins with a newer, decided map; no other adoption is under way. */
void node_adopt_begin(struct node *node, const struct ring_map *map);
bool node_is_adopting(const struct node *node);

/* The same with the map of another cluster, which this node joins as member `number`: all its
 * data goes, whatever the epochs are. No operation runs until node_adopt_end. */
void node_adopt_begin_joined(struct node *node, const struct ring_map *map, uint16_t number,
			     uint64_t hash_seed);

/* Lets one block adopt its part, if that is another one. It may be called again. */
int node_adopt_block(struct node *node, struct node_step *step, const struct ring_map *map,
		     uint32_t block) DHT_MUST_CHECK;

/* All blocks have adopted: appends the map. */
int node_adopt_end(struct node *node, struct node_step *step,
		   const struct ring_map *map) DHT_MUST_CHECK;

#endif
