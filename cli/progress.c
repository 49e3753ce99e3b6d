/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/text.h"

enum { REDRAW_MS = 100, BAR_WIDTH = 30, LINE_MAX_BYTES = 160 };

/* Returns to the line's start and clears it, then writes text, all at once. */
static void draw(const char *text)
{
	char line[LINE_MAX_BYTES];
	int len = snprintf(line, sizeof(line), "\r\033[K%s", text);
	size_t shown = (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;
	ssize_t written = write(STDERR_FILENO, line, shown);
	(void)written; /* nothing depends on a bar */
}

void cli_progress_begin(struct cli_progress *progress, uint64_t size_bytes)
{
	*progress = (struct cli_progress){
	    .is_on = isatty(STDERR_FILENO) == 1,
	    .size_bytes = size_bytes,
	    .started_ms = cli_clock_ms(),
	};
	progress->drawn_ms = progress->started_ms;
}

void cli_progress_update(struct cli_progress *progress, uint64_t done_bytes, uint64_t entries)
{
	if (!progress->is_on)
		return;
	int64_t now = cli_clock_ms();
	if (now - progress->drawn_ms < REDRAW_MS)
		return;
	progress->drawn_ms = now;
	char bar[BAR_WIDTH + 16] = "";
	if (progress->size_bytes > 0) {
		/* A file that grows meanwhile is at 100 %, never above. */
		double share = (double)done_bytes / (double)progress->size_bytes;
		share = share < 1.0 ? share : 1.0;
		int full = (int)(share * BAR_WIDTH);
		char cells[BAR_WIDTH + 1];
		memset(cells, ' ', BAR_WIDTH);
		memset(cells, '=', (size_t)full);
		cells[BAR_WIDTH] = '\0';
		snprintf(bar, sizeof(bar), "[%s] %3d%%  ", cells, (int)(share * 100));
	}
	int64_t elapsed_ms = now - progress->started_ms;
	char count[CLI_NUMBER_MAX], rate[CLI_NUMBER_MAX], text[LINE_MAX_BYTES];
	cli_text_count(entries, count);
	cli_text_size((uint64_t)((double)done_bytes * 1000.0 / (double)elapsed_ms), rate);
	snprintf(text, sizeof(text), "%s%s entries  %s/s", bar, count, rate);
	draw(text);
}

void cli_progress_end(struct cli_progress *progress)
{
	if (progress->is_on)
		draw("");
	progress->is_on = false;
}
