/* SPDX-License-Identifier: Apache-2.0
 *
 * node/table - objects that are found by a number: keys under way, forwarded operations.
 *
 * Why     Few per block at most times, thousands on a hot one; they come and go with each
 *         operation.
 * Owns    Its buckets; the links live in the caller's objects. Once it has buckets it keeps them,
 *         so that a visit may remove the object it is at.
 * Thread  under the lock of the block's group.
 * Errors  DHT_ENOMEM: there are no buckets; a table that has some grows when it can.
 */
#ifndef DHT_NODE_TABLE_H
#define DHT_NODE_TABLE_H

#include <stdbool.h>

#include "base/assert.h"

struct table_link {
	struct table_link *next;
	uint64_t number; /* not necessarily another one for each object */
};

struct table {
	struct table_link **buckets; /* cap of them; NULL before the first object */
	uint32_t count, cap;
	bool is_visited; /* it must not grow now */
};

/* Puts an object in. */
int table_insert(struct table *table, struct table_link *link, uint64_t number) DHT_MUST_CHECK;

/* Takes an object out, which is there. */
void table_remove(struct table *table, struct table_link *link);

/* The first object with this number, and the one behind; NULL: there is none. */
struct table_link *table_find(const struct table *table, uint64_t number);
struct table_link *table_find_next(const struct table_link *link);

/* Calls visit for each object, which it may remove. One that it inserts may be visited, too. */
void table_visit(struct table *table, void (*visit)(void *ctx, struct table_link *link), void *ctx);

/* Gives the memory back; the objects are their owner's. */
void table_fini(struct table *table);

#endif
