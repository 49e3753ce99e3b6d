/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/exec.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/clock.h"
#include "node/change.h"

int exec_run(struct worker *w, struct session *s, struct op *op, struct op_result *result)
{
	struct exec *exec = exec_of(w);
	op->key = node_key(exec->node, op->key.key);
	op->now_ms = clock_expiry_ms();
	*result = (struct op_result){0};
	groups_lock(&exec->groups, op->key.block);
	node_run(exec->node, w->index, op, result);
	if (result->location != 0)
		store_pin(exec->store, result->location);
	groups_unlock(&exec->groups, op->key.block);
	outbox_rest_on(w, result->end);
	if (result->status != DHT_EAGAIN)
		return 0;
	outbox_stall(w, s, OUTBOX_ROOM);
	return DHT_EAGAIN;
}

void exec_done(struct worker *w, const struct op_result *result)
{
	if (result->location != 0)
		store_unpin(exec_of(w)->store, result->location);
}

struct scan {
	struct exec *exec;
	uint64_t end; /* what was seen rests on */
	struct bytes prefix;
	uint64_t now_ms;
	struct exec_entries *entries;
};

static bool has_room(struct exec_entries *entries)
{
	if (entries->count < entries->cap)
		return true;
	size_t cap = entries->cap == 0 ? 64 : entries->cap * 2;
	struct exec_entry *items = realloc(entries->items, cap * sizeof(*items));
	if (items == NULL) {
		entries->no_memory = true;
		return false;
	}
	entries->items = items;
	entries->cap = cap;
	return true;
}

static void collect(void *ctx, uint32_t block, enum store_found found, const struct store_hit *hit)
{
	struct scan *scan = ctx;
	const struct record *r = &hit->record;
	DHT_ASSERT(found == STORE_FOUND);
	uint64_t end = store_rests_on(scan->exec->store, block, hit);
	if (end > scan->end)
		scan->end = end;
	if (r->kind != RECORD_VALUE || r->key.len < scan->prefix.len ||
	    (scan->prefix.len > 0 && memcmp(r->key.data, scan->prefix.data, scan->prefix.len) != 0))
		return;
	if (change_is_expired(r, scan->now_ms) || !has_room(scan->entries))
		return;
	store_pin(scan->exec->store, hit->location);
	scan->entries->items[scan->entries->count++] = (struct exec_entry){
	    .key = r->key,
	    .value = r->value,
	    .expires_ms = r->expires_ms,
	    .location = hit->location,
	};
	scan->entries->bytes += r->key.len + r->value.len;
}

bool exec_scan_is_over(const struct worker *w, const struct exec_cursor *cursor)
{
	return cursor->block >= store_blocks(exec_of(w)->store);
}

bool exec_scan(struct worker *w, struct exec_cursor *cursor, struct bytes prefix, unsigned max,
	       struct exec_entries *entries)
{
	struct exec *exec = exec_of(w);
	if (exec_scan_is_over(w, cursor))
		return false;
	struct scan scan = {
	    .exec = exec,
	    .prefix = prefix,
	    .now_ms = clock_expiry_ms(),
	    .entries = entries,
	};
	entries->store = exec->store;
	groups_lock(&exec->groups, cursor->block);
	scan.end = store_rests_on(exec->store, cursor->block, &(struct store_hit){0});
	cursor->hash = store_scan(exec->store, cursor->block, cursor->hash, max, collect, &scan);
	groups_unlock(&exec->groups, cursor->block);
	outbox_rest_on(w, scan.end);
	if (cursor->hash >= STORE_HASH_END) {
		cursor->hash = 0;
		cursor->block++;
	}
	return !exec_scan_is_over(w, cursor);
}

void exec_entries_take(struct exec_entries *entries, size_t n)
{
	DHT_ASSERT(n <= entries->count - entries->taken);
	for (size_t end = entries->taken + n; entries->taken < end; entries->taken++)
		store_unpin(entries->store, entries->items[entries->taken].location);
	if (entries->taken == entries->count) {
		entries->taken = 0;
		entries->count = 0;
		entries->bytes = 0;
	}
}

void exec_entries_fini(struct exec_entries *entries)
{
	exec_entries_take(entries, entries->count - entries->taken);
	free(entries->items);
	*entries = (struct exec_entries){0};
}
