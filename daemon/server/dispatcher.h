/* SPDX-License-Identifier: Apache-2.0
 *
 * server/dispatcher - the thread that parks connections and hands them over.
 *
 * Why     One thread owns one epoll instance with the listening sockets, signals,
 *         the timer and every parked connection, armed with EPOLLONESHOT. When one
 *         becomes readable the kernel disarms it and a job for it goes to the least
 *         loaded worker; nobody else sees it until that worker re-arms it. Nothing
 *         in here waits for a worker.
 * Owns    Its poller, the acceptor with the listeners, parked sessions, sessions kept
 *         back because every queue is full.
 * Thread  The thread that calls dispatcher_run; the counters: any.
 * Errors  Set-up: DHT_E*. While it runs: logged, counted.
 */
#ifndef DHT_SERVER_DISPATCHER_H
#define DHT_SERVER_DISPATCHER_H

#include <signal.h>
#include <stdatomic.h>

#include "admin/admin.h"
#include "io/timer.h"
#include "io/wake.h"
#include "server/acceptor.h"
#include "worker/worker.h"

/* Written by the dispatcher, read by anybody. */
struct dispatcher_stats {
	_Atomic uint64_t dispatched;
	_Atomic uint64_t waiting; /* sessions kept back now */
};

/* What the dispatcher's events mean to the server; called on its thread. */
struct dispatcher_events {
	void *ctx;
	/* A signal arrived. Returns false to end dispatcher_run. */
	bool (*signal)(void *ctx, int number);
	/* The dispatcher's wake-up was signalled. Returns false to end dispatcher_run. */
	bool (*wake)(void *ctx);
	/* Once a period. */
	void (*tick)(void *ctx, uint64_t now_ns);
	/* Something of the control plane's (server/control.h), and the end of a round. */
	void (*control)(void *ctx, struct watch *watch, uint32_t events, uint64_t now_ns);
	bool (*settle)(void *ctx); /* returns false to end dispatcher_run */
};

struct dispatcher {
	struct poller poller;
	struct wake wake;
	struct timer timer;
	struct watch signals;
	struct acceptor acceptor;
	struct admin *admin;
	struct worker_shared *shared;
	struct worker *workers;
	unsigned worker_count;
	unsigned turn;         /* where the search for the least loaded worker begins */
	struct list kept_back; /* sessions for which every queue was full */
	bool parks_no_more;    /* in its last rounds: a worker reads the rest of what has come */
	struct dispatcher_events events;
	struct dispatcher_stats stats;
};

/* Blocks the signals that dispatcher_run takes from a descriptor: before any thread
 * is started. */
void dispatcher_block_signals(void);

/* Opens poller, wake-up, signals and timer; nothing listens yet. */
int dispatcher_init(struct dispatcher *d, uint64_t tick_ns,
		    const struct dispatcher_events *events) DHT_MUST_CHECK;
void dispatcher_fini(struct dispatcher *d);

/* Runs until events.signal returns false. */
void dispatcher_run(struct dispatcher *d);

/* Accepts who has connected, closes the ports, ends the workers' parking and then hands over
 * every session that is readable, also those that were kept back: the first step of a stop.
 * A worker that still may park at until_ns is not waited for any longer. */
void dispatcher_drain(struct dispatcher *d, uint64_t until_ns);

#endif
