/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/links - a worker's data links to other members, and the sessions they run through.
 *
 * Why     At most one link that this worker has opened per member, so that an answer comes back
 *         to the worker that asked; and those that were accepted from members, over which what they
 *         ask is answered. All of a turn goes out in one write per link.
 * Owns    The links it opens. An accepted one belongs to its session.
 * Thread  the worker; links_accept: whoever accepts, before the session is handed over.
 * Errors  A member that cannot be reached is tried again with growing pauses, at random, or soon
 *         once it was heard; what was meant for it meanwhile is lost, and FORWARDs are told of.
 */
#ifndef DHT_WORKER_LINKS_H
#define DHT_WORKER_LINKS_H

#include "base/histogram.h"
#include "base/list.h"
#include "worker/link.h"

struct protocol;
struct sessions;

enum { LINKS_ASKED = 1024 }; /* latest questions whose answers are timed */

/* A question that may be answered. */
struct links_asked {
	uint64_t tag, at_us;
	enum silence_kind kind;
};

struct links {
	struct link **own; /* by member; NULL: never needed */
	size_t own_cap;
	struct list dirty;           /* links with something to do at the end of the turn */
	unsigned opening;            /* own links that are being opened */
	uint64_t epoch;              /* of the map by which they were looked at last */
	uint32_t silenced;           /* of peers->silenced: what was seen */
	struct links_asked *asked;   /* LINKS_ASKED, by tag; NULL before the first question */
	uint64_t measure_us;         /* when times are looked at next */
	uint64_t look_us;            /* when it is looked who is silent; UINT64_MAX: nobody is */
	struct link_forward *failed; /* FORWARDs that were certainly not sent */
	size_t failed_count, failed_cap;
	_Atomic uint64_t answer_us; /* p99 of the slowest member that answers, lately; 0: unknown */
	_Atomic uint64_t sent, received, lost; /* messages; lost: not sent */
};

extern const struct protocol links_protocol;

void links_init(struct worker *w);
void links_fini(struct worker *w);

/* Wraps a socket whose other end has proved to be a member, for a worker to be handed over to:
 * bytes that were read behind the handshake go into the session's conn.in. NULL: no memory; the
 * socket stays the caller's. */
struct session *links_accept(struct sessions *all, int fd, uint32_t watch_kind, uint16_t member);

/* Sends m to a member, over `answering` if that leads there; under the lock of a group if m
 * has values that lie in the store. */
void links_send(struct worker *w, struct link *answering, uint16_t member, const struct message *m,
		uint64_t rests_on, uint64_t now_us);

/* A message has come, perhaps the answer to a question. */
void links_note_answer(struct worker *w, const struct message *m, uint64_t now_us);

/* Has a link looked at at the end of the turn. */
void links_touch(struct link *link);
bool links_are_dirty(const struct worker *w);

/* The end of a turn: before the outbox is settled, and after it. */
void links_hold(struct worker *w);
void links_flush(struct worker *w);

/* Tells of FORWARDs that were not sent, or to members that do not answer any more; has members
 * bypassed that are silent, and the dispatcher find out about them; and gives up links that do not
 * open, or lead to who is not that member any more. */
void links_tick(struct worker *w);

/* When links_tick and links_flush are to be called next, in nanoseconds from now; UINT64_MAX: no
 * need. */
uint64_t links_timeout_ns(const struct worker *w);

#endif
