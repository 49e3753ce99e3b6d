/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit.h"
#include "cli/text.h"

static void write_line(const char *prefix, const char *fmt, va_list args) DHT_PRINTF(2, 0);

static void write_line(const char *prefix, const char *fmt, va_list args)
{
	char line[CLI_MESSAGE_MAX];
	/* Two bytes are kept back for the newline and the NUL. */
	size_t room = sizeof(line) - 1;
	size_t used = (size_t)snprintf(line, room, "%s", prefix);
	vsnprintf(line + used, room - used, fmt, args);
	cli_text_clean(line);
	size_t len = strlen(line);
	line[len++] = '\n';
	size_t done = 0;
	while (done < len) {
		ssize_t n = write(STDERR_FILENO, line + done, len - done);
		if (n < 0 && errno != EINTR)
			return;
		if (n > 0)
			done += (size_t)n;
	}
}

void cli_message(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	write_line("dhtctl: ", fmt, args);
	va_end(args);
}

void cli_message_bare(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	write_line("", fmt, args);
	va_end(args);
}

_Noreturn void cli_message_no_memory(void)
{
	cli_message("out of memory");
	_exit(CLI_EXIT_FAILED);
}
