/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_errand - requests on their way to a voter, and their outcome back.
 *
 * Why     An operator, or a node that wants to join, speaks to any member; only a voter can get a
 *         map decided. A request is asked again, of another voter, until it has an outcome: what it
 *         asks for begins once (member_change.h), however often it is told.
 * Owns    At most MEMBER_ERRANDS requests, of which it has copies.
 * Thread  the member's.
 */
#ifndef DHT_NODE_MEMBER_ERRAND_H
#define DHT_NODE_MEMBER_ERRAND_H

#include "node/member_state.h"

/* REQUEST, ANSWER. */
void member_errand_handle(struct member *m, const struct member_step *step, uint32_t peer,
			  const struct member_message *message);

void member_errand_tick(struct member *m, const struct member_step *step);

/* A map was adopted: it may be what was asked for. */
void member_errand_adopted(struct member *m, const struct member_step *step);

/* True if this node wants to join over this link. */
bool member_errand_waits_for_map(const struct member *m, uint32_t peer);

void member_errand_fini(struct member *m);

#endif
