/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/maps - the decided maps of a run.
 *
 * Why     Which member adopts which of them when is up to the run; that each epoch has one
 *         map is given here. The blocks that are used change, each in its own phases; several
 *         may change in one map.
 * Owns    The maps.
 * Thread  one owner.
 */
#ifndef DHT_SIM_MAPS_H
#define DHT_SIM_MAPS_H

#include "limits.h"
#include "paxos/quorum.h"
#include "ring/map.h"

enum { MAPS_VERSIONS = 128 };

/* A version of a block, by member numbers. */
struct maps_version {
	struct quorum replicas; /* seats are member numbers */
	bool is_recovering;     /* O has survived, and compares what it has */
	uint32_t start;
	uint64_t epoch; /* of the first map with it */
};

struct maps_block {
	uint32_t number;   /* in the map */
	uint32_t version;  /* of the latest map */
	uint16_t finished; /* members of N that have reported fin in this version */
	struct maps_version versions[MAPS_VERSIONS];
};

struct maps {
	uint64_t epoch; /* of the latest */
	struct ring_map *of[SIM_EPOCHS];
	struct maps_block blocks[SIM_USED];
};

/* Epoch 1: all blocks stable, with these replicas. */
void maps_init(struct maps *maps, const uint32_t blocks[SIM_USED], uint16_t replicas);
void maps_fini(struct maps *maps);

static inline const struct maps_version *maps_at(const struct maps_block *block, uint32_t version)
{
	return &block->versions[version];
}

static inline const struct maps_version *maps_latest(const struct maps_block *block)
{
	return &block->versions[block->version];
}

static inline bool maps_has(const struct maps_version *version, unsigned member)
{
	return (quorum_all(&version->replicas) >> member & 1) != 0;
}

/* All that are replicas of a used block in the latest map. */
uint16_t maps_replicas(const struct maps *maps);

/* NULL: that block is not used. */
struct maps_block *maps_find(struct maps *maps, uint32_t number);

/* True if there is room for a joint phase and its end. */
bool maps_may_change(const struct maps *maps, const struct maps_block *block);

/* A map is made by maps_begin, changes of blocks, and maps_decide, or given up. */
void maps_begin(struct maps *maps);
void maps_decide(struct maps *maps);
void maps_discard(struct maps *maps);

/* True if a change may begin: the block is stable. */
static inline bool maps_is_stable(const struct maps_block *block)
{
	const struct maps_version *latest = maps_latest(block);
	return !quorum_is_joint(&latest->replicas) && !latest->is_recovering;
}

/* stable -> joint; joint -> stable(N); joint -> stable(O). */
void maps_join(struct maps *maps, struct maps_block *block, uint16_t next);
void maps_finish(struct maps *maps, struct maps_block *block);
void maps_cancel(struct maps *maps, struct maps_block *block);

/* stable -> recover, with these survivors of O; recover -> stable. */
void maps_recover(struct maps *maps, struct maps_block *block, uint16_t survivors);
void maps_recovered(struct maps *maps, struct maps_block *block);

/* A member has reported fin in this version. */
void maps_report(struct maps_block *block, unsigned member, uint32_t version);

/* True if enough of N have reported for joint -> stable(N). */
bool maps_may_finish(const struct maps_block *block);

/* True if all survivors have, for recover -> stable. */
bool maps_is_recovered(const struct maps_block *block);

#endif
