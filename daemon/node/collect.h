/* SPDX-License-Identifier: Apache-2.0
 *
 * node/collect - tombstones go once all replicas hold them.
 *
 * Why     A deletion is complete when nobody can ever bring the key back (the register
 *         protocol, section 4): every replica of a stable block asks all others whether they
 *         hold its tombstone as a vote, and lets all of them erase it if so.
 * Owns    Copies of the keys under way, at most COLLECT_MAX of a block: what does not fit is met
 *         by a later walk.
 * Thread  under the lock of the block's group.
 */
#ifndef DHT_NODE_COLLECT_H
#define DHT_NODE_COLLECT_H

#include "node/node.h"

enum { COLLECT_MAX = 64 };

/* Begins with one key, of which a deletion was decided just now; what is under way for it is
 * left alone. Nothing happens where it is not to be collected, or not now. DHT_EDAMAGED. */
int collect_key(struct node *node, struct node_step *step,
		const struct store_key *key) DHT_MUST_CHECK;

/* One step of the walk over the block's tombstones: begins with some that are next, and with
 * identity rounds for some that are no votes. Records that are cold are fetched if reads_cold,
 * which is for leisure, otherwise left out. Sets *is_done behind the last one; the next call
 * begins anew. DHT_EAGAIN, DHT_EDAMAGED. */
int collect_step(struct node *node, struct node_step *step, uint32_t block, bool reads_cold,
		 bool *is_done) DHT_MUST_CHECK;

/* HELD arrived. */
int collect_handle(struct node *node, struct node_step *step, const struct store_key *key,
		   const struct message *message) DHT_MUST_CHECK;

/* Forgets all that is under way in the block. */
void collect_stop(struct node_block *block);

#endif
