/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/node_id - a node's id as 16 bytes, and as the 32 digits that it is known by.
 */
#ifndef DHT_WIRE_NODE_ID_H
#define DHT_WIRE_NODE_ID_H

#include "base/text.h"
#include "ring/map.h"

enum { NODE_ID_SIZE = (RING_ID_SIZE - 1) / 2 };

static inline void node_id_pack(const char id[RING_ID_SIZE], uint8_t raw[NODE_ID_SIZE])
{
	for (size_t i = 0; i < NODE_ID_SIZE; i++)
		raw[i] = (uint8_t)(text_hex_value((uint8_t)id[2 * i]) << 4 |
				   text_hex_value((uint8_t)id[2 * i + 1]));
}

static inline void node_id_unpack(const uint8_t raw[NODE_ID_SIZE], char id[RING_ID_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < NODE_ID_SIZE; i++) {
		id[2 * i] = digits[raw[i] >> 4];
		id[2 * i + 1] = digits[raw[i] & 15];
	}
	id[RING_ID_SIZE - 1] = '\0';
}

#endif
