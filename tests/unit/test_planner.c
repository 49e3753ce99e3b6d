/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/planner: the rules of its header, over clusters of 1 to 1,000 members with unequal
 * weights in 1 to 5 zones, through random sequences of changes.
 *
 * The rules are computed here a second time, in other ways: shares by bisection in floating
 * point, the fewest moves as the cheapest flow through a network of blocks, zones and members
 * (where that is small enough) or from what the members must gain.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "helper_moves.h"
#include "ring/planner.h"
#include "ring/slot.h"
#include "unit.h"

enum { MEMBERS = 1100, ZONES = 5, BLOCKS_MAX = RING_BLOCKS_MAX };

static const char *const zone_names[ZONES] = {"e", "d", "c", "b", "a"};

struct cluster {
	struct ring_candidate candidates[MEMBERS];
	size_t count; /* in ascending order of their numbers */
	uint32_t blocks;
	uint16_t replicas;
	size_t zones;
	uint64_t seed;
	struct ring_replicas lists[BLOCKS_MAX], before[BLOCKS_MAX];
	double share[MEMBERS]; /* of each candidate */
	uint32_t held[RING_MEMBERS_MAX], first[RING_MEMBERS_MAX], was[RING_MEMBERS_MAX];
	uint16_t candidate_of[RING_MEMBERS_MAX];
};

static struct cluster cluster; /* too large for the stack */

static uint64_t next_random(void)
{
	cluster.seed ^= cluster.seed << 13;
	cluster.seed ^= cluster.seed >> 7;
	cluster.seed ^= cluster.seed << 17;
	return cluster.seed >> 11;
}

static uint32_t random_weight(void)
{
	return 50 + (uint32_t)(next_random() % 151);
}

/* With the smallest number that is free. */
static void add_member(void)
{
	size_t at = 0;
	while (at < cluster.count && cluster.candidates[at].number == at)
		at++;
	memmove(&cluster.candidates[at + 1], &cluster.candidates[at],
		(cluster.count - at) * sizeof(cluster.candidates[0]));
	cluster.candidates[at] = (struct ring_candidate){
	    .number = (uint16_t)at,
	    .weight = random_weight(),
	    .zone = zone_names[next_random() % cluster.zones],
	};
	cluster.count++;
}

static void remove_member(size_t at)
{
	cluster.count--;
	memmove(&cluster.candidates[at], &cluster.candidates[at + 1],
		(cluster.count - at) * sizeof(cluster.candidates[0]));
}

static void start(size_t members, size_t zones, uint32_t blocks, uint16_t replicas, uint64_t seed)
{
	cluster = (struct cluster){.blocks = blocks, .replicas = replicas, .zones = zones};
	cluster.seed = seed * 0x9e3779b97f4a7c15u + 1;
	while (cluster.count < members)
		add_member();
	/* Every zone has a member where there are enough. */
	for (size_t z = 0; z < zones && z < members; z++)
		cluster.candidates[z].zone = zone_names[z];
}

static void plan(bool is_first)
{
	memcpy(cluster.before, cluster.lists, sizeof(cluster.lists));
	const struct ring_plan_input input = {
	    .candidates = cluster.candidates,
	    .count = cluster.count,
	    .blocks = cluster.blocks,
	    .replicas = cluster.replicas,
	    .old = is_first ? NULL : cluster.before,
	};
	ck_assert_int_eq(ring_plan(&input, cluster.lists), 0);
}

/* ---- The rules, computed again ------------------------------------------------------- */

static size_t zone_number(const char *name)
{
	size_t z = 0;
	while (strcmp(zone_names[z], name) != 0)
		z++;
	return z;
}

static size_t zone_of(size_t candidate)
{
	return zone_number(cluster.candidates[candidate].zone);
}

struct rule {
	size_t size[ZONES]; /* members that stay */
	unsigned least[ZONES], most[ZONES];
	size_t zones;
	unsigned replicas;
};

static struct rule rule_of_cluster(void)
{
	struct rule rule = {0};
	size_t members = 0, room = 0;
	for (size_t i = 0; i < cluster.count; i++) {
		if (cluster.candidates[i].is_leaving)
			continue;
		rule.zones += rule.size[zone_of(i)]++ == 0;
		members++;
	}
	rule.replicas = members < cluster.replicas ? (unsigned)members : cluster.replicas;
	while (room < rule.replicas) {
		room = 0;
		for (size_t z = 0; z < ZONES; z++) {
			rule.most[z] += rule.most[z] < rule.size[z];
			room += rule.most[z];
		}
	}
	for (size_t z = 0; z < ZONES; z++)
		rule.least[z] = rule.size[z] > 0 && rule.zones <= rule.replicas;
	return rule;
}

/* Sets the shares of zone z at a level; returns their sum. */
static double pour(size_t z, double level)
{
	double sum = 0;
	for (size_t i = 0; i < cluster.count; i++) {
		if (zone_of(i) != z)
			continue;
		cluster.share[i] = cluster.candidates[i].is_leaving
				       ? 0
				       : fmin(cluster.blocks, level * cluster.candidates[i].weight);
		sum += cluster.share[i];
	}
	return sum;
}

/* Fills zone z up to a sum. */
static void pour_up_to(size_t z, double sum)
{
	double low = 0, high = cluster.blocks;
	for (int i = 0; i < 100; i++) {
		double middle = (low + high) / 2;
		if (pour(z, middle) < sum)
			low = middle;
		else
			high = middle;
	}
	pour(z, high);
}

static double clamp(const struct rule *rule, size_t z, double sum)
{
	return fmax((double)cluster.blocks * rule->least[z],
		    fmin((double)cluster.blocks * rule->most[z], sum));
}

static void find_shares(const struct rule *rule)
{
	double low = 0, high = cluster.blocks;
	for (int i = 0; i < 100; i++) {
		double middle = (low + high) / 2, sum = 0;
		for (size_t z = 0; z < ZONES; z++)
			sum += clamp(rule, z, pour(z, middle));
		if (sum < (double)cluster.blocks * rule->replicas)
			low = middle;
		else
			high = middle;
	}
	for (size_t z = 0; z < ZONES; z++)
		pour_up_to(z, clamp(rule, z, pour(z, high)));
}

static void count_places(void)
{
	memset(cluster.held, 0, sizeof(cluster.held));
	memset(cluster.first, 0, sizeof(cluster.first));
	memset(cluster.was, 0, sizeof(cluster.was));
	for (uint32_t block = 0; block < cluster.blocks; block++) {
		const struct ring_replicas *list = &cluster.lists[block];
		const struct ring_replicas *before = &cluster.before[block];
		for (uint16_t i = 0; i < list->count; i++)
			cluster.held[list->members[i]]++;
		for (uint16_t i = 0; i < before->count; i++)
			cluster.was[before->members[i]]++;
		cluster.first[list->members[0]]++;
	}
	memset(cluster.candidate_of, 0xff, sizeof(cluster.candidate_of));
	for (size_t i = 0; i < cluster.count; i++)
		cluster.candidate_of[cluster.candidates[i].number] = (uint16_t)i;
}

static unsigned count_ranges(void)
{
	unsigned ranges = 1;
	for (uint32_t block = 1; block < cluster.blocks; block++)
		ranges += memcmp(&cluster.lists[block], &cluster.lists[block - 1],
				 sizeof(cluster.lists[0])) != 0;
	return ranges;
}

/* ---- Whether a plan keeps them ------------------------------------------------------- */

static void check_blocks(const struct rule *rule)
{
	for (uint32_t block = 0; block < cluster.blocks; block++) {
		const struct ring_replicas *list = &cluster.lists[block];
		unsigned in_zone[ZONES] = {0};
		size_t spread = 0;
		UNIT_REQUIRE(list->count == rule->replicas);
		for (uint16_t i = 0; i < list->count; i++) {
			size_t candidate = cluster.candidate_of[list->members[i]];
			UNIT_REQUIRE(candidate < cluster.count);
			UNIT_REQUIRE(!cluster.candidates[candidate].is_leaving);
			spread += in_zone[zone_of(candidate)]++ == 0;
			for (uint16_t k = 0; k < i; k++)
				UNIT_REQUIRE(list->members[k] != list->members[i]);
			/* Zones that are not there yet come first. */
			UNIT_REQUIRE(spread == i + 1u || spread == rule->zones);
		}
		UNIT_REQUIRE(spread ==
			     (rule->replicas < rule->zones ? rule->replicas : rule->zones));
		for (size_t z = 0; z < ZONES; z++)
			UNIT_REQUIRE(in_zone[z] >= rule->least[z] && in_zone[z] <= rule->most[z]);
	}
}

static void check_shares(const struct rule *rule)
{
	for (size_t i = 0; i < cluster.count; i++) {
		uint16_t number = cluster.candidates[i].number;
		double first = (double)cluster.held[number] / rule->replicas;
		ck_assert_double_lt(fabs(cluster.share[i] - cluster.held[number]), 1);
		ck_assert_double_lt(fabs(first - cluster.first[number]), 1);
	}
}

/* The rules as helper_moves wants them, and what it says. */
static int64_t least_moves(const struct rule *rule, bool is_exact)
{
	static uint16_t numbers[MEMBERS];
	static size_t zones[MEMBERS];
	static unsigned least[MEMBERS], most[MEMBERS];
	struct helper_rules rules = {
	    cluster.blocks, rule->replicas, ZONES, rule->least, rule->most, 0,
	    numbers,        zones,          least, most};
	for (size_t i = 0; i < cluster.count; i++) {
		if (cluster.candidates[i].is_leaving)
			continue;
		numbers[rules.members] = cluster.candidates[i].number;
		zones[rules.members] = zone_of(i);
		least[rules.members] = (unsigned)floor(cluster.share[i] + 1e-6);
		most[rules.members++] = (unsigned)ceil(cluster.share[i] - 1e-6);
	}
	return is_exact ? helper_fewest_moves(&rules, cluster.before)
			: (int64_t)helper_missing(&rules, cluster.before);
}

static void check(void)
{
	struct rule rule = rule_of_cluster();
	find_shares(&rule);
	count_places();
	check_blocks(&rule);
	check_shares(&rule);
}

/* ---- Cases --------------------------------------------------------------------------- */

/* One of the changes that an operator makes. */
static void change(size_t least, size_t most)
{
	size_t at = next_random() % cluster.count;
	switch (next_random() % 4) {
	case 0:
		if (cluster.count < most)
			add_member();
		break;
	case 1:
		if (cluster.count > least)
			remove_member(at);
		break;
	case 2:
		cluster.candidates[at].weight = random_weight();
		break;
	case 3:
		cluster.candidates[at].is_leaving = next_random() % 4 == 0;
		break;
	}
	/* Somebody has to stay. */
	cluster.candidates[cluster.count / 2].is_leaving = false;
}

struct moves {
	int64_t all, least;
};

/* Plans after `steps` changes one after the other. Within 1.1 times the least, but for
 * `slack` moves. */
static void live(size_t least, size_t most, int steps, bool is_exact, int64_t slack,
		 struct moves *sum)
{
	plan(true);
	check();
	for (int i = 0; i < steps; i++) {
		change(least, most);
		plan(false);
		check();
		struct rule rule = rule_of_cluster();
		int64_t fewest = least_moves(&rule, is_exact);
		int64_t moves =
		    (int64_t)ring_plan_moves(cluster.before, cluster.lists, cluster.blocks);
		ck_assert_int_ge(moves, fewest);
		ck_assert_int_le(moves * 10, fewest * 11 + slack * 10);
		sum->all += moves;
		sum->least += fewest;
	}
}

/* The planner is not exact: in the smallest of changes it may need one move more. */
START_TEST(few_members_move_the_least_possible)
{
	struct moves moves = {0};
	for (uint64_t seed = 1; seed <= 150; seed++) {
		start(1 + seed % 10, 1 + seed % ZONES, 64, (uint16_t)(1 + seed / 7 % 5), seed);
		live(1, 12, 12, true, 1, &moves);
	}
	ck_assert_int_le(moves.all * 1000, moves.least * 1005);
}
END_TEST

START_TEST(a_hundred_members_move_the_least_possible)
{
	struct moves moves = {0};
	for (size_t zones = 1; zones <= ZONES; zones++) {
		start(100, zones, 128, 3, zones);
		live(90, 110, 4, true, 1, &moves);
	}
	ck_assert_int_le(moves.all * 100, moves.least * 102);
}
END_TEST

START_TEST(a_thousand_members_move_the_least_possible)
{
	struct moves moves = {0};
	for (size_t zones = 1; zones <= ZONES; zones++) {
		start(1000, zones, RING_BLOCKS_MAX, 3, zones);
		live(990, 1010, 4, false, 0, &moves);
	}
}
END_TEST

/* All of the data moves at once: half of the members go, or the weights are drawn anew. */
START_TEST(large_changes_move_the_least_possible)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		start(20, 1 + seed % ZONES, 64, 3, seed);
		plan(true);
		for (size_t i = 0; i < cluster.count; i++) {
			if (seed % 2 == 0)
				cluster.candidates[i].weight = random_weight();
			else
				cluster.candidates[i].is_leaving = i % 2 == 0;
		}
		plan(false);
		check();
		struct rule rule = rule_of_cluster();
		int64_t moves = (int64_t)ring_plan_moves(cluster.before, cluster.lists, 64);
		ck_assert_int_le(moves * 10, least_moves(&rule, true) * 11);
	}
}
END_TEST

/* Zones come and go, which changes what every block must have; and so do replicas. */
START_TEST(other_rules_move_the_least_possible)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		start(4 + seed % 8, 1 + seed % ZONES, 64, (uint16_t)(1 + seed % 7), seed);
		plan(true);
		cluster.zones = 1 + next_random() % ZONES;
		for (size_t i = 0; i < cluster.count; i += 2)
			cluster.candidates[i].zone = zone_names[next_random() % cluster.zones];
		cluster.replicas = (uint16_t)(1 + next_random() % RING_REPLICAS_MAX);
		plan(false);
		check();
		struct rule rule = rule_of_cluster();
		int64_t moves = (int64_t)ring_plan_moves(cluster.before, cluster.lists, 64);
		ck_assert_int_le(moves * 10, least_moves(&rule, true) * 11 + 10);
	}
}
END_TEST

START_TEST(three_members_need_at_most_6_ranges)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		for (uint16_t replicas = 1; replicas <= 3; replicas++) {
			start(3, 1 + seed % 3, 1024, replicas, seed);
			plan(true);
			ck_assert_uint_le(count_ranges(), 6);
		}
		/* With all of them as replicas, whatever was before. */
		start(1 + seed % 5, 1 + seed % 3, 1024, 3, seed);
		plan(true);
		for (int i = 0; i < 20; i++) {
			change(1, 6);
			plan(false);
		}
		while (cluster.count > 3)
			remove_member(next_random() % cluster.count);
		while (cluster.count < 3)
			add_member();
		for (size_t i = 0; i < 3; i++)
			cluster.candidates[i].is_leaving = false;
		plan(false);
		ck_assert_uint_le(count_ranges(), 6);
	}
}
END_TEST

/* One member after the other, as a cluster is founded. */
START_TEST(a_cluster_that_grows_to_three_needs_at_most_6_ranges)
{
	for (uint16_t replicas = 1; replicas <= 3; replicas++) {
		for (uint64_t seed = 1; seed <= 50; seed++) {
			start(1, 1, 1024, replicas, seed);
			plan(true);
			while (cluster.count < 3) {
				add_member();
				plan(false);
				check();
			}
			ck_assert_uint_le(count_ranges(), 6);
		}
	}
}
END_TEST

START_TEST(fewer_members_than_replicas_hold_everything)
{
	for (uint16_t replicas = 2; replicas <= RING_REPLICAS_MAX; replicas++) {
		for (size_t members = 1; members <= replicas; members++) {
			start(members, 2, 64, replicas, replicas);
			plan(true);
			check();
			for (size_t i = 0; i < members; i++)
				ck_assert_uint_eq(cluster.held[i], 64);
		}
	}
}
END_TEST

/* The shape of a cluster whose answer everybody can see: equal weights, and all divides. */
START_TEST(equal_members_are_equal)
{
	start(8, 4, 1024, 3, 1);
	for (size_t i = 0; i < cluster.count; i++)
		cluster.candidates[i] =
		    (struct ring_candidate){(uint16_t)i, 100, zone_names[i % 4], false};
	plan(true);
	check();
	for (size_t i = 0; i < cluster.count; i++) {
		ck_assert_uint_eq(cluster.held[i], 384);
		ck_assert_uint_eq(cluster.first[i], 128);
	}
}
END_TEST

/* Zone "a" has one member, which must hold every block, however light it is; in zone
 * "b" the weights count. */
START_TEST(a_zone_of_one_member_holds_every_block)
{
	start(4, 1, 64, 3, 1);
	for (size_t i = 0; i < 4; i++)
		cluster.candidates[i] =
		    (struct ring_candidate){(uint16_t)(i * 10), i == 0 ? 1 : (uint32_t)(i * 100),
					    i == 0 ? "a" : "b", false};
	plan(true);
	check();
	ck_assert_uint_eq(cluster.held[0], 64);
	ck_assert_uint_eq(cluster.held[30], 64); /* 300 of 600, of 128: all that it can hold */
	ck_assert_uint_eq(cluster.held[10] + cluster.held[20], 64);
	ck_assert_uint_eq(cluster.held[10], 21); /* a third of 64 */
}
END_TEST

START_TEST(a_member_that_leaves_holds_nothing)
{
	start(6, 3, 64, 3, 1);
	plan(true);
	check();
	ck_assert_uint_gt(cluster.held[2], 0);
	cluster.candidates[2].is_leaving = true;
	plan(false);
	check();
	ck_assert_uint_eq(cluster.held[2], 0);
}
END_TEST

START_TEST(the_same_input_gives_the_same_plan)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		start(12, 1 + seed % ZONES, 256, 3, seed);
		plan(true);
		plan(true);
		ck_assert_mem_eq(cluster.before, cluster.lists, sizeof(cluster.lists));
		change(10, 14);
		plan(false);
		/* Nothing has changed since: nothing moves, no order changes. */
		plan(false);
		ck_assert_mem_eq(cluster.before, cluster.lists, sizeof(cluster.lists));
	}
}
END_TEST

START_TEST(unknown_members_of_old_lists_are_replaced)
{
	start(4, 2, 64, 3, 1);
	plan(true);
	for (uint32_t block = 0; block < 64; block++)
		cluster.lists[block] = (struct ring_replicas){2, {RING_MEMBERS_MAX, 77}};
	const struct ring_plan_input input = {cluster.candidates, 4, 64, 3, cluster.lists};
	ck_assert_int_eq(ring_plan(&input, cluster.lists), 0);
	check();
}
END_TEST

START_TEST(bad_input_is_refused)
{
	struct ring_candidate pair[] = {{3, 1, "a", false}, {4, RING_WEIGHT_MAX, "a", false}};
	struct ring_plan_input input = {pair, 2, 64, 3, NULL};
	ck_assert_int_eq(ring_plan(&input, cluster.lists), 0);
	input.count = 0;
	ck_assert_int_eq(ring_plan(&input, cluster.lists), DHT_EINVAL);
	input.count = 2;
	input.blocks = 100;
	ck_assert_int_eq(ring_plan(&input, cluster.lists), DHT_EINVAL);
	input.blocks = 64;
	input.replicas = 0;
	ck_assert_int_eq(ring_plan(&input, cluster.lists), DHT_EINVAL);
	input.replicas = RING_REPLICAS_MAX + 1;
	ck_assert_int_eq(ring_plan(&input, cluster.lists), DHT_EINVAL);
	input.replicas = 3;
	pair[0].weight = 0;
	ck_assert_int_eq(ring_plan(&input, cluster.lists), DHT_EINVAL);
	pair[0].weight = RING_WEIGHT_MAX + 1;
	ck_assert_int_eq(ring_plan(&input, cluster.lists), DHT_EINVAL);
	pair[0].weight = 1;
	pair[0].number = 4;
	ck_assert_int_eq(ring_plan(&input, cluster.lists), DHT_EINVAL);
	pair[1].number = RING_MEMBERS_MAX;
	ck_assert_int_eq(ring_plan(&input, cluster.lists), DHT_EINVAL);
	pair[1].number = 5;
	pair[0].is_leaving = pair[1].is_leaving = true;
	ck_assert_int_eq(ring_plan(&input, cluster.lists), DHT_EINVAL);
}
END_TEST

static double cpu_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Also where all of it has to be planned anew. */
START_TEST(a_thousand_members_take_less_than_a_second)
{
	for (size_t zones = 1; zones <= ZONES; zones++) {
		start(1000, zones, RING_BLOCKS_MAX, 3, zones);
		for (int i = 0; i < 3; i++) {
			double before = cpu_s();
			plan(i == 0);
			double took = cpu_s() - before;
#ifdef __OPTIMIZE__
			ck_assert_double_lt(took, 1);
#else
			ck_assert_double_lt(took, 30);
#endif
			check();
			for (size_t k = 0; i == 0 && k < cluster.count; k++)
				cluster.candidates[k].weight = random_weight();
			for (size_t k = 0; i == 1 && k < cluster.count; k += 10)
				cluster.candidates[k].is_leaving = true;
		}
	}
}
END_TEST

UNIT_MAIN("planner", 200, few_members_move_the_least_possible,
	  a_hundred_members_move_the_least_possible, a_thousand_members_move_the_least_possible,
	  large_changes_move_the_least_possible, other_rules_move_the_least_possible,
	  three_members_need_at_most_6_ranges, a_cluster_that_grows_to_three_needs_at_most_6_ranges,
	  fewer_members_than_replicas_hold_everything, equal_members_are_equal,
	  a_zone_of_one_member_holds_every_block, a_member_that_leaves_holds_nothing,
	  the_same_input_gives_the_same_plan, unknown_members_of_old_lists_are_replaced,
	  bad_input_is_refused, a_thousand_members_take_less_than_a_second)
