/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/inline.h"

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"

/* The rest of a line, and where unquoted bytes go. */
struct inline_reader {
	const uint8_t *p, *end;
	uint8_t *out;
};

/* isspace() of the C locale. */
static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What ends an argument outside quotes: fewer bytes than what is skipped before it,
 * as in Redis. */
static bool is_separator(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Reads the escape at reader->p, a backslash with a byte behind it: \xHH, \n, \r, \t,
 * \b and \a; any other byte stands for itself. */
static uint8_t read_escape(struct inline_reader *reader)
{
	const uint8_t *p = reader->p;
	if (p[1] == 'x' && reader->end - p >= 4 && text_hex_value(p[2]) >= 0 &&
	    text_hex_value(p[3]) >= 0) {
		reader->p += 4;
		return (uint8_t)(text_hex_value(p[2]) * 16 + text_hex_value(p[3]));
	}
	reader->p += 2;
	switch (p[1]) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'b':
		return '\b';
	case 'a':
		return '\a';
	default:
		return p[1];
	}
}

/* Reads from behind an opening quote to behind the closing one, which ends the
 * argument: a separator or the line's end follows. False if one of them is missing. */
static bool read_quoted(struct inline_reader *reader, uint8_t quote)
{
	while (reader->p < reader->end) {
		uint8_t c = *reader->p;
		bool has_next = reader->end - reader->p >= 2;
		if (c == quote) {
			reader->p++;
			return reader->p == reader->end || is_space(*reader->p);
		}
		if (c == '\\' && has_next && quote == '"') {
			*reader->out++ = read_escape(reader);
		} else if (c == '\\' && has_next && reader->p[1] == '\'') {
			*reader->out++ = '\'';
			reader->p += 2;
		} else {
			*reader->out++ = c;
			reader->p++;
		}
	}
	return false;
}

/* Reads the argument at reader->p into the scratch area. */
static bool read_unquoting(struct inline_reader *reader, struct bytes *arg)
{
	arg->data = reader->out;
	bool ok = true;
	while (reader->p < reader->end && !is_separator(*reader->p)) {
		uint8_t c = *reader->p++;
		if (c == '"' || c == '\'') {
			ok = read_quoted(reader, c);
			break;
		}
		*reader->out++ = c;
	}
	arg->len = (size_t)(reader->out - arg->data);
	return ok;
}

/* Reads the argument at reader->p where it stands. */
static void read_plain(struct inline_reader *reader, struct bytes *arg)
{
	arg->data = reader->p;
	while (reader->p < reader->end && !is_separator(*reader->p))
		reader->p++;
	arg->len = (size_t)(reader->p - arg->data);
}

int resp_inline_split(struct bytes line, const struct resp_limits *limits,
		      struct resp_request *request)
{
	bool has_quotes =
	    memchr(line.data, '"', line.len) != NULL || memchr(line.data, '\'', line.len) != NULL;
	/* Unquoting never makes a line longer, so one area of its length takes all of it. */
	int rc = has_quotes ? resp_request_reserve_scratch(request, line.len) : 0;
	if (rc != 0)
		return rc;
	struct inline_reader reader = {line.data, line.data + line.len, request->scratch};
	for (;;) {
		while (reader.p < reader.end && is_space(*reader.p))
			reader.p++;
		if (reader.p == reader.end)
			return 0;
		rc = resp_request_reserve_args(request, request->argc + 1);
		if (rc != 0)
			return rc;
		struct bytes *arg = &request->args[request->argc];
		if (!has_quotes)
			read_plain(&reader, arg);
		else if (!read_unquoting(&reader, arg))
			return resp_request_fail(request, "unbalanced quotes in request");
		if (request->argc == limits->args_max || arg->len > limits->arg_bytes_max)
			return resp_request_fail(request, "%s", RESP_INLINE_TOO_BIG);
		request->argc++;
	}
}
