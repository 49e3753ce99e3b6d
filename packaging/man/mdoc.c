/* SPDX-License-Identifier: Apache-2.0 */
#include "mdoc.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum {
	COLUMN_MAX = 78,
	MACRO_NAME_MAX = 3, /* letters of what could be taken for the name of a macro */
};

/* ---- Text -------------------------------------------------------------------------- */

/* The escape of a character that typesetting would change; NULL: it stands for itself. */
static const char *escape_of(char c)
{
	switch (c) {
	case '\\':
		return "\\e";
	case '-':
		return "\\-";
	case '\'':
		return "\\(aq";
	case '"':
		return "\\(dq";
	case '^':
		return "\\(ha";
	case '~':
		return "\\(ti";
	}
	return NULL;
}

static size_t put_escaped(FILE *out, struct bytes word, bool *is_quoting)
{
	size_t len = 0;
	for (size_t i = 0; i < word.len; i++) {
		char c = (char)word.data[i];
		const char *escape = escape_of(c);
		if (c == '`') {
			escape = *is_quoting ? "\\(cq" : "\\(oq";
			*is_quoting = !*is_quoting;
		}
		len +=
		    (size_t)(escape != NULL ? fprintf(out, "%s", escape) : fprintf(out, "%c", c));
	}
	return len;
}

/* Bytes that a word takes once it is escaped, at most. */
static size_t room_for(struct bytes word)
{
	size_t len = 0;
	for (size_t i = 0; i < word.len; i++) {
		const char *escape = escape_of((char)word.data[i]);
		len += escape != NULL ? strlen(escape) : word.data[i] == '`' ? 4 : 1;
	}
	return len;
}

static bool ends_sentence(struct bytes word)
{
	size_t len = word.len;
	while (len > 0 && strchr("\"')`", word.data[len - 1]) != NULL)
		len--;
	return len > 1 && strchr(".!?", word.data[len - 1]) != NULL;
}

/* Names of settings, files, messages and commands are not hyphenated. */
static bool is_name(struct bytes word)
{
	for (size_t i = 1; i < word.len; i++) {
		bool is_mark = strchr("._=/", word.data[i - 1]) != NULL;
		if (isupper(word.data[i]) || (is_mark && isalnum(word.data[i])))
			return true;
	}
	return false;
}

static struct bytes next_word(struct bytes *text)
{
	size_t start = 0;
	while (start < text->len && isspace(text->data[start]))
		start++;
	size_t end = start;
	while (end < text->len && !isspace(text->data[end]))
		end++;
	struct bytes word = bytes_of(text->data + start, end - start);
	*text = bytes_of(text->data + end, text->len - end);
	return word;
}

void mdoc_text(FILE *out, struct bytes text)
{
	size_t column = 0;
	bool is_quoting = false;
	struct bytes word;
	while ((word = next_word(&text)).len > 0) {
		if (column > 0 && column + 1 + room_for(word) > COLUMN_MAX) {
			fputc('\n', out);
			column = 0;
		}
		if (column > 0)
			column += (size_t)fprintf(out, " ");
		else if (word.data[0] == '.' || word.data[0] == '\'')
			column += (size_t)fprintf(out, "\\&");
		if (is_name(word))
			column += (size_t)fprintf(out, "\\%%");
		column += put_escaped(out, word, &is_quoting);
		if (ends_sentence(word)) {
			fputc('\n', out);
			column = 0;
		}
	}
	if (column > 0)
		fputc('\n', out);
}

void mdoc_sentence(FILE *out, const char *phrase)
{
	char text[512];
	snprintf(text, sizeof(text), "%s.", phrase);
	text[0] = (char)toupper(text[0]);
	mdoc_text(out, bytes_of_text(text));
}

/* ---- Arguments --------------------------------------------------------------------- */

void mdoc_argument(FILE *out, struct bytes word)
{
	bool is_quoting = false, has_space = memchr(word.data, ' ', word.len) != NULL;
	fputs(has_space ? " \"" : " ", out);
	if (word.len <= MACRO_NAME_MAX || strchr(".,:;()[]", word.data[0]) != NULL)
		fputs("\\&", out);
	put_escaped(out, word, &is_quoting);
	if (strchr(".,:;()[]", word.data[word.len - 1]) != NULL)
		fputs("\\&", out);
	if (has_space)
		fputc('"', out);
}

/* A word without marks, behind the macro that suits it. */
static void put_word(FILE *out, struct bytes word, const char *before)
{
	if (word.len > 1 && word.data[0] == '-') {
		fprintf(out, "%sFl", before);
		word = bytes_of(word.data + 1, word.len - 1);
	} else {
		fprintf(out, "%s%s", before, isupper(word.data[0]) ? "Ar" : "Cm");
	}
	mdoc_argument(out, word);
}

/* before: what comes in front of the first macro. */
static void put_arguments(FILE *out, struct bytes words, const char *before)
{
	while (words.len > 0) {
		size_t len = 0;
		while (len < words.len && strchr(" |", words.data[len]) == NULL)
			len++;
		bool has_comma = len > 0 && words.data[len - 1] == ',';
		if (len > has_comma) {
			put_word(out, bytes_of(words.data, len - has_comma), before);
			before = " ";
		}
		if (has_comma)
			fputs(" ,", out);
		if (len < words.len && words.data[len] == '|') {
			fputs(before[0] == '\0' ? "No \\(ba" : " |", out);
			before = " ";
		}
		len += len < words.len;
		words = bytes_of(words.data + len, words.len - len);
	}
}

void mdoc_arguments(FILE *out, struct bytes words)
{
	put_arguments(out, words, " ");
}

/* Takes what stands up to the next bracket, or within a pair of them, off *usage. */
static struct bytes next_part(struct bytes *usage, bool *is_optional)
{
	*is_optional = usage->data[0] == '[';
	const uint8_t *end = memchr(usage->data, *is_optional ? ']' : '[', usage->len);
	size_t len = end != NULL ? (size_t)(end - usage->data) : usage->len;
	struct bytes part = bytes_of(usage->data + *is_optional, len - *is_optional);
	len += *is_optional && end != NULL;
	*usage = bytes_of(usage->data + len, usage->len - len);
	return part;
}

void mdoc_usage(FILE *out, struct bytes usage)
{
	static const char and_more[] = "...";
	const size_t more_len = sizeof(and_more) - 1;
	while (usage.len > 0) {
		bool is_optional;
		struct bytes part = next_part(&usage, &is_optional);
		while (part.len > 0 && part.data[0] == ' ')
			part = bytes_of(part.data + 1, part.len - 1);
		if (part.len == 0)
			continue;
		bool has_more = is_optional && usage.len >= more_len &&
				memcmp(usage.data, and_more, more_len) == 0;
		fputs(has_more ? ".Oo" : is_optional ? ".Op" : ".", out);
		put_arguments(out, part, is_optional ? " " : "");
		if (has_more) {
			fprintf(out, " Oc Ns %s", and_more);
			usage = bytes_of(usage.data + more_len, usage.len - more_len);
		}
		fputc('\n', out);
	}
}
