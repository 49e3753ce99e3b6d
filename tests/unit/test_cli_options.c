/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/argument.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/options.h"

enum { WORDS_MAX = 16 };

static int messages; /* what goes to standard error during a test */

static void collect_messages(void)
{
	messages = memfd_create("stderr", 0);
	ck_assert_int_ge(messages, 0);
	ck_assert_int_eq(dup2(messages, STDERR_FILENO), STDERR_FILENO);
	unsetenv("DHTCTL_SOCKET");
}

/* Whether something was said since the last time; each message is one line. */
static bool has_message(const char *part)
{
	char text[4096] = "";
	ck_assert_int_ge(pread(messages, text, sizeof(text) - 1, 0), 0);
	ck_assert_int_eq(ftruncate(messages, 0), 0);
	ck_assert_int_eq(lseek(messages, 0, SEEK_SET), 0);
	const char *newline = strchr(text, '\n');
	ck_assert_msg(newline != NULL && newline[1] == '\0', "not one line: %s", text);
	ck_assert_msg(strncmp(text, "dhtctl: ", 8) == 0, "%s", text);
	return strstr(text, part) != NULL;
}

static int parse(struct cli_options *options, ...) __attribute__((sentinel));

static int parse(struct cli_options *options, ...)
{
	char *words[WORDS_MAX] = {(char *)(uintptr_t) "dhtctl"};
	int count = 1;
	va_list args;
	va_start(args, options);
	while ((words[count] = va_arg(args, char *)) != NULL)
		count++;
	va_end(args);
	return cli_options_parse(options, count, words);
}

START_TEST(defaults)
{
	struct cli_options o;
	ck_assert_int_eq(parse(&o, "status", NULL), CLI_EXIT_OK);
	ck_assert_pstr_eq(o.socket_path, "/run/dhtd/dhtd.sock");
	ck_assert_int_eq(o.format, CLI_TABLE);
	ck_assert_int_eq(o.timeout_ms, 5000);
	ck_assert_int_eq(o.encoding, CLI_PLAIN);
	ck_assert_ptr_eq(o.command, cli_command_find("status"));
	ck_assert_uint_eq(o.operand_count, 0);
	ck_assert(!o.wants_help && !o.wants_version);
}
END_TEST

START_TEST(the_socket_comes_from_option_environment_default)
{
	struct cli_options o;
	setenv("DHTCTL_SOCKET", "/tmp/env.sock", 1);
	ck_assert_int_eq(parse(&o, "status", NULL), CLI_EXIT_OK);
	ck_assert_pstr_eq(o.socket_path, "/tmp/env.sock");
	ck_assert_int_eq(parse(&o, "-s", "/tmp/o.sock", "status", NULL), CLI_EXIT_OK);
	ck_assert_pstr_eq(o.socket_path, "/tmp/o.sock");
	setenv("DHTCTL_SOCKET", "", 1);
	ck_assert_int_eq(parse(&o, "status", NULL), CLI_EXIT_OK);
	ck_assert_pstr_eq(o.socket_path, CLI_DEFAULT_SOCKET);
	ck_assert_int_eq(parse(&o, "--socket=", "status", NULL), CLI_EXIT_USAGE);
	ck_assert(has_message("--socket needs a path"));
}
END_TEST

START_TEST(options_stand_before_and_after_the_command)
{
	struct cli_options o;
	ck_assert_int_eq(parse(&o, "-o", "json", "--timeout", "1m", "get", "k", NULL), CLI_EXIT_OK);
	ck_assert_int_eq(o.format, CLI_JSON);
	ck_assert_int_eq(o.timeout_ms, 60000);
	ck_assert_int_eq(
	    parse(&o, "get", "--hex", "61", "-ojson", "--timeout=20ms", "-s/x", "-v", NULL),
	    CLI_EXIT_OK);
	ck_assert_int_eq(o.format, CLI_JSON);
	ck_assert_int_eq(o.timeout_ms, 20);
	ck_assert_pstr_eq(o.socket_path, "/x");
	ck_assert_int_eq(o.encoding, CLI_HEX);
	ck_assert(o.is_verbose);
	ck_assert_uint_eq(o.operand_count, 1);
	ck_assert_pstr_eq(o.operands[0], "61");
	ck_assert_int_eq(parse(&o, "get", "-vojson", "k", NULL), CLI_EXIT_OK);
	ck_assert(o.is_verbose && o.format == CLI_JSON);
	ck_assert(o.json_form == CLI_JSON_OBJECT);
	ck_assert_int_eq(parse(&o, "status", "-o", "lines", NULL), CLI_EXIT_OK);
	ck_assert(o.format == CLI_JSON && o.json_form == CLI_JSON_LINES);
	ck_assert_int_eq(parse(&o, "get", "-vh", NULL), CLI_EXIT_OK);
	ck_assert(o.wants_help && o.command == cli_command_find("get"));
}
END_TEST

START_TEST(what_looks_like_an_option_may_be_an_operand)
{
	struct cli_options o;
	ck_assert_int_eq(parse(&o, "incr", "k", "-5", NULL), CLI_EXIT_OK);
	ck_assert_uint_eq(o.operand_count, 2);
	ck_assert_pstr_eq(o.operands[1], "-5");
	ck_assert_int_eq(parse(&o, "put", "k", "-", NULL), CLI_EXIT_OK);
	ck_assert_pstr_eq(o.operands[1], "-");
	ck_assert_int_eq(parse(&o, "put", "--hex", "--", "--hex", "-v", NULL), CLI_EXIT_OK);
	ck_assert_uint_eq(o.operand_count, 2);
	ck_assert_pstr_eq(o.operands[0], "--hex");
	ck_assert_pstr_eq(o.operands[1], "-v");
	ck_assert(!o.is_verbose && o.is_hex);
	ck_assert_int_eq(parse(&o, "--", "put", "--", "-v", NULL), CLI_EXIT_OK);
	ck_assert_ptr_eq(o.command, cli_command_find("put"));
	ck_assert_uint_eq(o.operand_count, 2);
	ck_assert_int_eq(parse(&o, "cas", "k", "--old", "--new", "--new", "-o", NULL), CLI_EXIT_OK);
	ck_assert_pstr_eq(o.old_value, "--new");
	ck_assert_pstr_eq(o.new_value, "-o");
	ck_assert_int_eq(parse(&o, "put", "", "", NULL), CLI_EXIT_OK);
	ck_assert_uint_eq(o.operand_count, 2);
	ck_assert_pstr_eq(o.operands[0], "");
}
END_TEST

START_TEST(version_means_two_things)
{
	struct cli_options o;
	ck_assert_int_eq(parse(&o, "--version", NULL), CLI_EXIT_OK);
	ck_assert(o.wants_version && o.old_version == NULL);
	ck_assert_int_eq(parse(&o, "get", "--version", NULL), CLI_EXIT_OK);
	ck_assert(o.wants_version && o.old_version == NULL);
	ck_assert_int_eq(parse(&o, "cas", "--version", "1.2.3", NULL), CLI_EXIT_OK);
	ck_assert(!o.wants_version);
	ck_assert_pstr_eq(o.old_version, "1.2.3");
}
END_TEST

START_TEST(mistakes_are_explained)
{
	struct cli_options o;
	static const char *const cases[][5] = {
	    /* message, words */
	    {"unknown command \"staus\"; did you mean status?", "staus"},
	    {"unknown command \"frobnicate\"; 'dhtctl help' lists", "frobnicate"},
	    {"unknown command \"\"", ""},
	    {"get: unknown option --hx; did you mean --hex?", "get", "--hx", "a"},
	    {"get: unknown option --if-absent (put -- before", "get", "--if-absent", "a"},
	    {"get: unknown option -x (put -- before", "get", "-x"},
	    {"get: unknown option -x", "get", "-vx"},
	    {"unknown option --hex (options of a command come after it)", "--hex", "get", "61"},
	    {"unknown option -v", "-v", "get", "61"},
	    {"option --timeout needs a TIME", "--timeout"},
	    {"cas: option --old needs a VALUE; usage: dhtctl cas ", "cas", "k", "--old"},
	    {"get: option --hex takes no value", "get", "--hex=61"},
	    {"unknown output format 'yaml': table, json or lines", "-o", "yaml", "status"},
	    {"timeout '5x' is not a time", "--timeout", "5x", "status"},
	    {"--hex and --base64 exclude each other", "get", "--hex", "--base64", "a"},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		const char *const *words = cases[i] + 1;
		ck_assert_int_eq(parse(&o, words[0], words[1], words[2], words[3], NULL),
				 CLI_EXIT_USAGE);
		ck_assert_msg(has_message(cases[i][0]), "%s", cases[i][0]);
	}
}
END_TEST

START_TEST(operands_are_counted)
{
	struct cli_options o;
	ck_assert_int_eq(parse(&o, "put", "a", "b", "c", "d", "e", NULL), CLI_EXIT_OK);
	ck_assert_uint_eq(o.operand_count, 5);
	ck_assert_int_eq(cli_options_expect(&o, 2, 2), CLI_EXIT_USAGE);
	ck_assert(has_message("put: unexpected argument \"c\"; usage: dhtctl put "));
	ck_assert_int_eq(parse(&o, "put", "a", NULL), CLI_EXIT_OK);
	ck_assert_int_eq(cli_options_expect(&o, 2, 2), CLI_EXIT_USAGE);
	ck_assert(has_message("put: an argument is missing; usage: dhtctl put "));
	ck_assert_int_eq(cli_options_expect(&o, 1, 2), CLI_EXIT_OK);
}
END_TEST

START_TEST(no_words_at_all)
{
	struct cli_options o;
	char *none[] = {NULL};
	ck_assert_int_eq(cli_options_parse(&o, 0, none), CLI_EXIT_OK);
	ck_assert_ptr_null(o.command);
}
END_TEST

START_TEST(durations)
{
	static const struct {
		const char *text;
		int64_t ms; /* 0: refused */
	} cases[] = {
	    {"1ms", 1},
	    {"500ms", 500},
	    {"5s", 5000},
	    {"5", 5000},
	    {"2m", 120000},
	    {"24h", 86400000},
	    {"86400s", 86400000},
	    {"0", 0},
	    {"1d", 86400000},
	    {"2d", 0},
	    {"0s", 0},
	    {"25h", 0},
	    {"86400001ms", 0},
	    {"", 0},
	    {"s", 0},
	    {"-1s", 0},
	    {"5 s", 0},
	    {"5sec", 0},
	    {"1.5s", 0},
	    {"5S", 0},
	    {" 5s", 0},
	    {"99999999999999999999s", 0},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		int64_t ms = 0;
		bool is_good = cli_options_parse_duration(cases[i].text, CLI_TIMEOUT_MAX_MS, &ms);
		ck_assert_msg(is_good == (cases[i].ms != 0), "%s", cases[i].text);
		if (is_good)
			ck_assert_int_eq(ms, cases[i].ms);
	}
	int64_t ms = 0;
	ck_assert(cli_options_parse_duration("30d", CLI_TTL_MAX_MS, &ms));
	ck_assert_int_eq(ms, INT64_C(30) * 24 * 3600 * 1000);
	ck_assert(cli_options_parse_duration("4503599627370496ms", CLI_TTL_MAX_MS, &ms));
	ck_assert_int_eq(ms, INT64_C(1) << 52);
	ck_assert(!cli_options_parse_duration("4503599627370497ms", CLI_TTL_MAX_MS, &ms));
	ck_assert(!cli_options_parse_duration("4503599627371s", CLI_TTL_MAX_MS, &ms));
	ck_assert(!cli_options_parse_duration("9223372036854775808ms", INT64_MAX, &ms));
	ck_assert(cli_options_parse_duration("9223372036854775807ms", INT64_MAX, &ms));
}
END_TEST

START_TEST(amounts)
{
	struct cli_options o;
	int64_t amount;
	ck_assert_int_eq(parse(&o, "incr", "k", NULL), CLI_EXIT_OK);
	static const struct {
		const char *text;
		int64_t amount;
	} good[] = {
	    {"0", 0},
	    {"-0", 0},
	    {"+7", 7},
	    {"-5", -5},
	    {"9223372036854775807", INT64_MAX},
	    {"-9223372036854775808", INT64_MIN},
	    {"007", 7},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(good); i++) {
		ck_assert_int_eq(cli_argument_amount(&o, good[i].text, &amount), CLI_EXIT_OK);
		ck_assert_int_eq(amount, good[i].amount);
	}
	static const char *const bad[] = {"",
					  "-",
					  "1x",
					  "0x10",
					  "1.5",
					  " 1",
					  "1 ",
					  "--1",
					  "+-1",
					  "9223372036854775808",
					  "-9223372036854775809",
					  "99999999999999999999"};
	for (size_t i = 0; i < DHT_ARRAY_LEN(bad); i++) {
		ck_assert_int_eq(cli_argument_amount(&o, bad[i], &amount), CLI_EXIT_USAGE);
		ck_assert(has_message("is not a whole number"));
	}
}
END_TEST

START_TEST(versions)
{
	struct cli_options o;
	char text[CLI_VERSION_MAX];
	ck_assert_int_eq(parse(&o, "cas", "k", NULL), CLI_EXIT_OK);
	static const char *const good[] = {"0.0.0", "3.17.1", "4294967295.4503599627370495.4095"};
	for (size_t i = 0; i < DHT_ARRAY_LEN(good); i++) {
		Dhtd__Admin__Version version = DHTD__ADMIN__VERSION__INIT;
		ck_assert_int_eq(cli_argument_version(&o, good[i], &version), CLI_EXIT_OK);
		ck_assert_str_eq(cli_argument_print_version(&version, text), good[i]);
	}
	ck_assert_str_eq(cli_argument_print_version(NULL, text), "0.0.0");
	static const char *const bad[] = {"",
					  "1",
					  "1.2",
					  "1.2.",
					  "1.2.3.",
					  "1.2.3.4",
					  "1..3",
					  "a.b.c",
					  "-1.2.3",
					  "4294967296.0.0",
					  "0.4503599627370496.0",
					  " 1.2.3",
					  "1.2.3 ",
					  "1.2.4096",
					  "1,2,3"};
	for (size_t i = 0; i < DHT_ARRAY_LEN(bad); i++) {
		Dhtd__Admin__Version version = DHTD__ADMIN__VERSION__INIT;
		ck_assert_int_eq(cli_argument_version(&o, bad[i], &version), CLI_EXIT_USAGE);
		ck_assert(has_message("is not a version"));
	}
}
END_TEST

START_TEST(keys_have_a_bound)
{
	struct cli_options o;
	struct buffer key = BUFFER_EMPTY;
	static char text[2 * (CLI_KEY_MAX + 1) + 1];
	memset(text, '6', sizeof(text) - 1);
	ck_assert_int_eq(parse(&o, "get", "--hex", "k", NULL), CLI_EXIT_OK);
	ck_assert_int_eq(cli_argument_key(&o, text, &key), CLI_EXIT_USAGE);
	ck_assert(has_message("get: the key is 65536 bytes long, at most 65535 are possible"));
	buffer_reset(&key);
	text[2 * CLI_KEY_MAX] = '\0';
	ck_assert_int_eq(cli_argument_key(&o, text, &key), CLI_EXIT_OK);
	ck_assert_uint_eq(key.len, CLI_KEY_MAX);
	buffer_reset(&key);
	ck_assert_int_eq(cli_argument_key(&o, "6", &key), CLI_EXIT_USAGE);
	ck_assert(has_message("get: the key \"6\" is not hexadecimal: it ends too early"));
	ck_assert_int_eq(cli_argument_key(&o, "61x1", &key), CLI_EXIT_USAGE);
	ck_assert(has_message("wrong character at position 3"));
	buffer_reset(&key);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli/options");
	TCase *tcase = tcase_create("options");
	tcase_add_checked_fixture(tcase, collect_messages, NULL);
	tcase_add_test(tcase, defaults);
	tcase_add_test(tcase, the_socket_comes_from_option_environment_default);
	tcase_add_test(tcase, options_stand_before_and_after_the_command);
	tcase_add_test(tcase, what_looks_like_an_option_may_be_an_operand);
	tcase_add_test(tcase, version_means_two_things);
	tcase_add_test(tcase, mistakes_are_explained);
	tcase_add_test(tcase, operands_are_counted);
	tcase_add_test(tcase, no_words_at_all);
	tcase_add_test(tcase, durations);
	tcase_add_test(tcase, amounts);
	tcase_add_test(tcase, versions);
	tcase_add_test(tcase, keys_have_a_bound);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
