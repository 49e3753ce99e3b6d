/* SPDX-License-Identifier: Apache-2.0
 *
 * dump, load, and the lines that go from one to the other.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/error.h"
#include "cli/entry.h"
#include "cli/exit.h"
#include "cli/input.h"
#include "cli/run.h"
#include "helper_cli.h"

#define REQUEST(NAME)  DHTD__ADMIN__ADMIN_REQUEST__COMMAND_##NAME
#define RESPONSE(NAME) DHTD__ADMIN__ADMIN_RESPONSE__RESULT_##NAME

enum { TEXT_MAX = 64 * 1024 * 1024 };

static struct helper_cli t;

static void setup(void)
{
	helper_cli_init(&t, cli_run);
}

static void teardown(void)
{
	helper_cli_fini(&t);
}

/* ---- lines ----------------------------------------------------------------------- */

static void assert_parses(const char *line, const char *key, size_t key_len, const char *value,
			  size_t value_len, uint64_t expires_ms)
{
	struct cli_entry entry;
	char problem[CLI_ENTRY_PROBLEM_MAX] = "";
	int rc = cli_entry_parse(bytes_of(line, strlen(line)), &entry, problem);
	ck_assert_msg(rc == 0, "%s: %s", line, problem);
	ck_assert(bytes_equal(bytes_of(entry.key.data, entry.key.len), bytes_of(key, key_len)));
	ck_assert(
	    bytes_equal(bytes_of(entry.value.data, entry.value.len), bytes_of(value, value_len)));
	ck_assert_uint_eq(entry.expires_ms, expires_ms);
	cli_entry_fini(&entry);
}

START_TEST(lines_are_parsed)
{
	assert_parses("{\"key\":\"a\",\"value\":\"b\",\"expires_ms\":0}", "a", 1, "b", 1, 0);
	assert_parses(" { \"value\" : \"\" , \"key\" : \"\" }\r", "", 0, "", 0, 0);
	assert_parses("{\"key_b64\":\"AP8=\",\"value_b64\":\"\",\"expires_ms\":1700000000000}",
		      "\0\xff", 2, "", 0, 1700000000000);
	assert_parses("{\"key\":\"\\u0000\\u00e9\\\"\",\"value\":\"\\ud83d\\ude00\\n\"}",
		      "\0\xc3\xa9\"", 4, "\xf0\x9f\x98\x80\n", 5, 0);
	assert_parses("{\"key\":\"k\",\"value\":\"v\",\"expires_ms\":9223372036854775807}", "k", 1,
		      "v", 1, INT64_MAX);
}
END_TEST

START_TEST(lines_are_refused_with_a_reason)
{
	static const struct {
		const char *line;
		const char *problem;
	} cases[] = {
	    {"", "not JSON: "},
	    {"{\"key\":\"a\",\"value\":\"b\"", "not JSON: "},
	    {"{\"key\":\"a\",\"value\":\"b\"} {}", "not JSON: "},
	    {"{\"key\":\"a\",\"value\":\"\xff\"}", "not JSON: "},
	    {"{\"key\":\"a\",\"key\":\"b\",\"value\":\"\"}", "not JSON: duplicate object key"},
	    {"[1]", "not a JSON object"},
	    {"{}", "\"key\" or \"key_b64\" is missing"},
	    {"{\"key\":\"a\"}", "\"value\" or \"value_b64\" is missing"},
	    {"{\"key\":\"a\",\"key_b64\":\"\",\"value\":\"\"}",
	     "both \"key\" and \"key_b64\" are given"},
	    {"{\"key\":1,\"value\":\"\"}", "\"key\" is not a string"},
	    {"{\"key\":\"a\",\"value\":null}", "\"value\" is not a string"},
	    {"{\"key_b64\":\"a\",\"value\":\"\"}", "\"key_b64\" is not base64 (position 2)"},
	    {"{\"key\":\"a\",\"value_b64\":\"AA==AA==\"}", "\"value_b64\" is not base64"},
	    {"{\"key\":\"a\",\"value\":\"\",\"expire_ms\":1}", "unknown field \"expire_ms\""},
	    {"{\"key\":\"a\",\"value\":\"\",\"expires_ms\":-1}", "\"expires_ms\" is not a whole"},
	    {"{\"key\":\"a\",\"value\":\"\",\"expires_ms\":1.5}", "\"expires_ms\" is not a whole"},
	    {"{\"key\":\"a\",\"value\":\"\",\"expires_ms\":\"1\"}", "\"expires_ms\" is not a"},
	    {"{\"key\":\"a\",\"value\":\"\",\"expires_ms\":9223372036854775808}", "not JSON: "},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct cli_entry entry;
		char problem[CLI_ENTRY_PROBLEM_MAX] = "";
		const char *line = cases[i].line;
		ck_assert_msg(cli_entry_parse(bytes_of(line, strlen(line)), &entry, problem) ==
				  DHT_EINVAL,
			      "%s", line);
		ck_assert_msg(strncmp(problem, cases[i].problem, strlen(cases[i].problem)) == 0,
			      "%s: %s", line, problem);
	}
}
END_TEST

static char *text_of(size_t len, char c, const char *before, const char *after)
{
	size_t before_len = strlen(before), after_len = strlen(after);
	char *s = malloc(before_len + len + after_len + 1);
	ck_assert_ptr_nonnull(s);
	memcpy(s, before, before_len);
	memset(s + before_len, c, len);
	memcpy(s + before_len + len, after, after_len + 1);
	return s;
}

START_TEST(lines_have_bounds)
{
	static const struct {
		size_t len;
		const char *before, *after;
		const char *problem; /* NULL: good */
	} cases[] = {
	    {65535, "{\"key\":\"", "\",\"value\":\"\"}", NULL},
	    {65536, "{\"key\":\"", "\",\"value\":\"\"}", "the key is 65536 bytes long, at most"},
	    {16777216, "{\"key\":\"k\",\"value\":\"", "\"}", NULL},
	    {17825792, "{\"key\":\"k\",\"value\":\"", "\"}", "the value is 17825792 bytes long"},
	    {60000000, "{\"key\":\"k\",\"value_b64\":\"", "\"}", "\"value_b64\" is too large"},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct cli_entry entry;
		char problem[CLI_ENTRY_PROBLEM_MAX] = "";
		char *line = text_of(cases[i].len, 'A', cases[i].before, cases[i].after);
		int rc = cli_entry_parse(bytes_of(line, strlen(line)), &entry, problem);
		if (cases[i].problem == NULL)
			ck_assert_msg(rc == 0, "%s", problem);
		else
			ck_assert_msg(
			    strncmp(problem, cases[i].problem, strlen(cases[i].problem)) == 0, "%s",
			    problem);
		cli_entry_fini(&entry);
		free(line);
	}
}
END_TEST

static void assert_lines(const char *content, size_t len, size_t max, const char *const *lines,
			 int end)
{
	helper_cli_set_input(&t, content, len);
	ck_assert_int_eq(dup2(t.child_stdin, STDIN_FILENO), STDIN_FILENO);
	struct cli_input input;
	struct bytes line;
	ck_assert_int_eq(cli_input_open(&input, "-"), 0);
	uint64_t number = 0;
	for (; *lines != NULL; lines++) {
		ck_assert_int_eq(cli_input_read_line(&input, max, &line), 1);
		ck_assert(bytes_equal(line, bytes_of(*lines, strlen(*lines))));
		ck_assert_uint_eq(input.line_number, ++number);
	}
	ck_assert_int_eq(cli_input_read_line(&input, max, &line), end);
	if (end == 0)
		ck_assert_uint_eq(input.taken_bytes, len);
	else
		ck_assert_uint_eq(input.line_number, number + 1);
	cli_input_close(&input);
}

START_TEST(input_is_cut_into_lines)
{
	static const char *const none[] = {NULL};
	static const char *const two[] = {"a", "bcd", NULL};
	static const char *const empty[] = {"", "", "x", NULL};
	assert_lines("", 0, 10, none, 0);
	assert_lines("a\nbcd\n", 6, 3, two, 0);
	assert_lines("a\nbcd", 5, 3, two, 0);
	assert_lines("\n\nx\n", 4, 1, empty, 0);
	assert_lines("a\nbcd\nefgh\n", 11, 3, two, DHT_ETOOBIG);
	assert_lines("a\nbcd\nefgh", 10, 3, two, DHT_ETOOBIG);
	assert_lines("abcd", 4, 3, none, DHT_ETOOBIG);
}
END_TEST

START_TEST(long_input_is_cut_into_lines)
{
	/* Lines of all lengths around the size of a read. */
	enum { STEP = 256 * 1024 };
	for (size_t len = STEP - 2; len <= STEP + 2; len++) {
		char *content = text_of(2 * len + 1, 'x', "", "\n");
		content[len] = '\n';
		char *line = text_of(len, 'x', "", "");
		const char *const lines[] = {line, line, NULL};
		assert_lines(content, 2 * len + 2, len, lines, 0);
		free(line);
		free(content);
	}
}
END_TEST

/* ---- dump ------------------------------------------------------------------------ */

static void make_entry(Dhtd__Admin__Entry *entry, const char *key, size_t key_len,
		       const char *value, size_t value_len, uint64_t expires_ms)
{
	dhtd__admin__entry__init(entry);
	entry->key = (ProtobufCBinaryData){.len = key_len, .data = (uint8_t *)(uintptr_t)key};
	entry->value = (ProtobufCBinaryData){.len = value_len, .data = (uint8_t *)(uintptr_t)value};
	entry->expires_ms = expires_ms;
}

/* Answers a dump with these entries, one response each. */
static void answer_dump(const char *prefix, Dhtd__Admin__Entry *entries, size_t count)
{
	Dhtd__Admin__AdminRequest *request = helper_cli_expect(&t, REQUEST(DUMP));
	Dhtd__Admin__AdminResponse response = DHTD__ADMIN__ADMIN_RESPONSE__INIT;
	struct bytes asked = bytes_of(request->dump->prefix.data, request->dump->prefix.len);
	ck_assert(bytes_equal(asked, bytes_of(prefix, strlen(prefix))));
	response.call_id = request->call_id;
	response.result_case = RESPONSE(DUMP);
	for (size_t i = 0; i <= count; i++) {
		Dhtd__Admin__DumpResponse dump = DHTD__ADMIN__DUMP_RESPONSE__INIT;
		Dhtd__Admin__Entry *entry = &entries[i < count ? i : 0];
		dump.n_entries = i < count ? 1 : 0;
		dump.entries = &entry;
		response.last = i == count;
		response.dump = &dump;
		helper_cli_answer(&t, &response);
	}
	helper_cli_free(request);
}

START_TEST(dump_writes_json_lines)
{
	Dhtd__Admin__Entry entries[4];
	make_entry(&entries[0], "a", 1, "b\n", 2, 0);
	make_entry(&entries[1], "", 0, "", 0, 1700000000000);
	make_entry(&entries[2], "\xff", 1, "\0", 1, 0);
	make_entry(&entries[3], "k\0", 2, "\x80\x01", 2, UINT64_MAX);
	for (int json = 0; json < 2; json++) {
		helper_cli_start(&t, "dump", "-o", json ? "json" : "table", "pre", NULL);
		answer_dump("pre", entries, 4);
		helper_cli_assert(&t, CLI_EXIT_OK,
				  "{\"key\":\"a\",\"value\":\"b\\n\",\"expires_ms\":0}\n"
				  "{\"key\":\"\",\"value\":\"\",\"expires_ms\":1700000000000}\n"
				  "{\"key_b64\":\"/w==\",\"value\":\"\\u0000\",\"expires_ms\":0}\n"
				  "{\"key\":\"k\\u0000\",\"value_b64\":\"gAE=\","
				  "\"expires_ms\":9223372036854775807}\n",
				  "");
	}
}
END_TEST

/* ---- load ------------------------------------------------------------------------ */

/* Takes a LoadRequest and checks that it has so many entries. */
static Dhtd__Admin__AdminRequest *expect_load(size_t entries)
{
	Dhtd__Admin__AdminRequest *request = helper_cli_expect(&t, REQUEST(LOAD));
	ck_assert_uint_eq(request->load->n_entries, entries);
	return request;
}

static void answer_load_kept(const Dhtd__Admin__AdminRequest *request, uint64_t loaded,
			     uint64_t kept)
{
	Dhtd__Admin__AdminResponse response = DHTD__ADMIN__ADMIN_RESPONSE__INIT;
	Dhtd__Admin__LoadResponse load = DHTD__ADMIN__LOAD_RESPONSE__INIT;
	load.loaded = loaded;
	load.kept = kept;
	response.call_id = request->call_id;
	response.last = true;
	response.result_case = RESPONSE(LOAD);
	response.load = &load;
	helper_cli_answer(&t, &response);
}

static void answer_load(const Dhtd__Admin__AdminRequest *request, uint64_t loaded)
{
	answer_load_kept(request, loaded, 0);
}

static void expect_and_answer_load(size_t entries)
{
	Dhtd__Admin__AdminRequest *request = expect_load(entries);
	answer_load(request, entries);
	helper_cli_free(request);
}

/* Gives the child count lines as input: keys k0, k1, ..., then `rest`. */
static void set_lines(size_t count, const char *rest)
{
	struct buffer text = BUFFER_EMPTY;
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(
		    buffer_printf(&text, TEXT_MAX, "{\"key\":\"k%zu\",\"value\":\"v\"}\n", i), 0);
	ck_assert_int_eq(buffer_append(&text, rest, strlen(rest), TEXT_MAX), 0);
	helper_cli_set_input(&t, text.data, text.len);
	buffer_reset(&text);
}

START_TEST(load_keeps_what_is_there_if_told_so)
{
	for (int keeps = 0; keeps < 2; keeps++) {
		set_lines(1100, "");
		helper_cli_start(&t, "load", "-", "-o", "json", keeps ? "--if-absent" : NULL, NULL);
		for (size_t left = 1100; left > 0; left = left > 1000 ? left - 1000 : 0) {
			size_t count = left > 1000 ? 1000 : left;
			Dhtd__Admin__AdminRequest *request = expect_load(count);
			ck_assert_int_eq(request->load->keep_existing, keeps);
			answer_load_kept(request, count, keeps ? 50 : 0);
			helper_cli_free(request);
		}
		helper_cli_assert(&t, CLI_EXIT_OK,
				  keeps ? "{\"schema\":1,\"loaded\":1100,\"kept\":100}\n"
					: "{\"schema\":1,\"loaded\":1100,\"kept\":0}\n",
				  "");
	}
}
END_TEST

START_TEST(dump_is_json_whatever_form_is_asked_for)
{
	Dhtd__Admin__Entry entry;
	make_entry(&entry, "k", 1, "v", 1, 0);
	helper_cli_start(&t, "dump", "-o", "lines", NULL);
	answer_dump("", &entry, 1);
	helper_cli_assert(&t, CLI_EXIT_OK, "{\"key\":\"k\",\"value\":\"v\",\"expires_ms\":0}\n",
			  "");
}
END_TEST

START_TEST(load_is_the_inverse_of_dump)
{
	/* Every byte as key and as value, alone and in pairs that UTF-8 cares about. */
	enum { COUNT = 512 };
	static char keys[COUNT][2], values[COUNT][3];
	static Dhtd__Admin__Entry entries[COUNT];
	for (size_t i = 0; i < COUNT; i++) {
		keys[i][0] = (char)(i < 256 ? i : 0xc3);
		keys[i][1] = (char)i;
		memcpy(values[i], (char[]){(char)i, (char)(i * 7), (char)(i / 2)}, 3);
		make_entry(&entries[i], keys[i], 1 + i / 256, values[i], i % 4, i % 3 * i);
	}
	helper_cli_start(&t, "dump", NULL);
	answer_dump("", entries, COUNT);
	ck_assert_int_eq(helper_cli_wait(&t), CLI_EXIT_OK);
	helper_cli_set_input(&t, t.out, t.out_len);
	helper_cli_start(&t, "load", NULL);
	Dhtd__Admin__AdminRequest *request = expect_load(COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		const Dhtd__Admin__Entry *entry = request->load->entries[i];
		ck_assert(bytes_equal(bytes_of(entry->key.data, entry->key.len),
				      bytes_of(entries[i].key.data, entries[i].key.len)));
		ck_assert(bytes_equal(bytes_of(entry->value.data, entry->value.len),
				      bytes_of(entries[i].value.data, entries[i].value.len)));
		ck_assert_uint_eq(entry->expires_ms, entries[i].expires_ms);
	}
	answer_load(request, COUNT);
	helper_cli_free(request);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
}
END_TEST

START_TEST(load_sends_batches_ahead_of_answers)
{
	set_lines(6100, "");
	helper_cli_start(&t, "load", "-", NULL);
	Dhtd__Admin__AdminRequest *requests[4];
	/* Four batches come without an answer, and no fifth before there is one. */
	for (size_t i = 0; i < 4; i++)
		requests[i] = expect_load(1000);
	ck_assert_int_eq(recv(t.connection, &(char){0}, 1, MSG_DONTWAIT), -1);
	for (size_t i = 0; i < 4; i++) {
		answer_load(requests[i], 1000);
		helper_cli_free(requests[i]);
	}
	expect_and_answer_load(1000);
	expect_and_answer_load(1000);
	expect_and_answer_load(100);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
}
END_TEST

START_TEST(load_keeps_batches_small)
{
	struct buffer text = BUFFER_EMPTY;
	char *value = text_of(300 * 1024, 'v', "", "");
	for (size_t i = 0; i < 7; i++)
		ck_assert_int_eq(buffer_printf(&text, TEXT_MAX,
					       "{\"key\":\"k%zu\",\"value\":\"%s\"}\n", i, value),
				 0);
	free(value);
	/* An entry that is larger than a batch goes alone, up to what a frame holds. */
	value = text_of(16 * 1024 * 1024, 'v', "", "");
	ck_assert_int_eq(buffer_printf(&text, TEXT_MAX,
				       "{\"key\":\"big\",\"value\":\"%s\"}\n"
				       "{\"key\":\"last\",\"value\":\"\"}",
				       value),
			 0);
	free(value);
	helper_cli_set_input(&t, text.data, text.len);
	buffer_reset(&text);
	helper_cli_start(&t, "load", NULL);
	expect_and_answer_load(3);
	expect_and_answer_load(3);
	expect_and_answer_load(1);
	Dhtd__Admin__AdminRequest *request = expect_load(1);
	ck_assert_uint_eq(request->load->entries[0]->value.len, 16 * 1024 * 1024);
	answer_load(request, 1);
	helper_cli_free(request);
	expect_and_answer_load(1);
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
}
END_TEST

START_TEST(load_of_nothing_sends_nothing)
{
	static const char *const inputs[] = {"", "\n", " \t\r\n\n"};
	for (size_t i = 0; i < DHT_ARRAY_LEN(inputs); i++) {
		helper_cli_set_input(&t, inputs[i], strlen(inputs[i]));
		helper_cli_start(&t, "load", NULL);
		helper_cli_accept(&t);
		helper_cli_expect_end(&t);
		helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	}
}
END_TEST

START_TEST(load_reads_files)
{
	char path[128];
	char expected[256];
	snprintf(path, sizeof(path), "%s/dump.json", t.directory);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs("{\"key\":\"a\",\"value\":\"b\"}\n\nnonsense\n", file);
	ck_assert_int_eq(fclose(file), 0);
	helper_cli_start(&t, "load", path, NULL);
	expect_and_answer_load(1);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "", NULL);
	snprintf(expected, sizeof(expected), "dhtctl: %s:3: not JSON: ", path);
	ck_assert_msg(strncmp(t.err, expected, strlen(expected)) == 0, "%s", t.err);
	ck_assert_msg(strstr(t.err, " (entries stored: 1)\n") != NULL, "%s", t.err);
	unlink(path);
	helper_cli_start(&t, "load", path, NULL);
	helper_cli_assert(&t, CLI_EXIT_FAILED, "", NULL);
	ck_assert_msg(strstr(t.err, "dump.json: No such file or directory\n") != NULL, "%s", t.err);
	helper_cli_start(&t, "load", "/", NULL);
	helper_cli_accept(&t);
	helper_cli_assert(&t, CLI_EXIT_FAILED, "",
			  "dhtctl: /:1: cannot read: Is a directory (entries stored: 0)\n");
}
END_TEST

START_TEST(load_stores_what_comes_before_a_wrong_line)
{
	set_lines(2500, "{\"key\":\"k\"}\n{\"key\":\"after\",\"value\":\"\"}\n");
	helper_cli_start(&t, "load", NULL);
	expect_and_answer_load(1000);
	expect_and_answer_load(1000);
	expect_and_answer_load(500);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "",
			  "dhtctl: standard input:2501: \"value\" or \"value_b64\" is missing "
			  "(entries stored: 2500)\n");
}
END_TEST

START_TEST(load_refuses_endless_lines)
{
	/* A file without a single newline, larger than any line; it takes no disk space. */
	char path[128];
	snprintf(path, sizeof(path), "%s/dump.json", t.directory);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, CLI_ENTRY_LINE_MAX + 1), 0);
	close(fd);
	helper_cli_start(&t, "load", path, NULL);
	helper_cli_accept(&t);
	int code = helper_cli_wait(&t);
	unlink(path);
	ck_assert_int_eq(code, CLI_EXIT_USAGE);
	ck_assert_msg(strstr(t.err, ":1: the line is longer than") != NULL, "%s", t.err);
}
END_TEST

START_TEST(load_stops_at_an_error_of_the_daemon)
{
	set_lines(8000, "");
	helper_cli_start(&t, "load", NULL);
	expect_and_answer_load(1000);
	Dhtd__Admin__AdminRequest *request = expect_load(1000);
	helper_cli_answer_error(&t, request->call_id, 14, "no space left on the disk");
	helper_cli_free(request);
	/* What is on its way already is answered, and counted, but nothing is added:
	 * up to three batches are open at this moment, and a fourth was sent when the
	 * first answer came. */
	expect_and_answer_load(1000);
	expect_and_answer_load(1000);
	expect_and_answer_load(1000);
	helper_cli_expect_end(&t);
	helper_cli_assert(&t, CLI_EXIT_FAILED, "",
			  "dhtctl: standard input:1001-2000: no space left on the disk "
			  "(entries stored: 4000)\n");
}
END_TEST

START_TEST(load_reports_the_error_before_the_wrong_line)
{
	set_lines(1, "nonsense\n");
	helper_cli_start(&t, "load", NULL);
	Dhtd__Admin__AdminRequest *request = expect_load(1);
	helper_cli_answer_error(&t, request->call_id, 7, "1 of 3 replicas");
	helper_cli_free(request);
	helper_cli_assert(&t, CLI_EXIT_NO_QUORUM, "",
			  "dhtctl: standard input:1: 1 of 3 replicas (entries stored: 0)\n");
}
END_TEST

START_TEST(load_does_not_trust_a_wrong_count)
{
	set_lines(2, "");
	helper_cli_start(&t, "load", NULL);
	Dhtd__Admin__AdminRequest *request = expect_load(2);
	answer_load(request, 1);
	helper_cli_free(request);
	helper_cli_assert(&t, CLI_EXIT_FAILED, "", NULL);
	ck_assert_msg(strstr(t.err, ":1-2: dhtd says that it stored another number") != NULL, "%s",
		      t.err);
}
END_TEST

START_TEST(load_says_what_is_unknown_after_a_hang_up)
{
	set_lines(1500, "");
	helper_cli_start(&t, "load", NULL);
	expect_and_answer_load(1000);
	Dhtd__Admin__AdminRequest *request = expect_load(500);
	helper_cli_free(request);
	helper_cli_hang_up(&t);
	helper_cli_assert(&t, CLI_EXIT_UNCERTAIN, "", NULL);
	ck_assert_msg(strstr(t.err, "load: dhtd at ") != NULL, "%s", t.err);
	ck_assert_msg(strstr(t.err, "; it is unknown whether the change was made (entries "
				    "stored: 1000, unknown: 500)\n") != NULL,
		      "%s", t.err);
}
END_TEST

START_TEST(load_says_what_is_unknown_when_interrupted)
{
	set_lines(1500, "");
	helper_cli_start(&t, "load", NULL);
	expect_and_answer_load(1000);
	Dhtd__Admin__AdminRequest *request = expect_load(500);
	helper_cli_free(request);
	ck_assert_int_eq(kill(t.child, SIGINT), 0);
	ck_assert_int_eq(helper_cli_wait(&t), CLI_EXIT_INTERRUPTED);
	/* The first answer has come or is about to: it says what it knows. */
	bool has_seen =
	    strcmp(t.err, "dhtctl: interrupted; entries stored: 1000, unknown: 500\n") == 0;
	bool has_not_seen =
	    strcmp(t.err, "dhtctl: interrupted; entries stored: 0, unknown: 1500\n") == 0;
	ck_assert_msg(has_seen || has_not_seen, "%s", t.err);
}
END_TEST

START_TEST(load_needs_a_daemon)
{
	close(t.listener);
	t.listener = -1;
	set_lines(1, "");
	helper_cli_start(&t, "load", NULL);
	helper_cli_assert(&t, CLI_EXIT_UNREACHABLE, "", NULL);
	ck_assert_msg(strncmp(t.err, "dhtctl: load: cannot reach dhtd at ", 35) == 0, "%s", t.err);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli/load");
	TCase *tcase = tcase_create("load");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, lines_are_parsed);
	tcase_add_test(tcase, lines_are_refused_with_a_reason);
	tcase_add_test(tcase, lines_have_bounds);
	tcase_add_test(tcase, input_is_cut_into_lines);
	tcase_add_test(tcase, long_input_is_cut_into_lines);
	tcase_add_test(tcase, dump_writes_json_lines);
	tcase_add_test(tcase, dump_is_json_whatever_form_is_asked_for);
	tcase_add_test(tcase, load_keeps_what_is_there_if_told_so);
	tcase_add_test(tcase, load_is_the_inverse_of_dump);
	tcase_add_test(tcase, load_sends_batches_ahead_of_answers);
	tcase_add_test(tcase, load_keeps_batches_small);
	tcase_add_test(tcase, load_of_nothing_sends_nothing);
	tcase_add_test(tcase, load_reads_files);
	tcase_add_test(tcase, load_stores_what_comes_before_a_wrong_line);
	tcase_add_test(tcase, load_refuses_endless_lines);
	tcase_add_test(tcase, load_stops_at_an_error_of_the_daemon);
	tcase_add_test(tcase, load_reports_the_error_before_the_wrong_line);
	tcase_add_test(tcase, load_does_not_trust_a_wrong_count);
	tcase_add_test(tcase, load_says_what_is_unknown_after_a_hang_up);
	tcase_add_test(tcase, load_says_what_is_unknown_when_interrupted);
	tcase_add_test(tcase, load_needs_a_daemon);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
