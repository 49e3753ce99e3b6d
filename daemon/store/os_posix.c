/* SPDX-License-Identifier: Apache-2.0 */
#include "store/os_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "store/os.h"
#include "store/os_posix_files.h"
#include "store/os_posix_io.h"
#include "store/os_posix_named.h"
#include "store/os_posix_parallel.h"
#include "store/store.h"

#define SEGMENTS "segments"
#define SEGMENT  ".seg"
#define HINT     ".hint"

enum {
	DIRECTORY_MODE = 0750,
	/* Memory that is exchanged for a mapping at a time: page faults of the whole process
	 * wait meanwhile, a tenth of a millisecond per MiB. */
	MAP_STEP = 2 << 20,
	HUGE_PAGE = 2 << 20, /* of the processors that have one of that size; others lose nothing */
};

struct store_os_posix {
	struct store_os os;
	int directory;
	int segments;
	struct os_posix_files files;
};

/* ---- Memory ------------------------------------------------------------------------ */

/* Huge pages: what is written is read at random places, and with small pages each of these
 * costs a walk through the page table, as each 4 KiB appended cost a fault. They need memory
 * that begins where a huge page does. */
static uint8_t *segment_alloc(void *ctx, size_t size)
{
	size_t whole = size + HUGE_PAGE;
	uint8_t *data =
	    mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		return NULL;
	size_t head = (HUGE_PAGE - (uintptr_t)data % HUGE_PAGE) % HUGE_PAGE;
	if (head > 0)
		munmap(data, head);
	munmap(data + head + size, whole - head - size);
	/* A kernel without them does as well. */
	(void)madvise(data + head, size, MADV_HUGEPAGE);
	return data + head;
}

/* Kernels before 5.14 refuse it, and so does what was mapped meanwhile. */
static void segment_touch(void *ctx, uint8_t *memory, size_t size)
{
	(void)madvise(memory, size, MADV_POPULATE_WRITE);
}

static void segment_free(void *ctx, uint8_t *memory, size_t size)
{
	int rc = munmap(memory, size);
	DHT_ASSERT(rc == 0);
}

/* Moves the mapping over the memory, page tables and all. The kernel does each step
 * under the lock that page faults take, so no reader meets a hole. */
static int move_mapping(uint8_t *mapping, uint8_t *memory, size_t size)
{
	for (size_t done = 0; done < size;) {
		size_t step = size - done < MAP_STEP ? size - done : MAP_STEP;
		if (mremap(mapping + done, step, step, MREMAP_MAYMOVE | MREMAP_FIXED,
			   memory + done) == MAP_FAILED) {
			int saved = errno;
			munmap(mapping + done, size - done);
			return os_posix_fail("map", "(memory)", saved);
		}
		done += step;
	}
	return 0;
}

/* The file is mapped elsewhere first: that can fail, and may read what is not yet in the
 * page cache, while the memory is still there. */
static int segment_map(void *ctx, uint32_t slot, uint8_t *memory, size_t size,
		       enum store_os_map how)
{
	struct store_os_posix *posix = ctx;
	const struct os_posix_file *file;
	char name[OS_POSIX_SEGMENT_NAME];
	int rc = os_posix_files_take(&posix->files, slot, &file);
	if (rc != 0)
		return rc;
	os_posix_files_name(slot, name);
	if (file->size < size) {
		LOG_ERROR("store", "msg=\"a file is too short\" file=%s end=%zu wanted=%zu", name,
			  file->size, size);
		rc = DHT_ECORRUPT;
	} else {
		int populate = how == STORE_OS_MAP_READ ? MAP_POPULATE : 0;
		uint8_t *mapping = mmap(NULL, size, PROT_READ, MAP_SHARED | populate, file->fd, 0);
		rc = mapping != MAP_FAILED ? move_mapping(mapping, memory, size)
					   : os_posix_fail("map", name, errno);
	}
	os_posix_files_give(&posix->files, slot);
	return rc;
}

/* ---- Segments ---------------------------------------------------------------------- */

/* True for eight lower-case hex digits below STORE_SEGMENTS_MAX and the ending. */
static bool parse_name(const char *name, const char *ending, uint32_t *slot)
{
	char again[OS_POSIX_SEGMENT_NAME];
	unsigned long number = strtoul(name, NULL, 16);
	if (number >= STORE_SEGMENTS_MAX)
		return false;
	*slot = (uint32_t)number;
	snprintf(again, sizeof(again), "%08x%s", *slot, ending);
	return strcmp(name, again) == 0;
}

static bool ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);
	return len > end_len && strcmp(name + len - end_len, end) == 0;
}

/* What list does with one name of the segments' directory. */
static int list_entry(struct store_os_posix *posix, const char *name, store_os_found_fn found,
		      void *arg)
{
	struct stat status;
	uint32_t slot;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (fstatat(posix->segments, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return os_posix_fail("examine", name, errno);
	bool is_file = S_ISREG(status.st_mode);
	if (is_file && parse_name(name, SEGMENT, &slot)) {
		found(arg, STORE_OS_SEGMENT, slot, (uint64_t)status.st_size);
	} else if (is_file && parse_name(name, HINT, &slot)) {
		found(arg, STORE_OS_HINT, slot, (uint64_t)status.st_size);
	} else if (is_file && ends_in(name, OS_POSIX_UNFINISHED)) {
		if (unlinkat(posix->segments, name, 0) != 0)
			return os_posix_fail("remove", name, errno);
		LOG_INFO("store", "msg=\"removed an unfinished file\" file=\"%s\"", name);
	} else if (!is_file || !ends_in(name, HINT)) {
		LOG_WARN("store", "msg=\"not a segment file, ignored\" file=\"%s\"", name);
	}
	return 0;
}

static int segment_list(void *ctx, store_os_found_fn found, void *arg)
{
	struct store_os_posix *posix = ctx;
	int fd = openat(posix->segments, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		int rc = os_posix_fail("list", SEGMENTS, errno);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	int rc = 0;
	while (rc == 0) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (entry == NULL) {
			if (errno != 0)
				rc = os_posix_fail("list", SEGMENTS, errno);
			break;
		}
		rc = list_entry(posix, entry->d_name, found, arg);
	}
	closedir(dir);
	return rc;
}

static int segment_create(void *ctx, uint32_t slot, size_t size)
{
	struct store_os_posix *posix = ctx;
	char name[OS_POSIX_SEGMENT_NAME];
	struct stat status;
	DHT_ASSERT(slot < STORE_SEGMENTS_MAX);
	os_posix_files_name(slot, name);
	if (fstatat(posix->segments, name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
		LOG_ERROR("store", "msg=\"the segment file to create exists\" file=%s", name);
		return DHT_EINVAL;
	}
	if (errno != ENOENT)
		return os_posix_fail("examine", name, errno);
	int rc = os_posix_file_make(posix->segments, name, os_posix_fill_zeros, NULL, size);
	/* Renamed, but not surely for good: a segment that the caller does not know of
	 * must not turn up at the next start. */
	if (rc != 0)
		(void)unlinkat(posix->segments, name, 0);
	return rc;
}

static int segment_write(void *ctx, uint32_t slot, size_t offset, const void *data, size_t len)
{
	struct store_os_posix *posix = ctx;
	return os_posix_files_write(&posix->files, slot, offset, data, len);
}

static int segment_read(void *ctx, uint32_t slot, size_t offset, void *data, size_t len)
{
	struct store_os_posix *posix = ctx;
	return os_posix_files_read(&posix->files, slot, offset, data, len);
}

static int segment_sync(void *ctx, uint32_t slot)
{
	struct store_os_posix *posix = ctx;
	return os_posix_files_sync(&posix->files, slot);
}

static int segment_remove(void *ctx, uint32_t slot)
{
	struct store_os_posix *posix = ctx;
	char name[OS_POSIX_SEGMENT_NAME];
	os_posix_files_name(slot, name);
	os_posix_files_forget(&posix->files, slot);
	return os_posix_file_remove(posix->segments, name);
}

/* ---- Named files ------------------------------------------------------------------- */

/* Returns the directory of a named file and cuts *name down to its last part. */
static int directory_of(const struct store_os_posix *posix, const char **name)
{
	size_t prefix = strlen(SEGMENTS "/");
	int directory = posix->directory;
	if (strncmp(*name, SEGMENTS "/", prefix) == 0) {
		*name += prefix;
		directory = posix->segments;
		DHT_ASSERT(ends_in(*name, HINT));
	}
	DHT_ASSERT(**name != '\0' && **name != '.' && strchr(*name, '/') == NULL);
	DHT_ASSERT(strlen(*name) < OS_POSIX_NAME_MAX && !ends_in(*name, OS_POSIX_UNFINISHED));
	return directory;
}

static int file_read(void *ctx, const char *name, void *data, size_t max, size_t *len)
{
	int directory = directory_of(ctx, &name);
	return os_posix_file_read(directory, name, data, max, len);
}

static int file_replace(void *ctx, const char *name, const void *data, size_t len)
{
	const struct store_os_posix *posix = ctx;
	int directory = directory_of(posix, &name);
	/* A hint may be missing, so none is kept ready. */
	if (directory == posix->segments)
		return os_posix_file_make(directory, name, os_posix_fill_data, data, len);
	return os_posix_named_replace(directory, name, data, len);
}

static int file_remove(void *ctx, const char *name)
{
	const struct store_os_posix *posix = ctx;
	int directory = directory_of(posix, &name);
	if (directory == posix->segments)
		return os_posix_file_remove(directory, name);
	return os_posix_named_remove(directory, name);
}

static void parallel(void *ctx, uint32_t tasks, store_os_task_fn run, void *arg)
{
	os_posix_parallel(tasks, run, arg);
}

/* ---- Open and close ---------------------------------------------------------------- */

static int open_directories(struct store_os_posix *posix, const char *data_dir)
{
	int how = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	posix->directory = open(data_dir, how);
	if (posix->directory < 0)
		return os_posix_fail("open", data_dir, errno);
	if (mkdirat(posix->directory, SEGMENTS, DIRECTORY_MODE) != 0 && errno != EEXIST)
		return os_posix_fail("create", SEGMENTS, errno);
	/* Also for what another process did here last: see store/os_posix_named.h. */
	int rc = os_posix_sync_directory(posix->directory);
	if (rc != 0)
		return rc;
	posix->segments = openat(posix->directory, SEGMENTS, how);
	if (posix->segments < 0)
		return os_posix_fail("open", SEGMENTS, errno);
	/* A file whose making was cut short must not be used before its name is durable. */
	return os_posix_sync_directory(posix->segments);
}

int store_os_posix_open(const char *data_dir, struct store_os_posix **out)
{
	struct store_os_posix *posix = calloc(1, sizeof(*posix));
	*out = NULL;
	if (posix == NULL)
		return os_posix_fail("open", data_dir, ENOMEM);
	posix->directory = posix->segments = -1;
	posix->os = (struct store_os){
	    .ctx = posix,
	    .segment_alloc = segment_alloc,
	    .segment_touch = segment_touch,
	    .segment_free = segment_free,
	    .table_resize = store_os_memory()->table_resize,
	    .list = segment_list,
	    .create = segment_create,
	    .write = segment_write,
	    .read = segment_read,
	    .map = segment_map,
	    .sync = segment_sync,
	    .remove = segment_remove,
	    .file_read = file_read,
	    .file_replace = file_replace,
	    .file_remove = file_remove,
	    .parallel = parallel,
	};
	int rc = open_directories(posix, data_dir);
	if (rc == 0)
		rc = os_posix_files_init(&posix->files, posix->segments);
	if (rc != 0) {
		store_os_posix_close(posix);
		return rc;
	}
	*out = posix;
	return 0;
}

void store_os_posix_close(struct store_os_posix *posix)
{
	if (posix == NULL)
		return;
	os_posix_files_fini(&posix->files);
	if (posix->segments >= 0)
		close(posix->segments);
	if (posix->directory >= 0)
		close(posix->directory);
	free(posix);
}

const struct store_os *store_os_posix_view(const struct store_os_posix *posix)
{
	return &posix->os;
}
