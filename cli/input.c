/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/exit.h"

enum { READ_STEP = 256 * 1024 }; /* bytes of one read */

int cli_input_open(struct cli_input *input, const char *path)
{
	*input = (struct cli_input){.fd = STDIN_FILENO, .name = "standard input"};
	if (path != NULL && strcmp(path, "-") != 0) {
		input->name = path;
		input->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (input->fd < 0)
			return DHT_EIO;
	}
	struct stat st;
	if (fstat(input->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		input->size_bytes = (uint64_t)st.st_size;
	return 0;
}

void cli_input_close(struct cli_input *input)
{
	if (input->fd > STDIN_FILENO)
		close(input->fd);
	buffer_reset(&input->buffer);
}

/* Reads once, waiting for the first byte. Sets is_at_end at the end. */
static int read_more(struct cli_input *input, size_t max)
{
	/* One byte above the bound is what tells "too big" from "just fits". */
	size_t want = max + 1 - input->buffer.len;
	if (want > READ_STEP)
		want = READ_STEP;
	int rc = buffer_reserve(&input->buffer, want, max + 1);
	if (rc != 0)
		return rc;
	for (;;) {
		ssize_t n = read(input->fd, buffer_tail(&input->buffer), want);
		if (n >= 0) {
			input->is_at_end = n == 0;
			input->buffer.len += (size_t)n;
			return 0;
		}
		/* A descriptor shared with another program may have become non-blocking. */
		struct pollfd wait = {.fd = input->fd, .events = POLLIN};
		if (errno == EAGAIN && (poll(&wait, 1, -1) >= 0 || errno == EINTR))
			continue;
		if (errno != EINTR)
			return DHT_EIO;
	}
}

int cli_input_read_all(struct cli_input *input, size_t max)
{
	while (!input->is_at_end) {
		int rc = read_more(input, max);
		if (rc != 0)
			return rc;
		if (input->buffer.len > max)
			return DHT_ETOOBIG;
	}
	return 0;
}

/* Hands out the first len bytes; skip of them are the newline behind the line. */
static void hand_out(struct cli_input *input, size_t len, size_t skip, struct bytes *line)
{
	*line = bytes_of(buffer_head(&input->buffer), len);
	input->handed_out = len + skip;
	input->taken_bytes += len + skip;
	input->line_number++;
	input->scanned = 0;
}

int cli_input_read_line(struct cli_input *input, size_t max, struct bytes *line)
{
	buffer_consume(&input->buffer, input->handed_out);
	input->handed_out = 0;
	for (;;) {
		size_t len = input->buffer.len;
		const uint8_t *head = len > 0 ? buffer_head(&input->buffer) : NULL;
		const uint8_t *end = NULL;
		if (len > input->scanned)
			end = memchr(head + input->scanned, '\n', len - input->scanned);
		size_t line_len = end != NULL ? (size_t)(end - head) : len;
		if (line_len > max) {
			input->line_number++;
			return DHT_ETOOBIG;
		}
		if (end != NULL) {
			hand_out(input, line_len, 1, line);
			return 1;
		}
		if (input->is_at_end) {
			if (len > 0)
				hand_out(input, len, 0, line);
			return len > 0 ? 1 : 0;
		}
		input->scanned = len;
		int rc = read_more(input, max);
		if (rc != 0) {
			input->line_number++;
			return rc;
		}
	}
}

void cli_input_guard_descriptors(void)
{
	static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* Lower descriptors are open by now, so this one is the lowest free. */
		if (open("/dev/null", modes[fd]) != fd)
			_exit(CLI_EXIT_FAILED); /* and nowhere to say why */
	}
}
