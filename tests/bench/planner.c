/* SPDX-License-Identifier: Apache-2.0
 *
 * bench/planner - how good plans are, and how long they take.
 *
 *     bench_planner [MEMBERS_MAX]
 *
 * A line per cluster and change. `deviation` is the largest distance of a member from its
 * share in blocks, `first` that of its first places; `moves` are placements that change, and
 * `least` how many must: exactly for up to 20 members, for more the sum of what members
 * must gain, which is a lower bound. `ranges` are the runs of equal lists, which CLUSTER SLOTS
 * answers with; `ms` is the best of three.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "helper_moves.h"
#include "ring/planner.h"
#include "ring/slot.h"

enum { ROUNDS = 3, MEMBERS = 1100, REPLICAS = 3, EXACT_MAX = 20 };

static const char *const zone_names[] = {"a", "b", "c", "d", "e"};

/* What happens to the cluster before the plan. */
enum event { FOUND, ADD, REMOVE, REWEIGH, EVENTS };

static const char *const event_names[EVENTS] = {"new", "+1", "-1", "2 x weight"};

struct cluster {
	struct ring_candidate candidates[MEMBERS];
	size_t count;
	size_t zones;
	uint32_t blocks;
	struct ring_replicas *old, *plan;
	double ms;
};

static double now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void add_member(struct cluster *cluster)
{
	size_t i = cluster->count++;
	cluster->candidates[i] = (struct ring_candidate){
	    .number = (uint16_t)i,
	    .weight = 50 + (uint32_t)(i * 37 % 101),
	    .zone = zone_names[i % cluster->zones],
	};
}

static void happen(struct cluster *cluster, enum event event)
{
	struct ring_candidate *candidates = cluster->candidates;
	switch (event) {
	case FOUND:
		return;
	case ADD:
		add_member(cluster);
		return;
	case REMOVE:
		candidates[cluster->count / 2].is_leaving = true;
		return;
	case REWEIGH:
		candidates[cluster->count - 1].weight *= 2;
		return;
	case EVENTS:
		break;
	}
	abort();
}

static void plan(struct cluster *cluster, bool is_first)
{
	const struct ring_plan_input input = {
	    .candidates = cluster->candidates,
	    .count = cluster->count,
	    .blocks = cluster->blocks,
	    .replicas = REPLICAS,
	    .old = is_first ? NULL : cluster->old,
	};
	cluster->ms = INFINITY;
	for (int i = 0; i < ROUNDS; i++) {
		double start = now_ms();
		if (ring_plan(&input, cluster->plan) != 0)
			abort();
		cluster->ms = fmin(cluster->ms, now_ms() - start);
	}
}

static void count_places(const struct ring_replicas *lists, uint32_t blocks, uint32_t *held,
			 uint32_t *first)
{
	memset(held, 0, RING_MEMBERS_MAX * sizeof(*held));
	memset(first, 0, RING_MEMBERS_MAX * sizeof(*first));
	for (uint32_t block = 0; block < blocks; block++) {
		for (uint16_t i = 0; i < lists[block].count; i++)
			held[lists[block].members[i]]++;
		first[lists[block].members[0]]++;
	}
}

static unsigned count_ranges(const struct ring_replicas *lists, uint32_t blocks)
{
	unsigned ranges = 1;
	for (uint32_t block = 1; block < blocks; block++)
		ranges += memcmp(&lists[block], &lists[block - 1], sizeof(*lists)) != 0;
	return ranges;
}

/* The least moves, as the rules allow them. */
static int64_t least_moves(const struct cluster *cluster, const struct ring_shares *shares)
{
	static size_t zone_of[MEMBERS];
	static unsigned least[MEMBERS], most[MEMBERS], zone_least[MEMBERS], zone_most[MEMBERS];
	const struct helper_rules rules = {
	    .blocks = cluster->blocks,
	    .replicas = shares->replicas,
	    .zones = shares->zone_count,
	    .zone_least = zone_least,
	    .zone_most = zone_most,
	    .members = shares->count,
	    .numbers = shares->numbers,
	    .zone_of = zone_of,
	    .least = least,
	    .most = most,
	};
	for (size_t z = 0; z < shares->zone_count; z++) {
		zone_least[z] = shares->zones[z].least;
		zone_most[z] = shares->zones[z].most;
	}
	for (size_t m = 0; m < shares->count; m++) {
		zone_of[m] = shares->zone_of[m];
		least[m] = shares->shares[m].whole;
		most[m] = least[m] + (shares->shares[m].part > 0);
	}
	return cluster->count > EXACT_MAX ? (int64_t)helper_missing(&rules, cluster->old)
					  : helper_fewest_moves(&rules, cluster->old);
}

static void print_moves(const struct cluster *cluster, const struct ring_shares *shares)
{
	uint64_t moves = ring_plan_moves(cluster->old, cluster->plan, cluster->blocks);
	int64_t least = least_moves(cluster, shares);
	printf(" %7llu %7lld", (unsigned long long)moves, (long long)least);
	if (least > 0)
		printf(" %6.3f", (double)moves / (double)least);
	else
		printf(" %6s", moves == 0 ? "-" : "!");
}

static void print_row(const struct cluster *cluster, enum event event)
{
	static uint32_t held[RING_MEMBERS_MAX], first[RING_MEMBERS_MAX];
	double worst = 0, worst_first = 0;
	struct ring_shares *shares;
	if (ring_shares_create(cluster->candidates, cluster->count, cluster->blocks, REPLICAS,
			       &shares) != 0)
		abort();
	count_places(cluster->plan, cluster->blocks, held, first);
	for (size_t i = 0; i < shares->count; i++) {
		const struct ring_share *share = &shares->shares[i];
		uint16_t number = shares->numbers[i];
		double blocks = share->whole + (double)share->part / (double)share->of;
		worst = fmax(worst, fabs(blocks - held[number]));
		worst_first = fmax(worst_first,
				   fabs((double)held[number] / shares->replicas - first[number]));
	}
	printf("%7zu %5zu %6u  %-10s %9.2f %6.2f", shares->count, shares->zone_count,
	       cluster->blocks, event_names[event], worst, worst_first);
	if (event == FOUND)
		printf(" %7s %7s %6s", "", "", "");
	else
		print_moves(cluster, shares);
	printf(" %7u %7.1f\n", count_ranges(cluster->plan, cluster->blocks), cluster->ms);
	ring_shares_destroy(shares);
}

static void measure(size_t members, size_t zones, uint32_t blocks)
{
	struct cluster cluster = {.zones = zones, .blocks = blocks};
	cluster.old = calloc(blocks, sizeof(*cluster.old));
	cluster.plan = calloc(blocks, sizeof(*cluster.plan));
	if (cluster.old == NULL || cluster.plan == NULL)
		abort();
	while (cluster.count < members)
		add_member(&cluster);
	for (enum event event = FOUND; event < EVENTS; event++) {
		if (event == REMOVE && cluster.count < 2)
			continue;
		happen(&cluster, event);
		plan(&cluster, event == FOUND);
		print_row(&cluster, event);
		memcpy(cluster.old, cluster.plan, blocks * sizeof(*cluster.old));
	}
	free(cluster.old);
	free(cluster.plan);
}

int main(int argc, char **argv)
{
	static const size_t members[] = {1, 2, 3, 5, 10, 100, 1000};
	static const size_t zones[] = {1, 2, 3, 5};
	printf("%7s %5s %6s  %-10s %9s %6s %7s %7s %6s %7s %7s\n", "members", "zones", "blocks",
	       "change", "deviation", "first", "moves", "least", "ratio", "ranges", "ms");
	size_t most = argc > 1 ? strtoul(argv[1], NULL, 10) : SIZE_MAX;
	for (size_t m = 0; m < DHT_ARRAY_LEN(members) && members[m] <= most; m++) {
		for (size_t z = 0; z < DHT_ARRAY_LEN(zones) && zones[z] <= members[m]; z++)
			measure(members[m], zones[z], members[m] < 1000 ? 1024 : RING_BLOCKS_MAX);
	}
	return 0;
}
