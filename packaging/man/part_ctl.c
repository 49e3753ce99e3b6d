/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of dhtctl(1).
 */
#include <string.h>

#include "cli/command.h"
#include "cli/exit.h"
#include "cli/options.h"
#include "cli/usage.h"
#include "mdoc.h"
#include "parts.h"

void part_ctl_usage(FILE *out)
{
	fputs(".Nm\n", out);
	mdoc_usage(out, bytes_of_text(CLI_USAGE));
}

void part_ctl_options(FILE *out)
{
	size_t count;
	const struct cli_option *options = cli_options_table(&count);
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < count; i++) {
		if (options[i].help == NULL)
			continue;
		fputs(".It", out);
		if (options[i].letter != 0)
			fprintf(out, " Fl %c ,", options[i].letter);
		mdoc_arguments(out, bytes_of_text(options[i].name));
		if (options[i].value != NULL)
			mdoc_arguments(out, bytes_of_text(options[i].value));
		fputc('\n', out);
		mdoc_sentence(out, options[i].help);
	}
	fputs(".El\n", out);
}

static void put_details(FILE *out, const char *details)
{
	struct cli_detail detail;
	bool is_in_list = false;
	while (cli_usage_next_detail(&details, &detail)) {
		bool is_item = detail.term.len > 0;
		if (is_item && !is_in_list)
			fputs(".Pp\n.Bl -tag -width Ds -compact\n", out);
		if (!is_item)
			fputs(is_in_list ? ".El\n.Pp\n" : ".Pp\n", out);
		is_in_list = is_item;
		if (is_item) {
			fputs(".It", out);
			mdoc_arguments(out, detail.term);
			fputc('\n', out);
		}
		mdoc_text(out, detail.text);
	}
	if (is_in_list)
		fputs(".El\n", out);
}

void part_ctl_commands(FILE *out)
{
	size_t count;
	const struct cli_command *commands = cli_command_table(&count);
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < count; i++) {
		fputs(".It Xo\n", out);
		mdoc_usage(out, bytes_of_text(commands[i].name));
		mdoc_usage(out, bytes_of_text(commands[i].arguments));
		fputs(".Xc\n", out);
		mdoc_sentence(out, commands[i].summary);
		put_details(out, commands[i].details);
	}
	fputs(".El\n", out);
}

void part_ctl_exits(FILE *out)
{
	fputs(".Bl -tag -width Ds -compact\n", out);
#define X(name, code, text)                                                                        \
	fprintf(out, ".It %d\n", code);                                                            \
	mdoc_sentence(out, text);
	CLI_EXITS(X)
#undef X
	fputs(".El\n", out);
}
