/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/plan - a plan in the making: what the parts of the planner share.
 *
 * Why     Placing replicas and ordering them are two concerns with the same data.
 * Owns    struct plan belongs to ring_plan; members are numbered here by their place in the
 *         tables of `shares`, "here" meaning plan_place and plan_order too.
 * Thread  one.
 */
#ifndef DHT_RING_PLAN_H
#define DHT_RING_PLAN_H

#include "ring/planner.h"

enum { PLAN_NOBODY = UINT16_MAX };

struct plan {
	const struct ring_plan_input *input;
	const struct ring_shares *shares;
	uint16_t *place_of;         /* of each number; PLAN_NOBODY: it does not stay */
	struct ring_replicas *sets; /* of each block, as places; the first one first at the end */
	struct ring_replicas *kept; /* what the old lists have of those that stay, likewise */
	uint32_t *have;             /* blocks that a member holds */
	uint32_t *least, *most;     /* that it may hold: its share, rounded down and up */
	bool *is_up;                /* its share is better rounded up */
	uint32_t *target;           /* that it is to hold if nothing speaks for the other one */
	uint32_t *blocks;           /* numbers of blocks: all, or those that are changed */
	uint32_t changed;
};

static inline bool plan_holds(const struct ring_replicas *set, uint16_t member)
{
	for (uint16_t i = 0; i < set->count; i++) {
		if (set->members[i] == member)
			return true;
	}
	return false;
}

/* Sets the targets, of one of `parts` equal parts of the blocks. Their sum is what is needed,
 * and each is the member's share of a part, rounded down or up; so is each zone's sum. */
int plan_set_targets(struct plan *plan, uint32_t parts) DHT_MUST_CHECK;

/* Fills the sets, which are empty. They keep the zone rule, and the members have their share but
 * for as many blocks as there are parts in the layout. */
int plan_lay_out(struct plan *plan) DHT_MUST_CHECK;

/* Fills the sets (rules 1 to 5). */
int plan_place(struct plan *plan) DHT_MUST_CHECK;

/* Orders each of them (rule 6). */
int plan_order(struct plan *plan) DHT_MUST_CHECK;

#endif
