/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/pending - an operation on its way through the node: the task that somebody waits for.
 *
 * Why     An operation on a block with several replicas takes messages, and its session serves
 *         nobody else meanwhile: the request is left where it is, like one that waits for a
 *         cold record, and given again when the task is over.
 * Owns    Copies of the operations and their bytes, in one allocation: the request may move in
 *         the session's input. What results point to, until pending_destroy.
 * Thread  The worker that made it; the node's from node_submit until `done`, which another worker
 *         tells by a job.
 */
#ifndef DHT_WORKER_PENDING_H
#define DHT_WORKER_PENDING_H

#include "node/task.h"
#include "worker/job.h"

struct session;
struct worker;

struct pending {
	struct task task;
	struct job job;          /* queued when another worker has ended the task */
	struct list link;        /* the worker's */
	struct session *session; /* NULL: it waits no more, or there is none */
	bool is_done;
	_Alignas(16) uint8_t memory[]; /* operations, results, bytes */
};

/* Makes one that does the same as the series, on copies, for a session or for nobody. NULL: out of
 * memory. */
struct pending *pending_create(struct worker *w, struct session *s, const struct series *series);

/* Frees it, with what its results point to. It is not under way. */
void pending_destroy(struct worker *w, struct pending *p);

/* True if it is of these operations: the request that it was made for is given again. */
bool pending_is_of(const struct pending *p, const struct op *ops, size_t count);

/* The task is over, on the worker that made it: its session goes on, or it is freed. */
void pending_end(struct worker *w, struct pending *p);

/* The same, told by any worker. */
void pending_tell(struct worker *w, struct pending *p);

/* The session does not wait any more: it is being closed, or has another request. */
void pending_drop(struct worker *w, struct session *s);

/* Frees those that are under way: the workers and the node have ended. */
void pending_forget(struct worker *w);

#endif
