/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/clock.h"
#include "worker/listing.h"

enum { LOCAL_STEP = 64 }; /* entries looked at under one lock */

void scan_init(struct scan *scan, const struct exec_cursor *start)
{
	*scan = (struct scan){.cursor = *start, .window = 1};
}

void scan_fini(struct scan *scan)
{
	for (unsigned i = 0; i < SCAN_AHEAD_MAX; i++) {
		if (scan->ahead[i] == NULL)
			continue;
		listing_fini(scan->ahead[i]);
		free(scan->ahead[i]);
		scan->ahead[i] = NULL;
	}
}

static bool covers(struct worker *w, const struct scan *scan, uint32_t block)
{
	return scan->covers == NULL || scan->covers(scan->ctx, w, block);
}

bool scan_is_over(struct worker *w, struct scan *scan)
{
	struct exec_cursor *cursor = &scan->cursor;
	while (!exec_scan_is_over(w, cursor) && !covers(w, scan, cursor->block))
		*cursor = (struct exec_cursor){.block = cursor->block + 1};
	return exec_scan_is_over(w, cursor);
}

/* ---- Listings ---------------------------------------------------------------------- */

/* The listing of a block, idle if it is not of this place; NULL: no memory. */
static struct listing *listing_at(struct scan *scan, uint32_t block, uint32_t hash)
{
	struct listing **at = &scan->ahead[block % SCAN_AHEAD_MAX];
	if (*at == NULL) {
		*at = malloc(sizeof(**at));
		if (*at == NULL)
			return NULL;
		listing_init(*at);
	}
	if ((*at)->state != LISTING_IDLE && ((*at)->block != block || (*at)->from != hash))
		listing_reset(*at);
	return *at;
}

/* Asks about blocks behind the one that is waited for; whatever cannot be is asked about in its
 * turn. */
static void look_ahead(struct worker *w, struct scan *scan, unsigned max)
{
	uint32_t blocks = store_blocks(exec_of(w)->store), block = scan->cursor.block + 1;
	for (; block < blocks && block < scan->cursor.block + scan->window; block++) {
		uint64_t cold;
		if (!covers(w, scan, block) || listing_is_local(w, block))
			continue;
		struct listing *l = listing_at(scan, block, 0);
		if (l == NULL || l->state != LISTING_IDLE)
			continue;
		int rc = listing_begin(w, l, block, 0, max, scan->wants_values, NULL, &cold);
		if (rc == DHT_EAGAIN)
			store_unpin(exec_of(w)->store, cold);
		if (rc != 0)
			return;
	}
}

/* Begins the one that is waited for. */
static int begin(struct worker *w, struct session *s, const struct scan *scan, struct listing *l,
		 unsigned max)
{
	uint64_t cold = 0;
	int rc = listing_begin(w, l, scan->cursor.block, scan->cursor.hash, max, scan->wants_values,
			       fetch_list(&s->fetches), &cold);
	if (rc == DHT_EAGAIN) {
		exec_wait_for(w, s, cold);
		return rc;
	}
	fetch_release(w, &s->fetches);
	if (rc != DHT_EFULL)
		return rc;
	outbox_stall(w, s, OUTBOX_LATER);
	return DHT_EAGAIN;
}

static bool is_wanted(const struct listing_item *item, struct bytes prefix, uint64_t now_ms)
{
	return !item->is_tombstone && (item->expires_ms == 0 || item->expires_ms > now_ms) &&
	       item->key.len >= prefix.len &&
	       (prefix.len == 0 || memcmp(item->key.data, prefix.data, prefix.len) == 0);
}

static int take_items(struct listing *l, struct bytes prefix, struct exec_entries *entries)
{
	uint64_t now_ms = clock_expiry_ms();
	size_t before = entries->count;
	int rc = 0;
	for (size_t i = 0; i < l->item_count && rc == 0; i++) {
		const struct listing_item *item = &l->items[i];
		const struct exec_entry entry = {.key = item->key,
						 .value = item->value,
						 .expires_ms = item->expires_ms,
						 .is_bare = item->is_bare};
		if (is_wanted(item, prefix, now_ms))
			rc = exec_entries_add(entries, &entry);
	}
	if (entries->count > before) {
		exec_entries_hold(entries, l->held);
		l->held = NULL;
	}
	return rc;
}

/* Many blocks that have few keys each are asked about together. */
static void set_window(struct scan *scan, const struct listing *l, unsigned max)
{
	bool is_small = l->until >= STORE_HASH_END && l->item_count < max / 2;
	unsigned wider = 2 * scan->window;
	scan->window = !is_small ? 1 : wider < SCAN_AHEAD_MAX ? wider : SCAN_AHEAD_MAX;
}

static int consume(struct worker *w, struct scan *scan, struct listing *l, struct bytes prefix,
		   unsigned max, struct exec_entries *entries)
{
	entries->store = exec_of(w)->store;
	outbox_rest_on(w, l->rests_on);
	int rc = take_items(l, prefix, entries);
	set_window(scan, l, max);
	scan->looked_at += l->item_count;
	scan->cursor.hash = l->until;
	if (l->until >= STORE_HASH_END)
		scan->cursor = (struct exec_cursor){.block = scan->cursor.block + 1};
	listing_reset(l);
	return rc;
}

/* ---- Steps ------------------------------------------------------------------------- */

static int step_listing(struct worker *w, struct session *s, struct scan *scan, struct bytes prefix,
			unsigned max, struct exec_entries *entries)
{
	struct listing *l = listing_at(scan, scan->cursor.block, scan->cursor.hash);
	if (l == NULL)
		return DHT_ENOMEM;
	if (l->state == LISTING_IDLE) {
		int rc = begin(w, s, scan, l, max);
		if (rc != 0)
			return rc;
	}
	look_ahead(w, scan, max);
	if (l->state == LISTING_DONE)
		return consume(w, scan, l, prefix, max, entries);
	if (l->state == LISTING_FAILED) {
		int rc = listing_error(w, l);
		listing_reset(l);
		return rc;
	}
	inquiry_await(&l->inquiry, s);
	return DHT_EAGAIN;
}

static int step_local(struct worker *w, struct session *s, struct scan *scan, struct bytes prefix,
		      unsigned max, struct exec_entries *entries)
{
	uint32_t block = scan->cursor.block;
	size_t before = entries->count;
	int rc = exec_scan(w, s, &scan->cursor, prefix, max, entries);
	if (rc != 0)
		return rc;
	/* At the end of a block fewer are left, of which those without the prefix are not told. */
	scan->looked_at += scan->cursor.block == block ? max : entries->count - before;
	return entries->no_memory ? DHT_ENOMEM : 0;
}

int scan_step(struct worker *w, struct session *s, struct scan *scan, struct bytes prefix,
	      unsigned max, struct exec_entries *entries)
{
	if (scan_is_over(w, scan))
		return 0;
	if (listing_is_local(w, scan->cursor.block))
		return step_local(w, s, scan, prefix, max < LOCAL_STEP ? max : LOCAL_STEP, entries);
	return step_listing(w, s, scan, prefix, max < SCAN_STEP_MAX ? max : SCAN_STEP_MAX, entries);
}
