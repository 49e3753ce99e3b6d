/* SPDX-License-Identifier: Apache-2.0
 *
 * store/os_posix_files - the segment files that are in use, and their descriptors.
 *
 * Why     A cold read should cost one system call, so descriptors stay open; there may
 *         be 65,536 segments, and the clients want descriptors too, so of those that
 *         nobody uses only the OS_POSIX_FILES_MAX latest stay. A file that was written
 *         and not synced keeps its descriptor: the kernel reports a failed write-back
 *         surely only to descriptors that were open then.
 * Owns    The descriptors. The directory's is borrowed.
 * Thread  as store/os.h says. The lock covers the table; no file is opened, read,
 *         written, synced or closed under it.
 * Errors  as in store/os.h.
 */
#ifndef DHT_STORE_OS_POSIX_FILES_H
#define DHT_STORE_OS_POSIX_FILES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/list.h"

enum { OS_POSIX_FILES_MAX = 256, OS_POSIX_SEGMENT_NAME = 16 };

/* All zeros: not open. */
struct os_posix_file {
	struct list link; /* on idle or unsynced, or on none while it is in use */
	size_t size;
	int fd;
	uint32_t users;
	bool is_open;
	bool is_unsynced;
	bool is_failed; /* a sync failed (store/os.h, Errors) */
};

struct os_posix_files {
	int directory;
	pthread_mutex_t lock;
	struct os_posix_file *table; /* by slot; untouched ones cost no memory */
	unsigned open_count;
	unsigned unsynced_count;
	struct list idle;     /* least recently used first */
	struct list unsynced; /* the same */
};

int os_posix_files_init(struct os_posix_files *files, int directory) DHT_MUST_CHECK;
void os_posix_files_fini(struct os_posix_files *files);

/* Writes the name of a slot's file: %08x.seg. */
void os_posix_files_name(uint32_t slot, char name[OS_POSIX_SEGMENT_NAME]);

/* Opens the slot's file if need be and keeps it open until it is given back. */
int os_posix_files_take(struct os_posix_files *files, uint32_t slot,
			const struct os_posix_file **file) DHT_MUST_CHECK;
void os_posix_files_give(struct os_posix_files *files, uint32_t slot);

/* store_os.read, write and sync. */
int os_posix_files_read(struct os_posix_files *files, uint32_t slot, size_t offset, void *data,
			size_t len) DHT_MUST_CHECK;
int os_posix_files_write(struct os_posix_files *files, uint32_t slot, size_t offset,
			 const void *data, size_t len) DHT_MUST_CHECK;
int os_posix_files_sync(struct os_posix_files *files, uint32_t slot) DHT_MUST_CHECK;

/* Closes the slot's file, which is about to be removed and which nobody uses. */
void os_posix_files_forget(struct os_posix_files *files, uint32_t slot);

#endif
