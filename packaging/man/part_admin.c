/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of dhtd-protocol(7) about the admin socket, made from proto/admin.proto: its
 * comments are the documentation.
 *
 * It is read line by line, as it is written: a comment on lines of its own belongs to what
 * follows it, one behind a field to the field. The first one is about the protocol; one that
 * begins with `---- TITLE ---` begins a section.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "mdoc.h"
#include "parts.h"

const char *part_schema_path;

enum { COMMENT_MAX = 16 * 1024, DEPTH_MAX = 3 };

struct reader {
	FILE *in, *out;
	char comment[COMMENT_MAX]; /* of what follows; a newline ends each of its lines */
	size_t depth;              /* of the block that is open: a message, an enum in it */
	bool is_in_list;           /* of messages */
};

_Noreturn static void fail(const char *why, const char *what)
{
	fprintf(stderr, "manual: %s: %s: %s\n", part_schema_path, why, what);
	exit(1);
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " ");
}

/* Writes text whose empty lines are between paragraphs. */
static void put_paragraphs(FILE *out, const char *text)
{
	while (*text != '\0') {
		const char *end = strstr(text, "\n\n");
		size_t len = end != NULL ? (size_t)(end - text) : strlen(text);
		mdoc_text(out, bytes_of(text, len));
		text += len;
		text += strspn(text, "\n");
		if (*text != '\0')
			fputs(".Pp\n", out);
	}
}

/* ---- What a line is ---------------------------------------------------------------- */

static void add_comment(struct reader *reader, const char *text)
{
	size_t used = strlen(reader->comment);
	text += *text == ' ';
	int len = snprintf(reader->comment + used, COMMENT_MAX - used, "%s\n", text);
	if (len < 0 || (size_t)len >= COMMENT_MAX - used)
		fail("the comment is too long", text);
}

static void end_list(struct reader *reader)
{
	if (reader->is_in_list)
		fputs(".El\n", reader->out);
	reader->is_in_list = false;
}

/* A comment that stands alone. */
static void end_comment(struct reader *reader)
{
	static const char mark[] = "---- ";
	const char *text = reader->comment;
	if (strncmp(text, mark, sizeof(mark) - 1) == 0) {
		text += sizeof(mark) - 1;
		size_t len = strcspn(text, "-\n");
		while (len > 0 && text[len - 1] == ' ')
			len--;
		end_list(reader);
		fprintf(reader->out, ".Ss %.*s\n", (int)len, text);
		text += strcspn(text, "\n");
		text += strspn(text, "\n");
		put_paragraphs(reader->out, text);
	}
	reader->comment[0] = '\0';
}

/* An item of a list: `words` are its head. Its text is the comment that stands before it, then
 * the one behind it. */
static void put_item(struct reader *reader, const char *macro, const char *words, size_t len,
		     const char *behind)
{
	fprintf(reader->out, ".It %s", macro);
	while (len > 0) {
		size_t word = 0;
		while (word < len && words[word] != ' ')
			word++;
		if (word > 0)
			mdoc_argument(reader->out, bytes_of(words, word));
		word += word < len;
		words += word;
		len -= word;
	}
	fputc('\n', reader->out);
	put_paragraphs(reader->out, reader->comment);
	mdoc_text(reader->out, bytes_of_text(behind));
	reader->comment[0] = '\0';
}

/* message NAME { or enum NAME { or oneof NAME { */
static void open_block(struct reader *reader, const char *line)
{
	size_t len = strcspn(line, "{");
	bool is_empty = strchr(line, '}') != NULL;
	if (reader->depth == 0 && !reader->is_in_list)
		fputs(".Bl -tag -width Ds\n", reader->out);
	if (reader->depth == 0)
		reader->is_in_list = true;
	const char *name = reader->depth == 0 ? strchr(line, ' ') + 1 : line;
	put_item(reader, reader->depth == 0 ? "Sy" : "Vt", name, len - (size_t)(name - line), "");
	if (is_empty)
		return;
	if (++reader->depth > DEPTH_MAX)
		fail("too deep", line);
	fputs(".Bl -tag -width Ds -compact\n", reader->out);
}

/* TYPE NAME = NUMBER; or NAME = NUMBER; and a comment */
static void put_field(struct reader *reader, const char *line)
{
	size_t len = strcspn(line, ";");
	const char *behind = line + len + (line[len] == ';');
	behind = skip_blanks(behind);
	if (line[len] != ';' || (*behind != '\0' && strncmp(behind, "//", 2) != 0))
		fail("no field", line);
	put_item(reader, "Va", line, len, *behind != '\0' ? behind + 2 : "");
}

static bool begins(const char *line, const char *word)
{
	size_t len = strlen(word);
	return strncmp(line, word, len) == 0 && line[len] == ' ';
}

static void take_line(struct reader *reader, const char *line)
{
	line = skip_blanks(line);
	if (begins(line, "//") || strcmp(line, "//") == 0) {
		add_comment(reader, line + 2);
	} else if (*line == '\0') {
		end_comment(reader);
	} else if (begins(line, "message") || begins(line, "enum") || begins(line, "oneof")) {
		open_block(reader, line);
	} else if (strcmp(line, "}") == 0 && reader->depth > 0) {
		fputs(".El\n", reader->out);
		reader->depth--;
	} else if (reader->depth > 0) {
		put_field(reader, line);
	} else if (begins(line, "syntax") || begins(line, "package")) {
		reader->comment[0] = '\0';
	} else {
		fail("not understood", line);
	}
}

/* ---- The parts --------------------------------------------------------------------- */

static void begin(struct reader *reader, FILE *out)
{
	*reader = (struct reader){.out = out, .in = fopen(part_schema_path, "r")};
	if (reader->in == NULL)
		fail("cannot open it", "");
}

/* Returns a line without its end, NULL at the end of the file; for the caller to free. */
static char *next_line(struct reader *reader)
{
	char *line = NULL;
	size_t size = 0;
	if (getline(&line, &size, reader->in) <= 0) {
		free(line);
		return NULL;
	}
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* The comment at the top, without the licence. */
void part_admin_frames(FILE *out)
{
	struct reader reader;
	char *line;
	begin(&reader, out);
	while ((line = next_line(&reader)) != NULL && strncmp(line, "//", 2) == 0) {
		if (strstr(line, "SPDX-License-Identifier") == NULL)
			add_comment(&reader, line + 2);
		free(line);
	}
	free(line);
	fclose(reader.in);
	put_paragraphs(out, reader.comment + strspn(reader.comment, "\n"));
}

void part_admin_messages(FILE *out)
{
	struct reader reader;
	char *line;
	begin(&reader, out);
	while ((line = next_line(&reader)) != NULL) {
		take_line(&reader, line);
		free(line);
	}
	end_list(&reader);
	fclose(reader.in);
	if (reader.depth != 0)
		fail("a block is not closed", "");
}

void part_errors(FILE *out)
{
	fputs(".Bl -tag -width Ds -compact\n", out);
#define X(name, number, exit_code, text)                                                           \
	fprintf(out, ".It %d\n", number);                                                          \
	mdoc_sentence(out, text);
	DHT_ERRORS(X)
#undef X
	fputs(".El\n", out);
}
