/* SPDX-License-Identifier: Apache-2.0
 *
 * bench/load/report - the numbers of a run, as one line of text or one JSON object.
 *
 * Thread  the main thread.
 */
#ifndef DHT_BENCH_LOAD_REPORT_H
#define DHT_BENCH_LOAD_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client.h"
#include "options.h"

struct load_report {
	const struct load_options *options;
	struct load_result total;
	uint64_t wall_ns;
	uint64_t client_cpu_ns; /* of this process */
	uint64_t server_cpu_ns; /* of options->server_pids, all together */
};

/* Returns the CPU time of a process in nanoseconds; 0 means this one. Ends the
 * program if there is no such process.
 *
 * The kernel's clock of a process is the sum over its threads of what
 * /proc/PID/task/TID/schedstat shows first, and the time of the threads that have
 * ended besides: reading the files would lose those. */
uint64_t load_cpu_ns(pid_t pid);

/* The same of all the servers. */
uint64_t load_servers_cpu_ns(const struct load_options *o);

/* Adds one thread's result to the total. */
void load_report_add(struct load_report *r, const struct load_result *result);

/* True when every request was sent and got the right reply (a miss is right). */
bool load_report_is_clean(const struct load_report *r);

/* Prints to standard output what options->json asks for. */
void load_report_print(const struct load_report *r);

#endif
