/* SPDX-License-Identifier: Apache-2.0 */
#include "node/table.h"

#include <stdlib.h>

#include "base/error.h"

enum { CAP_MIN = 4 };

static struct table_link **bucket_of(const struct table *table, uint64_t number)
{
	/* Tags are consecutive, and hashes of one block share bits: all of them count. */
	uint64_t mixed = number * 0x9E3779B97F4A7C15ull;
	return &table->buckets[(mixed >> 32) & (table->cap - 1)];
}

static void push(struct table *table, struct table_link *link)
{
	struct table_link **bucket = bucket_of(table, link->number);
	link->next = *bucket;
	*bucket = link;
}

static int grow(struct table *table)
{
	struct table next = {.count = table->count,
			     .cap = table->cap > 0 ? 2 * table->cap : CAP_MIN};
	next.buckets = calloc(next.cap, sizeof(struct table_link *));
	if (next.buckets == NULL)
		return table->cap > 0 ? 0 : DHT_ENOMEM;
	for (uint32_t i = 0; i < table->cap; i++) {
		while (table->buckets[i] != NULL) {
			struct table_link *link = table->buckets[i];
			table->buckets[i] = link->next;
			push(&next, link);
		}
	}
	free(table->buckets);
	*table = next;
	return 0;
}

int table_insert(struct table *table, struct table_link *link, uint64_t number)
{
	if (table->count >= table->cap && !table->is_visited) {
		int rc = grow(table);
		if (rc != 0)
			return rc;
	}
	link->number = number;
	push(table, link);
	table->count++;
	return 0;
}

void table_remove(struct table *table, struct table_link *link)
{
	struct table_link **at = bucket_of(table, link->number);
	while (*at != link) {
		DHT_ASSERT(*at != NULL);
		at = &(*at)->next;
	}
	*at = link->next;
	table->count--;
}

static struct table_link *seek(struct table_link *link, uint64_t number)
{
	while (link != NULL && link->number != number)
		link = link->next;
	return link;
}

struct table_link *table_find(const struct table *table, uint64_t number)
{
	return table->count > 0 ? seek(*bucket_of(table, number), number) : NULL;
}

struct table_link *table_find_next(const struct table_link *link)
{
	return seek(link->next, link->number);
}

void table_visit(struct table *table, void (*visit)(void *ctx, struct table_link *link), void *ctx)
{
	DHT_ASSERT(!table->is_visited);
	table->is_visited = true;
	for (uint32_t i = 0; i < table->cap && table->count > 0; i++) {
		struct table_link *following;
		for (struct table_link *link = table->buckets[i]; link != NULL; link = following) {
			following = link->next;
			visit(ctx, link);
		}
	}
	table->is_visited = false;
}

void table_fini(struct table *table)
{
	free(table->buckets);
	*table = (struct table){0};
}
