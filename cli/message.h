/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/message - what dhtctl says to a person, on standard error.
 *
 * Why     One line, `dhtctl: what went wrong`, written at once, so that lines of
 *         programs that share a terminal or a log do not mix.
 * Thread  the main thread.
 * Errors  none: when standard error is gone there is nobody left to tell.
 */
#ifndef DHT_CLI_MESSAGE_H
#define DHT_CLI_MESSAGE_H

#include <stddef.h>

#include "base/assert.h"

enum { CLI_MESSAGE_MAX = 2048 }; /* bytes of a line; more is cut */

/* Writes `dhtctl: ` and the text, cleaned of control characters, as one line. */
void cli_message(const char *fmt, ...) DHT_PRINTF(1, 2);

/* Writes the text alone as one line: for messages that begin with FILE:LINE. */
void cli_message_bare(const char *fmt, ...) DHT_PRINTF(1, 2);

/* Says that memory is short and exits with 1. For what is needed to say anything at
 * all (an argument's copy, a table's cell); never between a request and its answer. */
_Noreturn void cli_message_no_memory(void);

#endif
