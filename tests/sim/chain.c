/* SPDX-License-Identifier: Apache-2.0 */
#include "chain.h"

#include "base/assert.h"

void chain_init(struct chain *chain, uint16_t replicas)
{
	chain->current = 0;
	chain->finished = 0;
	chain->maps[0] = (struct map){.replicas = {.old = replicas}};
}

bool chain_may_change(const struct chain *chain)
{
	return chain->current + 2 < SIM_VERSIONS;
}

/* The next map, with `since` of those who stay. */
static struct map *follow_with(struct chain *chain, struct quorum replicas, uint32_t start)
{
	const struct map *before = chain_latest(chain);
	struct map *map = &chain->maps[++chain->current];
	*map = (struct map){.replicas = replicas, .start = start};
	for (unsigned node = 0; node < SIM_NODES; node++) {
		if (map_has(map, node))
			map->since[node] =
			    map_has(before, node) ? before->since[node] : chain->current;
	}
	chain->finished = 0;
	return map;
}

void chain_join(struct chain *chain, uint16_t next)
{
	const struct map *map = chain_latest(chain);
	DHT_ASSERT(!quorum_is_joint(&map->replicas) && next != 0);
	struct quorum replicas = {.old = map->replicas.old, .next = next};
	follow_with(chain, replicas, chain->current + 1);
}

void chain_report(struct chain *chain, unsigned node, uint32_t version)
{
	if (version == chain->current)
		chain->finished |= (uint16_t)(1u << node);
}

bool chain_may_finish(const struct chain *chain)
{
	const struct quorum *replicas = &chain_latest(chain)->replicas;
	if (!quorum_is_joint(replicas))
		return false;
	if (PAXOS_BROKEN(FINISH_ONE))
		return (chain->finished & replicas->next) != 0;
	return quorum_is_majority(replicas->next, chain->finished);
}

static void end_with(struct chain *chain, uint16_t replicas)
{
	const struct map *map = chain_latest(chain);
	DHT_ASSERT(quorum_is_joint(&map->replicas));
	follow_with(chain, (struct quorum){.old = replicas}, map->start);
}

void chain_finish(struct chain *chain)
{
	end_with(chain, chain_latest(chain)->replicas.next);
}

void chain_cancel(struct chain *chain)
{
	end_with(chain, chain_latest(chain)->replicas.old);
}
