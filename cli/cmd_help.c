/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/cmd_help - the commands that dhtctl answers alone: help, version.
 */
#include "cli/cmd_help.h"

#include <string.h>

#include "cli/command.h"
#include "cli/exit.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/text.h"

void cli_help_print(const struct cli_command *command)
{
	cli_print("usage: dhtctl %s%s%s\n\n%s\n", command->name,
		  command->arguments[0] != '\0' ? " " : "", command->arguments, command->summary);
	if (command->details[0] != '\0')
		cli_print("\n%s", command->details);
	cli_print("\n'dhtctl help' explains the options that every command takes.\n");
}

static void print_commands(void)
{
	size_t count;
	const struct cli_command *commands = cli_command_table(&count);
	size_t width = 0;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(commands[i].name);
		width = len > width ? len : width;
	}
	for (size_t i = 0; i < count; i++)
		cli_print("  %-*s  %s\n", (int)width, commands[i].name, commands[i].summary);
}

void cli_help_print_general(void)
{
	cli_print("usage: dhtctl " CLI_USAGE "\n\nOperates a dhtd node.\n\ncommands:\n");
	print_commands();
	cli_print("\noptions, before or after the command (-- ends them):\n");
	cli_options_print_help();
	cli_print("\nexit codes:\n");
#define X(name, code, text) cli_print("  %3d  %s\n", code, text);
	CLI_EXITS(X)
#undef X
	cli_print("\n'dhtctl help COMMAND' explains a command; dhtctl(1) is the manual.\n");
}

int cli_help_no_command(void)
{
	cli_message("no command; usage: dhtctl " CLI_USAGE "; 'dhtctl help' lists the commands");
	return CLI_EXIT_USAGE;
}

int cli_command_help(const struct cli_options *options)
{
	int code = cli_options_expect(options, 0, 1);
	if (code != CLI_EXIT_OK)
		return code;
	if (options->operand_count == 0) {
		cli_help_print_general();
		return CLI_EXIT_OK;
	}
	const char *name = options->operands[0];
	const struct cli_command *command = cli_command_find(name);
	if (command == NULL)
		return cli_command_unknown(name);
	cli_help_print(command);
	return CLI_EXIT_OK;
}

int cli_command_version(const struct cli_options *options)
{
	/* Also called for --version, whatever else was typed. */
	int code = options->wants_version ? CLI_EXIT_OK : cli_options_expect(options, 0, 0);
	if (code != CLI_EXIT_OK)
		return code;
	if (options->format == CLI_JSON) {
		json_t *result = cli_json_result();
		cli_json_set(result, "version", json_string(DHT_VERSION));
		cli_json_print(result);
	} else {
		cli_print("dhtctl %s\n", DHT_VERSION);
	}
	return CLI_EXIT_OK;
}
