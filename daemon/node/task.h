/* SPDX-License-Identifier: Apache-2.0
 *
 * node/task - operations on one key on their way: what a coordinator is asked to do.
 *
 * Why     A client's operation, a transaction on one key, one that another node forwards, an
 *         identity round: all wait in the same queue of their key.
 * Owns    What results point to beyond the store, until task_fini.
 * Thread  Its owner's until node_submit, the node's (under the lock of the block's group) until
 *         `done` is called for it, then its owner's again.
 *
 * The owner sets series.key, ops, results and count (and what is watched), deadline_us, and owner
 * or worker as it likes. Times (series.now_ms, ops[].now_ms) are set by the node whenever
 * the operations are applied. Afterwards:
 *
 *     whole.status  0: results are there, each with a status of its own. DHT_EPRECOND: the
 *                   watched version is another one. DHT_ENOQUORUM, DHT_ENOSPC, DHT_ENOMEM:
 *                   nothing was done, and nothing will be. DHT_EUNCERTAIN: the outcome is
 *                   unknown. DHT_EDAMAGED: the disk lied, stop the node.
 *     whole.end     position that has to be durable before anybody hears of it.
 *     whole.location, is_pinned   pinned for the owner if not 0: store_unpin it.
 */
#ifndef DHT_NODE_TASK_H
#define DHT_NODE_TASK_H

#include "base/list.h"
#include "node/series.h"

enum task_kind {
	TASK_OPERATIONS, /* of a client, or forwarded by another node */
	TASK_IDENTITY,   /* a PREPARE round that changes nothing (section 5) */
};

struct node;
struct node_step;
struct task;

/* Called for a task of the node's own instead of effects->done; without a step when the node
 * ends. */
typedef void (*task_end_fn)(struct node *node, struct node_step *step, struct task *task);

/* The longest that an operation may take: the register protocol, section 4, rests on it. */
#define TASK_DEADLINE_MAX_US 10000000ull

struct task {
	struct list link; /* the node's */
	enum task_kind kind;
	struct series series;
	struct op_result whole;
	uint64_t deadline_us; /* monotonic; at most TASK_DEADLINE_MAX_US ahead */
	void *owner;
	unsigned worker; /* of the owner */
	struct arena held;
	/* What went wrong where no quorum answered: replicas asked, answered, needed. */
	uint8_t asked, answered;

	/* The node's. */
	task_end_fn end;      /* NULL: the task is a client's */
	bool is_forwarded;    /* another node has sent it: it is not to go on to a third one */
	uint8_t forwards;     /* how often it was sent to another node, of which */
	uint16_t was_sent_to; /* these seats have refused it, in this version of the block */
	uint32_t sent_version;
	int refusal; /* why one of them did: DHT_ENOSPC, or 0: it is no replica */
};

void task_init(struct task *task, enum task_kind kind);
void task_fini(struct task *task);

#endif
