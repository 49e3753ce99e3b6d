/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_disk_file - one file of the disk in memory: two images and what lies between.
 *
 * Why     What the process sees and what would survive differ by the writes since the
 *         last sync, or as a whole, by a directory entry that a failed or crashed call
 *         has left undecided; here, one becomes the other.
 * Owns    Images and writes.
 * Thread  none of its own.
 * Errors  no memory: aborts.
 */
#ifndef DHT_TESTS_HELPER_DISK_FILE_H
#define DHT_TESTS_HELPER_DISK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "helper_disk.h"

struct helper_disk_image {
	bool exists;
	uint8_t *data;
	size_t size;
};

struct helper_disk_write {
	size_t offset;
	size_t len;
	uint8_t *data;
};

struct helper_disk_file {
	char name[HELPER_DISK_NAME_MAX];
	struct helper_disk_image now;
	struct helper_disk_image durable;
	bool is_entry_undecided; /* created, removed or replaced, not surely durably */
	bool is_sync_failed;
	struct helper_disk_write *writes; /* to `durable`, not synced, in their order */
	size_t write_count;
	size_t write_room;
};

/* The next number that follows from *state. */
uint64_t helper_disk_draw(uint64_t *state);
bool helper_disk_coin(uint64_t *state);

/* A file of that name which does not exist yet, and its end. */
struct helper_disk_file *helper_disk_file_create(const char *name);
void helper_disk_file_destroy(struct helper_disk_file *file);

/* A second one in the same state. */
struct helper_disk_file *helper_disk_file_clone(const struct helper_disk_file *file);

/* Change what the process sees: the whole content (zeros when data is NULL), nothing
 * there, a part of it. */
void helper_disk_file_set(struct helper_disk_file *file, const void *data, size_t size);
void helper_disk_file_clear(struct helper_disk_file *file);
void helper_disk_file_write(struct helper_disk_file *file, size_t offset, const void *data,
			    size_t len);

/* Makes the writes durable. */
void helper_disk_file_sync(struct helper_disk_file *file);

/* Makes all of it durable, directory entry included. */
void helper_disk_file_settle(struct helper_disk_file *file);

/* The same after a loss. */
void helper_disk_file_lose(struct helper_disk_file *file, enum helper_disk_loss loss,
			   uint64_t *random);

#endif
