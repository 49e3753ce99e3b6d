/* SPDX-License-Identifier: Apache-2.0 */
#include "io/output.h"

#include <stdlib.h>

#include "base/error.h"

enum { PIECES_MIN = 4 };

static struct output_piece *piece_at(const struct output *o, uint32_t i)
{
	return &o->pieces[o->first + i];
}

/* Makes room for `more` pieces behind those there are. */
static int reserve_pieces(struct output *o, uint32_t more)
{
	if (o->first + o->count + more <= o->cap)
		return 0;
	if (o->count > 0)
		memmove(o->pieces, piece_at(o, 0), o->count * sizeof(*o->pieces));
	o->first = 0;
	if (o->count + more <= o->cap)
		return 0;
	uint32_t cap = o->cap < PIECES_MIN ? PIECES_MIN : 2 * o->cap;
	if (cap < o->count + more)
		cap = o->count + more;
	struct output_piece *pieces = realloc(o->pieces, cap * sizeof(*pieces));
	if (pieces == NULL)
		return DHT_ENOMEM;
	o->pieces = pieces;
	o->cap = cap;
	return 0;
}

int output_attach(struct output *o, size_t at, struct bytes piece, output_release_fn release,
		  void *ctx, uint64_t id)
{
	DHT_ASSERT(at >= o->covered);
	int rc = reserve_pieces(o, 1);
	if (rc != 0)
		return rc;
	*piece_at(o, o->count++) = (struct output_piece){
	    .data = piece.data,
	    .len = piece.len,
	    .before = at - o->covered,
	    .release = release,
	    .ctx = ctx,
	    .id = id,
	};
	o->covered = at;
	o->piece_bytes += piece.len;
	return 0;
}

/* Appends an entry, if there is something in it and room for it. */
static int list_bytes(struct iovec *iov, int n, int max, const uint8_t *data, size_t len)
{
	if (len == 0 || n == max)
		return n;
	iov[n] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	return n + 1;
}

int output_list(const struct output *o, struct iovec *iov, int max)
{
	const uint8_t *bytes = buffer_head(&o->bytes);
	size_t left = o->bytes.len;
	int n = 0;
	for (uint32_t i = 0; i < o->count && n < max; i++) {
		const struct output_piece *piece = piece_at(o, i);
		n = list_bytes(iov, n, max, bytes, piece->before);
		n = list_bytes(iov, n, max, piece->data, piece->len);
		if (piece->before > 0)
			bytes += piece->before;
		left -= piece->before;
	}
	return list_bytes(iov, n, max, bytes, left);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void release_first(struct output *o)
{
	struct output_piece piece = *piece_at(o, 0);
	o->first++;
	o->count--;
	if (o->count == 0)
		o->first = 0;
	piece.release(piece.ctx, piece.id);
}

void output_consume(struct output *o, size_t len)
{
	DHT_ASSERT(len <= output_len(o));
	while (o->count > 0) {
		struct output_piece *piece = piece_at(o, 0);
		size_t copied = least(len, piece->before);
		buffer_consume(&o->bytes, copied);
		piece->before -= copied;
		o->covered -= copied;
		len -= copied;
		size_t taken = piece->before == 0 ? least(len, piece->len) : 0;
		piece->data += taken;
		piece->len -= taken;
		o->piece_bytes -= taken;
		len -= taken;
		if (piece->before > 0 || piece->len > 0)
			return;
		release_first(o);
	}
	buffer_consume(&o->bytes, len);
}

int output_move(struct output *o, struct output *from, size_t max)
{
	size_t len = output_len(from);
	if (len > max || output_len(o) > max - len)
		return DHT_EFULL;
	int rc = buffer_reserve(&o->bytes, from->bytes.len, SIZE_MAX / 2);
	if (rc == 0)
		rc = reserve_pieces(o, from->count);
	if (rc != 0)
		return rc;
	size_t tail = o->bytes.len - o->covered; /* that the first piece moved has before it */
	for (uint32_t i = 0; i < from->count; i++) {
		struct output_piece *piece = piece_at(o, o->count + i);
		*piece = *piece_at(from, i);
		piece->before += i == 0 ? tail : 0;
	}
	if (from->count > 0)
		o->covered += tail + from->covered;
	o->count += from->count;
	o->piece_bytes += from->piece_bytes;
	from->count = 0; /* what they point to is o's now */
	rc = buffer_append(&o->bytes, buffer_head(&from->bytes), from->bytes.len, SIZE_MAX / 2);
	DHT_ASSERT(rc == 0); /* there is room */
	output_clear(from);
	return 0;
}

void output_detach(struct output *o)
{
	struct buffer whole = BUFFER_EMPTY;
	if (o->count == 0 || buffer_reserve(&whole, output_len(o), SIZE_MAX / 2) != 0)
		return;
	while (output_len(o) > 0) {
		struct iovec iov;
		int n = output_list(o, &iov, 1);
		DHT_ASSERT(n == 1);
		int rc = buffer_append(&whole, iov.iov_base, iov.iov_len, SIZE_MAX / 2);
		DHT_ASSERT(rc == 0); /* there is room */
		output_consume(o, iov.iov_len);
	}
	output_reset(o);
	o->bytes = whole;
}

void output_clear(struct output *o)
{
	while (o->count > 0)
		release_first(o);
	o->first = 0;
	o->covered = o->piece_bytes = 0;
	buffer_consume(&o->bytes, o->bytes.len);
}

void output_reset(struct output *o)
{
	output_clear(o);
	buffer_reset(&o->bytes);
	free(o->pieces);
	*o = OUTPUT_EMPTY;
}
