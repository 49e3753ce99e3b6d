/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_propose - a proposal for the next map, by a voter.
 *
 * Why     The other half of the register (member_vote.h): whoever has a map to propose gets one
 *         decided, if not always its own. A proposal is one attempt: refused or not answered it
 *         ends, and its owner looks at the map again before another one, a random and growing
 *         time later, so that two drivers do not go on in each other's way.
 * Owns    struct member_proposal.
 * Thread  the member's.
 */
#ifndef DHT_NODE_MEMBER_PROPOSE_H
#define DHT_NODE_MEMBER_PROPOSE_H

#include "node/member_state.h"

/* True if a proposal may begin: none is running, this member is a voter, and none failed just
 * now. */
bool member_propose_may(const struct member *m, uint64_t now_us);

/* Begins one for the map behind the adopted one; next stays its caller's. */
void member_propose(struct member *m, const struct member_step *step, const struct ring_map *next);

/* PROMISE or ACCEPTED. */
void member_propose_handle(struct member *m, const struct member_step *step,
			   const struct member_message *message);

/* Own answers count once they are durable. */
void member_propose_durable(struct member *m, const struct member_step *step, uint64_t position);

/* Ends one that takes too long. */
void member_propose_tick(struct member *m, const struct member_step *step);

/* Ends it without a map: another one was adopted. */
void member_propose_drop(struct member *m);

#endif
