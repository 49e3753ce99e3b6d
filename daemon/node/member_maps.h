/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_maps - decided maps: adopting, keeping what leads to them, telling others.
 *
 * Why     A map reaches all members by itself: whoever has decided it sends it to at most
 *         MEMBER_FAN_OUT others, each of which passes it on to its part of those that are left, so
 *         of n members nobody sends more than that, and the last one has it after log n steps.
 *         What gets lost there is noticed by the epoch in the next heartbeat, and fetched.
 * Owns    The map and the one before, and the latest differences.
 * Thread  the member's.
 */
#ifndef DHT_NODE_MEMBER_MAPS_H
#define DHT_NODE_MEMBER_MAPS_H

#include "node/member_state.h"

enum { MEMBER_FAN_OUT = 8 };

/* True if the bytes are a map that may follow the adopted one. */
bool member_maps_is_next(const struct member *m, struct bytes code);

/* This member knows that the bytes were decided as the next map: adopts it and spreads it. */
void member_maps_decided(struct member *m, const struct member_step *step, struct bytes code);

/* Adopts a map, which is the member's from here on. code: its difference from the one before,
 * or empty. False: there is no memory for it. */
bool member_maps_adopt(struct member *m, const struct member_step *step, struct ring_map *map,
		       struct bytes code);

/* Own number in the adopted map, MEMBER_NOBODY without one. */
uint16_t member_maps_number(const struct member *m);

/* Sends what came behind an epoch. */
void member_maps_tell(struct member *m, const struct member_step *step, uint32_t peer,
		      uint64_t epoch);

/* Sends the whole map, whatever the peer has. */
void member_maps_tell_whole(struct member *m, const struct member_step *step, uint32_t peer);

/* Asks for what came behind the adopted one, not too often. */
void member_maps_want(struct member *m, const struct member_step *step, uint32_t peer);

/* WANT_MAP, MAP. */
void member_maps_handle(struct member *m, const struct member_step *step, uint32_t peer,
			const struct member_message *message);

void member_maps_fini(struct member *m);

#endif
