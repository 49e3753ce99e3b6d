/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/committer.h"

#include "base/error.h"
#include "io/clock.h"
#include "worker/worker.h"

#define LONG_NS UINT64_C(100000000) /* of a sync: something is wrong with the disk */

void committer_init(struct committer *c, struct store *store, enum committer_mode mode,
		    const struct committer_events *events)
{
	*c = (struct committer){.store = store, .mode = mode, .events = *events};
	histogram_init(&c->syncs);
	pthread_mutex_init(&c->write_lock, NULL);
	bell_init(&c->bell);
}

void committer_fini(struct committer *c)
{
	DHT_ASSERT(!c->is_running);
	bell_fini(&c->bell);
	pthread_mutex_destroy(&c->write_lock);
}

void committer_fail(struct committer *c, int error)
{
	if (!atomic_exchange(&c->has_failed, true))
		c->events.failed(c->events.ctx, error);
}

static int write_log(struct committer *c)
{
	pthread_mutex_lock(&c->write_lock);
	int rc = store_write(c->store);
	pthread_mutex_unlock(&c->write_lock);
	return rc;
}

static int sync_log(struct committer *c)
{
	uint64_t durable = store_durable(c->store), started = clock_monotonic_ns();
	atomic_store_explicit(&c->sync_ns, started, memory_order_relaxed);
	int rc = store_sync(c->store);
	uint64_t ended = clock_monotonic_ns();
	if (ended - started > LONG_NS)
		atomic_store_explicit(&c->slow_ns, ended, memory_order_relaxed);
	atomic_store_explicit(&c->sync_ns, 0, memory_order_release);
	if (store_durable(c->store) != durable)
		histogram_record(&c->syncs, ended - started);
	return rc;
}

bool committer_was_slow(const struct committer *c, uint64_t since_ns)
{
	uint64_t started = atomic_load_explicit(&c->sync_ns, memory_order_acquire);
	uint64_t slow = atomic_load_explicit(&c->slow_ns, memory_order_relaxed);
	return slow >= since_ns || (started != 0 && clock_monotonic_ns() > started + LONG_NS);
}

/* Sequentially consistent against outbox_sleep and outbox_stall. */
static bool take(_Atomic bool *flag)
{
	return atomic_load(flag) && atomic_exchange(flag, false);
}

/* Those who wait for the mark, and those who wait for room if there is some. The mark is
 * moved with less than sequential consistency: the fence is for that. */
static void wake_workers(struct committer *c)
{
	atomic_thread_fence(memory_order_seq_cst);
	bool has_room = store_has_room(c->store);
	for (unsigned i = 0; i < c->worker_count; i++) {
		struct worker *w = &c->workers[i];
		bool has_waited = take(&w->outbox.awaits);
		if (has_room && take(&w->outbox.awaits_room))
			has_waited = true;
		if (has_waited)
			wake_signal(&w->wake);
	}
}

/* One round: what was appended is written and, where the mode asks for it now, synced;
 * those who wait are told before anything else is done. */
static int commit(struct committer *c, bool syncs)
{
	c->events.committing(c->events.ctx);
	int rc = write_log(c);
	if (rc == 0 && syncs)
		rc = sync_log(c);
	if (rc != 0)
		return rc;
	c->events.committed(c->events.ctx);
	wake_workers(c);
	if (store_wants_turn(c->store)) {
		rc = store_turn(c->store);
		/* Some may wait for the room that came of it. */
		if (rc == 0)
			wake_workers(c);
	}
	if (rc == 0)
		c->events.turned(c->events.ctx);
	return rc;
}

/* Without `always` once in a while, or once in a while if a file waits for it that nothing
 * is needed of any more. */
static bool syncs_now(const struct committer *c, bool is_due)
{
	switch (c->mode) {
	case COMMITTER_ALWAYS:
		return true;
	case COMMITTER_INTERVAL:
		return is_due;
	case COMMITTER_NEVER:
		return is_due && store_wants_sync(c->store);
	}
	DHT_UNREACHABLE();
}

static void *committer_main(void *arg)
{
	struct committer *c = arg;
	pthread_setname_np(pthread_self(), "dhtd/commit");
	uint64_t now_ns = clock_monotonic_ns(), due_ns = now_ns + COMMITTER_INTERVAL_NS;
	while (bell_wait(&c->bell, now_ns + COMMITTER_PERIOD_NS)) {
		now_ns = clock_monotonic_ns();
		bool is_due = now_ns >= due_ns;
		if (is_due)
			due_ns = now_ns + COMMITTER_INTERVAL_NS;
		int rc = commit(c, syncs_now(c, is_due));
		/* Short of memory or descriptors: those who wait go on waiting. */
		if (rc != 0 && rc != DHT_ENOMEM) {
			committer_fail(c, rc);
			break;
		}
	}
	return NULL;
}

int committer_start(struct committer *c, struct worker *workers, unsigned worker_count)
{
	c->workers = workers;
	c->worker_count = worker_count;
	int rc = pthread_create(&c->thread, NULL, committer_main, c);
	if (rc != 0)
		return dht_error_from_errno(rc);
	c->is_running = true;
	return 0;
}

int committer_stop(struct committer *c)
{
	if (c->is_running) {
		bell_end(&c->bell);
		pthread_join(c->thread, NULL);
		c->is_running = false;
	}
	c->worker_count = 0;
	return store_commit(c->store, STORE_SYNC);
}

void committer_advance(struct committer *c)
{
	if (c->mode == COMMITTER_ALWAYS) {
		committer_ask(c);
		return;
	}
	int rc = write_log(c);
	if (rc != 0 && rc != DHT_ENOMEM)
		committer_fail(c, rc);
	else if (store_wants_turn(c->store))
		committer_ask(c);
}
