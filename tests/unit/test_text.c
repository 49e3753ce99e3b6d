/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "unit.h"

static struct bytes text(const char *t)
{
	return bytes_of(t, strlen(t));
}

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
		ck_assert(text_parse_integer(text(good[i].text), &number));
		ck_assert_int_eq(number, good[i].number);
	}
	for (size_t i = 0; i < DHT_ARRAY_LEN(bad); i++)
		ck_assert_msg(!text_parse_integer(text(bad[i]), &number), "%s", bad[i]);
	ck_assert(!text_parse_integer(bytes_of("1\0002", 3), &number));
}
END_TEST

UNIT_MAIN("text", 4, an_integer_has_one_form)
