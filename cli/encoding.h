/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/encoding - bytes as text: hexadecimal, base64 (RFC 4648, section 4), UTF-8.
 *
 * Why     Keys and values are any bytes; arguments cannot hold NUL, and JSON text
 *         cannot hold what is not UTF-8.
 * Owns    Nothing; results are appended to the caller's buffer.
 * Thread  any; pure functions.
 * Errors  DHT_EINVAL: the text is not in the encoding. DHT_EFULL: the result is
 *         longer than CLI_ENCODING_MAX. DHT_ENOMEM.
 */
#ifndef DHT_CLI_ENCODING_H
#define DHT_CLI_ENCODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "proto/frame.h"

/* Bytes of a result: hexadecimal doubles what a frame can carry. */
enum { CLI_ENCODING_MAX = 2 * ADMIN_FRAME_MAX };

enum cli_encoding { CLI_PLAIN, CLI_HEX, CLI_BASE64 };

/* Returns the encoding's name for messages: "plain text", "hexadecimal", "base64". */
const char *cli_encoding_name(enum cli_encoding encoding);

/* Appends bytes in the encoding (lower-case hexadecimal; base64 with padding). */
int cli_encoding_encode(enum cli_encoding encoding, struct bytes bytes,
			struct buffer *out) DHT_MUST_CHECK;

/* Appends the bytes that text stands for. The whole text must be well-formed: an
 * even number of hexadecimal digits of either case; base64 with its padding, with
 * unused bits zero, without line breaks. On DHT_EINVAL, *position is the offset of
 * the first character that does not fit, or text.len when the text ends too early;
 * what was appended so far is to be thrown away. */
int cli_encoding_decode(enum cli_encoding encoding, struct bytes text, struct buffer *out,
			size_t *position) DHT_MUST_CHECK;

/* Returns the length (1 to 4) of the UTF-8 sequence at the start of data, 0 if there
 * is no well-formed one (RFC 3629: no overlong forms, no surrogates). */
size_t cli_encoding_utf8_length(const uint8_t *data, size_t len);

/* Whether bytes are UTF-8 text from the first to the last; the empty run is. */
bool cli_encoding_is_utf8(struct bytes bytes);

#endif
