/* SPDX-License-Identifier: Apache-2.0
 *
 * The documentation that is made from the schema: etc/dhtd.yaml and the table of docs/settings.md.
 */
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/value.h"

enum { COLUMN_MAX = 80 }; /* of the lines of the YAML file */

static const char yaml_head[] =
    "# SPDX-License-Identifier: Apache-2.0\n"
    "#\n"
    "# Configuration of dhtd: every setting, with its default.\n"
    "#\n"
    "# It is read when the daemon starts. `systemctl reload dhtd` (SIGHUP) takes over\n"
    "# changes of the settings marked `Change: reload`; the others need a restart.\n"
    "# `dhtctl config check FILE` reports every error of a file before it is used,\n"
    "# `dhtctl config show` prints the values in force. On the command line, --set\n"
    "# has the last word: dhtd --set listen.client=127.0.0.1:7401,127.0.0.2:7401\n"
    "#\n"
    "# A list is written as [127.0.0.1:7401, \"[::1]:7401\"]; an address that begins\n"
    "# with a bracket needs the quotes.\n";

/* Prints text behind prefix, broken between words into comment lines of a section. */
static void print_wrapped(FILE *out, const char *prefix, const char *text)
{
	size_t column = 0;
	while (*text != '\0') {
		size_t length = strcspn(text, " ");
		if (column > 0 && column + 1 + length > COLUMN_MAX) {
			fputc('\n', out);
			column = 0;
		}
		if (column == 0)
			column = (size_t)fprintf(out, "%s", prefix);
		prefix = "  #";
		column += (size_t)fprintf(out, " %.*s", (int)length, text);
		text += length;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void print_yaml_item(FILE *out, const struct conf_item *item)
{
	char allowed[CONF_ALLOWED_MAX];
	conf_value_allowed(item, allowed);
	print_wrapped(out, "  #", item->doc);
	print_wrapped(out, "  # Allowed:", allowed);
	if (item->default_words != NULL)
		print_wrapped(out, "  # Default:", item->default_words);
	if (item->change == CONF_RELOAD)
		print_wrapped(out, "  # Change:", "reload");
	if (item->default_text == NULL)
		fprintf(out, "  #%s:\n", item->name);
	else
		fprintf(out, "  %s: %s\n", item->name,
			item->default_text[0] != '\0'       ? item->default_text
			: item->type == CONF_TYPE_ADDRESSES ? "[]"
							    : "\"\"");
}

void conf_print_defaults(FILE *out)
{
	const char *section = "";
	fputs(yaml_head, out);
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		const struct conf_item *item = &conf_items[i];
		fputc('\n', out);
		if (strcmp(item->section, section) != 0)
			fprintf(out, "%s:\n", item->section);
		section = item->section;
		print_yaml_item(out, item);
	}
}

void conf_print_markdown_table(FILE *out)
{
	fputs("| setting | default | what it does | allowed | a change takes |\n"
	      "|---|---|---|---|---|\n",
	      out);
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		const struct conf_item *item = &conf_items[i];
		char allowed[CONF_ALLOWED_MAX];
		conf_value_allowed(item, allowed);
		const char *quote = item->default_words != NULL ? "" : "`";
		fprintf(out, "| `%s` | %s%s%s | %s | %s | %s |\n", item->key, quote,
			conf_item_default(item), quote, item->doc, allowed,
			item->change == CONF_RELOAD ? "reload" : "restart");
	}
}
