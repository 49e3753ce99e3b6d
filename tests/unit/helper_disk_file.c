/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_disk_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64 */
uint64_t helper_disk_draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

bool helper_disk_coin(uint64_t *state)
{
	return helper_disk_draw(state) >> 63 != 0;
}

static void *must_alloc(size_t size)
{
	void *memory = calloc(1, size > 0 ? size : 1);
	DHT_ASSERT(memory != NULL);
	return memory;
}

static void image_clear(struct helper_disk_image *image)
{
	free(image->data);
	*image = (struct helper_disk_image){0};
}

static void image_set(struct helper_disk_image *image, const void *data, size_t size)
{
	uint8_t *fresh = must_alloc(size);
	if (data != NULL && size > 0)
		memcpy(fresh, data, size);
	image_clear(image);
	*image = (struct helper_disk_image){.exists = true, .data = fresh, .size = size};
}

static void image_copy(struct helper_disk_image *to, const struct helper_disk_image *from)
{
	if (from->exists && to->exists && from->size == to->size && to->size > 0)
		memcpy(to->data, from->data, from->size);
	else if (from->exists)
		image_set(to, from->data, from->size);
	else
		image_clear(to);
}

static void image_write(struct helper_disk_image *image, const struct helper_disk_write *write)
{
	memcpy(image->data + write->offset, write->data, write->len);
}

static void remember(struct helper_disk_file *file, size_t offset, const void *data, size_t len)
{
	if (file->write_count == file->write_room) {
		file->write_room = 2 * file->write_room + 16;
		file->writes = realloc(file->writes, file->write_room * sizeof(*file->writes));
		DHT_ASSERT(file->writes != NULL);
	}
	struct helper_disk_write *write = &file->writes[file->write_count++];
	*write = (struct helper_disk_write){.offset = offset, .len = len, .data = must_alloc(len)};
	memcpy(write->data, data, len);
}

static void forget(struct helper_disk_file *file)
{
	for (size_t i = 0; i < file->write_count; i++)
		free(file->writes[i].data);
	free(file->writes);
	file->writes = NULL;
	file->write_count = file->write_room = 0;
}

struct helper_disk_file *helper_disk_file_create(const char *name)
{
	struct helper_disk_file *file = must_alloc(sizeof(*file));
	snprintf(file->name, sizeof(file->name), "%s", name);
	return file;
}

void helper_disk_file_destroy(struct helper_disk_file *file)
{
	image_clear(&file->now);
	image_clear(&file->durable);
	forget(file);
	free(file);
}

struct helper_disk_file *helper_disk_file_clone(const struct helper_disk_file *file)
{
	struct helper_disk_file *clone = helper_disk_file_create(file->name);
	image_copy(&clone->now, &file->now);
	image_copy(&clone->durable, &file->durable);
	clone->is_entry_undecided = file->is_entry_undecided;
	clone->is_sync_failed = file->is_sync_failed;
	for (size_t i = 0; i < file->write_count; i++)
		remember(clone, file->writes[i].offset, file->writes[i].data, file->writes[i].len);
	return clone;
}

void helper_disk_file_set(struct helper_disk_file *file, const void *data, size_t size)
{
	image_set(&file->now, data, size);
}

void helper_disk_file_clear(struct helper_disk_file *file)
{
	image_clear(&file->now);
}

void helper_disk_file_write(struct helper_disk_file *file, size_t offset, const void *data,
			    size_t len)
{
	DHT_ASSERT(file->now.exists && !file->is_entry_undecided);
	DHT_ASSERT(offset <= file->now.size && len <= file->now.size - offset);
	if (len == 0)
		return;
	remember(file, offset, data, len);
	image_write(&file->now, &file->writes[file->write_count - 1]);
}

void helper_disk_file_sync(struct helper_disk_file *file)
{
	for (size_t i = 0; i < file->write_count; i++)
		image_write(&file->durable, &file->writes[i]);
	forget(file);
}

void helper_disk_file_settle(struct helper_disk_file *file)
{
	image_copy(&file->durable, &file->now);
	forget(file);
	file->is_entry_undecided = false;
	file->is_sync_failed = false;
}

/* Copies from `now`, which has the write, those of its sectors that reached the disk. A
 * sector goes there whole: with what earlier writes put beside this one's bytes. */
static void tear(struct helper_disk_image *result, const struct helper_disk_image *now,
		 const struct helper_disk_write *write, uint64_t *random)
{
	enum { LOST, WHOLE, TORN, FATES } fate = helper_disk_draw(random) % FATES;
	size_t end = write->offset + write->len;
	size_t from = write->offset / HELPER_DISK_SECTOR * HELPER_DISK_SECTOR;
	for (; from < end; from += HELPER_DISK_SECTOR) {
		size_t left = now->size - from;
		if (fate == LOST || (fate == TORN && helper_disk_coin(random)))
			continue;
		memcpy(result->data + from, now->data + from,
		       left < HELPER_DISK_SECTOR ? left : HELPER_DISK_SECTOR);
	}
}

static void lose_sectors(struct helper_disk_file *file, uint64_t *random)
{
	struct helper_disk_image now = {0};
	image_copy(&now, &file->durable);
	image_copy(&file->now, &file->durable);
	for (size_t i = 0; i < file->write_count; i++) {
		image_write(&now, &file->writes[i]);
		tear(&file->now, &now, &file->writes[i], random);
	}
	image_clear(&now);
}

void helper_disk_file_lose(struct helper_disk_file *file, enum helper_disk_loss loss,
			   uint64_t *random)
{
	switch (loss) {
	case HELPER_DISK_KEEP:
		break;
	case HELPER_DISK_DROP:
		image_copy(&file->now, &file->durable);
		break;
	case HELPER_DISK_TEAR:
		/* An entry that is lost brings back the file as it was, unsynced writes
		 * included. */
		if (!file->is_entry_undecided || helper_disk_coin(random))
			lose_sectors(file, random);
		break;
	}
	helper_disk_file_settle(file);
}
