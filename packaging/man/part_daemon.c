/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of dhtd(8) and dhtd.yaml(5).
 */
#include <string.h>

#include "conf/conf.h"
#include "conf/value.h"
#include "mdoc.h"
#include "parts.h"
#include "server/usage.h"

void part_daemon_usage(FILE *out)
{
#define X(form)                                                                                    \
	fputs(".Nm\n", out);                                                                       \
	mdoc_usage(out, bytes_of_text(form));
	USAGE_FORMS(X)
#undef X
}

static void put_option(FILE *out, char letter, const char *name, const char *value,
		       const char *text)
{
	fputs(".It", out);
	if (letter != 0)
		fprintf(out, " Fl %c ,", letter);
	fprintf(out, " Fl \\-%s", name);
	if (value != NULL)
		mdoc_arguments(out, bytes_of_text(value));
	fputc('\n', out);
	mdoc_sentence(out, text);
}

void part_daemon_options(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
#define X(id, letter, name, value, text) put_option(out, letter, name, value, text);
	USAGE_OPTIONS(X)
#undef X
	fputs(".El\n", out);
}

void part_daemon_signals(FILE *out)
{
	fputs(".Bl -tag -width SIGTERM -compact\n", out);
#define X(name, text)                                                                              \
	fprintf(out, ".It Dv %s\n", #name);                                                        \
	mdoc_sentence(out, text);
	USAGE_SIGNALS(X)
#undef X
	fputs(".El\n", out);
}

void part_daemon_exits(FILE *out)
{
	fputs(".Bl -tag -width Ds -compact\n", out);
#define X(name, code, text)                                                                        \
	fprintf(out, ".It %d\n", code);                                                            \
	mdoc_sentence(out, text);
	USAGE_EXITS(X)
#undef X
	fputs(".El\n", out);
}

static void put_setting(FILE *out, const struct conf_item *item)
{
	char allowed[CONF_ALLOWED_MAX], line[CONF_ALLOWED_MAX + 128];
	conf_value_allowed(item, allowed);
	fputs(".It Cm", out);
	mdoc_argument(out, bytes_of_text(item->key));
	fputc('\n', out);
	mdoc_text(out, bytes_of_text(item->doc));
	snprintf(line, sizeof(line), "allowed: %s", allowed);
	mdoc_sentence(out, line);
	snprintf(line, sizeof(line), "default: %s; a change takes a %s", conf_item_default(item),
		 item->change == CONF_RELOAD ? "reload" : "restart");
	mdoc_sentence(out, line);
}

void part_settings(FILE *out)
{
	const char *section = "";
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		const struct conf_item *item = &conf_items[i];
		if (strcmp(item->section, section) != 0)
			fprintf(out, "%s.Ss %s\n.Bl -tag -width Ds\n", i > 0 ? ".El\n" : "",
				item->section);
		section = item->section;
		put_setting(out, item);
	}
	fputs(".El\n", out);
}
