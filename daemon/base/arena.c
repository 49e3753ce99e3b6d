/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { CHUNK_MIN = 512 }; /* bytes of a chunk: many small runs share one */

struct arena_chunk {
	struct arena_chunk *older;
	size_t used, cap;
	uint8_t data[];
};

void arena_init(struct arena *arena)
{
	arena->newest = NULL;
	arena->first_used = 0;
}

void arena_fini(struct arena *arena)
{
	while (arena->newest != NULL) {
		struct arena_chunk *chunk = arena->newest;
		arena->newest = chunk->older;
		free(chunk);
	}
	arena_init(arena);
}

/* Begins a chunk with room for cap bytes, of which the first len are taken. */
static uint8_t *begin_chunk(struct arena *arena, size_t len, size_t cap)
{
	if (cap < CHUNK_MIN)
		cap = CHUNK_MIN;
	struct arena_chunk *chunk = malloc(sizeof(*chunk) + cap);
	if (chunk == NULL)
		return NULL;
	chunk->older = arena->newest;
	chunk->used = len;
	chunk->cap = cap;
	arena->newest = chunk;
	return chunk->data;
}

static uint8_t *take(struct arena *arena, size_t len)
{
	struct arena_chunk *chunk = arena->newest;
	uint8_t *data;
	if (chunk == NULL && len <= ARENA_FIRST - arena->first_used) {
		data = arena->first + arena->first_used;
		arena->first_used += len;
	} else if (chunk != NULL && len <= chunk->cap - chunk->used) {
		data = chunk->data + chunk->used;
		chunk->used += len;
	} else {
		data = begin_chunk(arena, len, len);
	}
	return data;
}

static void copy_to(uint8_t *to, struct bytes from)
{
	if (from.len > 0)
		memcpy(to, from.data, from.len);
}

int arena_copy(struct arena *arena, struct bytes from, struct bytes *copy)
{
	uint8_t *data = take(arena, from.len);
	if (data == NULL)
		return DHT_ENOMEM;
	copy_to(data, from);
	*copy = bytes_of(data, from.len);
	return 0;
}

/* True if `bytes` end where the newest chunk's next ones begin. */
static bool is_last(const struct arena_chunk *chunk, struct bytes bytes)
{
	return chunk != NULL && bytes.len > 0 && bytes.len <= chunk->used &&
	       bytes.data == chunk->data + (chunk->used - bytes.len);
}

int arena_join(struct arena *arena, struct bytes head, struct bytes tail, struct bytes *joined)
{
	size_t len = head.len + tail.len;
	struct arena_chunk *chunk = arena->newest;
	bool grows = is_last(chunk, head);
	if (grows && tail.len <= chunk->cap - chunk->used) {
		copy_to(chunk->data + chunk->used, tail);
		chunk->used += tail.len;
		*joined = bytes_of(head.data, len);
		return 0;
	}
	uint8_t *data = grows ? begin_chunk(arena, len, 2 * len) : take(arena, len);
	if (data == NULL)
		return DHT_ENOMEM;
	copy_to(data, head);
	copy_to(data + head.len, tail);
	*joined = bytes_of(data, len);
	return 0;
}
