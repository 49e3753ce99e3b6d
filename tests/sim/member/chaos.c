/* SPDX-License-Identifier: Apache-2.0 */
#include "chaos.h"

#include <inttypes.h>
#include <string.h>

#include "judge.h"

enum {
	NODES = 9,
	SECOND_US = 1000000,
	STORM_US = 25 * SECOND_US,
	PEACE_US = 60 * SECOND_US, /* at most; looked at now and then */
	LOOK_US = SECOND_US,
};

static struct world_options draw_options(struct world *w, struct random_source *r)
{
	(void)w;
	static const uint32_t losses[] = {0, 5, 50, 200}, delays[] = {300, 2000, 20000};
	struct world_options options = {
	    .delay_us = delays[random_below(r, 3)],
	    .sync_us = random_chance(r, 500) ? 500 : 10000,
	    .fin_us = random_chance(r, 500) ? 30000 : 500000,
	    .loss = losses[random_below(r, 4)],
	    .duplicate = random_chance(r, 500) ? 50 : 0,
	    .late = random_chance(r, 500) ? 20 : 0,
	    .times = MEMBER_TIMES_DEFAULT,
	    .blocks = 64,
	    .replicas = (uint16_t)random_between(r, 1, 5),
	    .is_judged = true,
	};
	options.times.round_us = random_chance(r, 500) ? 500000 : 60000;
	options.times.away_us = 3 * SECOND_US;
	options.times.stall_us = 3 * SECOND_US;
	options.times.deadline_us = 20 * SECOND_US;
	options.times.request_us = 5 * SECOND_US;
	options.times.joint_max = random_between(r, 4, 64);
	return options;
}

/* A node that runs and is in the cluster; WORLD_NO_NODE: there is none. */
static int draw_member(struct world *w)
{
	for (int i = 0; i < 4 * NODES; i++) {
		int node = (int)random_below(&w->random, NODES);
		if (w->nodes[node].member != NULL && !w->nodes[node].is_spare &&
		    member_number(w->nodes[node].member) != MEMBER_NOBODY &&
		    judge_is_ours(w->judge, member_map(w->nodes[node].member)))
			return node;
	}
	return WORLD_NO_NODE;
}

static int find_spare(const struct world *w)
{
	for (int i = 0; i < NODES; i++) {
		if (w->nodes[i].is_spare && w->nodes[i].member != NULL)
			return i;
	}
	return WORLD_NO_NODE;
}

static uint16_t draw_number(struct world *w, const struct ring_map *map)
{
	return map->members[random_below(&w->random, (uint32_t)map->member_count)].number;
}

static void come(struct world *w, int through, bool is_replacing)
{
	int spare = find_spare(w);
	char text[3][32];
	struct ring_address address;
	struct member_request request = {.kind = MEMBER_REQUEST_JOIN};
	if (spare == WORLD_NO_NODE)
		return;
	request.member = world_describe(spare, text, &address);
	if (is_replacing) {
		request.kind = MEMBER_REQUEST_REPLACE;
		request.number = draw_number(w, member_map(w->nodes[through].member));
	}
	world_join(w, spare, through, &request);
}

static void change(struct world *w, int node, enum member_request_kind kind)
{
	const struct ring_map *map = member_map(w->nodes[node].member);
	struct member_request request = {
	    .kind = kind, .number = draw_number(w, map), .is_forced = true};
	if (kind == MEMBER_REQUEST_CANCEL)
		request.job = map->change.id;
	if (kind == MEMBER_REQUEST_ADJUST) {
		request.member = *ring_map_member(map, request.number);
		request.member.weight = random_between(&w->random, 50, 200);
	}
	world_request(w, node, &request);
}

static void do_change(struct world *w)
{
	int node = draw_member(w);
	uint32_t what = random_below(&w->random, 100);
	if (node == WORLD_NO_NODE)
		return;
	if (what < 30)
		come(w, node, false);
	else if (what < 40)
		come(w, node, true);
	else if (what < 60)
		change(w, node, MEMBER_REQUEST_LEAVE);
	else if (what < 70)
		change(w, node, MEMBER_REQUEST_REMOVE);
	else if (what < 80)
		change(w, node, MEMBER_REQUEST_ADJUST);
	else
		change(w, node, MEMBER_REQUEST_CANCEL);
}

static void do_fault(struct world *w)
{
	int node = (int)random_below(&w->random, NODES);
	if (random_chance(&w->random, 400)) {
		w->nodes[node].cut_until_us =
		    w->now_us + random_between(&w->random, 100000, 4 * SECOND_US);
		return;
	}
	/* All at once, now and then. */
	bool is_everybody = random_chance(&w->random, 100);
	for (int i = 0; i < NODES; i++) {
		if ((i == node || is_everybody) && w->nodes[i].member != NULL)
			world_crash(w, i, random_between(&w->random, 20000, 3 * SECOND_US));
	}
}

static void act(struct world *w)
{
	if (w->now_us > STORM_US)
		return;
	if (random_chance(&w->random, 500))
		do_change(w);
	else
		do_fault(w);
	world_act_in(w, random_between(&w->random, 20000, 800000));
}

/* ---- Peace --------------------------------------------------------------------------- */

static void end_storm(struct world *w)
{
	w->options.loss = w->options.duplicate = w->options.late = 0;
	for (int i = 0; i < NODES; i++)
		w->nodes[i].cut_until_us = 0;
}

/* True if all is done; else text says what is not. */
static bool is_settled(struct world *w, char text[WORLD_FAILURE_SIZE])
{
	const struct ring_map *latest = judge_latest(w->judge);
	if (latest->change.kind != RING_NO_CHANGE) {
		snprintf(text, WORLD_FAILURE_SIZE, "job %" PRIu64 " does not end",
			 latest->change.id);
		return false;
	}
	for (int i = 0; i < NODES; i++) {
		const struct world_node *node = &w->nodes[i];
		if (node->member == NULL)
			continue;
		const struct ring_map *map = member_map(node->member);
		bool is_in = world_number(w, latest, i) != MEMBER_NOBODY;
		if (is_in && map->epoch != latest->epoch) {
			snprintf(text, WORLD_FAILURE_SIZE,
				 "n%d has epoch %" PRIu64 " instead of %" PRIu64, i, map->epoch,
				 latest->epoch);
			return false;
		}
		for (size_t k = 0; is_in && k < map->member_count; k++) {
			if (member_is_down(node->member, map->members[k].number)) {
				snprintf(text, WORLD_FAILURE_SIZE, "n%d takes n%zu for dead", i, k);
				return false;
			}
		}
		if (!is_in && judge_is_ours(w->judge, map) &&
		    member_number(node->member) == MEMBER_NOBODY &&
		    !member_may_stop(node->member)) {
			snprintf(text, WORLD_FAILURE_SIZE, "n%d may not stop", i);
			return false;
		}
	}
	return true;
}

static void check_blocks(struct world *w)
{
	const struct ring_map *map = judge_latest(w->judge);
	for (uint32_t block = 0; block < map->blocks; block++) {
		const struct ring_kept *kept = ring_map_kept(map, block);
		size_t wanted =
		    map->replicas < map->member_count ? map->replicas : map->member_count;
		if (kept->phase != RING_STABLE || ring_map_replicas(map, block)->count != wanted)
			world_fail(w, "block %" PRIu32 " is not where it is to be", block);
	}
}

/* Whoever was named without hearing of it is told to join again, as its operator would. */
static void join_again(struct world *w)
{
	const struct ring_map *latest = judge_latest(w->judge);
	int through = draw_member(w);
	for (int i = 0; i < NODES; i++) {
		char text[3][32];
		struct ring_address address;
		struct member_request request = {.kind = MEMBER_REQUEST_JOIN};
		const struct member *member = w->nodes[i].member;
		if (through == WORLD_NO_NODE || member == NULL ||
		    judge_is_ours(w->judge, member_map(member)) ||
		    world_number(w, latest, i) == MEMBER_NOBODY)
			continue;
		request.member = world_describe(i, text, &address);
		if (latest->change.kind == RING_REPLACE) {
			request.kind = MEMBER_REQUEST_REPLACE;
			request.number = latest->change.other;
		}
		world_join(w, i, through, &request);
	}
}

bool chaos_run(struct world *w, uint64_t seed, FILE *trace)
{
	struct random_source r;
	char text[WORLD_FAILURE_SIZE] = "";
	random_init(&r, seed ^ 0x5EED);
	struct world_options options = draw_options(w, &r);
	world_init(w, seed, &options, NODES, (int)random_between(&r, 1, 6));
	w->act = act;
	w->trace = trace;
	world_act_in(w, 200000);
	world_run(w, STORM_US);
	if (w->failure[0] != '\0')
		return false;
	end_storm(w);
	uint64_t end_us = STORM_US + PEACE_US;
	bool is_good = false;
	while (!is_good && w->now_us < end_us && w->failure[0] == '\0') {
		join_again(w);
		world_run(w, w->now_us + LOOK_US);
		is_good = w->now_us > STORM_US + 5 * SECOND_US && is_settled(w, text);
	}
	if (!is_good)
		world_fail(w, "%s", text);
	else
		check_blocks(w);
	return w->failure[0] == '\0';
}
