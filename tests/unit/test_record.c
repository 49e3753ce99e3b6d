/* SPDX-License-Identifier: Apache-2.0
 *
 * store/record: the bytes on disk, round trips of every form, and every damage.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "store/record.h"
#include "unit.h"

enum { SEQUENCE = 77, FORMS = 3 * 2 * 2 * 2 * 8, BYTES_MAX = 512 };

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

/* Every combination of optional fields, copy and kind has a number below FORMS. */
static struct record record_of_form(unsigned form)
{
	struct record rec = {
	    .acc = ballot_make(7, 1000, 3),
	    .key = bytes_of("a\0key\n", 6),
	    .value = text("some value"),
	};
	rec.ver = rec.acc;
	switch (form % 3) {
	case 1:
		rec.pver = ballot_make(7, 12, 4095);
		break;
	case 2:
		rec.pver = ballot_make(6, BALLOT_COUNTER_MAX, 0);
		break;
	}
	form /= 3;
	if (form % 2 != 0)
		rec.ver = ballot_make(5, 999, 2);
	form /= 2;
	if (form % 2 != 0)
		rec.expires_ms = 1700000000000;
	form /= 2;
	rec.copy = form % 2 != 0;
	rec.kind = (enum record_kind)(form / 2);
	return rec;
}

static void assert_equal(const struct record *a, const struct record *b)
{
	ck_assert_int_eq((int)a->kind, (int)b->kind);
	ck_assert_int_eq(a->copy, b->copy);
	ck_assert(ballot_equal(a->acc, b->acc));
	ck_assert(ballot_equal(a->ver, b->ver));
	ck_assert(ballot_equal(a->pver, b->pver));
	ck_assert_uint_eq(a->expires_ms, b->expires_ms);
	ck_assert(bytes_equal(a->key, b->key));
	ck_assert(bytes_equal(a->value, b->value));
}

/* Encodes into memory of exactly the right size. The caller frees it. */
static uint8_t *encoded(const struct record *rec, uint64_t sequence, size_t *size)
{
	*size = record_size(rec);
	uint8_t *data = malloc(*size);
	ck_assert_ptr_nonnull(data);
	record_encode(rec, sequence, data);
	return data;
}

static void assert_corrupt(const uint8_t *data, size_t len, uint64_t sequence)
{
	struct record rec;
	size_t size;
	ck_assert_int_eq(record_decode(data, len, sequence, &rec, &size), DHT_ECORRUPT);
}

static void assert_round_trip(const struct record *rec)
{
	size_t size, decoded_size;
	uint8_t *data = encoded(rec, SEQUENCE, &size);
	struct record decoded, viewed;
	ck_assert_int_eq(record_decode(data, size, SEQUENCE, &decoded, &decoded_size), 0);
	ck_assert_uint_eq(decoded_size, size);
	assert_equal(&decoded, rec);
	record_view(data, &viewed);
	assert_equal(&viewed, rec);
	ck_assert_uint_eq(record_view_size(data), size);
	ck_assert(bytes_equal(record_view_key(data), rec->key));
	ck_assert(bytes_equal(record_view_value(data), rec->value));
	ck_assert_int_eq((int)record_view_kind(data), (int)rec->kind);
	free(data);
}

START_TEST(bytes_are_those_of_the_diagram)
{
	struct record rec = {
	    .kind = RECORD_TOMBSTONE,
	    .copy = true,
	    .acc = {.order = 0x0807060504030201, .version = 0x0c0b0a09},
	    .ver = {.order = 0x1817161514131211, .version = 0x1c1b1a19},
	    .pver = {.order = 0x2827262524232221, .version = 0x2c2b2a29},
	    .expires_ms = 0x3837363534333231,
	    .key = text("key"),
	    .value = text("v"),
	};
	static const uint8_t expected[] = {
	    0xd9, 3,    0,    1,    0,    0,    0, /* flags, lengths */
	    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, /* acc */
	    0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, /* pver */
	    0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, /* ver */
	    0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38,                         /* expiry */
	    'k',  'e',  'y',  'v',
	};
	size_t size;
	uint8_t *data = encoded(&rec, SEQUENCE, &size);
	ck_assert_uint_eq(size, 4 + sizeof(expected));
	ck_assert_mem_eq(data + 4, expected, sizeof(expected));
	ck_assert_uint_eq(get_u32(data),
			  (uint32_t)hash_bytes_seeded(expected, sizeof(expected), SEQUENCE));
	ck_assert_uint_eq(size - 4, RECORD_OVERHEAD_MAX);
	free(data);
}
END_TEST

START_TEST(value_written_once_costs_23_bytes)
{
	struct record rec = {.acc = ballot_make(0, 5, 0), .key = text("k"), .value = text("v")};
	rec.ver = rec.acc;
	ck_assert_uint_eq(record_size(&rec), 23 + 2);
	rec.pver = ballot_make(0, 4, 0);
	ck_assert_uint_eq(record_size(&rec), 23 + 8 + 2);
	rec.pver = ballot_make(1, 4, 0);
	ck_assert_uint_eq(record_size(&rec), 23 + 12 + 2);
}
END_TEST

START_TEST(every_form_comes_back)
{
	for (unsigned form = 0; form < FORMS; form++) {
		struct record rec = record_of_form(form);
		assert_round_trip(&rec);
	}
}
END_TEST

START_TEST(lengths_at_their_bounds_come_back)
{
	uint8_t *key = calloc(1, RECORD_KEY_MAX), *value = calloc(1, RECORD_VALUE_MAX);
	ck_assert(key != NULL && value != NULL);
	for (unsigned i = 0; i < 4; i++) {
		struct record rec = record_of_form(1);
		rec.key = bytes_of(i & 1 ? key : NULL, i & 1 ? RECORD_KEY_MAX : 0);
		rec.value = bytes_of(i & 2 ? value : NULL, i & 2 ? RECORD_VALUE_MAX : 0);
		assert_round_trip(&rec);
	}
	free(key);
	free(value);
}
END_TEST

START_TEST(every_truncation_is_detected)
{
	for (unsigned form = 0; form < FORMS; form++) {
		struct record rec = record_of_form(form);
		size_t size;
		uint8_t *data = encoded(&rec, SEQUENCE, &size);
		for (size_t len = 0; len < size; len++) {
			uint8_t *cut = malloc(len);
			ck_assert(cut != NULL || len == 0);
			if (len > 0)
				memcpy(cut, data, len);
			assert_corrupt(cut, len, SEQUENCE);
			free(cut);
		}
		free(data);
	}
}
END_TEST

START_TEST(every_bit_flip_is_detected)
{
	for (unsigned form = 0; form < FORMS; form++) {
		struct record rec = record_of_form(form);
		size_t size;
		uint8_t *data = encoded(&rec, SEQUENCE, &size);
		for (size_t bit = 0; bit < size * 8; bit++) {
			data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_corrupt(data, size, SEQUENCE);
			data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		free(data);
	}
}
END_TEST

START_TEST(record_of_another_sequence_is_refused)
{
	struct record rec = record_of_form(0);
	size_t size;
	uint8_t *data = encoded(&rec, SEQUENCE, &size);
	assert_corrupt(data, size, SEQUENCE + 1);
	assert_corrupt(data, size, 0);
	free(data);
}
END_TEST

/* Gives data the right checksum, so that only what the fields say can be refused. */
static void seal(uint8_t *data, size_t size)
{
	put_u32(data, (uint32_t)hash_bytes_seeded(data + 4, size - 4, SEQUENCE));
}

START_TEST(other_encodings_of_a_record_are_refused)
{
	struct record rec = {.acc = ballot_make(7, 5, 1), .key = text("key")};
	uint8_t data[BYTES_MAX] = {0};
	size_t size = 23 + 12 + 12 + 8 + 3, decoded_size;
	struct record decoded;

	/* pver of acc's version in 12 bytes, then absent in 12 and 8, then the fourth form */
	rec.pver = ballot_make(6, 4, 1);
	rec.ver = ballot_make(6, 3, 1);
	rec.expires_ms = 1;
	record_encode(&rec, SEQUENCE, data);
	ck_assert_int_eq(record_decode(data, size, SEQUENCE, &decoded, &decoded_size), 0);
	ballot_encode(data + 23, ballot_make(7, 4, 1));
	seal(data, size);
	assert_corrupt(data, size, SEQUENCE);
	ballot_encode(data + 23, BALLOT_ABSENT);
	seal(data, size);
	assert_corrupt(data, size, SEQUENCE);
	record_encode(&rec, SEQUENCE, data);
	data[4] |= 3 << 5;
	seal(data, size - 12);
	assert_corrupt(data, size - 12, SEQUENCE);

	/* ver equal to acc, expiry 0 */
	record_encode(&rec, SEQUENCE, data);
	ballot_encode(data + 23 + 12, rec.acc);
	seal(data, size);
	assert_corrupt(data, size, SEQUENCE);
	record_encode(&rec, SEQUENCE, data);
	put_u64(data + 23 + 12 + 12, 0);
	seal(data, size);
	assert_corrupt(data, size, SEQUENCE);

	rec = (struct record){.pver = {.order = 9}, .key = text("key")};
	record_encode(&rec, SEQUENCE, data);
	put_u64(data + 23, 0);
	seal(data, 23 + 8 + 3);
	assert_corrupt(data, 23 + 8 + 3, SEQUENCE);
}
END_TEST

START_TEST(value_length_beyond_the_limit_is_refused_before_it_is_used)
{
	uint8_t data[BYTES_MAX] = {0};
	for (uint32_t length = RECORD_VALUE_MAX + 1; length != 0; length = length * 2 + 1) {
		put_u32(data + 7, length);
		seal(data, sizeof(data));
		assert_corrupt(data, sizeof(data), SEQUENCE);
		if (length == UINT32_MAX)
			break;
	}
}
END_TEST

UNIT_MAIN("record", 60, bytes_are_those_of_the_diagram, value_written_once_costs_23_bytes,
	  every_form_comes_back, lengths_at_their_bounds_come_back, every_truncation_is_detected,
	  every_bit_flip_is_detected, record_of_another_sequence_is_refused,
	  other_encodings_of_a_record_are_refused,
	  value_length_beyond_the_limit_is_refused_before_it_is_used)
