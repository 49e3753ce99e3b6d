/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/command - the commands of dhtctl: proto/commands.def, with the function that
 * runs each of them, cli_command_ID().
 *
 * Why     A command is one row there. Its name, its usage, its help, the options it
 *         takes, nearest-name suggestions and dispatch all come from that row.
 * Owns    Nothing; the table is constant.
 * Thread  the main thread.
 */
#ifndef DHT_CLI_COMMAND_H
#define DHT_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

struct cli_options;

struct cli_command {
	const char *name;
	const char *arguments; /* the rest of the usage line */
	const char *summary;
	const char *details;
	/* Runs the command, reports what goes wrong, and returns the exit code. */
	int (*run)(const struct cli_options *options);
};

#define ADMIN_COMMAND(id, ID, name, place, arguments, summary, details)                            \
	int cli_command_##id(const struct cli_options *options);
#define LOCAL_COMMAND(id, name, arguments, summary, details)                                       \
	int cli_command_##id(const struct cli_options *options);
#include "proto/commands.def"

/* Returns the table in its order; *count is the number of rows. */
const struct cli_command *cli_command_table(size_t *count);

/* Returns the command of that name, NULL if there is none. */
const struct cli_command *cli_command_find(const char *name);

/* Returns the name that was most likely meant, NULL if none is close; see
 * cli_text_nearest. Knows words that other key-value stores use, such as "set". */
const char *cli_command_nearest(const char *typed);

/* Whether the usage line of a command mentions an option, for example "--hex" or "-v":
 * that is what makes a command take it. */
bool cli_command_takes(const struct cli_command *command, const char *option);

/* Reports a wrong use, `dhtctl: NAME: text; usage: ...`, and returns CLI_EXIT_USAGE.
 * command may be NULL. */
int cli_command_misused(const struct cli_command *command, const char *fmt, ...) DHT_PRINTF(2, 3);

/* Reports a word that is none of the names of what it should be ("action"), and the nearest of
 * them; returns CLI_EXIT_USAGE. */
int cli_command_misspelt(const struct cli_command *command, const char *what, const char *typed,
			 const char *const *names, size_t count);

/* Reports a word that is no command, and the nearest one; returns CLI_EXIT_USAGE. */
int cli_command_unknown(const char *typed);

#endif
