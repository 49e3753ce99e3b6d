/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/key.h"

#include <string.h>

enum {
	WORD_MAX = 48,  /* bytes of a word that the nearest one is sought for */
	TOO_FAR = 1000, /* above every distance of such words */
};

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

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Counts the characters to insert, delete, replace or swap with their neighbour to
 * turn a into b (optimal string alignment); both have at most WORD_MAX bytes. */
static size_t edit_distance(struct bytes a, struct bytes b)
{
	size_t rows[3][WORD_MAX + 1];
	DHT_ASSERT(a.len <= WORD_MAX && b.len <= WORD_MAX);

	for (size_t j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			bool differs = a.data[i - 1] != b.data[j - 1];
			row[j] = min(above[j - 1] + differs, min(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] &&
			    a.data[i - 2] == b.data[j - 1])
				row[j] = min(row[j], above2[j - 2] + 1);
		}
	}
	return rows[a.len % 3][b.len];
}

/* Returns how far candidate is from word, or TOO_FAR if that is no slip: more than one
 * character in three. */
static size_t slip_distance(struct bytes word, const char *candidate)
{
	if (word.len > WORD_MAX)
		return TOO_FAR;
	size_t distance = edit_distance(word, bytes_of(candidate, strlen(candidate)));
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
