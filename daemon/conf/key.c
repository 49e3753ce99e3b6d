/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/key.h"

#include <string.h>

#include "base/text.h"

enum { TOO_FAR = 1000 }; /* above every distance of words */

static bool is_text(struct bytes bytes, const char *text)
{
	return bytes_equal(bytes, bytes_of(text, strlen(text)));
}

static bool begins_section(const struct conf_item *item)
{
	return item == conf_items || strcmp(item->section, item[-1].section) != 0;
}

const struct conf_item *conf_key_find(struct bytes key)
{
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		if (is_text(key, conf_items[i].key))
			return &conf_items[i];
	}
	return NULL;
}

const struct conf_item *conf_key_find_section(struct bytes name)
{
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		if (is_text(name, conf_items[i].section))
			return &conf_items[i];
	}
	return NULL;
}

static const struct conf_item *find_name(struct bytes name)
{
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		if (is_text(name, conf_items[i].name))
			return &conf_items[i];
	}
	return NULL;
}

/* Returns how far candidate is from word, or TOO_FAR if that is no slip: more than one
 * character in three. */
static size_t slip_distance(struct bytes word, const char *candidate)
{
	if (word.len > TEXT_WORD_MAX)
		return TOO_FAR;
	size_t distance = text_edit_distance(word, bytes_of(candidate, strlen(candidate)));
	return distance <= word.len / 3 ? distance : TOO_FAR;
}

static const struct conf_item *find_nearest_section(struct bytes word)
{
	const struct conf_item *nearest = NULL;
	size_t best = TOO_FAR;
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		size_t distance = slip_distance(word, conf_items[i].section);
		if (distance < best) {
			best = distance;
			nearest = &conf_items[i];
		}
	}
	return nearest;
}

static const struct conf_item *find_nearest(struct bytes section, struct bytes name)
{
	const struct conf_item *nearest = NULL;
	size_t best = TOO_FAR;
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		size_t distance = slip_distance(section, conf_items[i].section) +
				  slip_distance(name, conf_items[i].name);
		if (distance < best) {
			best = distance;
			nearest = &conf_items[i];
		}
	}
	/* A setting of the right name in the wrong section is the next best guess. */
	return nearest != NULL ? nearest : find_name(name);
}

/* Appends word to a list; the schema is small enough for the room (asserted). */
static void append(char list[CONF_NAMES_MAX], const char *word)
{
	size_t used = strlen(list);
	int n = snprintf(list + used, CONF_NAMES_MAX - used, "%s%s", used > 0 ? ", " : "", word);
	DHT_ASSERT(n > 0 && (size_t)n < CONF_NAMES_MAX - used);
}

void conf_key_list_names(const struct conf_item *item, char out[CONF_NAMES_MAX])
{
	out[0] = '\0';
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		if (strcmp(conf_items[i].section, item->section) == 0)
			append(out, conf_items[i].name);
	}
}

void conf_key_list_sections(char out[CONF_NAMES_MAX])
{
	out[0] = '\0';
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		if (begins_section(&conf_items[i]))
			append(out, conf_items[i].section);
	}
}

/* key begins with section, which is no setting by itself. */
static void refuse_section(struct bytes key, struct bytes section, struct conf_place place,
			   struct conf_problems *problems)
{
	char list[CONF_NAMES_MAX];
	const struct conf_item *known = conf_key_find_section(section);
	const struct conf_item *nearest = find_nearest_section(section);
	const struct conf_item *setting = find_name(section);
	if (known != NULL) {
		conf_key_list_names(known, list);
		conf_problem_add(problems, place, key, "unknown key: the settings of %s are %s",
				 known->section, list);
	} else if (nearest != NULL) {
		conf_problem_add(problems, place, key, "unknown section, did you mean %s?",
				 nearest->section);
	} else if (setting != NULL) {
		conf_problem_add(problems, place, key, "unknown section, did you mean %s?",
				 setting->key);
	} else {
		conf_key_list_sections(list);
		conf_problem_add(problems, place, key, "unknown section: the sections are %s",
				 list);
	}
}

void conf_key_refuse(struct bytes key, struct conf_place place, struct conf_problems *problems)
{
	/* Looking for what is meant takes its time, and a hostile text has many keys. */
	if (conf_problems_is_full(problems)) {
		problems->total++;
		return;
	}
	const uint8_t *dot = memchr(key.data, '.', key.len);
	if (dot == NULL) {
		refuse_section(key, key, place, problems);
		return;
	}
	struct bytes section = bytes_of(key.data, (size_t)(dot - key.data));
	struct bytes name = bytes_of(dot + 1, key.len - section.len - 1);
	const struct conf_item *known = conf_key_find(key);
	const struct conf_item *nearest = find_nearest(section, name);
	if (known != NULL)
		conf_problem_add(problems, place, key, "is written nested, as %s: {%s: ...}",
				 known->section, known->name);
	else if (nearest != NULL)
		conf_problem_add(problems, place, key, "unknown key, did you mean %s?",
				 nearest->key);
	else
		refuse_section(key, section, place, problems);
}
