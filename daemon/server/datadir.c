/* SPDX-License-Identifier: Apache-2.0 */
#include "server/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

static int fail(char why[DATADIR_WHY_MAX], const char *doing, const char *path, int errnum)
{
	snprintf(why, DATADIR_WHY_MAX, "cannot %s %s: %s", doing, path, strerror(errnum));
	return dht_error_from_errno(errnum);
}

/* The lock file's content is the pid of its holder, for messages only. */
static long read_holder(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

int datadir_open(struct datadir *dir, const char *path, char why[DATADIR_WHY_MAX])
{
	char file[PATH_MAX];
	dir->lock_fd = -1;
	if (mkdir(path, 0750) != 0 && errno != EEXIST)
		return fail(why, "create the data directory", path, errno);
	if (snprintf(file, sizeof(file), "%s/lock", path) >= (int)sizeof(file))
		return fail(why, "use the data directory", path, ENAMETOOLONG);

	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return fail(why, "write to the data directory: open", file, errno);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int saved = errno;
		if (saved == EWOULDBLOCK) {
			snprintf(why, DATADIR_WHY_MAX,
				 "another dhtd is running, pid %ld, with the data directory %s",
				 read_holder(fd), path);
			saved = EBUSY;
		} else {
			(void)fail(why, "lock", file, saved);
		}
		close(fd);
		return dht_error_from_errno(saved);
	}
	char pid[32];
	int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	/* Over the last one's: a full disk has no other block to give. */
	if (pwrite(fd, pid, (size_t)len, 0) != len || ftruncate(fd, len) != 0) {
		int saved = errno;
		close(fd);
		return fail(why, "write to", file, saved);
	}
	dir->lock_fd = fd;
	return 0;
}

void datadir_close(struct datadir *dir)
{
	if (dir->lock_fd >= 0)
		close(dir->lock_fd);
	dir->lock_fd = -1;
}
