/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static void sink_stderr(enum log_level level, const char *line, void *ctx)
{
	fprintf(stderr, "level=%s %s\n", log_level_name(level), line);
}

static log_sink_fn sink = sink_stderr;
static void *sink_ctx;
static _Atomic int current_level = LOG_info;

void log_set_sink(log_sink_fn new_sink, void *ctx)
{
	sink = new_sink != NULL ? new_sink : sink_stderr;
	sink_ctx = ctx;
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
	return (enum log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
	return level <= log_get_level();
}

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = {
#define X(name, priority) #name,
	    LOG_LEVELS(X)
#undef X
	};
	return (unsigned)level < LOG_LEVEL_COUNT ? names[level] : "?";
}

bool log_level_parse(const char *name, enum log_level *level)
{
	for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
		if (strcmp(name, log_level_name((enum log_level)i)) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* A line is one line: whatever a peer or a file name put into it. */
static void flatten(char *line)
{
	for (char *p = line; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	}
}

void log_write(enum log_level level, const char *module, const char *fmt, ...)
{
	if (!log_is_on(level))
		return;

	char line[LOG_LINE_MAX];
	int used = snprintf(line, sizeof(line), "module=%s ", module);
	va_list args;
	va_start(args, fmt);
	vsnprintf(line + used, sizeof(line) - (size_t)used, fmt, args);
	va_end(args);
	flatten(line);
	sink(level, line, sink_ctx);
}

_Noreturn void dht_assert_fail(const char *file, int line, const char *expr)
{
	LOG_ERROR("assert", "msg=\"broken invariant, stopping\" at=%s:%d expr=\"%s\"", file, line,
		  expr);
	__builtin_trap();
}
