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

/* Does what is due, one thing after the other. Returns an error of the disk, but for its
 * being full. */
static int keep_house(struct housekeeper *h)
{
	struct store *store = h->committer->store;
	int rc = 0;
	while (rc == 0 && store_wants_segment(store) && !atomic_load(&h->bell.is_over)) {
		rc = store_prepare(store);
		/* It may wait for the segment, or for the news that there is no room. */
		committer_ask(h->committer);
	}
	return rc == DHT_ENOSPC || rc == DHT_ENOMEM ? 0 : rc;
}

static void *housekeeper_main(void *arg)
{
	struct housekeeper *h = arg;
	pthread_setname_np(pthread_self(), "dhtd/house");
	while (bell_wait(&h->bell, clock_monotonic_ns() + HOUSEKEEPER_PERIOD_NS)) {
		int rc = keep_house(h);
		if (rc != 0) {
			committer_fail(h->committer, rc);
			break;
		}
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
