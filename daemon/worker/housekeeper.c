/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/housekeeper.h"

#include "base/error.h"
#include "io/clock.h"

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

static bool is_passing(int error)
{
	return error == DHT_ENOSPC || error == DHT_ENOMEM;
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

static int keep_memory(struct housekeeper *h)
{
	int rc = 0;
	bool changed = true;
	while (rc == 0 && changed && !is_over(h))
		rc = store_balance(h->committer->store, &changed);
	return rc;
}

/* Chooses what is compacted next. */
static int keep_log(struct housekeeper *h)
{
	struct store *store = h->committer->store;
	if (store_is_compacting(store) || store_pressure(store) == STORE_PRESSURE_NONE)
		return 0;
	int rc = store_compact_begin(store);
	return rc == DHT_ENOTFOUND ? 0 : rc;
}

/* Does what is due, one thing after the other. What has just failed for want of room,
 * memory or descriptors fails again, however often it is asked for: it rests. */
static void keep_house(struct housekeeper *h, uint64_t now_ns)
{
	if (now_ns >= h->rest_until_ns) {
		int rc = keep_files(h), other = keep_memory(h);
		if (is_passing(rc) || is_passing(other))
			h->rest_until_ns = now_ns + HOUSEKEEPER_PERIOD_NS / 2;
		if (rc != 0 && !is_passing(rc))
			committer_fail(h->committer, rc);
		if (other != 0 && !is_passing(other))
			committer_fail(h->committer, other);
	}
	int rc = keep_log(h);
	if (rc != 0 && !is_passing(rc))
		committer_fail(h->committer, rc);
}

static void *housekeeper_main(void *arg)
{
	struct housekeeper *h = arg;
	uint64_t ticked_ns = clock_monotonic_ns();
	pthread_setname_np(pthread_self(), "dhtd/house");
	while (!is_over(h)) {
		uint64_t now_ns = clock_monotonic_ns();
		keep_house(h, now_ns);
		background_tick(h->background, now_ns - ticked_ns);
		ticked_ns = now_ns;
		uint64_t period_ns =
		    background_wants(h->background) ? BACKGROUND_PERIOD_NS : HOUSEKEEPER_PERIOD_NS;
		/* That it rang early is no matter: it ticks by the time that has passed. */
		if (!bell_wait(&h->bell, now_ns + period_ns))
			break;
	}
	return NULL;
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
