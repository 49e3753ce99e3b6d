/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/options - the words behind the fixed arguments of a request, and the numbers in it.
 *
 * Why     Which options a command has, which of them take a value and which exclude each
 *         other is a table of the command; the errors are Redis's, and come in its order:
 *         from the left, word by word.
 * Owns    Nothing; values point into the request.
 * Thread  the worker that owns the session.
 */
#ifndef DHT_RESP_OPTIONS_H
#define DHT_RESP_OPTIONS_H

#include "resp/command.h"

enum { RESP_OPTIONS_MAX = 10 }; /* of one command */

#define RESP_OPTION(index) (1u << (index))

/* A row of a command's table. */
struct resp_option {
	const char *word;  /* upper case */
	bool has_value;    /* the next argument is its value */
	unsigned excludes; /* RESP_OPTION() of those that may not stand before it */
	/* Looks at the value, and replies when it is none; NULL: any bytes. */
	bool (*accepts)(struct resp_call *call, struct bytes value);
};

struct resp_option_table {
	const struct resp_option *rows;
	size_t count;
	/* What the error for a word that is no option says before the word; NULL: that it is a
	 * syntax error. */
	const char *unknown;
};

/* What a request has. Of an option given twice the last value is there. */
struct resp_options {
	unsigned given; /* RESP_OPTION() of each */
	struct bytes values[RESP_OPTIONS_MAX];
};

static inline bool resp_has_option(const struct resp_options *options, unsigned index)
{
	return (options->given & RESP_OPTION(index)) != 0;
}

/* Reads the options of a request, which begin at an argument. False: it has replied. */
bool resp_options_read(struct resp_call *call, size_t from, const struct resp_option_table *table,
		       struct resp_options *options) DHT_MUST_CHECK;

/* Reads an argument that is an integer. False: it has replied. */
bool resp_read_integer(struct resp_call *call, struct bytes arg, int64_t *number) DHT_MUST_CHECK;

/* The same; an integer below min is a syntax error. */
bool resp_read_integer_from(struct resp_call *call, struct bytes arg, int64_t min,
			    int64_t *number) DHT_MUST_CHECK;

/* Answers words that do not make a request of the command. */
void resp_reply_syntax(struct resp_call *call);

#endif
