/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/committer - the thread that makes the log durable, for everybody at once.
 *
 * Why     One write and one sync stand for all that was appended meanwhile (group
 *         commit), and no worker ever waits for the disk: it holds replies back
 *         (worker/outbox) until committer_mark() has passed what they rest on.
 *         With fsync `interval` and `never` the mark is what the kernel has; a worker
 *         brings it there itself, with one write for a whole round, because handing
 *         that to another thread would cost more than the write.
 * Owns    The right to call store_write (under write_lock), store_sync and store_turn.
 * Thread  committer_mark, committer_ask, committer_write: any. The rest: the server.
 * Errors  One of the disk is final: it is told to `failed` once, from whichever thread
 *         met it, and the mark never moves again, so nothing that rests on what may be
 *         lost is sent.
 */
#ifndef DHT_WORKER_COMMITTER_H
#define DHT_WORKER_COMMITTER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "store/store.h"
#include "worker/bell.h"

struct worker;

enum committer_mode {
	COMMITTER_ALWAYS,   /* replies wait for a sync */
	COMMITTER_INTERVAL, /* for the kernel; a sync every COMMITTER_INTERVAL_NS */
	COMMITTER_NEVER,    /* for the kernel; syncs as far as files are to be used again */
};

/* Numbers as appenders of the store: the committer's, and that of the control plane, which is no
 * worker either. */
enum {
	COMMITTER_APPENDER = STORE_APPENDERS_MAX - 1,
	COMMITTER_CONTROL_APPENDER = STORE_APPENDERS_MAX - 2,
};

/* It looks around as often when nobody asks. */
#define COMMITTER_PERIOD_NS UINT64_C(100000000)

#define COMMITTER_INTERVAL_NS UINT64_C(1000000000)

/* What the committer tells of, from its thread; `failed` from any. */
struct committer_events {
	void *ctx;
	void (*failed)(void *ctx, int error); /* does not return to normal service */
	/* A commit begins: what is appended in here is part of it. */
	void (*committing)(void *ctx);
	/* The mark has moved; those who wait for it are told next. */
	void (*committed)(void *ctx);
	/* The commit is over, files may have come or gone. */
	void (*turned)(void *ctx);
};

struct committer {
	struct store *store;
	enum committer_mode mode;
	struct committer_events events;
	struct worker *workers; /* woken when they wait; none before committer_serve */
	unsigned worker_count;
	pthread_mutex_t write_lock;
	struct bell bell;
	bool is_running;
	_Atomic bool has_failed;
	struct histogram syncs; /* how long each took */
	/* When the one that runs began, 0: none does; and when the latest long one ended. */
	_Atomic uint64_t sync_ns, slow_ns;
	pthread_t thread;
};

/* Prepares; the store outlives it. */
void committer_init(struct committer *c, struct store *store, enum committer_mode mode,
		    const struct committer_events *events);
void committer_fini(struct committer *c);

/* Starts the thread, which serves these workers. */
int committer_start(struct committer *c, struct worker *workers,
		    unsigned worker_count) DHT_MUST_CHECK;

/* Commits what is there, with a sync, and ends the thread. The workers have ended. Returns
 * 0 or the error of the disk. */
int committer_stop(struct committer *c) DHT_MUST_CHECK;

/* Replies that rest on positions of the log up to here may go out. */
static inline uint64_t committer_mark(const struct committer *c)
{
	return c->mode == COMMITTER_ALWAYS ? store_durable(c->store) : store_written(c->store);
}

/* Wakes the committer: the mark is to move, or there may be something to turn over. */
static inline void committer_ask(struct committer *c)
{
	bell_ring(&c->bell);
}

/* True if a sync has taken long since then, or does now: others may wait for the same disk. */
bool committer_was_slow(const struct committer *c, uint64_t since_ns);

/* Says that the disk failed. */
void committer_fail(struct committer *c, int error);

/* Moves the mark past what was appended so far: at once, or, with fsync always, soon. */
void committer_advance(struct committer *c);

#endif
