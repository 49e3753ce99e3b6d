/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds of the integers: a weight is below 2^14, B is at most 2^14, a level is a quotient of
 * at most B r < 2^17 and a sum of weights < 2^26. So the products below stay under 2^60.
 */
#include "ring/share.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ring/map.h"
#include "ring/slot.h"

/* Blocks per unit of weight: of / by. */
struct level {
	uint64_t of, by;
};

struct work {
	struct ring_shares *shares;
	uint32_t blocks;
	uint16_t *by_weight; /* members, zone after zone, the heaviest of a zone first */
	size_t *zone_start;  /* in by_weight; one more than there are zones */
	struct level *bends; /* ascending */
	size_t bend_count;
	struct level *levels; /* of each zone */
};

/* ---- Zones ------------------------------------------------------------------------- */

struct named {
	const char *zone;
	uint16_t place;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->zone, y->zone);
	return order != 0 ? order : (int)x->place - (int)y->place;
}

static void number_zones(struct ring_shares *shares, struct named *named)
{
	qsort(named, shares->count, sizeof(*named), compare_named);
	for (size_t i = 0; i < shares->count; i++) {
		if (i == 0 || strcmp(named[i].zone, named[i - 1].zone) != 0)
			shares->zone_count++;
		shares->zone_of[named[i].place] = (uint16_t)(shares->zone_count - 1);
	}
}

static size_t zone_size(const struct work *work, size_t zone)
{
	return work->zone_start[zone + 1] - work->zone_start[zone];
}

static void apply_zone_rule(struct work *work)
{
	struct ring_shares *shares = work->shares;
	size_t room = 0;
	for (uint16_t most = 1; room < shares->replicas; most++) {
		room = 0;
		for (size_t z = 0; z < shares->zone_count; z++) {
			size_t size = zone_size(work, z);
			shares->zones[z].most = size < most ? (uint16_t)size : most;
			room += shares->zones[z].most;
		}
	}
	for (size_t z = 0; z < shares->zone_count; z++)
		shares->zones[z].least = shares->zone_count <= shares->replicas;
}

/* A counting sort by zone, then one by weight within each. */
static void order_members(struct work *work)
{
	const struct ring_shares *shares = work->shares;
	size_t *start = work->zone_start;
	for (size_t i = 0; i < shares->count; i++)
		start[shares->zone_of[i] + 1]++;
	for (size_t z = 0; z < shares->zone_count; z++)
		start[z + 1] += start[z];
	for (size_t i = shares->count; i-- > 0;)
		work->by_weight[--start[shares->zone_of[i] + 1]] = (uint16_t)i;
	/* Each start is now one place too far to the right. */
	memmove(start, start + 1, shares->zone_count * sizeof(*start));
	start[shares->zone_count] = shares->count;
}

static void sort_by_weight(struct work *work)
{
	const uint32_t *weights = work->shares->weights;
	uint16_t *members = work->by_weight;
	for (size_t z = 0; z < work->shares->zone_count; z++) {
		size_t first = work->zone_start[z], end = work->zone_start[z + 1];
		/* Shell's sort, with halved gaps: stable order among equals is not needed. */
		for (size_t gap = (end - first) / 2; gap > 0; gap /= 2) {
			for (size_t i = first + gap; i < end; i++) {
				uint16_t member = members[i];
				size_t at = i;
				while (at >= first + gap &&
				       weights[members[at - gap]] < weights[member]) {
					members[at] = members[at - gap];
					at -= gap;
				}
				members[at] = member;
			}
		}
	}
}

/* ---- Levels ------------------------------------------------------------------------ */

static bool is_full(const struct work *work, size_t member, struct level level)
{
	return work->shares->weights[member] * level.of >= work->blocks * level.by;
}

/* The level at which the zone holds `replicas` of each block: its heaviest members are
 * full, and the others share the rest. */
static struct level level_of_zone(const struct work *work, size_t zone, uint16_t replicas)
{
	size_t first = work->zone_start[zone], end = work->zone_start[zone + 1];
	uint64_t rest = (uint64_t)work->blocks * replicas, weight = 0;
	for (size_t i = first; i < end; i++)
		weight += work->shares->weights[work->by_weight[i]];
	for (size_t i = first; i < end; i++) {
		struct level level = {rest, weight};
		if (!is_full(work, work->by_weight[i], level))
			return level;
		rest -= work->blocks;
		weight -= work->shares->weights[work->by_weight[i]];
	}
	return (struct level){work->blocks, 1};
}

/* The replicas that the zone holds at a level without regard to the zone rule, times by. */
static uint64_t sum_at(const struct work *work, size_t zone, struct level level)
{
	uint64_t sum = 0;
	for (size_t i = work->zone_start[zone]; i < work->zone_start[zone + 1]; i++) {
		size_t member = work->by_weight[i];
		sum += is_full(work, member, level) ? work->blocks * level.by
						    : work->shares->weights[member] * level.of;
	}
	return sum;
}

/* True if the zone rule says how much the zone holds just above this level: *replicas
 * of each block. */
static bool is_bound(const struct work *work, size_t zone, struct level level, uint64_t sum,
		     uint16_t *replicas)
{
	const struct ring_zone *rule = &work->shares->zones[zone];
	bool is_low = sum < work->blocks * level.by * rule->least;
	*replicas = is_low ? rule->least : rule->most;
	return is_low || sum >= work->blocks * level.by * rule->most;
}

/* Sums up all zones at the level, each within its rule. */
static bool is_too_much(struct work *work, struct level level)
{
	uint64_t total = 0;
	for (size_t z = 0; z < work->shares->zone_count; z++) {
		uint16_t replicas;
		uint64_t sum = sum_at(work, z, level);
		bool bound = is_bound(work, z, level, sum, &replicas);
		total += bound ? work->blocks * level.by * replicas : sum;
	}
	return total > work->blocks * level.by * work->shares->replicas;
}

static int compare_levels(const void *a, const void *b)
{
	const struct level *x = a, *y = b;
	uint64_t left = x->of * y->by, right = y->of * x->by;
	return (left > right) - (left < right);
}

static void find_bends(struct work *work)
{
	const struct ring_shares *shares = work->shares;
	for (size_t i = 0; i < shares->count; i++)
		work->bends[work->bend_count++] = (struct level){work->blocks, shares->weights[i]};
	for (size_t z = 0; z < shares->zone_count; z++) {
		work->bends[work->bend_count++] = level_of_zone(work, z, shares->zones[z].least);
		work->bends[work->bend_count++] = level_of_zone(work, z, shares->zones[z].most);
	}
	qsort(work->bends, work->bend_count, sizeof(*work->bends), compare_levels);
}

/* The highest bend at which there is not too much, 0 if there is at all of them. */
static struct level last_bend(struct work *work)
{
	size_t low = 0, high = work->bend_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (is_too_much(work, work->bends[middle]))
			high = middle;
		else
			low = middle + 1;
	}
	return low == 0 ? (struct level){0, 1} : work->bends[low - 1];
}

/* Finds each zone's level: the rule's where it binds, and the common one elsewhere. */
static void find_levels(struct work *work)
{
	const struct ring_shares *shares = work->shares;
	struct level bend = last_bend(work), common = {0, 0};
	common.of = (uint64_t)work->blocks * shares->replicas;
	for (size_t z = 0; z < shares->zone_count; z++) {
		uint16_t replicas;
		if (is_bound(work, z, bend, sum_at(work, z, bend), &replicas)) {
			work->levels[z] = level_of_zone(work, z, replicas);
			common.of -= (uint64_t)work->blocks * replicas;
			continue;
		}
		work->levels[z] = (struct level){0, 0};
		for (size_t i = work->zone_start[z]; i < work->zone_start[z + 1]; i++) {
			size_t member = work->by_weight[i];
			if (is_full(work, member, bend))
				common.of -= work->blocks;
			else
				common.by += shares->weights[member];
		}
	}
	for (size_t z = 0; z < shares->zone_count; z++) {
		if (work->levels[z].by == 0)
			work->levels[z] = common;
	}
}

/* ---- The whole --------------------------------------------------------------------- */

static struct ring_share share_of(uint64_t of, uint64_t by)
{
	return (struct ring_share){(uint32_t)(of / by), of % by, by};
}

static void set_shares(struct work *work)
{
	struct ring_shares *shares = work->shares;
	for (size_t z = 0; z < shares->zone_count; z++) {
		struct level level = work->levels[z];
		DHT_ASSERT(level.by > 0);
		shares->zones[z].share = share_of(sum_at(work, z, level), level.by);
	}
	for (size_t i = 0; i < shares->count; i++) {
		struct level level = work->levels[shares->zone_of[i]];
		shares->shares[i] = is_full(work, i, level)
					? share_of(work->blocks, 1)
					: share_of(shares->weights[i] * level.of, level.by);
	}
}

static int compute(struct ring_shares *shares, uint32_t blocks)
{
	size_t zones = shares->zone_count;
	struct work work = {
	    .shares = shares,
	    .blocks = blocks,
	    .by_weight = calloc(shares->count, sizeof(*work.by_weight)),
	    .zone_start = calloc(zones + 1, sizeof(*work.zone_start)),
	    .bends = calloc(shares->count + 2 * zones, sizeof(*work.bends)),
	    .levels = calloc(zones, sizeof(*work.levels)),
	};
	int rc = DHT_ENOMEM;
	if (work.by_weight != NULL && work.zone_start != NULL && work.bends != NULL &&
	    work.levels != NULL) {
		order_members(&work);
		sort_by_weight(&work);
		apply_zone_rule(&work);
		find_bends(&work);
		find_levels(&work);
		set_shares(&work);
		rc = 0;
	}
	free(work.by_weight);
	free(work.zone_start);
	free(work.bends);
	free(work.levels);
	return rc;
}

static bool is_valid(const struct ring_candidate *candidates, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (candidates[i].number >= RING_MEMBERS_MAX || candidates[i].weight == 0 ||
		    candidates[i].weight > RING_WEIGHT_MAX ||
		    (i > 0 && candidates[i].number <= candidates[i - 1].number))
			return false;
	}
	return true;
}

static int fill(struct ring_shares *shares, const struct ring_candidate *candidates, size_t count)
{
	struct named *named = calloc(count, sizeof(*named));
	shares->numbers = calloc(count, sizeof(*shares->numbers));
	shares->weights = calloc(count, sizeof(*shares->weights));
	shares->zone_of = calloc(count, sizeof(*shares->zone_of));
	shares->shares = calloc(count, sizeof(*shares->shares));
	shares->zones = calloc(count, sizeof(*shares->zones));
	bool has_room = named != NULL && shares->numbers != NULL && shares->weights != NULL &&
			shares->zone_of != NULL && shares->shares != NULL && shares->zones != NULL;
	for (size_t i = 0; has_room && i < count; i++) {
		if (candidates[i].is_leaving)
			continue;
		named[shares->count] = (struct named){candidates[i].zone, (uint16_t)shares->count};
		shares->numbers[shares->count] = candidates[i].number;
		shares->weights[shares->count++] = candidates[i].weight;
	}
	if (has_room)
		number_zones(shares, named);
	free(named);
	return has_room ? 0 : DHT_ENOMEM;
}

int ring_shares_create(const struct ring_candidate *candidates, size_t count, uint32_t blocks,
		       uint16_t replicas, struct ring_shares **out)
{
	if (count == 0 || !ring_slot_is_block_count(blocks) || replicas == 0 ||
	    replicas > RING_REPLICAS_MAX || !is_valid(candidates, count))
		return DHT_EINVAL;
	struct ring_shares *shares = calloc(1, sizeof(*shares));
	if (shares == NULL)
		return DHT_ENOMEM;
	int rc = fill(shares, candidates, count);
	if (rc == 0 && shares->count == 0)
		rc = DHT_EINVAL;
	if (rc == 0) {
		shares->replicas = shares->count < replicas ? (uint16_t)shares->count : replicas;
		rc = compute(shares, blocks);
	}
	if (rc == 0)
		*out = shares;
	else
		ring_shares_destroy(shares);
	return rc;
}

void ring_shares_destroy(struct ring_shares *shares)
{
	if (shares == NULL)
		return;
	free(shares->numbers);
	free(shares->weights);
	free(shares->zone_of);
	free(shares->shares);
	free(shares->zones);
	free(shares);
}
