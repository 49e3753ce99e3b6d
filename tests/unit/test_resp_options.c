/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/options and resp/expiry: which words make a request, in which order what is wrong with
 * them is told, and which times fit.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "io/clock.h"
#include "resp/expiry.h"
#include "resp/table.h"
#include "unit.h"

enum { WORDS_MAX = 16, HOUR_MS = 3600 * 1000 };

enum { OPT_KEEP = RESP_TIME_COUNT, OPT_COUNT, OPT_ONCE };

static bool accepts_count(struct resp_call *call, struct bytes value)
{
	int64_t count;
	return resp_read_integer_from(call, value, 1, &count);
}

static const struct resp_option rows[] = {
    RESP_TIME_ROW(EX, RESP_OPTION(OPT_KEEP)),
    RESP_TIME_ROW(PX, RESP_OPTION(OPT_KEEP)),
    RESP_TIME_ROW(EXAT, RESP_OPTION(OPT_KEEP)),
    RESP_TIME_ROW(PXAT, RESP_OPTION(OPT_KEEP)),
    [OPT_KEEP] = {"KEEP", .excludes = RESP_TIME_OPTIONS},
    [OPT_COUNT] = {"COUNT", .has_value = true, .accepts = accepts_count},
    [OPT_ONCE] = {"ONCE", .excludes = RESP_OPTION(OPT_ONCE)},
};
static const struct resp_option_table table = {rows, DHT_ARRAY_LEN(rows), NULL};
static const struct resp_option_table named = {rows, DHT_ARRAY_LEN(rows), "Unsupported option"};

/* A request whose options stand behind a command and a key. */
struct request {
	char text[256]; /* its words, cut apart */
	struct bytes args[WORDS_MAX];
	struct resp_out out;
	struct resp_call call;
};

static void make(struct request *r, const char *options)
{
	char *rest = NULL;
	*r = (struct request){0};
	snprintf(r->text, sizeof(r->text), "SETEX key %s", options);
	resp_out_init(&r->out, 4096);
	r->call = (struct resp_call){
	    .command = resp_table_find(bytes_of_text("SETEX")), .args = r->args, .out = &r->out};
	for (char *word = strtok_r(r->text, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		ck_assert_uint_lt(r->call.argc, WORDS_MAX);
		r->args[r->call.argc++] = bytes_of_text(word);
	}
}

/* Ends the request, whose reply was this one. */
static void expect_reply(struct request *r, const char *reply)
{
	ck_assert_uint_eq(r->out.len, strlen(reply));
	if (r->out.len > 0)
		ck_assert_int_eq(memcmp(r->out.data, reply, r->out.len), 0);
	resp_out_fini(&r->out);
}

/* Values are valid until the next call. */
static unsigned given(const char *text, struct resp_options *options)
{
	static struct request r;
	make(&r, text);
	ck_assert_msg(resp_options_read(&r.call, 2, &table, options), "%s", text);
	expect_reply(&r, "");
	return options->given;
}

static void expect_refused(const char *text, const struct resp_option_table *by, const char *reply)
{
	struct request r;
	struct resp_options options;
	make(&r, text);
	ck_assert_msg(!resp_options_read(&r.call, 2, by, &options), "%s", text);
	expect_reply(&r, reply);
}

START_TEST(options_come_in_any_order_and_case)
{
	struct resp_options options;
	ck_assert_uint_eq(given("", &options), 0);
	ck_assert_uint_eq(given("keep ONCE", &options),
			  RESP_OPTION(OPT_KEEP) | RESP_OPTION(OPT_ONCE));
	ck_assert_uint_eq(given("once Count 12 eX 7", &options), RESP_OPTION(OPT_ONCE) |
								     RESP_OPTION(OPT_COUNT) |
								     RESP_OPTION(RESP_TIME_EX));
	ck_assert(options.values[OPT_ONCE].data == NULL);
	/* A value may be any word, one that is an option too; of two, the last one counts. */
	given("PX EX PX 5", &options);
	ck_assert_uint_eq(options.given, RESP_OPTION(RESP_TIME_PX));
	ck_assert(bytes_equal(options.values[RESP_TIME_PX], bytes_of_text("5")));
}
END_TEST

START_TEST(the_first_wrong_word_is_told)
{
	static const char syntax[] = "-ERR syntax error\r\n";
	static const char integer[] = "-ERR value is not an integer or out of range\r\n";
	expect_refused("NOSUCH", &table, syntax);
	expect_refused("NOSUCH", &named, "-ERR Unsupported option NOSUCH\r\n");
	expect_refused("COUNT", &table, syntax);
	expect_refused("EX 1 PX 1", &table, syntax);
	expect_refused("EX 1 KEEP", &table, syntax);
	expect_refused("KEEP PXAT 1", &table, syntax);
	expect_refused("ONCE ONCE", &table, syntax);
	expect_refused("ONCE ONCE", &named, "-ERR Unsupported option ONCE\r\n");
	expect_refused("COUNT x NOSUCH", &table, integer);
	expect_refused("NOSUCH COUNT x", &table, syntax);
	expect_refused("COUNT 0 COUNT x", &table, syntax);
	expect_refused("COUNT 1 COUNT x", &table, integer);
}
END_TEST

START_TEST(times_are_from_now_on_or_absolute)
{
	int64_t at_ms, now_ms = (int64_t)clock_expiry_ms();
	ck_assert_int_eq(resp_time_convert(RESP_TIME_EX, 3600, &at_ms), 0);
	ck_assert_int_ge(at_ms, now_ms + HOUR_MS);
	ck_assert_int_lt(at_ms, now_ms + 2 * HOUR_MS);
	ck_assert_int_eq(resp_time_convert(RESP_TIME_PX, -HOUR_MS, &at_ms), 0);
	ck_assert_int_lt(at_ms, now_ms);
	ck_assert_int_eq(resp_time_convert(RESP_TIME_EXAT, 7, &at_ms), 0);
	ck_assert_int_eq(at_ms, 7000);
	ck_assert_int_eq(resp_time_convert(RESP_TIME_PXAT, -7, &at_ms), 0);
	ck_assert_int_eq(at_ms, -7);
}
END_TEST

START_TEST(times_that_do_not_fit_are_refused)
{
	int64_t at_ms;
	ck_assert_int_eq(resp_time_convert(RESP_TIME_EXAT, INT64_MAX / 1000, &at_ms), 0);
	ck_assert_int_eq(resp_time_convert(RESP_TIME_EXAT, INT64_MAX / 1000 + 1, &at_ms),
			 DHT_EINVAL);
	ck_assert_int_eq(resp_time_convert(RESP_TIME_EXAT, INT64_MIN, &at_ms), DHT_EINVAL);
	ck_assert_int_eq(resp_time_convert(RESP_TIME_EX, INT64_MAX / 1000, &at_ms), DHT_EINVAL);
	ck_assert_int_eq(resp_time_convert(RESP_TIME_PX, INT64_MAX, &at_ms), DHT_EINVAL);
	ck_assert_int_eq(resp_time_convert(RESP_TIME_PXAT, INT64_MAX, &at_ms), 0);
	ck_assert_int_eq(resp_time_parse(RESP_TIME_PX, bytes_of_text("0"), &at_ms), DHT_EINVAL);
	ck_assert_int_eq(resp_time_parse(RESP_TIME_PXAT, bytes_of_text("-1"), &at_ms), DHT_EINVAL);
	ck_assert_int_eq(resp_time_parse(RESP_TIME_PX, bytes_of_text("1.5"), &at_ms), DHT_ETYPE);
	ck_assert_int_eq(resp_time_parse(RESP_TIME_PXAT, bytes_of_text("1"), &at_ms), 0);
}
END_TEST

START_TEST(a_time_among_the_options_is_the_operations)
{
	struct resp_options options;
	struct op op = {.expiry = OP_EXPIRY_KEEP};
	given("ONCE", &options);
	ck_assert_int_eq(resp_time_of_options(&options, &op), 0);
	ck_assert_int_eq(op.expiry, OP_EXPIRY_KEEP);
	given("ONCE EXAT 9", &options);
	ck_assert_int_eq(resp_time_of_options(&options, &op), 0);
	ck_assert_int_eq(op.expiry, OP_EXPIRY_AT);
	ck_assert_uint_eq(op.expires_ms, 9000);
	given("PX nine", &options);
	ck_assert_int_eq(resp_time_of_options(&options, &op), DHT_ETYPE);
	/* Long ago is a time, too, but never is none. */
	resp_expire_at(&op, -5);
	ck_assert_uint_eq(op.expires_ms, 1);
}
END_TEST

START_TEST(a_wrong_time_names_the_command)
{
	struct request r;
	make(&r, "");
	resp_time_refuse(&r.call, DHT_EINVAL);
	resp_time_refuse(&r.call, DHT_ETYPE);
	expect_reply(&r, "-ERR invalid expire time in 'setex' command\r\n"
			 "-ERR value is not an integer or out of range\r\n");
}
END_TEST

UNIT_MAIN("resp_options", 4, options_come_in_any_order_and_case, the_first_wrong_word_is_told,
	  times_are_from_now_on_or_absolute, times_that_do_not_fit_are_refused,
	  a_time_among_the_options_is_the_operations, a_wrong_time_names_the_command)
