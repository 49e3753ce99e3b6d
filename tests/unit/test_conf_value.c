/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/value, conf/number, conf/address: what each type takes, and what it says to
 * anything else.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/conf.h"

#define NAME_ALLOWED     "1 to 64 characters of A-Z a-z 0-9 . _ -"
#define ADDRESS_ALLOWED  "host:port or [IPv6]:port, port 1 to 65535; or a list of 1 to 64"
#define DURATION_ALLOWED "a number with ms, s, min or h, 0 to 1h"
#define SEGMENT_ALLOWED  "a number with B, KiB, MiB or GiB, 1MiB to 64MiB"
#define MEMORY_ALLOWED   "a number with B, KiB, MiB or GiB, 64MiB to 4096GiB"
#define RATE_ALLOWED     "a number with B, KiB, MiB or GiB, 1MiB to 64GiB a second"
#define OUTPUT_ALLOWED   "a number with B, KiB, MiB or GiB, 64KiB to 4GiB"

#define TEN(text) text text text text text text text text text text

/* As long as a part of a host name may be. */
static const char label[] = TEN("abcdef") "abc";

static char *assignment(const char *key, const char *value)
{
	char *text;
	ck_assert_int_ge(asprintf(&text, "%s=%s", key, value), 0);
	return text;
}

/* Sets key to each accepted text and compares how it is shown. */
static void assert_accepts(const char *key, const char *text, const char *shown)
{
	struct conf conf;
	struct conf_problems problems = CONF_PROBLEMS_NONE;
	ck_assert_int_eq(conf_init_defaults(&conf, "h"), 0);
	char *set = assignment(key, text);
	int rc = conf_load_file(&conf, NULL, (const char *const[]){set}, 1, &problems);
	ck_assert_msg(rc == 0, "%s: %s", set, problems.count > 0 ? problems.lines[0] : "?");
	free(set);
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		if (strcmp(conf_items[i].key, key) != 0)
			continue;
		char *value = conf_item_value(&conf, &conf_items[i]);
		ck_assert_str_eq(value, shown);
		free(value);
	}
	conf_fini(&conf);
	conf_problems_fini(&problems);
}

/* Sets key to a text that is refused with the one problem `--set: KEY: MESSAGE`. */
static void assert_refuses(const char *key, const char *text, const char *message)
{
	struct conf conf;
	struct conf_problems problems = CONF_PROBLEMS_NONE;
	ck_assert_int_eq(conf_init_defaults(&conf, "h"), 0);
	char *set = assignment(key, text);
	ck_assert_int_eq(conf_load_file(&conf, NULL, (const char *const[]){set}, 1, &problems),
			 DHT_ECONF);
	free(set);
	char *line;
	ck_assert_int_ge(asprintf(&line, "--set: %s: %s", key, message), 0);
	ck_assert_uint_eq(problems.total, 1);
	ck_assert_str_eq(problems.lines[0], line);
	free(line);
	conf_fini(&conf);
	conf_problems_fini(&problems);
}

static void assert_refuses_each(const char *key, const char *const *texts, size_t count,
				const char *why)
{
	for (size_t i = 0; i < count; i++) {
		char *message;
		ck_assert_int_ge(asprintf(&message, "\"%s\" is %s", texts[i], why), 0);
		assert_refuses(key, texts[i], message);
		free(message);
	}
}

#define REFUSES_EACH(key, why, ...)                                                                \
	assert_refuses_each(key, (const char *const[]){__VA_ARGS__},                               \
			    DHT_ARRAY_LEN(((const char *const[]){__VA_ARGS__})), why)

START_TEST(names)
{
	static const char longest[] = TEN("Ab0_-.") "abcd";
	ck_assert_uint_eq(strlen(longest), 64);
	assert_accepts("node.zone", longest, longest);
	assert_accepts("cluster.name", "x", "x");
	assert_accepts("node.name", "null", "null");
	REFUSES_EACH("node.name", "not a name: " NAME_ALLOWED, "", "a b", "a/b", "a,b", "\xc3\xa4");
	assert_refuses("cluster.name", TEN("Ab0_-.") "abcde",
		       "\"" TEN("Ab0_-.") "abcd...\" is not a name: " NAME_ALLOWED);
}
END_TEST

START_TEST(paths)
{
	static const char allowed[] = "not an absolute path: a path that begins with /, "
				      "at most 107 bytes";
	static const char longest[] = "/" TEN("123456789/") "123456";
	ck_assert_uint_eq(strlen(longest), 107);
	assert_accepts("listen.admin", longest, longest);
	assert_accepts("listen.admin", "/a b/\xc3\xa4,=", "/a b/\xc3\xa4,=");
	REFUSES_EACH("listen.admin", allowed, "", "run/dhtd.sock", "./x", "@abstract", "~/x");
	assert_refuses("listen.admin", "/a\nb",
		       "\"/a\\x0ab\" is not an absolute path: a path that "
		       "begins with /, at most 107 bytes");
	assert_refuses("listen.admin", "/" TEN("123456789/") "1234567",
		       "\"/123456789/123456789/123456789/123456789/123456789/123456789/123...\" is "
		       "not an absolute path: a path that begins with /, at most 107 bytes");
}
END_TEST

START_TEST(addresses)
{
	char longest[300];
	snprintf(longest, sizeof(longest), "%s.%s.%s.%.61s:1", label, label, label, label);
	ck_assert_uint_eq(strlen(longest), 255);
	assert_accepts("listen.client", longest, longest);
	assert_accepts("listen.client", "0.0.0.0:1", "0.0.0.0:1");
	assert_accepts("listen.client", "[::]:65535", "[::]:65535");
	assert_accepts("listen.client", "[2001:db8::1]:80", "[2001:db8::1]:80");
	assert_accepts("listen.client", "a-b_c.example:80", "a-b_c.example:80");
	assert_accepts("listen.client", "4u:80", "4u:80");
	assert_accepts("advertise.client", "", "the listen addresses");
	REFUSES_EACH("listen.client", "not an address: " ADDRESS_ALLOWED, "a", "a:", ":1", "[]:1",
		     "[:1", "]:1", "[::1]", "[::1]1", "::1:80", "[1.2.3.4]:80", "[::1%lo]:80",
		     "a:0", "a:00", "a:65536", "a:99999999999", "a:080", "a:+1", "a:1x", "a: 1",
		     " a:1", "a b:1", "a..b:1", ".a:1", "a.:1", "*:1", "1.2.3:1", "1.2.3.256:1",
		     "host.1:1", "a/b:1", "[[::1]]:1");
}
END_TEST

START_TEST(addresses_have_bounds)
{
	char longer[300];
	snprintf(longer, sizeof(longer), "%s", TEN("abcdef") "abcd:1");
	char message[512];
	snprintf(message, sizeof(message), "\"%.64s...\" is not an address: %s", longer,
		 ADDRESS_ALLOWED);
	assert_refuses("listen.client", longer, message);

	/* One more than a name may have. */
	snprintf(longer, sizeof(longer), "%s.%s.%s.%.62s:1", label, label, label, label);
	snprintf(message, sizeof(message), "\"%.64s...\" is not an address: %s", longer,
		 ADDRESS_ALLOWED);
	assert_refuses("listen.client", longer, message);

	memset(longer, 'a', sizeof(longer));
	memcpy(longer + 270, ":1", 3);
	snprintf(message, sizeof(message), "\"%.64s...\" is not an address: %s", longer,
		 ADDRESS_ALLOWED);
	assert_refuses("listen.client", longer, message);

	char list[CONF_LIST_MAX * 8 + 16] = "a:1";
	for (int i = 2; i <= CONF_LIST_MAX; i++)
		snprintf(list + strlen(list), 8, ",a:%d", i);
	assert_accepts("listen.client", list, list);
	snprintf(list + strlen(list), 8, ",b:1");
	assert_refuses("listen.client", list, "\"b:1\" is one too many: " ADDRESS_ALLOWED);
}
END_TEST

START_TEST(counts)
{
	assert_accepts("workers.queue_max", "16", "16");
	assert_accepts("workers.queue_max", "1048576", "1048576");
	assert_accepts("node.weight", "1", "1");
	REFUSES_EACH("workers.queue_max", "out of range: a number, 16 to 1048576", "0", "15",
		     "1048577", "18446744073709551616", "99999999999999999999999999");
	REFUSES_EACH("workers.queue_max", "not a number: a number, 16 to 1048576", "", "-1", "+16",
		     "0x20", "020", "1e3", "16.0", "1_000", " 16", "auto", "16MiB");
	assert_refuses("node.weight", "10001", "\"10001\" is out of range: a number, 1 to 10000");
	assert_refuses("clients.max", "1000001",
		       "\"1000001\" is out of range: a number, 1 to 1000000");
}
END_TEST

START_TEST(count_that_may_be_auto)
{
	assert_accepts("workers.count", "auto", "auto");
	assert_accepts("workers.count", "1", "1");
	assert_accepts("workers.count", "1024", "1024");
	REFUSES_EACH("workers.count", "out of range: auto or a number, 1 to 1024", "0", "1025");
	REFUSES_EACH("workers.count", "not a number: auto or a number, 1 to 1024", "Auto",
		     "automatic", "");
}
END_TEST

START_TEST(powers_of_two)
{
	static const char blocks[] = "a power of two, 64 to 16384";
	char out_of_range[64], not_one[64];
	snprintf(out_of_range, sizeof(out_of_range), "out of range: %s", blocks);
	snprintf(not_one, sizeof(not_one), "not a power of two: %s", blocks);
	assert_accepts("cluster.blocks", "64", "64");
	assert_accepts("cluster.blocks", "4096", "4096");
	assert_accepts("cluster.blocks", "16384", "16384");
	REFUSES_EACH("cluster.blocks", out_of_range, "0", "1", "32", "63", "16385", "32768");
	REFUSES_EACH("cluster.blocks", not_one, "", "65", "1000", "16383", "1Ki", "2^10");
}
END_TEST

START_TEST(sizes)
{
	assert_accepts("clients.output_max", "65536", "64KiB");
	assert_accepts("clients.output_max", "65537B", "65537B");
	assert_accepts("clients.output_max", "100KiB", "100KiB");
	assert_accepts("clients.output_max", "1024MiB", "1GiB");
	assert_accepts("clients.output_max", "4GiB", "4GiB");
	REFUSES_EACH("clients.output_max", "out of range: " OUTPUT_ALLOWED, "0", "65535",
		     "4294967297", "5GiB", "18446744073709551615GiB", "99999999999999999999B");
	REFUSES_EACH("clients.output_max", "not a size: " OUTPUT_ALLOWED, "", "MiB", "64 MiB",
		     "1.5GiB", "64MiBs", "64TiB", "-1MiB", "064KiB", "64b/s");
	assert_refuses("store.segment_size", "1023KiB",
		       "\"1023KiB\" is out of range: " SEGMENT_ALLOWED);
	assert_refuses("store.max_value_size", "1023",
		       "\"1023\" is out of range: a number with B, KiB, MiB or GiB, 1KiB to 16MiB");
}
END_TEST

START_TEST(size_that_may_be_auto)
{
	assert_accepts("store.memory", "auto", "auto");
	assert_accepts("store.memory", "64MiB", "64MiB");
	assert_accepts("store.memory", "4096GiB", "4096GiB");
	REFUSES_EACH("store.memory", "out of range: auto or " MEMORY_ALLOWED, "0", "63MiB",
		     "4097GiB");
	REFUSES_EACH("store.memory", "not a size: auto or " MEMORY_ALLOWED, "", "Auto", "75%");
	assert_refuses("store.memory", "1GB",
		       "\"1GB\" is not a size: auto or " MEMORY_ALLOWED "; did you mean 1GiB?");
}
END_TEST

START_TEST(rates)
{
	assert_accepts("store.compact_rate", "1048576", "1MiB");
	assert_accepts("store.compact_rate", "64GiB", "64GiB");
	REFUSES_EACH("store.compact_rate", "out of range: " RATE_ALLOWED, "0", "1023KiB", "65GiB");
	REFUSES_EACH("store.compact_rate", "not a rate: " RATE_ALLOWED, "", "auto", "64MiB/s");
	assert_refuses("store.compact_rate", "64M",
		       "\"64M\" is not a rate: " RATE_ALLOWED "; did you mean 64MiB?");
}
END_TEST

START_TEST(sizes_in_other_units_are_refused_with_a_hint)
{
	static const char *const texts[][2] = {
	    {"64MB", "64MiB"},         {"64M", "64MiB"},       {"64mib", "64MiB"},
	    {"100000KB", "100000KiB"}, {"64000k", "64000KiB"}, {"1GB", "1GiB"},
	    {"2000000b", "2000000B"},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(texts); i++) {
		char message[256];
		snprintf(message, sizeof(message), "\"%s\" is not a size: %s; did you mean %s?",
			 texts[i][0], SEGMENT_ALLOWED, texts[i][1]);
		assert_refuses("store.segment_size", texts[i][0], message);
	}
}
END_TEST

START_TEST(durations)
{
	assert_accepts("workers.park_after", "0", "0");
	assert_accepts("workers.park_after", "0s", "0");
	assert_accepts("workers.park_after", "1500ms", "1500ms");
	assert_accepts("workers.park_after", "2000ms", "2s");
	assert_accepts("workers.park_after", "90s", "90s");
	assert_accepts("workers.park_after", "120s", "2min");
	assert_accepts("workers.park_after", "60min", "1h");
	assert_accepts("workers.park_after", "1h", "1h");
	REFUSES_EACH("workers.park_after", "out of range: " DURATION_ALLOWED, "2h", "3600001ms",
		     "18446744073709551615h");
	REFUSES_EACH("workers.park_after", "not a duration: " DURATION_ALLOWED, "", "soon", "1",
		     "1000", "1 s", "1.5s", "1m", "1S", "-1s", "01s", "s", "1us", "1d");
}
END_TEST

START_TEST(log_levels)
{
	assert_accepts("log.level", "error", "error");
	assert_accepts("log.level", "warn", "warn");
	assert_accepts("log.level", "info", "info");
	assert_accepts("log.level", "debug", "debug");
	REFUSES_EACH("log.level", "not a log level: error, warn, info or debug", "", "loud", "Info",
		     "warning", "3");
}
END_TEST

START_TEST(modes_of_fsync)
{
	assert_accepts("store.fsync", "always", "always");
	assert_accepts("store.fsync", "interval", "interval");
	assert_accepts("store.fsync", "never", "never");
	REFUSES_EACH("store.fsync", "not a mode of fsync: always, interval or never", "", "Always",
		     "everysec", "1s", "no", "0");
}
END_TEST

START_TEST(modes_of_redirect)
{
	assert_accepts("clients.redirect", "proxy", "proxy");
	assert_accepts("clients.redirect", "moved", "moved");
	REFUSES_EACH("clients.redirect", "not a mode of redirect: proxy or moved", "", "Moved",
		     "ask", "yes", "0");
}
END_TEST

START_TEST(messages_show_only_printable_text)
{
	assert_refuses("node.name", "\t\x7f", "\"\\x09\\x7f\" is not a name: " NAME_ALLOWED);
	assert_refuses("node.name", "\xe2\x82\xac \xf0\x9f\x98\x80",
		       "\"\xe2\x82\xac \xf0\x9f\x98\x80\" is not a name: " NAME_ALLOWED);
	/* A C1 control, an overlong form, a surrogate, beyond Unicode, cut short. */
	assert_refuses("node.name", "\xc2\x85", "\"\\xc2\\x85\" is not a name: " NAME_ALLOWED);
	assert_refuses("node.name", "\xc0\xaf", "\"\\xc0\\xaf\" is not a name: " NAME_ALLOWED);
	assert_refuses("node.name", "\xe0\x80\xaf",
		       "\"\\xe0\\x80\\xaf\" is not a name: " NAME_ALLOWED);
	assert_refuses("node.name", "\xed\xa0\x80",
		       "\"\\xed\\xa0\\x80\" is not a name: " NAME_ALLOWED);
	assert_refuses("node.name", "\xf4\x90\x80\x80",
		       "\"\\xf4\\x90\\x80\\x80\" is not a name: " NAME_ALLOWED);
	assert_refuses("node.name", "a\xe2\x82", "\"a\\xe2\\x82\" is not a name: " NAME_ALLOWED);
	assert_refuses("node.name", "\xe2z\x80", "\"\\xe2z\\x80\" is not a name: " NAME_ALLOWED);
	assert_refuses("node.name", "a\xffz", "\"a\\xffz\" is not a name: " NAME_ALLOWED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf_value");
	TCase *tcase = tcase_create("conf_value");
	tcase_add_test(tcase, names);
	tcase_add_test(tcase, paths);
	tcase_add_test(tcase, addresses);
	tcase_add_test(tcase, addresses_have_bounds);
	tcase_add_test(tcase, counts);
	tcase_add_test(tcase, count_that_may_be_auto);
	tcase_add_test(tcase, powers_of_two);
	tcase_add_test(tcase, sizes);
	tcase_add_test(tcase, size_that_may_be_auto);
	tcase_add_test(tcase, rates);
	tcase_add_test(tcase, sizes_in_other_units_are_refused_with_a_hint);
	tcase_add_test(tcase, durations);
	tcase_add_test(tcase, log_levels);
	tcase_add_test(tcase, modes_of_fsync);
	tcase_add_test(tcase, modes_of_redirect);
	tcase_add_test(tcase, messages_show_only_printable_text);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
