/* SPDX-License-Identifier: Apache-2.0
 *
 * node/coordinator - the rounds by which this node reads or changes a key.
 *
 * Why     The coordinator of the register protocol (section 3) around paxos/round: one round at a
 *         time per key, all replicas asked at once, the own one by a call, before any
 *         message goes out. A proposal needs not be durable here to be sent: it counts as one
 *         that may be chosen from then on; what a client is told rests on it.
 * Owns    Tasks from coordinator_submit until they end; its own ones (identity rounds).
 * Thread  under the lock of the block's group.
 *
 * What a step has to wait for (DHT_EAGAIN) is noted with the key: the same call again, or any
 * other event of the key, an alarm at the latest, goes on from there.
 */
#ifndef DHT_NODE_COORDINATOR_H
#define DHT_NODE_COORDINATOR_H

#include "node/node.h"

/* Takes on a task of a block of which this node is a replica. DHT_EAGAIN: it is the caller's
 * still. */
int coordinator_submit(struct node *node, struct node_step *step, struct task *task) DHT_MUST_CHECK;

/* PROMISE, OK or VALUE arrived. */
int coordinator_handle(struct node *node, struct node_step *step,
		       const struct message *message) DHT_MUST_CHECK;

/* An alarm of a key. True: it was one of these. */
bool coordinator_on_timer(struct node *node, struct node_step *step, const struct node_timer *timer,
			  int *rc) DHT_MUST_CHECK;

/* Begins an identity round for the key (section 5), unless something is under way for it. */
int coordinator_identity(struct node *node, struct node_step *step,
			 const struct store_key *key) DHT_MUST_CHECK;

/* The block has a new version: what is under way goes on in it, or ends. Keys that have to
 * wait for something go on later by themselves. Returns 0 or DHT_EDAMAGED. */
int coordinator_move(struct node *node, struct node_step *step, uint32_t block) DHT_MUST_CHECK;

/* Forgets everything, and frees the node's own tasks; those of others are their owner's. */
void coordinator_fini(struct node *node, uint32_t block);

/* A task is over: whoever it belongs to is told. */
void coordinator_end(struct node *node, struct node_step *step, struct task *task);

/* The same where nothing was done, or where that is unknown. */
void coordinator_fail(struct node *node, struct node_step *step, struct task *task, int status);

#endif
