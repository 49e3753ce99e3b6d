/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/table - the one table of the client port's commands.
 *
 * Why     Name, arity, flags, key positions, handler, syntax and summary of a command are
 *         one row (resp/commands.def); look-up, arity errors, COMMAND and the manual
 *         derive from it.
 * Thread  any; constant.
 */
#ifndef DHT_RESP_TABLE_H
#define DHT_RESP_TABLE_H

#include "resp/command.h"

/* Finds a command by its name in any case; NULL if there is none. */
const struct resp_command *resp_table_find(struct bytes name);

/* Finds a subcommand of a container by its name in any case; NULL if there is none. */
const struct resp_command *resp_table_find_sub(const struct resp_command *parent,
					       struct bytes name);

/* True if subcommands stand behind it. */
bool resp_table_is_parent(const struct resp_command *command);

/* Returns how many subcommands stand behind it. */
size_t resp_table_count_subs(const struct resp_command *command);

/* Returns what a subcommand stands behind, NULL for a command. */
const struct resp_command *resp_table_parent(const struct resp_command *command);

/* Finds a command, or a subcommand by the names of both, "client|id"; NULL if there is none. */
const struct resp_command *resp_table_find_full(struct bytes name);

/* Why a command ("EVAL") or subcommand ("CLIENT PAUSE") that Redis has is refused here; NULL:
 * it is not known to be one. */
const char *resp_table_refusal(struct bytes name);

/* All rows: commands, each with its subcommands behind it. */
const struct resp_command *resp_table_rows(size_t *count);

size_t resp_table_index(const struct resp_command *command);

enum resp_group resp_table_group(const struct resp_command *command);

/* True if a request of argc words has enough of them, and not too many. */
static inline bool resp_table_fits_arity(const struct resp_command *command, size_t argc)
{
	int arity = command->arity;
	return arity >= 0 ? argc == (size_t)arity : argc >= (size_t)-arity;
}

/* Writes the name in lower case as Redis does in errors and statistics, "client|id", with a
 * NUL. */
enum { RESP_NAME_MAX = 48 };
void resp_table_name(const struct resp_command *command, char name[RESP_NAME_MAX]);

/* Sets the positions of the first and the last key of a request of argc words, which has
 * passed the check of its arity; both are 0 if there are none. Between them a key stands at
 * every key_step. */
void resp_table_keys(const struct resp_command *command, size_t argc, size_t *first, size_t *last);

#endif
