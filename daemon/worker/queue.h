/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/queue - bounded queue of jobs: many producers, one consumer.
 *
 * Why     The dispatcher must never wait for a slow worker, so a full queue is
 *         reported to the caller; it neither grows nor blocks. The consumer takes
 *         everything at once, so the lock is held for a few instructions only.
 * Owns    The links of the jobs that are in it, not the jobs.
 * Thread  push, depth: any. take: the owning worker only.
 * Errors  push: DHT_EFULL. Nothing else can fail.
 */
#ifndef DHT_WORKER_QUEUE_H
#define DHT_WORKER_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "worker/job.h"

struct queue {
	pthread_mutex_t lock; /* head, tail and changes of depth */
	struct job *head, **tail;
	uint32_t max;
	_Atomic uint32_t depth;     /* jobs pushed and not yet started */
	_Atomic uint32_t depth_max; /* its high-water mark */
	_Atomic uint64_t full;      /* pushes refused */
	_Atomic bool sleeping;      /* the consumer waits, or is about to */
};

void queue_init(struct queue *q, uint32_t max);
void queue_fini(struct queue *q);

/* Appends job, stamped with now_ns. *wake tells whether the consumer sleeps and has
 * to be woken by the caller. DHT_EFULL leaves the job with the caller. */
int queue_push(struct queue *q, struct job *job, uint64_t now_ns, bool *wake) DHT_MUST_CHECK;

/* Appends job even if the queue is full: for the few jobs that must not depend on the
 * load, whose number the caller bounds. */
void queue_push_beyond(struct queue *q, struct job *job, uint64_t now_ns, bool *wake);

/* Takes all jobs, in the order of their arrival, linked by next; NULL if none. They
 * count as waiting until queue_started() was called for each. */
struct job *queue_take(struct queue *q);
void queue_started(struct queue *q);

/* Says that the consumer is going to sleep. Returns false when a job is there
 * already: then it must not. queue_awake() takes it back. */
bool queue_sleep(struct queue *q);
void queue_awake(struct queue *q);

static inline uint32_t queue_depth(const struct queue *q)
{
	return atomic_load_explicit(&q->depth, memory_order_relaxed);
}

#endif
