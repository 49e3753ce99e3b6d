/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/peer_frame - the frames of a link between two nodes.
 *
 *     offset size
 *        0     4   checksum: low 32 bits of XXH3 over the rest of the frame
 *        4     4   length: of the whole frame
 *        8     4   call: of asker and answer; of a PART the number of its stream
 *       12     4   message length: the payload is what follows the message
 *       16     1   type
 *       17     1   flags
 *       18     2   0
 *       20         message (protobuf), then payload
 *
 * Why     A message says what is meant; large values follow it as payload, which neither side
 *         copies through protobuf. Frames are short enough for others to pass between
 *         the parts of a large one (wire/peer_parts.h). proto/peer.proto tells the rest.
 * Owns    Nothing.
 * Thread  any; pure.
 * Errors  DHT_EPROTO: the bytes are no frame. DHT_ETOOBIG: it is longer than allowed.
 *         DHT_ECORRUPT: the checksum is another one. The link is of no use then.
 */
#ifndef DHT_WIRE_PEER_FRAME_H
#define DHT_WIRE_PEER_FRAME_H

#include "base/assert.h"
#include "base/bytes.h"

enum {
	PEER_FRAME_HEADER = 20,
	PEER_FRAME_MAX = 256 * 1024, /* with the header */
	/* Of a frame that is cut: the longest request of a client, and what is around it. */
	PEER_WHOLE_MAX = 68 * 1024 * 1024,
};

/* X(NAME): the numbers are those of proto/peer.proto. */
#define PEER_FRAME_TYPES(X)                                                                        \
	X(HELLO)                                                                                   \
	X(CHALLENGE)                                                                               \
	X(PROOF)                                                                                   \
	X(REFUSAL)                                                                                 \
	X(MESSAGE)                                                                                 \
	X(PART)                                                                                    \
	X(CONTROL)

enum peer_frame_type {
	PEER_NO_FRAME,
#define X(name) PEER_##name,
	PEER_FRAME_TYPES(X)
#undef X
	    PEER_FRAME_TYPE_COUNT
};

enum { PEER_FLAG_FIRST = 1 }; /* of a PART: it begins a stream */

struct peer_frame {
	enum peer_frame_type type;
	uint8_t flags;
	uint32_t call;
	struct bytes message, payload; /* in the bytes that were parsed */
};

/* Looks at the start of what has arrived. Returns 1 with a whole and undamaged frame, of *size
 * bytes; 0 if bytes are missing: *size of them are needed before another look is of use. */
int peer_frame_parse(struct bytes data, struct peer_frame *frame, size_t *size) DHT_MUST_CHECK;

/* The same of a frame that was cut, all of which is there: it has no checksum of its own. */
int peer_frame_parse_whole(struct bytes data, struct peer_frame *frame) DHT_MUST_CHECK;

/* Reads the length off the header of a frame that was cut. */
int peer_frame_whole_size(const uint8_t header[PEER_FRAME_HEADER], size_t *size) DHT_MUST_CHECK;

/* Writes the header of a frame of `size` bytes in all, at most PEER_WHOLE_MAX (asserted), its
 * checksum 0. */
void peer_frame_put_header(uint8_t header[PEER_FRAME_HEADER], enum peer_frame_type type,
			   uint8_t flags, uint32_t call, size_t message_len, size_t size);

/* Writes the checksum of a frame that is complete, and of PEER_FRAME_MAX bytes at most. It
 * consists of pieces; the first one begins with the header, which the checksum goes to. */
void peer_frame_seal(uint8_t *header, const struct bytes *pieces, size_t count);

#endif
