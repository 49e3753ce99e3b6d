/* SPDX-License-Identifier: Apache-2.0 */
#include "value.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"

enum { SLOTS = 2 * VALUE_MAX };

static struct {
	uint32_t count; /* VALUE_NONE included */
	struct bytes values[VALUE_MAX];
	uint64_t hashes[VALUE_MAX];
	uint32_t slots[SLOTS]; /* 0: free */
} table;

static uint32_t home_of(uint64_t hash)
{
	return (uint32_t)(hash % SLOTS);
}

static void put(uint32_t number)
{
	uint32_t i = home_of(table.hashes[number]);
	while (table.slots[i] != 0)
		i = (i + 1) % SLOTS;
	table.slots[i] = number;
}

/* Numbers are given in the order of their age, so those that go are the latest of their
 * probe sequence: nothing moves. */
static void take(uint32_t number)
{
	uint32_t i = home_of(table.hashes[number]);
	while (table.slots[i] != number)
		i = (i + 1) % SLOTS;
	table.slots[i] = 0;
	free((void *)(uintptr_t)table.values[number].data);
}

void value_forget(uint32_t count)
{
	while (table.count > count && table.count > 1)
		take(--table.count);
	if (table.count == 0)
		table.count = 1;
}

uint32_t value_count(void)
{
	return table.count;
}

uint32_t value_intern(struct bytes bytes)
{
	uint64_t hash = hash_bytes(bytes.data, bytes.len);
	DHT_ASSERT(table.count > 0);
	for (uint32_t i = home_of(hash); table.slots[i] != 0; i = (i + 1) % SLOTS) {
		uint32_t number = table.slots[i];
		if (table.hashes[number] == hash && bytes_equal(table.values[number], bytes))
			return number;
	}
	if (table.count == VALUE_MAX)
		return VALUE_FULL;
	uint8_t *copy = malloc(bytes.len + 1);
	DHT_ASSERT(copy != NULL);
	if (bytes.len > 0)
		memcpy(copy, bytes.data, bytes.len);
	table.values[table.count] = bytes_of(copy, bytes.len);
	table.hashes[table.count] = hash;
	put(table.count);
	return table.count++;
}

struct bytes value_of(uint32_t number)
{
	DHT_ASSERT(number < table.count);
	return table.values[number];
}
