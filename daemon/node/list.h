/* SPDX-License-Identifier: Apache-2.0
 *
 * node/list - what a member says to whoever lists or counts keys: LIST, COUNT and their answers.
 *
 * Why     The keys of a block are those that a majority of its replicas knows of: one alone may
 *         have been away. Who lists them has one replica name what it has of a range, and
 *         others say whether that is all; mostly it is, and the digest is enough. Who counts
 *         needs no more than how many keys each replica has.
 * Owns    Nothing. What is done with an answer is the asker's concern (effects->answer): it need
 *         be no replica.
 * Thread  under the lock of the block's group; COUNT and COUNTED: any block's.
 * Errors  As of node_handle. What cannot be answered is not: it is asked for again.
 */
#ifndef DHT_NODE_LIST_H
#define DHT_NODE_LIST_H

#include "node/range.h"

static inline bool list_is_of(enum message_kind kind)
{
	return kind == MESSAGE_LIST || kind == MESSAGE_LISTED || kind == MESSAGE_COUNT ||
	       kind == MESSAGE_COUNTED;
}

/* One of these has arrived, and is of the block's version, or of none. */
int list_handle(struct node *node, struct node_step *step,
		const struct message *message) DHT_MUST_CHECK;

/* Makes this replica's answer to a LIST of its own node: its items lie in range, and rest on
 * range->rests_on. DHT_EAGAIN: a record is cold; DHT_EDAMAGED; DHT_EFULL: too many keys have one
 * hash. */
int list_answer(const struct node *node, struct node_step *step, const struct message *question,
		struct range *range, struct message *answer) DHT_MUST_CHECK;

#endif
