/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/helper_moves - the fewest moves that any plan could need.
 *
 * Why     It is what the planner's moves are measured by, in its test and its benchmark.
 */
#ifndef DHT_TESTS_HELPER_MOVES_H
#define DHT_TESTS_HELPER_MOVES_H

#include "ring/map.h"

/* What a plan must keep. */
struct helper_rules {
	uint32_t blocks;
	unsigned replicas; /* of each block */
	size_t zones;
	const unsigned *zone_least, *zone_most; /* replicas of one block in each zone */
	size_t members;
	const uint16_t *numbers;
	const size_t *zone_of;
	const unsigned *least, *most; /* blocks of each member */
};

/* Returns how many members of the new lists are not in the old ones, at least, exactly. */
int64_t helper_fewest_moves(const struct helper_rules *rules, const struct ring_replicas *old);

/* A lower bound, fast: what the members lack of their least, and what else must be rounded up
 * where nobody has it yet. It does not know that a block can have a member only once,
 * and its zone rule. */
uint64_t helper_missing(const struct helper_rules *rules, const struct ring_replicas *old);

#endif
