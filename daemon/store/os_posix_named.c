/* SPDX-License-Identifier: Apache-2.0 */
#include "store/os_posix_named.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "store/os_posix_io.h"

enum {
	SPARE_NAME_MAX = OS_POSIX_NAME_MAX + sizeof(OS_POSIX_UNFINISHED),
	BLOCK = 1024, /* the smallest that file systems give out, or less than that */
};

static void spare_name(const char *name, char out[SPARE_NAME_MAX])
{
	int size = snprintf(out, SPARE_NAME_MAX, "%s" OS_POSIX_UNFINISHED, name);
	DHT_ASSERT(size > 0 && size < SPARE_NAME_MAX);
}

static size_t blocks_of(size_t size)
{
	return (size + BLOCK - 1) / BLOCK;
}

/* Opens the spare as it is, or a new one. *size is set to its length. */
static int open_spare(int directory, const char *spare, int *fd, size_t *size)
{
	int how = O_WRONLY | O_CREAT | O_NONBLOCK | OS_POSIX_OPEN_FLAGS;
	struct stat status;
	*size = 0;
	*fd = openat(directory, spare, how, OS_POSIX_FILE_MODE);
	if (*fd < 0)
		return os_posix_fail("create", spare, errno);
	if (fstat(*fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1) {
		*size = (size_t)status.st_size;
		return 0;
	}
	/* It is not this store's alone. */
	close(*fd);
	if (unlinkat(directory, spare, 0) != 0)
		return os_posix_fail("remove", spare, errno);
	*fd = openat(directory, spare, how | O_EXCL, OS_POSIX_FILE_MODE);
	return *fd >= 0 ? 0 : os_posix_fail("create", spare, errno);
}

/* Writes over the spare, whose blocks stay its own until all is written. */
static int fill_spare(int directory, const char *spare, const void *data, size_t len)
{
	size_t size;
	int fd, rc = open_spare(directory, spare, &fd, &size);
	if (rc != 0)
		return rc;
	rc = os_posix_write_all(fd, spare, data, len, 0);
	if (rc == 0 && size > len && ftruncate(fd, (off_t)len) != 0)
		rc = os_posix_fail("cut", spare, errno);
	if (rc == 0)
		rc = os_posix_sync_file(fd, spare);
	close(fd);
	return rc;
}

static bool cannot_exchange(int errnum)
{
	return errnum == ENOENT || errnum == EINVAL || errnum == ENOSYS || errnum == EOPNOTSUPP;
}

static int put_in_place(int directory, const char *spare, const char *name)
{
	if (renameat2(directory, spare, directory, name, RENAME_EXCHANGE) == 0)
		return 0;
	if (cannot_exchange(errno) && renameat(directory, spare, directory, name) == 0)
		return 0;
	return os_posix_fail("rename", spare, errno);
}

/* Sees to it that there is a spare with as many blocks as len bytes take. A full disk is
 * no failure: then the next replacement may be one. */
static int keep_spare(int directory, const char *spare, size_t len)
{
	static const char zeros[BLOCK];
	size_t size;
	int fd, rc = 0;
	if (open_spare(directory, spare, &fd, &size) != 0)
		return 0;
	bool is_short = blocks_of(size) < blocks_of(len);
	while (rc == 0 && size < len && is_short) {
		size_t step = len - size < BLOCK ? len - size : BLOCK;
		rc = os_posix_write_all(fd, spare, zeros, step, (off_t)size);
		size += step;
	}
	if (rc == 0 && is_short)
		rc = os_posix_sync_file(fd, spare);
	close(fd);
	if (rc == 0 && is_short)
		rc = os_posix_sync_directory(directory);
	return rc == DHT_EIO ? rc : 0;
}

int os_posix_named_replace(int directory, const char *name, const void *data, size_t len)
{
	char spare[SPARE_NAME_MAX];
	spare_name(name, spare);
	int rc = fill_spare(directory, spare, data, len);
	if (rc == 0)
		rc = put_in_place(directory, spare, name);
	if (rc == DHT_ENOSPC)
		return rc; /* what blocks the spare has are those of the next attempt */
	if (rc == 0)
		rc = os_posix_sync_directory(directory);
	if (rc == 0)
		return keep_spare(directory, spare, len);
	/* What it holds is unknown, or which of the two a crash would leave as NAME. */
	(void)unlinkat(directory, spare, 0);
	return rc;
}

int os_posix_named_remove(int directory, const char *name)
{
	char spare[SPARE_NAME_MAX];
	spare_name(name, spare);
	if (unlinkat(directory, name, 0) != 0)
		return os_posix_fail("remove", name, errno);
	if (unlinkat(directory, spare, 0) != 0 && errno != ENOENT)
		return os_posix_fail("remove", spare, errno);
	return os_posix_sync_directory(directory);
}
