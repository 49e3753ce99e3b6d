/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/interrupt.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/text.h"

enum { NOTE_MAX = 512 };

struct note {
	char text[NOTE_MAX];
	size_t len;
};

/* The handler follows `current`; a new note is written where it does not look. */
#define PLAIN "\ndhtctl: interrupted\n"
static const struct note plain = {.text = PLAIN, .len = sizeof(PLAIN) - 1};
static struct note notes[2];
static size_t next_note;
static const struct note *_Atomic current = &plain;
static bool is_on_terminal;

static void on_signal(int signal)
{
	const struct note *note = atomic_load(&current);
	/* A terminal has just echoed ^C, or shows a progress bar: begin a new line. */
	size_t skip = is_on_terminal ? 0 : 1;
	ssize_t written = write(STDERR_FILENO, note->text + skip, note->len - skip);
	(void)written; /* nobody is left to be told */
	_exit(128 + signal);
}

static void install(int signal)
{
	struct sigaction old;
	if (sigaction(signal, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
		return;
	struct sigaction action = {.sa_handler = on_signal};
	sigemptyset(&action.sa_mask);
	DHT_ASSERT(sigaction(signal, &action, NULL) == 0);
}

void cli_interrupt_install(void)
{
	is_on_terminal = isatty(STDERR_FILENO) == 1;
	install(SIGINT);
	install(SIGTERM);
	install(SIGHUP);
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigemptyset(&ignore.sa_mask);
	DHT_ASSERT(sigaction(SIGPIPE, &ignore, NULL) == 0);
}

void cli_interrupt_note(const char *fmt, ...)
{
	static const char prefix[] = "\ndhtctl: interrupted; ";
	struct note *note = &notes[next_note];
	next_note = 1 - next_note;
	memcpy(note->text, prefix, sizeof(prefix));
	char *rest = note->text + sizeof(prefix) - 1;
	va_list args;
	va_start(args, fmt);
	/* One byte is kept back for the newline. */
	vsnprintf(rest, sizeof(note->text) - sizeof(prefix), fmt, args);
	va_end(args);
	cli_text_clean(rest);
	note->len = strlen(note->text);
	note->text[note->len++] = '\n';
	atomic_store(&current, note);
}

void cli_interrupt_clear(void)
{
	atomic_store(&current, &plain);
}
