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

#include "node/op.h"
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

#endif
