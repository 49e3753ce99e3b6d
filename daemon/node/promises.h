/* SPDX-License-Identifier: Apache-2.0
 *
 * node/promises - promises that no flag of the index can say.
 *
 * Why     A promise is mostly that of the record itself or of its successor, which is one
 *         bit of an index entry. What is left are promises to other coordinators, and of
 *         keys without a record: few at a time, so they stand beside the index (the register
 *         protocol, section 1).
 * Owns    A table of copies of the keys, which grows up to PROMISES_MAX entries.
 * Thread  under the lock of the block's group.
 * Errors  DHT_EFULL, DHT_ENOMEM: a promise is never evicted. The caller raises the block's
 *         `low` above promises_highest, which stands for all of them then, and clears the
 *         table.
 */
#ifndef DHT_NODE_PROMISES_H
#define DHT_NODE_PROMISES_H

#include <stddef.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "paxos/ballot.h"

enum { PROMISES_MAX = 4096 };

struct promise;

struct promises {
	struct promise **slots; /* open addressing; NULL while it is empty */
	uint32_t count, cap;    /* cap is 0 or a power of two */
};

#define PROMISES_EMPTY ((struct promises){0})

/* Returns what was promised for the key, whose hash is given; absent if nothing is noted. */
struct ballot promises_find(const struct promises *promises, struct bytes key, uint64_t hash);

/* Notes a promise, in place of an earlier one; promised is not absent. */
int promises_set(struct promises *promises, struct bytes key, uint64_t hash,
		 struct ballot promised) DHT_MUST_CHECK;

/* Forgets what is noted for the key, if anything is. */
void promises_remove(struct promises *promises, struct bytes key, uint64_t hash);

/* The highest of all; absent if there is none. */
struct ballot promises_highest(const struct promises *promises);

/* Calls what is noted by now old, until it is noted again. */
void promises_turn(struct promises *promises);

/* Finds the next old one from *at on, where 0 is the begin, and sets *at to its place: to go on
 * from there once it was removed, or from the place behind. key and hash are as they were
 * noted, for as long as that lasts. False: there is none. */
bool promises_next_old(const struct promises *promises, uint32_t *at, struct bytes *key,
		       uint64_t *hash);

/* Forgets all, and gives the memory back. */
void promises_clear(struct promises *promises);

#endif
