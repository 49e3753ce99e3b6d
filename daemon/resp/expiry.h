/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/expiry - points in time as commands are given them, and as operations take them.
 *
 * Why     SET, GETEX and EXPIRE in all their forms mean one of four things by a number:
 *         from now on or since 1970, in seconds or in milliseconds.
 * Thread  the worker that owns the session.
 */
#ifndef DHT_RESP_EXPIRY_H
#define DHT_RESP_EXPIRY_H

#include "resp/options.h"

/* Also the first rows of the tables of options that these are part of. */
enum resp_time { RESP_TIME_EX, RESP_TIME_PX, RESP_TIME_EXAT, RESP_TIME_PXAT, RESP_TIME_COUNT };

#define RESP_TIME_OPTIONS (RESP_OPTION(RESP_TIME_COUNT) - 1)

/* Such a row: a time excludes the three others, and what the command adds to that. */
#define RESP_TIME_ROW(name, others)                                                                \
	[RESP_TIME_##name] = {                                                                     \
	    .word = #name,                                                                         \
	    .has_value = true,                                                                     \
	    .excludes = (RESP_TIME_OPTIONS & ~RESP_OPTION(RESP_TIME_##name)) | (others),           \
	}

/* Converts into milliseconds since 1970. 0; DHT_EINVAL: that does not fit. */
int resp_time_convert(enum resp_time kind, int64_t amount, int64_t *at_ms) DHT_MUST_CHECK;

/* Parses and converts an amount that has to be positive. 0; DHT_ETYPE: it is no integer;
 * DHT_EINVAL: it is not positive or does not fit. */
int resp_time_parse(enum resp_time kind, struct bytes arg, int64_t *at_ms) DHT_MUST_CHECK;

/* Replies with what those two return. */
void resp_time_refuse(struct resp_call *call, int error);

/* Lets the key of an operation expire then, in the past too. */
static inline void resp_expire_at(struct op *op, int64_t at_ms)
{
	op->expiry = OP_EXPIRY_AT;
	op->expires_ms = at_ms > 0 ? (uint64_t)at_ms : 1; /* 0 is never */
}

/* Sets the expiry of an operation to the time that is among the options; to nothing if there
 * is none. Returns as resp_time_parse. */
int resp_time_of_options(const struct resp_options *options, struct op *op) DHT_MUST_CHECK;

#endif
