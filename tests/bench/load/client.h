/* SPDX-License-Identifier: Apache-2.0
 *
 * bench/load/client - one thread's connections and the loop that keeps them busy.
 *
 * Why     A measurement is a phase with a clean beginning and end: nothing is in
 *         flight before it, and it ends when the last reply has come. So the
 *         server's CPU time around it belongs to exactly its requests.
 * Owns    Its connections, from create to destroy; they live through all phases.
 * Thread  A client belongs to the thread that runs it. Its results are read by
 *         others only between phases.
 * Errors  What the server does wrong is counted in struct load_result. A failure of
 *         this machine (no descriptors, no memory) ends the program.
 */
#ifndef DHT_BENCH_LOAD_CLIENT_H
#define DHT_BENCH_LOAD_CLIENT_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/histogram.h"
#include "options.h"

struct load_client;

struct load_phase {
	enum load_command command;
	uint64_t requests;    /* over all connections; UINT64_MAX: until the time is up */
	uint64_t duration_ns; /* UINT64_MAX: until all requests are answered */
	uint64_t rate;        /* requests a second over all connections; 0: closed loop */
	bool in_order;        /* every key once, in order, instead of random ones */
	FILE *trace;          /* receives a struct load_sample for each reply; may be NULL */
};

/* When the latency of a request began, on the monotonic clock, and the latency. */
struct load_sample {
	uint64_t start_ns;
	uint64_t latency_ns;
};

struct load_result {
	uint64_t answered;     /* replies of every kind */
	uint64_t misses;       /* get: the key does not exist */
	uint64_t refused;      /* replies that are errors */
	uint64_t mismatched;   /* other replies than the one expected */
	uint64_t lost;         /* requests without a reply */
	uint64_t unsent;       /* requests that were due but never sent */
	uint64_t disconnected; /* connections closed by the server, or given up */
	uint64_t gap_ns;       /* the longest that a connection had no right reply */
	struct histogram latency;
	char first_wrong[160]; /* the first wrong reply in words, or "" */
};

/* Makes the client of thread `index`: connections index, index + threads, ... of
 * all, established in turns to the servers, of which there are options->port_count. */
struct load_client *load_client_create(const struct load_options *o, unsigned index,
				       const struct addrinfo *const *servers);

/* Makes ready for a phase: buffers, and the requests if they are to be prepared. */
void load_client_prepare(struct load_client *client, const struct load_phase *phase);

/* Runs the phase that was prepared to its end. */
void load_client_run(struct load_client *client);

/* Lets what runs, and what is run later, end with what was due so far. Any thread; also from a
 * signal handler. */
void load_clients_end(void);

/* Returns what happened in the last phase. */
const struct load_result *load_client_result(const struct load_client *client);

void load_client_destroy(struct load_client *client);

/* Nanoseconds of the monotonic clock. */
uint64_t load_clock_ns(void);

#endif
