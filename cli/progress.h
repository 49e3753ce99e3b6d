/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/progress - a progress bar on standard error.
 *
 *     [=========>          ]  47%  1,234,567 entries  12.3 MiB/s
 *
 * Why     Shown on a terminal only, redrawn ten times a second at most, and gone when
 *         the work is done.
 * Thread  the main thread.
 * Errors  none.
 */
#ifndef DHT_CLI_PROGRESS_H
#define DHT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct cli_progress {
	bool is_on;
	uint64_t size_bytes; /* of the whole work; 0: unknown, no bar */
	int64_t started_ms;
	int64_t drawn_ms;
};

/* Begins at 0 bytes. */
void cli_progress_begin(struct cli_progress *progress, uint64_t size_bytes);

/* Shows how far the work is, unless it was shown a moment ago. */
void cli_progress_update(struct cli_progress *progress, uint64_t done_bytes, uint64_t entries);

/* Shows a bar of `done` of `all` steps, with text behind it, under the same terms. */
void cli_progress_steps(struct cli_progress *progress, uint64_t done, uint64_t all,
			const char *text);

/* Removes the bar: messages begin on an empty line. */
void cli_progress_end(struct cli_progress *progress);

#endif
