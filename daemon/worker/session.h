/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/session - a connection together with the protocol it speaks.
 *
 * Why     Client and admin connections (and peers) are served by the same turn:
 *         read, let the protocol consume complete requests, write once. What they
 *         differ in is a struct protocol.
 * Owns    Its connection and the protocol's state, in one allocation.
 * Thread  One owner at a time: the dispatcher while it is parked, a worker from the
 *         job that hands it over until it is parked again or closed.
 */
#ifndef DHT_WORKER_SESSION_H
#define DHT_WORKER_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "io/conn.h"
#include "worker/job.h"

struct session;
struct sessions;

struct protocol {
	const char *name;
	enum job_kind handed_kind; /* of the job that hands a session over */
	enum job_kind hot_kind;    /* of an event while it is hot */
	size_t state_size;         /* bytes of session->state, zeroed at the start */
	size_t in_max;             /* bound on an incomplete request */

	/* Consumes complete requests from the head of data and writes the replies to
	 * worker_out(). Returns the bytes consumed. It stops at an incomplete request
	 * (and may set session->want), at session->closing, at session->streaming, at a
	 * request that cannot run yet (session->waits: it is not consumed, but given again),
	 * and when worker_should_pause() says so; in the last two cases it sets
	 * session->paused. */
	size_t (*input)(struct worker *w, struct session *s, const uint8_t *data, size_t len);

	/* Produces the next slice of a stream while session->streaming; writes to
	 * worker_out() until worker_should_pause(). NULL if the protocol has none. */
	void (*resume)(struct worker *w, struct session *s);

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
	struct list link;       /* registry of all sessions */
	struct list hot_link;   /* the worker's hot sessions, or its lingering ones */
	struct list ready_link; /* the worker's sessions, or streams, with something to do */
	struct list held_link;  /* sessions whose replies are held back (worker/outbox) */
	struct list wait_link;  /* sessions whose next request has to wait */
	struct list fetches;    /* cold records for its next request (worker/fetch) */
	unsigned fetching;      /* of these: those that have not come yet */
	uint64_t held_end;      /* what the replies that are held back rest on */
	uint64_t id;
	uint64_t active_ns;
	size_t want;        /* bytes of input before which another look is useless; 0: unknown */
	bool hot;           /* registered with a worker's poller */
	bool readable;      /* the socket may hold input */
	bool peer_closing;  /* EPOLLRDHUP was seen: read until the end */
	bool paused;        /* complete requests wait in conn.in */
	bool waits;         /* the next request, or the stream, cannot go on yet */
	bool streaming;     /* resume() has more to write */
	bool closing;       /* nothing is answered any more: flush, linger, then close */
	bool lingering;     /* all is flushed and the output ended; see worker/turn.h */
	uint32_t discarded; /* bytes read while closing */
	uint64_t linger_until_ns; /* when it is closed at the latest, while lingering */
	_Alignas(8) uint8_t state[];
};

/* Every open session of the daemon, counted by protocol kind. */
struct sessions {
	pthread_mutex_t lock;
	struct list all;
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

/* Closes the socket and frees everything. The owner only; on no list of a worker. */
void session_destroy(struct session *s);

static inline struct session *session_of_watch(struct watch *w)
{
	return DHT_CONTAINER_OF(w, struct session, conn.watch);
}

static inline struct session *session_of_job(struct job *j)
{
	return DHT_CONTAINER_OF(j, struct session, job);
}

#endif
