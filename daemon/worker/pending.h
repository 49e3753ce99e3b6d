/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/pending - an operation on its way through the node: the task that somebody waits for.
 *
 * Why     An operation on a block with several replicas takes messages, and its session answers
 *         nothing else meanwhile: the request is left where it is, like one that waits for a
 *         cold record, and given again when the task is over. Operations of requests behind it
 *         may be under way already: each finds its own by its number.
 * Owns    Copies of the operations and their bytes, in one allocation: the request may move in
 *         the session's input. What results point to, until pending_destroy.
 * Thread  The worker that made it; the node's from node_submit until `done`, which another worker
 *         tells by a job.
 */
#ifndef DHT_WORKER_PENDING_H
#define DHT_WORKER_PENDING_H

#include "node/task.h"
#include "worker/session.h"

struct worker;

enum { PENDING_AHEAD_MAX = 64 }; /* of one session, those of its next request included */

/* Which of all operations that a session asks for. */
struct session_op {
	uint64_t request; /* number of the request that it is of (exec_end_request) */
	uint32_t at;      /* which one of that; the first is 0 */
};

/* What a session has under way. There is one from its first operation that takes messages until it
 * rests: most sessions wait for nothing, and their memory counts. */
struct under_way {
	struct list all;         /* operations of its next request, and of later ones */
	struct pending *awaited; /* the one of them that it waits for; NULL: none */
	struct pending *met;     /* the one whose result the running request uses; NULL: none */
	struct session_op next;  /* the operation that it asks for next */
	uint64_t begun;          /* all of the requests before this one was, or need not be */
};

struct pending {
	struct task task;
	struct job job;          /* queued when another worker has ended the task */
	struct list link;        /* the worker's */
	struct session *session; /* NULL: it has no use for it any more, or there is none */
	struct list of_session;  /* on session->under_way */
	struct session_op which; /* of the session's operations */
	size_t bytes;            /* of this allocation */
	bool is_done;
	_Alignas(16) uint8_t memory[]; /* operations, results, bytes */
};

/* Makes one that does the same as the series, on copies, for what a session asks for next or for
 * nobody. NULL: out of memory. */
struct pending *pending_create(struct worker *w, struct session *s, const struct series *series);

/* Frees it, with what its results point to. It is not under way. */
void pending_destroy(struct worker *w, struct pending *p);

/* The one of the session that was begun for this, or for what it asks for next; NULL: there is
 * none. */
struct pending *pending_find(const struct session *s, struct session_op which);
struct pending *pending_next(const struct session *s);

bool pending_is_empty(const struct session *s);

/* True if it is of these operations. */
bool pending_is_of(const struct pending *p, const struct op *ops, size_t count);

/* Whether the session has none on the key, and room for one more operation ahead. */
enum pending_room { PENDING_ROOM, PENDING_ROOM_KEY_TAKEN, PENDING_ROOM_NONE };
enum pending_room pending_room(const struct session *s, const struct op *op);

/* The task is over, on the worker that made it: its session goes on, or it is freed. */
void pending_end(struct worker *w, struct pending *p);

/* The same, told by any worker. */
void pending_tell(struct worker *w, struct pending *p);

/* Its session has no use for it any more. */
void pending_drop(struct worker *w, struct pending *p);

/* The operation that the session asked for next is done; and so is its request: what is left of
 * it is of no use. */
void pending_pass(struct worker *w, struct session *s);
void pending_pass_request(struct worker *w, struct session *s);

/* The session is being closed, and has no use for any. */
void pending_drop_all(struct worker *w, struct session *s);

/* Gives the memory back of a session that has nothing under way. */
void pending_rest(struct session *s);

/* Frees those that are under way: the workers and the node have ended. */
void pending_forget(struct worker *w);

#endif
