/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/housekeeper.h"

#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "io/clock.h"

enum { HOUSEKEEPER_NICE = 10 };

void housekeeper_init(struct housekeeper *h, struct committer *committer,
		      struct background *background)
{
	*h = (struct housekeeper){.committer = committer, .background = background};
	bell_init(&h->bell);
}

void housekeeper_fini(struct housekeeper *h)
{
	DHT_ASSERT(!h->is_running);
	bell_fini(&h->bell);
}

static bool is_over(const struct housekeeper *h)
{
	return atomic_load(&h->bell.is_over);
}

/* First of all: whoever appends waits for what is not there when it is needed. */
static void keep_memory_ahead(struct housekeeper *h)
{
	struct store *store = h->committer->store;
	while (store_wants_memory(store) && !is_over(h))
		store_touch_memory(store);
}

/* Makes or removes spare files. The committer may wait for them, or for the news that
 * there is no room. */
static int keep_files(struct housekeeper *h)
{
	struct store *store = h->committer->store;
	int rc = 0;
	bool has_done = false;
	while (rc == 0 && store_wants_segment(store) && !is_over(h)) {
		rc = store_prepare(store);
		has_done = has_done || rc != DHT_ENOMEM;
	}
	if (has_done)
		committer_ask(h->committer);
	return rc;
}

/* Verifies segments and leaves hint files for the next start. One after the other, as the
 * rest must not wait for all of them. */
static int keep_hints(struct housekeeper *h)
{
	struct store *store = h->committer->store;
	struct store_report report;
	if (!store_wants_background(store))
		return 0;
	int rc = store_background(store, &report);
	if (rc == DHT_ECORRUPT)
		LOG_ERROR("store", "msg=\"stored data is damaged\" error=\"%s\"", report.why);
	return rc;
}

/* Lets one segment more be in memory, or not. */
static int keep_memory(struct housekeeper *h, bool *changed)
{
	return store_balance(h->committer->store, changed);
}

/* Chooses what is compacted next. */
static int keep_log(struct housekeeper *h)
{
	struct store *store = h->committer->store;
	uint64_t now_ms = clock_expiry_ms();
	if (store_is_compacting(store) || store_pressure(store, now_ms) == STORE_PRESSURE_NONE)
		return 0;
	int rc = store_compact_begin(store, now_ms);
	atomic_store_explicit(&h->background->is_exhausted, rc == DHT_ENOTFOUND,
			      memory_order_relaxed);
	return rc == DHT_ENOTFOUND ? 0 : rc;
}

/* Want of room, memory or descriptors passes; any other error is the end. Returns true if
 * the task may go on. */
static bool note_result(struct housekeeper *h, int rc, uint64_t now_ns)
{
	if (rc == 0)
		return true;
	if (rc != DHT_ENOSPC && rc != DHT_ENOMEM)
		committer_fail(h->committer, rc);
	/* It would fail again, however often it is asked for. */
	h->rest_until_ns = now_ns + HOUSEKEEPER_PERIOD_NS / 2;
	return false;
}

/* Does what is due, a piece of each, so that none waits for all of another. Returns true
 * if there is more. */
static bool keep_house(struct housekeeper *h, uint64_t now_ns)
{
	bool changed = false;
	keep_memory_ahead(h);
	note_result(h, keep_log(h), now_ns);
	if (now_ns < h->rest_until_ns)
		return false;
	return note_result(h, keep_files(h), now_ns) &&
	       note_result(h, keep_memory(h, &changed), now_ns) &&
	       note_result(h, keep_hints(h), now_ns) &&
	       (changed || store_wants_background(h->committer->store));
}

static void *housekeeper_main(void *arg)
{
	struct housekeeper *h = arg;
	uint64_t ticked_ns = clock_monotonic_ns(), store_ticked_ns = ticked_ns;
	pthread_setname_np(pthread_self(), "dhtd/house");
	/* Linux has a nice value for each thread. What nobody waits for takes the processor
	 * from nobody; if that is not allowed, it is only less polite. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), HOUSEKEEPER_NICE);
	for (;;) {
		uint64_t now_ns = clock_monotonic_ns();
		if (now_ns - store_ticked_ns >= HOUSEKEEPER_PERIOD_NS) {
			store_tick(h->committer->store);
			store_ticked_ns = now_ns;
		}
		bool has_more = keep_house(h, now_ns);
		background_tick(h->background, now_ns - ticked_ns);
		ticked_ns = now_ns;
		uint64_t period_ns = background_period_ns(h->background);
		if (has_more)
			period_ns = BACKGROUND_PERIOD_NS;
		if (period_ns > HOUSEKEEPER_PERIOD_NS)
			period_ns = HOUSEKEEPER_PERIOD_NS;
		/* That it rang early is no matter: it ticks by the time that has passed. */
		if (!bell_wait(&h->bell, now_ns + period_ns))
			return NULL;
	}
}

int housekeeper_start(struct housekeeper *h)
{
	int rc = pthread_create(&h->thread, NULL, housekeeper_main, h);
	if (rc != 0)
		return dht_error_from_errno(rc);
	h->is_running = true;
	return 0;
}

void housekeeper_stop(struct housekeeper *h)
{
	if (!h->is_running)
		return;
	bell_end(&h->bell);
	pthread_join(h->thread, NULL);
	h->is_running = false;
}
