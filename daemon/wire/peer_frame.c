/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/peer_frame.h"

#include "base/error.h"
#include "base/hash.h"
#include "peer.pb-c.h"

enum {
	AT_CHECKSUM = 0,
	AT_LENGTH = 4,
	AT_CALL = 8,
	AT_MESSAGE_LENGTH = 12,
	AT_TYPE = 16,
	AT_FLAGS = 17,
	AT_ZERO = 18,
	CHECKED_FROM = AT_LENGTH,
	PIECES_MAX = 64,
};

#define X(name)                                                                                    \
	_Static_assert((int)PEER_##name == (int)DHTD__PEER__FRAME_TYPE__##name,                    \
		       "the numbers of proto/peer.proto");
PEER_FRAME_TYPES(X)
#undef X
_Static_assert((int)PEER_FLAG_FIRST == (int)DHTD__PEER__FRAME_FLAG__FIRST,
	       "the numbers of proto/peer.proto");

static bool is_header_sane(const uint8_t *header, size_t size)
{
	uint8_t type = header[AT_TYPE], flags = header[AT_FLAGS];
	size_t message_len = get_u32(header + AT_MESSAGE_LENGTH);
	if (type == PEER_NO_FRAME || type >= PEER_FRAME_TYPE_COUNT ||
	    get_u16(header + AT_ZERO) != 0 || size < PEER_FRAME_HEADER ||
	    message_len > size - PEER_FRAME_HEADER)
		return false;
	if (type == PEER_PART)
		return (flags & ~PEER_FLAG_FIRST) == 0 && message_len == 0;
	return flags == 0;
}

static void split(struct bytes data, struct peer_frame *frame)
{
	size_t message_len = get_u32(data.data + AT_MESSAGE_LENGTH);
	const uint8_t *message = data.data + PEER_FRAME_HEADER;
	frame->type = (enum peer_frame_type)data.data[AT_TYPE];
	frame->flags = data.data[AT_FLAGS];
	frame->call = get_u32(data.data + AT_CALL);
	frame->message = bytes_of(message, message_len);
	frame->payload =
	    bytes_of(message + message_len, data.len - PEER_FRAME_HEADER - message_len);
}

static uint32_t checksum(const struct bytes *pieces, size_t count)
{
	struct bytes checked[PIECES_MAX];
	DHT_ASSERT(count >= 1 && count <= PIECES_MAX && pieces[0].len >= PEER_FRAME_HEADER);
	memcpy(checked, pieces, count * sizeof(*pieces));
	checked[0] = bytes_of(pieces[0].data + CHECKED_FROM, pieces[0].len - CHECKED_FROM);
	return (uint32_t)hash_pieces(checked, count);
}

int peer_frame_parse(struct bytes data, struct peer_frame *frame, size_t *size)
{
	*size = PEER_FRAME_HEADER;
	if (data.len < PEER_FRAME_HEADER)
		return 0;
	size_t length = get_u32(data.data + AT_LENGTH);
	if (length > PEER_FRAME_MAX)
		return DHT_ETOOBIG;
	if (!is_header_sane(data.data, length))
		return DHT_EPROTO;
	*size = length;
	if (data.len < length)
		return 0;
	data.len = length;
	if (checksum(&data, 1) != get_u32(data.data + AT_CHECKSUM))
		return DHT_ECORRUPT;
	split(data, frame);
	return 1;
}

int peer_frame_whole_size(const uint8_t header[PEER_FRAME_HEADER], size_t *size)
{
	size_t length = get_u32(header + AT_LENGTH);
	if (length > PEER_WHOLE_MAX)
		return DHT_ETOOBIG;
	if (!is_header_sane(header, length) || header[AT_TYPE] == PEER_PART ||
	    get_u32(header + AT_CHECKSUM) != 0)
		return DHT_EPROTO;
	*size = length;
	return 0;
}

int peer_frame_parse_whole(struct bytes data, struct peer_frame *frame)
{
	size_t size;
	DHT_ASSERT(data.len >= PEER_FRAME_HEADER);
	int rc = peer_frame_whole_size(data.data, &size);
	if (rc != 0)
		return rc;
	if (size != data.len)
		return DHT_EPROTO;
	split(data, frame);
	return 0;
}

void peer_frame_put_header(uint8_t header[PEER_FRAME_HEADER], enum peer_frame_type type,
			   uint8_t flags, uint32_t call, size_t message_len, size_t size)
{
	DHT_ASSERT(size <= PEER_WHOLE_MAX && size - PEER_FRAME_HEADER >= message_len);
	put_u32(header + AT_CHECKSUM, 0);
	put_u32(header + AT_LENGTH, (uint32_t)size);
	put_u32(header + AT_CALL, call);
	put_u32(header + AT_MESSAGE_LENGTH, (uint32_t)message_len);
	header[AT_TYPE] = (uint8_t)type;
	header[AT_FLAGS] = flags;
	put_u16(header + AT_ZERO, 0);
}

void peer_frame_seal(uint8_t *header, const struct bytes *pieces, size_t count)
{
	DHT_ASSERT(pieces[0].data == header && get_u32(header + AT_LENGTH) <= PEER_FRAME_MAX);
	put_u32(header + AT_CHECKSUM, checksum(pieces, count));
}
