/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/reader - the events of one YAML text, each with its place.
 *
 * Why     libyaml's events are taken one by one, so that every problem before a syntax
 *         error, which ends the reading, is found too. What YAML has beyond scalars,
 *         lists and mappings is refused here.
 * Owns    The parser and the current event. The text and its name stay the caller's.
 * Thread  the owner of the reader.
 * Errors  DHT_ECONF: a problem was added after which nothing more can be read.
 *         DHT_ENOMEM.
 */
#ifndef DHT_CONF_READER_H
#define DHT_CONF_READER_H

#include <stdbool.h>
#include <yaml.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "conf/problem.h"

/* The key under which problems of a text as a whole are reported. */
#define CONF_TEXT_KEY bytes_of("yaml", 4)

struct conf_reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one; none at first */
	const char *file_name;
	struct bytes text;
	struct conf_problems *problems;
};

/* Starts to read text; file_name is how problems name it. */
int conf_reader_init(struct conf_reader *reader, const char *file_name, struct bytes text,
		     struct conf_problems *problems) DHT_MUST_CHECK;

void conf_reader_fini(struct conf_reader *reader);

/* Goes on to the next event. A syntax error is added to the problems. */
int conf_reader_next(struct conf_reader *reader) DHT_MUST_CHECK;

/* Goes from the begin of a list or mapping to its end; other events are their own end. */
int conf_reader_skip(struct conf_reader *reader) DHT_MUST_CHECK;

/* Returns the place at which the current event begins. */
struct conf_place conf_reader_place(const struct conf_reader *reader);

/* Returns the text of the current event, which is a scalar; it ends with the event. */
struct bytes conf_reader_scalar(const struct conf_reader *reader);

/* True for an empty value and for the plain words to which YAML gives that meaning. */
bool conf_reader_is_null(const struct conf_reader *reader);

/* Says what begins with the current event, which is no alias: "a list", "a mapping", or
 * the quoted text of a scalar. */
struct conf_quoted conf_reader_describe(const struct conf_reader *reader);

/* Adds a problem if the current node is an alias, or has an anchor or a tag; returns
 * whether it did. */
bool conf_reader_refuse_extras(struct conf_reader *reader, struct bytes key);

#endif
