/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/peer_parts.h"

#include <stdlib.h>

#include "base/error.h"

/* ---- Cutting ------------------------------------------------------------------------- */

enum { SLICES_MAX = 32 }; /* of a part; peer_frame_seal takes so many and the header */

void peer_cut_begin(struct peer_cut *cut, uint32_t stream, const struct bytes *pieces,
		    unsigned count)
{
	DHT_ASSERT(count > 0 && pieces[0].len >= PEER_FRAME_HEADER);
	*cut = (struct peer_cut){.stream = stream, .pieces = pieces, .count = count};
}

/* Takes what is left of the current piece, `room` bytes at most. */
static struct bytes take_slice(struct peer_cut *cut, size_t room)
{
	const struct bytes *piece = &cut->pieces[cut->piece];
	size_t left = piece->len - cut->offset;
	struct bytes slice = bytes_of(piece->data + cut->offset, left < room ? left : room);
	cut->offset += slice.len;
	if (cut->offset == piece->len) {
		cut->piece++;
		cut->offset = 0;
	}
	return slice;
}

unsigned peer_cut_next(struct peer_cut *cut, uint8_t header[PEER_FRAME_HEADER],
		       struct bytes *slices, unsigned max)
{
	struct bytes part[1 + SLICES_MAX];
	size_t size = PEER_FRAME_HEADER;
	unsigned count = 0;
	DHT_ASSERT(max > 0);
	if (max > SLICES_MAX)
		max = SLICES_MAX;
	while (count < max && size < PEER_FRAME_MAX && cut->piece < cut->count) {
		struct bytes slice = take_slice(cut, PEER_FRAME_MAX - size);
		size += slice.len;
		if (slice.len > 0)
			slices[count++] = slice;
	}
	if (count == 0)
		return 0;
	peer_frame_put_header(header, PEER_PART, cut->is_begun ? 0 : PEER_FLAG_FIRST, cut->stream,
			      0, size);
	part[0] = bytes_of(header, PEER_FRAME_HEADER);
	memcpy(part + 1, slices, count * sizeof(*slices));
	peer_frame_seal(header, part, 1 + count);
	cut->is_begun = true;
	return count;
}

/* ---- Putting together ---------------------------------------------------------------- */

static bool budget_take(struct peer_budget *budget, size_t size)
{
	size_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
	do {
		if (size > budget->max || used > budget->max - size)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
	    &budget->used, &used, used + size, memory_order_relaxed, memory_order_relaxed));
	return true;
}

static void budget_give(struct peer_budget *budget, size_t size)
{
	size_t used = atomic_fetch_sub_explicit(&budget->used, size, memory_order_relaxed);
	DHT_ASSERT(used >= size);
}

void peer_parts_init(struct peer_parts *parts, struct peer_budget *budget)
{
	*parts = (struct peer_parts){.budget = budget};
}

void peer_parts_fini(struct peer_parts *parts)
{
	for (unsigned i = 0; i < PEER_STREAMS_MAX; i++) {
		struct peer_stream *stream = &parts->streams[i];
		if (stream->memory != NULL)
			budget_give(parts->budget, stream->size);
		free(stream->memory);
		*stream = (struct peer_stream){0};
	}
	parts->bytes = 0;
}

/* The stream of that number, or a free place if there is none; NULL: there is none either. */
static struct peer_stream *find_stream(struct peer_parts *parts, uint32_t number)
{
	struct peer_stream *place = NULL;
	for (unsigned i = 0; i < PEER_STREAMS_MAX; i++) {
		struct peer_stream *stream = &parts->streams[i];
		if (stream->size > 0 && stream->number == number)
			return stream;
		if (stream->size == 0)
			place = stream;
	}
	return place;
}

static int begin_stream(struct peer_parts *parts, struct peer_stream *stream,
			const struct peer_frame *part)
{
	size_t size;
	if (stream == NULL)
		return DHT_EFULL;
	if (part->payload.len < PEER_FRAME_HEADER || stream->size > 0)
		return DHT_EPROTO;
	int rc = peer_frame_whole_size(part->payload.data, &size);
	if (rc != 0)
		return rc;
	if (size > PEER_STREAMS_BYTES_MAX - parts->bytes)
		return DHT_EFULL;
	*stream = (struct peer_stream){.number = part->call, .size = size};
	parts->bytes += size;
	if (budget_take(parts->budget, size)) {
		stream->memory = malloc(size);
		if (stream->memory == NULL)
			budget_give(parts->budget, size);
	}
	parts->forgotten += stream->memory == NULL;
	return 0;
}

/* The stream is over: what was put together goes to the caller, if it is not forgotten. */
static int end_stream(struct peer_parts *parts, struct peer_stream *stream,
		      struct peer_whole *whole)
{
	*whole = (struct peer_whole){
	    .memory = stream->memory, .size = stream->size, .budget = parts->budget};
	parts->bytes -= stream->size;
	*stream = (struct peer_stream){0};
	if (whole->memory == NULL)
		return 0;
	int rc = peer_frame_parse_whole(bytes_of(whole->memory, whole->size), &whole->frame);
	/* Its header was looked at when the stream began. */
	DHT_ASSERT(rc == 0);
	return 1;
}

int peer_parts_add(struct peer_parts *parts, const struct peer_frame *part,
		   struct peer_whole *whole)
{
	struct peer_stream *stream = find_stream(parts, part->call);
	DHT_ASSERT(part->type == PEER_PART);
	if (part->flags & PEER_FLAG_FIRST) {
		int rc = begin_stream(parts, stream, part);
		if (rc != 0)
			return rc;
	} else if (stream == NULL || stream->size == 0) {
		return DHT_EPROTO;
	}
	if (part->payload.len == 0 || part->payload.len > stream->size - stream->len)
		return DHT_EPROTO;
	if (stream->memory != NULL)
		memcpy(stream->memory + stream->len, part->payload.data, part->payload.len);
	stream->len += part->payload.len;
	return stream->len == stream->size ? end_stream(parts, stream, whole) : 0;
}

void peer_whole_release(struct peer_whole *whole)
{
	budget_give(whole->budget, whole->size);
	free(whole->memory);
	whole->memory = NULL;
}
