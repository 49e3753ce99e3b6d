/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/table.h"

#include <string.h>

/* Lets a row name its flags without their prefix. */
enum {
#define X(flag, number, word) flag = RESP_CMD_##flag,
	RESP_FLAGS(X)
#undef X
};

static const struct resp_command rows[] = {
#define RESP_COMMAND(id, name, arity, flags, first, last, step, summary)                           \
	{name, sizeof(name) - 1, arity, flags, first, last, step, summary, resp_run_##id},
#include "resp/commands.def"
#undef RESP_COMMAND
};

enum { BUCKETS = 512, NAME_MAX_LEN = 32 };
_Static_assert(sizeof(rows) / sizeof(rows[0]) < BUCKETS / 2, "the hash table gets too full");

/* Open addressing over the rows, filled before threads start. */
static uint16_t buckets[BUCKETS];

static unsigned bucket_of(const char *upper, size_t len)
{
	unsigned h = 5381;
	for (size_t i = 0; i < len; i++)
		h = h * 33 + (unsigned char)upper[i];
	return (h ^ h >> 15) % BUCKETS;
}

__attribute__((constructor)) static void fill_buckets(void)
{
	for (size_t i = 0; i < DHT_ARRAY_LEN(rows); i++) {
		unsigned b = bucket_of(rows[i].name, rows[i].name_len);
		while (buckets[b] != 0)
			b = (b + 1) % BUCKETS;
		buckets[b] = (uint16_t)(i + 1);
	}
}

const struct resp_command *resp_table_find(struct bytes name)
{
	char upper[NAME_MAX_LEN];
	if (name.len == 0 || name.len > sizeof(upper))
		return NULL;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];
		upper[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
	}
	for (unsigned b = bucket_of(upper, name.len); buckets[b] != 0; b = (b + 1) % BUCKETS) {
		const struct resp_command *row = &rows[buckets[b] - 1];
		if (row->name_len == name.len && memcmp(row->name, upper, name.len) == 0)
			return row;
	}
	return NULL;
}

const struct resp_command *resp_table_rows(size_t *count)
{
	*count = DHT_ARRAY_LEN(rows);
	return rows;
}
