/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/writer: the bytes of every kind of reply in both protocols, as Redis 7.0.15
 * writes them, and an output area that grows, fills and fails.
 */
#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "resp/writer.h"

enum { OUT_MAX = 1 << 20 };

/* The sanitizers' allocators end the program otherwise where malloc returns NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static struct resp_out out;

static void set_up(void)
{
	resp_out_init(&out, OUT_MAX);
}

static void tear_down(void)
{
	resp_out_fini(&out);
}

static void check_out(const char *expected, size_t len)
{
	ck_assert_int_eq(out.error, 0);
	ck_assert_msg(bytes_equal(bytes_of(out.data, out.len), bytes_of(expected, len)), "got %.*s",
		      (int)out.len, (const char *)out.data);
	resp_out_clear(&out);
}

/* Runs a statement that writes under both versions of the protocol. */
#define EXPECT(statement, resp2, resp3)                                                            \
	do {                                                                                       \
		out.version = RESP_VERSION_2;                                                      \
		statement;                                                                         \
		check_out(resp2, sizeof(resp2) - 1);                                               \
		out.version = RESP_VERSION_3;                                                      \
		statement;                                                                         \
		check_out(resp3, sizeof(resp3) - 1);                                               \
	} while (0)
#define EXPECT_BOTH(statement, expected) EXPECT(statement, expected, expected)

START_TEST(lines)
{
	EXPECT_BOTH(resp_write_ok(&out), "+OK\r\n");
	EXPECT_BOTH(resp_write_simple(&out, "PONG"), "+PONG\r\n");
	EXPECT_BOTH(resp_write_simple(&out, ""), "+\r\n");
	EXPECT_BOTH(resp_write_simple(&out, "a\r\nb"), "+a  b\r\n");
	EXPECT_BOTH(resp_write_error(&out, "ERR syntax error"), "-ERR syntax error\r\n");
	EXPECT_BOTH(resp_write_error(&out, "ERR\r\n+OK\n\r\n"), "-ERR  +OK\r\n");
	EXPECT_BOTH(resp_write_error(&out, "\r\n"), "-\r\n");
	EXPECT_BOTH(resp_write_errorf(&out, "MOVED %d %s:%d", 1, "::1", 2), "-MOVED 1 ::1:2\r\n");
	EXPECT_BOTH(resp_write_errorf(&out, "ERR '%s'", "a\r\nb"), "-ERR 'a  b'\r\n");
	EXPECT_BOTH(resp_write_raw(&out, bytes_of(":1\r\n:2\r\n", 8)), ":1\r\n:2\r\n");
	EXPECT_BOTH(resp_write_raw(&out, bytes_of(NULL, 0)), "");
}
END_TEST

START_TEST(formatted_error_is_cut)
{
	static char text[2 * RESP_TEXT_MAX];
	memset(text, 'x', sizeof(text) - 1);
	resp_write_errorf(&out, "%s", text);
	ck_assert_uint_eq(out.len, 1 + RESP_TEXT_MAX + 2);
	ck_assert_mem_eq(out.data + out.len - 3, "x\r\n", 3);
}
END_TEST

static void expect_integer(int64_t value)
{
	char expected[32];
	int len = snprintf(expected, sizeof(expected), ":%" PRId64 "\r\n", value);
	resp_write_integer(&out, value);
	check_out(expected, (size_t)len);
}

START_TEST(integers)
{
	for (int64_t value = -1100; value <= 1100; value++)
		expect_integer(value);
	int64_t power = 1;
	for (int digits = 1; digits <= 19; digits++) {
		expect_integer(power - 1);
		expect_integer(power);
		expect_integer(power + 1);
		expect_integer(-power);
		expect_integer(1 - power);
		if (digits < 19)
			power *= 10;
	}
	expect_integer(INT64_MAX);
	expect_integer(INT64_MIN);
	expect_integer(INT64_MIN + 1);
}
END_TEST

START_TEST(bulk_strings)
{
	EXPECT_BOTH(resp_write_bulk(&out, bytes_of("a\r\n\0b", 5)), "$5\r\na\r\n\0b\r\n");
	EXPECT_BOTH(resp_write_bulk(&out, bytes_of(NULL, 0)), "$0\r\n\r\n");
	EXPECT_BOTH(resp_write_bulk_text(&out, "0123456789"), "$10\r\n0123456789\r\n");
	EXPECT_BOTH(resp_write_bulk_number(&out, 0), "$1\r\n0\r\n");
	EXPECT_BOTH(resp_write_bulk_number(&out, 4096), "$4\r\n4096\r\n");
	EXPECT_BOTH(resp_write_bulk_number(&out, UINT64_MAX), "$20\r\n18446744073709551615\r\n");
	uint8_t value[1200];
	memset(value, 'v', sizeof(value));
	for (size_t len = 0; len <= sizeof(value); len++) {
		char expected[1300];
		int head = snprintf(expected, sizeof(expected), "$%zu\r\n", len);
		memcpy(expected + head, value, len);
		memcpy(expected + (size_t)head + len, "\r\n", 2);
		resp_write_bulk(&out, bytes_of(value, len));
		check_out(expected, (size_t)head + len + 2);
	}
}
END_TEST

START_TEST(nulls)
{
	EXPECT(resp_write_null(&out), "$-1\r\n", "_\r\n");
	EXPECT(resp_write_null_array(&out), "*-1\r\n", "_\r\n");
}
END_TEST

START_TEST(containers)
{
	EXPECT_BOTH(resp_write_array(&out, 0), "*0\r\n");
	EXPECT_BOTH(resp_write_array(&out, 1048576), "*1048576\r\n");
	EXPECT(resp_write_map(&out, 7), "*14\r\n", "%7\r\n");
	EXPECT(resp_write_map(&out, 0), "*0\r\n", "%0\r\n");
	EXPECT(resp_write_set(&out, 12), "*12\r\n", "~12\r\n");
}
END_TEST

START_TEST(booleans_and_doubles)
{
	EXPECT(resp_write_boolean(&out, true), ":1\r\n", "#t\r\n");
	EXPECT(resp_write_boolean(&out, false), ":0\r\n", "#f\r\n");
	EXPECT(resp_write_double(&out, 3), "$1\r\n3\r\n", ",3\r\n");
	EXPECT(resp_write_double(&out, -0.5), "$4\r\n-0.5\r\n", ",-0.5\r\n");
	EXPECT(resp_write_double(&out, 0.1), "$19\r\n0.10000000000000001\r\n",
	       ",0.10000000000000001\r\n");
	EXPECT(resp_write_double(&out, -2.2250738585072014e-308),
	       "$24\r\n-2.2250738585072014e-308\r\n", ",-2.2250738585072014e-308\r\n");
	EXPECT(resp_write_double(&out, INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
	EXPECT(resp_write_double(&out, -INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
	EXPECT(resp_write_double(&out, -NAN), "$3\r\nnan\r\n", ",nan\r\n");
}
END_TEST

START_TEST(verbatim_strings)
{
	EXPECT(resp_write_verbatim(&out, "txt", bytes_of("a\r\nb", 4)), "$4\r\na\r\nb\r\n",
	       "=8\r\ntxt:a\r\nb\r\n");
	EXPECT(resp_write_verbatim(&out, "mkd", bytes_of(NULL, 0)), "$0\r\n\r\n", "=4\r\nmkd:\r\n");
}
END_TEST

/* The first reply makes the area as large as it asks for: AddressSanitizer sees one
 * that asks for too little. */
START_TEST(replies_ask_for_enough_room)
{
	static char text[100001];
	memset(text, 't', sizeof(text) - 1);
	struct bytes value = bytes_of(text, sizeof(text) - 1);
	out.version = RESP_VERSION_3;
	resp_write_simple(&out, text);
	ck_assert_uint_eq(out.len, value.len + 3);
	resp_out_fini(&out);
	set_up();
	resp_write_bulk(&out, value);
	ck_assert_uint_eq(out.len, value.len + strlen("$100000\r\n\r\n"));
	resp_out_fini(&out);
	set_up();
	out.version = RESP_VERSION_3;
	resp_write_verbatim(&out, "txt", value);
	ck_assert_uint_eq(out.len, value.len + strlen("=100004\r\ntxt:\r\n"));
}
END_TEST

/* Replies that follow each other stay in order while the area grows under them. */
START_TEST(area_grows)
{
	char *expected = malloc(OUT_MAX);
	ck_assert_ptr_nonnull(expected);
	size_t len = 0;
	for (int i = 0; i < 20000; i++) {
		resp_write_integer(&out, i);
		resp_write_ok(&out);
		len += (size_t)sprintf(expected + len, ":%d\r\n+OK\r\n", i);
	}
	ck_assert_uint_gt(out.size, 65536);
	check_out(expected, len);
	free(expected);
}
END_TEST

START_TEST(bound_of_the_area_holds)
{
	static uint8_t value[1000];
	out.max = 5000;
	for (int i = 0; i < 4; i++)
		resp_write_bulk(&out, bytes_of(value, sizeof(value)));
	ck_assert_int_eq(out.error, 0);
	size_t len = out.len;
	resp_write_bulk(&out, bytes_of(value, sizeof(value)));
	ck_assert_int_eq(out.error, DHT_EFULL);
	ck_assert_uint_eq(out.len, len);
	/* What would have fitted is not appended either: the reply has a hole already. */
	resp_write_ok(&out);
	resp_write_null(&out);
	resp_write_integer(&out, 1);
	resp_write_error(&out, "ERR");
	resp_write_verbatim(&out, "txt", bytes_of("a", 1));
	ck_assert_uint_eq(out.len, len);
	ck_assert_int_eq(out.error, DHT_EFULL);
	ck_assert_uint_le(out.size, 5000);
	resp_out_clear(&out);
	resp_write_ok(&out);
	check_out("+OK\r\n", 5);
}
END_TEST

/* A bound that is reached exactly is no error. */
START_TEST(area_may_be_filled)
{
	static const uint8_t byte;
	out.max = 100;
	for (int i = 0; i < 100; i++)
		resp_write_raw(&out, bytes_of(&byte, 1));
	ck_assert_int_eq(out.error, 0);
	ck_assert_uint_eq(out.len, 100);
	resp_write_raw(&out, bytes_of(&byte, 1));
	ck_assert_int_eq(out.error, DHT_EFULL);
	ck_assert_uint_eq(out.len, 100);
}
END_TEST

/* A value too large for any memory is an error, not an overflow. */
START_TEST(no_memory_is_an_error)
{
	out.max = SIZE_MAX / 2;
	resp_write_ok(&out);
	resp_write_raw(&out, bytes_of(out.data, SIZE_MAX / 4));
	ck_assert_int_eq(out.error, DHT_ENOMEM);
	ck_assert_uint_eq(out.len, 5);
	resp_write_ok(&out);
	ck_assert_uint_eq(out.len, 5);
	resp_out_clear(&out);
	resp_write_ok(&out);
	check_out("+OK\r\n", 5);
}
END_TEST

START_TEST(large_area_is_given_back)
{
	static uint8_t value[RESP_OUT_KEEP + 1];
	resp_write_ok(&out);
	const uint8_t *small = out.data;
	resp_out_clear(&out);
	ck_assert_ptr_eq(out.data, small);
	ck_assert_uint_gt(out.cap, 0);
	resp_write_bulk(&out, bytes_of(value, sizeof(value)));
	resp_out_clear(&out);
	ck_assert_ptr_null(out.data);
	resp_write_ok(&out);
	check_out("+OK\r\n", 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resp_writer");
	TCase *replies = tcase_create("replies");
	tcase_add_checked_fixture(replies, set_up, tear_down);
	tcase_add_test(replies, lines);
	tcase_add_test(replies, formatted_error_is_cut);
	tcase_add_test(replies, integers);
	tcase_add_test(replies, bulk_strings);
	tcase_add_test(replies, nulls);
	tcase_add_test(replies, containers);
	tcase_add_test(replies, booleans_and_doubles);
	tcase_add_test(replies, verbatim_strings);
	suite_add_tcase(suite, replies);
	TCase *area = tcase_create("area");
	tcase_add_checked_fixture(area, set_up, tear_down);
	tcase_add_test(area, replies_ask_for_enough_room);
	tcase_add_test(area, area_grows);
	tcase_add_test(area, bound_of_the_area_holds);
	tcase_add_test(area, area_may_be_filled);
	tcase_add_test(area, no_memory_is_an_error);
	tcase_add_test(area, large_area_is_given_back);
	suite_add_tcase(suite, area);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
