/* SPDX-License-Identifier: Apache-2.0
 *
 * Two readers of the same language. resp_parser_walk takes a whole request that has
 * nothing unusual about it in one pass, and decides nothing else: it gives up on
 * whatever is missing, odd or too large. The scan that follows resumes where it
 * stopped, finds every error in the order in which Redis finds it, and stores no
 * argument; when it has seen the end of a request, walk_array collects them.
 */
#include "resp/parser.h"

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "resp/inline.h"

enum { WALK_DIGITS_MAX = 9 }; /* enough for every valid length, too few to overflow */

_Static_assert(sizeof(struct resp_parser) <= 32, "tens of thousands of these are parked");
_Static_assert(RESP_REQUEST_MAX <= 999999999, "resp_parser_walk reads every valid length");

/* A kind of line: how it ends, and what it is called when it does not. */
struct line_kind {
	uint8_t terminator;
	uint8_t trailer; /* bytes behind the terminator that belong to the line */
	const char *too_long;
};

/* Redis looks for the CR alone and passes over one byte behind it, whatever it is;
 * behind the bytes of an argument it passes over two. Clients in the field rely on
 * that by accident, so it is kept. */
static const struct line_kind count_line = {'\r', 1, "too big mbulk count string"};
static const struct line_kind length_line = {'\r', 1, "too big bulk count string"};
static const struct line_kind inline_line = {'\n', 0, RESP_INLINE_TOO_BIG};

static const char too_big_request[] = "too big request";

/* For a request that has passed the scan: the caller's limits may have changed since. */
static const struct resp_limits no_limits = {UINT32_MAX, UINT32_MAX, UINT32_MAX};

static int fail_expected_dollar(struct resp_request *request, uint8_t got)
{
	/* What would end the reply early becomes a space, as in Redis. */
	if (got == '\r' || got == '\n' || got == '\0')
		got = ' ';
	return resp_request_fail(request, "expected '$', got '%c'", got);
}

/* Reads `type`, a canonical number and the end of the line. Returns the byte behind
 * the line, or NULL for anything else. */
static inline __attribute__((always_inline)) const uint8_t *
walk_header(const uint8_t *p, const uint8_t *end, uint8_t type, uint32_t *value)
{
	if (end - p < 4 || *p != type)
		return NULL;
	uint32_t number = (uint32_t)p[1] - '0';
	if (number > 9)
		return NULL;
	p += 2;
	if (*p != '\r') {
		if (number == 0)
			return NULL;
		const uint8_t *stop = end - p > WALK_DIGITS_MAX ? p + WALK_DIGITS_MAX - 1 : end;
		for (; p < stop && *p != '\r'; p++) {
			uint32_t digit = (uint32_t)*p - '0';
			if (digit > 9)
				return NULL;
			number = number * 10 + digit;
		}
		if (end - p < 2 || *p != '\r')
			return NULL;
	}
	*value = number;
	return p + 2;
}

size_t resp_parser_walk(struct bytes input, const struct resp_limits *limits, struct bytes *args,
			size_t args_cap, size_t *argc)
{
	const uint8_t *end = input.data + input.len;
	uint32_t count;
	const uint8_t *p = walk_header(input.data, end, '*', &count);
	if (p == NULL || count == 0 || count > args_cap || count > limits->args_max)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t len;
		p = walk_header(p, end, '$', &len);
		if (p == NULL || len > limits->arg_bytes_max || (size_t)(end - p) < (size_t)len + 2)
			return 0;
		args[i].data = p;
		args[i].len = len;
		p += (size_t)len + 2;
	}
	size_t consumed = (size_t)(p - input.data);
	if (consumed > limits->request_bytes_max)
		return 0;
	*argc = count;
	return consumed;
}

/* The same into request. */
static bool walk_array(struct bytes input, const struct resp_limits *limits,
		       struct resp_request *request)
{
	size_t argc;
	size_t consumed = resp_parser_walk(input, limits, request->args, request->args_cap, &argc);
	if (consumed == 0)
		return false;
	request->argc = argc;
	request->consumed = consumed;
	return true;
}

/* Finds the terminator of the line at parser->offset. The verdict depends on the
 * bytes alone, not on how many of them are there already. */
static int find_line(struct resp_parser *parser, struct bytes input, const struct line_kind *kind,
		     const struct resp_limits *limits, struct resp_request *request,
		     uint32_t *terminator)
{
	/* The terminator stands before `window`, or the line is refused. */
	uint32_t window = parser->offset + RESP_LINE_MAX + 1;
	const char *error = kind->too_long;
	if (window > limits->request_bytes_max - kind->trailer) {
		window = limits->request_bytes_max - kind->trailer;
		error = too_big_request;
	}
	uint32_t from = parser->scanned > parser->offset ? parser->scanned : parser->offset;
	uint32_t stop = input.len < window ? (uint32_t)input.len : window;
	const uint8_t *found = NULL;
	if (from < stop)
		found = memchr(input.data + from, kind->terminator, stop - from);
	if (found == NULL) {
		if (input.len >= window)
			return resp_request_fail(request, "%s", error);
		parser->scanned = stop;
		parser->need = stop + 1;
		return DHT_EAGAIN;
	}
	*terminator = (uint32_t)(found - input.data);
	if (*terminator + kind->trailer >= input.len) {
		parser->scanned = *terminator;
		parser->need = *terminator + kind->trailer + 1;
		return DHT_EAGAIN;
	}
	return 0;
}

/* Reads the first line, "*COUNT": how many arguments follow; none for an empty request. */
static int scan_count(struct resp_parser *parser, struct bytes input,
		      const struct resp_limits *limits, struct resp_request *request)
{
	uint32_t cr = 0;
	int rc = find_line(parser, input, &count_line, limits, request, &cr);
	if (rc != 0)
		return rc;
	int64_t count;
	if (!text_parse_integer(bytes_of(input.data + 1, cr - 1), &count) ||
	    count > limits->args_max)
		return resp_request_fail(request, "invalid multibulk length");
	parser->args_left = count > 0 ? (uint32_t)count : 0;
	parser->offset = cr + 2;
	return 0;
}

/* Passes one argument: "$LENGTH" and its bytes. */
static int scan_argument(struct resp_parser *parser, struct bytes input,
			 const struct resp_limits *limits, struct resp_request *request)
{
	uint32_t cr = 0;
	int rc = find_line(parser, input, &length_line, limits, request, &cr);
	if (rc != 0)
		return rc;
	const uint8_t *line = input.data + parser->offset;
	if (line[0] != '$')
		return fail_expected_dollar(request, line[0]);
	int64_t len;
	if (!text_parse_integer(bytes_of(line + 1, cr - parser->offset - 1), &len) || len < 0 ||
	    len > limits->arg_bytes_max)
		return resp_request_fail(request, "invalid bulk length");
	uint64_t behind = (uint64_t)cr + 2 + (uint64_t)len + 2;
	if (behind > limits->request_bytes_max)
		return resp_request_fail(request, "%s", too_big_request);
	if (behind > input.len) {
		parser->scanned = cr;
		parser->need = (uint32_t)behind;
		return DHT_EAGAIN;
	}
	parser->offset = (uint32_t)behind;
	parser->args_left--;
	return 0;
}

/* Continues the array at the head of input; argc is 0 after an empty one. */
static int next_array(struct resp_parser *parser, struct bytes input,
		      const struct resp_limits *limits, struct resp_request *request)
{
	if (parser->args_left == 0) {
		int rc = scan_count(parser, input, limits, request);
		if (rc != 0)
			return rc;
		if (parser->args_left == 0) {
			request->consumed = parser->offset;
			*parser = RESP_PARSER_START;
			return 0;
		}
	}
	while (parser->args_left > 0) {
		int rc = scan_argument(parser, input, limits, request);
		if (rc != 0)
			return rc;
	}
	*parser = RESP_PARSER_START;
	uint32_t count;
	const uint8_t *first = walk_header(input.data, input.data + input.len, '*', &count);
	DHT_ASSERT(first != NULL);
	int rc = resp_request_reserve_args(request, count);
	if (rc != 0)
		return rc;
	bool is_whole = walk_array(input, &no_limits, request);
	DHT_ASSERT(is_whole);
	return 0;
}

/* Continues the line at the head of input; argc is 0 after an empty one. */
static int next_inline(struct resp_parser *parser, struct bytes input,
		       const struct resp_limits *limits, struct resp_request *request)
{
	uint32_t lf = 0;
	int rc = find_line(parser, input, &inline_line, limits, request, &lf);
	if (rc != 0)
		return rc;
	*parser = RESP_PARSER_START;
	/* A CR before the LF is a separator, so it needs no care. */
	rc = resp_inline_split(bytes_of(input.data, lf), limits, request);
	if (rc == 0)
		request->consumed = (size_t)lf + 1;
	return rc;
}

/* Everything but a whole array in its usual form. */
static int next_general(struct resp_parser *parser, struct bytes input,
			const struct resp_limits *limits, struct resp_request *request)
{
	DHT_ASSERT(limits->request_bytes_max > 0 && limits->request_bytes_max <= RESP_REQUEST_MAX);
	size_t skipped = 0;
	int rc = DHT_EAGAIN;
	while (skipped < input.len) {
		struct bytes rest = bytes_of(input.data + skipped, input.len - skipped);
		request->argc = 0;
		request->consumed = 0;
		if (rest.data[0] == '*')
			rc = next_array(parser, rest, limits, request);
		else
			rc = next_inline(parser, rest, limits, request);
		if (rc != 0 || request->argc > 0)
			break;
		skipped += request->consumed;
		rc = DHT_EAGAIN;
		request->consumed = 0;
	}
	request->consumed += skipped;
	return rc;
}

int resp_parser_next(struct resp_parser *parser, struct bytes input,
		     const struct resp_limits *limits, struct resp_request *request)
{
	if (input.len == 0 || input.len < parser->need) {
		request->consumed = 0;
		return DHT_EAGAIN;
	}
	if (parser->need == 0 && walk_array(input, limits, request))
		return 0;
	return next_general(parser, input, limits, request);
}
