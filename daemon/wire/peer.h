/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/peer - messages between nodes about keys (node/message.h) as frames, and back.
 *
 * Why     The core sees messages whose fields were checked, and nothing of their form, which
 *         proto/peer.proto describes.
 * Owns    A decoder owns the memory that a decoded message's items, ops and results lie in.
 * Thread  any; a decoder belongs to one owner at a time. Pure.
 * Errors  Encoding: DHT_ENOMEM and DHT_EFULL of the buffer, which is unchanged then; DHT_ETOOBIG:
 *         longer than any frame. Decoding: DHT_EPROTO, and the decoder's why says more: a
 *         node never sends that, the link is of no use. DHT_ENOMEM.
 *
 * What does not travel: key, hash, block, time and what was fetched of ops (the key is the
 * message's), the value of a RESULT's whole, of results what concerns the sender's store; of a
 * DIFFER's items all but key and acc.
 */
#ifndef DHT_WIRE_PEER_H
#define DHT_WIRE_PEER_H

#include "base/buffer.h"
#include "node/message.h"
#include "wire/peer_frame.h"

enum {
	WIRE_OPS_MAX = 16 * 1024, /* of a FORWARD; as many as a transaction of a client has */
	WIRE_PIECES_MAX = 16,
	WIRE_PIECE_MIN = 16 * 1024, /* bytes of a value from which on it is worth a pin */
};

/* ---- Encoding ------------------------------------------------------------------------ */

/* A value that is not copied: it is sent from where it lies. */
struct wire_piece {
	size_t at; /* it goes behind so many bytes of what was appended */
	struct bytes value;
	uint64_t location; /* of the record that it lies in */
};

/* A frame that was appended to a buffer. */
struct wire_frame {
	size_t size; /* with the pieces; above PEER_FRAME_MAX it is to be cut (wire/peer_parts.h) */
	size_t copied; /* bytes appended */
	unsigned piece_count, piece_max;
	struct wire_piece pieces[WIRE_PIECES_MAX];
};

/* Appends the frame of a message (its `from` is the link's and does not travel) to out, up to
 * max bytes there. Values of WIRE_PIECE_MIN bytes or more that have a location stay where they
 * are, up to piece_max (at most WIRE_PIECES_MAX) of them: before the sender's step is over the
 * caller pins them, which lie as they are until they are unpinned. */
int wire_peer_encode(const struct message *m, unsigned piece_max, struct buffer *out, size_t max,
		     struct wire_frame *frame) DHT_MUST_CHECK;

/* Lists the frame as it is to be sent; its copied bytes begin at `copied` now. Returns the
 * number of slices. */
enum { WIRE_SLICES_MAX = 2 * WIRE_PIECES_MAX + 1 };
unsigned wire_frame_slices(const struct wire_frame *frame, const uint8_t *copied,
			   struct bytes slices[WIRE_SLICES_MAX]);

/* Writes the checksum of a frame that is not to be cut, none otherwise. For encoders. */
void wire_frame_seal(const struct wire_frame *frame, uint8_t *copied);

/* ---- Decoding ------------------------------------------------------------------------ */

struct wire_peer_decoder {
	void *memory;
	size_t size;
	const char *why; /* what was wrong with the message that was refused */
};

#define WIRE_PEER_DECODER ((struct wire_peer_decoder){0})

/* Decodes a frame of type MESSAGE of the member `from`. The message points into the frame
 * and into the decoder; it is valid until the next one is decoded. Its block may be one that
 * there is not, and whether it makes sense is for node_handle to say. */
int wire_peer_decode(struct wire_peer_decoder *decoder, const struct peer_frame *frame,
		     uint16_t from, struct message *m) DHT_MUST_CHECK;

/* Gives the memory back. */
void wire_peer_decoder_fini(struct wire_peer_decoder *decoder);

#endif
