/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_vote - a voter's register: what it promised and accepted for the next map.
 *
 * Why     The map of epoch e + 1 is decided once, by single-decree Paxos (Lamport, "Paxos Made
 *         Simple", 2001) among the voters that map e names.
 * Owns    struct member_register, of which there is one: for the epoch behind the adopted one.
 * Thread  the member's.
 *
 * Guards, each of which loses a map when it is left out:
 *
 *  - A promise and an acceptance are durable before they are said (a restart knows them).
 *  - For an epoch that is adopted the voter answers with the decided map, never as if its
 *    register were empty. So a voter of e is useful until others know e + 1.
 *  - A register of a later epoch than the next one says that the next one is decided: its map
 *    was adopted here and lost in a crash. It is fetched; nothing is promised for it.
 *  - A ballot is promised once: its owner, restarted, takes a higher one.
 */
#ifndef DHT_NODE_MEMBER_VOTE_H
#define DHT_NODE_MEMBER_VOTE_H

#include "node/member_state.h"

/* Takes over the latest note. DHT_EPROTO: it is damaged. An empty one is none. */
int member_vote_restore(struct member *m, struct bytes note) DHT_MUST_CHECK;

/* Promises a ballot for the next epoch, or accepts a value with it, and stores that. False: the
 * register has a higher one (*promised says which), or the note could not be stored. */
bool member_vote_promise(struct member *m, const struct member_step *step,
			 struct member_ballot ballot);
bool member_vote_accept(struct member *m, const struct member_step *step,
			struct member_ballot ballot, struct bytes value);

/* PREPARE or ACCEPT of another member. */
void member_vote_handle(struct member *m, const struct member_step *step, uint32_t peer,
			const struct member_message *message);

#endif
