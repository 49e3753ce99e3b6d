/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_heartbeat - who lives, and what each member says of itself all the time.
 *
 * Why     A member that is silent is asked last, a map that was missed is noticed, and drivers
 *         learn which blocks are in sync. None of it decides anything about keys.
 * Owns    The table of peers.
 * Thread  the member's.
 *
 * Up to MEMBER_WATCH_ALL members send a heartbeat to every other one: each then knows of its own
 * links. Above that this would be 10,000 messages a second at each of 1,000 members, so a
 * member sends to those 1, 2, 4, 8, ... places before and behind it in the order of numbers (20 of
 * 1,000), who send to it likewise. Whoever is not heard is silent for all of its watchers at once;
 * they tell with the next heartbeats, and so does who was told, so that the news is everywhere
 * after log2 n / 2 heartbeats at most: powers of two lead from anywhere to anywhere in that many
 * steps. News carry the number of the silent member's last heartbeat: whoever has heard a later one
 * contradicts, and what is later wins.
 *
 * Members of N in a changing block send theirs to the voters, too, with what is in sync.
 */
#ifndef DHT_NODE_MEMBER_HEARTBEAT_H
#define DHT_NODE_MEMBER_HEARTBEAT_H

#include "node/member_state.h"

void member_heartbeat_tick(struct member *m, const struct member_step *step);

/* BEAT, PROBE, PROBED. */
void member_heartbeat_handle(struct member *m, const struct member_step *step, uint32_t peer,
			     const struct member_message *message);

/* Makes room for the members of a map that is to be adopted. */
int member_heartbeat_make_room(struct member *m, const struct ring_map *map) DHT_MUST_CHECK;

/* A map was adopted: there are others to watch. */
void member_heartbeat_adopted(struct member *m, const struct member_step *step);

/* Asks a member whether it answers; it is not asked again too soon. */
void member_heartbeat_probe(struct member *m, const struct member_step *step, uint16_t number);

#endif
