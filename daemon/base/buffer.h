/* SPDX-License-Identifier: Apache-2.0
 *
 * base/buffer - a growing run of bytes, filled at the tail, taken from the head.
 *
 * Owns    Its memory; an empty buffer that was reset holds none.
 * Thread  belongs to one owner at a time.
 * Errors  DHT_ENOMEM, and DHT_EFULL beyond the caller's bound; the content is
 *         unchanged then.
 */
#ifndef DHT_BASE_BUFFER_H
#define DHT_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"

struct buffer {
	uint8_t *data;
	size_t head; /* offset of the first byte that was not taken yet */
	size_t len;  /* bytes from head on */
	size_t cap;
};

#define BUFFER_EMPTY ((struct buffer){0})

/* Makes room for `more` bytes behind the content, never above max bytes of content. */
int buffer_reserve(struct buffer *b, size_t more, size_t max) DHT_MUST_CHECK;

/* Appends a copy of len bytes under the same bound. */
int buffer_append(struct buffer *b, const void *data, size_t len, size_t max) DHT_MUST_CHECK;

/* Appends formatted text under the same bound. */
int buffer_printf(struct buffer *b, size_t max, const char *fmt, ...)
    DHT_PRINTF(3, 4) DHT_MUST_CHECK;
int buffer_vprintf(struct buffer *b, size_t max, const char *fmt, va_list args)
    DHT_PRINTF(3, 0) DHT_MUST_CHECK;

/* Takes len bytes from the head; the memory stays. */
void buffer_consume(struct buffer *b, size_t len);

/* Gives back the memory of an empty buffer, and most of a large one's that holds little;
 * the content moves then. To be called where content was taken and little may follow. */
void buffer_trim(struct buffer *b);

/* Gives the memory back. */
void buffer_reset(struct buffer *b);

/* An empty buffer has no memory, and NULL takes no offset. */
static inline uint8_t *buffer_head(const struct buffer *b)
{
	return b->head > 0 ? b->data + b->head : b->data;
}

static inline uint8_t *buffer_tail(const struct buffer *b)
{
	return b->len > 0 ? buffer_head(b) + b->len : buffer_head(b);
}

static inline size_t buffer_room(const struct buffer *b)
{
	return b->cap - b->head - b->len;
}

#endif
