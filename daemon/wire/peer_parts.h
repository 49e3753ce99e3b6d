/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/peer_parts - frames too long to go in one piece: cut by who sends, put together by who
 * receives.
 *
 * Why     A value of megabytes must not hold up the small messages behind it: between its
 *         parts others pass. Sending copies nothing; what is received is copied once, to where
 *         the whole frame lies in one piece.
 * Owns    peer_cut: nothing, what is cut stays until its end. peer_parts: memory for streams under
 *         way, and what of the budget they take; a whole frame is the caller's until
 *         peer_whole_release.
 * Thread  an object belongs to one owner at a time; a budget is shared by all threads.
 * Errors  those of wire/peer_frame.h. DHT_EPROTO too: a part of no stream, or beyond its
 *         end. DHT_EFULL: more than is allowed on a link.
 *
 * Where memory is short, or the budget of all links is used up, a stream is forgotten: its parts
 * are passed over, and counted. To wait instead could be for ever, as all links wait at once.
 */
#ifndef DHT_WIRE_PEER_PARTS_H
#define DHT_WIRE_PEER_PARTS_H

#include <stdatomic.h>

#include "wire/peer_frame.h"

enum {
	PEER_STREAMS_MAX = 16,                       /* under way on a link in one direction */
	PEER_STREAMS_BYTES_MAX = 2 * PEER_WHOLE_MAX, /* of these together */
};

/* ---- Cutting ------------------------------------------------------------------------- */

struct peer_cut {
	uint32_t stream;            /* distinct from those under way on the link */
	const struct bytes *pieces; /* of the whole frame */
	unsigned count;
	unsigned piece; /* where the next part begins: in this piece, at this offset */
	size_t offset;
	bool is_begun;
};

/* Begins to cut a frame, which is not sealed. The pieces stay until its end. */
void peer_cut_begin(struct peer_cut *cut, uint32_t stream, const struct bytes *pieces,
		    unsigned count);

/* Makes the next part: its header, and max (1 or more) slices at most that go behind it. Returns
 * how many it has; 0: the frame is over, there is no part. The first slice has the whole frame's
 * header in it, as the first piece had. */
unsigned peer_cut_next(struct peer_cut *cut, uint8_t header[PEER_FRAME_HEADER],
		       struct bytes *slices, unsigned max);

/* ---- Putting together ---------------------------------------------------------------- */

/* What frames of all links that are put together may take. */
struct peer_budget {
	_Atomic size_t used;
	size_t max;
};

struct peer_stream {
	uint8_t *memory; /* NULL: forgotten */
	size_t size;     /* of the whole frame; 0: no stream */
	size_t len;      /* that have come */
	uint32_t number;
};

struct peer_parts {
	struct peer_budget *budget;
	struct peer_stream streams[PEER_STREAMS_MAX];
	size_t bytes;       /* their sizes together */
	uint64_t forgotten; /* streams */
};

/* A frame that was put together. */
struct peer_whole {
	struct peer_frame frame;
	uint8_t *memory;
	size_t size;
	struct peer_budget *budget;
};

void peer_parts_init(struct peer_parts *parts, struct peer_budget *budget);
void peer_parts_fini(struct peer_parts *parts);

/* Takes a frame of type PART. Returns 1 if it completes a frame, which is the caller's then;
 * 0 if not yet. */
int peer_parts_add(struct peer_parts *parts, const struct peer_frame *part,
		   struct peer_whole *whole) DHT_MUST_CHECK;

void peer_whole_release(struct peer_whole *whole);

#endif
