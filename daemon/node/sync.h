/* SPDX-License-Identifier: Apache-2.0
 *
 * node/sync - a member that is to be a replica pulls what the old ones hold.
 *
 * Why     In a joint phase every member of N pulls all records of a majority of O, as copies,
 *         and says `fin` when they are durable; in a block that recovers every survivor pulls
 *         from all (the register protocol, sections 6 and 7).
 * Owns    Nothing; struct node_pull of the block says how far it is.
 * Thread  under the lock of the block's group.
 *
 * The puller asks for one range after the other, and each answer says how far it got. What was
 * pulled is forgotten by a restart, a fin is not.
 */
#ifndef DHT_NODE_SYNC_H
#define DHT_NODE_SYNC_H

#include "node/node.h"

/* True while this node has something to pull for the block. */
bool sync_is_needed(const struct node *node, uint32_t block);

/* One step, if it is needed: asks for the next range, unless an answer may still come; asks
 * again or somebody else if that took too long; says fin when all of it is there. To be called
 * now and then, and whenever a CHUNK of the block was handled. DHT_EAGAIN; DHT_ENOSPC. */
int sync_step(struct node *node, struct node_step *step, uint32_t block) DHT_MUST_CHECK;

/* True if the fin of the block's version is durable, where everything before the position
 * `durable` is: then it is to be told with every heartbeat. */
bool sync_is_fin(const struct node *node, uint32_t block, uint64_t durable);

/* PULL or CHUNK arrived. */
int sync_handle(struct node *node, struct node_step *step,
		const struct message *message) DHT_MUST_CHECK;

#endif
