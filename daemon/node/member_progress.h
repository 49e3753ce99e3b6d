/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_progress - how much a change of members moves: so far, still, and how fast.
 *
 * Why     Whoever waits for a change wants to know how long it takes, and whoever plans one what
 *         it costs. Members tell with their heartbeats how many bytes they hold and have taken
 *         over; what is still to come is estimated from that, as blocks are of like size.
 * Owns    Sums over members, of this run: a node that was restarted meanwhile counts from then on.
 * Thread  the member's.
 *
 * Above MEMBER_WATCH_ALL members only a voter hears of all that take something over.
 */
#ifndef DHT_NODE_MEMBER_PROGRESS_H
#define DHT_NODE_MEMBER_PROGRESS_H

#include "node/member_state.h"

/* A member, or this node itself (m->own), has taken over so many bytes since its start. */
void member_progress_note(struct member *m, struct member_peer *peer, uint64_t progress,
			  uint64_t now_us);

/* Takes this node's own numbers, and a look at the rate. */
void member_progress_tick(struct member *m, const struct member_step *step);

/* A map was adopted: another change may have begun. */
void member_progress_adopted(struct member *m);

/* Bytes of keys and values that one replica of a block has, about. */
uint64_t member_progress_block_bytes(const struct member *m);

/* Fills in what a job has moved and has to move. The target is known. */
void member_progress_job(const struct member *m, struct member_job *job);

#endif
