/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/request - the arguments of the request that a worker looks at.
 *
 * Why     Connections are many and workers few, so what grows with a request belongs
 *         to the worker: the list of its arguments, and the bytes of those that do
 *         not stand in the input as they are meant (resp/inline).
 * Owns    That memory. Arguments point into it or into the connection's input.
 * Thread  belongs to one worker.
 * Errors  DHT_ENOMEM, the request is unchanged then; DHT_EPROTO.
 */
#ifndef DHT_RESP_REQUEST_H
#define DHT_RESP_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"

enum {
	RESP_LINE_MAX = 64 * 1024,           /* bytes of a line before its end */
	RESP_ARGS_MAX = 1024 * 1024,         /* arguments of a request */
	RESP_REQUEST_MAX = 64 * 1024 * 1024, /* bytes of a request, framing included */
	RESP_ARGS_FIXED = 64,                /* arguments that need no allocation */
	RESP_ERROR_MAX = 64,
};

/* The bounds of a request. Redis's text for args_max is "invalid multibulk length"
 * and for arg_bytes_max "invalid bulk length"; request_bytes_max has the text
 * "too big request". A line that breaks args_max or arg_bytes_max is a "too big
 * inline request". */
struct resp_limits {
	uint32_t args_max;
	uint32_t arg_bytes_max;
	uint32_t request_bytes_max; /* 1 to RESP_REQUEST_MAX (asserted) */
};

/* One request. It points into itself: it must not be copied or moved. */
struct resp_request {
	struct bytes *args; /* argc of them, of the last call that returned 0 */
	size_t argc;        /* at least 1 then */
	size_t consumed;    /* input bytes that the last call is done with, whatever it returned */
	size_t args_cap;
	uint8_t *scratch; /* unquoted arguments of a line */
	size_t scratch_cap;
	char error[RESP_ERROR_MAX]; /* DHT_EPROTO: the error reply's text, code included */
	struct bytes args_fixed[RESP_ARGS_FIXED];
};

/* Makes an empty request; it holds no memory beyond itself yet. */
void resp_request_init(struct resp_request *request);

/* Gives back what an unusually large request made it take. The arguments are gone
 * then. A worker calls it between two connections; it is almost always free. */
void resp_request_trim(struct resp_request *request);

/* Gives all memory back. */
void resp_request_fini(struct resp_request *request);

/* Makes room for count arguments; the argc there are stay. */
int resp_request_reserve_args(struct resp_request *request, size_t count) DHT_MUST_CHECK;

/* Gives the list of the arguments to the caller, who frees it; there are more of them than
 * RESP_ARGS_FIXED. The request is empty then. */
struct bytes *resp_request_take_args(struct resp_request *request) DHT_MUST_CHECK;

/* Makes room for size bytes of scratch; what it held is gone. */
int resp_request_reserve_scratch(struct resp_request *request, size_t size) DHT_MUST_CHECK;

/* Sets the error to "ERR Protocol error: TEXT". Returns DHT_EPROTO. */
int resp_request_fail(struct resp_request *request, const char *fmt, ...)
    DHT_PRINTF(2, 3) DHT_MUST_CHECK;

#endif
