/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/control - messages between members about the map and themselves
 * (node/member_message.h) as frames, and back.
 *
 * Why     The control plane sees messages whose fields were checked, and nothing of their form,
 *         which proto/peer.proto describes (ControlMessage).
 * Owns    A decoder owns the memory that a decoded message's fins, news, request and answer lie
 *         in.
 * Thread  any; a decoder belongs to one owner at a time. Pure.
 * Errors  Encoding: DHT_EINVAL: member_message_is_valid refuses the message, or it has a map that
 *         its kind has not. DHT_ENOMEM and DHT_EFULL of the buffer, which is unchanged then.
 *         Decoding: DHT_EPROTO, and the decoder's why says more: a node never sends that, the
 *         link is of no use.
 *
 * What does not travel: the state of a member. Of a request, its member where the kind has none.
 */
#ifndef DHT_WIRE_CONTROL_H
#define DHT_WIRE_CONTROL_H

#include "base/buffer.h"
#include "node/member_message.h"
#include "wire/peer.h"

enum {
	WIRE_CONTROL_ADDRESSES_MAX = 2 * RING_ADDRESSES_MAX, /* of clients and peers */
	/* Of a name, a zone and hosts, each with its end. */
	WIRE_CONTROL_TEXTS_MAX = (2 + WIRE_CONTROL_ADDRESSES_MAX) * (RING_TEXT_MAX + 1),
};

/* Appends the frame of a message to out, up to max bytes there. With piece_max 1 a map of
 * WIRE_PIECE_MIN bytes or more stays where it is, as the frame's only piece (of location 0), for
 * as long as the caller needs it; with 0 it is copied. A frame above PEER_FRAME_MAX is to be cut
 * (wire/peer_parts.h). */
int wire_control_encode(const struct member_message *m, unsigned piece_max, struct buffer *out,
			size_t max, struct wire_frame *frame) DHT_MUST_CHECK;

/* Some 40 KiB, of which a heartbeat touches little; one serves any number of links. */
struct wire_control_decoder {
	const char *why; /* what was wrong with the message that was refused */
	struct member_fin fins[MEMBER_FINS_MAX];
	struct member_news news[MEMBER_NEWS_MAX];
	struct member_request request;
	struct member_answer answer;
	struct ring_address clients[RING_ADDRESSES_MAX], peers[RING_ADDRESSES_MAX];
	size_t texts_len;
	char texts[WIRE_CONTROL_TEXTS_MAX];
};

/* Decodes a frame of type CONTROL (asserted). The message points into the frame, where its map
 * is, and into the decoder; it is valid until the next one is decoded, and passes
 * member_message_is_valid. Whether the link is that of the member `from` is for member_handle to
 * say. */
int wire_control_decode(struct wire_control_decoder *decoder, const struct peer_frame *frame,
			struct member_message *m) DHT_MUST_CHECK;

#endif
