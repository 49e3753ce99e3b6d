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
#include "cli/encoding.h"

struct cli_command;

#define CLI_DEFAULT_SOCKET  "/run/dhtd/dhtd.sock"
#define CLI_DEFAULT_TIMEOUT "5s"

enum cli_format { CLI_TABLE, CLI_JSON };

enum { CLI_TIMEOUT_MAX_MS = 24 * 3600 * 1000 };

enum { CLI_OPERANDS_MAX = 3 }; /* kept; no command takes as many, further ones are counted */

struct cli_options {
	/* of dhtctl */
	const char *socket_path;
	const char *format_text;
	const char *timeout_text;
	enum cli_format format;
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
