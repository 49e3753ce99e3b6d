/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/key - finds settings by name, and explains names that are none.
 *
 * Why     A mistyped key is the commonest error of a configuration: the message says
 *         which key was probably meant.
 * Thread  any; pure functions over the constant schema.
 */
#ifndef DHT_CONF_KEY_H
#define DHT_CONF_KEY_H

#include "base/bytes.h"
#include "conf/conf.h"
#include "conf/problem.h"

/* Finds the setting with this key (section.name), or the first setting of the section
 * with this name; NULL if there is none. */
const struct conf_item *conf_key_find(struct bytes key);
const struct conf_item *conf_key_find_section(struct bytes name);

/* Adds the problem that key, as YAML or --set gives it at place, is no setting, with
 * what may be meant. */
void conf_key_refuse(struct bytes key, struct conf_place place, struct conf_problems *problems);

enum { CONF_NAMES_MAX = 256 }; /* bytes of a list of names, terminated */

/* Lists the names of the settings of item's section: "count, park_after, queue_max". */
void conf_key_list_names(const struct conf_item *item, char out[CONF_NAMES_MAX]);

/* Lists the names of the sections. */
void conf_key_list_sections(char out[CONF_NAMES_MAX]);

#endif
