/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/interrupt - what happens at SIGINT, SIGTERM and SIGHUP.
 *
 * Why     A person who presses ^C while a change is on its way must learn that it
 *         may have been made. The handler writes a note that was prepared before and
 *         exits with 128 + signal (130 for SIGINT), wherever the program is; there is
 *         no flag to poll, and so no moment at which a signal could be missed.
 * Owns    The handlers and the note, one per process.
 * Thread  the main thread.
 * Errors  none.
 */
#ifndef DHT_CLI_INTERRUPT_H
#define DHT_CLI_INTERRUPT_H

#include "base/assert.h"

/* Installs the handlers; a signal that the parent ignores (nohup) stays ignored. Also
 * ignores SIGPIPE: a closed pipe is seen as EPIPE. */
void cli_interrupt_install(void);

/* Sets what the handler says, cleaned of control characters and cut if it is long.
 * Takes effect at once, in one step. */
void cli_interrupt_note(const char *fmt, ...) DHT_PRINTF(1, 2);

/* Goes back to saying just "interrupted". */
void cli_interrupt_clear(void);

#endif
