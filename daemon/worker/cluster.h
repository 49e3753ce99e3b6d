/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/cluster - a worker's part in the register protocol: the shell around the node's steps.
 *
 * Why     The node is told events and tells effects (node/node.h). Here every step is given what it
 *         needs, under the lock of its group, and what it tells is done: messages go to the
 *         links, alarms to the worker's heap, ended tasks to their owners. An event that has to
 *         wait (DHT_EAGAIN) is kept and told again.
 * Owns    Events that wait, alarms.
 * Thread  the worker, holding no group.
 * Errors  Messages beyond CLUSTER_EVENTS_MAX that would have to wait are lost, and counted. A disk
 *         that lies stops the node (committer_fail).
 */
#ifndef DHT_WORKER_CLUSTER_H
#define DHT_WORKER_CLUSTER_H

#include "wire/peer.h"
#include "worker/fetch.h"
#include "worker/inquiry.h"
#include "worker/timers.h"

struct link;
struct event;

enum {
	CLUSTER_EVENTS_MAX = 4096,                   /* messages that wait, for whatever reason */
	CLUSTER_EVENTS_BYTES_MAX = 64 * 1024 * 1024, /* of these */
	CLUSTER_COPIES_MAX = 1024 * 1024,            /* bytes of copies that wait for a commit */
};

/* One step of the node; e has been filled in for it. */
typedef int (*event_step_fn)(struct worker *w, struct node_step *step, const struct event *e);

/* What the node is to be told. */
struct event {
	event_step_fn step;
	uint32_t block;  /* whose group is locked */
	bool is_copying; /* what it appends may be committed later */
	/* For the step, as it likes: */
	struct node_timer timer;
	uint16_t member;
	uint64_t tag;
	const struct message *message; /* of a message; while the step runs */
	struct link *answering;        /* over which it came; NULL: that is gone */
	/* While it waits: */
	struct list link;
	struct worker *worker;
	struct fetches fetches;
	uint64_t epoch, until_us;
	struct peer_frame frame; /* of a message: its parts lie in bytes */
	size_t size;
	uint8_t bytes[];
};

struct cluster {
	struct node_effects effects;
	uint64_t random;
	uint64_t now_us;        /* of the running step */
	uint64_t epoch;         /* the node's, in front of it */
	struct link *answering; /* the link of the message that is being handled */
	struct list done;       /* tasks that have ended in this step */
	uint32_t wants_map;     /* a member that has a newer one, and 1; 0: nobody */
	struct timers timers;
	struct inquiries inquiries;
	bool has_stepped; /* since the outbox was settled: there may be something to commit */
	struct list for_record, for_room, for_map; /* events */
	unsigned waiting; /* messages that wait, those for records included */
	size_t waiting_bytes;
	struct wire_peer_decoder decoder;
	_Atomic uint64_t dropped; /* messages that would have had to wait */
};

void cluster_init(struct worker *w);
void cluster_fini(struct worker *w);

/* Forgets all that waits: the worker's thread ends. */
void cluster_end(struct worker *w);

/* Prepares a step. What follows from it is done by cluster_settle, without the lock. */
void cluster_begin(struct worker *w, struct node_step *step, const struct store_fetched *fetched);
void cluster_settle(struct worker *w);

/* Tells the node of an event, which lies with the caller and need not last. Returns 0;
 * DHT_EAGAIN: it is kept, and told again; or what the step says. */
int cluster_tell(struct worker *w, const struct event *e);

/* A message has come over a link. DHT_EPROTO: it is none, and the link is of no use; why says
 * more. */
int cluster_receive(struct worker *w, struct link *link, const struct peer_frame *frame,
		    const char **why) DHT_MUST_CHECK;

/* A link goes: what waits is answered over another one. */
void cluster_forget_link(struct worker *w, struct link *link);

/* The connection to a member that operations were forwarded to is gone. */
void cluster_lose(struct worker *w, uint16_t member);

/* A member that operations were forwarded to is silent, and may answer yet. */
void cluster_bypass(struct worker *w, uint16_t member);

/* A FORWARD was certainly not sent. */
void cluster_fail_forward(struct worker *w, uint32_t block, uint64_t tag);

/* Lets alarms go off and tells again what may go on. Once a round. */
void cluster_run(struct worker *w);

/* When it is to be called next, in nanoseconds from now. */
uint64_t cluster_timeout_ns(const struct worker *w);

#endif
