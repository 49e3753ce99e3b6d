/* SPDX-License-Identifier: Apache-2.0
 *
 * Measures the control plane of large clusters: what heartbeats cost, how long a new map takes to
 * reach everybody, what a join takes, and when everybody knows of a death.
 *
 * usage: sim_scale [MEMBERS]...   (100 300 1000)
 *
 * The network takes 0.25 to 0.75 ms, a sync of a disk 1 to 3 ms, getting in sync with a block 0.1
 * to 0.3 s. Sizes are those of protobuf with 16 bytes of a frame. Prints a row of docs/scale.md for
 * each.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/member_change.h"
#include "world.h"

enum { SECOND_US = 1000000, QUIET_S = 5, EPOCHS_MAX = 512 };

/* When the first and the last member adopted an epoch. */
static struct {
	uint64_t first_us, last_us;
	int count;
} epochs[EPOCHS_MAX];

static void on_adopted(struct world *w, struct world_node *node)
{
	uint64_t epoch = member_map(node->member)->epoch;
	if (epoch >= EPOCHS_MAX)
		return;
	if (epochs[epoch].count++ == 0)
		epochs[epoch].first_us = w->now_us;
	epochs[epoch].last_us = w->now_us;
}

struct cost {
	double sent, bytes, most_sent, most_bytes; /* of a node and second */
};

static void reset(struct world *w)
{
	for (int i = 0; i < w->count; i++)
		w->nodes[i].sent = w->nodes[i].sent_bytes = 0;
}

static struct cost cost_of(const struct world *w, int count, uint64_t us)
{
	struct cost cost = {0};
	double seconds = (double)us / SECOND_US;
	for (int i = 0; i < count; i++) {
		double sent = (double)w->nodes[i].sent / seconds;
		double bytes = (double)w->nodes[i].sent_bytes / seconds;
		cost.sent += sent / count;
		cost.bytes += bytes / count;
		cost.most_sent = sent > cost.most_sent ? sent : cost.most_sent;
		cost.most_bytes = bytes > cost.most_bytes ? bytes : cost.most_bytes;
	}
	return cost;
}

static double plan_ms(const struct ring_map *map)
{
	struct ring_replicas *target = calloc(map->blocks, sizeof(*target));
	struct ring_map *next;
	struct timespec a, b;
	DHT_ASSERT(target != NULL && ring_map_copy(map, map->epoch + 1, &next) == 0);
	next->members[0].standing = RING_LEAVING;
	clock_gettime(CLOCK_MONOTONIC, &a);
	DHT_ASSERT(member_change_target(next, target) == 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	free(target);
	ring_map_destroy(next);
	return (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
}

static void join(struct world *w, int spare)
{
	char text[3][32];
	struct ring_address address;
	struct member_request request = {.kind = MEMBER_REQUEST_JOIN};
	request.member = world_describe(spare, text, &address);
	world_join(w, spare, w->count / 2, &request);
}

/* Until the job is over at everybody. Returns how long it took. */
static uint64_t run_join(struct world *w)
{
	uint64_t began_us = w->now_us;
	int spare = w->count - 1;
	join(w, spare);
	for (bool is_over = false; !is_over && w->now_us < began_us + 60 * SECOND_US;) {
		world_run(w, w->now_us + 10000);
		is_over = true;
		for (int i = 0; i < w->count; i++) {
			const struct ring_map *map = member_map(w->nodes[i].member);
			is_over &= map->epoch > 2 && map->change.kind == RING_NO_CHANGE &&
				   map->member_count == (size_t)w->count;
		}
	}
	return w->now_us - began_us;
}

/* Returns how long it took until all others took a dead node for dead. */
static uint64_t run_death(struct world *w, int dead)
{
	uint64_t began_us = w->now_us;
	uint16_t number = member_number(w->nodes[dead].member);
	world_crash(w, dead, 3600ull * SECOND_US);
	for (bool is_known = false; !is_known && w->now_us < began_us + 60 * SECOND_US;) {
		world_run(w, w->now_us + 5000);
		is_known = true;
		for (int i = 0; i < w->count; i++)
			is_known &= i == dead || member_is_down(w->nodes[i].member, number);
	}
	return w->now_us - began_us;
}

static void measure(int members)
{
	const struct world_options options = {
	    .delay_us = 500,
	    .sync_us = 2000,
	    .fin_us = 200000,
	    .times = MEMBER_TIMES_DEFAULT,
	    .blocks = 1024,
	    .replicas = 3,
	};
	struct world w;
	memset(epochs, 0, sizeof(epochs));
	world_init(&w, 1, &options, members + 1, members);
	w.adopted = on_adopted;
	world_run(&w, SECOND_US);
	reset(&w);
	world_run(&w, (1 + QUIET_S) * SECOND_US);
	struct cost quiet = cost_of(&w, members, QUIET_S * SECOND_US);
	reset(&w);
	uint64_t join_us = run_join(&w);
	struct cost busy = cost_of(&w, w.count, join_us);
	uint64_t last = 0, slowest_us = 0;
	for (uint64_t epoch = 2; epoch < EPOCHS_MAX && epochs[epoch].count > 0; epoch++) {
		uint64_t took_us = epochs[epoch].last_us - epochs[epoch].first_us;
		last = epoch;
		/* The joiner gets the first one by asking. */
		slowest_us = took_us > slowest_us && epoch > 2 ? took_us : slowest_us;
	}
	uint64_t death_us = run_death(&w, members / 3);
	printf("| %d | %.0f | %.1f | %.0f | %.1f | %.1f | %" PRIu64 " | %.0f | %" PRIu64
	       " | %.1f | %" PRIu64 " | %.0f |\n",
	       members, quiet.sent, quiet.bytes / 1024, quiet.most_sent, quiet.most_bytes / 1024,
	       (double)slowest_us / 1000, last - 1, (double)join_us / 1000, (uint64_t)busy.sent,
	       busy.most_bytes / 1024, death_us / 1000, plan_ms(member_map(w.nodes[0].member)));
	fflush(stdout);
	world_fini(&w);
}

int main(int argc, char **argv)
{
	if (argc == 1) {
		measure(100);
		measure(300);
		measure(1000);
	}
	for (int i = 1; i < argc; i++)
		measure(atoi(argv[i]));
	return 0;
}
