/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/exec.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/clock.h"
#include "node/change.h"
#include "node/local.h"
#include "worker/background.h"
#include "worker/committer.h"
#include "worker/fetch.h"

enum {
	/* Entries of a step, and records that one reads at once, after cold ones were met. */
	SCAN_COLD_STEP = 8,
	SCAN_COLD_MAX = 64,
};

/* Lets the session's request be given again, now that its records are at hand. */
static void fetched(struct worker *w, struct fetches *owner, int rc)
{
	struct session *s = DHT_CONTAINER_OF(owner, struct session, fetches);
	if (rc != 0) {
		outbox_stall(w, s, OUTBOX_LATER);
		return;
	}
	s->waits = false;
	worker_make_ready(w, s);
}

/* The session waits for a record that is pinned for it. DHT_ENOMEM: the pin stays. */
static int fetch(struct worker *w, struct session *s, uint64_t location)
{
	int rc = fetch_start(w, &s->fetches, location, fetched);
	if (rc == 0)
		s->waits = true;
	return rc;
}

/* Lets the session wait for what the operation has met. */
static void wait_for(struct worker *w, struct session *s, uint64_t cold)
{
	if (cold == 0) {
		outbox_stall(w, s, OUTBOX_ROOM);
		return;
	}
	if (fetch(w, s, cold) != 0) {
		store_unpin(exec_of(w)->store, cold);
		outbox_stall(w, s, OUTBOX_LATER);
	}
}

/* ---- Effects ----------------------------------------------------------------------- */

/* What has tasks under way tells them; nothing has, as long as all operations are single steps
 * (node/local.h). */
static void no_send(void *ctx, const uint16_t *to, unsigned count, const struct message *m,
		    uint64_t rests_on)
{
	(void)ctx, (void)to, (void)count, (void)m, (void)rests_on;
	DHT_UNREACHABLE();
}

static void no_task(void *ctx, struct task *task)
{
	(void)ctx, (void)task;
	DHT_UNREACHABLE();
}

static void no_timer(void *ctx, const struct node_timer *timer, uint64_t delay_us)
{
	(void)ctx, (void)timer, (void)delay_us;
	DHT_UNREACHABLE();
}

static void no_wish(void *ctx, uint16_t from)
{
	(void)ctx, (void)from;
	DHT_UNREACHABLE();
}

const struct node_effects *exec_effects(struct worker *w)
{
	static const struct node_effects none = {NULL, no_send, no_task, no_timer, no_wish};
	(void)w;
	return &none;
}

/* ---- Operations -------------------------------------------------------------------- */

void exec_prefetch_record(const struct worker *w, const struct store_key *key)
{
	struct exec *exec = exec_of(w);
	groups_lock(&exec->groups, key->block);
	store_prefetch_record(exec->store, key);
	groups_unlock(&exec->groups, key->block);
}

/* Under the group's lock: keeps what the caller will need behind it. */
static void keep(const struct exec *exec, const struct op_result *result)
{
	if (result->cold != 0)
		store_pin(exec->store, result->cold);
	else if (result->location != 0 && !result->is_pinned)
		store_pin(exec->store, result->location);
}

/* What follows from a result: 0, or DHT_EAGAIN where the session has to wait. */
static int conclude(struct worker *w, struct session *s, bool deletes,
		    const struct op_result *result)
{
	outbox_rest_on(w, result->end);
	if (result->status == DHT_EDAMAGED)
		committer_fail(w->shared->committer, DHT_EDAMAGED);
	/* Deletes go on while the disk is full: what the last ones gave back is on its way. */
	if (result->status == DHT_ENOSPC && deletes &&
	    background_may_win_room(w->shared->background)) {
		outbox_stall(w, s, OUTBOX_LATER);
		return DHT_EAGAIN;
	}
	if (result->status != DHT_EAGAIN)
		return 0;
	wait_for(w, s, result->cold);
	return DHT_EAGAIN;
}

/* Why no operation on the block may run: 0 if it may. Under the lock of its group. */
static int refuse(const struct worker *w, uint32_t block)
{
	if (atomic_load_explicit(&w->shared->is_closed, memory_order_relaxed))
		return DHT_ESTARTING;
	return node_block_is_alone(&exec_of(w)->node->blocks[block]) ? 0 : DHT_ENOQUORUM;
}

int exec_run(struct worker *w, struct session *s, struct op *op, struct op_result *result)
{
	struct exec *exec = exec_of(w);
	op->now_ms = clock_expiry_ms();
	op->fetched = fetch_list(&s->fetches);
	groups_lock(&exec->groups, op->key.block);
	*result = (struct op_result){.status = refuse(w, op->key.block)};
	if (result->status == 0)
		local_run(exec->node, w->index, op, result);
	keep(exec, result);
	groups_unlock(&exec->groups, op->key.block);
	w->has_written = w->has_written || op_writes(op->kind);
	return conclude(w, s, op->kind == OP_DEL, result);
}

static bool only_deletes(const struct series *series)
{
	for (size_t i = 0; i < series->count; i++) {
		if (series->ops[i].kind != OP_DEL)
			return false;
	}
	return true;
}

int exec_run_series(struct worker *w, struct session *s, struct series *series,
		    struct op_result *whole)
{
	struct exec *exec = exec_of(w);
	series->fetched = fetch_list(&s->fetches);
	groups_lock(&exec->groups, series->key.block);
	*whole = (struct op_result){.status = refuse(w, series->key.block)};
	if (whole->status == 0)
		local_run_series(exec->node, w->index, series, whole);
	keep(exec, whole);
	groups_unlock(&exec->groups, series->key.block);
	w->has_written = true;
	return conclude(w, s, only_deletes(series), whole);
}

void exec_done(struct worker *w, struct session *s, const struct op_result *result)
{
	if (result->location != 0)
		store_unpin(exec_of(w)->store, result->location);
	if (!list_is_empty(&s->fetches.all))
		fetch_release(w, &s->fetches);
}

uint64_t exec_stored_bytes(const struct worker *w, struct session *s, const struct store_key *key)
{
	struct exec *exec = exec_of(w);
	struct store_hit hit;
	uint64_t bytes = 0;
	groups_lock(&exec->groups, key->block);
	if (store_find(exec->store, key, fetch_list(&s->fetches), &hit) == STORE_FOUND)
		bytes = record_size(&hit.record) + store_entry_bytes(exec->store, key->block);
	groups_unlock(&exec->groups, key->block);
	return bytes;
}

struct scan {
	struct exec *exec;
	struct session *session;
	uint64_t end; /* what was seen rests on */
	struct bytes prefix;
	uint64_t now_ms;
	struct exec_entries *entries;
	unsigned cold_count; /* met without being at hand, and pinned */
	uint64_t cold[SCAN_COLD_MAX];
	bool is_cold; /* some were, and at hand */
	bool is_damaged;
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

/* A cold record, which the step has to be repeated with; more than fit come then. */
static void collect_cold(struct scan *scan, uint64_t location)
{
	if (scan->cold_count == SCAN_COLD_MAX)
		return;
	store_pin(scan->exec->store, location);
	scan->cold[scan->cold_count++] = location;
}

static void collect(void *ctx, uint32_t block, enum store_found found, const struct store_hit *hit)
{
	struct scan *scan = ctx;
	const struct record *r = &hit->record;
	if (found == STORE_DAMAGED)
		scan->is_damaged = true;
	if (found == STORE_COLD)
		collect_cold(scan, hit->location);
	if (found != STORE_FOUND)
		return;
	uint64_t end = store_rests_on(scan->exec->store, block, hit);
	if (end > scan->end)
		scan->end = end;
	if (r->kind != RECORD_VALUE || r->key.len < scan->prefix.len ||
	    (scan->prefix.len > 0 && memcmp(r->key.data, scan->prefix.data, scan->prefix.len) != 0))
		return;
	if (change_is_expired(r, scan->now_ms) || !has_room(scan->entries))
		return;
	if (hit->is_fetched)
		scan->is_cold = true;
	else
		store_pin(scan->exec->store, hit->location);
	scan->entries->items[scan->entries->count++] = (struct exec_entry){
	    .key = r->key,
	    .value = r->value,
	    .expires_ms = r->expires_ms,
	    .location = hit->location,
	    .fetch = hit->is_fetched ? fetch_take(&scan->session->fetches, hit->location) : NULL,
	};
	scan->entries->bytes += r->key.len + r->value.len;
}

bool exec_scan_is_over(const struct worker *w, const struct exec_cursor *cursor)
{
	return cursor->block >= store_blocks(exec_of(w)->store);
}

/* Takes the last entry back; what was fetched for it is at hand for the next try. */
static void pop_entry(struct exec_entries *entries, struct session *s)
{
	struct exec_entry *entry = &entries->items[--entries->count];
	entries->bytes -= entry->key.len + entry->value.len;
	if (entry->fetch != NULL)
		list_push_tail(&s->fetches.all, &entry->fetch->link);
	else
		store_unpin(entries->store, entry->location);
}

/* The step met cold records: it is undone, and repeated when the first of them are there. */
static void fetch_and_repeat(struct worker *w, struct session *s, struct scan *scan, size_t before)
{
	while (scan->entries->count > before)
		pop_entry(scan->entries, s);
	for (unsigned i = 0; i < scan->cold_count; i++) {
		if (i >= SCAN_COLD_STEP || fetch(w, s, scan->cold[i]) != 0)
			store_unpin(scan->exec->store, scan->cold[i]);
	}
	if (!s->waits)
		outbox_stall(w, s, OUTBOX_LATER); /* no memory for a single one */
}

int exec_scan(struct worker *w, struct session *s, struct exec_cursor *cursor, struct bytes prefix,
	      unsigned max, struct exec_entries *entries)
{
	struct exec *exec = exec_of(w);
	if (exec_scan_is_over(w, cursor))
		return 0;
	struct scan scan = {
	    .exec = exec,
	    .session = s,
	    .prefix = prefix,
	    .now_ms = clock_expiry_ms(),
	    .entries = entries,
	};
	size_t before = entries->count;
	if (cursor->meets_cold && max > SCAN_COLD_STEP)
		max = SCAN_COLD_STEP;
	entries->store = exec->store;
	groups_lock(&exec->groups, cursor->block);
	scan.end = store_rests_on(exec->store, cursor->block, &(struct store_hit){0});
	uint32_t next = store_scan(exec->store, cursor->block, cursor->hash, max,
				   fetch_list(&s->fetches), collect, &scan);
	groups_unlock(&exec->groups, cursor->block);
	if (scan.is_damaged)
		committer_fail(w->shared->committer, DHT_EDAMAGED);
	if (scan.cold_count > 0) {
		cursor->meets_cold = true;
		fetch_and_repeat(w, s, &scan, before);
		return DHT_EAGAIN;
	}
	cursor->meets_cold = scan.is_cold;
	fetch_release(w, &s->fetches);
	outbox_rest_on(w, scan.end);
	cursor->hash = next;
	if (next >= STORE_HASH_END) {
		cursor->hash = 0;
		cursor->block++;
	}
	return 0;
}

void exec_entries_take(struct exec_entries *entries, size_t n)
{
	DHT_ASSERT(n <= entries->count - entries->taken);
	for (size_t end = entries->taken + n; entries->taken < end; entries->taken++) {
		struct exec_entry *entry = &entries->items[entries->taken];
		if (entry->fetch != NULL)
			fetch_free(entries->store, entry->fetch);
		else
			store_unpin(entries->store, entry->location);
	}
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
