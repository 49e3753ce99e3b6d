/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/reader.h"

#include <string.h>

#include "base/error.h"

enum { DEPTH_MAX = 16 }; /* collections inside each other, in a part that is skipped */

int conf_reader_init(struct conf_reader *reader, const char *file_name, struct bytes text,
		     struct conf_problems *problems)
{
	*reader = (struct conf_reader){.file_name = file_name, .text = text, .problems = problems};
	if (!yaml_parser_initialize(&reader->parser))
		return DHT_ENOMEM;
	/* libyaml does not take a null pointer, even for no bytes. */
	const uint8_t *data = text.len > 0 ? text.data : (const uint8_t *)"";
	yaml_parser_set_input_string(&reader->parser, data, text.len);
	/* Not guessed from the first bytes: a file in UTF-16 is a mistake. */
	yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
	return 0;
}

void conf_reader_fini(struct conf_reader *reader)
{
	yaml_event_delete(&reader->event);
	yaml_parser_delete(&reader->parser);
}

static struct conf_place place_of_mark(const struct conf_reader *reader, yaml_mark_t mark)
{
	return (struct conf_place){reader->file_name, mark.line + 1, mark.column + 1};
}

struct conf_place conf_reader_place(const struct conf_reader *reader)
{
	return place_of_mark(reader, reader->event.start_mark);
}

/* For what libyaml finds before it counts lines: bytes that are no characters of YAML. */
static struct conf_place place_of_offset(const struct conf_reader *reader, size_t offset)
{
	struct conf_place place = {reader->file_name, 1, 1};
	for (size_t i = 0; i < offset && i < reader->text.len; i++) {
		if (reader->text.data[i] == '\n') {
			place.line++;
			place.column = 1;
		} else if ((reader->text.data[i] & 0xc0) != 0x80) {
			place.column++;
		}
	}
	return place;
}

/* True if the character with this index is a tab: libyaml's message does not say so. */
static bool is_tab_at(const struct conf_reader *reader, size_t index)
{
	size_t characters = 0;
	for (size_t i = 0; i < reader->text.len; i++) {
		if ((reader->text.data[i] & 0xc0) == 0x80)
			continue;
		if (characters++ == index)
			return reader->text.data[i] == '\t';
	}
	return false;
}

/* For bytes that are no characters of YAML. */
static void report_bytes(struct conf_reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	char value[sizeof(" (0xffffffff)")] = "";
	if (parser->problem_value >= 0) /* -1: the text ends too early */
		snprintf(value, sizeof(value), " (0x%02x)", (unsigned)parser->problem_value);
	conf_problem_add(reader->problems, place_of_offset(reader, parser->problem_offset),
			 CONF_TEXT_KEY, "%s%s, the file must be UTF-8 text", parser->problem,
			 value);
}

static int report_syntax(struct conf_reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	if (parser->error == YAML_MEMORY_ERROR)
		return DHT_ENOMEM;
	if (parser->error == YAML_READER_ERROR) {
		report_bytes(reader);
		return DHT_ECONF;
	}
	char context[CONF_MESSAGE_MAX / 2] = "";
	if (parser->context != NULL)
		snprintf(context, sizeof(context), ", %s that begins on line %zu", parser->context,
			 parser->context_mark.line + 1);
	bool is_tab = is_tab_at(reader, parser->problem_mark.index);
	conf_problem_add(reader->problems, place_of_mark(reader, parser->problem_mark),
			 CONF_TEXT_KEY, "%s%s%s", parser->problem,
			 is_tab ? " (a tab; YAML is indented with spaces)" : "", context);
	return DHT_ECONF;
}

int conf_reader_next(struct conf_reader *reader)
{
	yaml_event_delete(&reader->event);
	if (yaml_parser_parse(&reader->parser, &reader->event))
		return 0;
	return report_syntax(reader);
}

int conf_reader_skip(struct conf_reader *reader)
{
	size_t depth = 0;
	for (;;) {
		yaml_event_type_t type = reader->event.type;
		if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT)
			depth++;
		else if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT)
			depth--;
		if (depth == 0)
			return 0;
		if (depth > DEPTH_MAX) {
			conf_problem_add(reader->problems, conf_reader_place(reader), CONF_TEXT_KEY,
					 "nested too deep, what follows was not checked");
			return DHT_ECONF;
		}
		int rc = conf_reader_next(reader);
		if (rc != 0)
			return rc;
	}
}

struct bytes conf_reader_scalar(const struct conf_reader *reader)
{
	DHT_ASSERT(reader->event.type == YAML_SCALAR_EVENT);
	return bytes_of(reader->event.data.scalar.value, reader->event.data.scalar.length);
}

bool conf_reader_is_null(const struct conf_reader *reader)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};
	const yaml_event_t *event = &reader->event;
	if (event->type != YAML_SCALAR_EVENT || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	struct bytes text = conf_reader_scalar(reader);
	for (size_t i = 0; i < DHT_ARRAY_LEN(words); i++) {
		if (bytes_equal(text, bytes_of(words[i], strlen(words[i]))))
			return true;
	}
	return false;
}

struct conf_quoted conf_reader_describe(const struct conf_reader *reader)
{
	if (reader->event.type == YAML_SCALAR_EVENT)
		return conf_quote(conf_reader_scalar(reader));
	if (reader->event.type == YAML_SEQUENCE_START_EVENT)
		return (struct conf_quoted){"a list"};
	return (struct conf_quoted){"a mapping"};
}

bool conf_reader_refuse_extras(struct conf_reader *reader, struct bytes key)
{
	const yaml_event_t *event = &reader->event;
	const yaml_char_t *anchor = NULL, *tag = NULL;
	const char *what = "an anchor";

	if (event->type == YAML_ALIAS_EVENT) {
		what = "an alias";
		anchor = event->data.alias.anchor;
	} else if (event->type == YAML_SCALAR_EVENT) {
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
	}
	if (anchor == NULL && tag == NULL)
		return false;

	const char *name = (const char *)(anchor != NULL ? anchor : tag);
	conf_problem_add(reader->problems, conf_reader_place(reader), key,
			 "%s is %s, which is not allowed: write the value itself",
			 conf_quote(bytes_of(name, strlen(name))).text,
			 anchor != NULL ? what : "a tag");
	return true;
}
