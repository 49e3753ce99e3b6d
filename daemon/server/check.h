/* SPDX-License-Identifier: Apache-2.0
 *
 * server/check - dhtd --check-store: verifies a data directory without starting.
 *
 * Why     Recovery meets only some of the damage that a disk can do; the rest is met when
 *         a record is read. An operator may want to know before.
 * Owns    The lock on the data directory, while it runs: no dhtd uses it then.
 * Thread  the main thread.
 */
#ifndef DHT_SERVER_CHECK_H
#define DHT_SERVER_CHECK_H

/* Verifies every file of the data directory. Prints one line to standard error for each
 * damage and for what kept it from going on, and to standard output what it has seen:
 * `segments: N`, `records: N`, `bytes: N` (of records and headers), `torn_bytes: N` (at
 * the end of the log, where an unclean stop may leave them: no damage), `damages: N`.
 * Returns the exit code of the process: 0 if there is no damage, 1 otherwise. */
int check_store(const char *data_dir);

#endif
