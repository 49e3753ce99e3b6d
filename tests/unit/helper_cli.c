/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_cli.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/frame.h"

static int memory_file(void)
{
	int fd = memfd_create("dhtctl", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

void helper_cli_init(struct helper_cli *t, int (*run)(int argc, char **argv))
{
	*t = (struct helper_cli){
	    .run = run,
	    .directory = "/tmp/dhtctl-test-XXXXXX",
	    .connection = -1,
	    .child = -1,
	    .child_stdin = -1,
	    .child_stdout = -1,
	    .child_stderr = -1,
	    .out_file = memory_file(),
	    .err_file = memory_file(),
	};
	ck_assert_ptr_nonnull(mkdtemp(t->directory));
	snprintf(t->socket_path, sizeof(t->socket_path), "%s/dhtd.sock", t->directory);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, t->socket_path);
	t->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(t->listener, 0);
	ck_assert_int_eq(bind(t->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(t->listener, 8), 0);
}

static void close_if_open(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void helper_cli_fini(struct helper_cli *t)
{
	close_if_open(&t->connection);
	close_if_open(&t->listener);
	close_if_open(&t->child_stdin);
	close_if_open(&t->child_stdout);
	close_if_open(&t->child_stderr);
	close_if_open(&t->out_file);
	close_if_open(&t->err_file);
	unlink(t->socket_path);
	rmdir(t->directory);
	free(t->out);
	free(t->err);
}

void helper_cli_set_input(struct helper_cli *t, const void *data, size_t len)
{
	close_if_open(&t->child_stdin);
	t->child_stdin = memory_file();
	size_t done = 0;
	while (done < len) {
		ssize_t n = write(t->child_stdin, (const char *)data + done, len - done);
		ck_assert_int_gt(n, 0);
		done += (size_t)n;
	}
	ck_assert_int_eq(lseek(t->child_stdin, 0, SEEK_SET), 0);
}

/* In the child: gives it its descriptors and runs dhtctl. */
static _Noreturn void run_child(struct helper_cli *t, int argc, char **argv)
{
	/* Whatever becomes of the test, its child ends. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(2 * HELPER_CLI_WAIT_MS / 1000);
	int null = open("/dev/null", O_RDONLY);
	if (dup2(t->child_stdin >= 0 ? t->child_stdin : null, STDIN_FILENO) < 0 ||
	    dup2(t->child_stdout >= 0 ? t->child_stdout : t->out_file, STDOUT_FILENO) < 0 ||
	    dup2(t->child_stderr >= 0 ? t->child_stderr : t->err_file, STDERR_FILENO) < 0)
		_exit(99);
	exit(t->run(argc, argv));
}

static void start(struct helper_cli *t, int argc, const char **argv)
{
	fflush(NULL); /* or the child would print what is buffered here, too */
	t->child = fork();
	ck_assert_int_ge(t->child, 0);
	if (t->child == 0)
		run_child(t, argc, (char **)(uintptr_t)argv);
}

static int collect(const char **argv, int argc, va_list args)
{
	const char *word;
	while ((word = va_arg(args, const char *)) != NULL) {
		ck_assert_int_lt(argc, HELPER_CLI_ARGS_MAX - 1);
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	return argc;
}

void helper_cli_start(struct helper_cli *t, ...)
{
	const char *argv[HELPER_CLI_ARGS_MAX] = {"dhtctl", "-s", t->socket_path};
	va_list args;
	va_start(args, t);
	int argc = collect(argv, 3, args);
	va_end(args);
	start(t, argc, argv);
}

void helper_cli_start_plain(struct helper_cli *t, ...)
{
	const char *argv[HELPER_CLI_ARGS_MAX] = {"dhtctl"};
	va_list args;
	va_start(args, t);
	int argc = collect(argv, 1, args);
	va_end(args);
	start(t, argc, argv);
}

static void wait_for(int fd, short events)
{
	struct pollfd wait = {.fd = fd, .events = events};
	ck_assert_msg(poll(&wait, 1, HELPER_CLI_WAIT_MS) == 1, "dhtctl does nothing");
}

void helper_cli_accept(struct helper_cli *t)
{
	wait_for(t->listener, POLLIN);
	t->connection = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(t->connection, 0);
}

static void read_exactly(struct helper_cli *t, uint8_t *data, size_t len)
{
	size_t done = 0;
	while (done < len) {
		wait_for(t->connection, POLLIN);
		ssize_t n = recv(t->connection, data + done, len - done, 0);
		ck_assert_msg(n > 0, "dhtctl closed the connection, %zu of %zu bytes", done, len);
		done += (size_t)n;
	}
}

Dhtd__Admin__AdminRequest *helper_cli_expect(struct helper_cli *t, int command_case)
{
	if (t->connection < 0)
		helper_cli_accept(t);
	uint8_t header[ADMIN_FRAME_HEADER];
	size_t len;
	read_exactly(t, header, sizeof(header));
	ck_assert_int_eq(admin_frame_get_header(header, sizeof(header), &len), 1);
	uint8_t *frame = malloc(len);
	ck_assert_ptr_nonnull(frame);
	read_exactly(t, frame, len);
	Dhtd__Admin__AdminRequest *request = dhtd__admin__admin_request__unpack(NULL, len, frame);
	free(frame);
	ck_assert_ptr_nonnull(request);
	ck_assert_uint_ge(request->call_id, 1);
	ck_assert_int_eq((int)request->command_case, command_case);
	return request;
}

void helper_cli_free(Dhtd__Admin__AdminRequest *request)
{
	dhtd__admin__admin_request__free_unpacked(request, NULL);
}

void helper_cli_send(struct helper_cli *t, const void *data, size_t len)
{
	size_t done = 0;
	while (done < len) {
		wait_for(t->connection, POLLOUT);
		ssize_t n = send(t->connection, (const char *)data + done, len - done,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		ck_assert_msg(n > 0 || errno == EAGAIN, "cannot answer: %s", strerror(errno));
		done += n > 0 ? (size_t)n : 0;
	}
}

void helper_cli_answer(struct helper_cli *t, const Dhtd__Admin__AdminResponse *response)
{
	size_t len = dhtd__admin__admin_response__get_packed_size(response);
	uint8_t *frame = malloc(ADMIN_FRAME_HEADER + len);
	ck_assert_ptr_nonnull(frame);
	admin_frame_put_header(frame, len);
	dhtd__admin__admin_response__pack(response, frame + ADMIN_FRAME_HEADER);
	helper_cli_send(t, frame, ADMIN_FRAME_HEADER + len);
	free(frame);
}

void helper_cli_answer_error(struct helper_cli *t, uint64_t call_id, unsigned code,
			     const char *message)
{
	Dhtd__Admin__Error error;
	Dhtd__Admin__AdminResponse response = DHTD__ADMIN__ADMIN_RESPONSE__INIT;
	dhtd__admin__error__init(&error);
	error.code = code;
	error.message = (char *)(uintptr_t)message;
	response.call_id = call_id;
	response.last = true;
	response.result_case = DHTD__ADMIN__ADMIN_RESPONSE__RESULT_ERROR;
	response.error = &error;
	helper_cli_answer(t, &response);
}

void helper_cli_expect_end(struct helper_cli *t)
{
	char byte;
	wait_for(t->connection, POLLIN);
	ck_assert_int_eq(recv(t->connection, &byte, 1, 0), 0);
}

void helper_cli_hang_up(struct helper_cli *t)
{
	close_if_open(&t->connection);
}

static char *read_back(int fd, size_t *len)
{
	off_t size = lseek(fd, 0, SEEK_END);
	ck_assert_int_ge(size, 0);
	char *text = malloc((size_t)size + 1);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(pread(fd, text, (size_t)size, 0), size);
	text[size] = '\0';
	*len = (size_t)size;
	return text;
}

int helper_cli_wait(struct helper_cli *t)
{
	int status;
	ck_assert_int_eq(waitpid(t->child, &status, 0), t->child);
	t->child = -1;
	t->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
	free(t->out);
	free(t->err);
	t->out = read_back(t->out_file, &t->out_len);
	t->err = read_back(t->err_file, &t->err_len);
	/* The next child of this test begins with empty files. */
	ck_assert_int_eq(ftruncate(t->out_file, 0), 0);
	ck_assert_int_eq(ftruncate(t->err_file, 0), 0);
	ck_assert_int_eq(lseek(t->out_file, 0, SEEK_SET), 0);
	ck_assert_int_eq(lseek(t->err_file, 0, SEEK_SET), 0);
	close_if_open(&t->connection);
	return t->exit_code;
}
