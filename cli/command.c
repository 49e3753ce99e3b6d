/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/exit.h"
#include "cli/message.h"
#include "cli/text.h"
#include "cli/usage.h"

static const struct cli_command commands[] = {
#define ADMIN_COMMAND(id, ID, name, place, arguments, summary, details)                            \
	{name, arguments, summary, details, cli_command_##id},
#define LOCAL_COMMAND(id, name, arguments, summary, details)                                       \
	{name, arguments, summary, details, cli_command_##id},
#include "proto/commands.def"
};

/* What people who come from other stores type. */
static const struct {
	const char *typed;
	const char *meant;
} synonyms[] = {
    {"set", "put"},     {"rm", "del"},      {"remove", "del"}, {"unlink", "del"},
    {"ls", "scan"},     {"list", "scan"},   {"keys", "scan"},  {"export", "dump"},
    {"import", "load"}, {"info", "status"}, {"expire", "ttl"}, {"pexpire", "ttl"},
    {"persist", "ttl"}, {"pttl", "ttl"},
};

const struct cli_command *cli_command_table(size_t *count)
{
	*count = DHT_ARRAY_LEN(commands);
	return commands;
}

const struct cli_command *cli_command_find(const char *name)
{
	for (size_t i = 0; i < DHT_ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

const char *cli_command_nearest(const char *typed)
{
	for (size_t i = 0; i < DHT_ARRAY_LEN(synonyms); i++) {
		if (strcmp(synonyms[i].typed, typed) == 0)
			return synonyms[i].meant;
	}
	const char *names[DHT_ARRAY_LEN(commands)];
	for (size_t i = 0; i < DHT_ARRAY_LEN(commands); i++)
		names[i] = commands[i].name;
	return cli_text_nearest(typed, names, DHT_ARRAY_LEN(names));
}

bool cli_command_takes(const struct cli_command *command, const char *option)
{
	return cli_usage_mentions(bytes_of_text(command->arguments), option);
}

int cli_command_misused(const struct cli_command *command, const char *fmt, ...)
{
	char text[CLI_MESSAGE_MAX / 2];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (command == NULL)
		cli_message("%s; 'dhtctl help' explains", text);
	else
		cli_message("%s: %s; usage: dhtctl %s%s%s", command->name, text, command->name,
			    command->arguments[0] != '\0' ? " " : "", command->arguments);
	return CLI_EXIT_USAGE;
}

int cli_command_misspelt(const struct cli_command *command, const char *what, const char *typed,
			 const char *const *names, size_t count)
{
	char word[CLI_QUOTED_MAX];
	const char *nearest = cli_text_nearest(typed, names, count);
	cli_text_quote(bytes_of_text(typed), word);
	if (nearest != NULL)
		return cli_command_misused(command, "unknown %s %s; did you mean %s?", what, word,
					   nearest);
	return cli_command_misused(command, "unknown %s %s", what, word);
}

int cli_command_unknown(const char *typed)
{
	char word[CLI_QUOTED_MAX];
	cli_text_quote(bytes_of(typed, strlen(typed)), word);
	const char *nearest = cli_command_nearest(typed);
	if (nearest != NULL)
		cli_message("unknown command %s; did you mean %s?", word, nearest);
	else
		cli_message("unknown command %s; 'dhtctl help' lists the commands", word);
	return CLI_EXIT_USAGE;
}
