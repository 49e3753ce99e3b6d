/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/chain - the decided maps, as far as one block goes.
 *
 * Why     Which member adopts which of them when is up to the run; that each epoch has one
 *         map is given here.
 * Thread  one owner.
 */
#ifndef DHT_SIM_CHAIN_H
#define DHT_SIM_CHAIN_H

#include "limits.h"
#include "paxos/quorum.h"

struct map {
	struct quorum replicas;
	uint32_t start; /* version of the latest joint phase */
	uint32_t since[SIM_NODES];
};

struct chain {
	uint32_t current;  /* version */
	uint16_t finished; /* members of N that have reported fin in this version */
	struct map maps[SIM_VERSIONS];
};

/* Version 0: stable, with these replicas. */
void chain_init(struct chain *chain, uint16_t replicas);

static inline const struct map *chain_map(const struct chain *chain, uint32_t version)
{
	return &chain->maps[version];
}

static inline const struct map *chain_latest(const struct chain *chain)
{
	return &chain->maps[chain->current];
}

static inline bool map_has(const struct map *map, unsigned node)
{
	return (quorum_all(&map->replicas) >> node & 1) != 0;
}

/* True if there is room for a joint phase and its end. */
bool chain_may_change(const struct chain *chain);

/* stable -> joint. */
void chain_join(struct chain *chain, uint16_t next);

/* A member has reported fin in this version. */
void chain_report(struct chain *chain, unsigned node, uint32_t version);

/* True if enough of N have reported for joint -> stable(N). */
bool chain_may_finish(const struct chain *chain);
void chain_finish(struct chain *chain);

/* joint -> stable(O). */
void chain_cancel(struct chain *chain);

#endif
