/* SPDX-License-Identifier: Apache-2.0
 *
 * base/log - one line of key=value per event.
 *
 * Why     Every part of the daemon reports through here; where lines go, and
 *         the time in front of them, is the sink's business (server/logsink.c
 *         for the daemon, stderr for tests), so that pure code may log.
 * Owns    The level and the sink: process-wide, set before threads start.
 * Thread  log_write and log_set_level: any. log_set_sink: before threads start.
 * Errors  none; a line longer than LOG_LINE_MAX is cut.
 *
 * Levels: error = an operator must act; warn = odd but handled; info = a change
 * of state; debug = per message. Keys are logged, values of keys never.
 */
#ifndef DHT_BASE_LOG_H
#define DHT_BASE_LOG_H

#include <stdbool.h>

#include "base/assert.h"

enum { LOG_LINE_MAX = 1024 };

/* X(name, syslog priority) */
#define LOG_LEVELS(X)                                                                              \
	X(error, 3)                                                                                \
	X(warn, 4)                                                                                 \
	X(info, 6)                                                                                 \
	X(debug, 7)

enum log_level {
#define X(name, priority) LOG_##name,
	LOG_LEVELS(X)
#undef X
	    LOG_LEVEL_COUNT
};

/* Receives one formatted line, without a newline: `module=.. text`. */
typedef void (*log_sink_fn)(enum log_level level, const char *line, void *ctx);

void log_set_sink(log_sink_fn sink, void *ctx);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_is_on(enum log_level level);

/* Returns the level's name; log_level_parse finds the level for a name, false if there is none. */
const char *log_level_name(enum log_level level);
bool log_level_parse(const char *name, enum log_level *level);

/* Formats `module=MODULE msg="..." key=value ...` and passes it to the sink.
 * fmt gives everything behind the module: an event in plain words as msg="..",
 * then the pairs. */
void log_write(enum log_level level, const char *module, const char *fmt, ...) DHT_PRINTF(3, 4);

#define LOG_ERROR(module, ...) log_write(LOG_error, module, __VA_ARGS__)
#define LOG_WARN(module, ...)  log_write(LOG_warn, module, __VA_ARGS__)
#define LOG_INFO(module, ...)  log_write(LOG_info, module, __VA_ARGS__)
#define LOG_DEBUG(module, ...)                                                                     \
	do {                                                                                       \
		if (log_is_on(LOG_debug))                                                          \
			log_write(LOG_debug, module, __VA_ARGS__);                                 \
	} while (0)

#endif
