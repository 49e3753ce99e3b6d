/* SPDX-License-Identifier: Apache-2.0
 *
 * node/node - runs operations against this node's replica of a block.
 *
 * Why     Where a block has one replica, an operation sends no messages (the
 *         register protocol, section 3, economy): the whole round is this one step.
 * Owns    The per-block state of the protocol; the store is the caller's.
 * Thread  node_run is called under the lock of the block's group. Pure: no lock,
 *         clock, socket or thread in here.
 */
#ifndef DHT_NODE_NODE_H
#define DHT_NODE_NODE_H

#include "node/series.h"
#include "paxos/counter.h"

struct node_block {
	uint32_t version;    /* of the block, part of the map; 0 until it is joined */
	struct ballot floor; /* bound over what erased keys held or promised */
};

struct node {
	struct store *store;
	struct counter counter;
	uint64_t hash_seed;        /* unknown to clients: none can choose keys that collide */
	struct node_block *blocks; /* store_blocks() of them */
};

/* The store outlives the node. hash_seed is random, and the same as long as the store's
 * data lives. ceiling is the counter's durable one that the last run left, 0 if there was
 * none; until a higher one is durable (paxos/counter.h) nothing can be written.
 * DHT_ENOMEM. */
int node_init(struct node *node, struct store *store, uint32_t member, uint64_t hash_seed,
	      uint64_t ceiling) DHT_MUST_CHECK;
void node_fini(struct node *node);

/* Derives hash and block of a key. */
struct store_key node_key(const struct node *node, struct bytes key);

/* The same without a node: what a node with this seed and number of blocks derives. */
struct store_key node_locate(struct bytes key, uint64_t hash_seed, uint32_t blocks);

/* Runs one operation. appender is the calling worker's number. Nothing may be
 * answered before result->end is durable. With result->status DHT_EAGAIN nothing was done:
 * the operation is to be run again after the committer's next commit, which makes a higher
 * ceiling of the counter durable, or room in the log. */
void node_run(struct node *node, unsigned appender, const struct op *op, struct op_result *result);

/* Runs a series of operations as one: one record is written, if any. whole tells of it as a
 * result of node_run does; its value is the one that was there before, in which values of the
 * results may lie. Unless whole->status is 0 nothing was done, and there are no results. */
void node_run_series(struct node *node, unsigned appender, struct series *series,
		     struct op_result *whole);

/* Removes a key as node_run does that meets it when it has expired: hit, which describes its
 * value, is of the same critical section. *end is set to the position behind that. Returns 0,
 * DHT_ENOSPC or DHT_EAGAIN. */
int node_expire(struct node *node, unsigned appender, const struct store_key *key,
		struct store_hit *hit, uint64_t *end) DHT_MUST_CHECK;

enum { NODE_EXPIRE_MAX = 128 }; /* entries that one step looks at */

/* How far the background scan for expired keys is in a block. Starts as zeros. */
struct node_expiry {
	uint32_t hash;    /* where to go on; STORE_HASH_END: the block is done */
	uint64_t expired; /* keys that were removed so far */
	uint64_t end;     /* position of the log behind the last removal, 0 if there was none */
};

/* One step of that scan, under the lock of the block's group: looks at about max entries
 * (1 to NODE_EXPIRE_MAX) and removes those that have expired by now_ms, as node_run does
 * when it meets them. A block in which no key can expire is done at once. Returns 0, or
 * the error of store_put (DHT_ENOSPC, DHT_EAGAIN): the step may be tried again later; or
 * DHT_EDAMAGED: it met a record that does not verify, the node must stop. */
int node_expire_block(struct node *node, unsigned appender, uint32_t block, uint64_t now_ms,
		      unsigned max, struct node_expiry *expiry) DHT_MUST_CHECK;

#endif
