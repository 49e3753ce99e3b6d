/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/address.h"
#include "conf/check.h"
#include "conf/key.h"
#include "conf/problem.h"
#include "conf/reader.h"
#include "conf/value.h"
#include "conf/yaml.h"

const struct conf_item conf_items[CONF_ITEM_COUNT] = {
#define CONF_SETTING(type_, section_, name_, field_, default_, words_, min_, max_, change_, doc_)  \
	[CONF_##section_##_##name_] = {                                                            \
	    .id = CONF_##section_##_##name_,                                                       \
	    .type = CONF_TYPE_##type_,                                                             \
	    .change = CONF_##change_,                                                              \
	    .key = #section_ "." #name_,                                                           \
	    .section = #section_,                                                                  \
	    .name = #name_,                                                                        \
	    .offset = offsetof(struct conf, field_),                                               \
	    .default_text = (default_),                                                            \
	    .default_words = (words_),                                                             \
	    .min = (min_),                                                                         \
	    .max = (max_),                                                                         \
	    .doc = (doc_),                                                                         \
	},
#include "conf/schema.def"
};

/* What problems of an override name as their source. */
static const struct conf_place set_place = {"--set", 0, 0};

static int set_default(struct conf *conf, const struct conf_item *item, const char *host_name)
{
	if (item->default_text == NULL) {
		/* Not checked yet: a bad one matters only if nothing overrides it. */
		DHT_ASSERT(item->id == CONF_node_name);
		conf->node_name = strdup(host_name);
		return conf->node_name != NULL ? 0 : DHT_ENOMEM;
	}
	if (item->type == CONF_TYPE_ADDRESSES && item->default_text[0] == '\0')
		return 0;
	struct conf_problems problems = CONF_PROBLEMS_NONE;
	int rc =
	    conf_value_parse(item, conf, bytes_of(item->default_text, strlen(item->default_text)),
			     (struct conf_place){"default", 0, 0}, &problems);
	DHT_ASSERT(problems.total == 0);
	return rc;
}

int conf_init_defaults(struct conf *conf, const char *host_name)
{
	*conf = (struct conf){0};
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		int rc = set_default(conf, &conf_items[i], host_name);
		if (rc != 0) {
			conf_fini(conf);
			return rc;
		}
	}
	return 0;
}

void conf_fini(struct conf *conf)
{
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++)
		conf_value_fini(&conf_items[i], conf);
	free(conf->file_name);
	conf->file_name = NULL;
}

static int set_file_name(struct conf *conf, const char *file_name)
{
	char *copy = strdup(file_name);
	if (copy == NULL)
		return DHT_ENOMEM;
	free(conf->file_name);
	conf->file_name = copy;
	return 0;
}

int conf_clone(struct conf *dst, const struct conf *src)
{
	*dst = (struct conf){0};
	int rc = src->file_name != NULL ? set_file_name(dst, src->file_name) : 0;
	for (size_t i = 0; i < CONF_ITEM_COUNT && rc == 0; i++)
		rc = conf_value_copy(&conf_items[i], dst, src);
	if (rc != 0) {
		conf_fini(dst);
		return rc;
	}
	memcpy(dst->origins, src->origins, sizeof(dst->origins));
	return 0;
}

/* Takes `a,b,c` apart; an empty text is an empty list. */
static int set_list(struct conf *conf, const struct conf_item *item, struct bytes text,
		    struct conf_problems *problems)
{
	size_t problems_before = problems->total;
	struct conf_addr_list list = {0};
	bool is_more = text.len > 0;
	int rc = 0;
	while (is_more && rc == 0) {
		const uint8_t *comma = memchr(text.data, ',', text.len);
		is_more = comma != NULL;
		size_t len = is_more ? (size_t)(comma - text.data) : text.len;
		rc = conf_value_add_element(item, &list, bytes_of(text.data, len), set_place,
					    problems);
		if (is_more)
			text = bytes_of(comma + 1, text.len - len - 1);
	}
	if (rc == 0 && problems->total == problems_before)
		conf_value_set_list(item, conf, &list, set_place, problems);
	conf_addr_list_fini(&list);
	return rc;
}

/* Applies one `key=value`. */
static int set(struct conf *conf, const char *assignment, struct conf_problems *problems)
{
	const char *equals = strchr(assignment, '=');
	size_t key_len = equals != NULL ? (size_t)(equals - assignment) : strlen(assignment);
	struct bytes key = bytes_of(assignment, key_len);
	const struct conf_item *item = conf_key_find(key);
	if (item == NULL) {
		conf_key_refuse(key, set_place, problems);
		return 0;
	}
	if (equals == NULL) {
		char allowed[CONF_ALLOWED_MAX];
		conf_value_allowed(item, allowed);
		conf_problem_add(problems, set_place, key, "has no value, write %s=VALUE: %s",
				 item->key, allowed);
		return 0;
	}
	struct bytes text = bytes_of(equals + 1, strlen(equals + 1));
	size_t problems_before = problems->total;
	int rc = item->type == CONF_TYPE_ADDRESSES
		     ? set_list(conf, item, text, problems)
		     : conf_value_parse(item, conf, text, set_place, problems);
	bool is_good = problems->total == problems_before;
	conf->origins[item->id].from = is_good ? CONF_FROM_SET : CONF_FROM_REJECTED;
	return rc;
}

static int apply_text(struct conf *conf, const char *name, struct bytes text,
		      struct conf_problems *problems)
{
	int rc = set_file_name(conf, name);
	if (rc != 0)
		return rc;
	if (text.len > CONF_FILE_MAX) {
		conf_problem_add(problems, (struct conf_place){name, 1, 1}, CONF_TEXT_KEY,
				 "the file is larger than %d bytes", CONF_FILE_MAX);
		return DHT_ECONF;
	}
	return conf_yaml_read(conf, name, text, problems);
}

static int apply_file(struct conf *conf, const char *path, struct conf_problems *problems)
{
	/* One byte more than is accepted, to tell a file that is too large. */
	const size_t size = CONF_FILE_MAX + 1;
	uint8_t *data = malloc(size);
	if (data == NULL)
		return DHT_ENOMEM;
	FILE *file = fopen(path, "re");
	size_t len = file != NULL ? fread(data, 1, size, file) : 0;
	int rc;
	if (file == NULL || ferror(file)) {
		conf_problem_add(problems, (struct conf_place){path, 0, 0}, CONF_TEXT_KEY,
				 "the file cannot be read: %s", strerror(errno));
		rc = DHT_EIO;
	} else {
		rc = apply_text(conf, path, bytes_of(data, len), problems);
	}
	if (file != NULL)
		(void)fclose(file); /* nothing was written to it */
	free(data);
	return rc;
}

/* Ends a load whose sources were applied with the result rc. The settings are checked
 * against each other only if all of them are known, or the check would blame one for
 * another that a syntax error hides. */
static int finish(struct conf *conf, int rc, struct conf_problems *problems, size_t problems_before)
{
	if (rc == 0)
		rc = conf_check(conf, problems);
	if (rc == 0 && problems->total > problems_before)
		rc = DHT_ECONF;
	return rc;
}

int conf_load_file(struct conf *conf, const char *path, const char *const *sets, size_t set_count,
		   struct conf_problems *problems)
{
	size_t problems_before = problems->total;
	int file_rc = path != NULL ? apply_file(conf, path, problems) : 0;
	int rc = file_rc == DHT_ENOMEM ? file_rc : 0;
	/* A file that was not read does not hide what is wrong in the overrides. */
	for (size_t i = 0; i < set_count && rc == 0; i++)
		rc = set(conf, sets[i], problems);
	return rc != 0 ? rc : finish(conf, file_rc, problems, problems_before);
}

int conf_load_text(struct conf *conf, const char *name, const void *text, size_t len,
		   struct conf_problems *problems)
{
	size_t problems_before = problems->total;
	int rc = apply_text(conf, name, bytes_of(text, len), problems);
	return finish(conf, rc, problems, problems_before);
}

char *conf_item_value(const struct conf *conf, const struct conf_item *item)
{
	char *value = conf_value_format(item, conf);
	if (value == NULL || value[0] != '\0' || item->default_words == NULL)
		return value;
	free(value);
	return strdup(item->default_words);
}

const char *conf_item_default(const struct conf_item *item)
{
	return item->default_words != NULL ? item->default_words : item->default_text;
}

/* Takes one setting over if it is reloadable and differs. */
static int reload_item(const struct conf_item *item, struct conf *running, const struct conf *fresh,
		       conf_changed_fn changed, void *ctx)
{
	int rc = 0;
	char *before = conf_item_value(running, item);
	char *after = conf_item_value(fresh, item);
	if (before == NULL || after == NULL) {
		rc = DHT_ENOMEM;
	} else if (strcmp(before, after) != 0) {
		if (item->change == CONF_RELOAD)
			rc = conf_value_copy(item, running, fresh);
		if (rc == 0)
			changed(item, before, after, ctx);
	}
	free(before);
	free(after);
	return rc;
}

int conf_reload(struct conf *running, const struct conf *fresh, conf_changed_fn changed, void *ctx)
{
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		int rc = reload_item(&conf_items[i], running, fresh, changed, ctx);
		if (rc != 0)
			return rc;
	}
	return 0;
}
