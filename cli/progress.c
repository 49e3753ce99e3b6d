/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/text.h"

enum { REDRAW_MS = 100, BAR_WIDTH = 30, BAR_MAX = BAR_WIDTH + 16, LINE_MAX_BYTES = 160 };

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

/* Begins a line, unless the last one was shown a moment ago; false then. */
static bool is_due(struct cli_progress *progress, int64_t now)
{
	if (!progress->is_on || now - progress->drawn_ms < REDRAW_MS)
		return false;
	progress->drawn_ms = now;
	return true;
}

/* Writes a bar; what grows meanwhile is at 100 %, never above. */
static void print_bar(double share, char out[BAR_MAX])
{
	share = share < 1.0 ? share : 1.0;
	int full = (int)(share * BAR_WIDTH);
	char cells[BAR_WIDTH + 1];
	memset(cells, ' ', BAR_WIDTH);
	memset(cells, '=', (size_t)full);
	cells[BAR_WIDTH] = '\0';
	snprintf(out, BAR_MAX, "[%s] %3d%%  ", cells, (int)(share * 100));
}

void cli_progress_steps(struct cli_progress *progress, uint64_t done, uint64_t all,
			const char *text)
{
	char bar[BAR_MAX], line[LINE_MAX_BYTES];
	if (!is_due(progress, cli_clock_ms()))
		return;
	print_bar(all > 0 ? (double)done / (double)all : 0, bar);
	snprintf(line, sizeof(line), "%s%s", bar, text);
	draw(line);
}

void cli_progress_update(struct cli_progress *progress, uint64_t done_bytes, uint64_t entries)
{
	int64_t now = cli_clock_ms();
	if (!is_due(progress, now))
		return;
	char bar[BAR_MAX] = "";
	if (progress->size_bytes > 0)
		print_bar((double)done_bytes / (double)progress->size_bytes, bar);
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
