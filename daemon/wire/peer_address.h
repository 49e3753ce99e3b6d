/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/peer_address - texts between nodes, and the Address of proto/peer.proto.
 */
#ifndef DHT_WIRE_PEER_ADDRESS_H
#define DHT_WIRE_PEER_ADDRESS_H

#include "ring/map.h"
#include "wire/protobuf.h"

enum peer_address_field {
	ADDRESS_HOST = 1,
	ADDRESS_PORT = 2,
};

/* True if a log or a terminal can show it as it is: nothing in it controls them. */
static inline bool peer_text_is_printable(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < 0x20 || text.data[i] == 0x7f)
			return false;
	}
	return true;
}

/* Bytes of an Address with its head, at most. */
enum { PEER_ADDRESS_MAX = 2 + 2 + 3 + RING_TEXT_MAX + 4 };

/* Writes an address as the field of this number. */
static inline uint8_t *peer_address_put(uint8_t *p, uint32_t number,
					const struct ring_address *address)
{
	uint8_t body[PEER_ADDRESS_MAX], *end = body;
	end = protobuf_put_bytes(end, ADDRESS_HOST, bytes_of_text(address->host));
	end = protobuf_put_nonzero(end, ADDRESS_PORT, address->port);
	return protobuf_put_bytes(p, number, bytes_of(body, (size_t)(end - body)));
}

/* Reads one: a host that is printable and not too long, and a port. The host is in `body`. */
static inline bool peer_address_take(struct bytes body, struct bytes *host, uint16_t *port)
{
	struct protobuf_field field;
	*host = (struct bytes){0};
	*port = 0;
	while (body.len > 0) {
		if (protobuf_next(&body, &field) != 0)
			return false;
		if (field.tag == PROTOBUF_TAG(ADDRESS_HOST, PROTOBUF_BYTES))
			*host = field.bytes;
		else if (field.tag == PROTOBUF_TAG(ADDRESS_PORT, PROTOBUF_VARINT) &&
			 field.value <= UINT16_MAX)
			*port = (uint16_t)field.value;
		else if (field.tag >> 3 <= ADDRESS_PORT)
			return false;
	}
	return *port != 0 && host->len > 0 && host->len <= RING_TEXT_MAX &&
	       peer_text_is_printable(*host);
}

#endif
