/* SPDX-License-Identifier: Apache-2.0
 *
 * node/coordinator - the rounds by which this node reads or changes a key.
 *
 * Thread  under the lock of the block's group.
 */
#ifndef DHT_NODE_COORDINATOR_H
#define DHT_NODE_COORDINATOR_H

#include "node/node.h"

/* PROMISE, OK or VALUE arrived. */
int coordinator_handle(struct node *, struct node_step *, const struct message *) DHT_MUST_CHECK;

/* Begins an identity round for the key (section 5), unless one is under way. */
int coordinator_identity(struct node *, struct node_step *,
			 const struct store_key *) DHT_MUST_CHECK;

/* The block has a new version: what is under way goes on in it, or ends. DHT_EAGAIN: call it
 * again, it goes on where it was. */
int coordinator_move(struct node *, struct node_step *, uint32_t block) DHT_MUST_CHECK;

#endif
