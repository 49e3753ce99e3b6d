/* SPDX-License-Identifier: Apache-2.0 */
#include "store/os_posix_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "store/os.h"
#include "store/os_posix_io.h"
#include "store/store.h"

int os_posix_files_init(struct os_posix_files *files, int directory)
{
	*files = (struct os_posix_files){.directory = directory};
	files->table = calloc(STORE_SEGMENTS_MAX, sizeof(*files->table));
	if (files->table == NULL)
		return os_posix_fail("open", "(table of files)", ENOMEM);
	pthread_mutex_init(&files->lock, NULL);
	list_init(&files->idle);
	list_init(&files->unsynced);
	return 0;
}

static void close_all(struct list *head)
{
	LIST_FOREACH_SAFE(link, next, head)
	close(LIST_ENTRY(link, struct os_posix_file, link)->fd);
}

void os_posix_files_fini(struct os_posix_files *files)
{
	if (files->table == NULL)
		return;
	close_all(&files->idle);
	close_all(&files->unsynced);
	pthread_mutex_destroy(&files->lock);
	free(files->table);
	files->table = NULL;
}

void os_posix_files_name(uint32_t slot, char name[OS_POSIX_SEGMENT_NAME])
{
	snprintf(name, OS_POSIX_SEGMENT_NAME, "%08x.seg", slot);
}

/* ---- The table; under the lock ----------------------------------------------------- */

static void hold(struct os_posix_files *files, struct os_posix_file *file)
{
	if (file->users++ > 0)
		return;
	list_remove(&file->link);
	if (file->is_unsynced)
		files->unsynced_count--;
}

/* Returns a descriptor to close, or -1. */
static int release(struct os_posix_files *files, struct os_posix_file *file)
{
	DHT_ASSERT(file->users > 0);
	if (--file->users > 0)
		return -1;
	list_push_tail(file->is_unsynced ? &files->unsynced : &files->idle, &file->link);
	if (file->is_unsynced)
		files->unsynced_count++;
	struct list *oldest = list_first(&files->idle);
	if (files->open_count <= OS_POSIX_FILES_MAX || oldest == NULL)
		return -1;
	struct os_posix_file *surplus = LIST_ENTRY(oldest, struct os_posix_file, link);
	list_remove(&surplus->link);
	surplus->is_open = false;
	files->open_count--;
	return surplus->fd;
}

/* ---- Use -------------------------------------------------------------------------- */

/* Opens the slot's file and takes it; another thread may be doing the same. */
static int open_and_hold(struct os_posix_files *files, uint32_t slot)
{
	struct os_posix_file *file = &files->table[slot];
	char name[OS_POSIX_SEGMENT_NAME];
	struct stat status;
	os_posix_files_name(slot, name);
	int fd = openat(files->directory, name, O_RDWR | O_NONBLOCK | OS_POSIX_OPEN_FLAGS);
	if (fd < 0)
		return os_posix_fail("open", name, errno);
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		int rc = os_posix_fail("examine", name, EIO);
		close(fd);
		return rc;
	}
	pthread_mutex_lock(&files->lock);
	if (!file->is_open) {
		file->is_open = true;
		file->fd = fd;
		file->size = (size_t)status.st_size;
		list_init(&file->link);
		files->open_count++;
		fd = -1;
	}
	hold(files, file);
	pthread_mutex_unlock(&files->lock);
	if (fd >= 0)
		close(fd);
	return 0;
}

int os_posix_files_take(struct os_posix_files *files, uint32_t slot,
			const struct os_posix_file **file)
{
	DHT_ASSERT(slot < STORE_SEGMENTS_MAX);
	struct os_posix_file *wanted = &files->table[slot];
	*file = wanted;
	pthread_mutex_lock(&files->lock);
	bool is_open = wanted->is_open;
	if (is_open)
		hold(files, wanted);
	pthread_mutex_unlock(&files->lock);
	return is_open ? 0 : open_and_hold(files, slot);
}

void os_posix_files_give(struct os_posix_files *files, uint32_t slot)
{
	pthread_mutex_lock(&files->lock);
	int surplus = release(files, &files->table[slot]);
	pthread_mutex_unlock(&files->lock);
	if (surplus >= 0)
		close(surplus);
}

int os_posix_files_read(struct os_posix_files *files, uint32_t slot, size_t offset, void *data,
			size_t len)
{
	const struct os_posix_file *file;
	char name[OS_POSIX_SEGMENT_NAME];
	int rc = os_posix_files_take(files, slot, &file);
	if (rc != 0)
		return rc;
	os_posix_files_name(slot, name);
	rc = os_posix_read_all(file->fd, name, data, len, (off_t)offset);
	os_posix_files_give(files, slot);
	return rc;
}

/* Syncs the file that has waited longest, if too many wait. It may be removed meanwhile,
 * for its caller knows nothing of this use: so the table's descriptor is not held, a
 * second one of the same opening is; a failed write-back is reported to that as well.
 * Only the committer makes files wait, and it is the caller. */
static int sync_surplus(struct os_posix_files *files)
{
	struct os_posix_file *file = NULL;
	int fd = -1;
	pthread_mutex_lock(&files->lock);
	if (files->unsynced_count > STORE_OS_UNSYNCED_MAX) {
		file = LIST_ENTRY(list_first(&files->unsynced), struct os_posix_file, link);
		fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
	}
	if (fd >= 0) {
		file->is_unsynced = false;
		files->unsynced_count--;
		list_move_tail(&files->idle, &file->link);
	}
	pthread_mutex_unlock(&files->lock);
	/* Short of descriptors, it waits for the next write. */
	if (fd < 0)
		return 0;
	char name[OS_POSIX_SEGMENT_NAME];
	os_posix_files_name((uint32_t)(file - files->table), name);
	int rc = os_posix_sync_content(fd, name);
	close(fd);
	if (rc != 0) {
		pthread_mutex_lock(&files->lock);
		file->is_failed = true;
		pthread_mutex_unlock(&files->lock);
	}
	return rc;
}

/* A write runs beside a sync. */
static bool has_failed(struct os_posix_files *files, uint32_t slot)
{
	pthread_mutex_lock(&files->lock);
	bool is_failed = files->table[slot].is_failed;
	pthread_mutex_unlock(&files->lock);
	return is_failed;
}

int os_posix_files_write(struct os_posix_files *files, uint32_t slot, size_t offset,
			 const void *data, size_t len)
{
	const struct os_posix_file *file;
	char name[OS_POSIX_SEGMENT_NAME];
	int rc = os_posix_files_take(files, slot, &file);
	if (rc != 0)
		return rc;
	os_posix_files_name(slot, name);
	if (has_failed(files, slot)) {
		rc = DHT_EIO;
	} else if (offset > file->size || len > file->size - offset) {
		LOG_ERROR("store",
			  "msg=\"a write beyond the end\" file=%s size=%zu offset=%zu len=%zu",
			  name, file->size, offset, len);
		rc = DHT_EINVAL;
	} else {
		pthread_mutex_lock(&files->lock);
		files->table[slot].is_unsynced = true;
		pthread_mutex_unlock(&files->lock);
		rc = os_posix_write_all(file->fd, name, data, len, (off_t)offset);
	}
	os_posix_files_give(files, slot);
	return rc == 0 ? sync_surplus(files) : rc;
}

int os_posix_files_sync(struct os_posix_files *files, uint32_t slot)
{
	const struct os_posix_file *file;
	char name[OS_POSIX_SEGMENT_NAME];
	int rc = os_posix_files_take(files, slot, &file);
	if (rc != 0)
		return rc;
	os_posix_files_name(slot, name);
	rc = has_failed(files, slot) ? DHT_EIO : os_posix_sync_content(file->fd, name);
	pthread_mutex_lock(&files->lock);
	files->table[slot].is_failed = rc != 0;
	files->table[slot].is_unsynced = rc != 0;
	pthread_mutex_unlock(&files->lock);
	os_posix_files_give(files, slot);
	return rc;
}

void os_posix_files_forget(struct os_posix_files *files, uint32_t slot)
{
	DHT_ASSERT(slot < STORE_SEGMENTS_MAX);
	struct os_posix_file *file = &files->table[slot];
	int fd = -1;
	pthread_mutex_lock(&files->lock);
	DHT_ASSERT(file->users == 0);
	if (file->is_open) {
		hold(files, file);
		files->open_count--;
		fd = file->fd;
	}
	*file = (struct os_posix_file){0};
	pthread_mutex_unlock(&files->lock);
	if (fd >= 0)
		close(fd);
}
