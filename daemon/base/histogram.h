/* SPDX-License-Identifier: Apache-2.0
 *
 * base/histogram - log-linear histogram of durations in nanoseconds.
 *
 * Why     p50, p99 and the maximum of millions of events in fixed memory, with
 *         an error of at most 1/16 (the layout of HdrHistogram, coarser).
 * Owns    Fixed memory, about 4 KiB.
 * Thread  record, clear: one writer. Reading while it writes gives a near-current
 *         picture: every cell is a relaxed atomic.
 */
#ifndef DHT_BASE_HISTOGRAM_H
#define DHT_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum {
	HISTOGRAM_SUB_BITS = 3,
	HISTOGRAM_SUB = 1 << HISTOGRAM_SUB_BITS, /* cells per power of two */
	HISTOGRAM_POWERS = 44,                   /* up to 2^44 ns, almost five hours */
	HISTOGRAM_CELLS = HISTOGRAM_POWERS * HISTOGRAM_SUB,
};

struct histogram {
	_Atomic uint64_t count;
	_Atomic uint64_t max_ns;
	_Atomic uint64_t sum_ns;
	_Atomic uint64_t cells[HISTOGRAM_CELLS];
};

void histogram_init(struct histogram *h);

/* Empties it while others may read. */
void histogram_clear(struct histogram *h);

/* Counts one event of ns nanoseconds; longer than the last cell counts there. */
void histogram_record(struct histogram *h, uint64_t ns);

/* Counts so many events, each of ns nanoseconds. */
void histogram_record_many(struct histogram *h, uint64_t ns, uint64_t events);

/* Adds the events of src to dst. */
void histogram_merge(struct histogram *dst, const struct histogram *src);

/* Returns the duration below which `permille` of 1000 events lie: the middle of
 * its cell, at most the maximum; 0 when nothing was recorded. */
uint64_t histogram_quantile_ns(const struct histogram *h, unsigned permille);

/* Returns the number of events shorter than 2^power nanoseconds; power is at least 3. */
uint64_t histogram_count_below(const struct histogram *h, unsigned power);

uint64_t histogram_max_ns(const struct histogram *h);
uint64_t histogram_count(const struct histogram *h);

#endif
