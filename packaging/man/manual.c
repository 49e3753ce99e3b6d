/* SPDX-License-Identifier: Apache-2.0
 *
 * manual - makes a page of the manual from its template and the tables of the programs.
 *
 * usage: manual TEMPLATE ADMIN.PROTO > PAGE
 *
 * A line `@@ NAME` stands for a part (parts.h); @version@, @socket@, @timeout@ and @config@
 * in other lines for what the programs say. What is not known fails the build.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "conf/conf.h"
#include "parts.h"

static const struct {
	const char *name;
	void (*print)(FILE *out);
} parts[] = {
#define X(name, id) {name, part_##id},
    MANUAL_PARTS(X)
#undef X
};

static const struct {
	const char *name, *value;
} words[] = {
    {"@version@", DHT_VERSION},
    {"@socket@", CLI_DEFAULT_SOCKET},
    {"@timeout@", CLI_DEFAULT_TIMEOUT},
    {"@config@", CONF_DEFAULT_FILE},
};

_Noreturn static void fail(const char *why, const char *what)
{
	fprintf(stderr, "manual: %s: %s\n", why, what);
	exit(1);
}

static void print_part(const char *name)
{
	for (size_t i = 0; i < DHT_ARRAY_LEN(parts); i++) {
		if (strcmp(parts[i].name, name) == 0) {
			parts[i].print(stdout);
			return;
		}
	}
	fail("no such part", name);
}

static void print_line(const char *line)
{
	const char *at;
	while ((at = strchr(line, '@')) != NULL) {
		size_t i = 0;
		printf("%.*s", (int)(at - line), line);
		while (i < DHT_ARRAY_LEN(words) &&
		       strncmp(at, words[i].name, strlen(words[i].name)) != 0)
			i++;
		if (i == DHT_ARRAY_LEN(words))
			fail("no such word", at);
		fputs(words[i].value, stdout);
		line = at + strlen(words[i].name);
	}
	fputs(line, stdout);
}

int main(int argc, char **argv)
{
	static const char mark[] = "@@ ";
	char *line = NULL;
	size_t size = 0;
	if (argc != 3)
		fail("usage", "manual TEMPLATE ADMIN.PROTO");
	part_schema_path = argv[2];
	FILE *in = fopen(argv[1], "r");
	if (in == NULL)
		fail("cannot open", argv[1]);
	while (getline(&line, &size, in) > 0) {
		if (strncmp(line, mark, sizeof(mark) - 1) != 0) {
			print_line(line);
			continue;
		}
		line[strcspn(line, "\n")] = '\0';
		print_part(line + sizeof(mark) - 1);
	}
	free(line);
	if (ferror(in) || fclose(in) != 0 || fflush(stdout) != 0)
		fail("cannot copy", argv[1]);
	return 0;
}
