/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/stats - what a worker counts of the client port's commands.
 *
 * Why     INFO, LATENCY HISTOGRAM and the admin socket show calls, errors and times of
 *         every command, and a request pays next to nothing for it: a worker counts in
 *         memory of its own, with plain loads and stores.
 * Owns    The counters of one worker; a histogram of a command's times (4 KiB) from its
 *         first use on.
 * Thread  resp_stats_create, resp_stats_destroy: set-up. resp_stats_begin, _ran, _failed,
 *         _rejected, _error, _looked_up: the worker, alone. The rest: any; what it reads is
 *         near-current.
 * Errors  Without memory for a histogram the command's times are missing in it; its calls
 *         and their sum are counted.
 */
#ifndef DHT_RESP_STATS_H
#define DHT_RESP_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "resp/slowlog.h"

struct resp_command;

enum {
	RESP_STATS_PREFIXES = 32, /* kinds of errors that are counted apart */
	RESP_STATS_PREFIX_MAX = 32,
};

/* What the workers' counters have in common. */
struct resp_stats_shared {
	struct resp_slowlog slowlog;
	_Atomic uint32_t round; /* one more with every reset; see resp_stats_begin */
};

struct resp_stats_row {
	_Atomic uint64_t calls, ns, failed, rejected;
	struct histogram *_Atomic times; /* NULL before the first use */
};

struct resp_stats_prefix {
	char text[RESP_STATS_PREFIX_MAX]; /* "ERR", with a NUL */
	_Atomic uint64_t count;
};

struct resp_stats {
	struct resp_stats_shared *shared;
	/* The round that the counters are of. In any other they stand for zeros: only the
	 * worker may write them, so it is the one that empties them. */
	_Atomic uint32_t round;
	_Atomic uint32_t prefix_count; /* of prefixes: those that have a text */
	_Atomic uint64_t errors;       /* error replies of any kind */
	_Atomic uint64_t hits, misses; /* keys that read commands found, and did not find */
	struct resp_stats_prefix prefixes[RESP_STATS_PREFIXES];
	struct resp_stats_row *rows; /* as many as the table of commands */
};

void resp_stats_shared_init(struct resp_stats_shared *shared);
void resp_stats_shared_fini(struct resp_stats_shared *shared);

/* Lets everything be counted from 0 again, but for the slow log. */
void resp_stats_reset(struct resp_stats_shared *shared);

/* NULL: out of memory. */
struct resp_stats *resp_stats_create(struct resp_stats_shared *shared);
void resp_stats_destroy(struct resp_stats *stats);

/* ---- For the worker ---------------------------------------------------------------- */

static inline void resp_stats_add(_Atomic uint64_t *cell, uint64_t n)
{
	uint64_t old = atomic_load_explicit(cell, memory_order_relaxed);
	atomic_store_explicit(cell, old + n, memory_order_relaxed);
}

/* Empties the counters for a new round. */
void resp_stats_start_round(struct resp_stats *stats, uint32_t round);

/* To be called now and then, before something is counted: takes note of a reset. */
static inline void resp_stats_begin(struct resp_stats *stats)
{
	uint32_t round = atomic_load_explicit(&stats->shared->round, memory_order_relaxed);
	if (round != atomic_load_explicit(&stats->round, memory_order_relaxed))
		resp_stats_start_round(stats, round);
}

/* Counts requests of one command that ran one after the other, in ns nanoseconds
 * altogether: each counts with its share. */
void resp_stats_ran(struct resp_stats *stats, const struct resp_command *command, uint32_t requests,
		    uint64_t ns);

/* Counts a request, of those that ran, whose handler replied with an error. */
void resp_stats_failed(struct resp_stats *stats, const struct resp_command *command);

/* Counts a request that did not come as far as its handler. */
void resp_stats_rejected(struct resp_stats *stats, const struct resp_command *command);

/* Counts an error reply, whatever it is to: text stands behind its '-', and what follows
 * its first word does not matter. */
void resp_stats_error(struct resp_stats *stats, struct bytes text);

/* Counts a key that a command has looked for in order to read it. */
static inline void resp_stats_looked_up(struct resp_stats *stats, bool found)
{
	resp_stats_add(found ? &stats->hits : &stats->misses, 1);
}

/* True if a request that took so long belongs into the slow log. */
static inline bool resp_stats_is_slow(const struct resp_stats *stats, uint64_t ns)
{
	return resp_slowlog_takes(&stats->shared->slowlog, ns);
}

/* Notes a request there, whose arguments are still in place. */
static inline void resp_stats_slow(struct resp_stats *stats, const struct resp_call *call,
				   uint64_t ns)
{
	resp_slowlog_add(&stats->shared->slowlog, call, ns);
}

/* ---- For readers ------------------------------------------------------------------- */

/* Sums of several workers; to be started as zeros. */
struct resp_stats_sum {
	uint64_t calls, ns, failed, rejected;
};

struct resp_stats_total {
	uint64_t calls, errors, hits, misses;
};

/* Add what a worker has counted of a command, of its times, and altogether. */
void resp_stats_sum_row(const struct resp_stats *stats, const struct resp_command *command,
			struct resp_stats_sum *sum);
void resp_stats_sum_times(const struct resp_stats *stats, const struct resp_command *command,
			  struct histogram *times);
void resp_stats_sum_total(const struct resp_stats *stats, struct resp_stats_total *total);

struct resp_stats_error {
	char text[RESP_STATS_PREFIX_MAX];
	uint64_t count;
};

struct resp_stats_errors {
	size_t count;
	struct resp_stats_error items[RESP_STATS_PREFIXES];
};

/* Adds one worker's counts of errors by their prefix. */
void resp_stats_sum_errors(const struct resp_stats *stats, struct resp_stats_errors *errors);

#endif
