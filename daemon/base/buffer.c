/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

enum {
	BUFFER_MIN = 512,
	TRIM_MIN = 64 * 1024, /* less is not worth a copy */
	TRIM_SHARE = 8,       /* mostly empty: content of at most this part of the memory */
};

int buffer_reserve(struct buffer *b, size_t more, size_t max)
{
	if (more > max || b->len > max - more)
		return DHT_EFULL;
	if (more <= b->cap - b->head - b->len)
		return 0;
	size_t need = b->len + more;
	if (need <= b->cap && b->head >= b->cap / 2) {
		memmove(b->data, b->data + b->head, b->len);
		b->head = 0;
		return 0;
	}
	size_t cap = b->cap < BUFFER_MIN ? BUFFER_MIN : b->cap;
	while (cap < need)
		cap += cap / 2 + BUFFER_MIN;
	uint8_t *data = malloc(cap);
	if (data == NULL)
		return DHT_ENOMEM;
	if (b->len > 0)
		memcpy(data, b->data + b->head, b->len);
	free(b->data);
	b->data = data;
	b->head = 0;
	b->cap = cap;
	return 0;
}

int buffer_append(struct buffer *b, const void *data, size_t len, size_t max)
{
	int rc = buffer_reserve(b, len, max);
	if (rc != 0)
		return rc;
	if (len > 0)
		memcpy(buffer_tail(b), data, len);
	b->len += len;
	return 0;
}

/* Formats once where the room that there is suffices. */
int buffer_vprintf(struct buffer *b, size_t max, const char *fmt, va_list args)
{
	va_list again;
	va_copy(again, args);
	size_t room = buffer_room(b);
	int n = vsnprintf(room > 0 ? (char *)buffer_tail(b) : NULL, room, fmt, args);
	DHT_ASSERT(n >= 0);
	int rc = buffer_reserve(b, (size_t)n + 1, max);
	if (rc == 0 && (size_t)n >= room)
		vsnprintf((char *)buffer_tail(b), (size_t)n + 1, fmt, again);
	if (rc == 0)
		b->len += (size_t)n;
	va_end(again);
	return rc;
}

int buffer_printf(struct buffer *b, size_t max, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int rc = buffer_vprintf(b, max, fmt, args);
	va_end(args);
	return rc;
}

void buffer_consume(struct buffer *b, size_t len)
{
	DHT_ASSERT(len <= b->len);
	b->head += len;
	b->len -= len;
	if (b->len == 0)
		b->head = 0;
}

void buffer_trim(struct buffer *b)
{
	if (b->len == 0) {
		buffer_reset(b);
		return;
	}
	if (b->cap <= TRIM_MIN || b->len > b->cap / TRIM_SHARE)
		return;
	size_t cap = b->len < BUFFER_MIN ? BUFFER_MIN : b->len;
	uint8_t *data = malloc(cap);
	if (data == NULL)
		return;
	memcpy(data, buffer_head(b), b->len);
	free(b->data);
	*b = (struct buffer){.data = data, .len = b->len, .cap = cap};
}

void buffer_reset(struct buffer *b)
{
	free(b->data);
	*b = BUFFER_EMPTY;
}
