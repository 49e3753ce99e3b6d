/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/problem - collects what is wrong with a configuration, one line each.
 *
 * Why     Whoever fixes a configuration wants all of its errors at once, each at its
 *         place. Keys, values and file names in the lines are outside bytes: what is
 *         not printable UTF-8 is escaped, and long values are cut, so that a line
 *         stays one line wherever it is printed.
 * Thread  the owner of the struct conf_problems.
 * Errors  none: a line that there is no memory for is counted, so that the total is
 *         never 0 when something is wrong.
 */
#ifndef DHT_CONF_PROBLEM_H
#define DHT_CONF_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "conf/conf.h"

enum {
	CONF_QUOTED_MAX = 64,    /* bytes of an outside text that a message shows */
	CONF_MESSAGE_MAX = 1024, /* bytes of a message, with its terminator */
	/* Bytes of an escaped text: each byte as \xNN, an ellipsis, and a terminator. */
	CONF_ESCAPED_MAX = CONF_QUOTED_MAX * 4 + 4,
};

/* Where something is wrong: source:line:column, or source alone when line is 0. */
struct conf_place {
	const char *source;
	size_t line, column;
};

struct conf_quoted {
	char text[CONF_ESCAPED_MAX + 2];
};

/* Returns text in double quotes, escaped; the rest of a long one is an ellipsis. */
struct conf_quoted conf_quote(struct bytes text);

static inline struct bytes conf_item_key(const struct conf_item *item)
{
	return bytes_of(item->key, strlen(item->key));
}

/* Adds `place: key: message`; the message is at most CONF_MESSAGE_MAX - 1 bytes. */
void conf_problem_add(struct conf_problems *problems, struct conf_place place, struct bytes key,
		      const char *fmt, ...) DHT_PRINTF(4, 5);

/* True when further problems are only counted, so that they need not be explained. */
bool conf_problems_is_full(const struct conf_problems *problems);

#endif
