/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_cli - runs dhtctl in a child process against a daemon that the test plays.
 *
 * Why     The test is the daemon: it takes a request, looks at it, and answers, hangs
 *         up or stays silent, in order; no thread, no sleep. What the child printed
 *         and its exit code are looked at afterwards. Under AddressSanitizer, a leak
 *         in the child changes its exit code.
 * Owns    A directory with the socket, the child, what it printed.
 * Errors  fail the test; so does a child that does nothing for HELPER_CLI_WAIT_MS.
 */
#ifndef DHT_TESTS_HELPER_CLI_H
#define DHT_TESTS_HELPER_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "admin.pb-c.h"

enum { HELPER_CLI_WAIT_MS = 20000, HELPER_CLI_ARGS_MAX = 24 };

struct helper_cli {
	int (*run)(int argc, char **argv);
	char directory[64];
	char socket_path[96];
	int listener;
	int connection; /* -1 until the child has connected */
	pid_t child;
	/* Descriptors that the child gets; -1: /dev/null for 0, a file in memory else. */
	int child_stdin;
	int child_stdout;
	int child_stderr;
	int out_file;
	int err_file;
	/* After helper_cli_wait, each ended by a NUL that is not counted. */
	char *out;
	size_t out_len;
	char *err;
	size_t err_len;
	int exit_code; /* -signal if it was killed */
};

/* run is cli_run; a pointer, so that this file links without cli/. */
void helper_cli_init(struct helper_cli *t, int (*run)(int argc, char **argv));
void helper_cli_fini(struct helper_cli *t);

/* Gives the child len bytes as its standard input. */
void helper_cli_set_input(struct helper_cli *t, const void *data, size_t len);

/* Starts `dhtctl -s SOCKET args...`; the list ends in NULL. */
void helper_cli_start(struct helper_cli *t, ...) __attribute__((sentinel));

/* Starts dhtctl with exactly these arguments. */
void helper_cli_start_plain(struct helper_cli *t, ...) __attribute__((sentinel));

/* Takes the next request, of the given command; free it with helper_cli_free. */
Dhtd__Admin__AdminRequest *helper_cli_expect(struct helper_cli *t, int command_case);
void helper_cli_free(Dhtd__Admin__AdminRequest *request);

/* Sends a response as it is. */
void helper_cli_answer(struct helper_cli *t, const Dhtd__Admin__AdminResponse *response);

/* Sends the final error of a call. */
void helper_cli_answer_error(struct helper_cli *t, uint64_t call_id, unsigned code,
			     const char *message);

/* Sends bytes that need not be a frame. */
void helper_cli_send(struct helper_cli *t, const void *data, size_t len);

/* Waits until the child has connected. */
void helper_cli_accept(struct helper_cli *t);

/* Waits until the child has closed its side; it must not send anything more. */
void helper_cli_expect_end(struct helper_cli *t);

void helper_cli_hang_up(struct helper_cli *t);

/* Waits for the child's end, collects what it printed, returns its exit code. */
int helper_cli_wait(struct helper_cli *t);

/* Checks exit code, standard output and standard error; NULL: anything. */
#define helper_cli_assert(t, code, expected_out, expected_err)                                     \
	do {                                                                                       \
		int code_ = helper_cli_wait(t);                                                    \
		const char *out_ = (expected_out), *err_ = (expected_err);                         \
		ck_assert_msg(code_ == (code), "exit code %d, stderr: %s", code_, (t)->err);       \
		if (out_ != NULL)                                                                  \
			ck_assert_str_eq((t)->out, out_);                                          \
		if (err_ != NULL)                                                                  \
			ck_assert_str_eq((t)->err, err_);                                          \
	} while (0)

#endif
