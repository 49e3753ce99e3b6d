/* SPDX-License-Identifier: Apache-2.0
 *
 * node/range - what a range of hashes of a block holds, for a message.
 *
 * Why     Syncs and repairs speak of ranges (node/message.h). A step looks at a bounded number
 *         of entries and bytes of one, and says how far it got; keys of equal hash are never
 *         split, so that a range is the same set of keys everywhere.
 * Owns    Nothing: keys and values lie in the store, or in what was fetched, until the lock of
 *         the group is given back.
 * Thread  under the lock of the block's group.
 */
#ifndef DHT_NODE_RANGE_H
#define DHT_NODE_RANGE_H

#include "node/node.h"

enum {
	/* Of keys and values, about: one hash may have more. It is a moment's work for both ends,
	 * and goes as one frame. */
	RANGE_BYTES_MAX = 48 * 1024,
	RANGE_COLD_MIN = 32,    /* items that are enough where some are cold: a step holds those */
	RANGE_DIGEST_MAX = 512, /* entries of a digest that a step makes */
};

struct range {
	uint32_t block, from, until; /* until: how far it got */
	size_t count, bytes;
	uint64_t rests_on; /* position that has to be durable before it is told */
	struct message_item items[MESSAGE_ITEMS_MAX];
};

enum range_values { RANGE_WITH_VALUES, RANGE_KEYS_ALONE };

/* Collects the records of [from, until), as many as there may be; values are said not to count
 * for their bytes if they will not be told. DHT_EAGAIN: the first one is
 * cold; DHT_EDAMAGED; DHT_EFULL: there are too many of one hash. */
int range_collect(const struct node *node, struct node_step *step, uint32_t block, uint32_t from,
		  uint32_t until, enum range_values values, struct range *range) DHT_MUST_CHECK;

/* The same, until there are `enough`, at least one. */
int range_collect_some(const struct node *node, struct node_step *step, uint32_t block,
		       uint32_t from, uint32_t until, enum range_values values, size_t enough,
		       struct range *range) DHT_MUST_CHECK;

/* The upper bits of a key's hash, which ranges are made of. */
static inline uint32_t range_hash(const struct store_key *key)
{
	return (uint32_t)(key->hash >> (64 - STORE_HASH_BITS));
}

#endif
