/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/housekeeper.h"

#include "base/error.h"
#include "io/clock.h"

void housekeeper_init(struct housekeeper *h, struct committer *committer)
{
	*h = (struct housekeeper){.committer = committer};
	bell_init(&h->bell);
}

void housekeeper_fini(struct housekeeper *h)
{
	DHT_ASSERT(!h->is_running);
	bell_fini(&h->bell);
}

/* Does what is due, one thing after the other, and tells the committer, which may wait for
 * it. Returns an error of the disk. */
static int keep_house(struct housekeeper *h)
{
	struct store *store = h->committer->store;
	int rc = 0;
	bool has_done = false;
	while (rc == 0 && store_wants_segment(store) && !atomic_load(&h->bell.is_over)) {
		rc = store_prepare(store);
		has_done = has_done || rc != DHT_ENOMEM;
	}
	if (has_done)
		committer_ask(h->committer);
	return rc;
}

static bool is_passing(int error)
{
	return error == DHT_ENOSPC || error == DHT_ENOMEM;
}

static void *housekeeper_main(void *arg)
{
	struct housekeeper *h = arg;
	pthread_setname_np(pthread_self(), "dhtd/house");
	uint64_t rest_until_ns = 0;
	for (;;) {
		uint64_t now_ns = clock_monotonic_ns();
		if (!bell_wait(&h->bell, now_ns + HOUSEKEEPER_PERIOD_NS))
			break;
		/* What has just failed fails again: however often it is asked for. */
		now_ns = clock_monotonic_ns();
		if (now_ns < rest_until_ns)
			continue;
		int rc = keep_house(h);
		if (is_passing(rc))
			rest_until_ns = now_ns + HOUSEKEEPER_PERIOD_NS / 2;
		else if (rc != 0)
			committer_fail(h->committer, rc);
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
