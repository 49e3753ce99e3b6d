/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/value - the types of settings: text to value, value to text, what is allowed.
 *
 * Why     The one place that knows how a type is written, so that YAML, --set, the
 *         defaults and every message agree.
 * Owns    Nothing; values belong to the struct conf that holds them.
 * Thread  the owner of the struct conf.
 * Errors  A text that is not allowed is added to the problems and leaves the value as
 *         it was; the function returns 0 then too. DHT_ENOMEM.
 */
#ifndef DHT_CONF_VALUE_H
#define DHT_CONF_VALUE_H

#include "base/assert.h"
#include "base/bytes.h"
#include "conf/conf.h"
#include "conf/problem.h"

enum { CONF_ALLOWED_MAX = 160 }; /* bytes of what conf_value_allowed says, terminated */

/* Gives item the value that text, found at place, stands for; a list becomes a list of one. */
int conf_value_parse(const struct conf_item *item, struct conf *conf, struct bytes text,
		     struct conf_place place, struct conf_problems *problems) DHT_MUST_CHECK;

/* Appends an element to a list that is meant for item: it has no more than item->max then. */
int conf_value_add_element(const struct conf_item *item, struct conf_addr_list *list,
			   struct bytes text, struct conf_place place,
			   struct conf_problems *problems) DHT_MUST_CHECK;

/* Makes list, found at place, the value of item, and empties it. A list of fewer than
 * item->min elements is a problem. */
void conf_value_set_list(const struct conf_item *item, struct conf *conf,
			 struct conf_addr_list *list, struct conf_place place,
			 struct conf_problems *problems);

/* Makes the value in dst a copy of that in src. */
int conf_value_copy(const struct conf_item *item, struct conf *dst,
		    const struct conf *src) DHT_MUST_CHECK;

/* Frees what the value holds. */
void conf_value_fini(const struct conf_item *item, struct conf *conf);

/* Returns the value as --set takes it, for the caller to free; NULL: no memory. */
char *conf_value_format(const struct conf_item *item, const struct conf *conf) DHT_MUST_CHECK;

/* Says what a setting takes: "a number with ms, s, min or h, 0 to 1h". */
void conf_value_allowed(const struct conf_item *item, char out[CONF_ALLOWED_MAX]);

/* Says what a value of the type is called, with its article: "a duration". */
const char *conf_value_noun(enum conf_type type);

#endif
