/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/planner - which members hold which block, in which order.
 *
 * Why     Whoever proposes a map computes the lists once, and they are part of the map: no
 *         other node computes placement for itself.
 * Owns    Nothing that outlives a call.
 * Thread  any; a function of its arguments: the same input gives the same lists.
 * Errors  DHT_EINVAL, as ring_shares_create; DHT_ENOMEM.
 *
 * The rules, in this order:
 *
 *  1. A block has min(replicas, members that stay) replicas, no two on one member.
 *  2. Every block keeps the zone rule of ring/share.h: it is spread over min(replicas,
 *     zones) zones.
 *  3. Every member holds its share (ring/share.h), rounded up or down.
 *  4. Of what 1 to 3 leave open, that which moves least: a move is a member of a block's new
 *     list that is not in its old one. Found by a local search, which the test measures by
 *     the exact minimum: of 18,000 random changes 6 took one move more.
 *  5. Neighbouring blocks have the same list where it can be: without old lists there are, at
 *     most, as many different runs as members, or 64 in a cluster of less, before the first
 *     places are shared out.
 *  6. Every member is first in its list in 1 / list's length of the blocks that it holds,
 *     rounded up or down. Behind the first the others follow by number, in a circle, but
 *     zones that the list does not have yet come before those that it has.
 *
 * How: without old lists, members are laid one behind the other along a line that is cut into
 * rows (ring/share.h). With them, what stays stays; places that break rule 1 or 2 are given
 * up, empty ones filled by those that lack most, what is then left to correct is moved by
 * ring/balance, and moves that turn out to be avoidable are taken back. First places are kept
 * and corrected likewise; they move no data, so within a run of equal sets each member's
 * are put together.
 */
#ifndef DHT_RING_PLANNER_H
#define DHT_RING_PLANNER_H

#include "ring/map.h"
#include "ring/share.h"

struct ring_plan_input {
	const struct ring_candidate *candidates; /* in ascending order of their numbers */
	size_t count;
	uint32_t blocks; /* a number that ring_slot_is_block_count */
	uint16_t replicas;
	const struct ring_replicas *old; /* of each block; NULL: there are none yet */
};

/* Fills plan[0 .. blocks - 1] with lists of member numbers. It may be the array of the old
 * lists. */
int ring_plan(const struct ring_plan_input *input, struct ring_replicas *plan) DHT_MUST_CHECK;

/* Counts the moves of rule 4 between two plans of as many blocks. */
uint64_t ring_plan_moves(const struct ring_replicas *old, const struct ring_replicas *plan,
			 uint32_t blocks);

#endif
