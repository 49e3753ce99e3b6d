/* SPDX-License-Identifier: Apache-2.0
 *
 * A unit of flow is a replica, on its way from a block through a zone of the block to a
 * member, which costs 1 where it is new. Blocks, the zones of a block and members have their
 * bounds. Bounds that are whole numbers have an optimum in whole numbers.
 */
#include "helper_moves.h"

#include <stdlib.h>

#include "helper_flow.h"

enum { SOURCE, SINK, NODES };

static bool holds(const struct ring_replicas *list, uint16_t number)
{
	bool found = false;
	for (uint16_t i = 0; i < list->count; i++)
		found |= list->members[i] == number;
	return found;
}

int64_t helper_fewest_moves(const struct helper_rules *rules, const struct ring_replicas *old)
{
	size_t blocks = NODES, zones = blocks + rules->blocks;
	size_t members = zones + rules->blocks * rules->zones;
	struct flow *flow = flow_create(members + rules->members);
	for (uint32_t b = 0; b < rules->blocks; b++) {
		size_t zones_of_block = zones + b * rules->zones;
		flow_add(flow, SOURCE, blocks + b, 0, rules->replicas, 0);
		for (size_t z = 0; z < rules->zones; z++)
			flow_add(flow, blocks + b, zones_of_block + z, rules->zone_least[z],
				 rules->zone_most[z], 0);
		for (size_t m = 0; m < rules->members; m++)
			flow_add(flow, zones_of_block + rules->zone_of[m], members + m, 0, 1,
				 holds(&old[b], rules->numbers[m]) ? 0 : 1);
	}
	for (size_t m = 0; m < rules->members; m++)
		flow_add(flow, members + m, SINK, rules->least[m], rules->most[m], 0);
	int64_t cost = flow_cheapest(flow, SOURCE, SINK, rules->blocks * rules->replicas);
	flow_destroy(flow);
	return cost;
}

uint64_t helper_missing(const struct helper_rules *rules, const struct ring_replicas *old)
{
	uint64_t missing = 0;
	int64_t left = (int64_t)rules->blocks * rules->replicas;
	uint32_t *held = calloc(RING_MEMBERS_MAX, sizeof(*held));
	if (held == NULL)
		abort();
	for (uint32_t b = 0; b < rules->blocks; b++) {
		for (uint16_t i = 0; i < old[b].count; i++)
			held[old[b].members[i]]++;
	}
	for (size_t m = 0; m < rules->members; m++) {
		uint32_t had = held[rules->numbers[m]];
		if (had < rules->least[m])
			missing += rules->least[m] - had;
		left -= had < rules->least[m]  ? rules->least[m]
			: had > rules->most[m] ? rules->most[m]
					       : had;
	}
	free(held);
	return missing + (left > 0 ? (uint64_t)left : 0);
}
