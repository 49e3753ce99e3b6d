/* SPDX-License-Identifier: Apache-2.0
 *
 * store/os_posix_io - whole reads and writes, small files, and what errno means.
 *
 * Why     The kernel may do half of what it is asked, and says in errno what the store
 *         wants to know as a DHT_E*; both end here.
 * Owns    Nothing.
 * Thread  any.
 * Errors  as in store/os.h; every failure but "full" and "absent" was logged.
 */
#ifndef DHT_STORE_OS_POSIX_IO_H
#define DHT_STORE_OS_POSIX_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/assert.h"

/* Flags with which every file of the store is opened; a link is not followed. */
#define OS_POSIX_OPEN_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NOCTTY)

enum { OS_POSIX_FILE_MODE = 0640, OS_POSIX_NAME_MAX = 64 };

/* What a file is called until it is complete. */
#define OS_POSIX_UNFINISHED ".new"

/* Logs that `doing` (a verb) something to a file failed, unless the caller expects that,
 * and returns the DHT_E* for errnum. */
int os_posix_fail(const char *doing, const char *name, int errnum) DHT_MUST_CHECK;

/* Write or read all len bytes at offset; name is for the log. */
int os_posix_write_all(int fd, const char *name, const void *data, size_t len,
		       off_t offset) DHT_MUST_CHECK;
int os_posix_read_all(int fd, const char *name, void *data, size_t len,
		      off_t offset) DHT_MUST_CHECK;

/* Make the content of a file, or the entries of a directory, durable. 0 or DHT_EIO. */
int os_posix_sync_content(int fd, const char *name) DHT_MUST_CHECK;
int os_posix_sync_file(int fd, const char *name) DHT_MUST_CHECK; /* its length, too */
int os_posix_sync_directory(int directory) DHT_MUST_CHECK;

/* What a new file is filled with; it returns 0 or a DHT_E*. */
typedef int (*os_posix_fill_fn)(int fd, const char *name, const void *data,
				size_t len) DHT_MUST_CHECK;

/* Makes a file that exists, durably, with all that fill writes or not at all; one of the
 * same name is replaced. After a failure the old one is there, except when the last step,
 * to sync the directory, has failed: then it is the new one, and DHT_EIO is returned. */
int os_posix_file_make(int directory, const char *name, os_posix_fill_fn fill, const void *data,
		       size_t len) DHT_MUST_CHECK;

/* Fills a file with data; with len zeros, data being NULL. */
int os_posix_fill_data(int fd, const char *name, const void *data, size_t len) DHT_MUST_CHECK;
int os_posix_fill_zeros(int fd, const char *name, const void *data, size_t len) DHT_MUST_CHECK;

/* store_os.file_read and file_remove, in a directory. */
int os_posix_file_read(int directory, const char *name, void *data, size_t max,
		       size_t *len) DHT_MUST_CHECK;
int os_posix_file_remove(int directory, const char *name) DHT_MUST_CHECK;

#endif
