/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/slot - which slot a key belongs to, and which block a slot.
 *
 * Why     Clients compute slots too, to send a request to the right node at once, so
 *         the function is that of the Redis Cluster specification, bit by bit.
 *         Blocks are runs of adjacent slots, all of one length.
 * Owns    Nothing; pure functions.
 * Thread  any.
 * Errors  none; arguments out of range are the caller's broken invariant (asserted).
 */
#ifndef DHT_RING_SLOT_H
#define DHT_RING_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
	RING_SLOTS = 16384,
	RING_BLOCKS_MIN = 64,
	RING_BLOCKS_MAX = RING_SLOTS,
};

/* Returns the CRC-16/XMODEM of the bytes: polynomial 0x1021, start 0, most significant
 * bit first, no final inversion. 0 for no bytes. */
uint16_t ring_slot_crc16(struct bytes bytes);

/* Returns the slot of a key: the CRC modulo RING_SLOTS of the hash tag, which is what
 * stands between the first '{' and the first '}' behind it if that is not empty, and of
 * the whole key otherwise (Redis Cluster specification, "Hash tags"). */
uint32_t ring_slot_of_key(struct bytes key);

/* True for a number of blocks that a cluster may have: a power of two from
 * RING_BLOCKS_MIN to RING_BLOCKS_MAX. */
bool ring_slot_is_block_count(uint32_t blocks);

/* Returns the block, from 0 to blocks - 1, that slot belongs to. */
uint32_t ring_block_of_slot(uint32_t slot, uint32_t blocks);

/* Return the first and the last slot of a block. */
uint32_t ring_block_first_slot(uint32_t block, uint32_t blocks);
uint32_t ring_block_last_slot(uint32_t block, uint32_t blocks);

#endif
