/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/slot: published values of the CRC, slots as CLUSTER KEYSLOT of redis-server
 * 7.0.15 gives them, a bit by bit reference for every length, and blocks that cover
 * all slots in order.
 *
 * Keys are copied into a block of exactly their size, so that AddressSanitizer sees a
 * byte that is read too many.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ring/slot.h"

enum { KEY_MAX = 300 };

/* The definition of CRC-16/XMODEM, a bit at a time. */
static uint16_t reference_crc16(const uint8_t *data, size_t len)
{
	uint32_t crc = 0;
	for (size_t i = 0; i < len; i++) {
		crc ^= (uint32_t)data[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc << 1) ^ ((crc & 0x8000) != 0 ? 0x1021u : 0);
	}
	return (uint16_t)crc;
}

/* The specification's rule, byte by byte. */
static uint32_t reference_slot(const uint8_t *key, size_t len)
{
	size_t open = 0;
	while (open < len && key[open] != '{')
		open++;
	size_t close = open;
	while (close < len && key[close] != '}')
		close++;
	if (close < len && close > open + 1)
		return reference_crc16(key + open + 1, close - open - 1) % RING_SLOTS;
	return reference_crc16(key, len) % RING_SLOTS;
}

static uint8_t *copy(const void *data, size_t len)
{
	uint8_t *block = malloc(len > 0 ? len : 1);
	ck_assert_ptr_nonnull(block);
	if (len > 0)
		memcpy(block, data, len);
	return block;
}

static uint16_t crc_of(const void *data, size_t len)
{
	uint8_t *block = copy(data, len);
	uint16_t crc = ring_slot_crc16(bytes_of(block, len));
	free(block);
	return crc;
}

static uint32_t slot_of(const void *data, size_t len)
{
	uint8_t *block = copy(data, len);
	uint32_t slot = ring_slot_of_key(bytes_of(block, len));
	free(block);
	return slot;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

START_TEST(crc_has_the_published_values)
{
	ck_assert_uint_eq(crc_of("123456789", 9), 0x31c3);
	ck_assert_uint_eq(crc_of("", 0), 0);
	ck_assert_uint_eq(ring_slot_crc16(bytes_of(NULL, 0)), 0);
	ck_assert_uint_eq(crc_of("\x01", 1), 0x1021);
}
END_TEST

START_TEST(crc_equals_the_definition)
{
	uint64_t seed = 0x2545f4914f6cdd1du;
	uint8_t data[KEY_MAX];
	for (size_t len = 0; len <= sizeof(data); len++) {
		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)(next_random(&seed) >> 32);
		ck_assert_uint_eq(crc_of(data, len), reference_crc16(data, len));
	}
	/* Each table entry by itself: one byte with 0 to 7 zeros behind it. */
	for (size_t behind = 0; behind < 8; behind++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			memset(data, 0, sizeof(data));
			data[0] = (uint8_t)byte;
			ck_assert_uint_eq(crc_of(data, 1 + behind),
					  reference_crc16(data, 1 + behind));
		}
	}
}
END_TEST

#define KEY(text, slot)                                                                            \
	{                                                                                          \
		text, sizeof(text) - 1, slot                                                       \
	}

START_TEST(slots_are_those_of_redis)
{
	static const struct {
		const char *key;
		size_t len;
		uint32_t slot;
	} cases[] = {
	    KEY("", 0),
	    KEY("a", 15495),
	    KEY("key", 12539),
	    KEY("hello", 866),
	    KEY("user:1000", 1649),
	    KEY("123456789", 12739),
	    KEY("somekey12345678", 12908),
	    KEY("0123456789abcdef", 10405),
	    KEY("abcdefghijklmnopqrstuvwxyz", 9132),
	    KEY("\0", 0),
	    KEY("\0\xff\r\n", 6261),
	    /* Hash tags, the examples of the specification first. */
	    KEY("{user1000}.following", 3443),
	    KEY("{user1000}.followers", 3443),
	    KEY("user1000", 3443),
	    KEY("foo{hash_tag}", 2515),
	    KEY("foo{}{bar}", 8363),
	    KEY("foo{{bar}}zap", 4015),
	    KEY("{bar", 4015),
	    KEY("foo{bar}{zap}", 5061),
	    KEY("bar", 5061),
	    KEY("{", 4092),
	    KEY("}", 12090),
	    KEY("{}", 15257),
	    KEY("}{", 12793),
	    KEY("{a", 10276),
	    KEY("a}{", 7586),
	    KEY("{}a}", 4370),
	    KEY("{{}", 4092),
	    KEY("}a{b}", 3300),
	    KEY("a{b}c}d{e}", 3300),
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++)
		ck_assert_msg(slot_of(cases[i].key, cases[i].len) == cases[i].slot, "key '%s'",
			      cases[i].key);
	ck_assert_uint_eq(ring_slot_of_key(bytes_of(NULL, 0)), 0);
}
END_TEST

START_TEST(slots_follow_the_rule)
{
	static const char alphabet[] = "{}ab";
	uint64_t seed = 0x9e3779b97f4a7c15u;
	for (int i = 0; i < 20000; i++) {
		uint8_t key[16];
		size_t len = next_random(&seed) % (sizeof(key) + 1);
		for (size_t k = 0; k < len; k++)
			key[k] = (uint8_t)alphabet[next_random(&seed) % 4];
		ck_assert_uint_eq(slot_of(key, len), reference_slot(key, len));
	}
}
END_TEST

START_TEST(blocks_cover_the_slots_in_order)
{
	for (uint32_t blocks = RING_BLOCKS_MIN; blocks <= RING_BLOCKS_MAX; blocks *= 2) {
		ck_assert(ring_slot_is_block_count(blocks));
		uint32_t slot = 0;
		for (uint32_t block = 0; block < blocks; block++) {
			ck_assert_uint_eq(ring_block_first_slot(block, blocks), slot);
			uint32_t last = ring_block_last_slot(block, blocks);
			ck_assert_uint_eq(last - slot + 1, RING_SLOTS / blocks);
			for (; slot <= last; slot++)
				ck_assert_uint_eq(ring_block_of_slot(slot, blocks), block);
		}
		ck_assert_uint_eq(slot, RING_SLOTS);
	}
}
END_TEST

START_TEST(other_numbers_of_blocks_are_refused)
{
	static const uint32_t bad[] = {0, 1, 32, 63, 65, 96, 1000, 16383, 16385, 32768, UINT32_MAX};
	for (size_t i = 0; i < DHT_ARRAY_LEN(bad); i++)
		ck_assert(!ring_slot_is_block_count(bad[i]));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slot");
	TCase *slots = tcase_create("slots");
	tcase_add_test(slots, crc_has_the_published_values);
	tcase_add_test(slots, crc_equals_the_definition);
	tcase_add_test(slots, slots_are_those_of_redis);
	tcase_add_test(slots, slots_follow_the_rule);
	tcase_add_test(slots, blocks_cover_the_slots_in_order);
	tcase_add_test(slots, other_numbers_of_blocks_are_refused);
	suite_add_tcase(suite, slots);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
