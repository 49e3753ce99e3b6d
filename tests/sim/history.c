/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include <inttypes.h>

void history_init(struct history *h)
{
	h->count = 0;
	for (unsigned key = 0; key < SIM_KEYS; key++)
		h->of_key[key] = 0;
}

bool history_has_room(const struct history *h, unsigned key, uint32_t more)
{
	return h->of_key[key] + more <= HISTORY_KEY_MAX;
}

uint32_t history_begin(struct history *h, const struct history_item *item)
{
	DHT_ASSERT(history_has_room(h, item->key, 1));
	h->of_key[item->key]++;
	struct history_item *begun = &h->items[h->count];
	*begun = *item;
	begun->outcome = OUTCOME_PENDING;
	begun->ended = HISTORY_NEVER;
	return h->count++;
}

void history_end(struct history *h, uint32_t index, enum outcome outcome, uint64_t result,
		 int32_t step)
{
	struct history_item *item = &h->items[index];
	if (item->outcome != OUTCOME_PENDING)
		return;
	item->outcome = outcome;
	item->result = result;
	if (outcome == OUTCOME_DONE)
		item->ended = step;
}

/* ---- The search for an order -------------------------------------------------------- */

enum { SEEN_BITS = 15, SEEN_MAX = 1 << SEEN_BITS };

struct search {
	const struct history_item *items[HISTORY_KEY_MAX]; /* in the order of their begin */
	int count;
	uint64_t must; /* those that are done */
	uint32_t stamp, seen_count;
	bool is_too_large;
	struct {
		uint64_t taken, number;
		uint32_t stamp;
	} seen[SEEN_MAX];
};

static struct search search;

/* Returns whether the state was met before, and remembers it. */
static bool was_seen(uint64_t taken, uint64_t number)
{
	uint64_t hash = (taken ^ (number * 0x9E3779B97F4A7C15ull)) * 0xBF58476D1CE4E5B9ull;
	uint32_t i = (uint32_t)(hash >> (64 - SEEN_BITS));
	for (; search.seen[i].stamp == search.stamp; i = (i + 1) % SEEN_MAX) {
		if (search.seen[i].taken == taken && search.seen[i].number == number)
			return true;
	}
	if (search.seen_count == SEEN_MAX / 4 * 3) {
		search.is_too_large = true;
		return true;
	}
	search.seen_count++;
	search.seen[i].taken = taken;
	search.seen[i].number = number;
	search.seen[i].stamp = search.stamp;
	return false;
}

static int32_t first_end(uint64_t taken)
{
	int32_t first = HISTORY_NEVER;
	for (uint64_t left = search.must & ~taken; left != 0; left &= left - 1) {
		const struct history_item *item = search.items[__builtin_ctzll(left)];
		if (item->ended < first)
			first = item->ended;
	}
	return first;
}

static bool explains(uint64_t taken, uint64_t number)
{
	if ((search.must & ~taken) == 0)
		return true;
	if (was_seen(taken, number))
		return false;
	int32_t until = first_end(taken);
	for (int i = 0; i < search.count && search.items[i]->begun <= until; i++) {
		const struct history_item *item = search.items[i];
		uint64_t after = number, result;
		if ((taken >> i & 1) != 0)
			continue;
		operation_apply(item->kind, item->argument, item->expected, &after, &result);
		if (item->outcome == OUTCOME_DONE && result != item->result)
			continue;
		/* One of unknown outcome that changes nothing here can as well not be. */
		if (item->outcome != OUTCOME_DONE && after == number)
			continue;
		if (explains(taken | 1ull << i, after))
			return true;
	}
	return false;
}

enum verdict history_check(const struct history *h, unsigned key)
{
	search.count = 0;
	search.must = 0;
	search.seen_count = 0;
	search.is_too_large = false;
	search.stamp++;
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_item *item = &h->items[i];
		bool is_done = item->outcome == OUTCOME_DONE;
		if (item->key != key || item->outcome == OUTCOME_NOT_DONE ||
		    (item->kind == OPERATION_GET && !is_done))
			continue;
		if (is_done)
			search.must |= 1ull << search.count;
		search.items[search.count++] = item;
	}
	if (explains(0, 0))
		return VERDICT_LINEARIZABLE;
	return search.is_too_large ? VERDICT_TOO_LARGE : VERDICT_NOT_LINEARIZABLE;
}

void history_print(const struct history *h, unsigned key, FILE *out)
{
	static const char *const outcomes[] = {"pending", "done", "unknown", "not done"};
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_item *item = &h->items[i];
		if (item->key != key)
			continue;
		fprintf(out, "  client %u node %-2u %-15s", item->client, item->node,
			operation_name(item->kind));
		fprintf(out, " argument=%-6" PRIx64 " expected=%-16" PRIx64, item->argument,
			item->expected);
		fprintf(out, " %-8s result=%-16" PRIx64 " steps %d to ", outcomes[item->outcome],
			item->result, item->begun);
		fprintf(out, item->ended == HISTORY_NEVER ? "-\n" : "%d\n", item->ended);
	}
}
