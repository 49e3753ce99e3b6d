/* SPDX-License-Identifier: Apache-2.0 */
#include "io/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/error.h"

enum {
	TRIES_MAX = 100, /* to lock, each on the file that is there then */
	PAUSE_MS = 2,
	CONTENT_SIZE = 24, /* a pid, a newline */
};

/* Opens the file, or makes it. Not with O_CREAT alone: in a directory like /tmp the
 * kernel keeps even root from opening another user's file that way. */
static int open_or_make(const char *path)
{
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

/* Whether path names the open file. */
static bool is_at(int fd, const char *path)
{
	struct stat opened, named;
	return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 &&
	       opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* Reads who holds the lock, 0: nobody has written it yet. False: no file of ours. */
static bool read_holder(int fd, long *holder)
{
	char text[CONTENT_SIZE];
	struct stat st;
	*holder = 0;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size >= CONTENT_SIZE)
		return false;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return false;
	text[n] = '\0';
	if (strspn(text, "0123456789\n") != (size_t)n)
		return false;
	*holder = strtol(text, NULL, 10);
	return true;
}

static int write_holder(int fd)
{
	char text[CONTENT_SIZE];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) == len ? 0 : -1;
}

enum outcome { TAKEN, HELD, GONE, FAILED };

/* One try. HELD: by *holder; GONE: the file was made or removed meanwhile; FAILED: see
 * errno. *fd is open after TAKEN alone. */
static enum outcome try_to_take(const char *path, int *fd, long *holder)
{
	enum outcome outcome = FAILED;
	*fd = open_or_make(path);
	if (*fd < 0)
		return errno == EEXIST ? GONE : FAILED;
	errno = EINVAL;
	if (!read_holder(*fd, holder))
		outcome = FAILED;
	else if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
		outcome = errno == EWOULDBLOCK ? HELD : FAILED;
	else if (!is_at(*fd, path))
		outcome = GONE;
	else if (write_holder(*fd) == 0)
		outcome = TAKEN;
	if (outcome != TAKEN) {
		int saved = errno;
		close(*fd);
		errno = saved;
	}
	return outcome;
}

static bool is_alive(long pid)
{
	return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

int lockfile_take(struct lockfile *lock, const char *path, long *holder)
{
	*lock = LOCKFILE_NONE;
	char *own_path = strdup(path);
	if (own_path == NULL)
		return DHT_ENOMEM;
	int rc = DHT_EBUSY;
	*holder = 0;
	for (int i = 0; i < TRIES_MAX && rc == DHT_EBUSY; i++) {
		switch (try_to_take(path, &lock->fd, holder)) {
		case TAKEN:
			lock->path = own_path;
			return 0;
		case HELD:
			/* Held, but the process that is named is dead: the holder has yet to
			 * write its own name. */
			if (is_alive(*holder))
				i = TRIES_MAX;
			else
				(void)poll(NULL, 0, PAUSE_MS);
			break;
		case GONE:
			break;
		case FAILED:
			rc = dht_error_from_errno(errno);
			break;
		}
	}
	int saved = errno;
	lock->fd = -1;
	free(own_path);
	errno = saved;
	return rc;
}

void lockfile_release(struct lockfile *lock)
{
	if (lock->fd >= 0) {
		/* Removed while it is locked: who locks it afterwards sees that it is gone. */
		if (is_at(lock->fd, lock->path))
			unlink(lock->path);
		close(lock->fd);
	}
	free(lock->path);
	*lock = LOCKFILE_NONE;
}
