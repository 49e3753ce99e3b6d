/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/worker - a thread that takes jobs from its queue and keeps connections hot.
 *
 * Why     A connection that is in use stays with one worker, which serves it request
 *         after request from an epoll instance of its own; only a silent one goes
 *         back to the dispatcher (parks). Measured, that halves the server's CPU per
 *         request against a hand-over per event (tests/bench/dispatch).
 *         A round of the loop gives every ready session a turn, but of all streams
 *         (scans and other long work) only one a slice: whoever sends a request waits
 *         for one slice, however many streams there are. Streams take turns.
 * Owns    Its queue, its poller, its scratch buffers, the sessions handed to it.
 * Thread  worker_push and the counters: any. Everything else: the worker itself.
 * Errors  Set-up returns DHT_E*; a running worker has none of its own: an operating
 *         error of a connection closes that connection.
 */
#ifndef DHT_WORKER_WORKER_H
#define DHT_WORKER_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/histogram.h"
#include "base/list.h"
#include "io/poller.h"
#include "io/wake.h"
#include "worker/busy.h"
#include "worker/cluster.h"
#include "worker/links.h"
#include "worker/outbox.h"
#include "worker/queue.h"
#include "worker/session.h"

enum {
	WORKER_READ_MAX = 16 * 1024,         /* bytes read from a connection in one turn */
	WORKER_OUT_FLUSH = 64 * 1024,        /* replies collected before they are written */
	WORKER_EVENTS_MAX = 256,             /* events taken from the kernel at once */
	WORKER_REPLY_MAX = 80 * 1024 * 1024, /* one reply at the most */
	WORKER_MAX = 1024,
	WORKER_AHEAD = 2, /* sessions that are read before the one ahead of them is served */
};
#define WORKER_SLICE_NS 200000ull /* of background work, while clients may wait */

struct background;
struct committer;
struct readers;
struct exec;
struct peers;
struct ring_map;

/* What all workers share; constant while they run, but for the atomics. */
struct worker_shared {
	struct poller *dispatcher_poller; /* where sessions are parked */
	struct wake *dispatcher_wake;
	_Atomic bool dispatcher_waits;  /* it keeps sessions back: every queue was full */
	_Atomic uint64_t park_after_ns; /* 0: a hand-over per event */
	_Atomic uint64_t output_max;    /* unsent bytes at which a client is not read any more */
	struct sessions *sessions;
	struct exec *exec;       /* what operations run on (worker/exec.h) */
	struct readers *readers; /* read what is not in memory */
	struct background *background;
	struct committer *committer; /* tells how far replies may go out */
	/* The map that this node has adopted last, and its number in it: for routing and for
	 * show. Valid until the end of the job that reads it (server/published.h). */
	_Atomic(const struct ring_map *) map;
	_Atomic uint16_t self;  /* RING_MEMBERS_MAX: the map does not name this node */
	_Atomic bool is_closed; /* to clients: this node joins a cluster */
	struct peers *peers;    /* what links to other nodes need (worker/peers.h) */
};

/* Written by the worker alone, read by anybody. */
struct worker_stats {
	_Atomic uint64_t kinds[JOB_KIND_COUNT];
	_Atomic uint64_t requests;
	_Atomic uint64_t hot;  /* hot connections */
	struct histogram wait; /* ready or queued, until started */
	struct histogram run;
};

/* Where a session's input is read that has none waiting. */
struct worker_scratch {
	uint8_t *data;           /* WORKER_READ_MAX bytes */
	struct session *session; /* what it holds was read for this one's turn; NULL: nothing */
	size_t len;
};

/* Why an operation found no quorum. */
struct worker_failure {
	uint32_t slot;
	unsigned answered, asked; /* replicas */
};

struct worker {
	unsigned index; /* also its number as an appender of the store */
	struct worker_shared *shared;
	struct queue queue;
	struct poller poller;
	struct wake wake;
	pthread_t thread;
	struct list hot;        /* least recently active first */
	struct list lingering;  /* hot, but only waited for: the first to be closed first */
	struct list ready;      /* sessions with something to do */
	struct list streams;    /* the same, streaming: one of them is served a round */
	struct list graveyard;  /* closed in this round of the loop */
	struct output out;      /* replies of the session being served */
	struct outbox outbox;   /* replies that wait for the log */
	struct cluster cluster; /* its part in the register protocol */
	struct links links;     /* to other members */
	struct list pending;    /* operations on their way (worker/pending.h) */
	struct worker_scratch in[WORKER_AHEAD + 1];
	void *resp;      /* the client protocol's scratch (resp/serve.h), the server's */
	uint64_t now_ns; /* when the running job or event was started */
	struct worker_failure failure; /* of the latest operation that has failed so */
	uint64_t patience_us; /* of whom the next operation is begun for; 0: nobody has said */
	bool has_written;     /* in this round of the loop */
	bool draining;
	_Atomic bool shall_keep;         /* told to park no session any more */
	_Atomic bool keeps;              /* parks none, and keeps them hot; it writes this */
	_Atomic uint64_t drain_until_ns; /* 0: not told to stop */
	struct job probe;                /* the watchdog's no-op */
	_Atomic uint64_t probe_since;    /* when it was queued; 0 when it has run */
	_Atomic bool shed;               /* the dispatcher asks to park one busy connection */
	_Atomic uint32_t busy_permille;  /* of the last second, computed by the dispatcher */
	struct busy busy;                /* the stretches between two waits for events */
	struct worker_stats stats;
};

/* Prepares a worker; nothing runs yet. */
int worker_init(struct worker *w, unsigned index, uint32_t queue_max,
		struct worker_shared *shared) DHT_MUST_CHECK;
int worker_start(struct worker *w) DHT_MUST_CHECK;

/* Tells the worker, before a stop, to park no session any more, whatever the settings say:
 * those that are silent stay hot. It wakes the dispatcher when it does so, and all that it
 * parked before is at the dispatcher then (worker_parks is false). */
void worker_end_parking(struct worker *w);

static inline bool worker_parks(const struct worker *w)
{
	return !atomic_load_explicit(&w->keeps, memory_order_acquire);
}

/* Tells the worker to answer what has arrived, close its sessions and end, at the
 * latest at until_ns. worker_join waits for the thread until then; false: it still
 * runs. Both times are of the monotonic clock. */
void worker_stop(struct worker *w, uint64_t until_ns);
bool worker_join(struct worker *w, uint64_t until_ns);
void worker_fini(struct worker *w);

/* Runs the jobs that came behind the end of the thread, on the caller's: reads of records
 * for sessions that are closed. */
void worker_run_leftovers(struct worker *w);

/* Queues a job and wakes the worker if it sleeps. DHT_EFULL: the job stays with the
 * caller. */
int worker_push(struct worker *w, struct job *job, uint64_t now_ns) DHT_MUST_CHECK;

/* The same even if the queue is full: for jobs whose number is bounded otherwise. */
void worker_push_beyond(struct worker *w, struct job *job, uint64_t now_ns);

/* Hands a session over; the caller does not touch it after success. */
int worker_hand_over(struct worker *w, struct session *s, uint64_t now_ns) DHT_MUST_CHECK;

/* The same before a stop, when nothing comes behind them any more: also beyond the
 * bound of the queue, as the number of sessions is bounded. */
void worker_hand_over_last(struct worker *w, struct session *s, uint64_t now_ns);

/* Queues a no-op job unless the last one still waits. Returns for how long it has
 * been waiting: 0 while the worker runs its jobs. One caller: the dispatcher. */
uint64_t worker_probe(struct worker *w, uint64_t now_ns);

/* Returns the time the worker spent working until now_ns, a running stretch included.
 * One caller: the dispatcher. */
uint64_t worker_busy_ns(struct worker *w, uint64_t now_ns);

/* True once the worker was told to stop; any thread. */
static inline bool worker_is_stopping(const struct worker *w)
{
	return atomic_load_explicit(&w->drain_until_ns, memory_order_acquire) != 0;
}

/* ---- For protocols, on the worker's thread -------------------------------------- */

/* Where the replies of the session being served go. */
static inline struct buffer *worker_out(struct worker *w)
{
	return &w->out.bytes;
}

/* Lets the session have another turn. */
void worker_make_ready(struct worker *w, struct session *s);

/* Has the session stay with this worker, which has made it. Returns 0 or why it cannot. */
int worker_keep(struct worker *w, struct session *s) DHT_MUST_CHECK;

/* Goes on with a session whose replies were held back, and may go out now. */
void worker_released(struct worker *w, struct session *s);

/* Writes the collected replies to the socket now, or holds them back until what they rest
 * on is durable. False: the session is broken. */
bool worker_flush(struct worker *w, struct session *s);

/* Flushes when much was collected. True when the protocol has to stop: the client
 * does not read its replies, or is broken. */
bool worker_should_pause(struct worker *w, struct session *s);

static inline void worker_count_requests(struct worker *w, uint64_t n)
{
	uint64_t old = atomic_load_explicit(&w->stats.requests, memory_order_relaxed);
	atomic_store_explicit(&w->stats.requests, old + n, memory_order_relaxed);
}

#endif
