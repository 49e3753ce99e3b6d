/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "worker/queue.h"
#include "unit.h"

START_TEST(queue_hands_jobs_out_in_order_and_counts_depth)
{
	struct queue q;
	struct job jobs[3];
	bool wake;
	queue_init(&q, 8);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(queue_push(&q, &jobs[i], (uint64_t)i, &wake), 0);
	ck_assert(!wake);
	ck_assert_uint_eq(queue_depth(&q), 3);
	struct job *job = queue_take(&q);
	for (int i = 0; i < 3; i++, job = job->next) {
		ck_assert_ptr_eq(job, &jobs[i]);
		ck_assert_uint_eq(job->queued_ns, (uint64_t)i);
		queue_started(&q);
		ck_assert_uint_eq(queue_depth(&q), (unsigned)(2 - i));
	}
	ck_assert_ptr_null(job);
	ck_assert_ptr_null(queue_take(&q));
	ck_assert_uint_eq(atomic_load(&q.depth_max), 3);
	queue_fini(&q);
}
END_TEST

START_TEST(queue_refuses_what_is_beyond_its_bound_until_jobs_have_started)
{
	struct queue q;
	struct job jobs[3];
	bool wake;
	queue_init(&q, 2);
	ck_assert_int_eq(queue_push(&q, &jobs[0], 0, &wake), 0);
	ck_assert_int_eq(queue_push(&q, &jobs[1], 0, &wake), 0);
	ck_assert_int_eq(queue_push(&q, &jobs[2], 0, &wake), DHT_EFULL);
	/* Taken is not started: the bound is on what waits. */
	struct job *first = queue_take(&q);
	ck_assert_ptr_eq(first, &jobs[0]);
	ck_assert_int_eq(queue_push(&q, &jobs[2], 0, &wake), DHT_EFULL);
	queue_started(&q);
	ck_assert_int_eq(queue_push(&q, &jobs[2], 0, &wake), 0);
	ck_assert_uint_eq(atomic_load(&q.full), 2);
	ck_assert_ptr_eq(queue_take(&q), &jobs[2]);
	queue_fini(&q);
}
END_TEST

START_TEST(queue_wakes_a_sleeper_once)
{
	struct queue q;
	struct job jobs[2];
	bool wake;
	queue_init(&q, 8);
	ck_assert(queue_sleep(&q));
	ck_assert_int_eq(queue_push(&q, &jobs[0], 0, &wake), 0);
	ck_assert(wake);
	ck_assert_int_eq(queue_push(&q, &jobs[1], 0, &wake), 0);
	ck_assert(!wake);
	ck_assert(!queue_sleep(&q));
	queue_take(&q);
	queue_fini(&q);
}
END_TEST

enum { PRODUCERS = 4, PER_PRODUCER = 20000 };

struct numbered {
	struct job job;
	int producer, number;
};

static struct queue shared;
static pthread_mutex_t doorbell_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t doorbell = PTHREAD_COND_INITIALIZER;
static int rings;

static void *produce(void *arg)
{
	int producer = (int)(intptr_t)arg;
	for (int i = 0; i < PER_PRODUCER; i++) {
		struct numbered *n = malloc(sizeof(*n));
		n->producer = producer;
		n->number = i;
		bool wake;
		while (queue_push(&shared, &n->job, 1, &wake) == DHT_EFULL)
			sched_yield();
		if (wake) {
			pthread_mutex_lock(&doorbell_lock);
			rings++;
			pthread_cond_signal(&doorbell);
			pthread_mutex_unlock(&doorbell_lock);
		}
	}
	return NULL;
}

/* A lost wake-up would leave the consumer asleep with jobs queued: the time limit of
 * the test case catches that. */
START_TEST(queue_loses_nothing_and_no_wake_up_between_threads)
{
	queue_init(&shared, 64);
	pthread_t threads[PRODUCERS];
	for (int i = 0; i < PRODUCERS; i++)
		pthread_create(&threads[i], NULL, produce, (void *)(intptr_t)i);
	int next[PRODUCERS] = {0}, total = 0;
	while (total < PRODUCERS * PER_PRODUCER) {
		for (struct job *job = queue_take(&shared), *following; job != NULL;
		     job = following) {
			following = job->next;
			struct numbered *n = (struct numbered *)job;
			queue_started(&shared);
			UNIT_REQUIRE(n->number == next[n->producer]++);
			free(n);
			total++;
		}
		if (total < PRODUCERS * PER_PRODUCER && queue_sleep(&shared)) {
			pthread_mutex_lock(&doorbell_lock);
			while (rings == 0)
				pthread_cond_wait(&doorbell, &doorbell_lock);
			rings = 0;
			pthread_mutex_unlock(&doorbell_lock);
			queue_awake(&shared);
		}
	}
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(queue_depth(&shared), 0);
	ck_assert_uint_le(atomic_load(&shared.depth_max), 64);
	queue_fini(&shared);
}
END_TEST

UNIT_MAIN("queue", 60, queue_hands_jobs_out_in_order_and_counts_depth,
	  queue_refuses_what_is_beyond_its_bound_until_jobs_have_started,
	  queue_wakes_a_sleeper_once, queue_loses_nothing_and_no_wake_up_between_threads)
