/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/bell - wakes a thread that works when it is asked to, or when something is due.
 *
 * Thread  bell_ring, bell_end: any. bell_wait: the one thread that the bell is for.
 */
#ifndef DHT_WORKER_BELL_H
#define DHT_WORKER_BELL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

struct bell {
	pthread_mutex_t lock;
	pthread_cond_t rung;
	_Atomic bool is_rung;
	_Atomic bool is_over;
};

void bell_init(struct bell *b);
void bell_fini(struct bell *b);

/* Ends the running wait, or the next one. Cheap while it is rung already. */
void bell_ring(struct bell *b);

/* Lets every wait end at once from now on. */
void bell_end(struct bell *b);

/* Waits until it rings, until due_ns of the monotonic clock, or for the end. Returns false
 * for the end. */
bool bell_wait(struct bell *b, uint64_t due_ns) DHT_MUST_CHECK;

#endif
