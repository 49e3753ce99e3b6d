/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_unsafe - which changes are refused, and why.
 *
 * Why     One place for what an operator must not be able to do by mistake.
 * Owns    Nothing.
 * Thread  any; functions of their arguments.
 */
#ifndef DHT_NODE_MEMBER_UNSAFE_H
#define DHT_NODE_MEMBER_UNSAFE_H

#include "node/member_state.h"

/* True if exactly this is running, so that a request that was told twice begins once; answer has
 * the job then. */
bool member_unsafe_is_running(const struct ring_map *map, const struct member_request *request,
			      struct member_answer *answer);

/* False: it is refused, and the answer says why. */
bool member_unsafe_check(const struct member *m, const struct member_request *request,
			 struct member_answer *answer);

/* The same by what it does to blocks: whoever is to take one over, or hand it over, must be
 * there in a majority. Nothing is said of those that join. */
bool member_unsafe_check_blocks(const struct member *m, const struct member_request *request,
				const struct ring_map *next, struct member_answer *answer);

/* Counts what the change that `next` begins moves, and its risks; at_risk: blocks that lose their
 * majority with one more member. */
void member_unsafe_count(const struct member *m, const struct ring_map *next,
			 const struct ring_replicas *target, struct member_plan *plan);

#endif
