/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/parser: requests that are lines, with Redis's rules for quotes. Each line is
 * handed over at once, and byte by byte in a block of exactly its size. What Redis
 * 7.0.15 makes of the same lines was compared when the expectations were written,
 * but for NUL bytes, which it does not get past.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "resp/parser.h"

static const struct resp_limits usual = {RESP_ARGS_MAX, RESP_REQUEST_MAX, RESP_REQUEST_MAX};

/* Hands over a copy of the first len bytes of line. The caller frees it. */
static int parse(struct resp_parser *parser, const char *line, size_t len,
		 const struct resp_limits *limits, struct resp_request *request, uint8_t **block)
{
	*block = malloc(len > 0 ? len : 1);
	ck_assert_ptr_nonnull(*block);
	memcpy(*block, line, len);
	return resp_parser_next(parser, bytes_of(*block, len), limits, request);
}

static void check_args(const struct resp_request *request, const struct bytes *expected,
		       size_t count)
{
	ck_assert_uint_eq(request->argc, count);
	for (size_t i = 0; i < count; i++) {
		ck_assert_uint_eq(request->args[i].len, expected[i].len);
		ck_assert(bytes_equal(request->args[i], expected[i]));
	}
}

/* Checks that line, of which the last byte completes it, gives the result rc and, for
 * 0, the arguments expected. */
static void expect(const char *line, size_t len, int rc, const struct bytes *expected, size_t count)
{
	struct resp_request request;
	resp_request_init(&request);
	const size_t first_lens[] = {1, len};
	for (size_t i = 0; i < DHT_ARRAY_LEN(first_lens); i++) {
		struct resp_parser parser = RESP_PARSER_START;
		uint8_t *block;
		for (size_t have = first_lens[i]; have < len; have++) {
			int got = parse(&parser, line, have, &usual, &request, &block);
			ck_assert_int_eq(got, DHT_EAGAIN);
			ck_assert_uint_eq(parser.need, have + 1);
			free(block);
		}
		ck_assert_int_eq(parse(&parser, line, len, &usual, &request, &block), rc);
		if (rc == 0) {
			ck_assert_uint_eq(request.consumed, len);
			check_args(&request, expected, count);
		}
		free(block);
	}
	resp_request_fini(&request);
}

#define ARG(text) bytes_of(text, sizeof(text) - 1)
#define EXPECT(line, ...)                                                                          \
	do {                                                                                       \
		const struct bytes expected_[] = {__VA_ARGS__};                                    \
		expect(line, sizeof(line) - 1, 0, expected_, DHT_ARRAY_LEN(expected_));            \
	} while (0)

START_TEST(words_are_arguments)
{
	EXPECT("PING\r\n", ARG("PING"));
	EXPECT("PING\n", ARG("PING"));
	EXPECT("GET key\r\n", ARG("GET"), ARG("key"));
	EXPECT(" \t GET \v\f key \t\r\n", ARG("GET"), ARG("key"));
	EXPECT("GET a\rb\r\r\n", ARG("GET"), ARG("a"), ARG("b"));
	EXPECT("GET \xff\x80\n", ARG("GET"), ARG("\xff\x80"));
	EXPECT("$4\r\n", ARG("$4"));
	/* Skipped before an argument, but not the end of one. */
	EXPECT("a\vb \vc\fd\n", ARG("a\vb"), ARG("c\fd"));
	EXPECT("GET a\0b\r\n", ARG("GET"), ARG("a\0b"));
}
END_TEST

START_TEST(double_quotes)
{
	EXPECT("ECHO \"a b\"\r\n", ARG("ECHO"), ARG("a b"));
	EXPECT("ECHO \"\"\r\n", ARG("ECHO"), ARG(""));
	EXPECT("\"\" \"\"\n", ARG(""), ARG(""));
	EXPECT("ECHO a\"b c\"\r\n", ARG("ECHO"), ARG("ab c"));
	EXPECT("ECHO \"a\rb\"\r\n", ARG("ECHO"), ARG("a\rb"));
	EXPECT("ECHO \"a\"\vb\r\n", ARG("ECHO"), ARG("a"), ARG("b"));
	EXPECT("ECHO \"it's\" \"b\"\r\n", ARG("ECHO"), ARG("it's"), ARG("b"));
}
END_TEST

START_TEST(escapes_in_double_quotes)
{
	EXPECT("\"\\n\\r\\t\\b\\a\"\n", ARG("\n\r\t\b\a"));
	EXPECT("\"\\\"\\\\\\q\\'\"\n", ARG("\"\\q'"));
	EXPECT("\"\\x00\\xff\\xAb\\x7F\"\n", ARG("\0\xff\xab\x7f"));
	EXPECT("\"\\xg0\\x0g\\x1\"\n", ARG("xg0x0gx1"));
	EXPECT("\"\\x41\\x422\"\n", ARG("AB2"));
	EXPECT("\"a\\x4\" b\n", ARG("ax4"), ARG("b"));
}
END_TEST

START_TEST(single_quotes)
{
	EXPECT("ECHO 'a b'\r\n", ARG("ECHO"), ARG("a b"));
	EXPECT("ECHO ''\r\n", ARG("ECHO"), ARG(""));
	EXPECT("'it\\'s'\n", ARG("it's"));
	EXPECT("'\\n\\x41\\\\ '\n", ARG("\\n\\x41\\\\ "));
	EXPECT("'a\"b'\n", ARG("a\"b"));
	EXPECT("x'y z' w\n", ARG("xy z"), ARG("w"));
}
END_TEST

START_TEST(unbalanced_quotes_are_refused)
{
	static const char *const lines[] = {"\"\n",     "'\n",      "ECHO \"a\r\n", "ECHO 'a\r\n",
					    "\"a\"b\n", "'a'b\n",   "\"a\"\"b\"\n", "'a''b'\n",
					    "\"a'\n",   "'a\"\n",   "\"a\\\"\n",    "'a\\'\n",
					    "\"a\\\n",  "\"\\x4\n", "a\"b\n",       "a'b\n"};
	for (size_t i = 0; i < DHT_ARRAY_LEN(lines); i++)
		expect(lines[i], strlen(lines[i]), DHT_EPROTO, NULL, 0);
	struct resp_parser parser = RESP_PARSER_START;
	struct resp_request request;
	resp_request_init(&request);
	struct bytes input = bytes_of("\"\n", 2);
	ck_assert_int_eq(resp_parser_next(&parser, input, &usual, &request), DHT_EPROTO);
	ck_assert_str_eq(request.error, "ERR Protocol error: unbalanced quotes in request");
	resp_request_fini(&request);
}
END_TEST

START_TEST(empty_lines_are_skipped)
{
	static const char *const lines[] = {"\n",     "\r\n", "  \t\r\n",
					    "\r\r\n", "\v\n", "\n\r\n \n"};
	struct resp_request request;
	resp_request_init(&request);
	for (size_t i = 0; i < DHT_ARRAY_LEN(lines); i++) {
		struct resp_parser parser = RESP_PARSER_START;
		struct bytes input = bytes_of(lines[i], strlen(lines[i]));
		int rc = resp_parser_next(&parser, input, &usual, &request);
		ck_assert_int_eq(rc, DHT_EAGAIN);
		ck_assert_uint_eq(request.consumed, input.len);
		ck_assert_uint_eq(parser.need, 0);
	}
	/* What is skipped before an incomplete request is consumed at once. */
	struct resp_parser parser = RESP_PARSER_START;
	ck_assert_int_eq(resp_parser_next(&parser, bytes_of("\n\r\nPI", 5), &usual, &request),
			 DHT_EAGAIN);
	ck_assert_uint_eq(request.consumed, 3);
	ck_assert_uint_eq(parser.need, 3);
	ck_assert_int_eq(resp_parser_next(&parser, bytes_of("PING\n", 5), &usual, &request), 0);
	ck_assert_uint_eq(request.argc, 1);
	ck_assert_uint_eq(request.consumed, 5);
	resp_request_fini(&request);
}
END_TEST

START_TEST(line_and_array_take_turns)
{
	static const char text[] = "PING \"a b\"\r\n\n*1\r\n$4\r\nPING\r\nGET x\n";
	struct bytes input = bytes_of(text, sizeof(text) - 1);
	static const size_t lens[] = {2, 1, 2};
	struct resp_parser parser = RESP_PARSER_START;
	struct resp_request request;
	resp_request_init(&request);
	for (size_t i = 0; i < DHT_ARRAY_LEN(lens); i++) {
		ck_assert_int_eq(resp_parser_next(&parser, input, &usual, &request), 0);
		ck_assert_uint_eq(request.argc, lens[i]);
		input = bytes_of(input.data + request.consumed, input.len - request.consumed);
	}
	ck_assert_uint_eq(input.len, 0);
	resp_request_fini(&request);
}
END_TEST

/* A line that arrives in pieces is searched for its end once. */
START_TEST(line_is_not_looked_at_twice)
{
	uint8_t line[] = "ECHO abc\n";
	struct resp_parser parser = RESP_PARSER_START;
	struct resp_request request;
	resp_request_init(&request);
	ck_assert_int_eq(resp_parser_next(&parser, bytes_of(line, 6), &usual, &request),
			 DHT_EAGAIN);
	line[2] = '\n'; /* would end the line if it were read again */
	ck_assert_int_eq(resp_parser_next(&parser, bytes_of(line, 7), &usual, &request),
			 DHT_EAGAIN);
	ck_assert_uint_eq(request.consumed, 0);
	line[2] = 'H';
	ck_assert_int_eq(resp_parser_next(&parser, bytes_of(line, 9), &usual, &request), 0);
	const struct bytes expected[] = {ARG("ECHO"), ARG("abc")};
	check_args(&request, expected, DHT_ARRAY_LEN(expected));
	resp_request_fini(&request);
}
END_TEST

/* The longest line there is, of as many arguments as fit, quoted and not. */
START_TEST(longest_line)
{
	uint8_t *line = malloc(RESP_LINE_MAX + 1);
	ck_assert_ptr_nonnull(line);
	struct resp_request request;
	resp_request_init(&request);
	for (int quoted = 0; quoted <= 1; quoted++) {
		for (size_t i = 0; i < RESP_LINE_MAX; i++)
			line[i] = i % 2 == 0 ? 'a' : ' ';
		size_t argc = RESP_LINE_MAX / 2;
		if (quoted) {
			memcpy(line, "\"a\" ", 4);
			argc--;
		}
		line[RESP_LINE_MAX] = '\n';
		struct resp_parser parser = RESP_PARSER_START;
		struct bytes input = bytes_of(line, RESP_LINE_MAX);
		ck_assert_int_eq(resp_parser_next(&parser, input, &usual, &request), DHT_EAGAIN);
		input.len++;
		ck_assert_int_eq(resp_parser_next(&parser, input, &usual, &request), 0);
		ck_assert_uint_eq(request.argc, argc);
		for (size_t i = 0; i < argc; i++)
			ck_assert(bytes_equal(request.args[i], bytes_of("a", 1)));
	}
	ck_assert_ptr_nonnull(request.scratch);
	resp_request_trim(&request);
	ck_assert_ptr_null(request.scratch);
	ck_assert_ptr_eq(request.args, request.args_fixed);
	resp_request_fini(&request);
	free(line);
}
END_TEST

START_TEST(bounds_of_a_line)
{
	static const struct {
		struct resp_limits limits;
		const char *line;
		const char *error; /* NULL: it is within the bounds */
	} cases[] = {
	    {{2, 100, 100}, "a b\n", NULL},
	    {{2, 100, 100}, "a b c\n", "ERR Protocol error: too big inline request"},
	    {{2, 100, 100}, "a b ''\n", "ERR Protocol error: too big inline request"},
	    {{9, 3, 100}, "abc d\n", NULL},
	    {{9, 3, 100}, "d abcd\n", "ERR Protocol error: too big inline request"},
	    {{9, 9, 6}, "abc d\n", NULL},
	    {{9, 9, 5}, "abc d\n", "ERR Protocol error: too big request"},
	};
	struct resp_request request;
	resp_request_init(&request);
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct resp_parser parser = RESP_PARSER_START;
		uint8_t *block;
		int rc = parse(&parser, cases[i].line, strlen(cases[i].line), &cases[i].limits,
			       &request, &block);
		ck_assert_int_eq(rc, cases[i].error == NULL ? 0 : DHT_EPROTO);
		if (cases[i].error != NULL)
			ck_assert_str_eq(request.error, cases[i].error);
		free(block);
	}
	resp_request_fini(&request);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resp_inline");
	TCase *lines = tcase_create("lines");
	tcase_add_test(lines, words_are_arguments);
	tcase_add_test(lines, double_quotes);
	tcase_add_test(lines, escapes_in_double_quotes);
	tcase_add_test(lines, single_quotes);
	tcase_add_test(lines, unbalanced_quotes_are_refused);
	tcase_add_test(lines, empty_lines_are_skipped);
	tcase_add_test(lines, line_and_array_take_turns);
	tcase_add_test(lines, line_is_not_looked_at_twice);
	tcase_add_test(lines, longest_line);
	tcase_add_test(lines, bounds_of_a_line);
	suite_add_tcase(suite, lines);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
