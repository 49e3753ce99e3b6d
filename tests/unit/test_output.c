/* SPDX-License-Identifier: Apache-2.0
 *
 * io/output: against a plain stream of bytes, through every way of appending, moving, taking
 * and detaching; every piece is released once, when its last byte is taken or dropped.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/output.h"
#include "unit.h"

enum { STREAM_MAX = 1 << 20, PIECES = 4096, ROUNDS = 20000, OUTPUT_MAX = 4096 };

static uint8_t source[STREAM_MAX]; /* what goes in, in order */
static size_t put, taken;
static unsigned released[PIECES], pieces;

static void release(void *ctx, uint64_t id)
{
	UNIT_REQUIRE(ctx == released && id < pieces);
	released[id]++;
}

static unsigned released_count(void)
{
	unsigned sum = 0;
	for (unsigned i = 0; i < pieces; i++) {
		UNIT_REQUIRE(released[i] <= 1);
		sum += released[i];
	}
	return sum;
}

static void start(void)
{
	put = taken = pieces = 0;
	memset(released, 0, sizeof(released));
	for (size_t i = 0; i < STREAM_MAX; i++)
		source[i] = (uint8_t)(i * 2654435761u >> 13);
}

static void append_copy(struct output *o, size_t len)
{
	UNIT_REQUIRE(buffer_append(&o->bytes, source + put, len, SIZE_MAX / 2) == 0);
	put += len;
}

static void append_piece(struct output *o, size_t len)
{
	UNIT_REQUIRE(output_attach(o, o->bytes.len, bytes_of(source + put, len), release, released,
				   pieces) == 0);
	pieces++;
	put += len;
}

/* Takes len bytes as a writer does, in lists of at most max entries. */
static void take(struct output *o, size_t len, int max)
{
	struct iovec iov[8];
	int n = output_list(o, iov, max);
	size_t listed = 0;
	UNIT_REQUIRE(n <= max && (n > 0 || output_len(o) == 0));
	for (int i = 0; i < n; i++) {
		UNIT_REQUIRE(iov[i].iov_len > 0);
		UNIT_REQUIRE(memcmp(iov[i].iov_base, source + taken + listed, iov[i].iov_len) == 0);
		listed += iov[i].iov_len;
	}
	if (len > listed)
		len = listed;
	output_consume(o, len);
	taken += len;
}

START_TEST(output_keeps_the_order_of_the_stream)
{
	struct output o = OUTPUT_EMPTY, more = OUTPUT_EMPTY;
	srand((unsigned)_i);
	start();
	for (int round = 0; round < ROUNDS; round++) {
		size_t room = OUTPUT_MAX - output_len(&o) - output_len(&more);
		size_t len = (size_t)rand() % 200;
		bool fits = len <= room && put + len < STREAM_MAX && pieces < PIECES;
		switch (rand() % 6) {
		case 0:
		case 1:
			if (fits)
				append_copy(&more, len);
			break;
		case 2:
			if (fits && len > 0)
				append_piece(&more, len);
			break;
		case 3:
			ck_assert_int_eq(output_move(&o, &more, OUTPUT_MAX), 0);
			UNIT_REQUIRE(output_len(&more) == 0);
			break;
		case 4:
			if (rand() % 16 == 0)
				output_detach(&o);
			break;
		default:
			take(&o, (size_t)rand() % 600, 1 + rand() % 8);
		}
		UNIT_REQUIRE(output_len(&o) + output_len(&more) == put - taken);
		UNIT_REQUIRE(released_count() + o.count + more.count == pieces);
	}
	ck_assert_int_eq(output_move(&o, &more, OUTPUT_MAX), 0);
	while (output_len(&o) > 0)
		take(&o, SIZE_MAX, 8);
	ck_assert_uint_eq(taken, put);
	ck_assert_uint_eq(released_count(), pieces);
	ck_assert_uint_gt(pieces, 200);
	output_reset(&o);
	output_reset(&more);
}
END_TEST

START_TEST(output_releases_what_it_drops)
{
	struct output o = OUTPUT_EMPTY;
	start();
	append_piece(&o, 10);
	append_copy(&o, 5);
	append_piece(&o, 7);
	take(&o, 12, 8);
	ck_assert_uint_eq(released_count(), 1);
	output_clear(&o);
	ck_assert_uint_eq(released_count(), 2);
	ck_assert_uint_eq(output_len(&o), 0);
	append_piece(&o, 3);
	output_reset(&o);
	ck_assert_uint_eq(released_count(), 3);
	ck_assert_ptr_null(o.pieces);
	ck_assert_ptr_null(o.bytes.data);
}
END_TEST

START_TEST(output_refuses_what_is_beyond_the_bound)
{
	struct output o = OUTPUT_EMPTY, more = OUTPUT_EMPTY;
	start();
	append_copy(&o, 10);
	append_copy(&more, 4);
	append_piece(&more, 7);
	ck_assert_int_eq(output_move(&o, &more, 20), DHT_EFULL);
	ck_assert_uint_eq(output_len(&o), 10);
	ck_assert_uint_eq(output_len(&more), 11);
	ck_assert_int_eq(output_move(&o, &more, 21), 0);
	ck_assert_uint_eq(released_count(), 0);
	take(&o, 21, 8);
	ck_assert_uint_eq(taken, 21);
	ck_assert_uint_eq(released_count(), 1);
	output_reset(&o);
	output_reset(&more);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("output");
	TCase *tcase = tcase_create("output");
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, output_keeps_the_order_of_the_stream, 0, 20);
	tcase_add_test(tcase, output_releases_what_it_drops);
	tcase_add_test(tcase, output_refuses_what_is_beyond_the_bound);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
