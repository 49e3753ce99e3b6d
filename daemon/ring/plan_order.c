/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of the lists: who is first, then the others.
 *
 * First places always can be shared out evenly: if each block gave every one of its r members
 * 1 / r of its first place, each would have 1 / r of its blocks, and a flow network with
 * whole bounds around a solution in fractions has one in whole numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ring/balance.h"
#include "ring/plan.h"

struct order {
	struct plan *plan;
	uint16_t *first;        /* of each block */
	uint32_t *have;         /* first places of each member */
	uint32_t *least, *most; /* those it should have */
	uint32_t *remaining;    /* its blocks that have no first one yet */
	size_t *start;          /* of each member in `blocks`; one more than there are members */
	uint32_t *blocks;       /* that a member holds, member after member */
};

static void sort_set(struct ring_replicas *set)
{
	for (uint16_t i = 1; i < set->count; i++) {
		uint16_t member = set->members[i], at = i;
		for (; at > 0 && set->members[at - 1] > member; at--)
			set->members[at] = set->members[at - 1];
		set->members[at] = member;
	}
}

static void set_bounds(struct order *order)
{
	const struct plan *plan = order->plan;
	uint16_t replicas = plan->shares->replicas;
	for (size_t m = 0; m < plan->shares->count; m++) {
		order->least[m] = plan->have[m] / replicas;
		order->most[m] = (plan->have[m] + replicas - 1) / replicas;
		order->remaining[m] = plan->have[m];
	}
}

static void set_first(struct order *order, uint32_t block, uint16_t member)
{
	const struct ring_replicas *set = &order->plan->sets[block];
	order->first[block] = member;
	order->have[member]++;
	for (uint16_t i = 0; i < set->count; i++)
		order->remaining[set->members[i]]--;
}

/* Whoever was first stays first, unless that is too often. */
static void keep_first(struct order *order)
{
	const struct plan *plan = order->plan;
	const struct ring_replicas *old = plan->input->old;
	for (uint32_t block = 0; block < plan->input->blocks; block++) {
		order->first[block] = PLAN_NOBODY;
		if (old == NULL || old[block].count == 0 ||
		    old[block].members[0] >= RING_MEMBERS_MAX)
			continue;
		uint16_t member = plan->place_of[old[block].members[0]];
		if (member != PLAN_NOBODY && plan_holds(&plan->sets[block], member) &&
		    order->have[member] < order->most[member])
			set_first(order, block, member);
	}
}

/* Whoever else would not get its least; else the first one of the block before; else the
 * one with the fewest blocks to come. */
static uint16_t choose_first(const struct order *order, uint32_t block)
{
	const struct ring_replicas *set = &order->plan->sets[block];
	uint16_t before = block > 0 ? order->first[block - 1] : PLAN_NOBODY;
	uint16_t best = set->members[0];
	uint32_t fewest = UINT32_MAX;
	for (uint16_t i = 0; i < set->count; i++) {
		uint16_t member = set->members[i];
		uint32_t remaining = order->remaining[member] + 2;
		if (order->have[member] >= order->most[member])
			continue;
		if (order->have[member] + order->remaining[member] <= order->least[member])
			remaining = 0;
		else if (member == before)
			remaining = 1;
		if (remaining < fewest) {
			best = member;
			fewest = remaining;
		}
	}
	return best;
}

static void choose_others(struct order *order)
{
	for (uint32_t block = 0; block < order->plan->input->blocks; block++) {
		if (order->first[block] == PLAN_NOBODY)
			set_first(order, block, choose_first(order, block));
	}
}

/* ---- Balancing --------------------------------------------------------------------- */

static size_t first_of(const struct balance *balance, uint32_t block, const uint16_t **members)
{
	const struct order *order = balance->state;
	*members = &order->first[block];
	return 1;
}

static bool may_be_first(const struct balance *balance, uint32_t block, uint16_t from, uint16_t to)
{
	const struct order *order = balance->state;
	return plan_holds(&order->plan->sets[block], to);
}

static void make_first(const struct balance *balance, uint32_t block, uint16_t from, uint16_t to)
{
	struct order *order = balance->state;
	order->first[block] = to;
}

static size_t blocks_of(const struct balance *balance, uint16_t to, const uint32_t **blocks)
{
	const struct order *order = balance->state;
	*blocks = &order->blocks[order->start[to]];
	return order->start[to + 1] - order->start[to];
}

static void list_blocks(struct order *order)
{
	const struct plan *plan = order->plan;
	size_t *start = order->start;
	for (size_t m = 0; m < plan->shares->count; m++)
		start[m + 1] = start[m] + plan->have[m];
	for (uint32_t block = 0; block < plan->input->blocks; block++) {
		const struct ring_replicas *set = &plan->sets[block];
		for (uint16_t i = 0; i < set->count; i++)
			order->blocks[start[set->members[i]]++] = block;
	}
	memmove(start + 1, start, plan->shares->count * sizeof(*start));
	start[0] = 0;
}

static int correct(struct order *order)
{
	static const struct balance_kind firsts = {first_of, may_be_first, make_first, blocks_of};
	struct balance balance = {
	    .kind = &firsts,
	    .state = order,
	    .count = order->plan->shares->count,
	    .have = order->have,
	    .least = order->least,
	    .most = order->most,
	    .aim = order->most,
	};
	int rc = balance_open(&balance);
	if (rc != 0)
		return rc;
	list_blocks(order);
	balance_run(&balance);
	balance_close(&balance);
	return 0;
}

/* ---- Runs and lists ---------------------------------------------------------------- */

static bool is_same_set(const struct ring_replicas *a, const struct ring_replicas *b)
{
	return a->count == b->count &&
	       memcmp(a->members, b->members, a->count * sizeof(a->members[0])) == 0;
}

/* Within a run of equal sets each member's first places come one after the other; those of
 * the one that is first before the run come first. */
static void join_run(struct order *order, uint32_t start, uint32_t end)
{
	const struct ring_replicas *set = &order->plan->sets[start];
	uint16_t before = start > 0 ? order->first[start - 1] : PLAN_NOBODY;
	uint32_t times[RING_REPLICAS_MAX] = {0}, at = start;
	for (uint32_t block = start; block < end; block++) {
		for (uint16_t i = 0; i < set->count; i++)
			times[i] += order->first[block] == set->members[i];
	}
	for (uint16_t i = 0; i < set->count; i++) {
		for (; set->members[i] == before && times[i] > 0; times[i]--)
			order->first[at++] = before;
	}
	for (uint16_t i = 0; i < set->count; i++) {
		for (; times[i] > 0; times[i]--)
			order->first[at++] = set->members[i];
	}
	DHT_ASSERT(at == end);
}

static void join_runs(struct order *order)
{
	const struct ring_replicas *sets = order->plan->sets;
	uint32_t blocks = order->plan->input->blocks;
	for (uint32_t start = 0, end; start < blocks; start = end) {
		end = start + 1;
		while (end < blocks && is_same_set(&sets[start], &sets[end]))
			end++;
		join_run(order, start, end);
	}
}

/* How often the zone of a member stands among the first `count` of a list. */
static unsigned zone_times(const struct plan *plan, const struct ring_replicas *list,
			   uint16_t count, uint16_t member)
{
	unsigned times = 0;
	for (uint16_t i = 0; i < count; i++)
		times += plan->shares->zone_of[list->members[i]] == plan->shares->zone_of[member];
	return times;
}

/* Makes the list of a sorted set: from the first on in a circle, whose zone is there the
 * fewest times the next. */
static void order_list(const struct plan *plan, struct ring_replicas *list, uint16_t first)
{
	struct ring_replicas circle = {.count = list->count};
	uint16_t start = 0;
	while (list->members[start] != first)
		start++;
	for (uint16_t i = 0; i < list->count; i++)
		circle.members[i] = list->members[(start + i) % list->count];
	for (uint16_t i = 0; i < list->count; i++) {
		uint16_t best = 0;
		for (uint16_t k = 1; k < circle.count; k++) {
			if (zone_times(plan, list, i, circle.members[k]) <
			    zone_times(plan, list, i, circle.members[best]))
				best = k;
		}
		list->members[i] = circle.members[best];
		circle.count--;
		memmove(&circle.members[best], &circle.members[best + 1],
			(circle.count - best) * sizeof(circle.members[0]));
	}
}

/* ---- The whole --------------------------------------------------------------------- */

static int run(struct order *order)
{
	struct plan *plan = order->plan;
	for (uint32_t block = 0; block < plan->input->blocks; block++)
		sort_set(&plan->sets[block]);
	set_bounds(order);
	keep_first(order);
	choose_others(order);
	int rc = correct(order);
	if (rc != 0)
		return rc;
	join_runs(order);
	for (uint32_t block = 0; block < plan->input->blocks; block++)
		order_list(plan, &plan->sets[block], order->first[block]);
	return 0;
}

int plan_order(struct plan *plan)
{
	size_t count = plan->shares->count;
	struct order order = {
	    .plan = plan,
	    .first = calloc(plan->input->blocks, sizeof(*order.first)),
	    .have = calloc(count, sizeof(*order.have)),
	    .least = calloc(count, sizeof(*order.least)),
	    .most = calloc(count, sizeof(*order.most)),
	    .remaining = calloc(count, sizeof(*order.remaining)),
	    .start = calloc(count + 1, sizeof(*order.start)),
	    .blocks =
		calloc((size_t)plan->input->blocks * plan->shares->replicas, sizeof(*order.blocks)),
	};
	int rc = DHT_ENOMEM;
	if (order.first != NULL && order.have != NULL && order.least != NULL &&
	    order.most != NULL && order.remaining != NULL && order.start != NULL &&
	    order.blocks != NULL)
		rc = run(&order);
	free(order.first);
	free(order.have);
	free(order.least);
	free(order.most);
	free(order.remaining);
	free(order.start);
	free(order.blocks);
	return rc;
}
