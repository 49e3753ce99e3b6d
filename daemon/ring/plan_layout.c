/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of replicas where there is nothing to keep: the members one behind the other on a line
 * that is cut into rows.
 *
 * Once for all blocks this gives the longest runs, but every member would share its blocks
 * with the same few others, and those are the ones that cannot take them over when it goes:
 * the data would have to move twice. So a cluster of medium size is laid out in several
 * parts, each in another order.
 */
#include <stdlib.h>

#include "base/error.h"
#include "ring/plan.h"

enum {
	PARTS_MAX = 16,
	PARTS_TIMES_MEMBERS = 64, /* bounds the number of runs that parts cost */
};

/* A member in the order of a part. */
struct turn {
	uint32_t zone, place; /* scrambled */
	uint16_t member;
};

static int compare_turns(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;
	if (x->zone != y->zone)
		return x->zone < y->zone ? -1 : 1;
	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return x->member < y->member ? -1 : 1;
}

/* Another order in every part, and the natural one in the first; one to one. */
static uint32_t scramble(uint32_t value, uint32_t part)
{
	value *= 1 + part * 0x9e3779b0u;
	return part == 0 ? value : value ^ value >> 15;
}

static void order_members(const struct plan *plan, uint32_t part, struct turn *turns)
{
	for (uint16_t m = 0; m < plan->shares->count; m++)
		turns[m] = (struct turn){scramble(plan->shares->zone_of[m] + 1u, part),
					 scramble(m + 1u, part), m};
	qsort(turns, plan->shares->count, sizeof(*turns), compare_turns);
}

/* Parts are of no use where nobody shares a block, and where each block has all members but
 * one, which then is the only one to take a replica over. */
static uint32_t choose_parts(const struct plan *plan)
{
	size_t count = plan->shares->count;
	uint32_t parts = 1;
	if (plan->shares->replicas == 1 || count <= plan->shares->replicas + 1u)
		return 1;
	while (parts < PARTS_MAX && parts * 2 * count <= PARTS_TIMES_MEMBERS)
		parts *= 2;
	return parts;
}

/* Who has less than its share of the parts before goes up. */
static void prefer_late(struct plan *plan, uint32_t part, uint32_t parts)
{
	for (size_t m = 0; m < plan->shares->count; m++) {
		const struct ring_share *share = &plan->shares->shares[m];
		uint64_t all = share->whole * share->of + share->part;
		plan->is_up[m] = plan->have[m] * share->of * parts < all * part;
	}
}

static void lay_out_part(struct plan *plan, const struct turn *turns, uint32_t first,
			 uint32_t blocks)
{
	uint64_t at = 0;
	for (size_t t = 0; t < plan->shares->count; t++) {
		uint16_t member = turns[t].member;
		for (uint32_t i = 0; i < plan->target[member]; i++, at++) {
			struct ring_replicas *set = &plan->sets[first + at % blocks];
			set->members[set->count++] = member;
		}
		plan->have[member] += plan->target[member];
	}
}

int plan_lay_out(struct plan *plan)
{
	uint32_t parts = choose_parts(plan), blocks = plan->input->blocks / parts;
	struct turn *turns = calloc(plan->shares->count, sizeof(*turns));
	int rc = turns == NULL ? DHT_ENOMEM : 0;
	for (uint32_t part = 0; rc == 0 && part < parts; part++) {
		prefer_late(plan, part, parts);
		rc = plan_set_targets(plan, parts);
		if (rc == 0) {
			order_members(plan, part, turns);
			lay_out_part(plan, turns, part * blocks, blocks);
		}
	}
	free(turns);
	return rc;
}
