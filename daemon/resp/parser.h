/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/parser - finds the requests in the bytes of a client connection.
 *
 * Why     Both forms of a request, the array of bulk strings that programs send
 *         and the line that a person types, end as the same list of arguments.
 *         They point into the input: a value is not copied here. What Redis 7.0
 *         accepts is accepted and what it refuses is refused with its text, with
 *         three exceptions, all towards a verdict that does not depend on how the
 *         bytes were cut into packets: a NUL byte is a byte like any other (Redis
 *         stops looking for the end of a line there), a line beyond RESP_LINE_MAX
 *         is refused even when its end has arrived, and a request has a bound.
 * Owns    16 bytes per connection, all zero between two requests; no memory.
 * Thread  belongs to the connection's owner.
 * Errors  DHT_EAGAIN (the request is incomplete), DHT_EPROTO (request->error has
 *         the reply; Redis closes the connection behind it), DHT_ENOMEM.
 */
#ifndef DHT_RESP_PARSER_H
#define DHT_RESP_PARSER_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "resp/request.h"

/* How far an incomplete request was looked at, so that no byte of it is looked at
 * again when more arrive. Starts as RESP_PARSER_START. */
struct resp_parser {
	uint32_t need;      /* input bytes below which a call gets no further; 0: none missing */
	uint32_t offset;    /* where the next line of the request begins */
	uint32_t scanned;   /* before this offset that line has no end */
	uint32_t args_left; /* arguments still to come; 0: the first line is still to come */
};

#define RESP_PARSER_START ((struct resp_parser){0})

/* Takes a whole request that has nothing unusual about it, an array in its usual form, from
 * the head of input: stores its arguments, at most args_cap, and returns the bytes it takes.
 * 0: it is not all there, breaks a limit, has an odd header or more arguments than fit;
 * resp_parser_next says which. Only where no request was begun: parser->need is 0. */
size_t resp_parser_walk(struct bytes input, const struct resp_limits *limits, struct bytes *args,
			size_t args_cap, size_t *argc);

/* Looks for the next request in `input`: everything the connection has received,
 * from the first byte that no call has consumed. Empty requests (an empty line,
 * *0, *-1) are skipped, as Redis does.
 *
 * 0: request->args are valid until the next call with this request, and as long as
 * the bytes of input stay where they are.
 * DHT_EAGAIN: what was skipped is consumed, the rest is the start of a request.
 * Once consumed bytes are taken off, a call is of use when the input has reached
 * parser->need bytes: never more than limits->request_bytes_max. That length is the
 * client's claim: a caller lets its buffer grow towards it as bytes arrive instead
 * of reserving it at once.
 * DHT_EPROTO: request->error says why; every further call says so again.
 * DHT_ENOMEM: the request is intact, and the call may be repeated. */
int resp_parser_next(struct resp_parser *parser, struct bytes input,
		     const struct resp_limits *limits, struct resp_request *request) DHT_MUST_CHECK;

#endif
