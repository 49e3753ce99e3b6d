/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_document.h"

#include <check.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

char *helper_document_printed(void (*print)(FILE *out))
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	ck_assert_ptr_nonnull(out);
	print(out);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

/* This file is two folders deep in the source tree. */
char *helper_document_read(const char *file)
{
	enum { SIZE_MAX_BYTES = 4 * 1024 * 1024 };
	char path[PATH_MAX];
	const char *slash = strrchr(__FILE__, '/');
	int folder = slash != NULL ? (int)(slash + 1 - __FILE__) : 0;
	snprintf(path, sizeof(path), "%.*s../../%s", folder, __FILE__, file);
	FILE *opened = fopen(path, "re");
	ck_assert_msg(opened != NULL, "%s cannot be opened", path);
	char *text = malloc(SIZE_MAX_BYTES);
	ck_assert_ptr_nonnull(text);
	size_t len = fread(text, 1, SIZE_MAX_BYTES, opened);
	ck_assert_msg(!ferror(opened) && len < SIZE_MAX_BYTES, "%s cannot be read", path);
	ck_assert_int_eq(fclose(opened), 0);
	text[len] = '\0';
	return text;
}

void helper_document_check(const char *file, const char *section, void (*print)(FILE *out))
{
	enum { MARKER_MAX = 64 };
	char begin_line[MARKER_MAX], end_line[MARKER_MAX];
	snprintf(begin_line, sizeof(begin_line), "<!-- %s -->\n", section);
	snprintf(end_line, sizeof(end_line), "<!-- /%s -->\n", section);
	char *expected = helper_document_printed(print);
	char *text = helper_document_read(file);
	char *begin = strstr(text, begin_line);
	ck_assert_msg(begin != NULL, "%s has no line %s", file, begin_line);
	begin += strlen(begin_line);
	char *end = strstr(begin, end_line);
	ck_assert_msg(end != NULL, "%s has no line %s behind the other one", file, end_line);
	ck_assert_ptr_null(strstr(end, begin_line));
	*end = '\0';
	bool is_same = strcmp(begin, expected) == 0;
	if (!is_same) /* it may be longer than a message of Check */
		fputs(expected, stderr);
	ck_assert_msg(is_same, "%s differs from the program; its section %s is shown above", file,
		      section);
	free(text);
	free(expected);
}
