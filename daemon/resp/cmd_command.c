/* SPDX-License-Identifier: Apache-2.0
 *
 * COMMAND: the table of commands, told to clients.
 */
#include "base/error.h"
#include "resp/describe.h"
#include "resp/glob.h"
#include "resp/options.h"
#include "resp/table.h"

static void write_all(struct resp_call *call, bool (*write)(struct resp_out *out))
{
	if (!write(call->out))
		resp_reply_status(call, DHT_ENOMEM);
}

void resp_run_command(struct resp_call *call)
{
	write_all(call, resp_describe_all_infos);
}

void resp_run_command_count(struct resp_call *call)
{
	resp_write_integer(call->out, (int64_t)resp_describe_count());
}

void resp_run_command_info(struct resp_call *call)
{
	if (call->argc == 2) {
		write_all(call, resp_describe_all_infos);
		return;
	}
	resp_write_array(call->out, call->argc - 2);
	for (size_t i = 2; i < call->argc; i++) {
		const struct resp_command *command = resp_table_find_full(call->args[i]);
		if (command != NULL)
			resp_describe_info(call->out, command);
		else
			resp_write_null(call->out);
	}
}

void resp_run_command_docs(struct resp_call *call)
{
	size_t found = 0;
	if (call->argc == 2) {
		write_all(call, resp_describe_all_docs);
		return;
	}
	for (size_t i = 2; i < call->argc; i++)
		found += resp_table_find_full(call->args[i]) != NULL;
	resp_write_map(call->out, found);
	for (size_t i = 2; i < call->argc; i++) {
		const struct resp_command *command = resp_table_find_full(call->args[i]);
		char name[RESP_NAME_MAX];
		if (command == NULL)
			continue;
		resp_table_name(command, name);
		resp_write_bulk_text(call->out, name);
		resp_describe_docs(call->out, command);
	}
}

/* ---- LIST ------------------------------------------------------------------------ */

typedef bool (*filter_fn)(const struct resp_command *command, const char *name,
			  struct bytes wanted);

static bool is_any(const struct resp_command *command, const char *name, struct bytes wanted)
{
	return true;
}

/* There are no modules. */
static bool is_of_module(const struct resp_command *command, const char *name, struct bytes wanted)
{
	return false;
}

static bool is_of_category(const struct resp_command *command, const char *name,
			   struct bytes wanted)
{
	const char *categories[RESP_CATEGORIES_MAX];
	size_t count = resp_describe_categories(command, categories);
	for (size_t i = 0; i < count; i++) {
		if (resp_is_word(wanted, categories[i] + 1)) /* without the @ */
			return true;
	}
	return false;
}

static bool matches_pattern(const struct resp_command *command, const char *name,
			    struct bytes wanted)
{
	return glob_matches_lower(wanted, bytes_of_text(name));
}

static void list_names(struct resp_call *call, filter_fn filter, struct bytes wanted)
{
	size_t rows, count = 0;
	const struct resp_command *row = resp_table_rows(&rows);
	char name[RESP_NAME_MAX];
	for (size_t i = 0; i < rows; i++) {
		resp_table_name(&row[i], name);
		count += filter(&row[i], name, wanted);
	}
	resp_write_array(call->out, count);
	for (size_t i = 0; i < rows; i++) {
		resp_table_name(&row[i], name);
		if (filter(&row[i], name, wanted))
			resp_write_bulk_text(call->out, name);
	}
}

/* Returns a filter by its name, NULL if there is none. */
static filter_fn find_filter(struct bytes name)
{
	static const struct {
		const char *name;
		filter_fn filter;
	} filters[] = {
	    {"MODULE", is_of_module}, {"ACLCAT", is_of_category}, {"PATTERN", matches_pattern}};
	for (size_t i = 0; i < DHT_ARRAY_LEN(filters); i++) {
		if (resp_is_word(name, filters[i].name))
			return filters[i].filter;
	}
	return NULL;
}

void resp_run_command_list(struct resp_call *call)
{
	filter_fn filter = NULL;
	if (call->argc == 2) {
		list_names(call, is_any, (struct bytes){0});
		return;
	}
	if (call->argc == 5 && resp_is_word(call->args[2], "FILTERBY"))
		filter = find_filter(call->args[3]);
	if (filter == NULL)
		resp_reply_syntax(call);
	else if (resp_check_pattern(call, call->args[4]))
		list_names(call, filter, call->args[4]);
}

/* ---- GETKEYS ---------------------------------------------------------------------- */

/* Finds the command of a request that is an argument itself: its words are args[2] and those
 * behind it. NULL: there is none with keys; replied. */
static const struct resp_command *find_keyed(struct resp_call *call)
{
	const struct resp_command *command = resp_table_find(call->args[2]);
	size_t words = call->argc - 2;
	if (command != NULL && resp_table_is_parent(command) && words > 1)
		command = resp_table_find_sub(command, call->args[3]);
	if (command == NULL) {
		resp_write_error(call->out, "ERR Invalid command specified");
		return NULL;
	}
	if (command->first_key == 0) {
		resp_write_error(call->out, "ERR The command has no key arguments");
		return NULL;
	}
	if (!resp_table_fits_arity(command, words)) {
		resp_write_error(call->out,
				 "ERR Invalid number of arguments specified for command");
		return NULL;
	}
	return command;
}

static void write_keys(struct resp_call *call, bool with_access)
{
	size_t first, last;
	const struct resp_command *command = find_keyed(call);
	if (command == NULL)
		return;
	resp_table_keys(command, call->argc - 2, &first, &last);
	size_t step = (size_t)command->key_step;
	resp_write_array(call->out, (last - first) / step + 1);
	for (size_t i = first; i <= last; i += step) {
		if (with_access)
			resp_write_array(call->out, 2);
		resp_write_bulk(call->out, call->args[2 + i]);
		if (with_access)
			resp_describe_access(call->out, command);
	}
}

void resp_run_command_getkeys(struct resp_call *call)
{
	write_keys(call, false);
}

void resp_run_command_getkeysandflags(struct resp_call *call)
{
	write_keys(call, true);
}
