/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/writer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

enum {
	OUT_MIN = 4096,
	DIGITS_MAX = 20, /* of UINT64_MAX */
	HEADER_MAX = 32, /* type, sign, 20 digits, CR LF; rounded up */
	DOUBLE_MAX = 32, /* sign, 17 digits, point, "e-308", NUL; rounded up */
	FORMAT_LEN = 3,
};

void resp_out_init(struct resp_out *out, size_t max)
{
	*out = (struct resp_out){.max = max, .version = RESP_VERSION_2};
}

void resp_out_clear(struct resp_out *out)
{
	if (out->size > RESP_OUT_KEEP) {
		free(out->data);
		out->data = NULL;
		out->size = 0;
	}
	out->len = 0;
	out->cap = out->size;
	out->error = 0;
}

void resp_out_fini(struct resp_out *out)
{
	free(out->data);
	*out = (struct resp_out){0};
}

/* Takes away the room that is left, so that the usual check refuses every append. */
static uint8_t *fail(struct resp_out *out, int error)
{
	out->error = error;
	out->cap = out->len;
	return NULL;
}

static __attribute__((noinline)) uint8_t *grow(struct resp_out *out, size_t more)
{
	if (out->error != 0)
		return NULL;
	if (more > out->max - out->len)
		return fail(out, DHT_EFULL);
	size_t need = out->len + more;
	size_t size = out->size < OUT_MIN ? OUT_MIN : 2 * out->size;
	if (size > out->max)
		size = out->max;
	if (size < need)
		size = need;
	uint8_t *data = realloc(out->data, size);
	if (data == NULL)
		return fail(out, DHT_ENOMEM);
	out->data = data;
	out->size = out->cap = size;
	return data + out->len;
}

/* Returns the place of the next `more` bytes, or NULL. */
static inline uint8_t *room(struct resp_out *out, size_t more)
{
	if (__builtin_expect(more <= out->cap - out->len, 1))
		return out->data + out->len;
	return grow(out, more);
}

static inline void advance(struct resp_out *out, const uint8_t *end)
{
	out->len = (size_t)(end - out->data);
}

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
				  "25262728293031323334353637383940414243444546474849"
				  "50515253545556575859606162636465666768697071727374"
				  "75767778798081828384858687888990919293949596979899";

static inline uint8_t *put_decimal(uint8_t *p, uint64_t value)
{
	if (value < 10) {
		*p = (uint8_t)('0' + value);
		return p + 1;
	}
	if (value < 100) {
		memcpy(p, digit_pairs + 2 * value, 2);
		return p + 2;
	}
	char digits[DIGITS_MAX];
	size_t at = sizeof(digits);
	for (; value >= 100; value /= 100) {
		at -= 2;
		memcpy(digits + at, digit_pairs + 2 * (value % 100), 2);
	}
	if (value >= 10) {
		at -= 2;
		memcpy(digits + at, digit_pairs + 2 * value, 2);
	} else {
		digits[--at] = (char)('0' + value);
	}
	memcpy(p, digits + at, sizeof(digits) - at);
	return p + sizeof(digits) - at;
}

static inline uint8_t *put_bytes(uint8_t *p, struct bytes bytes)
{
	if (bytes.len > 0)
		memcpy(p, bytes.data, bytes.len);
	return p + bytes.len;
}

static inline uint8_t *put_end(uint8_t *p)
{
	memcpy(p, "\r\n", 2);
	return p + 2;
}

static inline uint8_t *put_header(uint8_t *p, char type, uint64_t value)
{
	*p = (uint8_t)type;
	return put_end(put_decimal(p + 1, value));
}

static void write_header(struct resp_out *out, char type, uint64_t value)
{
	uint8_t *p = room(out, HEADER_MAX);
	if (p != NULL)
		advance(out, put_header(p, type, value));
}

/* Constants: their length is known to the compiler. */
#define WRITE_LITERAL(out, text) resp_write_raw(out, bytes_of(text, sizeof(text) - 1))

void resp_write_raw(struct resp_out *out, struct bytes reply)
{
	uint8_t *p = room(out, reply.len);
	if (p != NULL)
		advance(out, put_bytes(p, reply));
}

void resp_write_ok(struct resp_out *out)
{
	WRITE_LITERAL(out, "+OK\r\n");
}

/* Appends a reply that ends with its line. */
static void write_line(struct resp_out *out, char type, const char *text)
{
	size_t len = strlen(text);
	while (len > 0 && (text[len - 1] == '\r' || text[len - 1] == '\n'))
		len--;
	uint8_t *p = room(out, 1 + len + 2);
	if (p == NULL)
		return;
	*p++ = (uint8_t)type;
	for (size_t i = 0; i < len; i++)
		*p++ = text[i] == '\r' || text[i] == '\n' ? ' ' : (uint8_t)text[i];
	advance(out, put_end(p));
}

void resp_write_simple(struct resp_out *out, const char *text)
{
	write_line(out, '+', text);
}

void resp_write_error(struct resp_out *out, const char *text)
{
	write_line(out, '-', text);
}

void resp_write_errorf(struct resp_out *out, const char *fmt, ...)
{
	char text[RESP_TEXT_MAX + 1];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	DHT_ASSERT(n >= 0);
	write_line(out, '-', text);
}

void resp_write_integer(struct resp_out *out, int64_t value)
{
	uint8_t *p = room(out, HEADER_MAX);
	if (p == NULL)
		return;
	*p++ = ':';
	uint64_t magnitude = (uint64_t)value;
	if (value < 0) {
		*p++ = '-';
		magnitude = -magnitude;
	}
	advance(out, put_end(put_decimal(p, magnitude)));
}

void resp_write_bulk(struct resp_out *out, struct bytes value)
{
	uint8_t *p = room(out, HEADER_MAX + value.len + 2);
	if (p != NULL)
		advance(out, put_end(put_bytes(put_header(p, '$', value.len), value)));
}

void resp_write_bulk_length(struct resp_out *out, size_t len)
{
	write_header(out, '$', len);
}

void resp_write_bulk_text(struct resp_out *out, const char *text)
{
	resp_write_bulk(out, bytes_of_text(text));
}

void resp_write_bulk_number(struct resp_out *out, uint64_t number)
{
	uint8_t digits[DIGITS_MAX];
	const uint8_t *end = put_decimal(digits, number);
	resp_write_bulk(out, bytes_of(digits, (size_t)(end - digits)));
}

void resp_write_null(struct resp_out *out)
{
	if (out->version == RESP_VERSION_3)
		WRITE_LITERAL(out, "_\r\n");
	else
		WRITE_LITERAL(out, "$-1\r\n");
}

void resp_write_null_array(struct resp_out *out)
{
	if (out->version == RESP_VERSION_3)
		WRITE_LITERAL(out, "_\r\n");
	else
		WRITE_LITERAL(out, "*-1\r\n");
}

void resp_write_array(struct resp_out *out, size_t elements)
{
	write_header(out, '*', elements);
}

void resp_write_map(struct resp_out *out, size_t pairs)
{
	if (out->version == RESP_VERSION_3)
		write_header(out, '%', pairs);
	else
		write_header(out, '*', 2 * pairs);
}

void resp_write_set(struct resp_out *out, size_t elements)
{
	write_header(out, out->version == RESP_VERSION_3 ? '~' : '*', elements);
}

void resp_write_boolean(struct resp_out *out, bool value)
{
	if (out->version != RESP_VERSION_3)
		resp_write_integer(out, value ? 1 : 0);
	else if (value)
		WRITE_LITERAL(out, "#t\r\n");
	else
		WRITE_LITERAL(out, "#f\r\n");
}

void resp_write_double(struct resp_out *out, double value)
{
	char text[DOUBLE_MAX];
	/* A NaN may have a sign, which clients do not parse. */
	int len = isnan(value) ? snprintf(text, sizeof(text), "nan")
			       : snprintf(text, sizeof(text), "%.17g", value);
	DHT_ASSERT(len > 0 && len < DOUBLE_MAX);
	if (out->version == RESP_VERSION_3)
		write_line(out, ',', text);
	else
		resp_write_bulk(out, bytes_of(text, (size_t)len));
}

void resp_write_verbatim(struct resp_out *out, const char format[4], struct bytes text)
{
	if (out->version != RESP_VERSION_3) {
		resp_write_bulk(out, text);
		return;
	}
	DHT_ASSERT(strlen(format) == FORMAT_LEN);
	uint8_t *p = room(out, HEADER_MAX + FORMAT_LEN + 1 + text.len + 2);
	if (p == NULL)
		return;
	p = put_header(p, '=', FORMAT_LEN + 1 + text.len);
	p = put_bytes(p, bytes_of(format, FORMAT_LEN));
	*p++ = ':';
	advance(out, put_end(put_bytes(p, text)));
}
