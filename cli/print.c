/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit.h"
#include "cli/message.h"
#include "cli/text.h"

static int first_errno; /* of the first write that failed, 0 while none has */
static bool is_reported;

static void note_failure(void)
{
	if (first_errno == 0)
		first_errno = errno != 0 ? errno : EIO;
}

void cli_print_bytes(struct bytes bytes)
{
	if (first_errno != 0 || bytes.len == 0)
		return;
	errno = 0;
	if (fwrite(bytes.data, 1, bytes.len, stdout) != bytes.len)
		note_failure();
}

void cli_print_encoded(enum cli_encoding encoding, struct bytes bytes)
{
	if (encoding == CLI_PLAIN) {
		cli_print_bytes(bytes);
		return;
	}
	struct buffer text = BUFFER_EMPTY;
	DHT_ASSERT(bytes.len <= ADMIN_FRAME_MAX);
	if (cli_encoding_encode(encoding, bytes, &text) != 0)
		cli_message_no_memory();
	cli_print_bytes(bytes_of(text.data, text.len));
	buffer_reset(&text);
}

void cli_print(const char *fmt, ...)
{
	if (first_errno != 0)
		return;
	va_list args;
	va_start(args, fmt);
	errno = 0;
	if (vfprintf(stdout, fmt, args) < 0)
		note_failure();
	va_end(args);
}

bool cli_print_is_terminal(void)
{
	return isatty(STDOUT_FILENO) == 1;
}

static bool has_colour(void)
{
	const char *no_color = getenv("NO_COLOR");
	if (no_color != NULL && no_color[0] != '\0')
		return false;
	const char *term = getenv("TERM");
	return term != NULL && strcmp(term, "dumb") != 0 && cli_print_is_terminal();
}

const char *cli_print_colour(enum cli_colour colour)
{
	if (colour == CLI_NO_COLOUR || !has_colour())
		return "";
	switch (colour) {
	case CLI_NO_COLOUR:
		break;
	case CLI_BOLD:
		return "\033[1m";
	case CLI_FAINT:
		return "\033[2m";
	case CLI_GREEN:
		return "\033[32m";
	case CLI_YELLOW:
		return "\033[33m";
	case CLI_RED:
		return "\033[31m";
	}
	DHT_UNREACHABLE();
}

const char *cli_print_colour_end(enum cli_colour colour)
{
	return colour != CLI_NO_COLOUR && has_colour() ? "\033[0m" : "";
}

void cli_print_clean(enum cli_colour colour, const char *text)
{
	char *clean = strdup(text);
	if (clean == NULL)
		cli_message_no_memory();
	cli_text_clean(clean);
	cli_print("%s%s%s", cli_print_colour(colour), clean, cli_print_colour_end(colour));
	free(clean);
}

static int report(void)
{
	if (first_errno == 0)
		return CLI_EXIT_OK;
	if (!is_reported && first_errno != EPIPE)
		cli_message("cannot write the result to standard output: %s",
			    strerror(first_errno));
	is_reported = true;
	return CLI_EXIT_FAILED;
}

int cli_print_flush(void)
{
	errno = 0;
	if (first_errno == 0 && fflush(stdout) != 0)
		note_failure();
	return report();
}

int cli_print_close(void)
{
	errno = 0;
	if (fclose(stdout) != 0)
		note_failure();
	return report();
}
