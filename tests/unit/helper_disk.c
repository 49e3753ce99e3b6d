/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "helper_disk_file.h"
#include "store/store.h"

/* ---- Files ------------------------------------------------------------------------- */

static struct helper_disk_file *find(const struct helper_disk *disk, const char *name)
{
	for (unsigned i = 0; i < disk->file_count; i++) {
		if (strcmp(disk->files[i]->name, name) == 0)
			return disk->files[i];
	}
	return NULL;
}

static struct helper_disk_file *find_existing(const struct helper_disk *disk, const char *name)
{
	struct helper_disk_file *file = find(disk, name);
	return file != NULL && file->now.exists ? file : NULL;
}

static struct helper_disk_file *find_segment(const struct helper_disk *disk, uint32_t slot)
{
	char name[HELPER_DISK_NAME_MAX];
	helper_disk_segment_name(slot, name);
	return find_existing(disk, name);
}

static struct helper_disk_file *find_or_add(struct helper_disk *disk, const char *name)
{
	struct helper_disk_file *file = find(disk, name);
	if (file == NULL) {
		DHT_ASSERT(disk->file_count < HELPER_DISK_FILES_MAX);
		file = helper_disk_file_create(name);
		disk->files[disk->file_count++] = file;
	}
	return file;
}

static uint64_t used_bytes(const struct helper_disk *disk)
{
	uint64_t used = 0;
	for (unsigned i = 0; i < disk->file_count; i++)
		used += disk->files[i]->now.size;
	return used;
}

static bool has_room(const struct helper_disk *disk, size_t size)
{
	uint64_t used = used_bytes(disk);
	return used <= disk->capacity && size <= disk->capacity - used;
}

/* ---- The plan ---------------------------------------------------------------------- */

static bool is_change(enum helper_disk_call kind)
{
	switch (kind) {
	case HELPER_DISK_CREATE:
	case HELPER_DISK_WRITE:
	case HELPER_DISK_SYNC:
	case HELPER_DISK_REMOVE:
	case HELPER_DISK_FILE_REPLACE:
	case HELPER_DISK_FILE_REMOVE:
		return true;
	case HELPER_DISK_ALLOC:
	case HELPER_DISK_LIST:
	case HELPER_DISK_READ:
	case HELPER_DISK_MAP:
	case HELPER_DISK_FILE_READ:
	case HELPER_DISK_ANY:
	case HELPER_DISK_CALLS:
		break;
	}
	return false;
}

/* What the plan says of a call: 0 or its error, and how it comes about. */
struct verdict {
	int error;
	bool is_crash;
	bool was_dead; /* crashed before: nothing changes any more */
};

/* Begins a call and takes the lock, which end gives back. */
static struct verdict begin(struct helper_disk *disk, enum helper_disk_call kind)
{
	struct verdict verdict = {0};
	if (disk->before != NULL)
		disk->before(disk->before_arg, kind);
	pthread_mutex_lock(&disk->lock);
	disk->calls[kind]++;
	disk->calls[HELPER_DISK_ANY]++;
	if (disk->is_crashed)
		return (struct verdict){.error = DHT_EIO, .was_dead = true};
	if (is_change(kind) && ++disk->changes == disk->crash_at) {
		disk->is_crashed = true;
		return (struct verdict){.error = DHT_EIO, .is_crash = true};
	}
	for (unsigned i = 0; i < disk->failure_count; i++) {
		const struct helper_disk_failure *failure = &disk->failures[i];
		if ((failure->kind == kind || failure->kind == HELPER_DISK_ANY) &&
		    disk->calls[failure->kind] == failure->at)
			verdict.error = failure->error;
	}
	return verdict;
}

static int end(struct helper_disk *disk, int rc)
{
	pthread_mutex_unlock(&disk->lock);
	return rc;
}

/* The call cannot be carried out; what was planned for it comes first. */
static int refuse(struct helper_disk *disk, struct verdict verdict, int rc)
{
	return end(disk, verdict.error != 0 ? verdict.error : rc);
}

/* ---- Memory ------------------------------------------------------------------------ */

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t whole_pages(size_t size)
{
	return (size + page_size() - 1) / page_size() * page_size();
}

static uint8_t *segment_alloc(void *ctx, size_t size)
{
	struct helper_disk *disk = ctx;
	uint8_t *memory = NULL;
	if (begin(disk, HELPER_DISK_ALLOC).error == 0) {
		DHT_ASSERT(disk->region_count < HELPER_DISK_REGIONS_MAX);
		uint8_t *guarded = mmap(NULL, whole_pages(size) + 2 * page_size(), PROT_NONE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		DHT_ASSERT(guarded != MAP_FAILED);
		memory = guarded + page_size();
		int rc = mprotect(memory, whole_pages(size), PROT_READ | PROT_WRITE);
		DHT_ASSERT(rc == 0);
		disk->regions[disk->region_count++] =
		    (struct helper_disk_region){.memory = memory, .size = size};
	}
	end(disk, 0);
	return memory;
}

static struct helper_disk_region *find_region(struct helper_disk *disk, const uint8_t *memory,
					      size_t size)
{
	for (unsigned i = 0; i < disk->region_count; i++) {
		struct helper_disk_region *region = &disk->regions[i];
		if (region->memory == memory) {
			DHT_ASSERT(region->size == size);
			return region;
		}
	}
	DHT_UNREACHABLE(); /* not memory of segment_alloc, or given back before */
}

/* Works after a crash too: memory is the process's. */
static void segment_free(void *ctx, uint8_t *memory, size_t size)
{
	struct helper_disk *disk = ctx;
	pthread_mutex_lock(&disk->lock);
	struct helper_disk_region *region = find_region(disk, memory, size);
	*region = disk->regions[--disk->region_count];
	int rc = munmap(memory - page_size(), whole_pages(size) + 2 * page_size());
	DHT_ASSERT(rc == 0);
	pthread_mutex_unlock(&disk->lock);
}

/* Other threads may read the memory: bytes that are right already are not touched. But
 * nobody reads a page that is all zero. */
static void take_over(uint8_t *memory, const uint8_t *data, size_t size)
{
	static const uint8_t zeros[4096];
	for (size_t from = 0; from < size; from += page_size()) {
		size_t len = size - from < page_size() ? size - from : page_size();
		if (memcmp(memory + from, data + from, len) == 0)
			continue;
		if (len <= sizeof(zeros) && memcmp(memory + from, zeros, len) == 0) {
			memcpy(memory + from, data + from, len);
			continue;
		}
		for (size_t i = from; i < from + len; i++) {
			if (memory[i] != data[i])
				memory[i] = data[i];
		}
	}
}

static int segment_map(void *ctx, uint32_t slot, uint8_t *memory, size_t size,
		       enum store_os_map how)
{
	(void)how;
	struct helper_disk *disk = ctx;
	int rc = begin(disk, HELPER_DISK_MAP).error;
	if (rc != 0)
		return end(disk, rc);
	(void)find_region(disk, memory, size);
	const struct helper_disk_file *file = find_segment(disk, slot);
	if (file == NULL)
		return end(disk, DHT_ENOTFOUND);
	if (file->now.size < size)
		return end(disk, DHT_ECORRUPT);
	/* A second mapping replaces a read-only one. */
	rc = mprotect(memory, whole_pages(size), PROT_READ | PROT_WRITE);
	DHT_ASSERT(rc == 0);
	take_over(memory, file->now.data, size);
	rc = mprotect(memory, whole_pages(size), PROT_READ);
	DHT_ASSERT(rc == 0);
	return end(disk, 0);
}

/* ---- Segments ---------------------------------------------------------------------- */

static int segment_list(void *ctx, store_os_found_fn found, void *arg)
{
	struct helper_disk *disk = ctx;
	struct verdict verdict = begin(disk, HELPER_DISK_LIST);
	for (unsigned i = 0; verdict.error == 0 && i < disk->file_count; i++) {
		const struct helper_disk_file *file = disk->files[i];
		unsigned slot;
		int is_segment = 0, is_hint = 0;
		if (!file->now.exists)
			continue;
		if (sscanf(file->name, "segments/%8x.seg%n", &slot, &is_segment) == 1 &&
		    is_segment > 0)
			found(arg, STORE_OS_SEGMENT, slot, file->now.size);
		if (sscanf(file->name, "segments/%8x.hint%n", &slot, &is_hint) == 1 && is_hint > 0)
			found(arg, STORE_OS_HINT, slot, file->now.size);
	}
	return end(disk, verdict.error);
}

/* What the call has done is durable, unless the plan makes it fail half-way. */
static int decide(struct helper_disk *disk, struct helper_disk_file *file, struct verdict verdict)
{
	if (verdict.error == 0)
		helper_disk_file_settle(file);
	else
		file->is_entry_undecided = true;
	return end(disk, verdict.error);
}

static int segment_create(void *ctx, uint32_t slot, size_t size)
{
	struct helper_disk *disk = ctx;
	char name[HELPER_DISK_NAME_MAX];
	struct verdict verdict = begin(disk, HELPER_DISK_CREATE);
	helper_disk_segment_name(slot, name);
	if (verdict.was_dead || (verdict.error != 0 && !verdict.is_crash))
		return end(disk, verdict.error);
	if (find_segment(disk, slot) != NULL)
		return refuse(disk, verdict, DHT_EINVAL);
	if (!has_room(disk, size))
		return refuse(disk, verdict, DHT_ENOSPC);
	if (verdict.is_crash && helper_disk_coin(&disk->random))
		return end(disk, verdict.error);
	struct helper_disk_file *file = find_or_add(disk, name);
	helper_disk_file_set(file, NULL, size);
	return decide(disk, file, verdict);
}

static int segment_write(void *ctx, uint32_t slot, size_t offset, const void *data, size_t len)
{
	struct helper_disk *disk = ctx;
	struct verdict verdict = begin(disk, HELPER_DISK_WRITE);
	if (verdict.was_dead)
		return end(disk, verdict.error);
	struct helper_disk_file *file = find_segment(disk, slot);
	if (file == NULL)
		return refuse(disk, verdict, DHT_ENOTFOUND);
	if (file->is_sync_failed)
		return end(disk, DHT_EIO);
	if (offset > file->now.size || len > file->now.size - offset)
		return refuse(disk, verdict, DHT_EINVAL);
	if (verdict.error != 0)
		len = helper_disk_draw(&disk->random) % (len + 1);
	helper_disk_file_write(file, offset, data, len);
	return end(disk, verdict.error);
}

static int segment_read(void *ctx, uint32_t slot, size_t offset, void *data, size_t len)
{
	struct helper_disk *disk = ctx;
	int rc = begin(disk, HELPER_DISK_READ).error;
	const struct helper_disk_file *file = find_segment(disk, slot);
	if (rc == 0 && file == NULL)
		rc = DHT_ENOTFOUND;
	if (rc == 0 && (offset > file->now.size || len > file->now.size - offset))
		rc = DHT_ECORRUPT;
	if (rc == 0 && len > 0)
		memcpy(data, file->now.data + offset, len);
	return end(disk, rc);
}

static int segment_sync(void *ctx, uint32_t slot)
{
	struct helper_disk *disk = ctx;
	struct verdict verdict = begin(disk, HELPER_DISK_SYNC);
	if (verdict.was_dead)
		return end(disk, verdict.error);
	struct helper_disk_file *file = find_segment(disk, slot);
	if (file == NULL)
		return refuse(disk, verdict, DHT_ENOTFOUND);
	if (verdict.error != 0)
		file->is_sync_failed = true;
	if (file->is_sync_failed)
		return end(disk, DHT_EIO);
	helper_disk_file_sync(file);
	return end(disk, 0);
}

/* ---- Named files ------------------------------------------------------------------- */

static void check_name(const char *name)
{
	DHT_ASSERT(strlen(name) < HELPER_DISK_NAME_MAX && name[0] != '\0' && name[0] != '.');
	const char *slash = strchr(name, '/');
	if (slash == NULL)
		return;
	size_t len = strlen(name);
	DHT_ASSERT(strncmp(name, "segments/", 9) == 0 && strchr(slash + 1, '/') == NULL);
	DHT_ASSERT(len > 14 && strcmp(name + len - 5, ".hint") == 0);
}

static int remove_named(struct helper_disk *disk, const char *name, struct verdict verdict)
{
	if (verdict.was_dead)
		return end(disk, verdict.error);
	struct helper_disk_file *file = find_existing(disk, name);
	if (file == NULL)
		return refuse(disk, verdict, DHT_ENOTFOUND);
	if (verdict.error != 0 && helper_disk_coin(&disk->random))
		return end(disk, verdict.error);
	helper_disk_file_clear(file);
	return decide(disk, file, verdict);
}

static int segment_remove(void *ctx, uint32_t slot)
{
	char name[HELPER_DISK_NAME_MAX];
	helper_disk_segment_name(slot, name);
	return remove_named(ctx, name, begin(ctx, HELPER_DISK_REMOVE));
}

static int file_remove(void *ctx, const char *name)
{
	check_name(name);
	return remove_named(ctx, name, begin(ctx, HELPER_DISK_FILE_REMOVE));
}

static int file_read(void *ctx, const char *name, void *data, size_t max, size_t *len)
{
	struct helper_disk *disk = ctx;
	check_name(name);
	*len = 0;
	int rc = begin(disk, HELPER_DISK_FILE_READ).error;
	const struct helper_disk_file *file = find_existing(disk, name);
	if (rc == 0 && file == NULL)
		rc = DHT_ENOTFOUND;
	if (rc == 0) {
		*len = file->now.size;
		rc = *len <= max ? 0 : DHT_ETOOBIG;
	}
	if (rc == 0 && *len > 0)
		memcpy(data, file->now.data, *len);
	return end(disk, rc);
}

static int file_replace(void *ctx, const char *name, const void *data, size_t len)
{
	struct helper_disk *disk = ctx;
	check_name(name);
	struct verdict verdict = begin(disk, HELPER_DISK_FILE_REPLACE);
	if (verdict.was_dead || verdict.error == DHT_ENOSPC)
		return end(disk, verdict.error);
	if (!has_room(disk, len))
		return refuse(disk, verdict, DHT_ENOSPC);
	if (verdict.error != 0 && helper_disk_coin(&disk->random))
		return end(disk, verdict.error);
	struct helper_disk_file *file = find_or_add(disk, name);
	helper_disk_file_set(file, len > 0 ? data : NULL, len);
	return decide(disk, file, verdict);
}

/* ---- Tasks ------------------------------------------------------------------------- */

/* One after the other, in an order of the seed's own: a task may not rest on another. */
static void parallel(void *ctx, uint32_t tasks, store_os_task_fn run, void *arg)
{
	struct helper_disk *disk = ctx;
	uint32_t *order = calloc((size_t)tasks + 1, sizeof(*order));
	DHT_ASSERT(order != NULL);
	for (uint32_t i = 0; i < tasks; i++) {
		uint32_t j = (uint32_t)(helper_disk_draw(&disk->task_random) % (i + 1));
		order[i] = order[j];
		order[j] = i;
	}
	for (uint32_t i = 0; i < tasks; i++)
		run(arg, order[i]);
	free(order);
}

/* ---- The disk ---------------------------------------------------------------------- */

void helper_disk_init(struct helper_disk *disk, uint64_t seed)
{
	*disk = (struct helper_disk){
	    .random = seed,
	    .task_random = seed,
	    .capacity = UINT64_MAX,
	    .os =
		{
		    .ctx = disk,
		    .segment_alloc = segment_alloc,
		    .segment_free = segment_free,
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
		},
	};
	pthread_mutex_init(&disk->lock, NULL);
}

void helper_disk_fini(struct helper_disk *disk)
{
	DHT_ASSERT(disk->region_count == 0);
	for (unsigned i = 0; i < disk->file_count; i++)
		helper_disk_file_destroy(disk->files[i]);
	disk->file_count = 0;
	pthread_mutex_destroy(&disk->lock);
}

void helper_disk_copy(struct helper_disk *disk, const struct helper_disk *from, uint64_t seed)
{
	helper_disk_init(disk, seed);
	disk->capacity = from->capacity;
	for (; disk->file_count < from->file_count; disk->file_count++)
		disk->files[disk->file_count] =
		    helper_disk_file_clone(from->files[disk->file_count]);
}

void helper_disk_seed(struct helper_disk *disk, uint64_t seed)
{
	disk->random = seed;
	disk->task_random = seed;
}

void helper_disk_set_capacity(struct helper_disk *disk, uint64_t bytes)
{
	disk->capacity = bytes;
}

void helper_disk_fail(struct helper_disk *disk, enum helper_disk_call kind, uint64_t n, int error)
{
	DHT_ASSERT(disk->failure_count < HELPER_DISK_FAILURES_MAX && n > 0 && error < 0);
	disk->failures[disk->failure_count++] =
	    (struct helper_disk_failure){.kind = kind, .at = disk->calls[kind] + n, .error = error};
}

void helper_disk_crash_at(struct helper_disk *disk, uint64_t n)
{
	DHT_ASSERT(n > 0);
	disk->crash_at = disk->changes + n;
}

void helper_disk_power_back(struct helper_disk *disk, enum helper_disk_loss loss)
{
	for (unsigned i = 0; i < disk->file_count; i++)
		helper_disk_file_lose(disk->files[i], loss, &disk->random);
	disk->is_crashed = false;
	disk->crash_at = 0;
	disk->failure_count = 0;
}

/* ---- Looking at it and damaging it -------------------------------------------------- */

void helper_disk_segment_name(uint32_t slot, char name[HELPER_DISK_NAME_MAX])
{
	DHT_ASSERT(slot < STORE_SEGMENTS_MAX);
	snprintf(name, HELPER_DISK_NAME_MAX, "segments/%08x.seg", slot);
}

long long helper_disk_file_size(const struct helper_disk *disk, const char *name)
{
	const struct helper_disk_file *file = find_existing(disk, name);
	return file != NULL ? (long long)file->now.size : -1;
}

void helper_disk_flip(struct helper_disk *disk, const char *name, uint64_t bit)
{
	struct helper_disk_file *file = find_existing(disk, name);
	DHT_ASSERT(file != NULL && bit / 8 < file->now.size);
	file->now.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	if (file->durable.exists && bit / 8 < file->durable.size)
		file->durable.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

void helper_disk_cut(struct helper_disk *disk, const char *name, size_t size)
{
	struct helper_disk_file *file = find_existing(disk, name);
	DHT_ASSERT(file != NULL && size <= file->now.size && file->write_count == 0);
	file->now.size = size;
	helper_disk_file_settle(file);
}
