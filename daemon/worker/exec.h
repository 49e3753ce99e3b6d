/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/exec - runs operations from a worker's thread, for clients and for the upkeep.
 *
 * Why     The one place where operations meet the pure core under the lock of their group, and
 *         where what a result points to is kept alive behind the lock.
 * Thread  a worker, holding no group.
 */
#ifndef DHT_WORKER_EXEC_H
#define DHT_WORKER_EXEC_H

#include "base/arena.h"
#include "node/node.h"
#include "worker/groups.h"
#include "worker/pending.h"
#include "worker/worker.h"

/* What the workers of a node operate on. */
struct exec {
	struct node *node;
	struct store *store;
	struct groups groups;
	uint64_t value_max; /* bytes: store.max_value_size */
};

static inline struct exec *exec_of(const struct worker *w)
{
	return w->shared->exec;
}

/* How the steps that a worker makes take effect: for node_step.effects. What they tell is done by
 * cluster_settle, or at the end of the round. */
const struct node_effects *exec_effects(struct worker *w);

/* Derives the hash and the block of a key. */
static inline struct store_key exec_key(const struct worker *w, struct bytes key)
{
	return node_key(exec_of(w)->node, key);
}

/* Asks for the memory that an operation on the key will look at: first for its place in the
 * index, then, when that has come, for its record. Hints only. */
static inline void exec_prefetch_index(const struct worker *w, const struct store_key *key)
{
	store_prefetch_index(exec_of(w)->store, key);
}
void exec_prefetch_record(const struct worker *w, const struct store_key *key);

/* Runs op, whose key is one of exec_key, for a session: reads the clock into now_ms, locks
 * the group, steps. Where the result has a value, its segment is pinned: exec_done releases
 * it. The replies being collected rest on what was done (worker/outbox).
 * DHT_EAGAIN: session->waits is set: the caller leaves the request where it is and gives it
 * again, the same, when the session is served next. exec_done is not called then. With several
 * replicas the operation may be under way then, and this its second half; it has a deadline
 * (struct peers). With DHT_ENOQUORUM nothing was done, with DHT_EUNCERTAIN that is not known:
 * w->failure says more. */
int exec_run(struct worker *w, struct session *s, struct op *op,
	     struct op_result *result) DHT_MUST_CHECK;
void exec_done(struct worker *w, struct session *s, const struct op_result *result);

/* The same for a series of operations (node/series.h), whose now_ms the caller has read from
 * the clock: exec_done is for whole, and values of the results last until then. */
int exec_run_series(struct worker *w, struct session *s, struct series *series,
		    struct op_result *whole) DHT_MUST_CHECK;

/* Lets the session wait for a record that is pinned for it, to be fetched, or, without a record
 * (0), for room; its request is given again then. */
void exec_wait_for(struct worker *w, struct session *s, uint64_t cold);

/* ---- Requests behind one that waits ------------------------------------------------------- */

/* True if the session waits for an operation of its next request that is on its way. */
bool exec_is_under_way(const struct session *s);

enum exec_ahead {
	EXEC_AHEAD_BEGUN, /* it is under way, or was done */
	EXEC_AHEAD_WAITS, /* for another one of the session, on the same key */
	EXEC_AHEAD_FULL,  /* no more are begun now */
};

/* Begins an operation whose turn has not come, while another one is waited for; exec_run finds it
 * at its turn. The caller begins none on a key on which an earlier one has to wait. */
enum exec_ahead exec_run_ahead(struct worker *w, struct session *s, struct session_op which,
			       struct op *op) DHT_MUST_CHECK;

/* True if more than the operation that exec_run has told of was begun of the next request. */
bool exec_has_more(const struct session *s);

/* The session's next request is over: what was begun of it and not asked for is of no use. */
static inline void exec_end_request(struct worker *w, struct session *s)
{
	if (s->under_way != NULL)
		pending_pass_request(w, s);
}

/* Runs an operation for nobody, whatever comes of it; nothing where it cannot begin now. */
void exec_begin(struct worker *w, struct op *op);

/* Returns the bytes that a key takes, its share of the index included, while the result of
 * an operation on it is there: 0 if it was removed meanwhile. */
uint64_t exec_stored_bytes(const struct worker *w, struct session *s, const struct store_key *key);

struct fetch;

/* What entries lie in that came from other nodes. */
struct exec_held {
	struct exec_held *next;
	struct arena arena;
};

/* Copies bytes into *held, which is made if it is NULL; DHT_ENOMEM. free gives all of it back. */
int exec_held_copy(struct exec_held **held, struct bytes from, struct bytes *copy) DHT_MUST_CHECK;
void exec_held_free(struct exec_held *held);

/* A visited entry, which stays until it is taken. */
struct exec_entry {
	struct bytes key, value;
	uint64_t expires_ms;
	uint64_t location;   /* of the record, pinned; 0: it is held */
	bool is_bare;        /* the value is not there: it has to be read (worker/scan.h) */
	struct fetch *fetch; /* what it lies in if it was fetched; NULL otherwise */
};

/* The collected entries; those before `taken` were unpinned already. */
struct exec_entries {
	struct store *store; /* that they are pinned in; NULL before the first scan */
	struct exec_entry *items;
	size_t taken, count, cap;
	size_t bytes; /* of the keys and values of all that were collected */
	struct exec_held *held;
	bool no_memory;
};

/* Where a scan of the whole node stands. Starts as zeros. */
struct exec_cursor {
	uint32_t block, hash;
	bool meets_cold; /* steps are small */
};

/* Collects the next values (no tombstones) whose keys begin with prefix, until about
 * max entries were looked at, all in one block. Entries that are there from the first call
 * to the last are collected. DHT_EAGAIN: the session waits, the call is to be repeated. */
int exec_scan(struct worker *w, struct session *s, struct exec_cursor *cursor, struct bytes prefix,
	      unsigned max, struct exec_entries *entries) DHT_MUST_CHECK;
bool exec_scan_is_over(const struct worker *w, const struct exec_cursor *cursor);

/* Appends one whose key and value are held by the array: exec_entries_hold. */
int exec_entries_add(struct exec_entries *entries, const struct exec_entry *entry) DHT_MUST_CHECK;
void exec_entries_hold(struct exec_entries *entries, struct exec_held *held);

/* Gives up the next n entries. When none is left the array is empty again. */
void exec_entries_take(struct exec_entries *entries, size_t n);

/* Gives up whatever is left and frees the array. */
void exec_entries_fini(struct exec_entries *entries);

#endif
