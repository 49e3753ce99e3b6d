/* SPDX-License-Identifier: Apache-2.0 */
#include "node/range.h"

#include "base/error.h"
#include "node/entry.h"

struct visit {
	const struct node *node;
	struct range *range;
	enum range_values values;
	uint64_t cold;
	bool is_damaged, is_over; /* over: more than fit */
};

static void add(void *ctx, uint32_t block, enum store_found found, const struct store_hit *hit)
{
	struct visit *visit = ctx;
	struct range *range = visit->range;
	if (found == STORE_DAMAGED)
		visit->is_damaged = true;
	if (found == STORE_COLD && visit->cold == 0)
		visit->cold = hit->location;
	if (found != STORE_FOUND)
		return;
	if (range->count == MESSAGE_ITEMS_MAX) {
		visit->is_over = true;
		return;
	}
	range->items[range->count++] = (struct message_item){
	    .key = hit->record.key,
	    .record = entry_paxos_record(&hit->record),
	    .location = hit->is_fetched ? 0 : hit->location,
	};
	range->bytes += hit->record.key.len;
	if (visit->values == RANGE_WITH_VALUES)
		range->bytes += hit->record.value.len;
	uint64_t end = store_rests_on(visit->node->store, block, hit);
	range->rests_on = end > range->rests_on ? end : range->rests_on;
}

/* The begin of a range: that nothing else is there rests on what was erased. */
static void init(const struct node *node, uint32_t block, uint32_t from, struct range *range)
{
	const struct store_hit absent = {.location = 0};
	uint64_t map_end = node_map_end(node);
	range->block = block;
	range->from = range->until = from;
	range->count = range->bytes = 0;
	range->rests_on = store_rests_on(node->store, block, &absent);
	if (map_end > range->rests_on)
		range->rests_on = map_end;
}

static bool is_beyond(const struct node *node, const struct range *range, size_t first,
		      uint32_t until)
{
	if (first == range->count)
		return false;
	struct store_key key = node_key(node, range->items[first].key);
	return range_hash(&key) >= until;
}

/* Adds the keys of the next hash. Returns 1 if there may be more, 0 if the range is to end
 * before them, or an error. */
static int add_next(struct visit *visit, struct node_step *step, uint32_t until)
{
	const struct node *node = visit->node;
	struct range *range = visit->range;
	size_t count = range->count, bytes = range->bytes;
	uint32_t next =
	    store_scan(node->store, range->block, range->until, 1, step->fetched, add, visit);
	if (visit->is_damaged)
		return DHT_EDAMAGED;
	if (is_beyond(node, range, count, until)) {
		range->count = count;
		range->until = until;
		return 0;
	}
	bool is_too_much = visit->is_over || (count > 0 && range->bytes > RANGE_BYTES_MAX);
	if (visit->cold == 0 && !is_too_much) {
		range->until = next < until ? next : until;
		return range->until < until;
	}
	range->count = count;
	range->bytes = bytes;
	if (count >= RANGE_COLD_MIN || (is_too_much && count > 0))
		return 0;
	if (visit->cold == 0)
		return DHT_EFULL;
	step->waits_for = NODE_WAITS_FOR_RECORD;
	step->cold = visit->cold;
	return DHT_EAGAIN;
}

int range_collect_some(const struct node *node, struct node_step *step, uint32_t block,
		       uint32_t from, uint32_t until, enum range_values values, size_t enough,
		       struct range *range)
{
	struct visit visit = {.node = node, .range = range, .values = values};
	int rc = from < until;
	init(node, block, from, range);
	while (rc == 1 && range->count < enough)
		rc = add_next(&visit, step, until);
	return rc == 1 ? 0 : rc;
}

int range_collect(const struct node *node, struct node_step *step, uint32_t block, uint32_t from,
		  uint32_t until, enum range_values values, struct range *range)
{
	return range_collect_some(node, step, block, from, until, values, SIZE_MAX, range);
}
