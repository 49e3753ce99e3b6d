/* SPDX-License-Identifier: Apache-2.0
 *
 * node/repair - two replicas of a block compare what they have, and one tells the other.
 *
 * Why     A replica that was away, or lost a message, has to get what was decided without it
 *         (the register protocol, section 5). Digests find the ranges that differ, the keys in
 *         them are named with their acc, and what the other lacks is told with LEARN; what LEARN
 *         would refuse for its version is settled by identity rounds. Each replica does so with
 *         each other one: what the other has and this one lacks is told by that one.
 * Owns    Nothing.
 * Thread  under the lock of the block's group.
 */
#ifndef DHT_NODE_REPAIR_H
#define DHT_NODE_REPAIR_H

#include "node/node.h"

/* Told of each key that differs, under the lock of the block's group; absent: the key is not there.
 * A pass with one of these only looks, and tells nobody anything. */
struct repair_look {
	void *ctx;
	void (*differs)(void *ctx, struct bytes key, struct ballot own, struct ballot other);
};

/* One pass over a block with one other replica: its owner's, who begins and ends it. */
struct repair {
	uint32_t block;
	uint16_t with;     /* the member */
	uint32_t hash;     /* how far it is */
	bool is_done;      /* all of it was compared, or that member is no replica */
	uint64_t tag;      /* of the question under way; 0: none */
	uint32_t until;    /* what it asks about ends there */
	uint64_t asked_us; /* when */
	uint8_t tries;     /* questions in a row without an answer */
	uint32_t count;    /* records in what is asked about */
	const struct repair_look *look;
	uint64_t compared;   /* records */
	uint64_t unanswered; /* ranges */
	uint64_t differed;   /* ranges */
	uint64_t told;       /* records */
	uint64_t settled;    /* identity rounds that were begun */
};

/* Begins a pass; one at a time in a block (asserted). It must not move until repair_end, which
 * may be called at any time. */
void repair_begin(struct node *node, struct repair *repair, uint32_t block, uint16_t with);
void repair_begin_look(struct node *node, struct repair *repair, uint32_t block, uint16_t with,
		       const struct repair_look *look);
void repair_end(struct node *node, struct repair *repair);

/* One step: asks about the next range, unless an answer may still come. To be called now and
 * then until is_done: the caller decides the rate. A range about which nobody answers is left
 * out, and counted: it is to be compared soon. DHT_EAGAIN (a record is cold), DHT_EDAMAGED. */
int repair_step(struct node *node, struct node_step *step, struct repair *repair) DHT_MUST_CHECK;

/* COMPARE or DIFFER arrived. */
int repair_handle(struct node *node, struct node_step *step,
		  const struct message *message) DHT_MUST_CHECK;

#endif
