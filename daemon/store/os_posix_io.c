/* SPDX-License-Identifier: Apache-2.0 */
#include "store/os_posix_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

enum {
	ZEROS_SIZE = 256 << 10, /* written at a time */
	/* Zeros that may wait in the page cache: more of them, sent to the disk at once,
	 * would make the committer's next sync queue behind them. */
	ZEROS_WAITING = 256 << 10,
};

static int error_of(int errnum)
{
	switch (errnum) {
	case ENOENT:
		return DHT_ENOTFOUND;
	case EMFILE:
	case ENFILE:
		return DHT_ENOMEM;
	case ENOSPC:
	case EDQUOT:
	case ENOMEM:
	case EACCES:
	case EPERM:
		return dht_error_from_errno(errnum);
	default:
		return DHT_EIO;
	}
}

int os_posix_fail(const char *doing, const char *name, int errnum)
{
	int rc = error_of(errnum);
	if (rc != DHT_ENOSPC && rc != DHT_ENOTFOUND)
		LOG_ERROR("store", "msg=\"disk access failed\" doing=%s file=%s error=\"%s\"",
			  doing, name, strerror(errnum));
	return rc;
}

int os_posix_write_all(int fd, const char *name, const void *data, size_t len, off_t offset)
{
	const uint8_t *from = data;
	while (len > 0) {
		ssize_t n = pwrite(fd, from, len, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return os_posix_fail("write", name, n < 0 ? errno : EIO);
		from += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

int os_posix_read_all(int fd, const char *name, void *data, size_t len, off_t offset)
{
	uint8_t *to = data;
	while (len > 0) {
		ssize_t n = pread(fd, to, len, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return os_posix_fail("read", name, errno);
		if (n == 0) {
			LOG_ERROR("store",
				  "msg=\"a file is too short\" file=%s end=%lld wanted=%zu", name,
				  (long long)offset, len);
			return DHT_ECORRUPT;
		}
		to += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Whatever the cause: what a sync did not do may be lost, so no other error will do. */
static int sync_failed(const char *name, int errnum)
{
	LOG_ERROR("store", "msg=\"disk access failed\" doing=sync file=%s error=\"%s\"", name,
		  strerror(errnum));
	return DHT_EIO;
}

int os_posix_sync_content(int fd, const char *name)
{
	return fdatasync(fd) == 0 ? 0 : sync_failed(name, errno);
}

int os_posix_sync_file(int fd, const char *name)
{
	return fsync(fd) == 0 ? 0 : sync_failed(name, errno);
}

int os_posix_sync_directory(int directory)
{
	return fsync(directory) == 0 ? 0 : sync_failed("(directory)", errno);
}

int os_posix_fill_data(int fd, const char *name, const void *data, size_t len)
{
	return os_posix_write_all(fd, name, data, len, 0);
}

int os_posix_fill_zeros(int fd, const char *name, const void *data, size_t len)
{
	DHT_ASSERT(data == NULL);
	void *zeros = calloc(1, ZEROS_SIZE);
	if (zeros == NULL)
		return os_posix_fail("write", name, ENOMEM);
	int rc = 0;
	size_t sent = 0;
	for (size_t done = 0; rc == 0 && done < len;) {
		size_t step = len - done < ZEROS_SIZE ? len - done : ZEROS_SIZE;
		rc = os_posix_write_all(fd, name, zeros, step, (off_t)done);
		done += step;
		if (rc == 0 && done - sent >= ZEROS_WAITING) {
			unsigned how = SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
			if (sync_file_range(fd, (off_t)sent, (off_t)(done - sent), how) != 0)
				rc = os_posix_fail("write", name, errno);
			sent = done;
		}
	}
	free(zeros);
	return rc;
}

int os_posix_file_make(int directory, const char *name, os_posix_fill_fn fill, const void *data,
		       size_t len)
{
	char unfinished[OS_POSIX_NAME_MAX + sizeof(OS_POSIX_UNFINISHED)];
	int size = snprintf(unfinished, sizeof(unfinished), "%s" OS_POSIX_UNFINISHED, name);
	DHT_ASSERT(size > 0 && (size_t)size < sizeof(unfinished));

	int fd = openat(directory, unfinished, O_WRONLY | O_CREAT | O_TRUNC | OS_POSIX_OPEN_FLAGS,
			OS_POSIX_FILE_MODE);
	if (fd < 0)
		return os_posix_fail("create", unfinished, errno);
	int rc = fill(fd, unfinished, data, len);
	if (rc == 0)
		rc = os_posix_sync_file(fd, unfinished);
	close(fd);
	if (rc == 0 && renameat(directory, unfinished, directory, name) != 0)
		rc = os_posix_fail("rename", unfinished, errno);
	if (rc == 0)
		return os_posix_sync_directory(directory);
	/* If even this fails, the next start removes it. */
	(void)unlinkat(directory, unfinished, 0);
	return rc;
}

int os_posix_file_read(int directory, const char *name, void *data, size_t max, size_t *len)
{
	*len = 0;
	int fd = openat(directory, name, O_RDONLY | O_NONBLOCK | OS_POSIX_OPEN_FLAGS);
	if (fd < 0)
		return os_posix_fail("open", name, errno);
	struct stat status;
	int rc = 0;
	if (fstat(fd, &status) != 0)
		rc = os_posix_fail("examine", name, errno);
	else if (!S_ISREG(status.st_mode))
		rc = os_posix_fail("read", name, EISDIR);
	if (rc == 0) {
		*len = (size_t)status.st_size;
		rc = *len <= max ? os_posix_read_all(fd, name, data, *len, 0) : DHT_ETOOBIG;
	}
	close(fd);
	return rc;
}

int os_posix_file_remove(int directory, const char *name)
{
	if (unlinkat(directory, name, 0) != 0)
		return os_posix_fail("remove", name, errno);
	return os_posix_sync_directory(directory);
}
