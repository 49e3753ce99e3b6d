/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/describe.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "resp/syntax.h"
#include "resp/table.h"
#include "worker/worker.h"

/* What a row does not tell. */
struct detail {
	const char *name; /* of a command, "client|id" */
	const char *keys; /* words; NULL: what follows from the flags */
	const char *tips;
};

static const struct detail details[] = {
#define RESP_DETAIL(name, keys, tips) {name, keys, tips},
#include "resp/commands.def"
    {NULL, NULL, NULL},
};

static const char *const group_names[] = {
#define X(group, name, category) name,
    RESP_GROUPS(X)
#undef X
};

static const char *const group_categories[] = {
#define X(group, name, category) category,
    RESP_GROUPS(X)
#undef X
};

/* ---- Parts of a reply --------------------------------------------------------------- */

static const struct detail *detail_of(const struct resp_command *command)
{
	static const struct detail none = {.tips = ""};
	char name[RESP_NAME_MAX];
	resp_table_name(command, name);
	for (const struct detail *detail = details; detail->name != NULL; detail++) {
		if (strcmp(detail->name, name) == 0)
			return detail;
	}
	return &none;
}

static size_t count_words(const char *words)
{
	size_t count = *words != '\0';
	for (; *words != '\0'; words++)
		count += *words == ' ';
	return count;
}

typedef void (*write_text_fn)(struct resp_out *out, const char *text);

/* Appends a set of the words of a text. */
static void write_words(struct resp_out *out, const char *words, write_text_fn write)
{
	char word[64];
	resp_write_set(out, count_words(words));
	while (*words != '\0') {
		size_t len = strcspn(words, " ");
		DHT_ASSERT(len < sizeof(word));
		memcpy(word, words, len);
		word[len] = '\0';
		write(out, word);
		words += len + (words[len] == ' ');
	}
}

static void write_pair(struct resp_out *out, const char *name, const char *value)
{
	resp_write_bulk_text(out, name);
	resp_write_bulk_text(out, value);
}

static void write_name(struct resp_out *out, const struct resp_command *command)
{
	char name[RESP_NAME_MAX];
	resp_table_name(command, name);
	resp_write_bulk_text(out, name);
}

/* ---- COMMAND INFO ----------------------------------------------------------------- */

static void write_flags(struct resp_out *out, const struct resp_command *command)
{
	resp_write_set(out, (size_t)__builtin_popcount(command->flags));
#define X(flag, number, word)                                                                      \
	if (command->flags & RESP_CMD_##flag)                                                      \
		resp_write_simple(out, word);
	RESP_FLAGS(X)
#undef X
}

static bool is_in_category(const struct resp_command *command, const char *category)
{
	const char *group = group_categories[resp_table_group(command)];
	uint32_t flags = command->flags;
	if (strcmp(category, "@read") == 0)
		return flags & RESP_CMD_READONLY;
	if (strcmp(category, "@write") == 0)
		return flags & RESP_CMD_WRITE;
	if (strcmp(category, "@admin") == 0 || strcmp(category, "@dangerous") == 0)
		return flags & RESP_CMD_ADMIN;
	if (strcmp(category, "@fast") == 0)
		return flags & RESP_CMD_FAST;
	if (strcmp(category, "@slow") == 0)
		return !(flags & RESP_CMD_FAST);
	/* Of a container it is the subcommands that somebody may run, or not. */
	return command->run != NULL && group != NULL && strcmp(category, group) == 0;
}

size_t resp_describe_categories(const struct resp_command *command,
				const char *categories[RESP_CATEGORIES_MAX])
{
	/* In the order of Redis. */
	static const char *const all[RESP_CATEGORIES_MAX] = {
	    "@keyspace", "@read", "@write",     "@string",     "@admin",
	    "@fast",     "@slow", "@dangerous", "@connection", "@transaction"};
	size_t count = 0;
	for (size_t i = 0; i < RESP_CATEGORIES_MAX; i++) {
		if (is_in_category(command, all[i]))
			categories[count++] = all[i];
	}
	return count;
}

static void write_categories(struct resp_out *out, const struct resp_command *command)
{
	const char *categories[RESP_CATEGORIES_MAX];
	size_t count = resp_describe_categories(command, categories);
	resp_write_set(out, count);
	for (size_t i = 0; i < count; i++)
		resp_write_simple(out, categories[i]);
}

void resp_describe_access(struct resp_out *out, const struct resp_command *command)
{
	const char *words = detail_of(command)->keys;
	if (words == NULL)
		words = command->flags & RESP_CMD_WRITE ? "RW update" : "RO access";
	write_words(out, words, resp_write_simple);
}

/* One range of keys that begins at a fixed place. */
static void write_key_specs(struct resp_out *out, const struct resp_command *command)
{
	if (command->first_key == 0) {
		resp_write_set(out, 0);
		return;
	}
	int last =
	    command->last_key < 0 ? command->last_key : command->last_key - command->first_key;
	resp_write_set(out, 1);
	resp_write_map(out, 3);
	resp_write_bulk_text(out, "flags");
	resp_describe_access(out, command);
	resp_write_bulk_text(out, "begin_search");
	resp_write_map(out, 2);
	write_pair(out, "type", "index");
	resp_write_bulk_text(out, "spec");
	resp_write_map(out, 1);
	resp_write_bulk_text(out, "index");
	resp_write_integer(out, command->first_key);
	resp_write_bulk_text(out, "find_keys");
	resp_write_map(out, 2);
	write_pair(out, "type", "range");
	resp_write_bulk_text(out, "spec");
	resp_write_map(out, 3);
	resp_write_bulk_text(out, "lastkey");
	resp_write_integer(out, last);
	resp_write_bulk_text(out, "keystep");
	resp_write_integer(out, command->key_step);
	resp_write_bulk_text(out, "limit");
	resp_write_integer(out, 0);
}

void resp_describe_info(struct resp_out *out, const struct resp_command *command)
{
	size_t subs = resp_table_count_subs(command);
	resp_write_array(out, 10);
	write_name(out, command);
	resp_write_integer(out, command->arity);
	write_flags(out, command);
	resp_write_integer(out, command->first_key);
	resp_write_integer(out, command->last_key);
	resp_write_integer(out, command->key_step);
	write_categories(out, command);
	write_words(out, detail_of(command)->tips, resp_write_bulk_text);
	write_key_specs(out, command);
	/* Without any, Redis writes a set. */
	if (subs == 0)
		resp_write_set(out, 0);
	else
		resp_write_array(out, subs);
	for (size_t i = 1; i <= subs; i++)
		resp_describe_info(out, command + i);
}

/* ---- COMMAND DOCS ----------------------------------------------------------------- */

static bool is_one_of(struct bytes word, const char *const words[])
{
	for (; *words != NULL; words++) {
		if (bytes_equal(word, bytes_of_text(*words)))
			return true;
	}
	return false;
}

/* What clients check before they send; a string where nothing better is known. */
static const char *value_type(struct bytes word)
{
	static const char *const keys[] = {"key", "newkey", "source", "destination", NULL};
	static const char *const patterns[] = {"pattern", NULL};
	static const char *const times[] = {"unix-time-seconds", "unix-time-milliseconds", NULL};
	static const char *const integers[] = {
	    "seconds", "milliseconds", "count",  "cursor",   "index",     "client-id",
	    "start",   "end",          "slot",   "protover", "decrement", "numreplicas",
	    "timeout", "port",         "offset", NULL};
	if (is_one_of(word, keys))
		return "key";
	if (is_one_of(word, patterns))
		return "pattern";
	if (is_one_of(word, times))
		return "unix-time";
	return is_one_of(word, integers) ? "integer" : "string";
}

static const char *node_type(const struct syntax_node *node)
{
	switch (node->kind) {
	case SYNTAX_VALUE:
		return value_type(node->word);
	case SYNTAX_TOKEN:
		return "pure-token";
	case SYNTAX_ONEOF:
		return "oneof";
	case SYNTAX_BLOCK:
		return "block";
	}
	return "string";
}

enum { NAME_ROOM = 64 }; /* for the name of an argument: of those below it, cut */

static void add_lower(char *name, size_t *len, struct bytes word)
{
	for (size_t i = 0; i < word.len && *len < NAME_ROOM - 1; i++)
		name[(*len)++] = (char)text_lower(word.data[i]);
}

/* A group is called what its members are. */
static void name_node(const struct syntax *syntax, const struct syntax_node *node, char *name,
		      size_t *len)
{
	if (node->kind == SYNTAX_VALUE || node->kind == SYNTAX_TOKEN) {
		add_lower(name, len, node->word);
		return;
	}
	SYNTAX_FOREACH(child, syntax, node)
	{
		if (child != &syntax->nodes[node->first])
			add_lower(name, len, bytes_of("_", 1));
		name_node(syntax, child, name, len);
	}
}

static void write_arguments(struct resp_out *out, const struct syntax *syntax,
			    const struct syntax_node *parent);

static void write_argument(struct resp_out *out, const struct syntax *syntax,
			   const struct syntax_node *node)
{
	char name[NAME_ROOM];
	size_t len = 0;
	const char *type = node_type(node);
	struct bytes token = node->kind == SYNTAX_TOKEN ? node->word : node->token;
	bool is_key = strcmp(type, "key") == 0;
	bool is_group = node->kind == SYNTAX_ONEOF || node->kind == SYNTAX_BLOCK;
	size_t flags = (size_t)node->is_optional + (size_t)node->is_multiple;
	name_node(syntax, node, name, &len);
	resp_write_map(out, 2 + (size_t)is_key + (token.len > 0) + (flags > 0) + (size_t)is_group);
	resp_write_bulk_text(out, "name");
	resp_write_bulk(out, bytes_of(name, len));
	write_pair(out, "type", type);
	if (is_key) {
		resp_write_bulk_text(out, "key_spec_index");
		resp_write_integer(out, 0);
	}
	if (token.len > 0) {
		resp_write_bulk_text(out, "token");
		resp_write_bulk(out, token);
	}
	if (flags > 0) {
		resp_write_bulk_text(out, "flags");
		resp_write_set(out, flags);
		if (node->is_optional)
			resp_write_simple(out, "optional");
		if (node->is_multiple)
			resp_write_simple(out, "multiple");
	}
	if (is_group) {
		resp_write_bulk_text(out, "arguments");
		write_arguments(out, syntax, node);
	}
}

static void write_arguments(struct resp_out *out, const struct syntax *syntax,
			    const struct syntax_node *parent)
{
	resp_write_array(out, syntax_children(syntax, parent));
	SYNTAX_FOREACH(child, syntax, parent)
	write_argument(out, syntax, child);
}

/* Redis writes no full stop behind a summary. */
static struct bytes summary_of(const struct resp_command *command)
{
	size_t len = strlen(command->summary);
	if (len > 0 && command->summary[len - 1] == '.')
		len--;
	return bytes_of(command->summary, len);
}

void resp_describe_docs(struct resp_out *out, const struct resp_command *command)
{
	struct syntax syntax;
	size_t subs = resp_table_count_subs(command);
	bool parsed = syntax_parse(&syntax, command->syntax);
	DHT_ASSERT(parsed);
	bool has_arguments = syntax.nodes[0].first != 0;
	resp_write_map(out, 3 + (size_t)has_arguments + (subs > 0));
	resp_write_bulk_text(out, "summary");
	resp_write_bulk(out, summary_of(command));
	write_pair(out, "since", command->since);
	write_pair(out, "group", group_names[resp_table_group(command)]);
	if (has_arguments) {
		resp_write_bulk_text(out, "arguments");
		write_arguments(out, &syntax, &syntax.nodes[0]);
	}
	if (subs == 0)
		return;
	resp_write_bulk_text(out, "subcommands");
	resp_write_map(out, subs);
	for (size_t i = 1; i <= subs; i++) {
		write_name(out, command + i);
		resp_describe_docs(out, command + i);
	}
}

/* ---- All commands ----------------------------------------------------------------- */

size_t resp_describe_count(void)
{
	size_t rows, count = 0;
	const struct resp_command *row = resp_table_rows(&rows);
	for (size_t i = 0; i < rows; i++)
		count += row[i].parent < 0;
	return count;
}

static void write_all_infos(struct resp_out *out)
{
	size_t rows;
	const struct resp_command *row = resp_table_rows(&rows);
	resp_write_array(out, resp_describe_count());
	for (size_t i = 0; i < rows; i++) {
		if (row[i].parent < 0)
			resp_describe_info(out, &row[i]);
	}
}

static void write_all_docs(struct resp_out *out)
{
	size_t rows;
	const struct resp_command *row = resp_table_rows(&rows);
	resp_write_map(out, resp_describe_count());
	for (size_t i = 0; i < rows; i++) {
		if (row[i].parent >= 0)
			continue;
		write_name(out, &row[i]);
		resp_describe_docs(out, &row[i]);
	}
}

/* A reply that is made when it is first asked for, by protocol. */
struct cached {
	void (*write)(struct resp_out *out);
	_Atomic(struct resp_out *) made[2];
};

static struct cached all_infos = {.write = write_all_infos};
static struct cached all_docs = {.write = write_all_docs};

static struct resp_out *make(const struct cached *cached, enum resp_version version)
{
	struct resp_out *made = malloc(sizeof(*made));
	if (made == NULL)
		return NULL;
	resp_out_init(made, WORKER_REPLY_MAX);
	made->version = version;
	cached->write(made);
	if (made->error == 0)
		return made;
	resp_out_fini(made);
	free(made);
	return NULL;
}

/* Two workers may make it at the same time: the first one's is kept. */
static bool write_cached(struct resp_out *out, struct cached *cached)
{
	_Atomic(struct resp_out *) *slot = &cached->made[out->version == RESP_VERSION_3];
	struct resp_out *made = atomic_load_explicit(slot, memory_order_acquire), *other = NULL;
	if (made == NULL) {
		made = make(cached, out->version);
		if (made == NULL)
			return false;
		if (!atomic_compare_exchange_strong(slot, &other, made)) {
			resp_out_fini(made);
			free(made);
			made = other;
		}
	}
	resp_write_raw(out, bytes_of(made->data, made->len));
	return true;
}

bool resp_describe_all_infos(struct resp_out *out)
{
	return write_cached(out, &all_infos);
}

bool resp_describe_all_docs(struct resp_out *out)
{
	return write_cached(out, &all_docs);
}
