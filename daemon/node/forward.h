/* SPDX-License-Identifier: Apache-2.0
 *
 * node/forward - operations that another node coordinates.
 *
 * Why     A node that is no replica cannot coordinate, and two that write the same key in turns
 *         need two trips each: so writes go to the block's first live replica that answers in
 *         time, unless this node may write the key without preparing. While a block moves they go
 *         to one that stays a replica. Reads stay here if this node is a replica.
 * Owns    Tasks that were sent to another node, until their result arrives; copies of those
 *         that came from another node.
 * Thread  under the lock of the block's group.
 *
 * A forwarded operation that may have arrived is never sent or coordinated a second time: its
 * coordinator's answer or DHT_EUNCERTAIN ends it. A link delivers each FORWARD at most once.
 */
#ifndef DHT_NODE_FORWARD_H
#define DHT_NODE_FORWARD_H

#include "node/node.h"

/* Lets this node or another one coordinate a task. DHT_EAGAIN: it is the caller's still. */
int forward_route(struct node *node, struct node_step *step, struct task *task) DHT_MUST_CHECK;

/* Sends a task to the first live replica that has not refused it yet, or ends it. */
void forward_task(struct node *node, struct node_step *step, struct task *task);

/* FORWARD or RESULT arrived. */
int forward_handle(struct node *node, struct node_step *step,
		   const struct message *message) DHT_MUST_CHECK;

/* An alarm of a block's forwarded tasks: ends those that wait for too long. True: it was one. */
bool forward_on_timer(struct node *node, struct node_step *step, const struct node_timer *timer);

/* The link to a member is gone: what it was sent and has not answered may have been done, but
 * what only reads is asked elsewhere. */
int forward_peer_lost(struct node *node, struct node_step *step, uint32_t block,
		      uint16_t member) DHT_MUST_CHECK;

/* A member owes answers for unusually long (node_set_slow): what only reads is asked elsewhere, if
 * another one is likely to answer. */
int forward_peer_slow(struct node *node, struct node_step *step, uint32_t block,
		      uint16_t member) DHT_MUST_CHECK;

/* A FORWARD with this tag was certainly not sent: it goes elsewhere, or ends. */
int forward_failed(struct node *node, struct node_step *step, uint32_t block,
		   uint64_t tag) DHT_MUST_CHECK;

/* Forgets everything; the tasks are their owner's. */
void forward_fini(struct node *node, uint32_t block);

#endif
