/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of dhtd-protocol(7) about the client port.
 */
#include <ctype.h>
#include <string.h>

#include "mdoc.h"
#include "parts.h"
#include "resp/command.h"

enum { NAME_MAX_BYTES = 64 };

/* A row of resp/commands.def that a client can send. */
struct row {
	const char *parent; /* id of what it stands behind, "" for a command */
	const char *name;
	int group; /* of a command */
	const char *syntax, *summary;
};

static const struct row rows[] = {
#define RESP_COMMAND(id, name, arity, flags, first, last, step, group, since, syntax, summary)     \
	{"", name, RESP_GROUP_##group, syntax, summary},
#define RESP_CONTAINER(id, name, group, since, summary)                                            \
	{"", name, RESP_GROUP_##group, NULL, summary},
#define RESP_SUBCOMMAND(parent, id, name, arity, flags, first, last, step, since, syntax, summary) \
	{#parent, name, -1, syntax, summary},
#include "resp/commands.def"
};

static const struct {
	const char *names, *why;
} refusals[] = {
#define RESP_REFUSED(names, why) {names, why},
#include "resp/commands.def"
};

static void put_row(FILE *out, const struct row *row)
{
	char name[NAME_MAX_BYTES] = "";
	for (size_t i = 0; row->parent[i] != '\0'; i++)
		name[i] = (char)toupper(row->parent[i]);
	size_t len = strlen(name);
	snprintf(name + len, sizeof(name) - len, "%s%s", len > 0 ? " " : "", row->name);
	fputs(".It Cm", out);
	mdoc_argument(out, bytes_of_text(name));
	if (row->syntax[0] != '\0') {
		fputs(" No", out);
		mdoc_argument(out, bytes_of_text(row->syntax));
	}
	fputc('\n', out);
	mdoc_text(out, bytes_of_text(row->summary));
}

static void put_group(FILE *out, int group, const char *title)
{
	int current = -1;
	fprintf(out, ".Ss Commands: %s\n.Bl -tag -width Ds -compact\n", title);
	for (size_t i = 0; i < DHT_ARRAY_LEN(rows); i++) {
		if (rows[i].parent[0] == '\0')
			current = rows[i].group;
		if (current == group && rows[i].syntax != NULL)
			put_row(out, &rows[i]);
	}
	fputs(".El\n", out);
}

void part_redis_commands(FILE *out)
{
#define X(group, name, category) put_group(out, RESP_GROUP_##group, name);
	RESP_GROUPS(X)
#undef X
}

void part_redis_refused(FILE *out)
{
	fputs(".Bl -tag -width Ds -compact\n", out);
	for (size_t i = 0; i < DHT_ARRAY_LEN(refusals); i++) {
		const char *name = refusals[i].names;
		fputs(".It Xo\n", out);
		while (*name != '\0') {
			size_t len = strcspn(name, "|");
			fputs(".Cm", out);
			mdoc_argument(out, bytes_of(name, len));
			name += len + (name[len] == '|');
			fputs(*name != '\0' ? " ,\n" : "\n", out);
		}
		fputs(".Xc\n", out);
		mdoc_sentence(out, refusals[i].why);
	}
	fputs(".El\n", out);
}
