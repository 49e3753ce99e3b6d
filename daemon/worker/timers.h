/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/timers - the alarms of a node that one worker has to let go off.
 *
 * Why     Every key under way has one, none of which is ever cancelled (node/effects.h): so they
 *         are short-lived and many, and stand in a heap.
 * Owns    Its memory, which grows with the most that were ever pending.
 * Thread  the worker.
 * Errors  An alarm that finds no memory is lost, and counted: what it was for ends at another
 *         event, or with the node.
 */
#ifndef DHT_WORKER_TIMERS_H
#define DHT_WORKER_TIMERS_H

#include <stdbool.h>
#include <stddef.h>

#include "node/effects.h"

struct timers_item {
	uint64_t at_us; /* monotonic */
	struct node_timer timer;
};

struct timers {
	struct timers_item *items; /* a heap, the first one is due first */
	size_t count, cap;
	uint64_t lost;
};

#define TIMERS_NONE ((struct timers){0})

void timers_add(struct timers *t, const struct node_timer *timer, uint64_t at_us);

/* Takes the first one, if it is due. */
bool timers_take(struct timers *t, uint64_t now_us, struct node_timer *timer);

/* When the first one is due; UINT64_MAX: there is none. */
static inline uint64_t timers_next_us(const struct timers *t)
{
	return t->count > 0 ? t->items[0].at_us : UINT64_MAX;
}

void timers_fini(struct timers *t);

#endif
