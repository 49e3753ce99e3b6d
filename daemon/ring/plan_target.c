/* SPDX-License-Identifier: Apache-2.0
 *
 * Shares in fractions become whole numbers of blocks: first of the zones, then of the members
 * of each.
 */
#include <stdlib.h>

#include "base/error.h"
#include "ring/plan.h"

/* A share to be rounded. */
struct rounding {
	size_t place;
	bool is_up; /* upwards if possible */
	struct ring_share share;
};

static struct ring_share part_of(struct ring_share share, uint32_t parts)
{
	uint64_t of = share.of * parts, amount = share.whole * share.of + share.part;
	return (struct ring_share){(uint32_t)(amount / of), amount % of, of};
}

/* In the order in which they are rounded up. */
static int compare_rounding(const void *a, const void *b)
{
	const struct rounding *x = a, *y = b;
	if (x->is_up != y->is_up)
		return x->is_up ? -1 : 1;
	/* part < of < 2^31 */
	uint64_t left = x->share.part * y->share.of, right = y->share.part * x->share.of;
	if (left != right)
		return left > right ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

/* Rounds the shares so that they sum to total: target[place] for each of the roundings. */
static void round_shares(struct rounding *roundings, size_t count, uint64_t total, uint32_t *target)
{
	for (size_t i = 0; i < count; i++) {
		target[roundings[i].place] = roundings[i].share.whole;
		total -= roundings[i].share.whole;
	}
	qsort(roundings, count, sizeof(*roundings), compare_rounding);
	DHT_ASSERT(total <= count);
	for (size_t i = 0; i < total; i++) {
		DHT_ASSERT(roundings[i].share.part > 0);
		target[roundings[i].place]++;
	}
}

static struct rounding rounding_of_member(const struct plan *plan, size_t member, uint32_t parts)
{
	struct ring_share share = part_of(plan->shares->shares[member], parts);
	return (struct rounding){member, plan->is_up[member] && share.part > 0, share};
}

/* A zone goes up if more of its members would than must anyway. */
static struct rounding rounding_of_zone(const struct plan *plan, size_t zone, uint32_t parts)
{
	const struct ring_shares *shares = plan->shares;
	struct ring_share share = part_of(shares->zones[zone].share, parts);
	uint64_t must = share.whole, would = 0;
	for (size_t m = 0; m < shares->count; m++) {
		if (shares->zone_of[m] != zone)
			continue;
		struct rounding rounding = rounding_of_member(plan, m, parts);
		must -= rounding.share.whole;
		would += rounding.is_up;
	}
	return (struct rounding){zone, share.part > 0 && would > must, share};
}

int plan_set_targets(struct plan *plan, uint32_t parts)
{
	const struct ring_shares *shares = plan->shares;
	struct rounding *roundings = calloc(shares->count, sizeof(*roundings));
	uint32_t *totals = calloc(shares->zone_count, sizeof(*totals));
	int rc = DHT_ENOMEM;
	if (roundings == NULL || totals == NULL)
		goto out;
	for (size_t z = 0; z < shares->zone_count; z++)
		roundings[z] = rounding_of_zone(plan, z, parts);
	round_shares(roundings, shares->zone_count,
		     (uint64_t)plan->input->blocks / parts * shares->replicas, totals);
	for (size_t z = 0; z < shares->zone_count; z++) {
		size_t count = 0;
		for (size_t m = 0; m < shares->count; m++) {
			if (shares->zone_of[m] == z)
				roundings[count++] = rounding_of_member(plan, m, parts);
		}
		round_shares(roundings, count, totals[z], plan->target);
	}
	rc = 0;
out:
	free(roundings);
	free(totals);
	return rc;
}
