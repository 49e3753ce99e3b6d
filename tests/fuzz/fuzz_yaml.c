/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a configuration file: nothing breaks, the result and the problems agree,
 * every problem is one line that names the file, and what was accepted can be written
 * as --set and gives the same settings again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_problems(const struct conf_problems *problems)
{
	static const char prefix[] = "f.yaml:";
	DHT_ASSERT(problems->count <= CONF_PROBLEMS_MAX && problems->count <= problems->total);
	for (size_t i = 0; i < problems->count; i++) {
		const char *line = problems->lines[i];
		DHT_ASSERT(strncmp(line, prefix, strlen(prefix)) == 0);
		for (; *line != '\0'; line++)
			DHT_ASSERT((unsigned char)*line >= 0x20 && *line != 0x7f);
	}
}

static char *value_of(const struct conf *conf, const struct conf_item *item)
{
	char *value = conf_item_value(conf, item);
	DHT_ASSERT(value != NULL);
	return value;
}

/* Returns `key=value`, for the caller to free. */
static char *set_of(const struct conf *conf, const struct conf_item *item)
{
	char *value = value_of(conf, item), *set;
	/* The words that stand for an empty list, or for no path, are no value. */
	bool is_words = (item->type == CONF_TYPE_ADDRESSES || item->type == CONF_TYPE_PATH) &&
			item->default_words != NULL && strcmp(value, item->default_words) == 0;
	DHT_ASSERT(asprintf(&set, "%s=%s", item->key, is_words ? "" : value) > 0);
	free(value);
	return set;
}

static void check_round_trip(const struct conf *conf)
{
	struct conf again;
	struct conf_problems problems = CONF_PROBLEMS_NONE;
	const char *sets[CONF_ITEM_COUNT];
	char *texts[CONF_ITEM_COUNT];
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++)
		sets[i] = texts[i] = set_of(conf, &conf_items[i]);
	DHT_ASSERT(conf_init_defaults(&again, "host") == 0);
	DHT_ASSERT(conf_load_file(&again, NULL, sets, CONF_ITEM_COUNT, &problems) == 0);
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		char *text = set_of(&again, &conf_items[i]);
		DHT_ASSERT(strcmp(text, texts[i]) == 0);
		free(text);
		free(texts[i]);
	}
	conf_fini(&again);
	conf_problems_fini(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf conf;
	struct conf_problems problems = CONF_PROBLEMS_NONE;
	DHT_ASSERT(conf_init_defaults(&conf, "host") == 0);
	int rc = conf_load_text(&conf, "f.yaml", data, size, &problems);
	DHT_ASSERT(rc == 0 || rc == DHT_ECONF);
	DHT_ASSERT((rc == 0) == (problems.total == 0));
	check_problems(&problems);
	if (rc == 0)
		check_round_trip(&conf);
	conf_fini(&conf);
	conf_problems_fini(&problems);
	return 0;
}
