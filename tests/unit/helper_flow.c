/* SPDX-License-Identifier: Apache-2.0
 *
 * A lower bound is an arc of its own that pays NEEDED per unit: the cheapest flow of the full
 * amount uses all of them if any flow can.
 */
#include "helper_flow.h"

#include <stdbool.h>
#include <stdlib.h>

#define NEEDED ((int64_t)1 << 32)
#define FAR    INT64_MAX

struct arc {
	size_t to;
	size_t next; /* of the same node; SIZE_MAX: none */
	unsigned room;
	int64_t cost;
};

struct flow {
	size_t nodes;
	size_t *first; /* arc of each node */
	struct arc *arcs;
	size_t count, cap;
	int64_t needed; /* what the lower bounds pay together */
	int64_t *distance;
	size_t *arc_to; /* by which a node was reached */
	size_t *queue;
	bool *is_queued;
};

static void *zeros(size_t count, size_t size)
{
	void *memory = calloc(count, size);
	if (memory == NULL)
		abort();
	return memory;
}

struct flow *flow_create(size_t nodes)
{
	struct flow *flow = zeros(1, sizeof(*flow));
	flow->nodes = nodes;
	flow->first = zeros(nodes, sizeof(*flow->first));
	flow->distance = zeros(nodes, sizeof(*flow->distance));
	flow->arc_to = zeros(nodes, sizeof(*flow->arc_to));
	flow->queue = zeros(nodes, sizeof(*flow->queue));
	flow->is_queued = zeros(nodes, sizeof(*flow->is_queued));
	for (size_t i = 0; i < nodes; i++)
		flow->first[i] = SIZE_MAX;
	return flow;
}

void flow_destroy(struct flow *flow)
{
	free(flow->first);
	free(flow->arcs);
	free(flow->distance);
	free(flow->arc_to);
	free(flow->queue);
	free(flow->is_queued);
	free(flow);
}

static void add_one(struct flow *flow, size_t from, size_t to, unsigned room, int64_t cost)
{
	if (flow->count == flow->cap) {
		flow->cap = flow->cap * 2 + 64;
		flow->arcs = realloc(flow->arcs, flow->cap * sizeof(*flow->arcs));
		if (flow->arcs == NULL)
			abort();
	}
	flow->arcs[flow->count] = (struct arc){to, flow->first[from], room, cost};
	flow->first[from] = flow->count++;
}

/* An arc and its reverse stand side by side: i and i ^ 1. */
static void add_pair(struct flow *flow, size_t from, size_t to, unsigned room, int64_t cost)
{
	if (room == 0)
		return;
	add_one(flow, from, to, room, cost);
	add_one(flow, to, from, 0, -cost);
}

void flow_add(struct flow *flow, size_t from, size_t to, unsigned least, unsigned most,
	      unsigned cost)
{
	add_pair(flow, from, to, least, (int64_t)cost - NEEDED);
	add_pair(flow, from, to, most - least, cost);
	flow->needed += NEEDED * least;
}

static void visit(struct flow *flow, size_t node, size_t *tail, size_t *queued)
{
	for (size_t i = flow->first[node]; i != SIZE_MAX; i = flow->arcs[i].next) {
		const struct arc *arc = &flow->arcs[i];
		int64_t distance = flow->distance[node] + arc->cost;
		if (arc->room == 0 || distance >= flow->distance[arc->to])
			continue;
		flow->distance[arc->to] = distance;
		flow->arc_to[arc->to] = i;
		if (flow->is_queued[arc->to])
			continue;
		flow->is_queued[arc->to] = true;
		flow->queue[*tail] = arc->to;
		*tail = (*tail + 1) % flow->nodes;
		(*queued)++;
	}
}

static bool find_path(struct flow *flow, size_t source, size_t sink)
{
	size_t head = 0, tail = 1 % flow->nodes, queued = 1;
	for (size_t i = 0; i < flow->nodes; i++)
		flow->distance[i] = FAR;
	flow->distance[source] = 0;
	flow->queue[0] = source;
	while (queued > 0) {
		size_t node = flow->queue[head];
		head = (head + 1) % flow->nodes;
		queued--;
		flow->is_queued[node] = false;
		visit(flow, node, &tail, &queued);
	}
	return flow->distance[sink] < FAR;
}

int64_t flow_cheapest(struct flow *flow, size_t source, size_t sink, unsigned amount)
{
	int64_t cost = flow->needed;
	for (; amount > 0; amount--) {
		if (!find_path(flow, source, sink))
			return -1;
		cost += flow->distance[sink];
		for (size_t node = sink; node != source;) {
			size_t i = flow->arc_to[node];
			flow->arcs[i].room--;
			flow->arcs[i ^ 1].room++;
			node = flow->arcs[i ^ 1].to;
		}
	}
	return cost < NEEDED ? cost : -1;
}
