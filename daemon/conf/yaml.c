/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/yaml.h"

#include <string.h>

#include "base/error.h"
#include "conf/address.h"
#include "conf/key.h"
#include "conf/problem.h"
#include "conf/reader.h"
#include "conf/value.h"

enum { KEY_MAX = 128 }; /* bytes of a key that are kept; no setting's key is as long */

/* Each function named walk_ is called with the reader at the event that begins a node,
 * and leaves it at the event that ends that node. It returns 0, also when it has added
 * problems, or an error that ends the walk. */
struct walk {
	struct conf_reader reader;
	struct conf *conf;
	struct conf_problems *problems;
	/* Line of the section whose first setting this is the number of; 0: not seen yet. */
	size_t section_lines[CONF_ITEM_COUNT];
};

struct key {
	uint8_t data[KEY_MAX];
	size_t len;
};

static struct bytes key_bytes(const struct key *key)
{
	return bytes_of(key->data, key->len);
}

/* Appends the part of text that there is room for: what is cut off is no known key. */
static void key_append(struct key *key, struct bytes text)
{
	size_t room = sizeof(key->data) - key->len;
	size_t len = text.len < room ? text.len : room;
	memcpy(key->data + key->len, text.data, len);
	key->len += len;
}

/* Reports a node of a kind that no value of item has. */
static int refuse_node(struct walk *walk, const struct conf_item *item)
{
	char allowed[CONF_ALLOWED_MAX];
	conf_value_allowed(item, allowed);
	struct conf_place place = conf_reader_place(&walk->reader);
	if (conf_reader_is_null(&walk->reader))
		conf_problem_add(walk->problems, place, conf_item_key(item), "has no value: %s",
				 allowed);
	else
		conf_problem_add(walk->problems, place, conf_item_key(item), "%s is not %s: %s",
				 conf_reader_describe(&walk->reader).text,
				 conf_value_noun(item->type), allowed);
	return conf_reader_skip(&walk->reader);
}

static bool is_text_scalar(const struct walk *walk)
{
	return walk->reader.event.type == YAML_SCALAR_EVENT && !conf_reader_is_null(&walk->reader);
}

static int walk_element(struct walk *walk, const struct conf_item *item,
			struct conf_addr_list *list)
{
	if (conf_reader_refuse_extras(&walk->reader, conf_item_key(item)))
		return conf_reader_skip(&walk->reader);
	if (!is_text_scalar(walk))
		return refuse_node(walk, item);
	return conf_value_add_element(item, list, conf_reader_scalar(&walk->reader),
				      conf_reader_place(&walk->reader), walk->problems);
}

static int walk_list(struct walk *walk, const struct conf_item *item)
{
	struct conf_place place = conf_reader_place(&walk->reader);
	size_t problems_before = walk->problems->total;
	struct conf_addr_list list = {0};
	int rc = conf_reader_next(&walk->reader);
	while (rc == 0 && walk->reader.event.type != YAML_SEQUENCE_END_EVENT) {
		rc = walk_element(walk, item, &list);
		if (rc == 0)
			rc = conf_reader_next(&walk->reader);
	}
	if (rc == 0 && walk->problems->total == problems_before)
		conf_value_set_list(item, walk->conf, &list, place, walk->problems);
	conf_addr_list_fini(&list);
	return rc;
}

static int walk_value(struct walk *walk, const struct conf_item *item)
{
	struct conf_place place = conf_reader_place(&walk->reader);
	if (conf_reader_refuse_extras(&walk->reader, conf_item_key(item)))
		return conf_reader_skip(&walk->reader);
	if (walk->reader.event.type == YAML_SEQUENCE_START_EVENT &&
	    item->type == CONF_TYPE_ADDRESSES)
		return walk_list(walk, item);
	if (!is_text_scalar(walk))
		return refuse_node(walk, item);
	return conf_value_parse(item, walk->conf, conf_reader_scalar(&walk->reader), place,
				walk->problems);
}

static int skip_unknown(struct walk *walk, struct conf_place place, struct bytes key)
{
	conf_key_refuse(key, place, walk->problems);
	return conf_reader_skip(&walk->reader);
}

static int walk_setting(struct walk *walk, struct conf_place place, struct bytes key)
{
	const struct conf_item *item = conf_key_find(key);
	if (item == NULL)
		return skip_unknown(walk, place, key);
	struct conf_origin *origin = &walk->conf->origins[item->id];
	if (origin->from != CONF_FROM_DEFAULT) {
		conf_problem_add(walk->problems, place, key, "is set twice, first on line %zu",
				 origin->line);
		return conf_reader_skip(&walk->reader);
	}
	struct conf_place value_place = conf_reader_place(&walk->reader);
	size_t problems_before = walk->problems->total;
	int rc = walk_value(walk, item);
	bool is_good = walk->problems->total == problems_before;
	*origin = (struct conf_origin){is_good ? CONF_FROM_FILE : CONF_FROM_REJECTED,
				       value_place.line, value_place.column};
	return rc;
}

static int walk_mapping(struct walk *walk, const struct conf_item *section);

static int walk_section(struct walk *walk, struct conf_place place, struct bytes key)
{
	const struct conf_item *section = conf_key_find_section(key);
	if (section == NULL)
		return skip_unknown(walk, place, key);
	size_t *first_line = &walk->section_lines[section->id];
	if (*first_line > 0)
		conf_problem_add(walk->problems, place, key, "is there twice, first on line %zu",
				 *first_line);
	else
		*first_line = place.line;

	if (conf_reader_refuse_extras(&walk->reader, key))
		return conf_reader_skip(&walk->reader);
	if (walk->reader.event.type == YAML_MAPPING_START_EVENT)
		return walk_mapping(walk, section);
	/* What is left of a section when all its settings are commented out. */
	if (conf_reader_is_null(&walk->reader))
		return 0;
	char names[CONF_NAMES_MAX];
	conf_key_list_names(section, names);
	conf_problem_add(walk->problems, conf_reader_place(&walk->reader), key,
			 "%s is not a section: a mapping with %s",
			 conf_reader_describe(&walk->reader).text, names);
	return conf_reader_skip(&walk->reader);
}

/* Walks a key and its value: a section, or a setting of the section that is not NULL. */
static int walk_entry(struct walk *walk, const struct conf_item *section)
{
	struct conf_reader *reader = &walk->reader;
	struct conf_place place = conf_reader_place(reader);
	struct key key = {.len = 0};
	int rc;
	if (reader->event.type != YAML_SCALAR_EVENT) {
		struct bytes parent = section == NULL
					  ? CONF_TEXT_KEY
					  : bytes_of(section->section, strlen(section->section));
		if (!conf_reader_refuse_extras(reader, parent))
			conf_problem_add(walk->problems, place, parent,
					 "%s is not a key, a word is",
					 conf_reader_describe(reader).text);
		rc = conf_reader_skip(reader);
		if (rc == 0)
			rc = conf_reader_next(reader);
		return rc == 0 ? conf_reader_skip(reader) : rc;
	}
	if (section != NULL) {
		key_append(&key, bytes_of(section->section, strlen(section->section)));
		key_append(&key, bytes_of(".", 1));
	}
	key_append(&key, conf_reader_scalar(reader));
	(void)conf_reader_refuse_extras(reader, key_bytes(&key));
	rc = conf_reader_next(reader);
	if (rc != 0)
		return rc;
	return section == NULL ? walk_section(walk, place, key_bytes(&key))
			       : walk_setting(walk, place, key_bytes(&key));
}

/* Walks the mapping of sections (section is NULL), or one of settings. */
static int walk_mapping(struct walk *walk, const struct conf_item *section)
{
	int rc = conf_reader_next(&walk->reader);
	while (rc == 0 && walk->reader.event.type != YAML_MAPPING_END_EVENT) {
		rc = walk_entry(walk, section);
		if (rc == 0)
			rc = conf_reader_next(&walk->reader);
	}
	return rc;
}

static int walk_root(struct walk *walk)
{
	if (conf_reader_refuse_extras(&walk->reader, CONF_TEXT_KEY))
		return conf_reader_skip(&walk->reader);
	if (walk->reader.event.type == YAML_MAPPING_START_EVENT)
		return walk_mapping(walk, NULL);
	if (conf_reader_is_null(&walk->reader))
		return 0;
	char sections[CONF_NAMES_MAX];
	conf_key_list_sections(sections);
	conf_problem_add(walk->problems, conf_reader_place(&walk->reader), CONF_TEXT_KEY,
			 "%s is not a configuration: a mapping with %s",
			 conf_reader_describe(&walk->reader).text, sections);
	return conf_reader_skip(&walk->reader);
}

/* STREAM-START [DOCUMENT-START node DOCUMENT-END]... STREAM-END */
static int walk_stream(struct walk *walk)
{
	struct conf_reader *reader = &walk->reader;
	int rc = conf_reader_next(reader);
	if (rc == 0)
		rc = conf_reader_next(reader);
	if (rc != 0 || reader->event.type == YAML_STREAM_END_EVENT)
		return rc;
	rc = conf_reader_next(reader);
	if (rc == 0)
		rc = walk_root(walk);
	if (rc == 0)
		rc = conf_reader_next(reader);
	if (rc == 0)
		rc = conf_reader_next(reader);
	if (rc == 0 && reader->event.type != YAML_STREAM_END_EVENT)
		conf_problem_add(walk->problems, conf_reader_place(reader), CONF_TEXT_KEY,
				 "a second document begins here, which was not checked");
	return rc;
}

int conf_yaml_read(struct conf *conf, const char *file_name, struct bytes text,
		   struct conf_problems *problems)
{
	struct walk walk = {.conf = conf, .problems = problems};
	int rc = conf_reader_init(&walk.reader, file_name, text, problems);
	if (rc != 0)
		return rc;
	rc = walk_stream(&walk);
	conf_reader_fini(&walk.reader);
	return rc;
}
