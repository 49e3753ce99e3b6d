/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/text.h"
#include "unit.h"

START_TEST(an_integer_has_one_form)
{
	static const struct {
		const char *text;
		int64_t number;
	} good[] = {
	    {"0", 0},
	    {"7", 7},
	    {"-1", -1},
	    {"10", 10},
	    {"9223372036854775807", INT64_MAX},
	    {"-9223372036854775808", INT64_MIN},
	};
	static const char *const bad[] = {"",
					  "-",
					  "-0",
					  "+1",
					  "01",
					  "-01",
					  " 1",
					  "1 ",
					  "1.0",
					  "1e3",
					  "0x10",
					  "--1",
					  "9223372036854775808",
					  "-9223372036854775809",
					  "18446744073709551616",
					  "99999999999999999999"};
	int64_t number;
	for (size_t i = 0; i < DHT_ARRAY_LEN(good); i++) {
		ck_assert(text_parse_integer(bytes_of_text(good[i].text), &number));
		ck_assert_int_eq(number, good[i].number);
	}
	for (size_t i = 0; i < DHT_ARRAY_LEN(bad); i++)
		ck_assert_msg(!text_parse_integer(bytes_of_text(bad[i]), &number), "%s", bad[i]);
	ck_assert(!text_parse_integer(bytes_of("1\0002", 3), &number));
}
END_TEST

static bool is_alike(const char *a, const char *b)
{
	return text_is_alike(bytes_of_text(a), bytes_of_text(b));
}

START_TEST(only_letters_have_a_case)
{
	for (unsigned c = 0; c < 256; c++) {
		unsigned lower = c >= 'A' && c <= 'Z' ? c + 32 : c;
		ck_assert_uint_eq(text_lower((uint8_t)c), lower);
		for (unsigned d = 0; d < 256; d++) {
			unsigned other = d >= 'A' && d <= 'Z' ? d + 32 : d;
			uint8_t a = (uint8_t)c, b = (uint8_t)d;
			ck_assert_int_eq(text_is_alike(bytes_of(&a, 1), bytes_of(&b, 1)),
					 lower == other);
		}
	}
	ck_assert(is_alike("SetEx", "sEtEX"));
	ck_assert(is_alike("", ""));
	ck_assert(!is_alike("SETEX", "SETE"));
	ck_assert(!is_alike("SETE", "SETEX"));
	ck_assert(!is_alike("", "A"));
	ck_assert(text_is_alike(bytes_of(NULL, 0), bytes_of_text("")));
}
END_TEST

UNIT_MAIN("text", 4, an_integer_has_one_form, only_letters_have_a_case)
