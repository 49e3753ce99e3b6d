/* SPDX-License-Identifier: Apache-2.0
 *
 * What is different when standard output or standard error is a terminal.
 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/exit.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "helper_cli.h"

#define REQUEST(NAME)  DHTD__ADMIN__ADMIN_REQUEST__COMMAND_##NAME
#define RESPONSE(NAME) DHTD__ADMIN__ADMIN_RESPONSE__RESULT_##NAME

static struct helper_cli t;
static int terminal; /* what the person sees */
static int line;     /* what the program has */

static void setup(void)
{
	helper_cli_init(&t, cli_run);
	terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(terminal, 0);
	ck_assert_int_eq(grantpt(terminal), 0);
	ck_assert_int_eq(unlockpt(terminal), 0);
	line = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(line, 0);
	struct termios settings;
	ck_assert_int_eq(tcgetattr(line, &settings), 0);
	cfmakeraw(&settings);
	ck_assert_int_eq(tcsetattr(line, TCSANOW, &settings), 0);
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
}

static void teardown(void)
{
	helper_cli_fini(&t);
	close(line);
	close(terminal);
}

/* Everything that was written to the terminal, after the child's end. */
static const char *seen(void)
{
	static char text[16384];
	size_t len = 0;
	struct pollfd wait = {.fd = terminal, .events = POLLIN};
	while (len < sizeof(text) - 1 && poll(&wait, 1, 0) == 1 && (wait.revents & POLLIN) != 0) {
		ssize_t n = read(terminal, text + len, sizeof(text) - 1 - len);
		ck_assert_int_gt(n, 0);
		len += (size_t)n;
	}
	text[len] = '\0';
	return text;
}

static void answer_get(const char *value)
{
	Dhtd__Admin__AdminRequest *request = helper_cli_expect(&t, REQUEST(GET));
	Dhtd__Admin__AdminResponse response = DHTD__ADMIN__ADMIN_RESPONSE__INIT;
	Dhtd__Admin__GetResponse get = DHTD__ADMIN__GET_RESPONSE__INIT;
	get.value.data = (uint8_t *)(uintptr_t)value;
	get.value.len = strlen(value);
	response.call_id = request->call_id;
	response.last = true;
	response.result_case = RESPONSE(GET);
	response.get = &get;
	helper_cli_answer(&t, &response);
	helper_cli_free(request);
}

START_TEST(get_adds_a_newline)
{
	t.child_stdout = dup(line);
	helper_cli_start(&t, "get", "k", NULL);
	answer_get("value");
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	ck_assert_str_eq(seen(), "value\n");
	helper_cli_start(&t, "get", "-o", "json", "k", NULL);
	answer_get("value");
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	ck_assert_str_eq(seen(), "{\"schema\":1,\"key\":\"k\",\"value\":\"value\","
				 "\"version\":\"0.0.0\",\"expires_ms\":0}\n");
}
END_TEST

static void answer_status(void)
{
	Dhtd__Admin__AdminRequest *request = helper_cli_expect(&t, REQUEST(STATUS));
	Dhtd__Admin__AdminResponse response = DHTD__ADMIN__ADMIN_RESPONSE__INIT;
	Dhtd__Admin__StatusResponse status;
	Dhtd__Admin__NodeStatus node;
	Dhtd__Admin__NodeStatus *pointer = &node;
	dhtd__admin__status_response__init(&status);
	dhtd__admin__node_status__init(&node);
	node.state = (char *)(uintptr_t) "up";
	status.health = (char *)(uintptr_t) "ok";
	status.serving = true;
	status.n_nodes = 1;
	status.nodes = &pointer;
	response.call_id = request->call_id;
	response.last = true;
	response.result_case = RESPONSE(STATUS);
	response.status = &status;
	helper_cli_answer(&t, &response);
	helper_cli_free(request);
}

START_TEST(status_has_colours_unless_told_otherwise)
{
	t.child_stdout = dup(line);
	helper_cli_start(&t, "status", NULL);
	answer_status();
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	const char *text = seen();
	ck_assert_msg(strncmp(text, "\033[32mok\033[0m  node ", 17) == 0, "%s", text);
	ck_assert_msg(strstr(text, "\n\033[32mUN\033[0m  ") != NULL, "%s", text);
	setenv("NO_COLOR", "1", 1);
	helper_cli_start(&t, "status", NULL);
	answer_status();
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	ck_assert_ptr_null(strchr(seen(), '\033'));
	setenv("NO_COLOR", "", 1);
	setenv("TERM", "dumb", 1);
	helper_cli_start(&t, "status", NULL);
	answer_status();
	helper_cli_assert(&t, CLI_EXIT_OK, "", "");
	ck_assert_ptr_null(strchr(seen(), '\033'));
}
END_TEST

/* Draws once, a second and a half after the beginning. */
static const char *draw(uint64_t size_bytes, uint64_t done_bytes, uint64_t entries)
{
	struct cli_progress progress;
	cli_progress_begin(&progress, size_bytes);
	cli_progress_update(&progress, done_bytes, entries); /* too early to be drawn */
	progress.started_ms -= 1500;
	progress.drawn_ms -= 1500;
	cli_progress_update(&progress, done_bytes, entries);
	return seen();
}

START_TEST(progress_is_a_bar)
{
	int before = dup(STDERR_FILENO);
	ck_assert_int_eq(dup2(line, STDERR_FILENO), STDERR_FILENO);
	static const struct {
		uint64_t size_bytes, done_bytes, entries;
		const char *expected;
	} cases[] = {
	    {100, 0, 0, "\r\033[K[                              ]   0%  0 entries  0 B/s"},
	    {3000, 1500, 1234, "\r\033[K[===============               ]  50%  1,234 entries  "},
	    {100, 100, 1, "\r\033[K[==============================] 100%  1 entries  "},
	    {100, 900, 1, "\r\033[K[==============================] 100%  1 entries  "},
	    {0, 100, 5, "\r\033[K5 entries  "},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		const char *text = draw(cases[i].size_bytes, cases[i].done_bytes, cases[i].entries);
		ck_assert_msg(strncmp(text, cases[i].expected, strlen(cases[i].expected)) == 0,
			      "%s", text);
	}
	ck_assert_int_eq(dup2(before, STDERR_FILENO), STDERR_FILENO);
	close(before);
}
END_TEST

START_TEST(load_removes_the_bar)
{
	static const char text[] = "{\"key\":\"k\",\"value\":\"\"}\n";
	helper_cli_set_input(&t, text, sizeof(text) - 1);
	t.child_stderr = dup(line);
	helper_cli_start(&t, "load", NULL);
	Dhtd__Admin__AdminRequest *request = helper_cli_expect(&t, REQUEST(LOAD));
	helper_cli_answer_error(&t, request->call_id, 14, "no space left");
	helper_cli_free(request);
	ck_assert_int_eq(helper_cli_wait(&t), CLI_EXIT_FAILED);
	/* The last thing that is drawn is an empty line, and the message is on it. */
	static const char end[] =
	    "\r\033[Kdhtctl: standard input:1: no space left (entries stored: 0)\n";
	const char *shown = seen();
	ck_assert_uint_ge(strlen(shown), strlen(end));
	ck_assert_str_eq(shown + strlen(shown) - strlen(end), end);
}
END_TEST

START_TEST(interrupted_on_a_new_line)
{
	t.child_stderr = dup(line);
	helper_cli_start(&t, "get", "k", NULL);
	helper_cli_free(helper_cli_expect(&t, REQUEST(GET)));
	ck_assert_int_eq(kill(t.child, SIGINT), 0);
	ck_assert_int_eq(helper_cli_wait(&t), CLI_EXIT_INTERRUPTED);
	ck_assert_str_eq(seen(), "\ndhtctl: interrupted\n");
}
END_TEST

START_TEST(load_says_that_it_waits_for_typing)
{
	t.child_stdin = dup(line);
	ck_assert_int_eq(write(terminal, "nonsense\n", 9), 9);
	helper_cli_start(&t, "load", NULL);
	helper_cli_accept(&t);
	ck_assert_int_eq(helper_cli_wait(&t), CLI_EXIT_USAGE);
	static const char begin[] = "dhtctl: load: reading from the terminal; end with Ctrl-D\n"
				    "dhtctl: standard input:1: not JSON: ";
	ck_assert_msg(strncmp(t.err, begin, strlen(begin)) == 0, "%s", t.err);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli/terminal");
	TCase *tcase = tcase_create("terminal");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, get_adds_a_newline);
	tcase_add_test(tcase, status_has_colours_unless_told_otherwise);
	tcase_add_test(tcase, progress_is_a_bar);
	tcase_add_test(tcase, load_removes_the_bar);
	tcase_add_test(tcase, interrupted_on_a_new_line);
	tcase_add_test(tcase, load_says_that_it_waits_for_typing);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
