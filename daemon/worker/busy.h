/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/busy - how long a worker has been working, read by another thread.
 *
 * Why     The total of the finished stretches and the start of the running one change
 *         together. Read one after the other, a stretch that ends in between counts
 *         twice, so both are published as one number.
 * Thread  begin, end: the worker. read: one other thread.
 */
#ifndef DHT_WORKER_BUSY_H
#define DHT_WORKER_BUSY_H

#include <stdatomic.h>
#include <stdint.h>

struct busy {
	/* Shifted by one. The lowest bit is 0 between two stretches: the time spent
	 * working. 1 in a stretch: the time spent not working, so that what is left of
	 * the clock is the time spent working, up to now. */
	_Atomic uint64_t published_ns;
	uint64_t seen_ns; /* the reader's: what it was told last */
};

/* A stretch of work begins, or ends, at now_ns, which never runs back. */
void busy_begin(struct busy *b, uint64_t now_ns);
void busy_end(struct busy *b, uint64_t now_ns);

/* Returns the time spent working until now_ns, the running stretch included. It never
 * shrinks, also where the two threads looked at their clocks in another order than
 * they came here. */
uint64_t busy_read(struct busy *b, uint64_t now_ns);

#endif
