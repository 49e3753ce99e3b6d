/* SPDX-License-Identifier: Apache-2.0
 *
 * io/lockfile - a file that one process at a time has, and that names this process.
 *
 * Why     Look, remove, make: whoever replaces a stale file (a socket's) in steps needs
 *         all others to stand back meanwhile. The lock is an flock: it ends with its
 *         process, however that ends, and a file that is left behind locks nobody out.
 *         The file is removed with the lock; as somebody may have opened it before, a
 *         lock counts only if the path still names the file that was locked.
 * Owns    The descriptor, closed on exec, and the file.
 * Thread  any, one at a time.
 * Errors  DHT_EBUSY: another process has it; DHT_EINVAL: what is there is no lock file;
 *         DHT_EDENIED, DHT_EIO and so on: errno says why.
 */
#ifndef DHT_IO_LOCKFILE_H
#define DHT_IO_LOCKFILE_H

#include "base/assert.h"

struct lockfile {
	int fd; /* -1: not held */
	char *path;
};

#define LOCKFILE_NONE ((struct lockfile){.fd = -1})

/* Takes the lock at path, making the file (mode 0600) if need be. On DHT_EBUSY, *holder
 * is the process that has it, 0 if that is not known. Waits for no holder to give it
 * up, but a moment for one that is about to write its name. */
int lockfile_take(struct lockfile *lock, const char *path, long *holder) DHT_MUST_CHECK;

/* Removes the file, if the path still names it, and gives up the lock. */
void lockfile_release(struct lockfile *lock);

#endif
