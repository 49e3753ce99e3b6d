/* SPDX-License-Identifier: Apache-2.0
 *
 * parts - what the manual takes from the tables of the programs.
 *
 * Why     A page is written by hand (dhtctl.1.in), but for what a table says: there it names a
 *         part, `@@ commands`, and each part is a function here. Nothing is said twice, so
 *         nothing can drift.
 * Owns    Nothing.
 * Thread  one.
 */
#ifndef DHT_PACKAGING_PARTS_H
#define DHT_PACKAGING_PARTS_H

#include <stdio.h>

/* X(name in pages, name in C): each writes mdoc source. */
#define MANUAL_PARTS(X)                                                                            \
	X("ctl-usage", ctl_usage)                                                                  \
	X("ctl-options", ctl_options)                                                              \
	X("ctl-commands", ctl_commands)                                                            \
	X("ctl-exits", ctl_exits)                                                                  \
	X("daemon-usage", daemon_usage)                                                            \
	X("daemon-options", daemon_options)                                                        \
	X("daemon-signals", daemon_signals)                                                        \
	X("daemon-exits", daemon_exits)                                                            \
	X("settings", settings)                                                                    \
	X("redis-commands", redis_commands)                                                        \
	X("redis-refused", redis_refused)                                                          \
	X("errors", errors)                                                                        \
	X("admin-frames", admin_frames)                                                            \
	X("admin-messages", admin_messages)

#define X(name, id) void part_##id(FILE *out);
MANUAL_PARTS(X)
#undef X

/* The file from which the parts admin-* are made: proto/admin.proto. */
extern const char *part_schema_path;

#endif
