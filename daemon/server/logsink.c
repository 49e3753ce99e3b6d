/* SPDX-License-Identifier: Apache-2.0 */
#include "server/logsink.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "io/clock.h"

static char node[72];
static bool to_journal;

static const int priorities[] = {
#define X(name, priority) priority,
    LOG_LEVELS(X)
#undef X
};

/* JOURNAL_STREAM names the device and inode of what systemd connected; it is
 * inherited by children whose output was redirected since. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static int format_head(char *out, size_t size, enum log_level level)
{
	if (to_journal)
		return snprintf(out, size, "<%d>", priorities[level]);
	uint64_t now_ms = clock_wall_ms();
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	char stamp[32];
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	return snprintf(out, size, "%s.%03uZ level=%s ", stamp, (unsigned)(now_ms % 1000),
			log_level_name(level));
}

static void sink(enum log_level level, const char *line, void *ctx)
{
	char text[LOG_LINE_MAX + 192];
	int used = format_head(text, sizeof(text), level);
	used += snprintf(text + used, sizeof(text) - (size_t)used, "node=%s %s\n", node, line);
	size_t len = (size_t)used < sizeof(text) ? (size_t)used : sizeof(text) - 1;
	text[len - 1] = '\n';
	/* Nobody is left to be told when the log itself cannot be written. */
	ssize_t n = write(STDERR_FILENO, text, len);
	(void)n;
}

void logsink_install(const char *node_name)
{
	snprintf(node, sizeof(node), "%s", node_name);
	to_journal = is_journal();
	log_set_sink(sink, NULL);
}
