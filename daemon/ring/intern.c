/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/intern.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

static uint8_t *item_at(const struct intern *table, size_t number, size_t size)
{
	return (uint8_t *)table->items + number * size;
}

/* Returns where the item's number stands in the index, or where it would. */
static size_t find_place(const struct intern *table, const void *item, size_t size)
{
	size_t mask = table->index_cap - 1, place = hash_bytes(item, size) & mask;
	while (table->index[place] != INTERN_MAX &&
	       memcmp(item_at(table, table->index[place], size), item, size) != 0)
		place = (place + 1) & mask;
	return place;
}

/* Keeps the index at most half full. */
static int grow_index(struct intern *table, size_t size)
{
	if (table->index_cap >= 2 * (table->count + 1))
		return 0;
	struct intern grown = *table;
	grown.index_cap = table->index_cap == 0 ? 16 : table->index_cap * 2;
	grown.index = malloc(grown.index_cap * sizeof(*grown.index));
	if (grown.index == NULL)
		return DHT_ENOMEM;
	memset(grown.index, 0xff, grown.index_cap * sizeof(*grown.index));
	for (size_t i = 0; i < table->count; i++)
		grown.index[find_place(&grown, item_at(table, i, size), size)] = (uint16_t)i;
	free(table->index);
	*table = grown;
	return 0;
}

static int grow_items(struct intern *table, size_t size)
{
	if (table->count < table->cap)
		return 0;
	size_t cap = table->cap + table->cap / 2 + 4;
	void *items = realloc(table->items, cap * size);
	if (items == NULL)
		return DHT_ENOMEM;
	table->items = items;
	table->cap = cap;
	return 0;
}

int intern_number(struct intern *table, const void *item, size_t size, uint16_t *number)
{
	int rc = grow_index(table, size);
	if (rc != 0)
		return rc;
	size_t place = find_place(table, item, size);
	if (table->index[place] == INTERN_MAX) {
		if (table->count == INTERN_MAX)
			return DHT_EFULL;
		rc = grow_items(table, size);
		if (rc != 0)
			return rc;
		memcpy(item_at(table, table->count, size), item, size);
		table->index[place] = (uint16_t)table->count++;
	}
	*number = table->index[place];
	return 0;
}

void intern_fini(struct intern *table)
{
	free(table->items);
	free(table->index);
	*table = (struct intern){0};
}
