/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/histogram.h"
#include "base/list.h"
#include "base/log.h"
#include "unit.h"

START_TEST(errors_have_distinct_numbers_and_texts)
{
	static const int all[] = {
#define X(name, number, exit_code, text) name,
	    DHT_ERRORS(X)
#undef X
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(all); i++) {
		ck_assert_int_lt(all[i], 0);
		ck_assert_str_ne(dht_error_text(all[i]), "unknown error");
		ck_assert_int_gt(dht_error_exit_code(all[i]), 0);
		for (size_t k = 0; k < i; k++) {
			ck_assert_int_ne(all[i], all[k]);
			ck_assert_str_ne(dht_error_text(all[i]), dht_error_text(all[k]));
		}
	}
	ck_assert_str_eq(dht_error_text(0), "ok");
	ck_assert_str_eq(dht_error_text(-9999), "unknown error");
	ck_assert_int_eq(dht_error_exit_code(0), 0);
	ck_assert_int_eq(dht_error_exit_code(DHT_ENOTFOUND), 3);
	ck_assert_int_eq(dht_error_from_errno(ENOSPC), DHT_ENOSPC);
	ck_assert_int_eq(dht_error_from_errno(12345), DHT_EIO);
}
END_TEST

START_TEST(buffer_keeps_content_while_it_grows_and_is_taken)
{
	struct buffer b = BUFFER_EMPTY;
	unsigned seed = 1;
	uint8_t written = 0, expected = 0;
	for (int round = 0; round < 20000; round++) {
		seed = seed * 1103515245 + 12345;
		size_t n = seed >> 16 & 63;
		uint8_t bytes[64];
		for (size_t i = 0; i < n; i++)
			bytes[i] = written++;
		ck_assert_int_eq(buffer_append(&b, bytes, n, 1 << 20), 0);
		size_t take = (seed >> 8 & 127) < b.len ? seed >> 8 & 127 : b.len;
		for (size_t i = 0; i < take; i++)
			UNIT_REQUIRE(buffer_head(&b)[i] == expected++);
		buffer_consume(&b, take);
	}
	for (size_t i = 0; i < b.len; i++)
		UNIT_REQUIRE(buffer_head(&b)[i] == expected++);
	buffer_reset(&b);
	ck_assert_ptr_null(b.data);
}
END_TEST

START_TEST(buffer_refuses_more_than_its_bound_and_stays_as_it_was)
{
	struct buffer b = BUFFER_EMPTY;
	ck_assert_int_eq(buffer_append(&b, "0123456789", 10, 16), 0);
	ck_assert_int_eq(buffer_append(&b, "0123456789", 10, 16), DHT_EFULL);
	ck_assert_int_eq(buffer_reserve(&b, SIZE_MAX, 16), DHT_EFULL);
	ck_assert_int_eq(buffer_reserve(&b, SIZE_MAX - 4, SIZE_MAX), DHT_EFULL);
	ck_assert_uint_eq(b.len, 10);
	ck_assert_int_eq(memcmp(buffer_head(&b), "0123456789", 10), 0);
	ck_assert_int_eq(buffer_printf(&b, 64, "%s-%d", "x", 7), 0);
	ck_assert_int_eq(memcmp(buffer_head(&b), "0123456789x-7", 13), 0);
	ck_assert_int_eq(buffer_printf(&b, 16, "%d", 123), DHT_EFULL);
	ck_assert_uint_eq(b.len, 13);
	buffer_reset(&b);
}
END_TEST

/* Texts of all lengths around the room that is left, which has to take a NUL, too. */
START_TEST(buffer_formats_whether_there_is_room_or_not)
{
	for (int len = 0; len < 2048; len++) {
		struct buffer b = BUFFER_EMPTY;
		ck_assert_int_eq(buffer_append(&b, "begin", 5, 4096), 0);
		ck_assert_int_eq(buffer_printf(&b, 4096, "%*d", len, 7), 0);
		ck_assert_int_eq(buffer_printf(&b, 4096, "end"), 0);
		size_t width = len > 1 ? (size_t)len : 1;
		ck_assert_uint_eq(b.len, 5 + width + 3);
		ck_assert_int_eq(memcmp(buffer_head(&b) + 5 + width - 1, "7end", 4), 0);
		buffer_reset(&b);
	}
}
END_TEST

START_TEST(buffer_reuses_its_front_without_growing)
{
	struct buffer b = BUFFER_EMPTY;
	uint8_t block[256] = {0};
	for (int i = 0; i < 100000; i++) {
		ck_assert_int_eq(buffer_append(&b, block, sizeof(block), 4096), 0);
		if (b.len > 1024)
			buffer_consume(&b, 1024);
	}
	ck_assert_uint_lt(b.cap, 8192);
	buffer_reset(&b);
}
END_TEST

START_TEST(buffer_gives_back_what_it_does_not_need)
{
	enum { LARGE = 1024 * 1024 };
	struct buffer b = BUFFER_EMPTY;
	ck_assert_int_eq(buffer_reserve(&b, LARGE, LARGE), 0);
	for (int i = 0; i < LARGE; i++)
		buffer_head(&b)[i] = (uint8_t)(i % 251);
	b.len = LARGE;
	/* What is still well filled stays where it is. */
	const uint8_t *data = b.data;
	buffer_trim(&b);
	buffer_consume(&b, LARGE / 2);
	buffer_trim(&b);
	ck_assert_ptr_eq(b.data, data);
	buffer_consume(&b, LARGE / 2 - 100);
	buffer_trim(&b);
	ck_assert_uint_lt(b.cap, 4096);
	ck_assert_uint_eq(b.len, 100);
	for (int i = 0; i < 100; i++)
		UNIT_REQUIRE(buffer_head(&b)[i] == (LARGE - 100 + i) % 251);
	ck_assert_int_eq(buffer_append(&b, "more", 4, LARGE), 0);
	/* Little memory is not worth a copy. */
	data = b.data;
	buffer_consume(&b, 100);
	buffer_trim(&b);
	ck_assert_ptr_eq(b.data, data);
	ck_assert_mem_eq(buffer_head(&b), "more", 4);
	buffer_consume(&b, 4);
	buffer_trim(&b);
	ck_assert_ptr_null(b.data);
	buffer_trim(&b);
}
END_TEST

struct item {
	int number;
	struct list link;
};

START_TEST(list_keeps_order_through_moves_and_splices)
{
	struct item items[4];
	struct list a, b;
	list_init(&a);
	list_init(&b);
	for (int i = 0; i < 4; i++) {
		items[i].number = i;
		list_push_tail(i < 2 ? &a : &b, &items[i].link);
	}
	list_splice_tail(&a, &b);
	ck_assert(list_is_empty(&b));
	list_move_tail(&a, &items[1].link);
	list_remove(&items[2].link);
	ck_assert(list_is_empty(&items[2].link));
	list_remove(&items[2].link);
	int seen[4], n = 0;
	LIST_FOREACH_SAFE(link, next, &a)
	{
		seen[n++] = LIST_ENTRY(link, struct item, link)->number;
		list_remove(link);
	}
	ck_assert_int_eq(n, 3);
	ck_assert_int_eq(seen[0], 0);
	ck_assert_int_eq(seen[1], 3);
	ck_assert_int_eq(seen[2], 1);
	ck_assert_ptr_null(list_first(&a));
}
END_TEST

START_TEST(histogram_quantiles_are_within_a_cell)
{
	struct histogram *h = calloc(1, sizeof(*h)), *sum = calloc(1, sizeof(*sum));
	histogram_init(h);
	histogram_init(sum);
	ck_assert_uint_eq(histogram_quantile_ns(h, 500), 0);
	for (uint64_t ns = 1; ns <= 100000; ns++)
		histogram_record(h, ns);
	struct {
		unsigned permille;
		double exact;
	} cases[] = {{500, 50000}, {990, 99000}, {10, 1000}};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		double got = (double)histogram_quantile_ns(h, cases[i].permille);
		ck_assert_double_ge(got, cases[i].exact * 15 / 16);
		ck_assert_double_le(got, cases[i].exact * 17 / 16);
	}
	ck_assert_uint_le(histogram_quantile_ns(h, 1000), 100000);
	ck_assert_uint_ge(histogram_quantile_ns(h, 1000), 100000 * 15 / 16);
	ck_assert_uint_eq(histogram_max_ns(h), 100000);
	histogram_merge(sum, h);
	histogram_merge(sum, h);
	ck_assert_uint_eq(histogram_count(sum), 200000);
	ck_assert_uint_eq(histogram_quantile_ns(sum, 500), histogram_quantile_ns(h, 500));
	histogram_record(h, UINT64_MAX);
	ck_assert_uint_eq(histogram_max_ns(h), UINT64_MAX);
	ck_assert_uint_gt(histogram_quantile_ns(h, 1000), 1000000000);
	free(h);
	free(sum);
}
END_TEST

START_TEST(histogram_counts_many_and_is_emptied)
{
	struct histogram *h = calloc(1, sizeof(*h));
	histogram_record_many(h, 1023, 5);
	histogram_record_many(h, 1024, 7);
	histogram_record(h, 3);
	ck_assert_uint_eq(histogram_count(h), 13);
	ck_assert_uint_eq(histogram_count_below(h, 3), 1);
	ck_assert_uint_eq(histogram_count_below(h, 9), 1);
	ck_assert_uint_eq(histogram_count_below(h, 10), 6);
	ck_assert_uint_eq(histogram_count_below(h, 11), 13);
	ck_assert_uint_eq(histogram_count_below(h, 63), 13);
	histogram_clear(h);
	ck_assert_uint_eq(histogram_count(h), 0);
	ck_assert_uint_eq(histogram_max_ns(h), 0);
	ck_assert_uint_eq(histogram_count_below(h, 63), 0);
	free(h);
}
END_TEST

static char last_line[LOG_LINE_MAX];
static int lines;

static void keep_line(enum log_level level, const char *line, void *ctx)
{
	snprintf(last_line, sizeof(last_line), "%s %s", log_level_name(level), line);
	lines++;
}

START_TEST(log_filters_by_level_and_keeps_a_line_a_line)
{
	log_set_sink(keep_line, NULL);
	log_set_level(LOG_warn);
	LOG_INFO("test", "msg=\"hidden\"");
	ck_assert_int_eq(lines, 0);
	LOG_ERROR("test", "msg=\"two\nlines\" key=%s", "a\r\x01z");
	ck_assert_str_eq(last_line, "error module=test msg=\"two lines\" key=a  z");
	enum log_level level;
	ck_assert(log_level_parse("debug", &level) && level == LOG_debug);
	ck_assert(!log_level_parse("loud", &level));
	char *longer = malloc(4096);
	memset(longer, 'x', 4095);
	longer[4095] = '\0';
	LOG_ERROR("test", "%s", longer);
	ck_assert_uint_lt(strlen(last_line), LOG_LINE_MAX);
	free(longer);
	log_set_sink(NULL, NULL);
}
END_TEST

START_TEST(pieces_have_the_hash_of_their_bytes)
{
	uint8_t data[1000];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * i / 7);
	for (size_t len = 0; len <= sizeof(data); len++) {
		size_t first = len / 3, second = len / 2;
		struct bytes pieces[] = {bytes_of(data, first), bytes_of(NULL, 0),
					 bytes_of(data + first, second),
					 bytes_of(data + first + second, len - first - second)};
		UNIT_REQUIRE(hash_pieces(pieces, 4) == hash_bytes(data, len));
	}
	struct bytes all = bytes_of(data, sizeof(data));
	ck_assert_uint_eq(hash_pieces(&all, 1), hash_bytes(data, sizeof(data)));
	ck_assert_uint_eq(hash_pieces(&all, 0), hash_bytes(data, 0));
}
END_TEST

UNIT_MAIN("base", 4, errors_have_distinct_numbers_and_texts,
	  buffer_keeps_content_while_it_grows_and_is_taken,
	  buffer_refuses_more_than_its_bound_and_stays_as_it_was,
	  buffer_formats_whether_there_is_room_or_not, buffer_reuses_its_front_without_growing,
	  buffer_gives_back_what_it_does_not_need, list_keeps_order_through_moves_and_splices,
	  histogram_quantiles_are_within_a_cell, histogram_counts_many_and_is_emptied,
	  log_filters_by_level_and_keeps_a_line_a_line, pieces_have_the_hash_of_their_bytes)
