/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/planner.h"

#include <stdlib.h>

#include "base/error.h"
#include "ring/plan.h"

static void number_members(struct plan *plan)
{
	for (size_t i = 0; i < RING_MEMBERS_MAX; i++)
		plan->place_of[i] = PLAN_NOBODY;
	for (size_t i = 0; i < plan->shares->count; i++)
		plan->place_of[plan->shares->numbers[i]] = (uint16_t)i;
}

/* Turns the sets from places into numbers. */
static void write_lists(const struct plan *plan, struct ring_replicas *lists)
{
	for (uint32_t block = 0; block < plan->input->blocks; block++) {
		const struct ring_replicas *set = &plan->sets[block];
		struct ring_replicas list = {.count = set->count};
		for (uint16_t i = 0; i < set->count; i++)
			list.members[i] = plan->shares->numbers[set->members[i]];
		lists[block] = list;
	}
}

static int make_room(struct plan *plan)
{
	size_t blocks = plan->input->blocks, members = plan->shares->count;
	plan->place_of = calloc(RING_MEMBERS_MAX, sizeof(*plan->place_of));
	plan->sets = calloc(blocks, sizeof(*plan->sets));
	plan->kept = calloc(blocks, sizeof(*plan->kept));
	plan->blocks = calloc(blocks, sizeof(*plan->blocks));
	plan->have = calloc(members, sizeof(*plan->have));
	plan->least = calloc(members, sizeof(*plan->least));
	plan->most = calloc(members, sizeof(*plan->most));
	plan->is_up = calloc(members, sizeof(*plan->is_up));
	plan->target = calloc(members, sizeof(*plan->target));
	bool has_room = plan->place_of != NULL && plan->sets != NULL && plan->kept != NULL &&
			plan->blocks != NULL && plan->have != NULL && plan->least != NULL &&
			plan->most != NULL && plan->is_up != NULL && plan->target != NULL;
	return has_room ? 0 : DHT_ENOMEM;
}

static void free_room(struct plan *plan)
{
	free(plan->place_of);
	free(plan->sets);
	free(plan->kept);
	free(plan->blocks);
	free(plan->have);
	free(plan->least);
	free(plan->most);
	free(plan->is_up);
	free(plan->target);
}

int ring_plan(const struct ring_plan_input *input, struct ring_replicas *lists)
{
	struct ring_shares *shares;
	int rc = ring_shares_create(input->candidates, input->count, input->blocks, input->replicas,
				    &shares);
	if (rc != 0)
		return rc;
	struct plan plan = {.input = input, .shares = shares};
	rc = make_room(&plan);
	if (rc == 0) {
		number_members(&plan);
		rc = plan_place(&plan);
	}
	if (rc == 0)
		rc = plan_order(&plan);
	if (rc == 0)
		write_lists(&plan, lists);
	free_room(&plan);
	ring_shares_destroy(shares);
	return rc;
}

uint64_t ring_plan_moves(const struct ring_replicas *old, const struct ring_replicas *lists,
			 uint32_t blocks)
{
	uint64_t moves = 0;
	for (uint32_t block = 0; block < blocks; block++) {
		for (uint16_t i = 0; i < lists[block].count; i++)
			moves += !plan_holds(&old[block], lists[block].members[i]);
	}
	return moves;
}
