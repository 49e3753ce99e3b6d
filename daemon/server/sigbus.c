/* SPDX-License-Identifier: Apache-2.0 */
#include "server/sigbus.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "base/assert.h"
#include "store/store.h"

enum { LINE_MAX_SIZE = 256, SLOT_DIGITS = 8 };

#define WHY                                                                                        \
	": the disk failed, or the file was cut; the node stops at once, what was acknowledged "   \
	"is in the log\n"

static const struct store *_Atomic watched;
static atomic_flag is_told = ATOMIC_FLAG_INIT;

/* A line that is put together without stdio, which is not for signal handlers. */
struct line {
	char text[LINE_MAX_SIZE];
	size_t len;
};

static void add_text(struct line *line, const char *text)
{
	for (; *text != '\0' && line->len < sizeof(line->text); text++)
		line->text[line->len++] = *text;
}

/* Adds a number with at least so many digits. */
static void add_number(struct line *line, uint64_t number, unsigned base, unsigned digits)
{
	char text[65];
	size_t at = sizeof(text) - 1;
	text[at] = '\0';
	for (; number > 0 || digits > 0; number /= base) {
		text[--at] = "0123456789abcdef"[number % base];
		digits -= digits > 0;
	}
	add_text(line, text + at);
}

static void describe(struct line *line, const void *address)
{
	const struct store *store = atomic_load(&watched);
	uint32_t slot, offset;
	add_text(line, "dhtd: SIGBUS, ");
	if (store != NULL && store_find_address(store, address, &slot, &offset)) {
		add_text(line, "cannot read the file segments/");
		add_number(line, slot, 16, SLOT_DIGITS);
		add_text(line, ".seg at offset ");
		add_number(line, offset, 10, 1);
	} else {
		add_text(line, "cannot use the memory at 0x");
		add_number(line, (uintptr_t)address, 16, 1);
		add_text(line, ", which is of no segment that is in use");
	}
	add_text(line, WHY);
}

/* Several threads may come here at once. One tells; the others must not go on. */
static void on_sigbus(int number, siginfo_t *info, void *context)
{
	struct line line = {.len = 0};
	(void)number;
	(void)context;
	while (atomic_flag_test_and_set(&is_told))
		pause();
	/* Somebody's kill has no address. */
	describe(&line, info->si_code > 0 ? info->si_addr : NULL);
	ssize_t n = write(STDERR_FILENO, line.text, line.len);
	(void)n;
	_exit(1);
}

/* Without SA_RESETHAND: it would let a second thread end the process, by the signal and with
 * a core, before the first has told. A fault in the handler itself ends the process, for the
 * signal is blocked there. */
void sigbus_install(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
	sigemptyset(&action.sa_mask);
	int rc = sigaction(SIGBUS, &action, NULL);
	DHT_ASSERT(rc == 0);
}

void sigbus_watch(const struct store *store)
{
	atomic_store(&watched, store);
}
