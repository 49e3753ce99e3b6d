/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/exit.h"
#include "cli/message.h"
#include "cli/print.h"
#include "cli/text.h"

#define FIELD(name) offsetof(struct cli_options, name)

/* An option of a command comes before one of dhtctl that has the same name. */
static const struct cli_option table[] = {
    {"--hex", 0, NULL, FIELD(is_hex), NULL},
    {"--base64", 0, NULL, FIELD(is_base64), NULL},
    {"--verbose", 'v', NULL, FIELD(is_verbose), NULL},
    {"--if-absent", 0, NULL, FIELD(is_if_absent), NULL},
    {"--if-present", 0, NULL, FIELD(is_if_present), NULL},
    {"--ttl", 0, "TIME", FIELD(ttl), NULL},
    {"--keep-ttl", 0, NULL, FIELD(is_keep_ttl), NULL},
    {"--persist", 0, NULL, FIELD(is_persist), NULL},
    {"--old", 0, "VALUE", FIELD(old_value), NULL},
    {"--version", 0, "V.C.M", FIELD(old_version), NULL},
    {"--new", 0, "VALUE", FIELD(new_value), NULL},
    {"--force", 0, NULL, FIELD(is_forced), NULL},
    {"--discard-data", 0, NULL, FIELD(discards_data), NULL},
    {"--no-wait", 0, NULL, FIELD(waits_not), NULL},
    {"--zone", 0, "ZONE", FIELD(zone), NULL},
    {"--weight", 0, "N", FIELD(weight), NULL},
    {"--from", 0, "NODE,...", FIELD(survivors), NULL},
    {"--socket", 's', "SOCKET", FIELD(socket_path),
     "the daemon's admin socket (default: $DHTCTL_SOCKET, else " CLI_DEFAULT_SOCKET ")"},
    {"--output", 'o', "FORMAT", FIELD(format_text),
     "how the answer is printed: table (default), json, or lines of NAME=VALUE"},
    {"--timeout", 0, "TIME", FIELD(timeout_text),
     "how long the daemon may be silent, as 500ms, 5s or 2m (default: " CLI_DEFAULT_TIMEOUT ")"},
    {"--help", 'h', NULL, FIELD(wants_help), "explain dhtctl, or the command, and exit"},
    {"--version", 0, NULL, FIELD(wants_version), "print the version of dhtctl and exit"},
};

/* The words that are left to take apart. */
struct words {
	char **at;
	size_t left;
};

const struct cli_option *cli_options_table(size_t *count)
{
	*count = DHT_ARRAY_LEN(table);
	return table;
}

const char *cli_options_format_name(enum cli_format format)
{
	static const char *const names[CLI_FORMAT_COUNT] = {
	    [CLI_TABLE] = "table",
	    [CLI_JSON] = "json",
	    [CLI_LINES] = "lines",
	};
	return names[format];
}

bool cli_options_is_allowed(const struct cli_command *command, const struct cli_option *option)
{
	if (option->help != NULL)
		return true;
	if (command == NULL)
		return false;
	char letter[] = {'-', option->letter, '\0'};
	return cli_command_takes(command, option->name) ||
	       (option->letter != 0 && cli_command_takes(command, letter));
}

const struct cli_option *cli_options_find(const struct cli_command *command, struct bytes typed)
{
	bool is_letter = typed.len == 2 && typed.data[1] != '-';
	for (size_t i = 0; i < DHT_ARRAY_LEN(table); i++) {
		bool is_it = is_letter ? table[i].letter == (char)typed.data[1]
				       : bytes_equal(bytes_of_text(table[i].name), typed);
		if (is_it && cli_options_is_allowed(command, &table[i]))
			return &table[i];
	}
	return NULL;
}

static int unknown_option(const struct cli_options *options, const char *typed, size_t len)
{
	const char *names[DHT_ARRAY_LEN(table)];
	size_t count = 0;
	for (size_t i = 0; i < DHT_ARRAY_LEN(table); i++) {
		if (cli_options_is_allowed(options->command, &table[i]))
			names[count++] = table[i].name + 2; /* dashes are not compared */
	}
	char word[CLI_QUOTED_MAX];
	snprintf(word, sizeof(word), "%.*s", (int)len, typed);
	const char *nearest = len > 2 ? cli_text_nearest(word + 2, names, count) : NULL;
	if (nearest != NULL)
		return cli_command_misused(options->command,
					   "unknown option %s; did you mean --%s?", word, nearest);
	if (options->command == NULL)
		return cli_command_misused(
		    NULL, "unknown option %s (options of a command come after it)", word);
	return cli_command_misused(
	    options->command, "unknown option %s (put -- before operands that begin with -)", word);
}

static void set_flag(struct cli_options *options, const struct cli_option *option)
{
	*(bool *)(void *)((char *)options + option->field) = true;
}

/* value: what follows in the same word, NULL if the next word is to be taken. */
static int set_text(struct cli_options *options, const struct cli_option *option, const char *value,
		    struct words *words)
{
	if (value == NULL) {
		if (words->left == 0)
			return cli_command_misused(options->command, "option %s needs a %s",
						   option->name, option->value);
		value = *words->at++;
		words->left--;
	}
	*(const char **)(void *)((char *)options + option->field) = value;
	return CLI_EXIT_OK;
}

static int parse_long(struct cli_options *options, const char *word, struct words *words)
{
	const char *equals = strchr(word, '=');
	size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
	const struct cli_option *option = cli_options_find(options->command, bytes_of(word, len));
	if (option == NULL)
		return unknown_option(options, word, len);
	if (option->value != NULL)
		return set_text(options, option, equals != NULL ? equals + 1 : NULL, words);
	if (equals != NULL)
		return cli_command_misused(options->command, "option %s takes no value",
					   option->name);
	set_flag(options, option);
	return CLI_EXIT_OK;
}

/* A group of letters; the first that takes a value takes the rest of the word. */
static int parse_short(struct cli_options *options, const char *word, struct words *words)
{
	for (const char *at = word + 1; *at != '\0'; at++) {
		const char typed[] = {'-', *at};
		const struct cli_option *option =
		    cli_options_find(options->command, bytes_of(typed, sizeof(typed)));
		if (option == NULL)
			return unknown_option(options, typed, sizeof(typed));
		if (option->value != NULL)
			return set_text(options, option, at[1] != '\0' ? at + 1 : NULL, words);
		set_flag(options, option);
	}
	return CLI_EXIT_OK;
}

static int take_operand(struct cli_options *options, const char *word)
{
	if (options->command == NULL) {
		options->command = cli_command_find(word);
		return options->command != NULL ? CLI_EXIT_OK : cli_command_unknown(word);
	}
	if (options->operand_count < CLI_OPERANDS_MAX)
		options->operands[options->operand_count] = word;
	options->operand_count++;
	return CLI_EXIT_OK;
}

bool cli_options_is_operand(const char *word)
{
	return word[0] != '-' || word[1] == '\0' || (word[1] >= '0' && word[1] <= '9');
}

static int parse_words(struct cli_options *options, struct words *words)
{
	bool options_ended = false;
	while (words->left > 0) {
		const char *word = *words->at++;
		words->left--;
		int code;
		if (options_ended || cli_options_is_operand(word)) {
			code = take_operand(options, word);
		} else if (strcmp(word, "--") == 0) {
			options_ended = true;
			code = CLI_EXIT_OK;
		} else if (word[1] == '-') {
			code = parse_long(options, word, words);
		} else {
			code = parse_short(options, word, words);
		}
		if (code != CLI_EXIT_OK)
			return code;
	}
	return CLI_EXIT_OK;
}

bool cli_options_parse_duration(const char *text, int64_t max_ms, int64_t *duration_ms)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {{"ms", 1},      {"s", 1000},    {"", 1000},     {"m", 60000},
		     {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
	int64_t number = 0;
	const char *at = text;
	for (; *at >= '0' && *at <= '9'; at++) {
		int64_t digit = *at - '0';
		if (number > (max_ms - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	for (size_t i = 0; i < DHT_ARRAY_LEN(units); i++) {
		if (strcmp(at, units[i].name) != 0)
			continue;
		if (number < 1 || number > max_ms / units[i].ms)
			return false;
		*duration_ms = number * units[i].ms;
		return true;
	}
	return false;
}

/* Checks the values of options, and those that exclude each other. */
static int check_values(struct cli_options *options)
{
	const struct cli_command *command = options->command;
	if (options->socket_path[0] == '\0')
		return cli_command_misused(command, "option --socket needs a path");
	while (options->format < CLI_FORMAT_COUNT &&
	       strcmp(options->format_text, cli_options_format_name(options->format)) != 0)
		options->format++;
	if (options->format == CLI_FORMAT_COUNT)
		return cli_command_misused(command,
					   "unknown output format '%s': table, json or lines",
					   options->format_text);
	if (options->format == CLI_LINES) {
		options->format = CLI_JSON;
		options->json_form = CLI_JSON_LINES;
	}
	if (!cli_options_parse_duration(options->timeout_text, CLI_TIMEOUT_MAX_MS,
					&options->timeout_ms))
		return cli_command_misused(
		    command, "timeout '%s' is not a time from 1ms to 24h, such as 500ms, 5s or 2m",
		    options->timeout_text);
	if (options->is_hex && options->is_base64)
		return cli_command_misused(command, "--hex and --base64 exclude each other");
	if (options->is_hex)
		options->encoding = CLI_HEX;
	if (options->is_base64)
		options->encoding = CLI_BASE64;
	return CLI_EXIT_OK;
}

const char *cli_options_default_socket(void)
{
	const char *path = getenv("DHTCTL_SOCKET");
	return path != NULL && path[0] != '\0' ? path : CLI_DEFAULT_SOCKET;
}

int cli_options_parse(struct cli_options *options, int argc, char **argv)
{
	*options = (struct cli_options){
	    .socket_path = cli_options_default_socket(),
	    .format_text = "table",
	    .timeout_text = CLI_DEFAULT_TIMEOUT,
	};
	/* argc is 0 when the parent passed no name; argv[0] is not looked at. */
	struct words words = {.at = argv + 1, .left = argc > 1 ? (size_t)argc - 1 : 0};
	int code = parse_words(options, &words);
	return code != CLI_EXIT_OK ? code : check_values(options);
}

int cli_options_expect(const struct cli_options *options, size_t min, size_t max)
{
	DHT_ASSERT(max < CLI_OPERANDS_MAX);
	if (options->operand_count < min)
		return cli_command_misused(options->command, "an argument is missing");
	if (options->operand_count > max) {
		const char *extra = options->operands[max];
		char word[CLI_QUOTED_MAX];
		return cli_command_misused(options->command, "unexpected argument %s",
					   cli_text_quote(bytes_of(extra, strlen(extra)), word));
	}
	return CLI_EXIT_OK;
}

void cli_options_print_help(void)
{
	for (size_t i = 0; i < DHT_ARRAY_LEN(table); i++) {
		const struct cli_option *option = &table[i];
		if (option->help == NULL)
			continue;
		char names[CLI_QUOTED_MAX];
		char letter[] = {'-', option->letter, ',', ' ', '\0'};
		snprintf(names, sizeof(names), "%s%s%s%s", option->letter != 0 ? letter : "    ",
			 option->name, option->value != NULL ? " " : "",
			 option->value != NULL ? option->value : "");
		cli_print("  %-23s %s\n", names, option->help);
	}
}
