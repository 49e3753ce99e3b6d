/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/encoding.h"

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

static void assert_encodes(enum cli_encoding encoding, struct bytes bytes, const char *expected)
{
	struct buffer out = BUFFER_EMPTY;
	struct buffer back = BUFFER_EMPTY;
	size_t position;
	ck_assert_int_eq(cli_encoding_encode(encoding, bytes, &out), 0);
	ck_assert_uint_eq(out.len, strlen(expected));
	if (out.len > 0)
		ck_assert_mem_eq(buffer_head(&out), expected, out.len);
	ck_assert_int_eq(cli_encoding_decode(encoding, text(expected), &back, &position), 0);
	ck_assert(bytes_equal(bytes_of(back.data, back.len), bytes));
	buffer_reset(&out);
	buffer_reset(&back);
}

static void assert_refused(enum cli_encoding encoding, const char *s, size_t expected_position)
{
	struct buffer out = BUFFER_EMPTY;
	size_t position = 999;
	ck_assert_msg(cli_encoding_decode(encoding, text(s), &out, &position) == DHT_EINVAL,
		      "accepted: %s", s);
	ck_assert_msg(position == expected_position, "%s: position %zu", s, position);
	ck_assert_uint_eq(out.len, 0);
	buffer_reset(&out);
}

START_TEST(known_answers)
{
	/* RFC 4648, section 10 */
	assert_encodes(CLI_BASE64, text(""), "");
	assert_encodes(CLI_BASE64, text("f"), "Zg==");
	assert_encodes(CLI_BASE64, text("fo"), "Zm8=");
	assert_encodes(CLI_BASE64, text("foo"), "Zm9v");
	assert_encodes(CLI_BASE64, text("foob"), "Zm9vYg==");
	assert_encodes(CLI_BASE64, text("fooba"), "Zm9vYmE=");
	assert_encodes(CLI_BASE64, text("foobar"), "Zm9vYmFy");
	assert_encodes(CLI_BASE64, bytes_of("\xfb\xff\xbe", 3), "+/++");
	assert_encodes(CLI_HEX, text(""), "");
	assert_encodes(CLI_HEX, text("foobar"), "666f6f626172");
	assert_encodes(CLI_HEX, bytes_of("\x00\xff\x0a", 3), "00ff0a");
	assert_encodes(CLI_PLAIN, text("caf\xc3\xa9"), "caf\xc3\xa9");
}
END_TEST

START_TEST(hexadecimal_digits_may_be_of_either_case)
{
	struct buffer out = BUFFER_EMPTY;
	size_t position;
	ck_assert_int_eq(cli_encoding_decode(CLI_HEX, text("aBCdeF"), &out, &position), 0);
	ck_assert(bytes_equal(bytes_of(out.data, out.len), bytes_of("\xab\xcd\xef", 3)));
	buffer_reset(&out);
}
END_TEST

START_TEST(every_length_round_trips)
{
	uint8_t bytes[300];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 167 + 13);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		for (int encoding = CLI_PLAIN; encoding <= CLI_BASE64; encoding++) {
			struct buffer out = BUFFER_EMPTY;
			struct buffer back = BUFFER_EMPTY;
			size_t position;
			ck_assert_int_eq(cli_encoding_encode((enum cli_encoding)encoding,
							     bytes_of(bytes, len), &out),
					 0);
			ck_assert_int_eq(cli_encoding_decode((enum cli_encoding)encoding,
							     bytes_of(out.data, out.len), &back,
							     &position),
					 0);
			ck_assert(bytes_equal(bytes_of(back.data, back.len), bytes_of(bytes, len)));
			buffer_reset(&out);
			buffer_reset(&back);
		}
	}
}
END_TEST

START_TEST(results_are_appended)
{
	struct buffer out = BUFFER_EMPTY;
	size_t position;
	ck_assert_int_eq(cli_encoding_encode(CLI_HEX, text("a"), &out), 0);
	ck_assert_int_eq(cli_encoding_encode(CLI_BASE64, text("foo"), &out), 0);
	ck_assert_int_eq(cli_encoding_decode(CLI_HEX, text("7a"), &out, &position), 0);
	ck_assert(bytes_equal(bytes_of(out.data, out.len), text("61Zm9vz")));
	buffer_reset(&out);
}
END_TEST

START_TEST(malformed_text_is_refused_where_it_is_wrong)
{
	assert_refused(CLI_HEX, "0", 1);
	assert_refused(CLI_HEX, "012", 3);
	assert_refused(CLI_HEX, "0g", 1);
	assert_refused(CLI_HEX, "0x00", 1);
	assert_refused(CLI_HEX, "00 1", 2);
	assert_refused(CLI_BASE64, "Z", 1);
	assert_refused(CLI_BASE64, "Zg", 2);
	assert_refused(CLI_BASE64, "Zm9", 3);
	assert_refused(CLI_BASE64, "Zm9vY", 5);
	assert_refused(CLI_BASE64, "Zg=", 2);
	assert_refused(CLI_BASE64, "=", 0);
	assert_refused(CLI_BASE64, "====", 0);
	assert_refused(CLI_BASE64, "Z===", 1);
	assert_refused(CLI_BASE64, "Zg==Zg==", 2);
	assert_refused(CLI_BASE64, "Zm9v\n", 4);
	assert_refused(CLI_BASE64, "Zm-v", 2);
	/* Bits that stand for no byte must be zero. */
	assert_refused(CLI_BASE64, "Zh==", 1);
	assert_refused(CLI_BASE64, "Zm9=", 2);
}
END_TEST

START_TEST(what_no_frame_holds_is_too_long)
{
	static uint8_t much[CLI_ENCODING_MAX / 2 + 1];
	struct buffer out = BUFFER_EMPTY;
	ck_assert_int_eq(cli_encoding_encode(CLI_HEX, bytes_of(much, sizeof(much)), &out),
			 DHT_EFULL);
	ck_assert_int_eq(cli_encoding_encode(CLI_HEX, bytes_of(much, sizeof(much) - 1), &out), 0);
	ck_assert_uint_eq(out.len, CLI_ENCODING_MAX);
	buffer_reset(&out);
}
END_TEST

/* Writes a code point as UTF-8 the plain way, valid or not; returns its length. */
static size_t write_code_point(uint32_t c, size_t len, uint8_t out[4])
{
	static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = len; i-- > 1; c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3f));
	out[0] = (uint8_t)(len == 1 ? c : leads[len] | c);
	return len;
}

START_TEST(every_code_point_has_one_form)
{
	static const uint32_t limits[] = {0, 0x80, 0x800, 0x10000, 0x200000};
	for (uint32_t c = 0; c < 0x150000; c++) {
		for (size_t len = 1; len <= 4; len++) {
			uint8_t form[4];
			if (c >= limits[len])
				continue;
			write_code_point(c, len, form);
			bool is_shortest = c >= limits[len - 1];
			bool is_scalar = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
			size_t expected = is_shortest && is_scalar ? len : 0;
			ck_assert_msg(cli_encoding_utf8_length(form, len) == expected,
				      "U+%04X in %zu bytes", c, len);
			if (len > 1)
				ck_assert_uint_eq(cli_encoding_utf8_length(form, len - 1), 0);
		}
	}
}
END_TEST

START_TEST(utf8_text_is_told_from_bytes)
{
	ck_assert(cli_encoding_is_utf8(bytes_of(NULL, 0)));
	ck_assert(cli_encoding_is_utf8(bytes_of("a\0b\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 12)));
	ck_assert(!cli_encoding_is_utf8(bytes_of("\x80", 1)));
	ck_assert(!cli_encoding_is_utf8(bytes_of("a\xff", 2)));
	ck_assert(!cli_encoding_is_utf8(bytes_of("\xc3(", 2)));
	ck_assert(!cli_encoding_is_utf8(bytes_of("\xe2\x82", 2)));
	ck_assert(!cli_encoding_is_utf8(bytes_of("\xe2\x82(", 3)));
	ck_assert(!cli_encoding_is_utf8(bytes_of("\xf5\x80\x80\x80", 4)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli/encoding");
	TCase *tcase = tcase_create("encoding");
	tcase_add_test(tcase, known_answers);
	tcase_add_test(tcase, hexadecimal_digits_may_be_of_either_case);
	tcase_add_test(tcase, every_length_round_trips);
	tcase_add_test(tcase, results_are_appended);
	tcase_add_test(tcase, malformed_text_is_refused_where_it_is_wrong);
	tcase_add_test(tcase, what_no_frame_holds_is_too_long);
	tcase_add_test(tcase, every_code_point_has_one_form);
	tcase_add_test(tcase, utf8_text_is_told_from_bytes);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
