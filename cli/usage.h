/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/usage - a command's usage line and details taken apart.
 *
 * Why     The usage line of a command (proto/commands.def) is the one description of its
 *         arguments; completion and the manual read it, too.
 *
 *         ls | show NODE | set NODE [--zone ZONE]    forms, apart by " | "
 *         KEY VALUE|-                                operands; the second has two choices
 *         [--ttl TIME|--keep-ttl]                    options, the first with a value
 *
 *         Capitals stand for what is to be given, other words for themselves. How details are
 *         written stands in proto/commands.def.
 * Owns    Nothing; what is returned is part of the line.
 * Thread  any; pure functions.
 */
#ifndef DHT_CLI_USAGE_H
#define DHT_CLI_USAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct cli_command;

/* Operands of a form, and the choices that each has; a test compares the commands with it. */
enum { CLI_FORM_OPERANDS_MAX = 3, CLI_FORM_CHOICES_MAX = 4 };

struct cli_operand {
	struct bytes choices[CLI_FORM_CHOICES_MAX];
	size_t count;
};

struct cli_form {
	struct bytes text; /* all of it */
	struct cli_operand operands[CLI_FORM_OPERANDS_MAX];
	size_t operand_count;
};

/* Takes the form off the line that *rest points to; false, nothing done: there is none left.
 * A line of "" has one form, an empty one. *rest is the command's `arguments` at first. */
bool cli_usage_next(const struct cli_command *command, const char **rest, struct cli_form *form);

/* Whether a usage line, or a form, mentions an option, for example "--hex" or "-v". */
bool cli_usage_mentions(struct bytes usage, const char *option);

/* A piece of a command's details: an item, or a paragraph, whose term is empty. Its text may
 * hold newlines and runs of spaces, each to be read as one space. */
struct cli_detail {
	struct bytes term;
	struct bytes text;
};

/* Takes the next piece off *rest, a command's `details` at first; false: there is none left. */
bool cli_usage_next_detail(const char **rest, struct cli_detail *detail);

/* Whether a word of a usage line stands for something that is to be given. */
bool cli_usage_is_placeholder(struct bytes word);

#endif
