/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/member/judge - what must hold in every run, looked at from outside.
 *
 * Why     One map per epoch; nobody adopts one that is not decided; each follows the one before
 *         by steps that blocks may take; a joint phase ends for N only when a majority of it is in
 *         sync; a voter's word holds across restarts.
 * Owns    Copies of all maps of the chain, and of what voters made durable.
 */
#ifndef DHT_SIM_MEMBER_JUDGE_H
#define DHT_SIM_MEMBER_JUDGE_H

#include "world.h"

struct judge;

struct judge *judge_create(struct world *w);
void judge_destroy(struct judge *judge);

/* A note of a node has become durable. */
void judge_note(struct judge *judge, int node, struct bytes note);

/* A node adopts a map. */
void judge_adopts(struct judge *judge, int node, const struct ring_map *map);

/* A message leaves a node. */
void judge_sends(struct judge *judge, int node, const struct member_message *m);

/* True if a map is of the chain. */
bool judge_is_ours(const struct judge *judge, const struct ring_map *map);

/* The latest map of the chain. */
const struct ring_map *judge_latest(const struct judge *judge);

#endif
