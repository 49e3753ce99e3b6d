/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/share - how many replicas each member should hold, by weight and zone.
 *
 * Why     What is fair is said once and exactly, so that the planner, its tests and
 *         whatever shows a member's share agree on it to the last block.
 * Owns    struct ring_shares: its tables.
 * Thread  any; a function of its arguments.
 * Errors  DHT_EINVAL: no member, numbers that do not ascend, or a weight, a number of
 *         replicas or of blocks out of range. DHT_ENOMEM.
 *
 * Words: n members, B blocks, R replicas asked for, Z zones that have a member, n_z members
 * of zone z. A block has r = min(R, n) replicas, no two on one member.
 *
 * The zone rule says how many of a block's replicas zone z may hold, in every block:
 *
 *     at most   most_z  = min(n_z, c), c the smallest number with sum of min(n_z, c) >= r;
 *                         where zones are large enough, c = ceil(r / Z)
 *     at least  least_z = 1 if Z <= r, else 0
 *
 * So every block is spread over min(r, Z) zones, and no zone holds more replicas of a block
 * than it must.
 *
 * The share f_m of a member is the point at which these are as proportional to the weights
 * as the rules let them be:
 *
 *     sum of all f_m = B r,   f_m <= B,   B least_z <= sum of zone z's f_m <= B most_z,
 *     sum of f_m^2 / weight_m is the least possible.
 *
 * That point is the lexicographically optimal base of a polymatroid (Fujishige, 1980): no
 * share can grow without a member whose share is as small, for its weight, losing. It is
 * unique and has the form of water-filling: there is a level L, and a level L_z per zone,
 * with f_m = min(B, L_z weight_m), where L_z = L unless zone z's sum at L would break the
 * zone rule; then L_z is the level at which it just keeps it.
 *
 * Computed exactly, in fractions: the sum over all zones grows with L along a line that bends
 * where a member becomes full (B / weight) and where a zone leaves its least or reaches
 * its most. A binary search over the bends finds the piece on which the sum is B r, and on a
 * piece L is a quotient of two integers.
 *
 * Integers that round these shares up or down, in each zone too, and sum to B r are always
 * possible: members one behind the other, zone by zone, fill a line of B r places; cut into r
 * rows of B places, its columns are blocks that obey the zone rule (McNaughton, 1959).
 */
#ifndef DHT_RING_SHARE_H
#define DHT_RING_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum { RING_WEIGHT_MAX = 10000 };

/* A member as the planner sees it. */
struct ring_candidate {
	uint16_t number;
	uint32_t weight; /* 1 to RING_WEIGHT_MAX */
	const char *zone;
	bool is_leaving; /* it has no share, and no replica in a new plan */
};

/* whole + part / of blocks; part < of. */
struct ring_share {
	uint32_t whole;
	uint64_t part, of;
};

struct ring_zone {
	uint16_t least, most;    /* replicas of one block */
	struct ring_share share; /* of the whole zone */
};

/* Members that leave are left out: the tables have the others, in the same order. */
struct ring_shares {
	size_t count;
	uint16_t replicas; /* of a block, r */
	uint16_t *numbers; /* of each member */
	uint32_t *weights;
	uint16_t *zone_of; /* place in zones */
	struct ring_share *shares;
	struct ring_zone *zones; /* in the order of their names */
	size_t zone_count;
};

/* Computes the shares of `count` candidates in ascending order of their numbers. */
int ring_shares_create(const struct ring_candidate *candidates, size_t count, uint32_t blocks,
		       uint16_t replicas, struct ring_shares **out) DHT_MUST_CHECK;

/* NULL is allowed. */
void ring_shares_destroy(struct ring_shares *shares);

#endif
