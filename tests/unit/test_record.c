/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/record.h"
#include "unit.h"

enum { SEQUENCE = 77 };

static bool is_equal(const struct record *a, const struct record *b)
{
	return a->kind == b->kind && a->copy == b->copy && ballot_equal(a->acc, b->acc) &&
	       ballot_equal(a->ver, b->ver) && ballot_equal(a->pver, b->pver) &&
	       a->expires_ms == b->expires_ms && bytes_equal(a->key, b->key) &&
	       bytes_equal(a->value, b->value);
}

/* Every combination of kind, copy, ver, form of pver, expiry and lengths. */
static struct record combination(unsigned n)
{
	static const uint8_t bytes[300] = {1, 2, 3, 0, 255};
	static const size_t lengths[] = {0, 1, 255, 300};
	struct record r = {.kind = (enum record_kind)(n & 7), .copy = n >> 3 & 1};
	r.acc = ballot_make(9, 1000, 5);
	r.ver = n >> 4 & 1 ? ballot_make(8, 999, 4) : r.acc;
	switch (n >> 5 & 3) {
	case 1:
		r.pver = ballot_make(9, 7, 1);
		break;
	case 2:
		r.pver = ballot_make(3, 7, 1);
		break;
	case 3: /* only the version differs from "absent" */
		r.pver = ballot_make(3, 0, 0);
		break;
	default:
		break;
	}
	r.expires_ms = n >> 7 & 1 ? 1700000000123 : 0;
	r.key = bytes_of(bytes, lengths[n >> 8 & 3]);
	r.value = bytes_of(bytes, lengths[n >> 10 & 3]);
	return r;
}

enum { COMBINATIONS = 1 << 12, ROOM = 700 };

START_TEST(records_come_back_as_they_were)
{
	uint8_t data[ROOM];
	for (unsigned n = 0; n < COMBINATIONS; n++) {
		struct record r = combination(n), back;
		size_t size = record_size(&r), got = 0;
		record_encode(&r, SEQUENCE, data);
		ck_assert_int_eq(record_decode(data, size, SEQUENCE, &back, &got), 0);
		ck_assert_uint_eq(got, size);
		ck_assert(is_equal(&r, &back));
		ck_assert_uint_eq(record_length(data), size);
		ck_assert(record_has_key(data, r.key));
		record_load(data, &back);
		ck_assert(is_equal(&r, &back));
	}
}
END_TEST

START_TEST(a_value_written_once_costs_23_bytes)
{
	struct record r = {.kind = RECORD_VALUE, .acc = ballot_make(0, 1, 0)};
	r.ver = r.acc;
	ck_assert_uint_eq(record_size(&r), 23);
	r.pver = ballot_make(0, 1, 0);
	ck_assert_uint_eq(record_size(&r), 31);
	r.pver = ballot_make(1, 1, 0);
	ck_assert_uint_eq(record_size(&r), 35);
}
END_TEST

START_TEST(cut_flipped_or_foreign_records_do_not_parse)
{
	uint8_t data[ROOM];
	for (unsigned n = 0; n < COMBINATIONS; n += 7) {
		struct record r = combination(n), back;
		size_t size = record_size(&r), got;
		record_encode(&r, SEQUENCE, data);
		ck_assert_int_eq(record_decode(data, size, SEQUENCE + 1, &back, &got),
				 DHT_ECORRUPT);
		for (size_t cut = 0; cut < size; cut++) {
			uint8_t *exact = malloc(cut + 1);
			memcpy(exact, data, cut);
			ck_assert_int_eq(record_decode(exact, cut, SEQUENCE, &back, &got),
					 DHT_ECORRUPT);
			free(exact);
		}
		for (size_t bit = 0; bit < size * 8; bit += n % 3 + 1) {
			uint8_t *exact = malloc(size);
			memcpy(exact, data, size);
			exact[bit / 8] ^= (uint8_t)(1 << bit % 8);
			ck_assert_int_eq(record_decode(exact, size, SEQUENCE, &back, &got),
					 DHT_ECORRUPT);
			free(exact);
		}
	}
}
END_TEST

START_TEST(the_largest_record_fits_its_lengths)
{
	uint8_t *key = calloc(1, RECORD_KEY_MAX), *value = calloc(1, RECORD_VALUE_MAX);
	struct record r = {.kind = RECORD_VALUE,
			   .acc = ballot_make(UINT32_MAX, BALLOT_COUNTER_MAX, BALLOT_MEMBER_TOP),
			   .ver = ballot_make(1, 1, 1),
			   .pver = ballot_make(2, 2, 2),
			   .expires_ms = UINT64_MAX,
			   .key = bytes_of(key, RECORD_KEY_MAX),
			   .value = bytes_of(value, RECORD_VALUE_MAX)};
	struct record back;
	size_t size = record_size(&r), got;
	ck_assert_uint_eq(size, RECORD_OVERHEAD_MAX + RECORD_KEY_MAX + RECORD_VALUE_MAX);
	uint8_t *data = malloc(size);
	record_encode(&r, UINT64_MAX, data);
	ck_assert_int_eq(record_decode(data, size, UINT64_MAX, &back, &got), 0);
	ck_assert(is_equal(&r, &back));
	free(data);
	free(key);
	free(value);
}
END_TEST

START_TEST(ballots_are_ordered_by_version_counter_member)
{
	struct ballot low = ballot_make(1, 9, 9), high = ballot_make(2, 1, 1);
	ck_assert_int_lt(ballot_compare(low, high), 0);
	ck_assert_int_gt(ballot_compare(ballot_make(1, 10, 0), low), 0);
	ck_assert_int_gt(ballot_compare(ballot_make(1, 9, 10), low), 0);
	ck_assert_int_eq(ballot_compare(low, low), 0);
	ck_assert(ballot_equal(ballot_max(low, high), high));
	ck_assert(ballot_equal(ballot_successor(low), ballot_make(1, 10, 9)));
	ck_assert_int_gt(ballot_compare(ballot_top(low), ballot_make(1, 9, BALLOT_MEMBER_TOP - 1)),
			 0);
	ck_assert_int_lt(ballot_compare(ballot_top(low), ballot_make(1, 10, 0)), 0);
	uint8_t bytes[BALLOT_SIZE];
	ballot_encode(bytes, low);
	ck_assert(ballot_equal(ballot_decode(bytes), low));
}
END_TEST

UNIT_MAIN("record", 60, records_come_back_as_they_were, a_value_written_once_costs_23_bytes,
	  cut_flipped_or_foreign_records_do_not_parse, the_largest_record_fits_its_lengths,
	  ballots_are_ordered_by_version_counter_member)
