/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/link - one data link: frames for a member on their way through a session.
 *
 * Why     A step of the node says what is to be sent, under a lock: it is encoded at once, and
 *         goes out at the end of the worker's turn, in one write with everything else for that
 *         member, when what it rests on is durable (worker/outbox). Large frames go in parts,
 *         between which small ones pass.
 * Owns    What is queued, with the pins of values that are sent from where they lie. A link that
 *         this worker opens outlives its connections; an accepted one is its session's.
 * Thread  the worker that has the session.
 * Errors  What finds no room or no memory is lost, as on any link that breaks, and counted.
 */
#ifndef DHT_WORKER_LINK_H
#define DHT_WORKER_LINK_H

#include "io/output.h"
#include "node/message.h"
#include "ring/map.h"
#include "worker/outbox.h"
#include "worker/silence.h"

struct session;
struct worker;

enum {
	LINK_QUEUE_MAX = 32 * 1024 * 1024, /* bytes that may wait, beyond one large frame */
	LINK_PART_ROOM = 256 * 1024,       /* unsent bytes below which the next part is added */
};

enum link_state {
	LINK_CLOSED,
	LINK_OPENS, /* connects, or shakes hands */
	LINK_OPEN,
};

/* A FORWARD that waits for its link to open. */
struct link_forward {
	uint32_t block;
	uint64_t tag;
};

struct link {
	struct worker *worker;
	struct session *session; /* NULL while it is closed */
	uint16_t member;
	enum link_state state;
	bool is_ours;                   /* this worker has opened it, or will */
	bool has_forwarded;             /* since it was opened */
	bool is_spoiled;                /* what is queued is of no use any more: it is to break */
	struct list dirty_link;         /* on links->dirty: there may be something to write */
	struct list parcels;            /* small frames that wait for the log */
	struct link_parcel *collecting; /* the one of this turn; NULL: there is none yet */
	struct link_parcel *spare;
	struct output out; /* small frames that may go */
	struct list bulks; /* large frames */
	size_t waiting;    /* bytes of parcels and bulks */
	uint32_t streams;  /* numbers of streams that were used */
	unsigned awaited; /* messages that came over it, and have to wait before they are handled */
	char id[RING_ID_SIZE]; /* of who is meant at the other end of the connection */
	uint64_t epoch;        /* of the map by which an accepted one was looked at; 0: none yet */
	/* Of an own link: */
	void *opening;     /* the state of its opening */
	uint64_t began_ns; /* the latest attempt to open it */
	uint64_t until_ns; /* when it has to be open */
	uint64_t retry_ns; /* it is not opened before */
	unsigned failures; /* in a row */
	struct link_forward *forwards;
	size_t forward_count, forward_cap;
	/* How long answers to reads and to accepts took since the last look; NULL: none came. */
	struct histogram *reads, *accepts;
	struct silence_usual usual; /* p99 of them, lately */
	struct silence silence;
};

void link_init(struct link *link, struct worker *w, uint16_t member);

/* Forgets what is queued, and gives all memory back. */
void link_clear(struct link *link);

/* Queues a message; under the lock of a group. Returns 0 or why it is lost. */
int link_queue(struct link *link, const struct message *m, uint64_t rests_on) DHT_MUST_CHECK;

/* True if nothing waits to be written, nor to be answered. */
bool link_is_idle(const struct link *link);

/* A message that came over it has to wait, or waits no more: it stays with its worker meanwhile. */
void link_await(struct link *link);
void link_await_end(struct link *link);

/* Ends a turn: what was collected in it waits for the log together. */
void link_hold(struct link *link);

/* Moves what may go to the session of an open link, as far as that has room, and writes. Returns
 * 0, or DHT_ECLOSED: the connection is of no use. */
int link_write(struct link *link) DHT_MUST_CHECK;

#endif
