/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/outbox - replies that wait until what they rest on is durable.
 *
 * Why     "Persist before send" (the register protocol, section 1) in one place: whatever
 *         a worker answers goes through here, with the position of the log that it rests
 *         on. The worker itself goes on with other sessions meanwhile.
 * Owns    The list of sessions whose replies are held back, in conn.out, and of parcels.
 * Thread  the worker; `awaits` is shared with the committer.
 *
 * A session with replies held back is not served: so its replies keep their order, and the
 * position that it waits for does not move away.
 */
#ifndef DHT_WORKER_OUTBOX_H
#define DHT_WORKER_OUTBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct worker;
struct session;
struct parcel;

/* What waits in the same way without being a session's replies: it is its owner's again when
 * release is called. */
struct parcel {
	struct list link;
	uint64_t end; /* what it rests on */
	void (*release)(struct worker *w, struct parcel *parcel);
};

struct outbox {
	struct list held;         /* sessions, in the order in which they came */
	struct list parcels;      /* likewise */
	struct list stalled;      /* sessions whose request waits for room in the log */
	uint64_t end;             /* what the replies collected in worker_out() rest on */
	bool has_resolved;        /* something rests on a position now that nobody asked for */
	_Atomic bool awaits;      /* the committer is to wake the worker when the mark moves */
	_Atomic bool awaits_room; /* and when there is room; set while sessions are stalled */
};

enum outbox_reason {
	OUTBOX_ROOM,  /* the log has no segment to go on with, or the counter no ceiling */
	OUTBOX_LATER, /* memory or descriptors are short: it tries again now and then */
};

void outbox_init(struct outbox *o);

/* Says that the replies being collected rest on the log up to this position, or on the map that is
 * being adopted (NODE_RESTS_ON_MAP). */
void outbox_rest_on(struct worker *w, uint64_t end);

/* True if the replies being collected, or earlier ones of the session, may not be sent
 * yet: then they are to be appended to conn.out, and outbox_hold called. Starts a new
 * collection. */
bool outbox_must_hold(struct worker *w, struct session *s);

/* True while replies of the session are held back. */
bool outbox_holds(const struct session *s);

/* Holds a parcel back until what it rests on is durable; also if that is so already. Its owner may
 * take it off the list before. */
void outbox_hold(struct worker *w, struct parcel *parcel, uint64_t end);

/* True if what rests on this may leave the node. */
bool outbox_may_go(const struct worker *w, uint64_t end);

/* Asks for what NODE_WAITS_FOR_COMMIT stands for; there is an answer when it is not awaited any
 * more. */
void outbox_await_room(struct worker *w, enum outbox_reason reason);
bool outbox_awaits_room(const struct worker *w);

/* Lets the session wait until the committer has done what is missing; then it is served
 * again. */
void outbox_stall(struct worker *w, struct session *s, enum outbox_reason reason);

/* Asks for what the held replies wait for; with fsync other than always that is there on
 * return. Once a round. */
void outbox_settle(struct worker *w);

/* Sends what may be sent now, and lets the stalled try again if there is reason to. */
void outbox_release(struct worker *w);

/* Says that the worker is going to sleep. Returns false if it must not: something could be
 * sent meanwhile. */
bool outbox_sleep(struct worker *w);

/* Forgets the session, which is being closed. */
void outbox_drop(struct session *s);

#endif
