/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/queue.h"

#include "base/error.h"

const char *job_kind_name(enum job_kind kind)
{
	static const char *const names[] = {
#define X(name, text) #name,
	    JOB_KINDS(X)
#undef X
	};
	DHT_ASSERT((unsigned)kind < JOB_KIND_COUNT);
	return names[kind];
}

void queue_init(struct queue *q, uint32_t max)
{
	*q = (struct queue){.max = max};
	q->tail = &q->head;
	pthread_mutex_init(&q->lock, NULL);
}

void queue_fini(struct queue *q)
{
	DHT_ASSERT(q->head == NULL);
	pthread_mutex_destroy(&q->lock);
}

/* Appends job and gives the lock back. Returns whether the consumer has to be woken. */
static bool append_and_unlock(struct queue *q, struct job *job, uint64_t now_ns)
{
	job->next = NULL;
	job->queued_ns = now_ns;
	*q->tail = job;
	q->tail = &job->next;
	/* Sequentially consistent against queue_sleep: either the consumer sees this
	 * depth, or this thread sees that it sleeps. */
	uint32_t depth = atomic_fetch_add(&q->depth, 1) + 1;
	if (depth > atomic_load_explicit(&q->depth_max, memory_order_relaxed))
		atomic_store_explicit(&q->depth_max, depth, memory_order_relaxed);
	pthread_mutex_unlock(&q->lock);
	return atomic_load(&q->sleeping) && atomic_exchange(&q->sleeping, false);
}

int queue_push(struct queue *q, struct job *job, uint64_t now_ns, bool *wake)
{
	*wake = false;
	pthread_mutex_lock(&q->lock);
	/* Sequentially consistent, as is queue_started: a producer that says, before it
	 * finds the queue full, that it waits is seen by a consumer that looks for it after
	 * making room; or there is room. */
	if (atomic_load(&q->depth) >= q->max) {
		atomic_fetch_add_explicit(&q->full, 1, memory_order_relaxed);
		pthread_mutex_unlock(&q->lock);
		return DHT_EFULL;
	}
	*wake = append_and_unlock(q, job, now_ns);
	return 0;
}

void queue_push_beyond(struct queue *q, struct job *job, uint64_t now_ns, bool *wake)
{
	pthread_mutex_lock(&q->lock);
	*wake = append_and_unlock(q, job, now_ns);
}

struct job *queue_take(struct queue *q)
{
	if (queue_depth(q) == 0)
		return NULL;
	pthread_mutex_lock(&q->lock);
	struct job *all = q->head;
	q->head = NULL;
	q->tail = &q->head;
	pthread_mutex_unlock(&q->lock);
	return all;
}

void queue_started(struct queue *q)
{
	uint32_t before = atomic_fetch_sub(&q->depth, 1);
	DHT_ASSERT(before > 0);
}

bool queue_sleep(struct queue *q)
{
	atomic_store(&q->sleeping, true);
	if (atomic_load(&q->depth) == 0)
		return true;
	queue_awake(q);
	return false;
}

void queue_awake(struct queue *q)
{
	atomic_store_explicit(&q->sleeping, false, memory_order_relaxed);
}
