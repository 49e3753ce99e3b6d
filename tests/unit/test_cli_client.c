/* SPDX-License-Identifier: Apache-2.0
 *
 * What dhtctl makes of a daemon that is away, slow, broken, or answers with errors.
 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "helper_cli.h"
#include "proto/frame.h"

#define REQUEST(NAME)  DHTD__ADMIN__ADMIN_REQUEST__COMMAND_##NAME
#define RESPONSE(NAME) DHTD__ADMIN__ADMIN_RESPONSE__RESULT_##NAME

static struct helper_cli t;

static void setup(void)
{
	helper_cli_init(&t, cli_run);
}

static void teardown(void)
{
	helper_cli_fini(&t);
}

/* Takes a request and returns its call id. */
static uint64_t take(int command_case)
{
	Dhtd__Admin__AdminRequest *request = helper_cli_expect(&t, command_case);
	uint64_t id = request->call_id;
	helper_cli_free(request);
	return id;
}

/* A `get` response with the value "v". */
static void make_get(Dhtd__Admin__AdminResponse *response, Dhtd__Admin__GetResponse *get,
		     uint64_t call_id)
{
	static uint8_t value[] = {'v'};
	dhtd__admin__admin_response__init(response);
	dhtd__admin__get_response__init(get);
	get->value = (ProtobufCBinaryData){.len = 1, .data = value};
	response->call_id = call_id;
	response->last = true;
	response->result_case = RESPONSE(GET);
	response->get = get;
}

START_TEST(nobody_listens)
{
	close(t.listener);
	t.listener = -1;
	helper_cli_start(&t, "get", "k", NULL);
	helper_cli_assert(&t, CLI_EXIT_UNREACHABLE, "", NULL);
	ck_assert_msg(strstr(t.err, t.socket_path) != NULL, "%s", t.err);
	ck_assert_msg(strstr(t.err, "Connection refused (dhtd is not running") != NULL, "%s",
		      t.err);
	unlink(t.socket_path);
	helper_cli_start(&t, "put", "k", "v", NULL);
	helper_cli_assert(&t, CLI_EXIT_UNREACHABLE, "", NULL);
	ck_assert_msg(strstr(t.err, "No such file or directory (is dhtd running?") != NULL, "%s",
		      t.err);
	helper_cli_start_plain(&t, "-s", "127.0.0.1:7401", "status", NULL);
	helper_cli_assert(&t, CLI_EXIT_UNREACHABLE, "", NULL);
	ck_assert_msg(strstr(t.err, "not to a network address") != NULL, "%s", t.err);
}
END_TEST

/* root may connect to everything, so the child stops being root. */
static int run_without_rights(int argc, char **argv)
{
	enum { NOBODY = 65534 };
	/* The leak checker looks at its own process, which the change would forbid. */
	if (geteuid() == 0 &&
	    (setresuid(NOBODY, NOBODY, NOBODY) != 0 || prctl(PR_SET_DUMPABLE, 1) != 0))
		return 99;
	return cli_run(argc, argv);
}

START_TEST(no_right_to_connect)
{
	ck_assert_int_eq(chmod(t.socket_path, 0), 0);
	t.run = run_without_rights;
	helper_cli_start(&t, "get", "k", NULL);
	helper_cli_assert(&t, CLI_EXIT_DENIED, "", NULL);
	ck_assert_msg(strstr(t.err, "Permission denied (are you a member of") != NULL, "%s", t.err);
}
END_TEST

START_TEST(a_path_that_no_socket_can_have)
{
	char path[200];
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	helper_cli_start_plain(&t, "get", "-s", path, "k", NULL);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "",
			  "dhtctl: get \"k\": the socket's path is 199 bytes long, at most 107 are "
			  "possible\n");
}
END_TEST

START_TEST(a_full_backlog_times_out)
{
	/* A listener that accepts nothing and whose queue is full. */
	ck_assert_int_eq(listen(t.listener, 0), 0);
	helper_cli_start(&t, "--timeout", "50ms", "get", "k", NULL);
	int code = helper_cli_wait(&t); /* takes the only place in the queue and leaves it */
	ck_assert_int_eq(code, CLI_EXIT_UNREACHABLE);
	helper_cli_start(&t, "--timeout", "50ms", "get", "k", NULL);
	helper_cli_assert(&t, CLI_EXIT_UNREACHABLE, "", NULL);
	ck_assert_msg(strstr(t.err, "timed out (dhtd does not accept connections)") != NULL, "%s",
		      t.err);
}
END_TEST

START_TEST(silence_ends_a_call)
{
	helper_cli_start(&t, "--timeout", "50ms", "get", "k", NULL);
	take(REQUEST(GET));
	helper_cli_expect_end(&t);
	helper_cli_assert(&t, CLI_EXIT_UNREACHABLE, "", NULL);
	ck_assert_msg(strstr(t.err, "get \"k\": no answer from dhtd at ") != NULL, "%s", t.err);
	ck_assert_msg(strstr(t.err, " within 50 ms\n") != NULL, "%s", t.err);
}
END_TEST

START_TEST(silence_after_a_change_leaves_it_unknown)
{
	helper_cli_start(&t, "--timeout", "50ms", "incr", "k", NULL);
	take(REQUEST(INCR));
	helper_cli_expect_end(&t);
	helper_cli_assert(&t, CLI_EXIT_UNCERTAIN, "", NULL);
	ck_assert_msg(strstr(t.err, "within 50 ms; it is unknown whether the change was made\n") !=
			  NULL,
		      "%s", t.err);
}
END_TEST

START_TEST(half_an_answer_is_silence)
{
	helper_cli_start(&t, "--timeout", "500ms", "get", "k", NULL);
	take(REQUEST(GET));
	helper_cli_send(&t, "\0\0\0\5ab", 6);
	helper_cli_expect_end(&t);
	helper_cli_assert(&t, CLI_EXIT_UNREACHABLE, "", NULL);
}
END_TEST

START_TEST(a_slow_answer_is_no_silence)
{
	Dhtd__Admin__AdminResponse response;
	Dhtd__Admin__GetResponse get;
	uint8_t frame[64];
	helper_cli_start(&t, "--timeout", "1s", "get", "k", NULL);
	make_get(&response, &get, take(REQUEST(GET)));
	size_t len = dhtd__admin__admin_response__get_packed_size(&response);
	ck_assert_uint_le(ADMIN_FRAME_HEADER + len, sizeof(frame));
	admin_frame_put_header(frame, len);
	dhtd__admin__admin_response__pack(&response, frame + ADMIN_FRAME_HEADER);
	/* Byte by byte, and the first five so slowly that together they take longer than
	 * the time-out: each of them ends a silence. The child must not hang up. */
	for (size_t i = 0; i < ADMIN_FRAME_HEADER + len; i++) {
		struct pollfd hang_up = {.fd = t.connection, .events = POLLIN};
		ck_assert_int_eq(poll(&hang_up, 1, i < 5 ? 300 : 0), 0);
		helper_cli_send(&t, frame + i, 1);
	}
	helper_cli_assert(&t, CLI_EXIT_OK, "v", "");
}
END_TEST

START_TEST(a_hang_up_before_the_answer)
{
	static const struct {
		const char *words[3];
		int command;
		int exit_code;
	} cases[] = {
	    {{"get", "k", NULL}, REQUEST(GET), CLI_EXIT_UNREACHABLE},
	    {{"scan", NULL, NULL}, REQUEST(SCAN), CLI_EXIT_UNREACHABLE},
	    {{"log-level", NULL, NULL}, REQUEST(LOG_LEVEL), CLI_EXIT_UNREACHABLE},
	    {{"put", "k", "v"}, REQUEST(PUT), CLI_EXIT_UNCERTAIN},
	    {{"del", "k", NULL}, REQUEST(DEL), CLI_EXIT_UNCERTAIN},
	    {{"incr", "k", NULL}, REQUEST(INCR), CLI_EXIT_UNCERTAIN},
	    {{"log-level", "debug", NULL}, REQUEST(LOG_LEVEL), CLI_EXIT_UNCERTAIN},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		const char *const *words = cases[i].words;
		helper_cli_start(&t, words[0], words[1], words[2], NULL);
		take(cases[i].command);
		helper_cli_hang_up(&t);
		helper_cli_assert(&t, cases[i].exit_code, "", NULL);
		ck_assert_msg(strstr(t.err, "closed the connection before it answered") != NULL,
			      "%s", t.err);
	}
}
END_TEST

START_TEST(a_change_that_did_not_leave_was_not_made)
{
	/* More than the socket's buffers hold: without a reader the end cannot leave. */
	static char value[4 * 1024 * 1024];
	helper_cli_set_input(&t, value, sizeof(value));
	helper_cli_start(&t, "--timeout", "100ms", "put", "k", "-", NULL);
	helper_cli_accept(&t);
	helper_cli_assert(&t, CLI_EXIT_UNREACHABLE, "", NULL);
	ck_assert_msg(strstr(t.err, "unknown") == NULL, "%s", t.err);

	helper_cli_set_input(&t, value, sizeof(value));
	helper_cli_start(&t, "put", "k", "-", NULL);
	helper_cli_accept(&t);
	helper_cli_hang_up(&t);
	helper_cli_assert(&t, CLI_EXIT_UNREACHABLE, "", NULL);
	ck_assert_msg(strstr(t.err, "unknown") == NULL, "%s", t.err);
}
END_TEST

START_TEST(last_words_are_heard)
{
	/* The daemon refuses a frame before it was sent to the end, and closes. */
	static char value[4 * 1024 * 1024];
	helper_cli_set_input(&t, value, sizeof(value));
	helper_cli_start(&t, "put", "k", "-", NULL);
	helper_cli_accept(&t);
	helper_cli_answer_error(&t, 0, 11, "value is larger than store.max_value_size");
	helper_cli_hang_up(&t);
	helper_cli_assert(&t, CLI_EXIT_USAGE, "",
			  "dhtctl: put \"k\": value is larger than store.max_value_size\n");
}
END_TEST

START_TEST(answers_that_make_no_sense)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *problem;
	} cases[] = {
	    {"HTTP/1.1 400 Bad Request\r\n", 26, "a frame is too long"},
	    {"\0\0\0\0", 4, "a frame is empty"},
	    {"\1\x10\0\1", 4, "a frame is too long"},
	    {"\0\0\0\3abc", 7, "a frame is no response"},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		helper_cli_start(&t, "get", "k", NULL);
		take(REQUEST(GET));
		helper_cli_send(&t, cases[i].bytes, cases[i].len);
		helper_cli_assert(&t, CLI_EXIT_FAILED, "", NULL);
		ck_assert_msg(strstr(t.err, "is not of dhtd's admin protocol: ") != NULL, "%s",
			      t.err);
		ck_assert_msg(strstr(t.err, cases[i].problem) != NULL, "%s", t.err);
		/* The same for a change: nobody knows what became of it. */
		helper_cli_start(&t, "put", "k", "v", NULL);
		take(REQUEST(PUT));
		helper_cli_send(&t, cases[i].bytes, cases[i].len);
		helper_cli_assert(&t, CLI_EXIT_UNCERTAIN, "", NULL);
	}
}
END_TEST

enum wrong { OTHER_CALL, OTHER_COMMAND, NOT_LAST, NO_RESULT, WRONG_COUNT };

START_TEST(answers_that_belong_to_nothing)
{
	static const char *const problems[WRONG_COUNT] = {
	    "a response belongs to no call",
	    "a response belongs to another command",
	    "a single response is not marked as the last",
	    "a response belongs to another command",
	};
	for (int wrong = 0; wrong < WRONG_COUNT; wrong++) {
		Dhtd__Admin__AdminResponse response;
		Dhtd__Admin__GetResponse get;
		Dhtd__Admin__DelResponse del = DHTD__ADMIN__DEL_RESPONSE__INIT;
		helper_cli_start(&t, "get", "k", NULL);
		make_get(&response, &get, take(REQUEST(GET)));
		switch ((enum wrong)wrong) {
		case OTHER_CALL:
			response.call_id++;
			break;
		case OTHER_COMMAND:
			response.result_case = RESPONSE(DEL);
			response.del = &del;
			break;
		case NOT_LAST:
			response.last = false;
			break;
		case NO_RESULT:
			response.result_case = DHTD__ADMIN__ADMIN_RESPONSE__RESULT__NOT_SET;
			break;
		case WRONG_COUNT:
			break;
		}
		helper_cli_answer(&t, &response);
		helper_cli_assert(&t, CLI_EXIT_FAILED, "", NULL);
		ck_assert_msg(strstr(t.err, problems[wrong]) != NULL, "%s", t.err);
	}
}
END_TEST

START_TEST(errors_become_exit_codes)
{
	static const struct {
		unsigned code;
		const char *message;
		int exit_code;
		const char *printed;
	} cases[] = {
	    {1, "bad", CLI_EXIT_USAGE, "dhtctl: put \"k\": bad\n"},
	    {4, "key not found", CLI_EXIT_NOT_FOUND, "dhtctl: put \"k\": key not found\n"},
	    {5, "it exists", CLI_EXIT_PRECONDITION, "dhtctl: put \"k\": it exists\n"},
	    {6, "", CLI_EXIT_UNCERTAIN, "dhtctl: put \"k\": outcome unknown\n"},
	    {7, "", CLI_EXIT_NO_QUORUM, "dhtctl: put \"k\": no quorum\n"},
	    {8, "", CLI_EXIT_DENIED, "dhtctl: put \"k\": permission denied\n"},
	    {9, "", CLI_EXIT_UNSAFE, "dhtctl: put \"k\": refused as unsafe\n"},
	    {14, "no space left", CLI_EXIT_FAILED, "dhtctl: put \"k\": no space left\n"},
	    {16, "", CLI_EXIT_USAGE,
	     "dhtctl: put \"k\": unknown command (dhtd and dhtctl may be of different "
	     "versions)\n"},
	    {22, "", CLI_EXIT_FAILED, "dhtctl: put \"k\": the node is stopping\n"},
	    {999, "of the future", CLI_EXIT_FAILED, "dhtctl: put \"k\": of the future\n"},
	    {14, "two\nlines \x1b[2J", CLI_EXIT_FAILED, "dhtctl: put \"k\": two?lines ?[2J\n"},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		helper_cli_start(&t, "-o", "json", "put", "k", "v", NULL);
		uint64_t id = take(REQUEST(PUT));
		helper_cli_answer_error(&t, id, cases[i].code, cases[i].message);
		helper_cli_assert(&t, cases[i].exit_code, "", cases[i].printed);
	}
}
END_TEST

START_TEST(an_error_without_a_code_is_none)
{
	static const unsigned codes[] = {0, 1001, UINT32_MAX};
	for (size_t i = 0; i < DHT_ARRAY_LEN(codes); i++) {
		helper_cli_start(&t, "get", "k", NULL);
		uint64_t id = take(REQUEST(GET));
		helper_cli_answer_error(&t, id, codes[i], "text");
		helper_cli_assert(&t, CLI_EXIT_FAILED, "", NULL);
		ck_assert_msg(strstr(t.err, "an error has no valid code") != NULL, "%s", t.err);
	}
}
END_TEST

START_TEST(fields_of_the_future_are_ignored)
{
	/* The answer of make_get, with an unknown field 99 at both levels. */
	static const uint8_t frame[] = {0,    0,    0,    16,  0x08, 1,    0x10, 1,    0xa2, 0x01,
					0x06, 0x0a, 0x01, 'v', 0x98, 0x06, 7,    0x98, 0x06, 7};
	helper_cli_start(&t, "get", "k", NULL);
	ck_assert_uint_eq(take(REQUEST(GET)), 1);
	helper_cli_send(&t, frame, sizeof(frame));
	helper_cli_assert(&t, CLI_EXIT_OK, "v", "");
}
END_TEST

static void interrupt(int signal, int exit_code, const char *message)
{
	ck_assert_int_eq(kill(t.child, signal), 0);
	helper_cli_assert(&t, exit_code, "", message);
}

START_TEST(an_interrupted_change_is_unknown)
{
	helper_cli_start(&t, "put", "k", "v", NULL);
	take(REQUEST(PUT));
	interrupt(SIGINT, CLI_EXIT_INTERRUPTED,
		  "dhtctl: interrupted; it is unknown whether the change was made (put \"k\")\n");
}
END_TEST

START_TEST(an_interrupted_reader_is_just_interrupted)
{
	helper_cli_start(&t, "get", "k", NULL);
	take(REQUEST(GET));
	interrupt(SIGINT, CLI_EXIT_INTERRUPTED, "dhtctl: interrupted\n");
	helper_cli_start(&t, "scan", NULL);
	take(REQUEST(SCAN));
	interrupt(SIGTERM, 128 + SIGTERM, "dhtctl: interrupted\n");
}
END_TEST

START_TEST(an_ignored_signal_stays_ignored)
{
	Dhtd__Admin__AdminResponse response;
	Dhtd__Admin__GetResponse get;
	ck_assert(signal(SIGINT, SIG_IGN) != SIG_ERR);
	helper_cli_start(&t, "get", "k", NULL);
	ck_assert(signal(SIGINT, SIG_DFL) != SIG_ERR);
	make_get(&response, &get, take(REQUEST(GET)));
	ck_assert_int_eq(kill(t.child, SIGINT), 0);
	helper_cli_answer(&t, &response);
	helper_cli_assert(&t, CLI_EXIT_OK, "v", "");
}
END_TEST

/* Answers one `get` whose result cannot be written. */
static void answer_get(void)
{
	Dhtd__Admin__AdminResponse response;
	Dhtd__Admin__GetResponse get;
	make_get(&response, &get, take(REQUEST(GET)));
	helper_cli_answer(&t, &response);
}

START_TEST(a_full_disk_is_reported)
{
	t.child_stdout = open("/dev/full", O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(t.child_stdout, 0);
	helper_cli_start(&t, "get", "k", NULL);
	answer_get();
	helper_cli_assert(&t, CLI_EXIT_FAILED, "",
			  "dhtctl: cannot write the result to standard output: No space left on "
			  "device\n");
	helper_cli_start(&t, "help", NULL);
	helper_cli_assert(&t, CLI_EXIT_FAILED, "", NULL);
}
END_TEST

static void close_read_end(void)
{
	int ends[2];
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	t.child_stdout = ends[1];
}

START_TEST(a_closed_pipe_is_not_worth_a_word)
{
	close_read_end();
	helper_cli_start(&t, "get", "k", NULL);
	answer_get();
	helper_cli_assert(&t, CLI_EXIT_FAILED, "", "");
}
END_TEST

START_TEST(a_closed_pipe_ends_a_stream)
{
	Dhtd__Admin__AdminResponse response = DHTD__ADMIN__ADMIN_RESPONSE__INIT;
	Dhtd__Admin__ScanResponse scan = DHTD__ADMIN__SCAN_RESPONSE__INIT;
	uint8_t byte = 'k';
	ProtobufCBinaryData key = {.len = 1, .data = &byte};
	scan.n_keys = 1;
	scan.keys = &key;
	close_read_end();
	helper_cli_start(&t, "scan", NULL);
	response.call_id = take(REQUEST(SCAN));
	response.result_case = RESPONSE(SCAN);
	response.scan = &scan;
	helper_cli_answer(&t, &response);
	/* It does not wait for the rest of the stream, which never comes. */
	helper_cli_assert(&t, CLI_EXIT_FAILED, "", "");
}
END_TEST

static int run_without_stdout(int argc, char **argv)
{
	close(STDOUT_FILENO);
	return cli_run(argc, argv);
}

START_TEST(a_socket_never_takes_the_place_of_stdout)
{
	t.run = run_without_stdout;
	helper_cli_start(&t, "get", "k", NULL);
	answer_get();
	helper_cli_assert(&t, CLI_EXIT_FAILED, "",
			  "dhtctl: cannot write the result to standard output: Bad file "
			  "descriptor\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli/client");
	TCase *tcase = tcase_create("client");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, nobody_listens);
	tcase_add_test(tcase, no_right_to_connect);
	tcase_add_test(tcase, a_path_that_no_socket_can_have);
	tcase_add_test(tcase, a_full_backlog_times_out);
	tcase_add_test(tcase, silence_ends_a_call);
	tcase_add_test(tcase, silence_after_a_change_leaves_it_unknown);
	tcase_add_test(tcase, half_an_answer_is_silence);
	tcase_add_test(tcase, a_slow_answer_is_no_silence);
	tcase_add_test(tcase, a_hang_up_before_the_answer);
	tcase_add_test(tcase, a_change_that_did_not_leave_was_not_made);
	tcase_add_test(tcase, last_words_are_heard);
	tcase_add_test(tcase, answers_that_make_no_sense);
	tcase_add_test(tcase, answers_that_belong_to_nothing);
	tcase_add_test(tcase, errors_become_exit_codes);
	tcase_add_test(tcase, an_error_without_a_code_is_none);
	tcase_add_test(tcase, fields_of_the_future_are_ignored);
	tcase_add_test(tcase, an_interrupted_change_is_unknown);
	tcase_add_test(tcase, an_interrupted_reader_is_just_interrupted);
	tcase_add_test(tcase, an_ignored_signal_stays_ignored);
	tcase_add_test(tcase, a_full_disk_is_reported);
	tcase_add_test(tcase, a_closed_pipe_is_not_worth_a_word);
	tcase_add_test(tcase, a_closed_pipe_ends_a_stream);
	tcase_add_test(tcase, a_socket_never_takes_the_place_of_stdout);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
