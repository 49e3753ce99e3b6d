/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of replicas: of what there is, as much as possible is kept.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ring/balance.h"
#include "ring/plan.h"

/* Bounds the time that taking moves back may need; where all of a large cluster changes, it
 * ends before it has tried everything. */
enum { LOOK_AT_MAX = 10 * 1000 * 1000 }; /* blocks */

static uint16_t replicas_in(const struct plan *plan, const struct ring_replicas *set, size_t zone)
{
	uint16_t count = 0;
	for (uint16_t i = 0; i < set->count; i++)
		count += plan->shares->zone_of[set->members[i]] == zone;
	return count;
}

static const struct ring_zone *zone_of(const struct plan *plan, uint16_t member)
{
	return &plan->shares->zones[plan->shares->zone_of[member]];
}

/* The replicas that zones still must get. Where there are more zones than replicas, no zone
 * must have one. */
static uint16_t missing(const struct plan *plan, const struct ring_replicas *set)
{
	const struct ring_shares *shares = plan->shares;
	uint16_t count = 0;
	if (shares->zone_count > shares->replicas)
		return 0;
	for (size_t z = 0; z < shares->zone_count; z++)
		count += replicas_in(plan, set, z) < shares->zones[z].least;
	return count;
}

/* ---- Keeping and giving up --------------------------------------------------------- */

/* Takes over of the old lists whoever stays; returns how many places that are. */
static uint64_t keep(struct plan *plan)
{
	uint64_t kept = 0;
	for (uint32_t block = 0; plan->input->old != NULL && block < plan->input->blocks; block++) {
		const struct ring_replicas *old = &plan->input->old[block];
		struct ring_replicas *set = &plan->sets[block];
		for (uint16_t i = 0; i < old->count; i++) {
			uint16_t place = old->members[i] < RING_MEMBERS_MAX
					     ? plan->place_of[old->members[i]]
					     : PLAN_NOBODY;
			if (place == PLAN_NOBODY || plan_holds(set, place))
				continue;
			set->members[set->count++] = place;
			plan->have[place]++;
			kept++;
		}
	}
	return kept;
}

/* True if the member's replica is one that breaks a rule, or may have to make room for one
 * in a zone that has none. */
static bool can_give_up(const struct plan *plan, const struct ring_replicas *set, uint16_t member,
			bool is_above)
{
	const struct ring_zone *rule = zone_of(plan, member);
	uint16_t count = replicas_in(plan, set, plan->shares->zone_of[member]);
	return is_above ? count > rule->most : count > rule->least;
}

static bool is_above_rule(const struct plan *plan, const struct ring_replicas *set)
{
	for (uint16_t i = 0; i < set->count; i++) {
		if (can_give_up(plan, set, set->members[i], true))
			return true;
	}
	return false;
}

static void drop(struct plan *plan, struct ring_replicas *set, uint16_t i)
{
	plan->have[set->members[i]]--;
	memmove(&set->members[i], &set->members[i + 1],
		(set->count - i - 1u) * sizeof(set->members[0]));
	set->count--;
}

/* Gives up one replica, of the member that has most above its target; the one that gave up
 * the replica of the block before while it has any above. Returns which. */
static uint16_t give_up_one(struct plan *plan, struct ring_replicas *set, bool is_above,
			    uint16_t favourite)
{
	uint16_t best = set->count;
	int64_t most = INT64_MIN;
	for (uint16_t i = 0; i < set->count; i++) {
		uint16_t member = set->members[i];
		int64_t above = (int64_t)plan->have[member] - plan->target[member];
		if (!can_give_up(plan, set, member, is_above))
			continue;
		if (member == favourite && above > 0)
			above = INT64_MAX;
		if (above > most) {
			best = i;
			most = above;
		}
	}
	DHT_ASSERT(best < set->count);
	uint16_t member = set->members[best];
	drop(plan, set, best);
	return member;
}

static void give_up(struct plan *plan)
{
	uint16_t last = PLAN_NOBODY;
	for (uint32_t block = 0; block < plan->input->blocks; block++) {
		struct ring_replicas *set = &plan->sets[block];
		bool is_above;
		while ((is_above = is_above_rule(plan, set)) ||
		       set->count + missing(plan, set) > plan->shares->replicas)
			last = give_up_one(plan, set, is_above, last);
	}
}

/* ---- Filling ----------------------------------------------------------------------- */

static bool may_join(const struct plan *plan, const struct ring_replicas *set, uint16_t member)
{
	uint16_t count = replicas_in(plan, set, plan->shares->zone_of[member]);
	const struct ring_zone *rule = zone_of(plan, member);
	bool is_needed = count < rule->least;
	return !plan_holds(set, member) &&
	       (is_needed ||
		(count < rule->most && set->count + missing(plan, set) < plan->shares->replicas));
}

/* The one that lacks most; a member of the block before while it lacks any. */
static uint16_t choose_joiner(const struct plan *plan, uint32_t block)
{
	const struct ring_replicas *set = &plan->sets[block];
	uint16_t best = PLAN_NOBODY;
	int64_t most = INT64_MIN;
	for (uint16_t i = 0; block > 0 && i < plan->sets[block - 1].count; i++) {
		uint16_t member = plan->sets[block - 1].members[i];
		if (plan->have[member] < plan->target[member] && may_join(plan, set, member))
			return member;
	}
	for (uint16_t member = 0; member < plan->shares->count; member++) {
		int64_t lack = (int64_t)plan->target[member] - plan->have[member];
		if (lack > most && may_join(plan, set, member)) {
			best = member;
			most = lack;
		}
	}
	DHT_ASSERT(best != PLAN_NOBODY);
	return best;
}

static void fill(struct plan *plan)
{
	for (uint32_t block = 0; block < plan->input->blocks; block++) {
		struct ring_replicas *set = &plan->sets[block];
		while (set->count < plan->shares->replicas) {
			uint16_t member = choose_joiner(plan, block);
			set->members[set->count++] = member;
			plan->have[member]++;
		}
	}
}

/* ---- Balancing --------------------------------------------------------------------- */

static size_t replicas_of(const struct balance *balance, uint32_t block, const uint16_t **members)
{
	const struct plan *plan = balance->state;
	*members = plan->sets[block].members;
	return plan->sets[block].count;
}

static bool may_replace(const struct balance *balance, uint32_t block, uint16_t from, uint16_t to)
{
	const struct plan *plan = balance->state;
	const struct ring_replicas *set = &plan->sets[block];
	size_t old_zone = plan->shares->zone_of[from], new_zone = plan->shares->zone_of[to];
	if (plan_holds(set, to))
		return false;
	return old_zone == new_zone ||
	       (replicas_in(plan, set, old_zone) > plan->shares->zones[old_zone].least &&
		replicas_in(plan, set, new_zone) < plan->shares->zones[new_zone].most);
}

static void replace(const struct balance *balance, uint32_t block, uint16_t from, uint16_t to)
{
	const struct plan *plan = balance->state;
	struct ring_replicas *set = &plan->sets[block];
	for (uint16_t i = 0; i < set->count; i++) {
		if (set->members[i] == from)
			set->members[i] = to;
	}
}

static size_t all_blocks(const struct balance *balance, uint16_t to, const uint32_t **blocks)
{
	const struct plan *plan = balance->state;
	*blocks = plan->blocks;
	return plan->input->blocks;
}

static int correct(struct plan *plan)
{
	static const struct balance_kind replicas = {replicas_of, may_replace, replace, all_blocks};
	struct balance balance = {
	    .kind = &replicas,
	    .state = plan,
	    .count = plan->shares->count,
	    .have = plan->have,
	    .least = plan->least,
	    .most = plan->most,
	    .aim = plan->target,
	};
	int rc = balance_open(&balance);
	if (rc != 0)
		return rc;
	balance_run(&balance);
	balance_close(&balance);
	return 0;
}

/* ---- Taking moves back ------------------------------------------------------------- */

/* A step that costs nothing: one that is new in the block goes, or one that was there comes
 * back. */
static bool may_go_free(const struct balance *balance, uint32_t block, uint16_t from, uint16_t to)
{
	const struct plan *plan = balance->state;
	const struct ring_replicas *kept = &plan->kept[block];
	return (!plan_holds(kept, from) || plan_holds(kept, to)) &&
	       may_replace(balance, block, from, to);
}

static size_t changed_blocks(const struct balance *balance, uint16_t to, const uint32_t **blocks)
{
	const struct plan *plan = balance->state;
	*blocks = plan->blocks;
	return plan->changed;
}

/* Gives a replica of the block back to a member that had it, instead of one that is new
 * there, if the members then find another change that costs nothing. */
static bool take_one_back(struct balance *balance, uint32_t block)
{
	const struct plan *plan = balance->state;
	const struct ring_replicas *kept = &plan->kept[block], *set = &plan->sets[block];
	for (uint16_t i = 0; i < kept->count; i++) {
		for (uint16_t k = 0; k < set->count; k++) {
			if (!plan_holds(kept, set->members[k]) &&
			    may_replace(balance, block, set->members[k], kept->members[i]) &&
			    balance_try(balance, block, set->members[k], kept->members[i]))
				return true;
		}
	}
	return false;
}

static bool is_changed(const struct plan *plan, uint32_t block)
{
	const struct ring_replicas *kept = &plan->kept[block], *set = &plan->sets[block];
	for (uint16_t i = 0; i < kept->count; i++) {
		if (!plan_holds(set, kept->members[i]))
			return true;
	}
	return set->count != kept->count;
}

/* They become the first of plan->blocks. */
static void find_changed(struct plan *plan)
{
	plan->changed = 0;
	for (uint32_t block = 0; block < plan->input->blocks; block++) {
		if (is_changed(plan, block))
			plan->blocks[plan->changed++] = block;
	}
}

/* Chains of the balance, and joiners that were chosen block by block, may have moved a
 * member out of one block and into another without need. */
static int take_moves_back(struct plan *plan)
{
	static const struct balance_kind steps = {replicas_of, may_go_free, replace,
						  changed_blocks};
	struct balance balance = {
	    .kind = &steps,
	    .state = plan,
	    .count = plan->shares->count,
	    .have = plan->have,
	    .least = plan->least,
	    .most = plan->most,
	    .aim = plan->target,
	};
	int rc = balance_open(&balance);
	if (rc != 0)
		return rc;
	find_changed(plan);
	bool is_better = true;
	while (is_better && balance.looked_at < LOOK_AT_MAX) {
		is_better = false;
		for (uint32_t i = 0; i < plan->changed && balance.looked_at < LOOK_AT_MAX; i++)
			is_better |= take_one_back(&balance, plan->blocks[i]);
	}
	balance_close(&balance);
	return 0;
}

/* ---- The whole --------------------------------------------------------------------- */

static int change(struct plan *plan)
{
	memcpy(plan->kept, plan->sets, plan->input->blocks * sizeof(*plan->kept));
	give_up(plan);
	fill(plan);
	int rc = correct(plan);
	return rc != 0 ? rc : take_moves_back(plan);
}

/* Rounding up costs nothing for one that has it already. */
static void set_bounds(struct plan *plan)
{
	for (size_t m = 0; m < plan->shares->count; m++) {
		const struct ring_share *share = &plan->shares->shares[m];
		plan->least[m] = share->whole;
		plan->most[m] = share->whole + (share->part > 0);
		plan->is_up[m] = plan->have[m] > share->whole;
	}
}

int plan_place(struct plan *plan)
{
	bool is_new = keep(plan) == 0;
	for (uint32_t block = 0; block < plan->input->blocks; block++)
		plan->blocks[block] = block;
	int rc = is_new ? plan_lay_out(plan) : 0;
	set_bounds(plan);
	if (rc == 0)
		rc = plan_set_targets(plan, 1);
	if (rc == 0)
		rc = is_new ? correct(plan) : change(plan);
	for (size_t m = 0; rc == 0 && m < plan->shares->count; m++)
		DHT_ASSERT(plan->have[m] >= plan->least[m] && plan->have[m] <= plan->most[m]);
	return rc;
}
