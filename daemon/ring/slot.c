/* SPDX-License-Identifier: Apache-2.0
 *
 * The CRC takes eight bytes a step ("slicing by 8", Kounavis and Berry, 2008): a byte
 * that has k bytes behind it contributes byte(x) * x^(16 + 8k) mod P, whatever stands
 * around it, so eight table look-ups that do not wait for each other are one step. A
 * message is brought to a multiple of eight by zeros in front of it, which change
 * nothing because the CRC starts as 0.
 *
 * The tables are computed by the compiler, from the polynomial alone: POWER_n is
 * x^(16 + n) mod P, and an entry is the sum of the powers that the bits of its index
 * select.
 */
#include "ring/slot.h"

#include "base/assert.h"

#define POLYNOMIAL 0x1021
#define TIMES_X(v) ((((v) << 1) ^ (((v)&0x8000) != 0 ? POLYNOMIAL : 0)) & 0xffff)

/* Eight powers that follow `before`: of the bits of a byte. */
#define POWERS(k, before)                                                                          \
	POWER_##k##_0 = TIMES_X(before), POWER_##k##_1 = TIMES_X(POWER_##k##_0),                   \
	POWER_##k##_2 = TIMES_X(POWER_##k##_1), POWER_##k##_3 = TIMES_X(POWER_##k##_2),            \
	POWER_##k##_4 = TIMES_X(POWER_##k##_3), POWER_##k##_5 = TIMES_X(POWER_##k##_4),            \
	POWER_##k##_6 = TIMES_X(POWER_##k##_5), POWER_##k##_7 = TIMES_X(POWER_##k##_6)

enum {
	POWERS(0, 0x8000), /* x^15: the next one is P itself */
	POWERS(1, POWER_0_7),
	POWERS(2, POWER_1_7),
	POWERS(3, POWER_2_7),
	POWERS(4, POWER_3_7),
	POWERS(5, POWER_4_7),
	POWERS(6, POWER_5_7),
	POWERS(7, POWER_6_7),
};

#define ENTRY(k, i)                                                                                \
	((((i)&1) ? POWER_##k##_0 : 0) ^ (((i)&2) ? POWER_##k##_1 : 0) ^                           \
	 (((i)&4) ? POWER_##k##_2 : 0) ^ (((i)&8) ? POWER_##k##_3 : 0) ^                           \
	 (((i)&16) ? POWER_##k##_4 : 0) ^ (((i)&32) ? POWER_##k##_5 : 0) ^                         \
	 (((i)&64) ? POWER_##k##_6 : 0) ^ (((i)&128) ? POWER_##k##_7 : 0))
#define ENTRIES_4(k, i) ENTRY(k, i), ENTRY(k, (i) + 1), ENTRY(k, (i) + 2), ENTRY(k, (i) + 3)
#define ENTRIES_16(k, i)                                                                           \
	ENTRIES_4(k, i), ENTRIES_4(k, (i) + 4), ENTRIES_4(k, (i) + 8), ENTRIES_4(k, (i) + 12)
#define ENTRIES_64(k, i)                                                                           \
	ENTRIES_16(k, i), ENTRIES_16(k, (i) + 16), ENTRIES_16(k, (i) + 32), ENTRIES_16(k, (i) + 48)
#define TABLE(k)                                                                                   \
	{                                                                                          \
		ENTRIES_64(k, 0), ENTRIES_64(k, 64), ENTRIES_64(k, 128), ENTRIES_64(k, 192)        \
	}

enum { STEP = 8 }; /* bytes */

/* tables[k]: for a byte that has k bytes behind it in its step. */
static const uint16_t tables[STEP][256] = {TABLE(0), TABLE(1), TABLE(2), TABLE(3),
					   TABLE(4), TABLE(5), TABLE(6), TABLE(7)};

_Static_assert(POWER_0_0 == POLYNOMIAL, "x^16 mod P is P without its leading term");

/* Adds eight bytes, of which the first is the most significant one of `word`. */
static inline uint16_t add_word(uint16_t crc, uint64_t word)
{
	word ^= (uint64_t)crc << 48;
	return tables[7][word >> 56] ^ tables[6][(word >> 48) & 0xff] ^
	       tables[5][(word >> 40) & 0xff] ^ tables[4][(word >> 32) & 0xff] ^
	       tables[3][(word >> 24) & 0xff] ^ tables[2][(word >> 16) & 0xff] ^
	       tables[1][(word >> 8) & 0xff] ^ tables[0][word & 0xff];
}

/* Returns the first len % STEP bytes, not none, as the low end of a word, zeros in front. */
static inline uint64_t load_head(const uint8_t *p, size_t len)
{
	if (len > STEP)
		return __builtin_bswap64(get_u64(p)) >> (64 - 8 * (len % STEP));
	uint64_t word = 0;
	for (size_t i = 0; i < len; i++)
		word = word << 8 | p[i];
	return word;
}

uint16_t ring_slot_crc16(struct bytes bytes)
{
	const uint8_t *p = bytes.data;
	size_t head = bytes.len % STEP;
	uint16_t crc = head > 0 ? add_word(0, load_head(p, bytes.len)) : 0;
	for (size_t at = head; at < bytes.len; at += STEP)
		crc = add_word(crc, __builtin_bswap64(get_u64(p + at)));
	return crc;
}

uint32_t ring_slot_of_key(struct bytes key)
{
	const uint8_t *open = key.len > 0 ? memchr(key.data, '{', key.len) : NULL;
	if (open != NULL) {
		const uint8_t *tag = open + 1;
		const uint8_t *close = memchr(tag, '}', (size_t)(key.data + key.len - tag));
		if (close != NULL && close > tag)
			key = bytes_of(tag, (size_t)(close - tag));
	}
	return ring_slot_crc16(key) % RING_SLOTS;
}

bool ring_slot_is_block_count(uint32_t blocks)
{
	return blocks >= RING_BLOCKS_MIN && blocks <= RING_BLOCKS_MAX &&
	       (blocks & (blocks - 1)) == 0;
}

uint32_t ring_block_of_slot(uint32_t slot, uint32_t blocks)
{
	DHT_ASSERT(slot < RING_SLOTS && ring_slot_is_block_count(blocks));
	return slot * blocks / RING_SLOTS;
}

uint32_t ring_block_first_slot(uint32_t block, uint32_t blocks)
{
	DHT_ASSERT(block < blocks && ring_slot_is_block_count(blocks));
	return block * (RING_SLOTS / blocks);
}

uint32_t ring_block_last_slot(uint32_t block, uint32_t blocks)
{
	return ring_block_first_slot(block, blocks) + RING_SLOTS / blocks - 1;
}
