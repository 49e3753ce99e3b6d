/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/housekeeper - the thread for work that takes as long as the disk likes.
 *
 * Why     Filling a new segment file with zeros or reading one whole would keep a worker,
 *         the committer or a reader from what somebody waits for.
 * Owns    The right to call store_prepare, store_touch_memory, store_tick, store_balance and
 *         store_compact_begin, and to tick the background work.
 * Thread  housekeeper_ask: any. The rest: the server.
 * Errors  A full disk is tried again every HOUSEKEEPER_PERIOD_NS; anything else is told to
 *         the committer's `failed`.
 */
#ifndef DHT_WORKER_HOUSEKEEPER_H
#define DHT_WORKER_HOUSEKEEPER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "worker/background.h"
#include "worker/committer.h"

#define HOUSEKEEPER_PERIOD_NS UINT64_C(1000000000)

struct housekeeper {
	struct committer *committer;
	struct background *background;
	uint64_t rest_until_ns; /* what needs room is not tried before */
	struct bell bell;
	bool is_running;
	pthread_t thread;
};

void housekeeper_init(struct housekeeper *h, struct committer *committer,
		      struct background *background);
void housekeeper_fini(struct housekeeper *h);
int housekeeper_start(struct housekeeper *h) DHT_MUST_CHECK;

/* Ends the thread once what it is doing is done: before the committer is stopped. */
void housekeeper_stop(struct housekeeper *h);

/* Says that there is something to do. */
static inline void housekeeper_ask(struct housekeeper *h)
{
	bell_ring(&h->bell);
}

#endif
