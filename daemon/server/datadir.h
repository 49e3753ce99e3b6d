/* SPDX-License-Identifier: Apache-2.0
 *
 * server/datadir - the data directory and the exclusive lock on it.
 *
 * Owns    The descriptor of the lock file, for the life of the process.
 * Errors  DHT_EBUSY: another process has it; DHT_EDENIED, DHT_EIO. why receives a
 *         sentence for the operator.
 */
#ifndef DHT_SERVER_DATADIR_H
#define DHT_SERVER_DATADIR_H

#include <limits.h>

#include "base/assert.h"

enum { DATADIR_WHY_MAX = PATH_MAX + 256 };

struct datadir {
	int lock_fd;
};

/* Creates the directory (its parent exists) if need be and takes the lock. */
int datadir_open(struct datadir *dir, const char *path, char why[DATADIR_WHY_MAX]) DHT_MUST_CHECK;
void datadir_close(struct datadir *dir);

#endif
