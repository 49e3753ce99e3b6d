/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/print - data on standard output.
 *
 * Why     A script must learn that its data did not arrive (a full disk, a closed
 *         pipe), so the first failed write is kept, later ones are not tried, and
 *         the exit code tells.
 * Owns    The state of standard output, one per process.
 * Thread  the main thread.
 * Errors  cli_print_flush and cli_print_close report; the others only remember.
 */
#ifndef DHT_CLI_PRINT_H
#define DHT_CLI_PRINT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "cli/encoding.h"

enum cli_colour { CLI_NO_COLOUR, CLI_BOLD, CLI_FAINT, CLI_GREEN, CLI_YELLOW, CLI_RED };

/* Writes bytes as they are. */
void cli_print_bytes(struct bytes bytes);

/* Writes bytes in an encoding; they are at most what a frame holds (asserted). */
void cli_print_encoded(enum cli_encoding encoding, struct bytes bytes);

/* Writes formatted text, none of it from outside (see cli_print_clean). */
void cli_print(const char *fmt, ...) DHT_PRINTF(1, 2);

/* Writes text from outside in a colour, cleaned of control characters (cli/text.h). */
void cli_print_clean(enum cli_colour colour, const char *text);

/* Whether standard output is a terminal. */
bool cli_print_is_terminal(void);

/* Returns the sequences that begin and end a colour: empty unless standard output is a
 * terminal that knows them and NO_COLOR (no-color.org) is not set. */
const char *cli_print_colour(enum cli_colour colour);
const char *cli_print_colour_end(enum cli_colour colour);

/* Passes on what was written so far. Returns CLI_EXIT_OK, or CLI_EXIT_FAILED when any
 * write failed; the cause is reported once, and not at all for a closed pipe, whose
 * reader has seen enough. */
int cli_print_flush(void) DHT_MUST_CHECK;

/* Does the same at the end of the program and closes standard output, because some
 * file systems report a full disk only then. */
int cli_print_close(void) DHT_MUST_CHECK;

#endif
