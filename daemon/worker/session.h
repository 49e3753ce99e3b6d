/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/session - a connection together with the protocol it speaks.
 *
 * Why     Client and admin connections (and peers) are served by the same turn:
 *         read, let the protocol consume complete requests, write once. What they
 *         differ in is a struct protocol.
 * Owns    Its connection and the protocol's state, in one allocation.
 * Thread  One owner at a time: the dispatcher while it is parked, a worker from the
 *         job that hands it over until it is parked again or closed. Others see it on a
 *         walk over the registry alone.
 */
#ifndef DHT_WORKER_SESSION_H
#define DHT_WORKER_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "io/conn.h"
#include "worker/fetch.h"
#include "worker/job.h"

struct pending;
struct session;
struct sessions;

struct protocol {
	const char *name;
	enum job_kind handed_kind; /* of the job that hands a session over */
	enum job_kind hot_kind;    /* of an event while it is hot */
	size_t state_size;         /* bytes of session->state, zeroed at the start */
	size_t in_max;             /* bound on an incomplete request */
	/* The protocol bounds the unsent output by itself, and is given input however much that
	 * is: two nodes each of which waits to be read would wait for ever. */
	bool bounds_output;

	/* Consumes complete requests from the head of data and writes the replies to
	 * worker_out(). Returns the bytes consumed. It stops at an incomplete request
	 * (and may set session->want), at session->closing, at session->streaming, at a
	 * request that cannot run yet (session->waits: it is not consumed, but given again),
	 * and when worker_should_pause() says so; in the last two cases it sets
	 * session->paused. */
	size_t (*input)(struct worker *w, struct session *s, const uint8_t *data, size_t len);

	/* Looks at data that `input` is given in a later turn, and asks for the memory that the
	 * first requests in it need first; for the rest in approach, when that has come. It is
	 * forgotten if the session ends before its turn. At most WORKER_AHEAD are foreseen at
	 * a time. NULL, all three, if the protocol has no use for it. */
	void (*foresee)(struct worker *w, struct session *s, const uint8_t *data, size_t len);
	void (*approach)(struct worker *w, const uint8_t *data);
	void (*forget)(struct worker *w, const uint8_t *data);

	/* Produces the next slice of a stream while session->streaming; writes to
	 * worker_out() until worker_should_pause(). NULL if the protocol has none. */
	void (*resume)(struct worker *w, struct session *s);

	/* The socket has taken what it could of the session's output. NULL if the protocol has no
	 * use for it. */
	void (*flushed)(struct session *s);

	/* The peer ended its stream inside a request: may write a last reply. NULL if the
	 * protocol has nothing to say to that. */
	void (*cut)(struct session *s, struct buffer *out);

	/* Frees what state refers to. NULL if nothing. */
	void (*closed)(struct session *s);
};

struct session {
	struct job job; /* queued while it is handed over */
	struct conn conn;
	const struct protocol *protocol;
	struct sessions *sessions;
	struct list link;            /* registry of all sessions */
	struct list hot_link;        /* the worker's hot sessions, or its lingering ones */
	struct list ready_link;      /* the worker's sessions, or streams, with something to do */
	struct list held_link;       /* sessions whose replies are held back (worker/outbox) */
	struct list wait_link;       /* sessions whose next request has to wait */
	struct fetches fetches;      /* cold records for its next request */
	struct under_way *under_way; /* operations on their way; NULL: none */
	uint64_t held_end;           /* what the replies that are held back rest on */
	uint64_t id;
	uint64_t created_ns;
	/* When its last turn began, or it was handed over. */
	_Atomic uint64_t active_ns;
	/* What it holds since its last turn, for whoever looks; saturated. */
	_Atomic uint32_t in_bytes, out_bytes;
	/* The owner closes it without another answer. */
	_Atomic bool killed;
	size_t want;        /* bytes of input before which another look is useless; 0: unknown */
	bool hot;           /* registered with a worker's poller */
	bool readable;      /* the socket may hold input */
	bool peer_closing;  /* EPOLLRDHUP was seen: read until the end */
	bool paused;        /* complete requests wait in conn.in */
	bool waits;         /* the next request, or the stream, cannot go on yet */
	bool streaming;     /* resume() has more to write */
	bool is_kept;       /* the protocol has it stay with its worker */
	bool closing;       /* nothing is answered any more: flush, linger, then close */
	bool lingering;     /* all is flushed and the output ended; see worker/turn.h */
	uint32_t discarded; /* bytes read while closing */
	uint64_t linger_until_ns; /* when it is closed at the latest, while lingering */
	_Alignas(8) uint8_t state[];
};

/* Every open session of the daemon, counted by protocol kind. */
struct sessions {
	pthread_mutex_t lock;
	struct list all;   /* in the order of their ids */
	struct list walks; /* that are under way */
	uint64_t next_id;
	_Atomic uint64_t clients; /* open client sessions */
	_Atomic uint64_t parked;  /* sessions at the dispatcher */
	_Atomic uint64_t lost;    /* sessions closed because no watch could be had */
};

void sessions_init(struct sessions *all);
void sessions_fini(struct sessions *all);

/* Wraps an accepted socket; the caller owns the session. NULL: out of memory, the
 * socket stays with the caller. */
struct session *session_create(struct sessions *all, int fd, uint32_t watch_kind,
			       const struct protocol *protocol);

/* Closes the socket and frees everything. The owner only; on no list of a worker. Whoever
 * visits sessions has it no more once its socket and the protocol's state go. */
void session_destroy(struct session *s);

/* Has its owner close the session, whoever that is: nothing that it has sent and nobody has
 * read yet is answered. The owner, or a visit. */
void session_kill(struct session *s);

/* A walk over all sessions that were open when it began and still are when their turn comes,
 * oldest first. */
struct sessions_walk {
	struct list link;
	struct sessions *all;
	struct list *next;
	uint64_t end_id;
};

enum { SESSIONS_PIECE = 64 }; /* visited under the lock in a row */

typedef void (*session_visit_fn)(void *ctx, struct session *s);

void sessions_walk_begin(struct sessions_walk *walk, struct sessions *all);

/* Visits the next SESSIONS_PIECE sessions, or what is left. A visit holds the lock that
 * connections are opened and closed under: it takes what it needs and leaves the rest to the
 * time between two pieces. It may read what is constant or atomic, and what is only changed
 * under the lock. False: all were visited before, and the walk is over; it is to be walked
 * up to here. */
bool sessions_walk_on(struct sessions_walk *walk, session_visit_fn visit, void *ctx);

static inline bool session_is_killed(const struct session *s)
{
	return atomic_load_explicit(&s->killed, memory_order_relaxed);
}

static inline uint64_t session_active_ns(const struct session *s)
{
	return atomic_load_explicit(&s->active_ns, memory_order_relaxed);
}

static inline void session_set_active(struct session *s, uint64_t now_ns)
{
	atomic_store_explicit(&s->active_ns, now_ns, memory_order_relaxed);
}

/* Tells what the connection holds now; the owner, after a turn. */
static inline void session_tell_size(struct session *s)
{
	size_t in = s->conn.in.len, out = output_len(&s->conn.out);
	atomic_store_explicit(&s->in_bytes, in < UINT32_MAX ? (uint32_t)in : UINT32_MAX,
			      memory_order_relaxed);
	atomic_store_explicit(&s->out_bytes, out < UINT32_MAX ? (uint32_t)out : UINT32_MAX,
			      memory_order_relaxed);
}

static inline struct session *session_of_watch(struct watch *w)
{
	return DHT_CONTAINER_OF(w, struct session, conn.watch);
}

static inline struct session *session_of_job(struct job *j)
{
	return DHT_CONTAINER_OF(j, struct session, job);
}

#endif
