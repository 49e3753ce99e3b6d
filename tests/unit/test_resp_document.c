/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/commands.def: docs/redis.md lists the commands that there are, and those that are
 * refused.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "helper_document.h"
#include "resp/table.h"
#include "unit.h"

#define DOCUMENT "docs/redis.md"

/* A cell of a table: a bar would end it. */
static void print_cell(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		fprintf(out, *text == '|' ? "\\|" : "%c", *text);
}

static void print_command(FILE *out, const struct resp_command *row)
{
	const struct resp_command *parent = resp_table_parent(row);
	fprintf(out, "| `%s%s%s", parent != NULL ? parent->name : "", parent != NULL ? " " : "",
		row->name);
	if (*row->syntax != '\0') {
		fputc(' ', out);
		print_cell(out, row->syntax);
	}
	fputs("` | ", out);
	print_cell(out, row->summary);
	fputs(" |\n", out);
}

/* Containers do nothing themselves, and have a HELP each. */
static void print_commands(FILE *out)
{
	size_t count;
	const struct resp_command *rows = resp_table_rows(&count);
	fputs("| command | what it does |\n|---|---|\n", out);
	for (size_t i = 0; i < count; i++) {
		if (rows[i].run != NULL && rows[i].run != resp_run_help)
			print_command(out, &rows[i]);
	}
}

static void print_names(FILE *out, const char *names)
{
	for (const char *name = names; *name != '\0';) {
		size_t len = strcspn(name, "|");
		fprintf(out, "%s`%.*s`", name == names ? "" : ", ", (int)len, name);
		name += len + (name[len] == '|');
	}
}

static void print_refused(FILE *out)
{
	static const struct {
		const char *names, *why;
	} refusals[] = {
#define RESP_REFUSED(names, why) {names, why},
#include "resp/commands.def"
	};
	fputs("| refused | why, and what to use instead |\n|---|---|\n", out);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		fputs("| ", out);
		print_names(out, refusals[i].names);
		fprintf(out, " | %s |\n", refusals[i].why);
	}
}

START_TEST(the_commands_are_listed)
{
	helper_document_check(DOCUMENT, "commands", print_commands);
}
END_TEST

START_TEST(the_refused_ones_are_listed)
{
	helper_document_check(DOCUMENT, "refused", print_refused);
}
END_TEST

UNIT_MAIN("resp_document", 10, the_commands_are_listed, the_refused_ones_are_listed)
