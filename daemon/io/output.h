/* SPDX-License-Identifier: Apache-2.0
 *
 * io/output - bytes on their way to a peer: copied ones, and large pieces that stay where
 * they are.
 *
 * Why     A value of megabytes goes to the socket from the segment it lies in: the bytes
 *         around it are collected as usual, and the piece stands among them by reference
 *         until it is sent. Its owner is told then.
 * Owns    The bytes and the list of pieces; empty and reset it holds no memory. Of a piece
 *         it owns the promise to release it, once.
 * Thread  belongs to one owner at a time.
 * Errors  DHT_ENOMEM, and DHT_EFULL beyond the caller's bound; the content is unchanged
 *         then.
 */
#ifndef DHT_IO_OUTPUT_H
#define DHT_IO_OUTPUT_H

#include <sys/uio.h>

#include "base/buffer.h"

typedef void (*output_release_fn)(void *ctx, uint64_t id);

/* Bytes of somebody else's. */
struct output_piece {
	const uint8_t *data; /* what was not taken yet */
	size_t len;
	size_t before; /* copied bytes between the piece in front of it, or the head, and it */
	output_release_fn release;
	void *ctx;
	uint64_t id;
};

struct output {
	struct buffer bytes; /* the copied ones; may be appended to directly */
	struct output_piece *pieces;
	uint32_t first, count, cap; /* of pieces: from first on there are count */
	size_t covered;             /* copied bytes in front of the last piece */
	size_t piece_bytes;         /* of all pieces */
};

#define OUTPUT_EMPTY ((struct output){0})

/* Bytes of both kinds. */
static inline size_t output_len(const struct output *o)
{
	return o->bytes.len + o->piece_bytes;
}

/* Puts a piece behind the first `at` copied bytes, which are at least those in front of the
 * last piece; it is valid until release(ctx, id) is called. DHT_ENOMEM: it is not, and the
 * caller keeps the piece. */
int output_attach(struct output *o, size_t at, struct bytes piece, output_release_fn release,
		  void *ctx, uint64_t id) DHT_MUST_CHECK;

/* Lists the unsent content from its head on. Returns how many of max entries it filled; more
 * content may follow if that is all of them. */
int output_list(const struct output *o, struct iovec *iov, int max);

/* Takes len bytes from the head. */
void output_consume(struct output *o, size_t len);

/* Moves the content of `from` behind that of o, up to max bytes there; from is empty then and
 * keeps its memory. */
int output_move(struct output *o, struct output *from, size_t max) DHT_MUST_CHECK;

/* Copies what is left of all pieces, and releases them; without memory for that they stay. */
void output_detach(struct output *o);

/* Drops the content; the memory stays. */
void output_clear(struct output *o);

/* Drops the content and gives the memory back. */
void output_reset(struct output *o);

#endif
