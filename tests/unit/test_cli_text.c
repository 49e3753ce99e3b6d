/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/text.h"

static void assert_cleaned(const char *dirty, const char *expected)
{
	char text[64];
	strcpy(text, dirty);
	cli_text_clean(text);
	ck_assert_str_eq(text, expected);
}

START_TEST(cleaned_text_is_one_harmless_line)
{
	assert_cleaned("", "");
	assert_cleaned("plain text, caf\xc3\xa9 \xe2\x82\xac",
		       "plain text, caf\xc3\xa9 \xe2\x82\xac");
	assert_cleaned("a\nb\rc\td\x1b[31m\x7f", "a?b?c?d?[31m?");
	assert_cleaned("c1 \xc2\x9b control", "c1 ? control");
	assert_cleaned("not utf-8: \xff\xc3", "not utf-8: ??");
	assert_cleaned("\xc2\xa0 stays", "\xc2\xa0 stays");
}
END_TEST

START_TEST(width_counts_characters)
{
	ck_assert_uint_eq(cli_text_width(""), 0);
	ck_assert_uint_eq(cli_text_width("abc"), 3);
	ck_assert_uint_eq(cli_text_width("caf\xc3\xa9"), 4);
	ck_assert_uint_eq(cli_text_width("\xf0\x9f\x98\x80"), 1);
}
END_TEST

static void assert_quoted(struct bytes bytes, const char *expected)
{
	char out[CLI_QUOTED_MAX];
	ck_assert_str_eq(cli_text_quote(bytes, out), expected);
}

START_TEST(quoted_keys_show_every_byte)
{
	assert_quoted(bytes_of(NULL, 0), "\"\"");
	assert_quoted(bytes_of("user:1", 6), "\"user:1\"");
	assert_quoted(bytes_of("a\0b\n\t\x1b\x7f\"\\", 9), "\"a\\x00b\\n\\t\\x1b\\x7f\\\"\\\\\"");
	assert_quoted(bytes_of("caf\xc3\xa9\xff", 6), "\"caf\xc3\xa9\\xff\"");
	assert_quoted(bytes_of("\xc2\x9b", 2), "\"\\u009b\"");
}
END_TEST

START_TEST(long_keys_are_cut)
{
	char key[300];
	char out[CLI_QUOTED_MAX];
	for (size_t len = 0; len < sizeof(key); len++) {
		memset(key, len % 2 == 0 ? 'k' : '\x01', sizeof(key));
		cli_text_quote(bytes_of(key, len), out);
		size_t shown = strlen(out);
		ck_assert_uint_lt(shown, CLI_QUOTED_MAX);
		if (len > CLI_QUOTED_MAX)
			ck_assert_str_eq(out + shown - 4, "\"...");
	}
}
END_TEST

static void assert_size(uint64_t bytes, const char *expected)
{
	char out[CLI_NUMBER_MAX];
	ck_assert_str_eq(cli_text_size(bytes, out), expected);
}

START_TEST(sizes_have_three_digits_at_most)
{
	assert_size(0, "0 B");
	assert_size(999, "999 B");
	assert_size(1023, "1023 B");
	assert_size(1024, "1.0 KiB");
	assert_size(1536, "1.5 KiB");
	assert_size(10 * 1024, "10 KiB");
	assert_size(1024 * 999, "999 KiB");
	assert_size(1024 * 1023, "1.0 MiB");
	assert_size(1048576, "1.0 MiB");
	assert_size(123 * 1048576, "123 MiB");
	assert_size(UINT64_C(5) << 40, "5.0 TiB");
	assert_size(UINT64_MAX, "16 EiB");
}
END_TEST

START_TEST(counts_have_commas)
{
	char out[CLI_NUMBER_MAX];
	ck_assert_str_eq(cli_text_count(0, out), "0");
	ck_assert_str_eq(cli_text_count(999, out), "999");
	ck_assert_str_eq(cli_text_count(1000, out), "1,000");
	ck_assert_str_eq(cli_text_count(1234567, out), "1,234,567");
	ck_assert_str_eq(cli_text_count(UINT64_MAX, out), "18,446,744,073,709,551,615");
}
END_TEST

START_TEST(durations_have_two_units)
{
	char out[CLI_NUMBER_MAX];
	ck_assert_str_eq(cli_text_duration(0, out), "0s");
	ck_assert_str_eq(cli_text_duration(59, out), "59s");
	ck_assert_str_eq(cli_text_duration(60, out), "1m 0s");
	ck_assert_str_eq(cli_text_duration(3599, out), "59m 59s");
	ck_assert_str_eq(cli_text_duration(3600, out), "1h 0m");
	ck_assert_str_eq(cli_text_duration(86399, out), "23h 59m");
	ck_assert_str_eq(cli_text_duration(3 * 86400 + 4 * 3600, out), "3d 4h");
	ck_assert_str_eq(cli_text_duration(UINT64_MAX, out), "213503982334601d 7h");
}
END_TEST

START_TEST(the_nearest_word_is_found)
{
	static const char *const words[] = {"status", "get", "put", "del", "dump", "load"};
	static const struct {
		const char *typed;
		const char *nearest;
	} cases[] = {
	    {"staus", "status"},  {"sttaus", "status"}, {"statuss", "status"},
	    {"stat", "status"},   {"xtatux", "status"}, {"gte", "get"},
	    {"gett", "get"},      {"pu", "put"},        {"delete", "del"},
	    {"dupm", "dump"},     {"laod", "load"},     {"d", NULL},
	    {"frobnicate", NULL}, {"xyz", NULL},        {"", NULL},
	    {"sxaxuxs", NULL},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		const char *nearest = cli_text_nearest(cases[i].typed, words, DHT_ARRAY_LEN(words));
		if (cases[i].nearest == NULL)
			ck_assert_msg(nearest == NULL, "%s: %s", cases[i].typed, nearest);
		else
			ck_assert_pstr_eq(nearest, cases[i].nearest);
	}
	char long_word[200];
	memset(long_word, 's', sizeof(long_word) - 1);
	long_word[sizeof(long_word) - 1] = '\0';
	ck_assert_ptr_null(cli_text_nearest(long_word, words, DHT_ARRAY_LEN(words)));
}
END_TEST

START_TEST(words_of_other_stores_are_known)
{
	ck_assert_pstr_eq(cli_command_nearest("set"), "put");
	ck_assert_pstr_eq(cli_command_nearest("rm"), "del");
	ck_assert_pstr_eq(cli_command_nearest("keys"), "scan");
	ck_assert_pstr_eq(cli_command_nearest("log_level"), "log-level");
	ck_assert_ptr_null(cli_command_nearest("zzzzz"));
}
END_TEST

START_TEST(usage_lines_say_which_options_a_command_takes)
{
	const struct cli_command *put = cli_command_find("put");
	ck_assert(cli_command_takes(put, "--hex"));
	ck_assert(cli_command_takes(put, "--base64"));
	ck_assert(cli_command_takes(put, "--if-absent"));
	ck_assert(cli_command_takes(put, "-v"));
	ck_assert(!cli_command_takes(put, "--if"));
	ck_assert(!cli_command_takes(put, "--version"));
	ck_assert(!cli_command_takes(cli_command_find("dump"), "--hex"));
	ck_assert(!cli_command_takes(cli_command_find("del"), "-v"));
	ck_assert(cli_command_takes(cli_command_find("cas"), "--version"));
}
END_TEST

START_TEST(exit_codes_agree_with_the_error_table)
{
	ck_assert_int_eq(dht_error_exit_code(DHT_EINVAL), CLI_EXIT_USAGE);
	ck_assert_int_eq(dht_error_exit_code(DHT_ENOTFOUND), CLI_EXIT_NOT_FOUND);
	ck_assert_int_eq(dht_error_exit_code(DHT_EUNAVAIL), CLI_EXIT_UNREACHABLE);
	ck_assert_int_eq(dht_error_exit_code(DHT_EPRECOND), CLI_EXIT_PRECONDITION);
	ck_assert_int_eq(dht_error_exit_code(DHT_EUNCERTAIN), CLI_EXIT_UNCERTAIN);
	ck_assert_int_eq(dht_error_exit_code(DHT_ENOQUORUM), CLI_EXIT_NO_QUORUM);
	ck_assert_int_eq(dht_error_exit_code(DHT_EDENIED), CLI_EXIT_DENIED);
	ck_assert_int_eq(dht_error_exit_code(DHT_EUNSAFE), CLI_EXIT_UNSAFE);
	ck_assert_int_eq(dht_error_exit_code(DHT_ENOSPC), CLI_EXIT_FAILED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli/text");
	TCase *tcase = tcase_create("text");
	tcase_add_test(tcase, cleaned_text_is_one_harmless_line);
	tcase_add_test(tcase, width_counts_characters);
	tcase_add_test(tcase, quoted_keys_show_every_byte);
	tcase_add_test(tcase, long_keys_are_cut);
	tcase_add_test(tcase, sizes_have_three_digits_at_most);
	tcase_add_test(tcase, counts_have_commas);
	tcase_add_test(tcase, durations_have_two_units);
	tcase_add_test(tcase, the_nearest_word_is_found);
	tcase_add_test(tcase, words_of_other_stores_are_known);
	tcase_add_test(tcase, usage_lines_say_which_options_a_command_takes);
	tcase_add_test(tcase, exit_codes_agree_with_the_error_table);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
