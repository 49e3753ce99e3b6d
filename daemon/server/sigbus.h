/* SPDX-License-Identifier: Apache-2.0
 *
 * server/sigbus - what becomes of a page of a mapped segment that cannot be read.
 *
 * Why     Sealed segments are mapped: an error of the disk, or a file that somebody cut, is
 *         no return value there but a SIGBUS in whichever thread touches the page. That is
 *         the disk failing, so the node stops with exit code 1, after one line that says
 *         which file it was, and where.
 * Owns    The process's handler of SIGBUS.
 * Thread  sigbus_install: before any other thread is started. sigbus_watch: any.
 * Errors  none.
 *
 * The handler writes with write(2) and ends with _exit: what it interrupted may hold any
 * lock. It runs on the stack of the thread, which lies in memory and not in a file.
 */
#ifndef DHT_SERVER_SIGBUS_H
#define DHT_SERVER_SIGBUS_H

struct store;

void sigbus_install(void);

/* Says whose segments an address is looked for in; NULL: there is no store. */
void sigbus_watch(const struct store *store);

#endif
