/* SPDX-License-Identifier: Apache-2.0
 *
 * server/logsink - where the daemon's log lines go: standard error.
 *
 * Why     Under systemd a line gets the journal's priority prefix, since the
 *         journal knows time and level; elsewhere it gets both as text. One write a
 *         line, so lines of different threads never mix.
 * Thread  logsink_install: before threads start.
 */
#ifndef DHT_SERVER_LOGSINK_H
#define DHT_SERVER_LOGSINK_H

/* node_name is part of every line; copied. */
void logsink_install(const char *node_name);

#endif
