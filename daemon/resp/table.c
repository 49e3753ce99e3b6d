/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lets a row name its flags without their prefix. */
enum {
	NONE = RESP_CMD_NONE,
#define X(flag, number, word) flag = RESP_CMD_##flag,
	RESP_FLAGS(X)
#undef X
};

/* And its parent by id. */
enum {
#define RESP_COMMAND(id, ...)            ROW_##id,
#define RESP_CONTAINER(id, ...)          ROW_##id, ROW_##id##_help,
#define RESP_SUBCOMMAND(parent, id, ...) ROW_##parent##_##id,
#define RESP_HELP(parent)                ROW_##parent##_help,
#include "resp/commands.def"
	ROW_COUNT
};

#define ROW(name_, parent_, arity_, flags_, first, last, step, group_, run_, since_, syntax_,      \
	    summary_)                                                                              \
	{                                                                                          \
	    .name = (name_),                                                                       \
	    .name_len = sizeof(name_) - 1,                                                         \
	    .parent = (parent_),                                                                   \
	    .arity = (arity_),                                                                     \
	    .flags = (flags_),                                                                     \
	    .first_key = (first),                                                                  \
	    .last_key = (last),                                                                    \
	    .key_step = (step),                                                                    \
	    .group = (group_),                                                                     \
	    .run = (run_),                                                                         \
	    .since = (since_),                                                                     \
	    .syntax = (syntax_),                                                                   \
	    .summary = (summary_),                                                                 \
	},
#define RESP_COMMAND(id, name, arity, flags, first, last, step, group, since, syntax, summary)     \
	ROW(name, -1, arity, flags, first, last, step, RESP_GROUP_##group, resp_run_##id, since,   \
	    syntax, summary)
#define RESP_CONTAINER(id, name, group, since, summary)                                            \
	ROW(name, -1, -2, 0, 0, 0, 0, RESP_GROUP_##group, NULL, since, "", summary)                \
	RESP_HELP(id)
#define RESP_SUBCOMMAND(parent, id, name, arity, flags, first, last, step, since, syntax, summary) \
	ROW(name, ROW_##parent, arity, flags, first, last, step, 0, resp_run_##parent##_##id,      \
	    since, syntax, summary)
#define RESP_HELP(parent)                                                                          \
	ROW("HELP", ROW_##parent, 2, LOADING | STALE, 0, 0, 0, 0, resp_run_help, "5.0.0", "",      \
	    "Prints this help.")
static const struct resp_command rows[ROW_COUNT] = {
#include "resp/commands.def"
};
#undef ROW

struct refusal {
	const char *names; /* with a | between two */
	const char *why;
};

static const struct refusal refusals[] = {
#define RESP_REFUSED(names, why) {names, why},
#include "resp/commands.def"
    {NULL, NULL},
};

enum { BUCKETS = 512 };
_Static_assert(ROW_COUNT < BUCKETS / 2, "the hash table gets too full");

/* Open addressing over the commands, filled before threads start. */
static uint16_t buckets[BUCKETS];

/* The same for both cases of a letter. */
static inline unsigned bucket_of(const uint8_t *name, size_t len)
{
	unsigned h = (unsigned)len;
	for (size_t i = 0; i < len; i++)
		h = h * 33 + (name[i] & 0xdfu);
	return (h ^ h >> 9) % BUCKETS;
}

__attribute__((constructor)) static void fill_buckets(void)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (rows[i].parent >= 0)
			continue;
		unsigned b = bucket_of((const uint8_t *)rows[i].name, rows[i].name_len);
		while (buckets[b] != 0)
			b = (b + 1) % BUCKETS;
		buckets[b] = (uint16_t)(i + 1);
	}
}

static inline bool has_name(const struct resp_command *row, struct bytes name)
{
	return text_is_alike(name, bytes_of(row->name, row->name_len));
}

const struct resp_command *resp_table_find(struct bytes name)
{
	if (name.len == 0 || name.len > RESP_NAME_MAX)
		return NULL;
	for (unsigned b = bucket_of(name.data, name.len); buckets[b] != 0; b = (b + 1) % BUCKETS) {
		const struct resp_command *row = &rows[buckets[b] - 1];
		if (has_name(row, name))
			return row;
	}
	return NULL;
}

bool resp_table_is_parent(const struct resp_command *command)
{
	const struct resp_command *next = command + 1;
	return next < rows + ROW_COUNT && next->parent == command - rows;
}

size_t resp_table_count_subs(const struct resp_command *command)
{
	const struct resp_command *end = rows + ROW_COUNT, *row = command + 1;
	while (row < end && row->parent == command - rows)
		row++;
	return (size_t)(row - command) - 1;
}

const struct resp_command *resp_table_parent(const struct resp_command *command)
{
	return command->parent < 0 ? NULL : &rows[command->parent];
}

const struct resp_command *resp_table_find_sub(const struct resp_command *parent, struct bytes name)
{
	const struct resp_command *end = rows + ROW_COUNT;
	for (const struct resp_command *row = parent + 1; row < end && row->parent == parent - rows;
	     row++) {
		if (has_name(row, name))
			return row;
	}
	return NULL;
}

const struct resp_command *resp_table_find_full(struct bytes name)
{
	const uint8_t *bar = name.len > 0 ? memchr(name.data, '|', name.len) : NULL;
	if (bar == NULL)
		return resp_table_find(name);
	size_t len = (size_t)(bar - name.data);
	const struct resp_command *parent = resp_table_find(bytes_of(name.data, len));
	if (parent == NULL)
		return NULL;
	return resp_table_find_sub(parent, bytes_of(bar + 1, name.len - len - 1));
}

static bool is_among(const char *names, struct bytes name)
{
	while (*names != '\0') {
		size_t len = strcspn(names, "|");
		if (text_is_alike(name, bytes_of(names, len)))
			return true;
		names += len + (names[len] == '|');
	}
	return false;
}

const char *resp_table_refusal(struct bytes name)
{
	for (const struct refusal *refusal = refusals; refusal->names != NULL; refusal++) {
		if (is_among(refusal->names, name))
			return refusal->why;
	}
	return NULL;
}

const struct resp_command *resp_table_rows(size_t *count)
{
	*count = ROW_COUNT;
	return rows;
}

size_t resp_table_index(const struct resp_command *command)
{
	return (size_t)(command - rows);
}

enum resp_group resp_table_group(const struct resp_command *command)
{
	return command->parent < 0 ? command->group : rows[command->parent].group;
}

void resp_table_name(const struct resp_command *command, char name[RESP_NAME_MAX])
{
	const char *parent = command->parent < 0 ? "" : rows[command->parent].name;
	snprintf(name, RESP_NAME_MAX, "%s%s%s", parent, *parent != '\0' ? "|" : "", command->name);
	for (char *c = name; *c != '\0'; c++)
		*c = (char)text_lower((uint8_t)*c);
}

void resp_table_keys(const struct resp_command *command, size_t argc, size_t *first, size_t *last)
{
	*first = (size_t)command->first_key;
	*last =
	    command->last_key >= 0 ? (size_t)command->last_key : argc - (size_t)-command->last_key;
	if (*first != 0 && *last >= argc)
		*last = argc - 1;
}
