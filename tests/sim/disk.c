/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"

enum { SECTOR = 512, PAGE = 4096, KEPT_MAX = 256 /* regions of memory */ };

/* ---- Images -------------------------------------------------------------------------- */

static void image_free(struct disk_image *image)
{
	free(image->data);
	*image = (struct disk_image){0};
}

/* Makes the first len bytes there. */
static void image_reach(struct disk_image *image, size_t len)
{
	if (len <= image->len)
		return;
	if (len > image->room) {
		size_t room = 2 * len > PAGE ? 2 * len : PAGE;
		image->data = realloc(image->data, room);
		DHT_ASSERT(image->data != NULL);
		image->room = room;
	}
	memset(image->data + image->len, 0, len - image->len);
	image->len = len;
}

static void image_write(struct disk_image *image, size_t offset, const void *data, size_t len)
{
	if (len == 0)
		return;
	image_reach(image, offset + len);
	memcpy(image->data + offset, data, len);
}

static void image_read(const struct disk_image *image, size_t offset, void *data, size_t len)
{
	size_t there = offset < image->len ? image->len - offset : 0;
	if (there > len)
		there = len;
	if (there > 0)
		memcpy(data, image->data + offset, there);
	memset((uint8_t *)data + there, 0, len - there);
}

static void image_copy_range(struct disk_image *to, const struct disk_image *from, size_t offset,
			     size_t len)
{
	DHT_ASSERT(offset + len <= from->len);
	image_write(to, offset, from->data + offset, len);
}

static void image_copy(struct disk_image *to, const struct disk_image *from)
{
	to->len = 0;
	image_write(to, 0, from->data, from->len);
}

/* ---- Memory of segments, kept by all disks -------------------------------------------- */

static struct {
	uint8_t *memory[KEPT_MAX];
	size_t sizes[KEPT_MAX];
	unsigned count;
} kept;

static uint8_t *segment_alloc(void *ctx, size_t size)
{
	(void)ctx;
	for (unsigned i = kept.count; i-- > 0;) {
		if (kept.sizes[i] != size)
			continue;
		uint8_t *memory = kept.memory[i];
		kept.count--;
		kept.memory[i] = kept.memory[kept.count];
		kept.sizes[i] = kept.sizes[kept.count];
		return memory;
	}
	uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory != MAP_FAILED ? memory : NULL;
}

static void forget_pages(uint8_t *memory, size_t size)
{
	if (size > 0 && madvise(memory, size, MADV_DONTNEED) != 0)
		memset(memory, 0, size);
}

static void segment_free(void *ctx, uint8_t *memory, size_t size)
{
	(void)ctx;
	if (kept.count == KEPT_MAX) {
		munmap(memory, size);
		return;
	}
	forget_pages(memory, size);
	kept.memory[kept.count] = memory;
	kept.sizes[kept.count++] = size;
}

static void *table_resize(void *ctx, void *table, size_t old_size, size_t new_size)
{
	(void)ctx;
	if (new_size == 0) {
		free(table);
		return NULL;
	}
	uint8_t *resized = realloc(table, new_size);
	DHT_ASSERT(resized != NULL);
	if (new_size > old_size)
		memset(resized + old_size, 0, new_size - old_size);
	return resized;
}

/* ---- Segments ------------------------------------------------------------------------ */

static struct disk_segment *segment_of(struct disk *d, uint32_t slot)
{
	return slot < DISK_SLOTS_MAX && d->segments[slot].exists ? &d->segments[slot] : NULL;
}

static int segment_list(void *ctx, store_os_found_fn found, void *arg)
{
	struct disk *d = ctx;
	for (uint32_t slot = 0; slot < DISK_SLOTS_MAX; slot++) {
		if (d->segments[slot].exists)
			found(arg, STORE_OS_SEGMENT, slot, d->segments[slot].size);
	}
	for (uint32_t i = 0; i < d->named_count; i++) {
		unsigned slot;
		int end = 0;
		if (sscanf(d->named[i].name, "segments/%8x.hint%n", &slot, &end) == 1 && end > 0)
			found(arg, STORE_OS_HINT, slot, d->named[i].content.len);
	}
	return 0;
}

static int segment_create(void *ctx, uint32_t slot, size_t size)
{
	struct disk *d = ctx;
	if (segment_of(d, slot) != NULL)
		return DHT_EINVAL;
	if (d->is_full || slot >= DISK_SLOTS_MAX)
		return DHT_ENOSPC;
	struct disk_segment *segment = &d->segments[slot];
	segment->exists = true;
	segment->size = size;
	return 0;
}

static void remember(struct disk_segment *segment, size_t offset, size_t len)
{
	if (segment->unsynced_count == segment->unsynced_room) {
		segment->unsynced_room = 2 * segment->unsynced_room + 8;
		segment->unsynced =
		    realloc(segment->unsynced, segment->unsynced_room * sizeof(*segment->unsynced));
		DHT_ASSERT(segment->unsynced != NULL);
	}
	segment->unsynced[segment->unsynced_count++] = (struct disk_range){offset, len};
}

static int segment_write(void *ctx, uint32_t slot, size_t offset, const void *data, size_t len)
{
	struct disk_segment *segment = segment_of(ctx, slot);
	if (segment == NULL)
		return DHT_ENOTFOUND;
	if (offset > segment->size || len > segment->size - offset)
		return DHT_EINVAL;
	if (len == 0)
		return 0;
	image_write(&segment->now, offset, data, len);
	remember(segment, offset, len);
	return 0;
}

static int segment_read(void *ctx, uint32_t slot, size_t offset, void *data, size_t len)
{
	const struct disk_segment *segment = segment_of(ctx, slot);
	if (segment == NULL)
		return DHT_ENOTFOUND;
	if (offset > segment->size || len > segment->size - offset)
		return DHT_ECORRUPT;
	image_read(&segment->now, offset, data, len);
	return 0;
}

static int segment_map(void *ctx, uint32_t slot, uint8_t *memory, size_t size,
		       enum store_os_map how)
{
	const struct disk_segment *segment = segment_of(ctx, slot);
	(void)how;
	if (segment == NULL)
		return DHT_ENOTFOUND;
	if (segment->size < size)
		return DHT_ECORRUPT;
	size_t there = segment->now.len < size ? segment->now.len : size;
	size_t pages = (there + PAGE - 1) / PAGE * PAGE;
	if (pages < size)
		forget_pages(memory + pages, size - pages);
	image_read(&segment->now, 0, memory, pages < size ? pages : size);
	return 0;
}

static void settle_segment(struct disk_segment *segment)
{
	for (uint32_t i = 0; i < segment->unsynced_count; i++)
		image_copy_range(&segment->durable, &segment->now, segment->unsynced[i].offset,
				 segment->unsynced[i].len);
	segment->unsynced_count = 0;
}

static int segment_sync(void *ctx, uint32_t slot)
{
	struct disk_segment *segment = segment_of(ctx, slot);
	if (segment == NULL)
		return DHT_ENOTFOUND;
	settle_segment(segment);
	return 0;
}

static void drop_segment(struct disk_segment *segment)
{
	image_free(&segment->now);
	image_free(&segment->durable);
	free(segment->unsynced);
	*segment = (struct disk_segment){0};
}

static int segment_remove(void *ctx, uint32_t slot)
{
	struct disk_segment *segment = segment_of(ctx, slot);
	if (segment == NULL)
		return DHT_ENOTFOUND;
	drop_segment(segment);
	return 0;
}

/* ---- Named files --------------------------------------------------------------------- */

static struct disk_named *named_of(struct disk *d, const char *name)
{
	for (uint32_t i = 0; i < d->named_count; i++) {
		if (strcmp(d->named[i].name, name) == 0)
			return &d->named[i];
	}
	return NULL;
}

static int file_read(void *ctx, const char *name, void *data, size_t max, size_t *len)
{
	const struct disk_named *named = named_of(ctx, name);
	*len = 0;
	if (named == NULL)
		return DHT_ENOTFOUND;
	*len = named->content.len;
	if (*len > max)
		return DHT_ETOOBIG;
	if (*len > 0)
		memcpy(data, named->content.data, *len);
	return 0;
}

static int file_replace(void *ctx, const char *name, const void *data, size_t len)
{
	struct disk *d = ctx;
	struct disk_named *named = named_of(d, name);
	if (d->is_full && (named == NULL || len > named->content.len))
		return DHT_ENOSPC;
	if (named == NULL) {
		DHT_ASSERT(d->named_count < DISK_NAMED_MAX);
		named = &d->named[d->named_count++];
		*named = (struct disk_named){0};
		snprintf(named->name, sizeof(named->name), "%s", name);
	}
	named->content.len = 0;
	image_write(&named->content, 0, data, len);
	return 0;
}

static int file_remove(void *ctx, const char *name)
{
	struct disk *d = ctx;
	struct disk_named *named = named_of(d, name);
	if (named == NULL)
		return DHT_ENOTFOUND;
	image_free(&named->content);
	*named = d->named[--d->named_count];
	return 0;
}

static void parallel(void *ctx, uint32_t tasks, store_os_task_fn run, void *arg)
{
	(void)ctx;
	for (uint32_t i = 0; i < tasks; i++)
		run(arg, i);
}

/* ---- The disk ------------------------------------------------------------------------ */

void disk_init(struct disk *d)
{
	*d = (struct disk){.os = {
			       .ctx = d,
			       .segment_alloc = segment_alloc,
			       .segment_free = segment_free,
			       .table_resize = table_resize,
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
			   }};
}

void disk_fini(struct disk *d)
{
	for (uint32_t slot = 0; slot < DISK_SLOTS_MAX; slot++)
		drop_segment(&d->segments[slot]);
	for (uint32_t i = 0; i < d->named_count; i++)
		image_free(&d->named[i].content);
	d->named_count = 0;
}

/* What of a write has reached the disk becomes durable. A sector goes there whole. */
static void tear(struct disk_segment *segment, struct disk_range range,
		 struct random_source *random)
{
	enum { LOST, WHOLE, PREFIX, SECTORS, FATES } fate = random_below(random, FATES);
	size_t end = range.offset + range.len;
	if (fate == LOST)
		return;
	if (fate == PREFIX)
		end = range.offset + random_below(random, (uint32_t)range.len + 1);
	for (size_t from = range.offset, until; from < end; from = until) {
		until = (from / SECTOR + 1) * SECTOR;
		if (until > end)
			until = end;
		if (fate == SECTORS && random_chance(random, 500))
			continue;
		image_copy_range(&segment->durable, &segment->now, from, until - from);
	}
}

void disk_crash(struct disk *d, enum disk_loss loss, struct random_source *random)
{
	for (uint32_t slot = 0; slot < DISK_SLOTS_MAX; slot++) {
		struct disk_segment *segment = &d->segments[slot];
		if (!segment->exists || segment->unsynced_count == 0 || loss == DISK_KEEP)
			continue;
		for (uint32_t i = 0; i < segment->unsynced_count && loss == DISK_TEAR; i++)
			tear(segment, segment->unsynced[i], random);
		segment->unsynced_count = 0;
		image_copy(&segment->now, &segment->durable);
	}
}
