/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reseed.h"

#include <stdio.h>

#include "base/error.h"
#include "io/wake.h"

static void *reseed_main(void *arg)
{
	struct reseed *r = arg;
	struct wake *wake = r->wake;
	pthread_setname_np(pthread_self(), "dhtd/seed");
	r->rc = identity_set_seed(r->os, &r->identity, r->seed, r->why);
	atomic_store(&r->is_over, true);
	wake_signal(wake);
	return NULL;
}

static int start(struct reseed *r, char why[IDENTITY_WHY_MAX])
{
	int error = pthread_create(&r->thread, NULL, reseed_main, r);
	if (error == 0) {
		r->is_running = true;
		return DHT_EAGAIN;
	}
	int rc = dht_error_from_errno(error);
	snprintf(why, IDENTITY_WHY_MAX, "no thread to write the identity: %s", dht_error_text(rc));
	return rc;
}

void reseed_stop(struct reseed *r)
{
	if (!r->is_running)
		return;
	pthread_join(r->thread, NULL);
	r->is_running = false;
}

int reseed_go_on(struct reseed *r, const struct store_os *os, struct identity *identity,
		 uint64_t seed, struct wake *wake, char why[IDENTITY_WHY_MAX])
{
	if (r->is_running) {
		if (!atomic_load(&r->is_over))
			return DHT_EAGAIN;
		reseed_stop(r);
		if (r->rc != 0) {
			snprintf(why, IDENTITY_WHY_MAX, "%s", r->why);
			return r->rc;
		}
		*identity = r->identity;
	}
	if (identity->hash_seed == seed)
		return 0;
	*r = (struct reseed){.os = os, .wake = wake, .identity = *identity, .seed = seed};
	return start(r, why);
}
