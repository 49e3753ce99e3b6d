/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_change - what a request makes of a map, and which requests are refused.
 *
 * Why     What is unsafe is refused before anything is decided, with a reason that an operator
 *         can act on; and the same look is taken for a plan that is only shown.
 * Owns    Nothing.
 * Thread  any; functions of their arguments.
 *
 * A change is a property of the map (struct ring_change and the members' standing): it begins with
 * an epoch that is its id, and ends with one that has RING_NO_CHANGE. Where blocks are to be in the
 * end follows from the members alone (member_change_target), so any voter goes on with it, also
 * after all have restarted. Nobody keeps the lists that are aimed at: a plan from a map on the way
 * moves at most what an earlier plan has left over, for the rest of that plan is one that does.
 */
#ifndef DHT_NODE_MEMBER_CHANGE_H
#define DHT_NODE_MEMBER_CHANGE_H

#include "node/member_state.h"

/* Makes the map of the next epoch, in which the change that is asked for has begun. *next NULL and
 * status 0: it runs already, or nothing is to be changed. A refusal is a status with a text. */
void member_change_begin(const struct member *m, const struct member_request *request,
			 uint64_t now_ms, struct member_answer *answer, struct ring_map **next);

/* Where the blocks are to be; a list for each. Blocks of `from` that are joint count as changed, or
 * as unchanged if the change is cancelled. DHT_ENOMEM. */
int member_change_target(const struct ring_map *from, struct ring_replicas *target) DHT_MUST_CHECK;

/* The last step: nothing is left to be moved. Members that joined are in, those that left are out,
 * voters are chosen. Applied to a map that is being built. */
int member_change_end(struct ring_map *map) DHT_MUST_CHECK;

/* O, or N where a block is in a joint phase. */
const struct ring_replicas *member_change_latest(const struct ring_map *map, uint32_t block);

#endif
