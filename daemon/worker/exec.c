/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/exec.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/clock.h"
#include "node/change.h"
#include "node/local.h"
#include "ring/slot.h"
#include "worker/background.h"
#include "worker/committer.h"
#include "worker/fetch.h"
#include "worker/peers.h"
#include "worker/pending.h"

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

void exec_wait_for(struct worker *w, struct session *s, uint64_t cold)
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

const struct node_effects *exec_effects(struct worker *w)
{
	return &w->cluster.effects;
}

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
	exec_wait_for(w, s, result->cold);
	return DHT_EAGAIN;
}

/* True while this node serves no clients: it joins another cluster. */
static bool is_closed(const struct worker *w)
{
	return atomic_load_explicit(&w->shared->is_closed, memory_order_relaxed);
}

/* ---- Blocks with several replicas -------------------------------------------------- */

static int submit(struct worker *w, struct pending *p, struct node_step *step)
{
	struct exec *exec = exec_of(w);
	uint32_t block = p->task.series.key.block;
	uint64_t most_us =
	    atomic_load_explicit(&w->shared->peers->deadline_us, memory_order_relaxed);
	bool is_told = w->patience_us != 0 && w->patience_us < most_us;
	p->task.deadline_us = step->now_us + (is_told ? w->patience_us : most_us);
	groups_lock(&exec->groups, block);
	int rc = node_submit(exec->node, step, &p->task);
	if (rc == DHT_EAGAIN && step->waits_for == NODE_WAITS_FOR_RECORD)
		store_pin(exec->store, step->cold);
	groups_unlock(&exec->groups, block);
	w->cluster.has_stepped = true;
	w->has_written = true;
	cluster_settle(w);
	if (rc == DHT_EDAMAGED)
		committer_fail(w->shared->committer, rc);
	return rc;
}

void exec_begin(struct worker *w, struct op *op)
{
	struct node_step step;
	struct op_result unused;
	const struct series series = {.key = op->key, .ops = op, .results = &unused, .count = 1};
	struct pending *p = pending_create(w, NULL, &series);
	if (p == NULL)
		return;
	cluster_begin(w, &step, NULL);
	if (submit(w, p, &step) != DHT_EAGAIN)
		return;
	if (step.waits_for == NODE_WAITS_FOR_RECORD)
		store_unpin(exec_of(w)->store, step.cold);
	pending_destroy(w, p);
}

/* Takes a task on for a session: *begun is on its way, or has ended already. DHT_ENOMEM;
 * DHT_EAGAIN: it could not begin, the session waits. */
static int begin_pending(struct worker *w, struct session *s, const struct series *series,
			 struct pending **begun)
{
	struct node_step step;
	struct pending *p = pending_create(w, s, series);
	if (p == NULL)
		return DHT_ENOMEM;
	cluster_begin(w, &step, fetch_list(&s->fetches));
	int rc = submit(w, p, &step);
	if (rc != DHT_EAGAIN) {
		*begun = p;
		return 0;
	}
	pending_destroy(w, p);
	exec_wait_for(w, s, step.waits_for == NODE_WAITS_FOR_RECORD ? step.cold : 0);
	return rc;
}

static void note_failure(struct worker *w, const struct task *task)
{
	int status = task->whole.status;
	if (status != DHT_ENOQUORUM && status != DHT_EUNCERTAIN)
		return;
	w->failure = (struct worker_failure){
	    .slot = ring_slot_of_key(task->series.key.key),
	    .answered = task->answered,
	    .asked = task->asked,
	};
}

/* The first call submits the operations, a later one finds what has come of them. Sets whole, to
 * which the pin of a value goes over. */
static int run_series(struct worker *w, struct session *s, const struct series *series,
		      bool deletes, struct op_result *whole)
{
	*whole = (struct op_result){0};
	struct pending *p = pending_next(s);
	/* What it has asked for before and does not ask for any more is of no use. */
	if (p != NULL && !pending_is_of(p, series->ops, series->count)) {
		pending_drop(w, p);
		p = NULL;
	}
	int rc = p == NULL ? begin_pending(w, s, series, &p) : 0;
	if (rc == DHT_ENOMEM) {
		whole->status = rc;
		return 0;
	}
	if (rc != 0)
		return rc;
	if (!p->is_done) {
		s->under_way->awaited = p;
		s->waits = true;
		return DHT_EAGAIN;
	}
	*whole = p->task.whole;
	p->task.whole.location = 0;
	note_failure(w, &p->task);
	rc = conclude(w, s, deletes, whole);
	if (rc != 0)
		pending_drop(w, p);
	else
		s->under_way->met = p;
	return rc;
}

/* Not in line: what runs alone needs none of it. */
static __attribute__((noinline)) int run_op(struct worker *w, struct session *s, struct op *op,
					    struct op_result *result)
{
	struct op_result unused;
	const struct series series = {.key = op->key, .ops = op, .results = &unused, .count = 1};
	struct op_result whole;
	int rc = run_series(w, s, &series, op->kind == OP_DEL, &whole);
	*result = whole;
	if (rc != 0 || whole.status != 0)
		return rc;
	const struct series *done = &s->under_way->met->task.series;
	*result = done->results[0];
	result->location = whole.location;
	result->is_pinned = whole.is_pinned;
	result->end = whole.end;
	op->now_ms = done->ops[0].now_ms;
	return 0;
}

static __attribute__((noinline)) int run_ops(struct worker *w, struct session *s,
					     struct series *series, bool deletes,
					     struct op_result *whole)
{
	int rc = run_series(w, s, series, deletes, whole);
	if (rc != 0 || whole->status != 0)
		return rc;
	const struct series *done = &s->under_way->met->task.series;
	for (size_t i = 0; i < series->count; i++)
		series->results[i] = done->results[i];
	series_set_time(series, done->now_ms);
	return 0;
}

/* True if what the session asks for next is under way, or done. */
static bool is_begun(const struct session *s)
{
	return s->under_way != NULL && pending_next(s) != NULL;
}

bool exec_is_under_way(const struct session *s)
{
	return s->under_way != NULL && s->under_way->awaited != NULL;
}

enum exec_ahead exec_run_ahead(struct worker *w, struct session *s, struct session_op which,
			       struct op *op)
{
	struct node_step step;
	struct op_result unused;
	if (pending_find(s, which) != NULL)
		return EXEC_AHEAD_BEGUN;
	enum pending_room room = pending_room(s, op);
	if (room == PENDING_ROOM_KEY_TAKEN)
		return EXEC_AHEAD_WAITS;
	const struct series series = {.key = op->key, .ops = op, .results = &unused, .count = 1};
	struct pending *p = room == PENDING_ROOM ? pending_create(w, s, &series) : NULL;
	if (p == NULL)
		return EXEC_AHEAD_FULL;
	p->which = which;
	cluster_begin(w, &step, NULL);
	if (submit(w, p, &step) != DHT_EAGAIN)
		return EXEC_AHEAD_BEGUN;
	if (step.waits_for == NODE_WAITS_FOR_RECORD)
		store_unpin(exec_of(w)->store, step.cold);
	pending_destroy(w, p);
	return EXEC_AHEAD_FULL;
}

/* ---- Blocks of this node alone ------------------------------------------------------ */

int exec_run(struct worker *w, struct session *s, struct op *op, struct op_result *result)
{
	struct exec *exec = exec_of(w);
	if (is_begun(s))
		return run_op(w, s, op, result);
	op->now_ms = clock_expiry_ms();
	op->fetched = fetch_list(&s->fetches);
	groups_lock(&exec->groups, op->key.block);
	if (!node_block_is_local(&exec->node->blocks[op->key.block])) {
		groups_unlock(&exec->groups, op->key.block);
		return run_op(w, s, op, result);
	}
	*result = (struct op_result){.status = is_closed(w) ? DHT_ESTARTING : 0};
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
	if (is_begun(s))
		return run_ops(w, s, series, only_deletes(series), whole);
	series->fetched = fetch_list(&s->fetches);
	groups_lock(&exec->groups, series->key.block);
	if (!node_block_is_local(&exec->node->blocks[series->key.block])) {
		groups_unlock(&exec->groups, series->key.block);
		return run_ops(w, s, series, only_deletes(series), whole);
	}
	*whole = (struct op_result){.status = is_closed(w) ? DHT_ESTARTING : 0};
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
	if (s->under_way != NULL)
		pending_pass(w, s);
}

bool exec_has_more(const struct session *s)
{
	if (pending_is_empty(s))
		return false;
	const struct under_way *u = s->under_way;
	for (const struct list *at = u->all.next; at != &u->all; at = at->next) {
		const struct pending *p = LIST_ENTRY(at, const struct pending, of_session);
		if (p != u->met && p->which.request == u->next.request)
			return true;
	}
	return false;
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

int exec_held_copy(struct exec_held **held, struct bytes from, struct bytes *copy)
{
	if (*held == NULL) {
		*held = malloc(sizeof(**held));
		if (*held == NULL)
			return DHT_ENOMEM;
		(*held)->next = NULL;
		arena_init(&(*held)->arena);
	}
	*copy = bytes_of(NULL, 0);
	return from.len > 0 ? arena_copy(&(*held)->arena, from, copy) : 0;
}

void exec_held_free(struct exec_held *held)
{
	while (held != NULL) {
		struct exec_held *next = held->next;
		arena_fini(&held->arena);
		free(held);
		held = next;
	}
}

int exec_entries_add(struct exec_entries *entries, const struct exec_entry *entry)
{
	if (!has_room(entries))
		return DHT_ENOMEM;
	entries->items[entries->count++] = *entry;
	entries->bytes += entry->key.len + entry->value.len;
	return 0;
}

void exec_entries_hold(struct exec_entries *entries, struct exec_held *held)
{
	if (held == NULL)
		return;
	held->next = entries->held;
	entries->held = held;
}

void exec_entries_take(struct exec_entries *entries, size_t n)
{
	DHT_ASSERT(n <= entries->count - entries->taken);
	for (size_t end = entries->taken + n; entries->taken < end; entries->taken++) {
		struct exec_entry *entry = &entries->items[entries->taken];
		if (entry->fetch != NULL)
			fetch_free(entries->store, entry->fetch);
		else if (entry->location != 0)
			store_unpin(entries->store, entry->location);
	}
	if (entries->taken == entries->count) {
		entries->taken = 0;
		entries->count = 0;
		entries->bytes = 0;
		exec_held_free(entries->held);
		entries->held = NULL;
	}
}

void exec_entries_fini(struct exec_entries *entries)
{
	exec_entries_take(entries, entries->count - entries->taken);
	free(entries->items);
	*entries = (struct exec_entries){0};
}
