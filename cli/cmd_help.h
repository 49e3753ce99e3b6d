/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/cmd_help - help pages.
 *
 * Why     Made from the tables of commands, options and exit codes, so that none of
 *         them can be forgotten; also printed for --help and for no command at all.
 * Owns    Nothing.
 * Thread  the main thread.
 */
#ifndef DHT_CLI_CMD_HELP_H
#define DHT_CLI_CMD_HELP_H

struct cli_command;

/* Prints the page of a command. */
void cli_help_print(const struct cli_command *command);

/* Prints the page of dhtctl. */
void cli_help_print_general(void);

/* Says that a command is missing; returns CLI_EXIT_USAGE. */
int cli_help_no_command(void);

#endif
