/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/background.h"

#include "base/error.h"
#include "io/clock.h"
#include "worker/committer.h"
#include "worker/exec.h"
#include "worker/worker.h"

enum {
	STEP_BYTES = 16 * 1024, /* gone over between two looks at the clock */
	EXPIRE_STEP = 64,       /* entries looked at under one lock */
};

/* How much of a rate may be saved up. */
#define ALLOWANCE_SAVED_NS (4 * BACKGROUND_PERIOD_NS)

static void lock_group(void *ctx, uint32_t block)
{
	groups_lock(&((struct background *)ctx)->exec->groups, block);
}

static void unlock_group(void *ctx, uint32_t block)
{
	groups_unlock(&((struct background *)ctx)->exec->groups, block);
}

static int expire_met(void *ctx, unsigned appender, const struct store_key *key,
		      struct store_hit *hit)
{
	struct background *b = ctx;
	uint64_t end;
	int rc = local_expire(b->exec->node, appender, key, hit, &end);
	if (rc == 0)
		atomic_fetch_add_explicit(&b->expired, 1, memory_order_relaxed);
	return rc;
}

/* ---- Compaction ------------------------------------------------------------------ */

static bool is_pressed(const struct background *b, enum store_pressure least)
{
	return atomic_load_explicit(&b->pressure, memory_order_relaxed) >= (unsigned)least;
}

/* Goes on until a slice is over, the allowance is used up, or there is nothing to do.
 * Returns true if it should go on. */
static bool compact_slice(struct background *b, struct worker *w)
{
	struct exec *exec = b->exec;
	const struct store_caller caller = {
	    .ctx = b, .lock = lock_group, .unlock = unlock_group, .expire = expire_met};
	uint64_t until_ns = clock_monotonic_ns() + WORKER_SLICE_NS;
	int rc = 0;
	pthread_mutex_lock(&b->step_lock);
	do {
		size_t done = 0;
		rc = store_compact(exec->store, w->index, &caller, STEP_BYTES, &done);
		int64_t left = allowance_take(&b->allowance, done);
		if (left <= (int64_t)done && !is_pressed(b, STORE_PRESSURE_HIGH))
			break;
	} while (rc == 0 && clock_monotonic_ns() < until_ns);
	bool goes_on = rc == 0 && store_is_compacting(exec->store);
	pthread_mutex_unlock(&b->step_lock);
	atomic_store_explicit(&b->compact_waits, rc == DHT_EAGAIN || rc == DHT_ENOSPC,
			      memory_order_relaxed);
	/* Compaction that finds no room wins none either: whoever waits for it is told. */
	if (rc == 0 || rc == DHT_ENOSPC)
		atomic_store_explicit(&b->is_exhausted, rc == DHT_ENOSPC, memory_order_relaxed);
	if (rc == DHT_ECORRUPT)
		committer_fail(b->committer, rc);
	/* What was copied is to be written, and the file to be given back. */
	if (rc != DHT_ENOTFOUND)
		committer_advance(b->committer);
	return goes_on && (is_pressed(b, STORE_PRESSURE_HIGH) || allowance_is_left(&b->allowance));
}

static void run_compact(struct worker *w, struct job *job)
{
	struct background *b = DHT_CONTAINER_OF(job, struct background, compact_job);
	bool goes_on = !worker_is_stopping(w) && compact_slice(b, w);
	if (goes_on && worker_push(w, job, clock_monotonic_ns()) == 0)
		return;
	atomic_store(&b->compact_queued, false);
}

void background_assist(struct background *b, struct worker *w)
{
	if (is_pressed(b, STORE_PRESSURE_SEVERE) && store_is_compacting(b->exec->store))
		(void)compact_slice(b, w);
}

/* ---- Expiry ---------------------------------------------------------------------- */

static void rest(struct background *b)
{
	atomic_store_explicit(&b->expire_rest_ns, clock_monotonic_ns() + BACKGROUND_EXPIRE_REST_NS,
			      memory_order_relaxed);
}

/* Looks at one step of a block. Returns false at the end of the node, or without room. */
static bool expire_step(struct background *b, struct worker *w)
{
	struct exec *exec = b->exec;
	uint64_t expired = b->expiry.expired;
	groups_lock(&exec->groups, b->expire_block);
	int rc = local_expire_block(exec->node, w->index, b->expire_block, clock_expiry_ms(),
				    EXPIRE_STEP, &b->expiry);
	groups_unlock(&exec->groups, b->expire_block);
	atomic_fetch_add_explicit(&b->expired, b->expiry.expired - expired, memory_order_relaxed);
	if (rc == DHT_EDAMAGED)
		committer_fail(b->committer, rc);
	if (rc != 0) {
		rest(b);
		return false;
	}
	if (b->expiry.hash < STORE_HASH_END)
		return true;
	b->expiry = (struct local_expiry){0};
	b->expire_block++;
	if (b->expire_block < store_blocks(exec->store))
		return true;
	b->expire_block = 0;
	expired = atomic_load_explicit(&b->expired, memory_order_relaxed);
	if (expired == b->expired_before)
		rest(b);
	b->expired_before = expired;
	return false;
}

/* One slice a period, however many keys can expire. */
static void run_expire(struct worker *w, struct job *job)
{
	struct background *b = DHT_CONTAINER_OF(job, struct background, expire_job);
	uint64_t until_ns = clock_monotonic_ns() + WORKER_SLICE_NS;
	uint64_t expired = atomic_load_explicit(&b->expired, memory_order_relaxed);
	while (!worker_is_stopping(w) && expire_step(b, w) && clock_monotonic_ns() < until_ns)
		;
	if (atomic_load_explicit(&b->expired, memory_order_relaxed) != expired)
		committer_advance(b->committer);
	atomic_store(&b->expire_queued, false);
}

/* ---- The housekeeper's ----------------------------------------------------------- */

void background_init(struct background *b, struct exec *exec, struct committer *committer,
		     struct worker *workers, unsigned worker_count)
{
	uint64_t rate = atomic_load(&b->allowance.rate);
	uint64_t upkeep_rate = atomic_load(&b->upkeep.allowance.rate);
	*b = (struct background){
	    .exec = exec,
	    .committer = committer,
	    .workers = workers,
	    .worker_count = worker_count,
	    .compact_job = {.run = run_compact, .kind = JOB_background},
	    .expire_job = {.run = run_expire, .kind = JOB_background},
	};
	atomic_init(&b->allowance.rate, rate);
	upkeep_init(&b->upkeep, exec, upkeep_rate);
	verify_init(&b->verify, exec);
	pthread_mutex_init(&b->step_lock, NULL);
}

void background_fini(struct background *b)
{
	verify_fini(&b->verify);
	pthread_mutex_destroy(&b->step_lock);
}

/* On the worker that has least to do. */
static void queue(struct background *b, struct job *job, _Atomic bool *queued)
{
	if (atomic_exchange(queued, true))
		return;
	unsigned best = b->turn++ % b->worker_count;
	for (unsigned i = 0; i < b->worker_count; i++) {
		if (queue_depth(&b->workers[i].queue) < queue_depth(&b->workers[best].queue))
			best = i;
	}
	if (worker_push(&b->workers[best], job, clock_monotonic_ns()) != 0)
		atomic_store(queued, false);
}

static bool is_expiry_due(const struct background *b)
{
	return store_expiring_total(b->exec->store) > 0 &&
	       clock_monotonic_ns() >=
		   atomic_load_explicit(&b->expire_rest_ns, memory_order_relaxed);
}

void background_tick(struct background *b, uint64_t elapsed_ns)
{
	struct store *store = b->exec->store;
	atomic_store_explicit(&b->pressure, store_pressure(store, clock_expiry_ms()),
			      memory_order_relaxed);
	allowance_add(&b->allowance, elapsed_ns, ALLOWANCE_SAVED_NS);
	allowance_add(&b->upkeep.allowance, elapsed_ns, ALLOWANCE_SAVED_NS);
	if (upkeep_is_due(&b->upkeep))
		queue(b, &b->upkeep.job, &b->upkeep.queued);
	if (verify_is_due(&b->verify))
		queue(b, &b->verify.job, &b->verify.queued);
	if (store_is_compacting(store))
		queue(b, &b->compact_job, &b->compact_queued);
	if (is_expiry_due(b))
		queue(b, &b->expire_job, &b->expire_queued);
}

uint64_t background_period_ns(const struct background *b)
{
	bool compacts = store_is_compacting(b->exec->store);
	bool waits = atomic_load_explicit(&b->compact_waits, memory_order_relaxed);
	if ((compacts && !waits) || is_expiry_due(b) || verify_is_due(&b->verify))
		return BACKGROUND_PERIOD_NS;
	uint64_t rest_ns = compacts ? BACKGROUND_REST_NS : UINT64_MAX;
	uint64_t upkeep_ns = upkeep_period_ns(&b->upkeep);
	return upkeep_ns < rest_ns ? upkeep_ns : rest_ns;
}

bool background_may_win_room(const struct background *b)
{
	return store_is_full(b->exec->store) &&
	       !atomic_load_explicit(&b->is_exhausted, memory_order_relaxed);
}
