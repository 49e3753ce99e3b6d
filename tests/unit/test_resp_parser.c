/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/parser: requests that are arrays, cut into pieces of any size; every error
 * with its text; every limit at its last good and its first bad value. What Redis
 * 7.0.15 answers to the same bytes was compared when the expectations were written.
 *
 * The input is handed over in a block of exactly its size, so that AddressSanitizer
 * sees a byte that is read too many.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "resp/parser.h"

enum { STREAM_MAX = 1 << 20 };

static const struct resp_limits usual = {RESP_ARGS_MAX, RESP_REQUEST_MAX, RESP_REQUEST_MAX};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void add(struct buffer *b, const void *data, size_t len)
{
	ck_assert_int_eq(buffer_append(b, data, len, STREAM_MAX), 0);
}

static void add_request(struct buffer *transcript, const struct resp_request *request)
{
	ck_assert_int_eq(buffer_printf(transcript, STREAM_MAX, "%zu(", request->argc), 0);
	for (size_t i = 0; i < request->argc; i++) {
		struct bytes arg = request->args[i];
		ck_assert_int_eq(buffer_printf(transcript, STREAM_MAX, "%zu:", arg.len), 0);
		add(transcript, arg.data, arg.len);
	}
	add(transcript, ")", 1);
}

/* Feeds data in steps of 1 to step_max bytes (0: at once) and writes down what comes
 * out: requests, then "more", or the error. */
static struct buffer feed(struct bytes data, size_t step_max, uint64_t seed,
			  const struct resp_limits *limits)
{
	struct buffer transcript = BUFFER_EMPTY;
	struct resp_parser parser = RESP_PARSER_START;
	struct resp_request request;
	resp_request_init(&request);
	size_t taken = 0, arrived = 0;
	int rc = DHT_EAGAIN;
	do {
		size_t step = step_max == 0 ? data.len : 1 + next_random(&seed) % step_max;
		arrived = data.len - arrived > step ? arrived + step : data.len;
		size_t len = arrived - taken;
		uint8_t *block = malloc(len > 0 ? len : 1);
		ck_assert_ptr_nonnull(block);
		memcpy(block, data.data + taken, len);
		size_t at = 0;
		do {
			rc = resp_parser_next(&parser, bytes_of(block + at, len - at), limits,
					      &request);
			ck_assert_uint_le(parser.need, limits->request_bytes_max);
			at += request.consumed;
			if (rc == 0)
				add_request(&transcript, &request);
		} while (rc == 0);
		taken += at;
		free(block);
	} while (rc == DHT_EAGAIN && arrived < data.len);
	ck_assert(rc == DHT_EAGAIN || rc == DHT_EPROTO);
	const char *end = rc == DHT_EAGAIN ? "more" : request.error;
	add(&transcript, end, strlen(end));
	ck_assert_int_eq(buffer_printf(&transcript, STREAM_MAX, " after %zu", taken), 0);
	resp_request_fini(&request);
	return transcript;
}

static bool is_same(const struct buffer *a, const struct buffer *b)
{
	return bytes_equal(bytes_of(buffer_head(a), a->len), bytes_of(buffer_head(b), b->len));
}

/* Checks that data gives the expected transcript, in one piece and byte by byte. */
static void expect(struct bytes data, const struct resp_limits *limits, const char *expected)
{
	for (size_t step_max = 0; step_max <= 1; step_max++) {
		struct buffer got = feed(data, step_max, 1, limits);
		add(&got, "", 1);
		ck_assert_str_eq((const char *)buffer_head(&got), expected);
		buffer_reset(&got);
	}
}

#define EXPECT(text, limits, expected) expect(bytes_of(text, sizeof(text) - 1), limits, expected)

START_TEST(array_gives_its_arguments)
{
	EXPECT("", &usual, "more after 0");
	EXPECT("*1\r\n$4\r\nPING\r\n", &usual, "1(4:PING)more after 14");
	EXPECT("*2\r\n$3\r\nGET\r\n$16\r\n0123456789abcdef\r\n*1\r\n$4\r\nPING\r\n", &usual,
	       "2(3:GET16:0123456789abcdef)1(4:PING)more after 50");
	EXPECT("*2\r\n$0\r\n\r\n$2\r\n\r\n\r\n", &usual, "2(0:2:\r\n)more after 18");
	EXPECT("*1\r\n$10\r\n0123456789\r\n", &usual, "1(10:0123456789)more after 21");
}
END_TEST

START_TEST(incomplete_array_waits)
{
	EXPECT("*", &usual, "more after 0");
	EXPECT("*1\r", &usual, "more after 0");
	EXPECT("*x\r", &usual, "more after 0");
	EXPECT("*1\r\nx", &usual, "more after 0");
	EXPECT("*1\r\n$4\r\nPING\r", &usual, "more after 0");
	EXPECT("*1\r\n$1\r\na\r\n*1\r\n$x\r", &usual, "1(1:a)more after 11");
}
END_TEST

START_TEST(empty_array_is_skipped)
{
	EXPECT("*0\r\n*-1\r\n*1\r\n$1\r\na\r\n*0\r\n", &usual, "1(1:a)more after 24");
	EXPECT("*-9223372036854775808\r\n", &usual, "more after 23");
	EXPECT("*0\r\n*1\r\n$1\r\na", &usual, "more after 4");
}
END_TEST

/* Redis passes over the byte behind a CR, and over two behind an argument. */
START_TEST(line_ends_are_passed_over_unread)
{
	EXPECT("*2\rX$4\rXECHOxx$1\r\nayyPING\r\n", &usual, "2(4:ECHO1:a)1(4:PING)more after 27");
}
END_TEST

#define BAD_COUNT  "ERR Protocol error: invalid multibulk length"
#define BAD_LENGTH "ERR Protocol error: invalid bulk length"
#define TOO_BIG    "ERR Protocol error: too big request"

START_TEST(bad_count_is_refused)
{
	static const char *const counts[] = {"",
					     "-",
					     "-0",
					     "00",
					     "01",
					     "+1",
					     " 1",
					     "1 ",
					     "1a",
					     "a",
					     "--1",
					     "1048577",
					     "2147483648",
					     "4294967297",
					     "9223372036854775808",
					     "-9223372036854775809",
					     "18446744073709551617",
					     "99999999999999999999",
					     "100000000000000000001"};
	for (size_t i = 0; i < DHT_ARRAY_LEN(counts); i++) {
		char text[64];
		int len = snprintf(text, sizeof(text), "*%s\r\n$4\r\nPING\r\n", counts[i]);
		expect(bytes_of(text, (size_t)len), &usual, BAD_COUNT " after 0");
	}
	EXPECT("*1\r\n$1\r\na\r\n*x\r\n", &usual, "1(1:a)" BAD_COUNT " after 11");
	EXPECT("*\0\r\n", &usual, BAD_COUNT " after 0");
}
END_TEST

START_TEST(bad_length_is_refused)
{
	static const char *const lengths[] = {"",
					      "-",
					      "-0",
					      "-1",
					      "01",
					      "+4",
					      " 4",
					      "4 ",
					      "4x",
					      "67108865",
					      "4294967300",
					      "9223372036854775807",
					      "-9223372036854775809",
					      "18446744073709551620"};
	for (size_t i = 0; i < DHT_ARRAY_LEN(lengths); i++) {
		char text[64];
		int len = snprintf(text, sizeof(text), "*1\r\n$%s\r\nPING\r\n", lengths[i]);
		expect(bytes_of(text, (size_t)len), &usual, BAD_LENGTH " after 0");
	}
	EXPECT("*1\r\n$4\0\r\nPING\r\n", &usual, BAD_LENGTH " after 0");
}
END_TEST

START_TEST(argument_without_dollar_is_refused)
{
	EXPECT("*1\r\nfoo\r\n", &usual, "ERR Protocol error: expected '$', got 'f' after 0");
	EXPECT("*1\r\n:4\r\n", &usual, "ERR Protocol error: expected '$', got ':' after 0");
	EXPECT("*1\r\n\r\n", &usual, "ERR Protocol error: expected '$', got ' ' after 0");
	EXPECT("*1\r\n\n\r\n", &usual, "ERR Protocol error: expected '$', got ' ' after 0");
	EXPECT("*1\r\n\0\r\n", &usual, "ERR Protocol error: expected '$', got ' ' after 0");
	EXPECT("*1\r\n\x01\r\n", &usual, "ERR Protocol error: expected '$', got '\x01' after 0");
	EXPECT("*2\r\n$1\r\na\r\n*1\r\n", &usual,
	       "ERR Protocol error: expected '$', got '*' after 0");
}
END_TEST

START_TEST(error_is_said_again)
{
	static const char text[] = "*2\r\n$1\r\na\r\n$x\r\n";
	struct resp_parser parser = RESP_PARSER_START;
	struct resp_request request;
	resp_request_init(&request);
	for (int i = 0; i < 3; i++) {
		struct bytes input = bytes_of(text, sizeof(text) - 1);
		ck_assert_int_eq(resp_parser_next(&parser, input, &usual, &request), DHT_EPROTO);
		ck_assert_str_eq(request.error, BAD_LENGTH);
		ck_assert_uint_eq(request.consumed, 0);
	}
	resp_request_fini(&request);
}
END_TEST

START_TEST(bounds_of_a_request)
{
	static const struct resp_limits args = {2, 1000, 1000};
	EXPECT("*2\r\n$1\r\na\r\n$1\r\nb\r\n", &args, "2(1:a1:b)more after 18");
	EXPECT("*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", &args, BAD_COUNT " after 0");

	static const struct resp_limits arg = {10, 3, 1000};
	EXPECT("*1\r\n$3\r\nabc\r\n", &arg, "1(3:abc)more after 13");
	EXPECT("*1\r\n$4\r\nabcd\r\n", &arg, BAD_LENGTH " after 0");

	static const struct resp_limits total = {10, 20, 24};
	EXPECT("*2\r\n$1\r\na\r\n$7\r\nbbbbbbb\r\n", &total, "2(1:a7:bbbbbbb)more after 24");
	EXPECT("*2\r\n$1\r\na\r\n$8\r\nbbbbbbbb\r\n", &total, TOO_BIG " after 0");
	EXPECT("*1\r\n$1\r\na\r\n*2\r\n$1\r\na\r\n$8\r\nb", &total, "1(1:a)" TOO_BIG " after 11");

	/* The bound falls into a line, behind an argument and on the last line. */
	static const struct resp_limits tiny = {10, 20, 16};
	EXPECT("*2\r\n$1\r\na\r\n$1\r\nb\r\n", &tiny, TOO_BIG " after 0");
	EXPECT("*2\r\n$6\r\naaaaaa\r\n$1\r\nb\r\n", &tiny, TOO_BIG " after 0");
	EXPECT("*0000000000000\r\n", &tiny, BAD_COUNT " after 0");
	EXPECT("*00000000000000\r\n", &tiny, TOO_BIG " after 0");
}
END_TEST

/* Fills a block of len bytes with c, behind head. */
static uint8_t *long_line(const char *head, size_t len, char c)
{
	uint8_t *line = malloc(len);
	ck_assert_ptr_nonnull(line);
	memset(line, c, len);
	memcpy(line, head, strlen(head));
	return line;
}

static void expect_in_pieces(struct bytes data, const char *expected)
{
	for (size_t step_max = 0; step_max <= 3000; step_max += 3000) {
		struct buffer got = feed(data, step_max, 1, &usual);
		add(&got, "", 1);
		ck_assert_str_eq((const char *)buffer_head(&got), expected);
		buffer_reset(&got);
	}
}

START_TEST(long_lines_are_refused)
{
	static const struct {
		const char *head; /* the line begins with its last byte */
		size_t line_at;
		const char *error;
	} cases[] = {
	    {"*", 0, "ERR Protocol error: too big mbulk count string after 0"},
	    {"*1\r\n$", 4, "ERR Protocol error: too big bulk count string after 0"},
	    {"x", 0, "ERR Protocol error: too big inline request after 0"},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		/* A line of the longest, one byte more, and that one with its end. */
		size_t len = cases[i].line_at + RESP_LINE_MAX;
		uint8_t *line = long_line(cases[i].head, len + 3, '1');
		memcpy(line + len + 1, "\r\n", 2);
		expect_in_pieces(bytes_of(line, len), "more after 0");
		expect_in_pieces(bytes_of(line, len + 1), cases[i].error);
		expect_in_pieces(bytes_of(line, len + 3), cases[i].error);
		free(line);
	}
}
END_TEST

/* A value of 16 MiB arrives: the parser says how much it waits for and looks at no
 * byte before that. */
START_TEST(large_value_is_not_looked_at_twice)
{
	static const char head[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$16777216\r\n";
	const size_t head_len = sizeof(head) - 1, value_len = 16 * 1024 * 1024;
	const size_t len = head_len + value_len + 2;
	uint8_t *data = long_line(head, len, 'v');
	struct resp_parser parser = RESP_PARSER_START;
	struct resp_request request;
	resp_request_init(&request);
	for (size_t have = head_len; have < len; have += 4096) {
		struct bytes input = bytes_of(data, have);
		ck_assert_int_eq(resp_parser_next(&parser, input, &usual, &request), DHT_EAGAIN);
		ck_assert_uint_eq(parser.need, len);
		/* Would be refused if it were read again. */
		data[1] = data[4] = '!';
	}
	data[1] = '3';
	data[4] = '$';
	ck_assert_int_eq(resp_parser_next(&parser, bytes_of(data, len), &usual, &request), 0);
	ck_assert_uint_eq(request.argc, 3);
	ck_assert_uint_eq(request.consumed, len);
	ck_assert_ptr_eq(request.args[2].data, data + head_len);
	ck_assert_uint_eq(request.args[2].len, value_len);
	ck_assert_uint_eq(parser.need, 0);
	resp_request_fini(&request);
	free(data);
}
END_TEST

/* Limits that shrink in the middle of a request, as a reload may make them, hold for
 * what was not looked at yet. */
START_TEST(limits_may_change)
{
	static const char text[] = "*2\r\n$3\r\nGET\r\n$4\r\nabcd\r\n";
	static const struct {
		struct resp_limits limits;
		int rc;
	} cases[] = {{{1, 4, 100}, 0},
		     {{9, 3, 100}, DHT_EPROTO},
		     {{9, 4, 20}, DHT_EPROTO},
		     {{9, 9, 5}, DHT_EPROTO}};
	struct resp_request request;
	resp_request_init(&request);
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct resp_parser parser = RESP_PARSER_START;
		ck_assert_int_eq(resp_parser_next(&parser, bytes_of(text, 15), &usual, &request),
				 DHT_EAGAIN);
		int rc = resp_parser_next(&parser, bytes_of(text, sizeof(text) - 1),
					  &cases[i].limits, &request);
		ck_assert_int_eq(rc, cases[i].rc);
	}
	resp_request_fini(&request);
}
END_TEST

/* As many arguments as a request may have, arriving in pieces of 16 KiB: what was
 * passed is not looked at again, and their list is given back afterwards. */
START_TEST(a_million_arguments)
{
	static const char arg[] = "$1\r\nx\r\n";
	const size_t arg_len = sizeof(arg) - 1, head_len = strlen("*1048576\r\n");
	const size_t len = head_len + RESP_ARGS_MAX * arg_len;
	uint8_t *data = long_line("*1048576\r\n", len, 0);
	for (size_t i = 0; i < RESP_ARGS_MAX; i++)
		memcpy(data + head_len + i * arg_len, arg, arg_len);
	struct resp_parser parser = RESP_PARSER_START;
	struct resp_request request;
	resp_request_init(&request);
	for (size_t have = 16384; have < len; have += 16384) {
		struct bytes input = bytes_of(data, have);
		uint32_t before = parser.offset;
		ck_assert_int_eq(resp_parser_next(&parser, input, &usual, &request), DHT_EAGAIN);
		ck_assert_uint_gt(parser.offset, before);
		ck_assert_uint_ge(parser.offset + arg_len, have);
		/* Would be refused if it were read again. */
		data[1] = '!';
	}
	data[1] = '1';
	ck_assert_ptr_eq(request.args, request.args_fixed);
	ck_assert_int_eq(resp_parser_next(&parser, bytes_of(data, len), &usual, &request), 0);
	ck_assert_uint_eq(request.argc, RESP_ARGS_MAX);
	ck_assert_ptr_eq(request.args[RESP_ARGS_MAX - 1].data, data + len - 3);
	resp_request_trim(&request);
	ck_assert_ptr_eq(request.args, request.args_fixed);
	free(data);
}
END_TEST

/* More arguments than the fixed ones, whole and as the first request of a worker. */
START_TEST(list_of_arguments_grows)
{
	for (size_t count = RESP_ARGS_FIXED - 1; count <= RESP_ARGS_FIXED + 2; count++) {
		struct buffer data = BUFFER_EMPTY, expected = BUFFER_EMPTY;
		ck_assert_int_eq(buffer_printf(&data, STREAM_MAX, "*%zu\r\n", count), 0);
		ck_assert_int_eq(buffer_printf(&expected, STREAM_MAX, "%zu(", count), 0);
		for (size_t i = 0; i < count; i++) {
			ck_assert_int_eq(buffer_printf(&data, STREAM_MAX, "$3\r\n%03zu\r\n", i), 0);
			ck_assert_int_eq(buffer_printf(&expected, STREAM_MAX, "3:%03zu", i), 0);
		}
		ck_assert_int_eq(buffer_printf(&expected, STREAM_MAX, ")more after %zu", data.len),
				 0);
		add(&expected, "", 1);
		expect(bytes_of(buffer_head(&data), data.len), &usual,
		       (const char *)buffer_head(&expected));
		buffer_reset(&data);
		buffer_reset(&expected);
	}
}
END_TEST

/* Appends a valid request of random arguments to data, and what it is to the transcript. */
static void add_random_request(uint64_t *seed, struct buffer *data, struct buffer *expected)
{
	static uint8_t value[600];
	size_t argc = 1 + next_random(seed) % (next_random(seed) % 16 == 0 ? 100 : 4);
	ck_assert_int_eq(buffer_printf(data, STREAM_MAX, "*%zu\r\n", argc), 0);
	ck_assert_int_eq(buffer_printf(expected, STREAM_MAX, "%zu(", argc), 0);
	for (size_t i = 0; i < argc; i++) {
		size_t len = next_random(seed) % (next_random(seed) % 32 == 0 ? sizeof(value) : 24);
		for (size_t k = 0; k < len; k++)
			value[k] = (uint8_t) "\r\n$*0123456789\0\xff"[next_random(seed) % 16];
		ck_assert_int_eq(buffer_printf(data, STREAM_MAX, "$%zu\r\n", len), 0);
		add(data, value, len);
		add(data, "\r\n", 2);
		ck_assert_int_eq(buffer_printf(expected, STREAM_MAX, "%zu:", len), 0);
		add(expected, value, len);
	}
	add(expected, ")", 1);
}

/* Random streams of valid requests come out as they went in, however they are cut. */
START_TEST(random_streams_survive_any_cut)
{
	uint64_t seed = 0x9e3779b97f4a7c15u + (uint64_t)_i;
	struct buffer data = BUFFER_EMPTY, expected = BUFFER_EMPTY;
	for (int i = 0; i < 20; i++)
		add_random_request(&seed, &data, &expected);
	ck_assert_int_eq(buffer_printf(&expected, STREAM_MAX, "more after %zu", data.len), 0);
	static const size_t steps[] = {0, 1, 7, 100, 3000};
	for (size_t i = 0; i < DHT_ARRAY_LEN(steps); i++) {
		struct buffer got =
		    feed(bytes_of(buffer_head(&data), data.len), steps[i], seed, &usual);
		ck_assert_msg(is_same(&got, &expected), "stream %d differs, steps to %zu", _i,
			      steps[i]);
		buffer_reset(&got);
	}
	buffer_reset(&data);
	buffer_reset(&expected);
}
END_TEST

/* Damaged streams give one verdict, however they are cut: the pass over whole
 * requests and the scan that resumes must agree on every error. */
START_TEST(damaged_streams_give_one_verdict)
{
	static const char damage[] = "\r\n$*-0123456789 \"'\\x\0a";
	static const struct resp_limits narrow = {60, 3000, 4000};
	uint64_t seed = 0xd1b54a32d192ed03u + (uint64_t)_i;
	struct buffer data = BUFFER_EMPTY, ignored = BUFFER_EMPTY;
	for (int i = 0; i < 4; i++)
		add_random_request(&seed, &data, &ignored);
	for (int round = 0; round < 20; round++) {
		/* Most of a stream's first bytes are headers. */
		size_t at = next_random(&seed) % (round % 2 == 0 ? 12 : data.len);
		buffer_head(&data)[at] = (uint8_t)damage[next_random(&seed) % sizeof(damage)];
		struct bytes input = bytes_of(buffer_head(&data), data.len);
		const struct resp_limits *limits = round % 3 == 0 ? &narrow : &usual;
		struct buffer whole = feed(input, 0, seed, limits);
		struct buffer bytewise = feed(input, 1, seed, limits);
		struct buffer pieces = feed(input, 50, seed, limits);
		ck_assert_msg(is_same(&whole, &bytewise), "stream %d differs byte by byte", _i);
		ck_assert_msg(is_same(&whole, &pieces), "stream %d differs in pieces", _i);
		buffer_reset(&whole);
		buffer_reset(&bytewise);
		buffer_reset(&pieces);
	}
	buffer_reset(&data);
	buffer_reset(&ignored);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resp_parser");
	TCase *arrays = tcase_create("arrays");
	tcase_set_timeout(arrays, 60);
	tcase_add_test(arrays, array_gives_its_arguments);
	tcase_add_test(arrays, incomplete_array_waits);
	tcase_add_test(arrays, empty_array_is_skipped);
	tcase_add_test(arrays, line_ends_are_passed_over_unread);
	tcase_add_test(arrays, bad_count_is_refused);
	tcase_add_test(arrays, bad_length_is_refused);
	tcase_add_test(arrays, argument_without_dollar_is_refused);
	tcase_add_test(arrays, error_is_said_again);
	tcase_add_test(arrays, bounds_of_a_request);
	tcase_add_test(arrays, long_lines_are_refused);
	tcase_add_test(arrays, large_value_is_not_looked_at_twice);
	tcase_add_test(arrays, limits_may_change);
	tcase_add_test(arrays, a_million_arguments);
	tcase_add_test(arrays, list_of_arguments_grows);
	tcase_add_loop_test(arrays, random_streams_survive_any_cut, 0, 20);
	tcase_add_loop_test(arrays, damaged_streams_give_one_verdict, 0, 40);
	suite_add_tcase(suite, arrays);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
