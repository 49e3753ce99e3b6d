/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/voters.h"

#include <string.h>

static bool is_voter(const struct ring_voters *voters, uint16_t number)
{
	for (uint16_t i = 0; i < voters->count; i++) {
		if (voters->members[i] == number)
			return true;
	}
	return false;
}

static unsigned voters_in(const struct ring_map *map, const struct ring_voters *voters,
			  const char *zone)
{
	unsigned count = 0;
	for (uint16_t i = 0; i < voters->count; i++)
		count += strcmp(ring_map_member(map, voters->members[i])->zone, zone) == 0;
	return count;
}

/* Those that come or go are no voters while there are others: one that never arrives must not
 * take a vote with it. */
static bool may_vote(const struct ring_member *member, size_t staying)
{
	return staying == 0 || member->standing == RING_IN;
}

/* The next voter: of a zone that has the fewest so far, one that is a voter already if
 * there is one. */
static uint16_t next_voter(const struct ring_map *map, const struct ring_voters *chosen,
			   size_t staying)
{
	uint16_t best = RING_MEMBERS_MAX;
	unsigned least = UINT32_MAX;
	for (size_t i = 0; i < map->member_count; i++) {
		const struct ring_member *member = &map->members[i];
		if (is_voter(chosen, member->number) || !may_vote(member, staying))
			continue;
		unsigned cost = 2 * voters_in(map, chosen, member->zone) +
				!is_voter(&map->voters, member->number);
		if (cost < least) {
			best = member->number;
			least = cost;
		}
	}
	return best;
}

void ring_voters_choose(struct ring_map *map)
{
	struct ring_voters chosen = {0};
	size_t staying = 0;
	for (size_t i = 0; i < map->member_count; i++)
		staying += map->members[i].standing == RING_IN;
	size_t count = staying > 0 ? staying : map->member_count;
	while (chosen.count < RING_VOTERS_MAX && chosen.count < count) {
		uint16_t voter = next_voter(map, &chosen, staying);
		chosen.members[chosen.count++] = voter;
	}
	map->voters = chosen;
}
