/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/address.h"
#include "conf/number.h"

static void *value_of(const struct conf_item *item, struct conf *conf)
{
	return (char *)conf + item->offset;
}

static const void *value_of_const(const struct conf_item *item, const struct conf *conf)
{
	return (const char *)conf + item->offset;
}

const char *conf_value_noun(enum conf_type type)
{
	switch (type) {
	case CONF_TYPE_NAME:
		return "a name";
	case CONF_TYPE_PATH:
		return "an absolute path";
	case CONF_TYPE_ADDRESSES:
		return "an address";
	case CONF_TYPE_COUNT:
	case CONF_TYPE_AUTO_COUNT:
		return "a number";
	case CONF_TYPE_POWER_OF_TWO:
		return "a power of two";
	case CONF_TYPE_SIZE:
	case CONF_TYPE_AUTO_SIZE:
		return "a size";
	case CONF_TYPE_RATE:
		return "a rate";
	case CONF_TYPE_DURATION:
		return "a duration";
	case CONF_TYPE_LOG_LEVEL:
		return "a log level";
	case CONF_TYPE_FSYNC:
		return "a mode of fsync";
	case CONF_TYPE_REDIRECT:
		return "a mode of redirect";
	}
	DHT_UNREACHABLE();
}

const char *conf_fsync_name(enum conf_fsync fsync)
{
	static const char *const names[CONF_FSYNC_COUNT] = {
	    [CONF_FSYNC_ALWAYS] = "always",
	    [CONF_FSYNC_INTERVAL] = "interval",
	    [CONF_FSYNC_NEVER] = "never",
	};
	return names[fsync];
}

const char *conf_redirect_name(enum conf_redirect redirect)
{
	static const char *const names[CONF_REDIRECT_COUNT] = {
	    [CONF_REDIRECT_PROXY] = "proxy",
	    [CONF_REDIRECT_MOVED] = "moved",
	};
	return names[redirect];
}

static const char *log_level_word(int i)
{
	return log_level_name((enum log_level)i);
}

static const char *fsync_word(int i)
{
	return conf_fsync_name((enum conf_fsync)i);
}

static const char *redirect_word(int i)
{
	return conf_redirect_name((enum conf_redirect)i);
}

/* The words of a type whose value is one of them. */
struct words {
	const char *(*word)(int i);
	int count;
};

static const struct words log_levels = {log_level_word, LOG_LEVEL_COUNT};
static const struct words fsyncs = {fsync_word, CONF_FSYNC_COUNT};
static const struct words redirects = {redirect_word, CONF_REDIRECT_COUNT};

/* "error, warn, info or debug" */
static void list_words(const struct words *words, char out[CONF_ALLOWED_MAX])
{
	size_t used = 0;
	for (int i = 0; i < words->count; i++) {
		const char *joint = i == 0 ? "" : i + 1 < words->count ? ", " : " or ";
		used += (size_t)snprintf(out + used, CONF_ALLOWED_MAX - used, "%s%s", joint,
					 words->word(i));
		DHT_ASSERT(used < CONF_ALLOWED_MAX);
	}
}

void conf_value_allowed(const struct conf_item *item, char out[CONF_ALLOWED_MAX])
{
	char min[CONF_NUMBER_MAX], max[CONF_NUMBER_MAX];
	conf_count_format(item->min, min);
	conf_count_format(item->max, max);

	switch (item->type) {
	case CONF_TYPE_NAME:
		snprintf(out, CONF_ALLOWED_MAX, "%s to %s characters of A-Z a-z 0-9 . _ -", min,
			 max);
		return;
	case CONF_TYPE_PATH:
		snprintf(out, CONF_ALLOWED_MAX, "%sa path that begins with /, at most %s bytes",
			 item->min == 0 ? "nothing or " : "", max);
		return;
	case CONF_TYPE_ADDRESSES:
		snprintf(out, CONF_ALLOWED_MAX, "%s; or a list of %s to %s", CONF_ADDRESS_SYNTAX,
			 min, max);
		return;
	case CONF_TYPE_COUNT:
		snprintf(out, CONF_ALLOWED_MAX, "a number, %s to %s", min, max);
		return;
	case CONF_TYPE_AUTO_COUNT:
		snprintf(out, CONF_ALLOWED_MAX, "auto or a number, %s to %s", min, max);
		return;
	case CONF_TYPE_POWER_OF_TWO:
		snprintf(out, CONF_ALLOWED_MAX, "a power of two, %s to %s", min, max);
		return;
	case CONF_TYPE_SIZE:
	case CONF_TYPE_AUTO_SIZE:
	case CONF_TYPE_RATE:
		conf_size_format(item->min, min);
		conf_size_format(item->max, max);
		snprintf(out, CONF_ALLOWED_MAX, "%sa number with B, KiB, MiB or GiB, %s to %s%s",
			 item->type == CONF_TYPE_AUTO_SIZE ? "auto or " : "", min, max,
			 item->type == CONF_TYPE_RATE ? " a second" : "");
		return;
	case CONF_TYPE_DURATION:
		conf_duration_format(item->min, min);
		conf_duration_format(item->max, max);
		snprintf(out, CONF_ALLOWED_MAX, "a number with ms, s, min or h, %s to %s", min,
			 max);
		return;
	case CONF_TYPE_LOG_LEVEL:
		list_words(&log_levels, out);
		return;
	case CONF_TYPE_FSYNC:
		list_words(&fsyncs, out);
		return;
	case CONF_TYPE_REDIRECT:
		list_words(&redirects, out);
		return;
	}
	DHT_UNREACHABLE();
}

/* True for a type that is written as a size. */
static bool is_size(enum conf_type type)
{
	return type == CONF_TYPE_SIZE || type == CONF_TYPE_AUTO_SIZE || type == CONF_TYPE_RATE;
}

static bool has_auto(enum conf_type type)
{
	return type == CONF_TYPE_AUTO_COUNT || type == CONF_TYPE_AUTO_SIZE;
}

/* Adds `"text" is WHAT: allowed`, and the hint (which may be empty) behind it. */
static void refuse(const struct conf_item *item, struct bytes text, const char *what,
		   const char *hint, struct conf_place place, struct conf_problems *problems)
{
	char allowed[CONF_ALLOWED_MAX];
	conf_value_allowed(item, allowed);
	conf_problem_add(problems, place, conf_item_key(item), "%s is %s: %s%s",
			 conf_quote(text).text, what, allowed, hint);
}

static void refuse_notation(const struct conf_item *item, struct bytes text,
			    struct conf_place place, struct conf_problems *problems)
{
	char what[64], hint[64] = "", size[CONF_NUMBER_MAX];
	snprintf(what, sizeof(what), "not %s", conf_value_noun(item->type));
	if (is_size(item->type) && conf_size_suggest(text, size))
		snprintf(hint, sizeof(hint), "; did you mean %s?", size);
	refuse(item, text, what, hint, place, problems);
}

static bool is_name_char(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static bool is_name(const struct conf_item *item, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!is_name_char(text.data[i]))
			return false;
	}
	return text.len >= item->min && text.len <= item->max;
}

static bool is_absolute_path(const struct conf_item *item, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < 0x20 || text.data[i] == 0x7f)
			return false;
	}
	if (text.len == 0)
		return item->min == 0;
	return text.data[0] == '/' && text.len <= item->max;
}

static int parse_string(const struct conf_item *item, char **value, struct bytes text,
			struct conf_place place, struct conf_problems *problems)
{
	bool good =
	    item->type == CONF_TYPE_NAME ? is_name(item, text) : is_absolute_path(item, text);
	if (!good) {
		refuse_notation(item, text, place, problems);
		return 0;
	}
	char *copy = strndup((const char *)text.data, text.len);
	if (copy == NULL)
		return DHT_ENOMEM;
	free(*value);
	*value = copy;
	return 0;
}

static bool parse_number(enum conf_type type, struct bytes text, uint64_t *value)
{
	if (is_size(type))
		return conf_size_parse(text, value);
	if (type == CONF_TYPE_DURATION)
		return conf_duration_parse(text, value);
	return conf_count_parse(text, value);
}

static void parse_bounded(const struct conf_item *item, uint64_t *value, struct bytes text,
			  struct conf_place place, struct conf_problems *problems)
{
	uint64_t number;
	if (has_auto(item->type) && bytes_equal(text, bytes_of("auto", 4)))
		*value = 0;
	else if (!parse_number(item->type, text, &number))
		refuse_notation(item, text, place, problems);
	else if (number < item->min || number > item->max)
		refuse(item, text, "out of range", "", place, problems);
	else if (item->type == CONF_TYPE_POWER_OF_TWO && (number & (number - 1)) != 0)
		refuse_notation(item, text, place, problems);
	else
		*value = number;
}

/* Returns the number of the word that text is, or -1 for a problem. */
static int parse_word(const struct conf_item *item, const struct words *words, struct bytes text,
		      struct conf_place place, struct conf_problems *problems)
{
	for (int i = 0; i < words->count; i++) {
		const char *word = words->word(i);
		if (bytes_equal(text, bytes_of(word, strlen(word))))
			return i;
	}
	refuse_notation(item, text, place, problems);
	return -1;
}

static void parse_log_level(const struct conf_item *item, enum log_level *value, struct bytes text,
			    struct conf_place place, struct conf_problems *problems)
{
	int word = parse_word(item, &log_levels, text, place, problems);
	if (word >= 0)
		*value = (enum log_level)word;
}

static void parse_fsync(const struct conf_item *item, enum conf_fsync *value, struct bytes text,
			struct conf_place place, struct conf_problems *problems)
{
	int word = parse_word(item, &fsyncs, text, place, problems);
	if (word >= 0)
		*value = (enum conf_fsync)word;
}

static void parse_redirect(const struct conf_item *item, enum conf_redirect *value,
			   struct bytes text, struct conf_place place,
			   struct conf_problems *problems)
{
	int word = parse_word(item, &redirects, text, place, problems);
	if (word >= 0)
		*value = (enum conf_redirect)word;
}

static int parse_list_of_one(const struct conf_item *item, struct conf *conf, struct bytes text,
			     struct conf_place place, struct conf_problems *problems)
{
	struct conf_addr_list list = {0};
	int rc = conf_value_add_element(item, &list, text, place, problems);
	if (list.count > 0)
		conf_value_set_list(item, conf, &list, place, problems);
	return rc;
}

int conf_value_parse(const struct conf_item *item, struct conf *conf, struct bytes text,
		     struct conf_place place, struct conf_problems *problems)
{
	switch (item->type) {
	case CONF_TYPE_NAME:
	case CONF_TYPE_PATH:
		return parse_string(item, value_of(item, conf), text, place, problems);
	case CONF_TYPE_ADDRESSES:
		return parse_list_of_one(item, conf, text, place, problems);
	case CONF_TYPE_COUNT:
	case CONF_TYPE_AUTO_COUNT:
	case CONF_TYPE_POWER_OF_TWO:
	case CONF_TYPE_SIZE:
	case CONF_TYPE_AUTO_SIZE:
	case CONF_TYPE_RATE:
	case CONF_TYPE_DURATION:
		parse_bounded(item, value_of(item, conf), text, place, problems);
		return 0;
	case CONF_TYPE_LOG_LEVEL:
		parse_log_level(item, value_of(item, conf), text, place, problems);
		return 0;
	case CONF_TYPE_FSYNC:
		parse_fsync(item, value_of(item, conf), text, place, problems);
		return 0;
	case CONF_TYPE_REDIRECT:
		parse_redirect(item, value_of(item, conf), text, place, problems);
		return 0;
	}
	DHT_UNREACHABLE();
}

int conf_value_add_element(const struct conf_item *item, struct conf_addr_list *list,
			   struct bytes text, struct conf_place place,
			   struct conf_problems *problems)
{
	DHT_ASSERT(item->type == CONF_TYPE_ADDRESSES);
	if (list->count >= item->max) {
		refuse(item, text, "one too many", "", place, problems);
		return 0;
	}
	int rc = conf_addr_list_add(list, text);
	if (rc != DHT_EINVAL)
		return rc;
	refuse_notation(item, text, place, problems);
	return 0;
}

void conf_value_set_list(const struct conf_item *item, struct conf *conf,
			 struct conf_addr_list *list, struct conf_place place,
			 struct conf_problems *problems)
{
	DHT_ASSERT(item->type == CONF_TYPE_ADDRESSES && list->count <= item->max);
	struct conf_addr_list *value = value_of(item, conf);
	if (list->count < item->min) {
		char allowed[CONF_ALLOWED_MAX];
		conf_value_allowed(item, allowed);
		conf_problem_add(problems, place, conf_item_key(item), "the list is too short: %s",
				 allowed);
		conf_addr_list_fini(list);
		return;
	}
	conf_addr_list_fini(value);
	*value = *list;
	*list = (struct conf_addr_list){0};
}

static int copy_string(char **dst, const char *src)
{
	char *copy = NULL;
	if (src != NULL) {
		copy = strdup(src);
		if (copy == NULL)
			return DHT_ENOMEM;
	}
	free(*dst);
	*dst = copy;
	return 0;
}

static int copy_list(struct conf_addr_list *dst, const struct conf_addr_list *src)
{
	struct conf_addr_list copy = {0};
	int rc = conf_addr_list_copy(&copy, src);
	if (rc != 0)
		return rc;
	conf_addr_list_fini(dst);
	*dst = copy;
	return 0;
}

int conf_value_copy(const struct conf_item *item, struct conf *dst, const struct conf *src)
{
	void *to = value_of(item, dst);
	const void *from = value_of_const(item, src);

	switch (item->type) {
	case CONF_TYPE_NAME:
	case CONF_TYPE_PATH:
		return copy_string(to, *(char *const *)from);
	case CONF_TYPE_ADDRESSES:
		return copy_list(to, from);
	case CONF_TYPE_COUNT:
	case CONF_TYPE_AUTO_COUNT:
	case CONF_TYPE_POWER_OF_TWO:
	case CONF_TYPE_SIZE:
	case CONF_TYPE_AUTO_SIZE:
	case CONF_TYPE_RATE:
	case CONF_TYPE_DURATION:
		*(uint64_t *)to = *(const uint64_t *)from;
		return 0;
	case CONF_TYPE_LOG_LEVEL:
		*(enum log_level *)to = *(const enum log_level *)from;
		return 0;
	case CONF_TYPE_FSYNC:
		*(enum conf_fsync *)to = *(const enum conf_fsync *)from;
		return 0;
	case CONF_TYPE_REDIRECT:
		*(enum conf_redirect *)to = *(const enum conf_redirect *)from;
		return 0;
	}
	DHT_UNREACHABLE();
}

void conf_value_fini(const struct conf_item *item, struct conf *conf)
{
	if (item->type == CONF_TYPE_ADDRESSES) {
		conf_addr_list_fini(value_of(item, conf));
	} else if (item->type == CONF_TYPE_NAME || item->type == CONF_TYPE_PATH) {
		char **value = value_of(item, conf);
		free(*value);
		*value = NULL;
	}
}

/* "127.0.0.1:7401,[::1]:7401"; an empty list is an empty text. */
static char *format_list(const struct conf_addr_list *list)
{
	size_t size = 1;
	for (size_t i = 0; i < list->count; i++)
		size += strlen(list->items[i].text) + 1;
	char *out = malloc(size);
	if (out == NULL)
		return NULL;
	char *end = out;
	*end = '\0';
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			end = stpcpy(end, ",");
		end = stpcpy(end, list->items[i].text);
	}
	return out;
}

char *conf_value_format(const struct conf_item *item, const struct conf *conf)
{
	const void *value = value_of_const(item, conf);
	char number[CONF_NUMBER_MAX];

	switch (item->type) {
	case CONF_TYPE_NAME:
	case CONF_TYPE_PATH:
		return strdup(*(char *const *)value);
	case CONF_TYPE_ADDRESSES:
		return format_list(value);
	case CONF_TYPE_COUNT:
	case CONF_TYPE_POWER_OF_TWO:
		conf_count_format(*(const uint64_t *)value, number);
		return strdup(number);
	case CONF_TYPE_AUTO_COUNT:
		conf_count_format(*(const uint64_t *)value, number);
		return strdup(*(const uint64_t *)value == 0 ? "auto" : number);
	case CONF_TYPE_AUTO_SIZE:
		conf_size_format(*(const uint64_t *)value, number);
		return strdup(*(const uint64_t *)value == 0 ? "auto" : number);
	case CONF_TYPE_SIZE:
	case CONF_TYPE_RATE:
		conf_size_format(*(const uint64_t *)value, number);
		return strdup(number);
	case CONF_TYPE_DURATION:
		conf_duration_format(*(const uint64_t *)value, number);
		return strdup(number);
	case CONF_TYPE_LOG_LEVEL:
		return strdup(log_level_name(*(const enum log_level *)value));
	case CONF_TYPE_FSYNC:
		return strdup(conf_fsync_name(*(const enum conf_fsync *)value));
	case CONF_TYPE_REDIRECT:
		return strdup(conf_redirect_name(*(const enum conf_redirect *)value));
	}
	DHT_UNREACHABLE();
}
