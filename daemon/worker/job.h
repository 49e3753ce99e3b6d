/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/job - a piece of work that a worker runs.
 *
 * Why     Whatever crosses from one thread to a worker is a job: embedded in the
 *         object it is about, so queueing allocates nothing, and an object is on at
 *         most one queue.
 * Owns    The object belongs to whoever queues it until push succeeds, then to the
 *         worker that pops it.
 */
#ifndef DHT_WORKER_JOB_H
#define DHT_WORKER_JOB_H

#include <stdint.h>

struct worker;
struct job;

/* X(name, what it counts). Kinds with "hot" in front are not queued: they are
 * events of connections that the worker owns, counted so that the kinds add up. */
#define JOB_KINDS(X)                                                                               \
	X(client, "client connections handed over by the dispatcher")                              \
	X(admin, "admin connections handed over by the dispatcher")                                \
	X(hot_client, "events of hot client connections")                                          \
	X(hot_admin, "events of hot admin connections")                                            \
	X(peer, "peer connections handed over by the dispatcher")                                  \
	X(hot_peer, "events of hot peer connections")                                              \
	X(done, "operations that another worker has ended")                                        \
	X(read, "records that were read from disk")                                                \
	X(background, "slices of scans and other long work")                                       \
	X(noop, "watchdog probes")

enum job_kind {
#define X(name, text) JOB_##name,
	JOB_KINDS(X)
#undef X
	    JOB_KIND_COUNT
};

/* Runs on the worker's thread; the job may be freed or queued again inside. */
typedef void (*job_run_fn)(struct worker *worker, struct job *job);

struct job {
	struct job *next;
	job_run_fn run;
	uint64_t queued_ns;
	enum job_kind kind;
};

/* Returns the name of a kind, as shown by `dhtctl queues`. */
const char *job_kind_name(enum job_kind kind);

#endif
