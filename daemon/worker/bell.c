/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/bell.h"

#include <time.h>

#include "io/clock.h"

void bell_init(struct bell *b)
{
	pthread_condattr_t attr;
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->rung, &attr);
	pthread_condattr_destroy(&attr);
	atomic_init(&b->is_rung, false);
	atomic_init(&b->is_over, false);
}

void bell_fini(struct bell *b)
{
	pthread_cond_destroy(&b->rung);
	pthread_mutex_destroy(&b->lock);
}

/* Between its look at the flags and its sleep the waiting thread holds the lock. */
static void signal_waiting(struct bell *b)
{
	pthread_mutex_lock(&b->lock);
	pthread_cond_signal(&b->rung);
	pthread_mutex_unlock(&b->lock);
}

void bell_ring(struct bell *b)
{
	if (!atomic_exchange(&b->is_rung, true))
		signal_waiting(b);
}

void bell_end(struct bell *b)
{
	atomic_store(&b->is_over, true);
	signal_waiting(b);
}

bool bell_wait(struct bell *b, uint64_t due_ns)
{
	struct timespec due = {
	    .tv_sec = (time_t)(due_ns / NS_PER_S),
	    .tv_nsec = (long)(due_ns % NS_PER_S),
	};
	pthread_mutex_lock(&b->lock);
	while (!atomic_load(&b->is_rung) && !atomic_load(&b->is_over)) {
		if (pthread_cond_timedwait(&b->rung, &b->lock, &due) != 0)
			break;
	}
	pthread_mutex_unlock(&b->lock);
	/* What was asked for before this is seen by what the thread does next: also after a
	 * ring that found it rung, as this reads what that ring wrote. */
	atomic_exchange(&b->is_rung, false);
	return !atomic_load(&b->is_over);
}
