/* SPDX-License-Identifier: Apache-2.0
 *
 * What each command asks the daemon for, and what it prints.
 */
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "helper_cli.h"

#define REQUEST(NAME)  DHTD__ADMIN__ADMIN_REQUEST__COMMAND_##NAME
#define RESPONSE(NAME) DHTD__ADMIN__ADMIN_RESPONSE__RESULT_##NAME

static struct helper_cli t;
static Dhtd__Admin__AdminRequest *request;
static Dhtd__Admin__AdminResponse response;
static Dhtd__Admin__Version version;

static void setup(void)
{
	helper_cli_init(&t, cli_run);
	dhtd__admin__version__init(&version);
	version.version = 3;
	version.counter = 17;
	version.member = 1;
}

static void teardown(void)
{
	helper_cli_free(request);
	helper_cli_fini(&t);
}

/* Takes the request of a command, and prepares the response to it. */
static void expect(int command_case)
{
	helper_cli_free(request);
	request = helper_cli_expect(&t, command_case);
	dhtd__admin__admin_response__init(&response);
	response.call_id = request->call_id;
	response.last = true;
	/* The field numbers of a command and its result are the same. */
	response.result_case = (Dhtd__Admin__AdminResponse__ResultCase)command_case;
}

static bool is_bytes(ProtobufCBinaryData data, const char *expected, size_t len)
{
	return bytes_equal(bytes_of(data.data, data.len), bytes_of(expected, len));
}

static ProtobufCBinaryData binary(const char *data, size_t len)
{
	return (ProtobufCBinaryData){.len = len, .data = (uint8_t *)(uintptr_t)data};
}

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* ---- get ------------------------------------------------------------------------- */

static void answer_get(const char *key, size_t key_len, const char *value, size_t len)
{
	Dhtd__Admin__GetResponse get = DHTD__ADMIN__GET_RESPONSE__INIT;
	expect(REQUEST(GET));
	ck_assert(is_bytes(request->get->key, key, key_len));
	get.value = binary(value, len);
	get.version = &version;
	get.expires_ms = 1700000000123;
	response.get = &get;
	helper_cli_answer(&t, &response);
}

START_TEST(get_prints_exactly_the_bytes)
{
	helper_cli_start(&t, "get", "key", NULL);
	answer_get("key", 3, "a\0b\n\xff", 5);
	ck_assert_int_eq(helper_cli_wait(&t), CLI_EXIT_OK);
	ck_assert(bytes_equal(bytes_of(t.out, t.out_len), bytes_of("a\0b\n\xff", 5)));
	ck_assert_str_eq(t.err, "");
	helper_cli_start(&t, "get", "", NULL);
	answer_get("", 0, "", 0);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	helper_cli_start(&t, "get", "-v", "key", NULL);
	answer_get("key", 3, "x", 1);
	helper_cli_assert(&t, CLI_EXIT_OK, "x", "dhtctl: version 3.17.1\n");
}
END_TEST

START_TEST(get_speaks_encodings)
{
	helper_cli_start(&t, "get", "--hex", "00Ff", NULL);
	answer_get("\0\xff", 2, "\0\x10", 2);
	helper_cli_assert(&t, CLI_EXIT_OK, "0010", "");
	helper_cli_start(&t, "get", "--base64", "AP8=", NULL);
	answer_get("\0\xff", 2, "\0\x10", 2);
	helper_cli_assert(&t, CLI_EXIT_OK, "ABA=", "");
}
END_TEST

START_TEST(get_as_json)
{
	helper_cli_start(&t, "get", "-o", "json", "k\"\\", NULL);
	answer_get("k\"\\", 3, "a\0\n\x1f\x7f\xc3\xa9", 7);
	helper_cli_assert(&t, CLI_EXIT_OK,
			  "{\"schema\":1,\"key\":\"k\\\"\\\\\",\"value\":\"a\\u0000\\n\\u001F\x7f"
			  "\xc3\xa9\",\"version\":\"3.17.1\",\"expires_ms\":1700000000123}\n",
			  "");
	helper_cli_start(&t, "get", "-o", "json", "--hex", "ff", NULL);
	answer_get("\xff", 1, "\x80", 1);
	helper_cli_assert(&t, CLI_EXIT_OK,
			  "{\"schema\":1,\"key_b64\":\"/w==\",\"value_b64\":\"gA==\",\"version\":"
			  "\"3.17.1\",\"expires_ms\":1700000000123}\n",
			  "");
}
END_TEST

START_TEST(get_of_a_missing_key)
{
	helper_cli_start(&t, "get", "--hex", "00ff", NULL);
	expect(REQUEST(GET));
	helper_cli_answer_error(&t, request->call_id, 4, "");
	helper_cli_assert(&t, CLI_EXIT_NOT_FOUND, "", "dhtctl: get \"00ff\": key not found\n");
}
END_TEST

/* ---- put, del, cas, incr --------------------------------------------------------- */

static void answer_put(const char *key, const char *value, size_t len,
		       Dhtd__Admin__PutRequest__Condition condition)
{
	Dhtd__Admin__PutResponse put = DHTD__ADMIN__PUT_RESPONSE__INIT;
	expect(REQUEST(PUT));
	ck_assert(is_bytes(request->put->key, key, strlen(key)));
	ck_assert(is_bytes(request->put->value, value, len));
	ck_assert_int_eq(request->put->condition, condition);
	put.version = &version;
	response.put = &put;
	helper_cli_answer(&t, &response);
}

START_TEST(put_stores_what_was_typed)
{
	helper_cli_start(&t, "put", "key", "some value", NULL);
	answer_put("key", "some value", 10, DHTD__ADMIN__PUT_REQUEST__CONDITION__ALWAYS);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	helper_cli_start(&t, "put", "key", "", NULL);
	answer_put("key", "", 0, DHTD__ADMIN__PUT_REQUEST__CONDITION__ALWAYS);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	helper_cli_start(&t, "put", "--base64", "--if-absent", "a2V5", "AP8=", NULL);
	answer_put("key", "\0\xff", 2, DHTD__ADMIN__PUT_REQUEST__CONDITION__IF_ABSENT);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	helper_cli_start(&t, "put", "--if-present", "-v", "key", "-7", NULL);
	answer_put("key", "-7", 2, DHTD__ADMIN__PUT_REQUEST__CONDITION__IF_PRESENT);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "dhtctl: version 3.17.1\n");
	helper_cli_start(&t, "put", "-ojson", "key", "v", NULL);
	answer_put("key", "v", 1, DHTD__ADMIN__PUT_REQUEST__CONDITION__ALWAYS);
	helper_cli_assert(&t, CLI_EXIT_OK,
			  "{\"schema\":1,\"key\":\"key\",\"version\":\"3.17.1\"}\n", "");
}
END_TEST

START_TEST(put_takes_a_time_to_live)
{
	static const struct {
		const char *words[3];
		uint64_t ttl_ms;
	} cases[] = {
	    {{"--ttl", "500ms"}, 500}, {{"--ttl=10s"}, 10000},
	    {{"--ttl", "10"}, 10000},  {{"--ttl", "30d"}, UINT64_C(30) * 24 * 3600 * 1000},
	    {{"--keep-ttl"}, 0},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		helper_cli_start(&t, "put", "key", "v", cases[i].words[0], cases[i].words[1], NULL);
		answer_put("key", "v", 1, DHTD__ADMIN__PUT_REQUEST__CONDITION__ALWAYS);
		ck_assert_uint_eq(request->put->ttl_ms, cases[i].ttl_ms);
		ck_assert_int_eq(request->put->keep_ttl, cases[i].ttl_ms == 0);
		helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	}
	helper_cli_start(&t, "put", "key", "v", NULL);
	answer_put("key", "v", 1, DHTD__ADMIN__PUT_REQUEST__CONDITION__ALWAYS);
	ck_assert(request->put->ttl_ms == 0 && !request->put->keep_ttl);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
}
END_TEST

START_TEST(put_and_ttl_refuse_times_that_are_none)
{
	static const char *const cases[][6] = {
	    {"--ttl and --keep-ttl exclude each other", "put", "--ttl=1s", "--keep-ttl", "k", "v"},
	    {"TIME \"0\" is not a time from 1ms on", "put", "--ttl=0", "k", "v"},
	    {"TIME \"soon\" is not a time", "put", "--ttl=soon", "k", "v"},
	    {"option --ttl needs a TIME", "put", "k", "v", "--ttl"},
	    {"TIME \"-5\" is not a time", "ttl", "k", "-5"},
	    {"TIME \"0s\" is not a time", "ttl", "k", "0s"},
	    {"TIME \"142809y\" is not a time", "ttl", "k", "142809y"},
	    {"TIME \"99999999d\" is not a time", "ttl", "k", "99999999d"},
	    {"TIME and --persist exclude each other", "ttl", "k", "5s", "--persist"},
	    {"unknown option --ttl", "get", "--ttl", "k"},
	    {"an argument is missing", "ttl"},
	    {"unexpected argument \"x\"", "ttl", "k", "5s", "x"},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		const char *const *w = cases[i] + 1;
		helper_cli_start(&t, w[0], w[1], w[2], w[3], w[4], NULL);
		helper_cli_assert(&t, CLI_EXIT_USAGE, "", NULL);
		ck_assert_msg(strstr(t.err, cases[i][0]) != NULL, "%s", t.err);
	}
}
END_TEST

static void answer_ttl(uint64_t ttl_ms, uint64_t expires_ms)
{
	Dhtd__Admin__TtlResponse ttl = DHTD__ADMIN__TTL_RESPONSE__INIT;
	expect(REQUEST(TTL));
	ck_assert(is_bytes(request->ttl->key, "k", 1));
	ttl.ttl_ms = ttl_ms;
	ttl.expires_ms = expires_ms;
	ttl.version = &version;
	response.ttl = &ttl;
	helper_cli_answer(&t, &response);
}

START_TEST(ttl_prints_what_is_left)
{
	static const struct {
		uint64_t ttl_ms;
		const char *printed;
	} cases[] = {{1, "1\n"},
		     {1000, "1\n"},
		     {1001, "2\n"},
		     {UINT64_C(1) << 52, "4503599627371\n"},
		     {UINT64_MAX, "18446744073709552\n"}};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		helper_cli_start(&t, "ttl", "k", NULL);
		answer_ttl(cases[i].ttl_ms, 1700000000123);
		ck_assert_int_eq(request->ttl->change_case,
				 DHTD__ADMIN__TTL_REQUEST__CHANGE__NOT_SET);
		helper_cli_assert(&t, CLI_EXIT_OK, cases[i].printed, "");
	}
	helper_cli_start(&t, "ttl", "--hex", "6b", NULL);
	answer_ttl(0, 0);
	helper_cli_assert(&t, CLI_EXIT_OK, "none\n", "");
	helper_cli_start(&t, "ttl", "-o", "json", "k", NULL);
	answer_ttl(2500, 1700000000123);
	helper_cli_assert(&t, CLI_EXIT_OK,
			  "{\"schema\":1,\"key\":\"k\",\"ttl_ms\":2500,\"expires_ms\":"
			  "1700000000123,\"version\":\"3.17.1\"}\n",
			  "");
	helper_cli_start(&t, "ttl", "-o", "json", "k", NULL);
	answer_ttl(0, 0);
	helper_cli_assert(&t, CLI_EXIT_OK,
			  "{\"schema\":1,\"key\":\"k\",\"ttl_ms\":null,\"expires_ms\":0,"
			  "\"version\":\"3.17.1\"}\n",
			  "");
	helper_cli_start(&t, "ttl", "k", NULL);
	expect(REQUEST(TTL));
	helper_cli_answer_error(&t, request->call_id, 4, "");
	helper_cli_assert(&t, CLI_EXIT_NOT_FOUND, "", "dhtctl: ttl \"k\": key not found\n");
}
END_TEST

START_TEST(ttl_sets_silently)
{
	helper_cli_start(&t, "ttl", "k", "5m", NULL);
	answer_ttl(300000, 1700000000123);
	ck_assert_int_eq(request->ttl->change_case, DHTD__ADMIN__TTL_REQUEST__CHANGE_TTL_MS);
	ck_assert_uint_eq(request->ttl->ttl_ms, 300000);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	helper_cli_start(&t, "ttl", "k", "--persist", NULL);
	answer_ttl(0, 0);
	ck_assert_int_eq(request->ttl->change_case, DHTD__ADMIN__TTL_REQUEST__CHANGE_PERSIST);
	ck_assert(request->ttl->persist);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	helper_cli_start(&t, "ttl", "-ojson", "k", "2500ms", NULL);
	answer_ttl(2500, 1700000000123);
	helper_cli_assert(&t, CLI_EXIT_OK,
			  "{\"schema\":1,\"key\":\"k\",\"ttl_ms\":2500,\"expires_ms\":"
			  "1700000000123,\"version\":\"3.17.1\"}\n",
			  "");
}
END_TEST

START_TEST(put_reads_standard_input)
{
	static const char value[] = "line\nline\0\xff";
	helper_cli_set_input(&t, value, sizeof(value));
	helper_cli_start(&t, "put", "--hex", "6b6579", "-", NULL);
	answer_put("key", value, sizeof(value), DHTD__ADMIN__PUT_REQUEST__CONDITION__ALWAYS);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	helper_cli_set_input(&t, "", 0);
	helper_cli_start(&t, "put", "key", "-", NULL);
	answer_put("key", "", 0, DHTD__ADMIN__PUT_REQUEST__CONDITION__ALWAYS);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
}
END_TEST

START_TEST(put_sends_16_mib_and_refuses_what_no_frame_holds)
{
	enum { BIG = 16 * 1024 * 1024, TOO_BIG = 17 * 1024 * 1024 };
	char *value = malloc(TOO_BIG + 1);
	ck_assert_ptr_nonnull(value);
	memset(value, 'x', TOO_BIG + 1);
	helper_cli_set_input(&t, value, BIG);
	helper_cli_start(&t, "put", "key", "-", NULL);
	answer_put("key", value, BIG, DHTD__ADMIN__PUT_REQUEST__CONDITION__ALWAYS);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	helper_cli_set_input(&t, value, TOO_BIG);
	helper_cli_start(&t, "put", "key", "-", NULL);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "", NULL);
	ck_assert_msg(strstr(t.err, "at most 17825792 are possible") != NULL, "%s", t.err);
	helper_cli_set_input(&t, value, TOO_BIG + 1);
	helper_cli_start(&t, "put", "key", "-", NULL);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "", NULL);
	ck_assert_msg(strstr(t.err, "standard input is too large") != NULL, "%s", t.err);
	free(value);
}
END_TEST

START_TEST(put_reports_what_it_cannot_read)
{
	t.child_stdin = open("/", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(t.child_stdin, 0);
	helper_cli_start(&t, "put", "key", "-", NULL);
	helper_cli_assert(&t, CLI_EXIT_FAILED, "",
			  "dhtctl: put: cannot read standard input: Is a directory\n");
}
END_TEST

START_TEST(put_conditions_exclude_each_other)
{
	helper_cli_start(&t, "put", "--if-absent", "--if-present", "k", "v", NULL);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "", NULL);
	ck_assert_msg(strstr(t.err, "put: --if-absent and --if-present exclude") != NULL, "%s",
		      t.err);
}
END_TEST

START_TEST(del_asks_for_the_key)
{
	Dhtd__Admin__DelResponse del = DHTD__ADMIN__DEL_RESPONSE__INIT;
	for (int json = 0; json < 2; json++) {
		helper_cli_start(&t, "del", "--hex", "6b00", "-o", json ? "json" : "table", NULL);
		expect(REQUEST(DEL));
		ck_assert(is_bytes(request->del->key, "k\0", 2));
		response.del = &del;
		helper_cli_answer(&t, &response);
		helper_cli_assert(&t, CLI_EXIT_OK,
				  json ? "{\"schema\":1,\"key\":\"k\\u0000\"}\n" : "", "");
	}
}
END_TEST

static void answer_cas(void)
{
	Dhtd__Admin__CasResponse cas = DHTD__ADMIN__CAS_RESPONSE__INIT;
	cas.version = &version;
	response.cas = &cas;
	helper_cli_answer(&t, &response);
}

START_TEST(cas_expects_a_value_or_a_version)
{
	helper_cli_start(&t, "cas", "key", "--old", "a", "--new", "b", NULL);
	expect(REQUEST(CAS));
	ck_assert(is_bytes(request->cas->key, "key", 3));
	ck_assert_int_eq(request->cas->expected_case, DHTD__ADMIN__CAS_REQUEST__EXPECTED_OLD_VALUE);
	ck_assert(is_bytes(request->cas->old_value, "a", 1));
	ck_assert(is_bytes(request->cas->new_value, "b", 1));
	answer_cas();
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");

	/* An empty value is expected, not nothing. */
	helper_cli_start(&t, "cas", "--hex", "6b6579", "--old", "", "--new", "00", "-v", NULL);
	expect(REQUEST(CAS));
	ck_assert_int_eq(request->cas->expected_case, DHTD__ADMIN__CAS_REQUEST__EXPECTED_OLD_VALUE);
	ck_assert(is_bytes(request->cas->old_value, "", 0));
	ck_assert(is_bytes(request->cas->new_value, "\0", 1));
	answer_cas();
	helper_cli_assert(&t, CLI_EXIT_OK, "", "dhtctl: version 3.17.1\n");

	helper_cli_start(&t, "-o", "json", "cas", "key", "--version", "4.5.6", "--new", "", NULL);
	expect(REQUEST(CAS));
	ck_assert_int_eq(request->cas->expected_case,
			 DHTD__ADMIN__CAS_REQUEST__EXPECTED_OLD_VERSION);
	ck_assert_uint_eq(request->cas->old_version->version, 4);
	ck_assert_uint_eq(request->cas->old_version->counter, 5);
	ck_assert_uint_eq(request->cas->old_version->member, 6);
	answer_cas();
	helper_cli_assert(&t, CLI_EXIT_OK,
			  "{\"schema\":1,\"key\":\"key\",\"version\":\"3.17.1\"}\n", "");

	/* No value is expected. */
	helper_cli_start(&t, "cas", "key", "--version", "0.0.0", "--new", "v", NULL);
	expect(REQUEST(CAS));
	ck_assert_int_eq(request->cas->expected_case,
			 DHTD__ADMIN__CAS_REQUEST__EXPECTED_OLD_VERSION);
	ck_assert_uint_eq(request->cas->old_version->counter, 0);
	helper_cli_answer_error(&t, request->call_id, 5, "the value is another one");
	helper_cli_assert(&t, CLI_EXIT_PRECONDITION, "",
			  "dhtctl: cas \"key\": the value is another one\n");
}
END_TEST

START_TEST(cas_needs_to_know_what_to_do)
{
	static const char *const cases[][6] = {
	    {"one of --old VALUE and --version V.C.M is needed", "--new", "x"},
	    {"one of --old VALUE and --version V.C.M is needed", "--old", "x", "--version=1.2.3"},
	    {"--new VALUE is needed", "--old", "x"},
	    {"\"1.2\" is not a version", "--version", "1.2", "--new", "x"},
	    {"the old value \"g\" is not hexadecimal", "--hex", "--old=g", "--new", "00"},
	    {"the new value \"g\" is not hexadecimal", "--hex", "--old=00", "--new", "g"},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		const char *const *words = cases[i] + 1;
		helper_cli_start(&t, "cas", "00", words[0], words[1], words[2], words[3], words[4],
				 NULL);
		helper_cli_assert(&t, CLI_EXIT_USAGE, "", NULL);
		ck_assert_msg(strstr(t.err, cases[i][0]) != NULL, "%s", t.err);
	}
}
END_TEST

static void answer_incr(int64_t delta, int64_t value)
{
	Dhtd__Admin__IncrResponse incr = DHTD__ADMIN__INCR_RESPONSE__INIT;
	expect(REQUEST(INCR));
	ck_assert(is_bytes(request->incr->key, "n", 1));
	ck_assert_int_eq(request->incr->delta, delta);
	incr.value = value;
	incr.version = &version;
	response.incr = &incr;
	helper_cli_answer(&t, &response);
}

START_TEST(incr_prints_the_sum)
{
	helper_cli_start(&t, "incr", "n", NULL);
	answer_incr(1, 42);
	helper_cli_assert(&t, CLI_EXIT_OK, "42\n", "");
	helper_cli_start(&t, "incr", "--hex", "6e", "-9223372036854775808", NULL);
	answer_incr(INT64_MIN, INT64_MIN);
	helper_cli_assert(&t, CLI_EXIT_OK, "-9223372036854775808\n", "");
	helper_cli_start(&t, "incr", "-o", "json", "n", "0", NULL);
	answer_incr(0, -3);
	helper_cli_assert(&t, CLI_EXIT_OK,
			  "{\"schema\":1,\"key\":\"n\",\"value\":-3,\"version\":\"3.17.1\"}\n", "");
	helper_cli_start(&t, "incr", "n", "1O", NULL);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "", NULL);
	ck_assert_msg(strstr(t.err, "incr: AMOUNT \"1O\" is not a whole number") != NULL, "%s",
		      t.err);
}
END_TEST

/* ---- scan ------------------------------------------------------------------------ */

static void answer_scan(const char *prefix, size_t len)
{
	Dhtd__Admin__ScanResponse first = DHTD__ADMIN__SCAN_RESPONSE__INIT;
	Dhtd__Admin__ScanResponse none = DHTD__ADMIN__SCAN_RESPONSE__INIT;
	Dhtd__Admin__ScanResponse last = DHTD__ADMIN__SCAN_RESPONSE__INIT;
	ProtobufCBinaryData keys[] = {binary("a", 1), binary("b\0", 2), binary("\xff", 1)};
	expect(REQUEST(SCAN));
	ck_assert(is_bytes(request->scan->prefix, prefix, len));
	first.n_keys = 2;
	first.keys = keys;
	last.n_keys = 1;
	last.keys = keys + 2;
	response.last = false;
	response.scan = &first;
	helper_cli_answer(&t, &response);
	response.scan = &none;
	helper_cli_answer(&t, &response);
	response.last = true;
	response.scan = &last;
	helper_cli_answer(&t, &response);
}

START_TEST(scan_lists_keys)
{
	helper_cli_start(&t, "scan", NULL);
	answer_scan("", 0);
	ck_assert_int_eq(helper_cli_wait(&t), CLI_EXIT_OK);
	ck_assert(bytes_equal(bytes_of(t.out, t.out_len), bytes_of("a\nb\0\n\xff\n", 7)));
	helper_cli_start(&t, "scan", "--hex", "00", NULL);
	answer_scan("\0", 1);
	helper_cli_assert(&t, CLI_EXIT_OK, "61\n6200\nff\n", "");
	helper_cli_start(&t, "scan", "-o", "json", "pre", NULL);
	answer_scan("pre", 3);
	helper_cli_assert(&t, CLI_EXIT_OK,
			  "{\"key\":\"a\"}\n{\"key\":\"b\\u0000\"}\n{\"key_b64\":\"/w==\"}\n", "");
}
END_TEST

START_TEST(a_stream_that_breaks_says_that_it_is_incomplete)
{
	Dhtd__Admin__ScanResponse scan = DHTD__ADMIN__SCAN_RESPONSE__INIT;
	ProtobufCBinaryData key = binary("a", 1);
	scan.n_keys = 1;
	scan.keys = &key;
	for (int hang_up = 0; hang_up < 2; hang_up++) {
		helper_cli_start(&t, "scan", "a", NULL);
		expect(REQUEST(SCAN));
		response.last = false;
		response.scan = &scan;
		helper_cli_answer(&t, &response);
		if (hang_up)
			helper_cli_hang_up(&t);
		else
			helper_cli_answer_error(&t, request->call_id, 22, "");
		helper_cli_assert(&t, hang_up ? CLI_EXIT_UNREACHABLE : CLI_EXIT_FAILED, "a\n",
				  NULL);
		ck_assert_msg(strstr(t.err, "; the output is incomplete\n") != NULL, "%s", t.err);
	}
}
END_TEST

/* ---- status ---------------------------------------------------------------------- */

static void make_node(Dhtd__Admin__NodeStatus *node, const char *name, const char *state)
{
	dhtd__admin__node_status__init(node);
	node->id = text("0123456789abcdef0123456789abcdef");
	node->name = text(name);
	node->state = text(state);
	node->peer = text("10.0.0.1:7402");
	node->client = text("10.0.0.1:7401");
	node->zone = text("a");
	node->weight = 100;
	node->keys = 1234567;
	node->bytes = 129499136;
}

static void answer_status(bool serving)
{
	Dhtd__Admin__StatusResponse status;
	Dhtd__Admin__NodeStatus nodes[3];
	Dhtd__Admin__NodeStatus *pointers[] = {&nodes[0], &nodes[1], &nodes[2]};
	char *reasons[] = {text("node n2\nis down")};
	expect(REQUEST(STATUS));
	dhtd__admin__status_response__init(&status);
	make_node(&nodes[0], "n1", "up");
	make_node(&nodes[1], "n2", "down");
	make_node(&nodes[2], "caf\xc3\xa9", "dreaming");
	status.cluster = text("prod");
	status.node = text("n1");
	status.id = nodes[0].id;
	status.version = text("0.1.0");
	status.pid = 4711;
	status.uptime_s = 273600;
	status.epoch = 12;
	status.health = text("degraded");
	status.n_reasons = 1;
	status.reasons = reasons;
	status.keys = 1234567;
	status.bytes = 129499136;
	status.workers = 3;
	status.connections = 64;
	status.lineage = text("00ff");
	status.resident_bytes = 1572864;
	status.serving = serving;
	status.startup = text(serving ? "" : "replaying segment 3 of 10");
	status.n_nodes = 3;
	status.nodes = pointers;
	response.status = &status;
	helper_cli_answer(&t, &response);
}

START_TEST(status_is_one_screen)
{
	helper_cli_start(&t, "status", NULL);
	answer_status(true);
	helper_cli_assert(
	    &t, CLI_EXIT_OK,
	    "degraded  node n1 of cluster prod, nodes 3, epoch 12\n"
	    "  ! node n2?is down\n"
	    "  dhtd 0.1.0, pid 4711, up 3d 4h\n"
	    "  keys 1,234,567, size 124 MiB, memory 1.5 MiB, workers 3, connections 64\n"
	    "\n"
	    "    NO  NAME  CLIENT         PEER           ZONE  WEIGHT       KEYS     SIZE  ID\n"
	    "UN   0  n1    10.0.0.1:7401  10.0.0.1:7402  a        100  1,234,567  124 MiB  "
	    "0123456789abcdef0123456789abcdef\n"
	    "DN   0  n2    10.0.0.1:7401  10.0.0.1:7402  a        100  1,234,567  124 MiB  "
	    "0123456789abcdef0123456789abcdef\n"
	    "??   0  caf\xc3\xa9  10.0.0.1:7401  10.0.0.1:7402  a        100  1,234,567  124 MiB  "
	    "0123456789abcdef0123456789abcdef\n"
	    "\n"
	    "UN = up, normal; DN = down\n",
	    "");
}
END_TEST

START_TEST(status_fails_while_the_node_starts)
{
	helper_cli_start(&t, "status", NULL);
	answer_status(false);
	helper_cli_assert(&t, CLI_EXIT_FAILED, NULL, "");
	ck_assert_msg(strstr(t.out, "  not serving: replaying segment 3 of 10\n") != NULL, "%s",
		      t.out);
	helper_cli_start(&t, "status", "-o", "json", NULL);
	answer_status(false);
	helper_cli_assert(&t, CLI_EXIT_FAILED, NULL, "");
	ck_assert_msg(
	    strstr(t.out, "\"serving\":false,\"startup\":\"replaying segment 3 of 10\",") != NULL,
	    "%s", t.out);
}
END_TEST

#define NODE_JSON(name, state)                                                                     \
	"{\"number\":0,\"id\":\"0123456789abcdef0123456789abcdef\",\"name\":\"" name               \
	"\",\"state\":\"" state                                                                    \
	"\",\"peer\":\"10.0.0.1:7402\",\"client\":\"10.0.0.1:7401\",\"zone\":\"a\","               \
	"\"weight\":100,\"keys\":1234567,\"bytes\":129499136}"

START_TEST(status_as_json)
{
	helper_cli_start(&t, "status", "-o", "json", NULL);
	answer_status(true);
	helper_cli_assert(
	    &t, CLI_EXIT_OK,
	    "{\"schema\":1,\"cluster\":\"prod\",\"node\":\"n1\","
	    "\"id\":\"0123456789abcdef0123456789abcdef\",\"version\":\"0.1.0\",\"pid\":4711,"
	    "\"uptime_s\":273600,\"epoch\":12,\"health\":\"degraded\","
	    "\"reasons\":[\"node n2\\nis down\"],\"serving\":true,\"keys\":1234567,"
	    "\"bytes\":129499136,\"workers\":3,\"connections\":64,"
	    "\"lineage\":\"00ff\",\"resident_bytes\":1572864,\"nodes\":[" NODE_JSON(
		"n1", "up") "," NODE_JSON("n2", "down") "," NODE_JSON("caf\xc3\xa9",
								      "dreaming") "]}\n",
	    "");
}
END_TEST

START_TEST(status_as_lines)
{
	helper_cli_start(&t, "status", "-o", "lines", NULL);
	answer_status(true);
	helper_cli_assert(&t, CLI_EXIT_OK, NULL, "");
	static const char *const lines[] = {
	    "schema=1\ncluster=prod\n",
	    "\nhealth=degraded\nreasons.0=node n2\\nis down\nserving=true\nkeys=1234567\n",
	    "\nnodes.0.name=n1\nnodes.0.state=up\n",
	    "\nnodes.2.name=caf\xc3\xa9\n",
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(lines); i++)
		ck_assert_msg(strstr(t.out, lines[i]) != NULL, "%s", t.out);
	ck_assert_ptr_eq(strstr(t.out, "nodes.3"), NULL);
}
END_TEST

START_TEST(status_of_an_empty_answer)
{
	Dhtd__Admin__StatusResponse status;
	dhtd__admin__status_response__init(&status);
	helper_cli_start(&t, "status", NULL);
	expect(REQUEST(STATUS));
	response.status = &status;
	helper_cli_answer(&t, &response);
	helper_cli_assert(&t, CLI_EXIT_FAILED,
			  "  node  of cluster , nodes 0, epoch 0\n"
			  "  not serving: starting\n"
			  "  dhtd , pid 0, up 0s\n"
			  "  keys 0, size 0 B, memory 0 B, workers 0, connections 0\n",
			  "");
}
END_TEST

static void answer_store(Dhtd__Admin__StoreStatus *store)
{
	Dhtd__Admin__StatusResponse status;
	dhtd__admin__status_response__init(&status);
	expect(REQUEST(STATUS));
	status.serving = true;
	status.store = store;
	response.status = &status;
	helper_cli_answer(&t, &response);
}

#define SUMMARY_OF_NOTHING                                                                         \
	"  node  of cluster , nodes 0, epoch 0\n"                                                  \
	"  dhtd , pid 0, up 0s\n"                                                                  \
	"  keys 0, size 0 B, memory 0 B, workers 0, connections 0\n"

START_TEST(status_of_a_store)
{
	Dhtd__Admin__StoreStatus store = DHTD__ADMIN__STORE_STATUS__INIT;
	Dhtd__Admin__Quantiles fsync_us = DHTD__ADMIN__QUANTILES__INIT;
	Dhtd__Admin__CompactionStatus compaction = DHTD__ADMIN__COMPACTION_STATUS__INIT;
	Dhtd__Admin__RecoveryStatus recovery = DHTD__ADMIN__RECOVERY_STATUS__INIT;
	store.fsync = text("always");
	store.segments = 31;
	store.cold_segments = 3;
	store.spare_segments = 2;
	store.live_bytes = UINT64_C(1) << 30;
	store.dead_bytes = 300 << 20;
	store.disk_bytes = UINT64_C(2) << 30;
	store.index_bytes = 12 << 20;
	store.mapped_bytes = UINT64_C(28) * 64 << 20;
	store.keys = 1234;
	store.tombstones = 5;
	store.fsync_us = &fsync_us;
	fsync_us.p50 = 90;
	fsync_us.p99 = 300;
	fsync_us.max = 12000;
	store.compaction = &compaction;
	compaction.running = true;
	compaction.progress = 0.25;
	compaction.bytes_copied = UINT64_C(1) << 31;
	compaction.bytes_per_s = 64 << 20;
	store.recovery = &recovery;
	recovery.bytes_done = 1 << 20;
	recovery.bytes_total = 4 << 20;
	store.read_only = true;
	store.read_only_reason = text("the disk\nis full");
	helper_cli_start(&t, "status", NULL);
	answer_store(&store);
	helper_cli_assert(&t, CLI_EXIT_OK,
			  SUMMARY_OF_NOTHING
			  "  store live 1.0 GiB, dead 300 MiB, index 12 MiB, mapped 1.8 GiB\n"
			  "  segments 31, of these cold 3, spare 2, disk 2.0 GiB\n"
			  "  fsync always, p50 90 us, p99 300 us, max 12000 us\n"
			  "  compaction at 25% of a segment, copied 2.0 GiB, now 64 MiB/s\n"
			  "  recovery at 25%: 1.0 MiB of 4.0 MiB\n"
			  "  read-only: the disk?is full\n",
			  "");
	helper_cli_start(&t, "status", "-o", "json", NULL);
	answer_store(&store);
	helper_cli_assert(&t, CLI_EXIT_OK, NULL, "");
	const char *found = strstr(t.out, "\"store\":");
	ck_assert_msg(found != NULL, "%s", t.out);
	ck_assert_str_eq(
	    found, "\"store\":{\"fsync\":\"always\",\"segments\":31,\"cold_segments\":3,"
		   "\"spare_segments\":2,\"live_bytes\":1073741824,\"dead_bytes\":314572800,"
		   "\"disk_bytes\":2147483648,\"index_bytes\":12582912,\"mapped_bytes\":1879048192,"
		   "\"keys\":1234,\"tombstones\":5,\"fsync_us\":{\"p50\":90,\"p99\":300,"
		   "\"max\":12000},\"compaction\":{\"running\":true,\"progress\":0.25,"
		   "\"bytes_copied\":2147483648,\"bytes_per_s\":67108864},"
		   "\"recovery\":{\"bytes_done\":1048576,\"bytes_total\":4194304},"
		   "\"read_only\":true,\"read_only_reason\":\"the disk\\nis full\"}}\n");
}
END_TEST

START_TEST(status_of_an_idle_store)
{
	Dhtd__Admin__StoreStatus store = DHTD__ADMIN__STORE_STATUS__INIT;
	Dhtd__Admin__CompactionStatus compaction = DHTD__ADMIN__COMPACTION_STATUS__INIT;
	helper_cli_start(&t, "status", NULL);
	answer_store(&store);
	static const char idle[] =
	    SUMMARY_OF_NOTHING "  store live 0 B, dead 0 B, index 0 B, mapped 0 B\n"
			       "  segments 0, of these cold 0, spare 0, disk 0 B\n"
			       "  fsync , p50 0 us, p99 0 us, max 0 us\n";
	helper_cli_assert(&t, CLI_EXIT_OK, idle, "");
	/* A share that is none is shown as one all the same. */
	static const struct {
		double progress;
		const char *shown;
	} shares[] = {{-1, " 0% "}, {NAN, " 0% "}, {0.999, " 99% "}, {1e300, " 100% "}};
	store.compaction = &compaction;
	compaction.running = true;
	for (size_t i = 0; i < DHT_ARRAY_LEN(shares); i++) {
		compaction.progress = shares[i].progress;
		helper_cli_start(&t, "status", NULL);
		answer_store(&store);
		helper_cli_assert(&t, CLI_EXIT_OK, NULL, "");
		ck_assert_msg(strstr(t.out, shares[i].shown) != NULL, "%s", t.out);
	}
}
END_TEST

/* ---- queues ---------------------------------------------------------------------- */

static void answer_queues(void)
{
	Dhtd__Admin__QueuesResponse queues = DHTD__ADMIN__QUEUES_RESPONSE__INIT;
	Dhtd__Admin__DispatcherQueue dispatcher = DHTD__ADMIN__DISPATCHER_QUEUE__INIT;
	Dhtd__Admin__WorkerQueue workers[2];
	Dhtd__Admin__WorkerQueue *pointers[] = {&workers[0], &workers[1]};
	Dhtd__Admin__Quantiles wait_us = DHTD__ADMIN__QUANTILES__INIT;
	Dhtd__Admin__JobKind kinds[2];
	Dhtd__Admin__JobKind *kind_pointers[] = {&kinds[0], &kinds[1]};
	Dhtd__Admin__CommandCalls commands[2];
	Dhtd__Admin__CommandCalls *command_pointers[] = {&commands[0], &commands[1]};
	expect(REQUEST(QUEUES));
	for (int i = 0; i < 2; i++) {
		dhtd__admin__worker_queue__init(&workers[i]);
		dhtd__admin__job_kind__init(&kinds[i]);
		workers[i].worker = (uint32_t)i;
	}
	kinds[0].name = text("connection");
	kinds[0].count = 900;
	kinds[1].name = text("no-op");
	kinds[1].count = 100;
	wait_us.p50 = 3;
	wait_us.p99 = 40;
	wait_us.max = 500;
	workers[0].depth = 1;
	workers[0].depth_max = 7;
	workers[0].jobs = 1000;
	workers[0].busy = 0.12;
	workers[0].connections = 32;
	workers[0].requests = 5000;
	workers[0].full = 2;
	workers[0].wait_us = &wait_us;
	workers[0].n_kinds = 2;
	workers[0].kinds = kind_pointers;
	/* The second has one kind, no quantiles, and a number that JSON has no word for. */
	workers[1].n_kinds = 1;
	workers[1].kinds = kind_pointers + 1;
	workers[1].busy = NAN;
	dhtd__admin__command_calls__init(&commands[0]);
	dhtd__admin__command_calls__init(&commands[1]);
	commands[0].name = text("get");
	commands[0].calls = 12;
	commands[0].failed = 3;
	commands[0].time_us = &wait_us;
	commands[1].name = text("config|get");
	commands[1].rejected = 1;
	queues.n_commands = 2;
	queues.commands = command_pointers;
	dispatcher.parked = 10;
	dispatcher.dispatched = 20;
	dispatcher.accepted = 30;
	dispatcher.waiting = 40;
	dispatcher.refused = UINT64_MAX;
	queues.n_workers = 2;
	queues.workers = pointers;
	queues.dispatcher = &dispatcher;
	response.queues = &queues;
	helper_cli_answer(&t, &response);
}

START_TEST(queues_as_tables)
{
	helper_cli_start(&t, "queues", NULL);
	answer_queues();
	helper_cli_assert(
	    &t, CLI_EXIT_OK,
	    "WORKER  DEPTH  MAX  JOBS  BUSY  CONNECTIONS  REQUESTS  FULL  WAIT us p50/p99/max  "
	    "RUN us p50/p99/max\n"
	    "     0      1    7  1000   12%           32      5000     2             3/40/500  "
	    "             0/0/0\n"
	    "     1      0    0     0    0%            0         0     0                0/0/0  "
	    "             0/0/0\n"
	    "\n"
	    "jobs by kind\n"
	    "WORKER  connection  no-op\n"
	    "     0         900    100\n"
	    "     1           0    100\n"
	    "\n"
	    "dispatcher: connections\n"
	    "PARKED  DISPATCHED  ACCEPTED  WAITING               REFUSED\n"
	    "    10          20        30       40  18446744073709551615\n"
	    "\n"
	    "commands of the client port\n"
	    "COMMAND     CALLS  FAILED  REJECTED  TIME us p50/p99/max\n"
	    "get            12       3         0             3/40/500\n"
	    "config|get      0       0         1                0/0/0\n",
	    "");
}
END_TEST

START_TEST(queues_as_json)
{
	helper_cli_start(&t, "queues", "-o", "json", NULL);
	answer_queues();
	helper_cli_assert(
	    &t, CLI_EXIT_OK,
	    "{\"schema\":1,\"workers\":["
	    "{\"worker\":0,\"depth\":1,\"depth_max\":7,\"jobs\":1000,\"busy\":0.12,"
	    "\"connections\":32,\"wait_us\":{\"p50\":3,\"p99\":40,\"max\":500},"
	    "\"run_us\":{\"p50\":0,\"p99\":0,\"max\":0},"
	    "\"kinds\":{\"connection\":900,\"no-op\":100},\"requests\":5000,\"full\":2},"
	    "{\"worker\":1,\"depth\":0,\"depth_max\":0,\"jobs\":0,\"busy\":0.0,"
	    "\"connections\":0,\"wait_us\":{\"p50\":0,\"p99\":0,\"max\":0},"
	    "\"run_us\":{\"p50\":0,\"p99\":0,\"max\":0},"
	    "\"kinds\":{\"no-op\":100},\"requests\":0,\"full\":0}],"
	    "\"dispatcher\":{\"parked\":10,\"dispatched\":20,\"accepted\":30,\"waiting\":40,"
	    "\"refused\":9223372036854775807},\"commands\":["
	    "{\"name\":\"get\",\"calls\":12,\"failed\":3,\"rejected\":0,"
	    "\"time_us\":{\"p50\":3,\"p99\":40,\"max\":500}},"
	    "{\"name\":\"config|get\",\"calls\":0,\"failed\":0,\"rejected\":1,"
	    "\"time_us\":{\"p50\":0,\"p99\":0,\"max\":0}}]}\n",
	    "");
}
END_TEST

START_TEST(queues_of_an_empty_answer)
{
	Dhtd__Admin__QueuesResponse queues = DHTD__ADMIN__QUEUES_RESPONSE__INIT;
	helper_cli_start(&t, "queues", "-o", "json", NULL);
	expect(REQUEST(QUEUES));
	response.queues = &queues;
	helper_cli_answer(&t, &response);
	helper_cli_assert(&t, CLI_EXIT_OK,
			  "{\"schema\":1,\"workers\":[],\"dispatcher\":{\"parked\":0,"
			  "\"dispatched\":0,\"accepted\":0,\"waiting\":0,\"refused\":0},"
			  "\"commands\":[]}\n",
			  "");
}
END_TEST

/* ---- config, log-level ----------------------------------------------------------- */

static void answer_config_show(void)
{
	Dhtd__Admin__ConfigResponse config = DHTD__ADMIN__CONFIG_RESPONSE__INIT;
	Dhtd__Admin__ConfigItem items[2];
	Dhtd__Admin__ConfigItem *pointers[] = {&items[0], &items[1]};
	expect(REQUEST(CONFIG));
	ck_assert_int_eq(request->config->action, DHTD__ADMIN__CONFIG_REQUEST__ACTION__SHOW);
	dhtd__admin__config_item__init(&items[0]);
	dhtd__admin__config_item__init(&items[1]);
	items[0].key = text("node.name");
	items[0].value = text("n1");
	items[1].key = text("log.level");
	items[1].value = text("info");
	items[1].default_value = text("info");
	items[1].reloadable = true;
	config.n_items = 2;
	config.items = pointers;
	response.config = &config;
	helper_cli_answer(&t, &response);
}

START_TEST(config_show)
{
	helper_cli_start(&t, "config", "show", NULL);
	answer_config_show();
	helper_cli_assert(&t, CLI_EXIT_OK,
			  "SETTING    VALUE  DEFAULT  RELOAD\n"
			  "node.name  n1              no\n"
			  "log.level  info   info     yes\n",
			  "");
	helper_cli_start(&t, "config", "show", "-o", "json", NULL);
	answer_config_show();
	helper_cli_assert(&t, CLI_EXIT_OK,
			  "{\"schema\":1,\"settings\":[{\"key\":\"node.name\",\"value\":\"n1\","
			  "\"default\":\"\",\"reloadable\":false},{\"key\":\"log.level\","
			  "\"value\":\"info\",\"default\":\"info\",\"reloadable\":true}]}\n",
			  "");
}
END_TEST

static void answer_config_check(const char *name, const char *content, size_t n_problems)
{
	Dhtd__Admin__ConfigResponse config = DHTD__ADMIN__CONFIG_RESPONSE__INIT;
	char *problems[] = {text("x.yaml:1:1: nod: unknown key"),
			    text("x.yaml:2:3: log.level: \x1b[31m?")};
	expect(REQUEST(CONFIG));
	ck_assert_int_eq(request->config->action, DHTD__ADMIN__CONFIG_REQUEST__ACTION__CHECK);
	ck_assert_str_eq(request->config->file_name, name);
	ck_assert(is_bytes(request->config->content, content, strlen(content)));
	config.n_problems = n_problems;
	config.problems = problems;
	response.config = &config;
	helper_cli_answer(&t, &response);
}

START_TEST(config_check)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/x.yaml", t.directory);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs("nod: {}\n", file), 0);
	ck_assert_int_eq(fclose(file), 0);
	helper_cli_start(&t, "config", "check", path, NULL);
	answer_config_check(path, "nod: {}\n", 2);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "",
			  "x.yaml:1:1: nod: unknown key\nx.yaml:2:3: log.level: ?[31m?\n");
	helper_cli_start(&t, "config", "check", path, NULL);
	answer_config_check(path, "nod: {}\n", 0);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	helper_cli_set_input(&t, "a: 1", 4);
	helper_cli_start(&t, "config", "check", "-", "-ojson", NULL);
	answer_config_check("standard input", "a: 1", 0);
	helper_cli_assert(&t, CLI_EXIT_OK, "{\"schema\":1,\"problems\":[]}\n", "");
	ck_assert_int_eq(truncate(path, 1024 * 1024 + 1), 0);
	helper_cli_start(&t, "config", "check", path, NULL);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "", NULL);
	ck_assert_msg(strstr(t.err, "is larger than 1048576 bytes") != NULL, "%s", t.err);
	unlink(path);
	helper_cli_start(&t, "config", "check", path, NULL);
	helper_cli_assert(&t, CLI_EXIT_FAILED, "", NULL);
	ck_assert_msg(strstr(t.err, "x.yaml: No such file or directory\n") != NULL, "%s", t.err);
}
END_TEST

START_TEST(config_mistakes)
{
	static const char *const cases[][4] = {
	    {"config: show or check what?; usage: ", NULL},
	    {"config: unknown action \"shwo\"; did you mean show?; usage: ", "shwo"},
	    {"config: unknown action \"set\"; usage: ", "set", "x"},
	    {"config: an argument is missing; usage: ", "check"},
	    {"config: unexpected argument \"y\"; usage: ", "show", "x", "y"},
	    {"config: unexpected argument \"y\"; usage: ", "check", "x", "y"},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		const char *const *words = cases[i] + 1;
		helper_cli_start(&t, "config", words[0], words[1], words[2], NULL);
		helper_cli_assert(&t, CLI_EXIT_USAGE, "", NULL);
		ck_assert_msg(strstr(t.err, cases[i][0]) != NULL, "%s", t.err);
	}
}
END_TEST

static void answer_log_level(const char *expected)
{
	Dhtd__Admin__LogLevelResponse log_level;
	expect(REQUEST(LOG_LEVEL));
	ck_assert_str_eq(request->log_level->level, expected);
	dhtd__admin__log_level_response__init(&log_level);
	log_level.level = text(expected[0] != '\0' ? expected : "info");
	log_level.previous = text("info");
	response.log_level = &log_level;
	helper_cli_answer(&t, &response);
}

START_TEST(log_level)
{
	helper_cli_start(&t, "log-level", NULL);
	answer_log_level("");
	helper_cli_assert(&t, CLI_EXIT_OK, "info\n", "");
	helper_cli_start(&t, "log-level", "debug", NULL);
	answer_log_level("debug");
	helper_cli_assert(&t, CLI_EXIT_OK, "debug\n", "");
	helper_cli_start(&t, "log-level", "warn", "-o", "json", NULL);
	answer_log_level("warn");
	helper_cli_assert(&t, CLI_EXIT_OK,
			  "{\"schema\":1,\"level\":\"warn\",\"previous\":\"info\"}\n", "");
	helper_cli_start(&t, "log-level", "dbug", NULL);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "", NULL);
	ck_assert_msg(strstr(t.err, "unknown level \"dbug\"; did you mean debug?") != NULL, "%s",
		      t.err);
}
END_TEST

/* ---- help, version --------------------------------------------------------------- */

START_TEST(help_knows_every_command)
{
	size_t count;
	const struct cli_command *commands = cli_command_table(&count);
	char *page;
	helper_cli_start(&t, "help", NULL);
	helper_cli_assert(&t, CLI_EXIT_OK, NULL, "");
	page = strdup(t.out);
	ck_assert_ptr_nonnull(page);
	helper_cli_start(&t, "-h", NULL);
	helper_cli_assert(&t, CLI_EXIT_OK, page, "");
	for (size_t i = 0; i < count; i++) {
		ck_assert_msg(strstr(page, commands[i].summary) != NULL, "%s", commands[i].name);
		helper_cli_start(&t, "help", commands[i].name, NULL);
		helper_cli_assert(&t, CLI_EXIT_OK, NULL, "");
		ck_assert_msg(strstr(t.out, commands[i].details) != NULL, "%s", t.out);
		ck_assert_msg(strncmp(t.out, "usage: dhtctl ", 14) == 0, "%s", t.out);
		char *help = strdup(t.out);
		helper_cli_start(&t, commands[i].name, "--help", NULL);
		helper_cli_assert(&t, CLI_EXIT_OK, help, "");
		free(help);
	}
	free(page);
	helper_cli_start(&t, "help", "gte", NULL);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "",
			  "dhtctl: unknown command \"gte\"; did you mean get?\n");
}
END_TEST

START_TEST(no_command_at_all)
{
	helper_cli_start_plain(&t, NULL);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "", NULL);
	ck_assert_msg(strncmp(t.err, "dhtctl: no command; usage: dhtctl [-s SOCKET]", 44) == 0,
		      "%s", t.err);
}
END_TEST

START_TEST(version_needs_no_daemon)
{
	helper_cli_start_plain(&t, "version", NULL);
	helper_cli_assert(&t, CLI_EXIT_OK, "dhtctl " DHT_VERSION "\n", "");
	helper_cli_start_plain(&t, "get", "--version", NULL);
	helper_cli_assert(&t, CLI_EXIT_OK, "dhtctl " DHT_VERSION "\n", "");
	helper_cli_start_plain(&t, "version", "-o", "json", NULL);
	helper_cli_assert(&t, CLI_EXIT_OK, "{\"schema\":1,\"version\":\"" DHT_VERSION "\"}\n", "");
	helper_cli_start_plain(&t, "version", "x", NULL);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "", NULL);
}
END_TEST

START_TEST(commands_without_operands_take_none)
{
	static const char *const commands[] = {"status", "queues"};
	for (size_t i = 0; i < DHT_ARRAY_LEN(commands); i++) {
		helper_cli_start(&t, commands[i], "x", NULL);
		helper_cli_assert(&t, CLI_EXIT_USAGE, "", NULL);
		ck_assert_msg(strstr(t.err, "unexpected argument \"x\"") != NULL, "%s", t.err);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli/commands");
	TCase *tcase = tcase_create("commands");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, get_prints_exactly_the_bytes);
	tcase_add_test(tcase, get_speaks_encodings);
	tcase_add_test(tcase, get_as_json);
	tcase_add_test(tcase, get_of_a_missing_key);
	tcase_add_test(tcase, put_stores_what_was_typed);
	tcase_add_test(tcase, put_takes_a_time_to_live);
	tcase_add_test(tcase, put_and_ttl_refuse_times_that_are_none);
	tcase_add_test(tcase, ttl_prints_what_is_left);
	tcase_add_test(tcase, ttl_sets_silently);
	tcase_add_test(tcase, put_reads_standard_input);
	tcase_add_test(tcase, put_sends_16_mib_and_refuses_what_no_frame_holds);
	tcase_add_test(tcase, put_reports_what_it_cannot_read);
	tcase_add_test(tcase, put_conditions_exclude_each_other);
	tcase_add_test(tcase, del_asks_for_the_key);
	tcase_add_test(tcase, cas_expects_a_value_or_a_version);
	tcase_add_test(tcase, cas_needs_to_know_what_to_do);
	tcase_add_test(tcase, incr_prints_the_sum);
	tcase_add_test(tcase, scan_lists_keys);
	tcase_add_test(tcase, a_stream_that_breaks_says_that_it_is_incomplete);
	tcase_add_test(tcase, status_is_one_screen);
	tcase_add_test(tcase, status_fails_while_the_node_starts);
	tcase_add_test(tcase, status_as_json);
	tcase_add_test(tcase, status_as_lines);
	tcase_add_test(tcase, status_of_an_empty_answer);
	tcase_add_test(tcase, status_of_a_store);
	tcase_add_test(tcase, status_of_an_idle_store);
	tcase_add_test(tcase, queues_as_tables);
	tcase_add_test(tcase, queues_as_json);
	tcase_add_test(tcase, queues_of_an_empty_answer);
	tcase_add_test(tcase, config_show);
	tcase_add_test(tcase, config_check);
	tcase_add_test(tcase, config_mistakes);
	tcase_add_test(tcase, log_level);
	tcase_add_test(tcase, help_knows_every_command);
	tcase_add_test(tcase, no_command_at_all);
	tcase_add_test(tcase, version_needs_no_daemon);
	tcase_add_test(tcase, commands_without_operands_take_none);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
