/* SPDX-License-Identifier: Apache-2.0
 *
 * node/local - operations on a block of which this node is the one replica.
 *
 * Why     Such an operation sends no messages (the register protocol, section 3, economy): the
 *         whole round is this one step, without a task or a queue. Blocks with more replicas
 *         are node_submit's.
 * Owns    Nothing.
 * Thread  under the lock of the block's group; node_block_is_alone (asserted), and no task is
 *         under way in it.
 */
#ifndef DHT_NODE_LOCAL_H
#define DHT_NODE_LOCAL_H

#include "node/node.h"

/* Runs one operation. appender is the calling worker's number. Nothing may be
 * answered before result->end is durable (NODE_RESTS_ON_MAP: node/effects.h). With result->status
 * DHT_EAGAIN nothing was done: the operation is to be run again after the committer's next commit,
 * which makes a higher ceiling of the counter durable, or room in the log. */
void local_run(struct node *node, unsigned appender, const struct op *op, struct op_result *result);

/* Runs a series of operations as one: one record is written, if any. whole tells of it as a
 * result of local_run does; its value is the one that was there before, in which values of the
 * results may lie. Unless whole->status is 0 nothing was done, and there are no results. */
void local_run_series(struct node *node, unsigned appender, struct series *series,
		      struct op_result *whole);

/* Removes a key as local_run does that meets it when it has expired: hit, which describes its
 * value, is of the same critical section. *end is set to the position behind that. Returns 0,
 * DHT_ENOSPC or DHT_EAGAIN. In a block with more replicas no single one decides: there it is
 * DHT_ENOSPC, always, so that compaction keeps the value. */
int local_expire(struct node *node, unsigned appender, const struct store_key *key,
		 struct store_hit *hit, uint64_t *end) DHT_MUST_CHECK;

enum { LOCAL_EXPIRE_MAX = 128 }; /* entries that one step looks at */

/* How far the background scan for expired keys is in a block. Starts as zeros. */
struct local_expiry {
	uint32_t hash;    /* where to go on; STORE_HASH_END: the block is done */
	uint64_t expired; /* keys that were removed so far */
	uint64_t end;     /* position of the log behind the last removal, 0 if there was none */
};

/* One step of that scan, under the lock of the block's group: looks at about max entries
 * (1 to LOCAL_EXPIRE_MAX) and removes those that have expired by now_ms, as local_run does
 * when it meets them. A block in which no key can expire, or
 * with more replicas, is done at once. Returns 0, or
 * the error of store_put (DHT_ENOSPC, DHT_EAGAIN): the step may be tried again later; or
 * DHT_EDAMAGED: it met a record that does not verify, the node must stop. */
int local_expire_block(struct node *node, unsigned appender, uint32_t block, uint64_t now_ms,
		       unsigned max, struct local_expiry *expiry) DHT_MUST_CHECK;

#endif
