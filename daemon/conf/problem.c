/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/problem.h"

#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As CONF_ESCAPED_MAX, for a file's name: a person opens it by that name, in full. */
enum { SOURCE_MAX = PATH_MAX * 4 + 4 };

/* Bytes of the UTF-8 character at p if it can be shown as it is; 0 for a control
 * character (C1 included) and for what is not UTF-8. */
static size_t printable_length(const uint8_t *p, size_t left)
{
	static const uint32_t smallest[] = {0, 0, 0xa0, 0x800, 0x10000};

	if (*p < 0x80)
		return *p >= 0x20 && *p != 0x7f ? 1 : 0;
	if (*p < 0xc0 || *p > 0xf7)
		return 0;
	size_t length = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
	if (length > left)
		return 0;
	uint32_t code = *p & (0x7fU >> length);
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fU);
	}
	if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return length;
}

/* Writes at most max bytes of text, escaped, and a terminator to out, which has room
 * for four times as many and an ellipsis. Returns where the terminator is. */
static char *escape(char *out, struct bytes text, size_t max)
{
	size_t i = 0;
	while (i < text.len) {
		size_t length = printable_length(text.data + i, text.len - i);
		size_t taken = length > 0 ? length : 1;
		if (i + taken > max)
			return stpcpy(out, "...");
		if (length > 0)
			out = mempcpy(out, text.data + i, length);
		else
			out += sprintf(out, "\\x%02x", text.data[i]);
		i += taken;
	}
	*out = '\0';
	return out;
}

struct conf_quoted conf_quote(struct bytes text)
{
	struct conf_quoted quoted = {.text = "\""};
	char *end = escape(quoted.text + 1, text, CONF_QUOTED_MAX);
	end[0] = '"';
	end[1] = '\0';
	return quoted;
}

bool conf_problems_is_full(const struct conf_problems *problems)
{
	return problems->count == CONF_PROBLEMS_MAX;
}

/* Returns the whole line, or NULL if there is no memory for it. */
static char *format_line(struct conf_place place, const char *key, const char *message)
{
	char source[SOURCE_MAX];
	(void)escape(source, bytes_of(place.source, strlen(place.source)), PATH_MAX);

	char *line;
	int n = place.line > 0 ? asprintf(&line, "%s:%zu:%zu: %s: %s", source, place.line,
					  place.column, key, message)
			       : asprintf(&line, "%s: %s: %s", source, key, message);
	return n >= 0 ? line : NULL;
}

void conf_problem_add(struct conf_problems *problems, struct conf_place place, struct bytes key,
		      const char *fmt, ...)
{
	problems->total++;
	if (conf_problems_is_full(problems))
		return;

	char shown_key[CONF_ESCAPED_MAX];
	(void)escape(shown_key, key, CONF_QUOTED_MAX);
	char message[CONF_MESSAGE_MAX];
	va_list args;
	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);

	char *line = format_line(place, key.len > 0 ? shown_key : "\"\"", message);
	if (line != NULL)
		problems->lines[problems->count++] = line;
}

void conf_problems_print(const struct conf_problems *problems, FILE *out)
{
	for (size_t i = 0; i < problems->count; i++)
		fprintf(out, "%s\n", problems->lines[i]);
	if (problems->total > problems->count)
		fprintf(out, "and %zu more\n", problems->total - problems->count);
}

void conf_problems_fini(struct conf_problems *problems)
{
	for (size_t i = 0; i < problems->count; i++)
		free(problems->lines[i]);
	*problems = CONF_PROBLEMS_NONE;
}
