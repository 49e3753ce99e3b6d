/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/encoding.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const char *cli_encoding_name(enum cli_encoding encoding)
{
	switch (encoding) {
	case CLI_PLAIN:
		return "plain text";
	case CLI_HEX:
		return "hexadecimal";
	case CLI_BASE64:
		return "base64";
	}
	DHT_UNREACHABLE();
}

static void encode_hex(struct bytes bytes, uint8_t *out)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < bytes.len; i++) {
		*out++ = (uint8_t)digits[bytes.data[i] >> 4];
		*out++ = (uint8_t)digits[bytes.data[i] & 15];
	}
}

/* Three bytes become four digits of six bits; a group that is cut short is padded. */
static void encode_base64(struct bytes bytes, uint8_t *out)
{
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
		uint32_t group = (uint32_t)bytes.data[i] << 16;
		if (have > 1)
			group |= (uint32_t)bytes.data[i + 1] << 8;
		if (have > 2)
			group |= bytes.data[i + 2];
		*out++ = (uint8_t)base64_digits[group >> 18];
		*out++ = (uint8_t)base64_digits[group >> 12 & 63];
		*out++ = have > 1 ? (uint8_t)base64_digits[group >> 6 & 63] : '=';
		*out++ = have > 2 ? (uint8_t)base64_digits[group & 63] : '=';
	}
}

int cli_encoding_encode(enum cli_encoding encoding, struct bytes bytes, struct buffer *out)
{
	if (bytes.len > CLI_ENCODING_MAX / 2)
		return DHT_EFULL;
	if (encoding == CLI_PLAIN)
		return buffer_append(out, bytes.data, bytes.len, CLI_ENCODING_MAX);
	size_t len = encoding == CLI_HEX ? 2 * bytes.len : (bytes.len + 2) / 3 * 4;
	int rc = buffer_reserve(out, len, CLI_ENCODING_MAX);
	if (rc != 0 || len == 0)
		return rc;
	if (encoding == CLI_HEX)
		encode_hex(bytes, buffer_tail(out));
	else
		encode_base64(bytes, buffer_tail(out));
	out->len += len;
	return 0;
}

/* Writes text.len / 2 bytes to out. */
static int decode_hex(struct bytes text, uint8_t *out, size_t *position)
{
	for (size_t i = 0; i < text.len; i++) {
		int value = text_hex_value(text.data[i]);
		if (value < 0) {
			*position = i;
			return DHT_EINVAL;
		}
		if (i % 2 == 0) {
			if (i + 1 < text.len)
				out[i / 2] = (uint8_t)(value << 4);
		} else {
			out[i / 2] |= (uint8_t)value;
		}
	}
	*position = text.len;
	return text.len % 2 == 0 ? 0 : DHT_EINVAL;
}

/* Returns the digit's value, -1 if c is no base64 digit. */
static int base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* The digits of a base64 text: without the one or two characters of padding that a
 * text of whole groups may end in. */
static size_t base64_digit_count(struct bytes text)
{
	size_t digits = text.len;
	if (text.len % 4 != 0)
		return digits;
	while (digits > 0 && text.len - digits < 2 && text.data[digits - 1] == '=')
		digits--;
	return digits;
}

/* Writes the bytes that the first digits characters of text stand for. */
static int decode_base64(struct bytes text, size_t digits, uint8_t *out, size_t *position)
{
	uint32_t bits = 0;
	unsigned have = 0;
	for (size_t i = 0; i < digits; i++) {
		int value = base64_value(text.data[i]);
		if (value < 0) {
			*position = i;
			return DHT_EINVAL;
		}
		bits = bits << 6 | (uint32_t)value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			*out++ = (uint8_t)(bits >> have);
			bits &= (1U << have) - 1;
		}
	}
	if (text.len % 4 != 0) {
		*position = text.len;
		return DHT_EINVAL;
	}
	/* Bits that stand for no byte must be zero: one text per value. */
	if (bits != 0) {
		*position = digits - 1;
		return DHT_EINVAL;
	}
	return 0;
}

int cli_encoding_decode(enum cli_encoding encoding, struct bytes text, struct buffer *out,
			size_t *position)
{
	*position = 0;
	if (encoding == CLI_PLAIN)
		return buffer_append(out, text.data, text.len, CLI_ENCODING_MAX);
	size_t digits = encoding == CLI_BASE64 ? base64_digit_count(text) : text.len;
	size_t len = encoding == CLI_BASE64 ? digits / 4 * 3 + digits % 4 * 3 / 4 : digits / 2;
	/* One byte more than needed, so that there is memory to point at in any case. */
	int rc = buffer_reserve(out, len + 1, CLI_ENCODING_MAX);
	if (rc != 0)
		return rc;
	if (encoding == CLI_HEX)
		rc = decode_hex(text, buffer_tail(out), position);
	else
		rc = decode_base64(text, digits, buffer_tail(out), position);
	if (rc == 0)
		out->len += len;
	return rc;
}

size_t cli_encoding_utf8_length(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	uint8_t lead = data[0];
	if (lead < 0x80)
		return 1;
	size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
	if (lead < 0xc2 || lead > 0xf4 || len < need)
		return 0;
	/* The second byte also excludes overlong forms, surrogates and what is above
	 * U+10FFFF (RFC 3629, section 4). */
	uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (data[1] < low || data[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++) {
		if ((data[i] & 0xc0) != 0x80)
			return 0;
	}
	return need;
}

bool cli_encoding_is_utf8(struct bytes bytes)
{
	size_t at = 0;
	while (at < bytes.len) {
		size_t len = cli_encoding_utf8_length(bytes.data + at, bytes.len - at);
		if (len == 0)
			return false;
		at += len;
	}
	return true;
}
