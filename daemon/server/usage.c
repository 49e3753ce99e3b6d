/* SPDX-License-Identifier: Apache-2.0 */
#include "server/usage.h"

#include <stdio.h>
#include <string.h>

enum { COLUMN_MAX = 80, TEXT_COLUMN = 24 };

struct usage_row {
	int code;
	char letter;
	const char *name, *value, *text;
};

static const struct usage_row rows[] = {
#define X(id, letter, name, value, text) {USAGE_##id, letter, name, value, text},
    USAGE_OPTIONS(X)
#undef X
};

#define ARGUMENT_OF(value) ((value) != NULL ? required_argument : no_argument)

const struct option usage_long_options[] = {
#define X(id, letter, name, value, text) {name, ARGUMENT_OF(value), NULL, USAGE_##id},
    USAGE_OPTIONS(X)
#undef X
	{0},
};

/* "c:" and so on, for getopt. */
static const char *letters(void)
{
	static char text[2 * DHT_ARRAY_LEN(rows) + 1];
	size_t len = 0;
	for (size_t i = 0; i < DHT_ARRAY_LEN(rows); i++) {
		if (rows[i].letter == 0)
			continue;
		text[len++] = rows[i].letter;
		if (rows[i].value != NULL)
			text[len++] = ':';
	}
	text[len] = '\0';
	return text;
}

int usage_next_option(int argc, char **argv)
{
	int code = getopt_long(argc, argv, letters(), usage_long_options, NULL);
	for (size_t i = 0; i < DHT_ARRAY_LEN(rows); i++) {
		if (code != 0 && code == rows[i].letter)
			return rows[i].code;
	}
	return code;
}

/* Prints text from a column on, broken between words; `used` columns are taken. */
static void print_wrapped(FILE *out, size_t used, const char *text)
{
	if (used + 1 > TEXT_COLUMN) {
		fputc('\n', out);
		used = 0;
	}
	while (*text != '\0') {
		size_t length = strcspn(text, " ");
		if (used > TEXT_COLUMN && used + 1 + length > COLUMN_MAX) {
			fputc('\n', out);
			used = 0;
		}
		int gap = used < TEXT_COLUMN ? (int)(TEXT_COLUMN - used) : 1;
		used += (size_t)fprintf(out, "%*s%.*s", gap, "", (int)length, text);
		text += length;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void print_row(FILE *out, const struct usage_row *row)
{
	char letter[] = {'-', row->letter, ',', ' ', '\0'};
	int used = fprintf(out, "  %s--%s%s%s", row->letter != 0 ? letter : "    ", row->name,
			   row->value != NULL ? " " : "", row->value != NULL ? row->value : "");
	print_wrapped(out, used > 0 ? (size_t)used : 0, row->text);
}

void usage_print(FILE *out)
{
	const char *before = "usage: ";
#define X(form)                                                                                    \
	fprintf(out, "%sdhtd %s\n", before, form);                                                 \
	before = "       ";
	USAGE_FORMS(X)
#undef X
	fputs("\nThe dhtd daemon: " USAGE_SUMMARY ". Runs in the\n"
	      "foreground and logs to standard error; dhtctl talks to it.\n\noptions:\n",
	      out);
	for (size_t i = 0; i < DHT_ARRAY_LEN(rows); i++)
		print_row(out, &rows[i]);
	fputs("\nsignals:\n", out);
#define X(name, text) fprintf(out, "  %-9s  %s\n", #name, text);
	USAGE_SIGNALS(X)
#undef X
	fputs("\nexit codes:\n", out);
#define X(name, code, text) fprintf(out, "  %3d  %s\n", code, text);
	USAGE_EXITS(X)
#undef X
	fputs("\nThe manual has more: dhtd(8), dhtd.yaml(5), dhtctl(1), dhtd-protocol(7).\n", out);
}
