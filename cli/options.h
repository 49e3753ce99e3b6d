/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/options - what was typed after dhtctl.
 *
 * Why     Options may stand anywhere before `--`: those of dhtctl before or after the
 *         command word, those of a command (its usage line says which) after it. A
 *         word such as -5 is an operand: no option is a digit.
 * Owns    Nothing; strings are borrowed from argv and the environment.
 * Thread  the main thread.
 * Errors  reported on standard error; the functions return CLI_EXIT_USAGE.
 */
#ifndef DHT_CLI_OPTIONS_H
#define DHT_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "cli/encoding.h"
#include "cli/json.h"

struct cli_command;

#define CLI_DEFAULT_SOCKET  "/run/dhtd/dhtd.sock"
#define CLI_DEFAULT_TIMEOUT "5s"

/* What stands behind dhtctl, written as the usage lines of commands (cli/usage.h). */
#define CLI_USAGE "[-s SOCKET] [-o table|json|lines] [--timeout TIME] COMMAND ..."

/* Lines are JSON's fields in another form: what was parsed says CLI_JSON, and json_form. */
enum cli_format { CLI_TABLE, CLI_JSON, CLI_LINES, CLI_FORMAT_COUNT };

enum { CLI_TIMEOUT_MAX_MS = 24 * 3600 * 1000 };

enum { CLI_OPERANDS_MAX = 3 }; /* kept; no command takes as many, further ones are counted */

struct cli_options {
	/* of dhtctl */
	const char *socket_path;
	const char *format_text;
	const char *timeout_text;
	enum cli_format format;
	enum cli_json_form json_form; /* of CLI_JSON */
	int64_t timeout_ms;
	bool wants_help;
	bool wants_version;
	/* of some commands; NULL and false where not given */
	bool is_hex;
	bool is_base64;
	enum cli_encoding encoding; /* of keys and values among the arguments */
	bool is_verbose;
	bool is_if_absent;
	bool is_if_present;
	bool is_keep_ttl;
	bool is_persist;
	const char *ttl;
	const char *old_value;
	const char *old_version;
	const char *new_value;
	bool is_forced;
	bool discards_data;
	bool waits_not;
	const char *zone;
	const char *weight;
	const char *survivors;

	const struct cli_command *command; /* NULL: no command word */
	const char *operands[CLI_OPERANDS_MAX];
	size_t operand_count;
};

/* A row of the table of options. */
struct cli_option {
	const char *name;  /* with its two dashes */
	char letter;       /* 0: none */
	const char *value; /* what the help calls its value; NULL: a flag */
	size_t field;      /* in struct cli_options: a string, or a bool for a flag */
	const char *help;  /* for an option of dhtctl itself; NULL: of commands that take it */
};

/* Returns the table; *count is the number of rows. */
const struct cli_option *cli_options_table(size_t *count);

/* Whether a command takes an option; NULL: whether it may stand before the command. */
bool cli_options_is_allowed(const struct cli_command *command, const struct cli_option *option);

/* Returns the option of a name ("--ttl") or a letter ("-v") that a command takes; command may
 * be NULL. NULL: there is none. */
const struct cli_option *cli_options_find(const struct cli_command *command, struct bytes typed);

/* Whether a word is no option, as long as no -- has ended them. */
bool cli_options_is_operand(const char *word);

/* Returns the socket that is used if none is given. */
const char *cli_options_default_socket(void);

/* Returns the name of an output format. */
const char *cli_options_format_name(enum cli_format format);

/* Takes argv apart. Returns CLI_EXIT_OK or CLI_EXIT_USAGE. */
int cli_options_parse(struct cli_options *options, int argc, char **argv) DHT_MUST_CHECK;

/* Checks the number of operands. Returns CLI_EXIT_OK or CLI_EXIT_USAGE. */
int cli_options_expect(const struct cli_options *options, size_t min, size_t max) DHT_MUST_CHECK;

/* Parses a duration: a number with ms, s, m (or min), h or d, or of seconds without a
 * unit; from 1 ms to max_ms. Returns false, *duration_ms unset, for anything else. */
bool cli_options_parse_duration(const char *text, int64_t max_ms,
				int64_t *duration_ms) DHT_MUST_CHECK;

/* Prints a line for each option of dhtctl itself, for the help page. */
void cli_options_print_help(void);

#endif
