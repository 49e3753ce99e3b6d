/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/fence - tells when every worker has ended what it was doing.
 *
 * Why     Who closes a door for all workers must know when the last one is through.
 * Owns    A job for each worker.
 * Thread  fence_begin, fence_is_over: the dispatcher.
 * Errors  DHT_ENOMEM at the start.
 */
#ifndef DHT_WORKER_FENCE_H
#define DHT_WORKER_FENCE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/assert.h"

struct fence_job;
struct wake;
struct worker;

struct fence {
	struct worker *workers;
	unsigned worker_count;
	struct wake *wake; /* of who waits */
	struct fence_job *jobs;
	_Atomic unsigned missing; /* workers */
	bool is_begun;
};

int fence_init(struct fence *f, struct worker *workers, unsigned worker_count,
	       struct wake *wake) DHT_MUST_CHECK;
void fence_fini(struct fence *f);

/* From here on it is waited for all workers, once each; no other fence is under way. */
void fence_begin(struct fence *f);

/* True once, when all of them have run a job that came behind fence_begin. */
bool fence_is_over(struct fence *f);

#endif
