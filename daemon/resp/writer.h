/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/writer - writes the replies of the client port, in RESP2 or RESP3.
 *
 * Why     A worker collects the replies to everything it read from a connection and
 *         sends them with one call. A command writes its reply once; which of the
 *         two protocols the connection speaks is decided here.
 * Owns    The output area, which grows up to the owner's bound.
 * Thread  belongs to one owner at a time.
 * Errors  sticky: from the first append that finds no room on, nothing is appended
 *         and out->error says why: DHT_EFULL (the bound) or DHT_ENOMEM. The owner
 *         looks once, after the last append. The last reply is cut short then, so
 *         the connection cannot be used any further.
 */
#ifndef DHT_RESP_WRITER_H
#define DHT_RESP_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"

enum resp_version { RESP_VERSION_2 = 2, RESP_VERSION_3 = 3 };

enum {
	RESP_OUT_KEEP = 256 * 1024, /* bytes that resp_out_clear leaves allocated */
	RESP_TEXT_MAX = 1024,       /* bytes of a formatted error; the rest is cut */
};

struct resp_out {
	uint8_t *data;
	size_t len;
	size_t cap;                /* bytes of data that may be used: len after an error */
	size_t size;               /* bytes of data that are allocated */
	size_t max;                /* bound of size; a header asks for 32 bytes, however short */
	enum resp_version version; /* of the connection; its owner sets it */
	int error;
};

/* Makes an empty area of at most max bytes for RESP2; it holds no memory yet. */
void resp_out_init(struct resp_out *out, size_t max);

/* Empties the area and forgets its error; gives back what a large reply made it take. */
void resp_out_clear(struct resp_out *out);

/* Gives all memory back. */
void resp_out_fini(struct resp_out *out);

/* Appends bytes that are a reply, or part of one, already. */
void resp_write_raw(struct resp_out *out, struct bytes reply);

/* +OK */
void resp_write_ok(struct resp_out *out);

/* Appends a simple string, `+text`. CR and LF cannot be part of it: they become
 * spaces, and those at the end are dropped. */
void resp_write_simple(struct resp_out *out, const char *text);

/* Appends an error, `-text`, under the same rule; text begins with its code ("ERR"). */
void resp_write_error(struct resp_out *out, const char *text);

/* The same, formatted; cut at RESP_TEXT_MAX bytes. */
void resp_write_errorf(struct resp_out *out, const char *fmt, ...) DHT_PRINTF(2, 3);

void resp_write_integer(struct resp_out *out, int64_t value);

/* Appends a bulk string: any bytes. */
void resp_write_bulk(struct resp_out *out, struct bytes value);

/* Appends the head of a bulk string; its owner appends so many bytes and CR LF behind it. */
void resp_write_bulk_length(struct resp_out *out, size_t len);
void resp_write_bulk_text(struct resp_out *out, const char *text);

/* Appends a bulk string of a number's decimal digits. */
void resp_write_bulk_number(struct resp_out *out, uint64_t number);

/* Appends the absence of a value, and of an array: one and the same in RESP3. */
void resp_write_null(struct resp_out *out);
void resp_write_null_array(struct resp_out *out);

/* Open a container; the owner appends that many elements, or pairs of key and value,
 * behind it. RESP2 has arrays alone: a map is its keys and values in turn. */
void resp_write_array(struct resp_out *out, size_t elements);
void resp_write_map(struct resp_out *out, size_t pairs);
void resp_write_set(struct resp_out *out, size_t elements);

/* RESP2: the integer 1 or 0. */
void resp_write_boolean(struct resp_out *out, bool value);

/* Appends a number with 17 significant digits, so that it reads back as itself; "inf",
 * "-inf" and "nan" otherwise. RESP2: a bulk string of it. */
void resp_write_double(struct resp_out *out, double value);

/* Appends text with its format, three letters ("txt", "mkd"). RESP2: a bulk string
 * of the text alone. */
void resp_write_verbatim(struct resp_out *out, const char format[4], struct bytes text);

#endif
