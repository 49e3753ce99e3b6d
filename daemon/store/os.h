/* SPDX-License-Identifier: Apache-2.0
 *
 * store/os - what the store needs of the operating system: memory and the disk.
 *
 * Why     The store itself is pure; memory for segments and every byte on disk go
 *         through this table, so that tests can refuse the one and tear, lose, fill up
 *         or break the other. The kernel's side is store/os_posix.h.
 * Owns    The implementation owns descriptors and files; memory belongs to the caller
 *         from segment_alloc to segment_free.
 * Thread  list: before any call that names a segment or a hint. write, sync: one thread, the
 *         committer. create, remove: one background job, and remove while nothing else
 *         uses the slot. map: one thread at a time for a memory. read, parallel and the
 *         memory calls: any. file_*: one thread at a time for a name. All of these run
 *         side by side.
 * Errors  0 or a negative DHT_E*, with the cause in the log unless it is DHT_ENOSPC or
 *         DHT_ENOTFOUND, which the caller expects and reports:
 *           DHT_ENOSPC     the disk is full
 *           DHT_ENOTFOUND  no such file
 *           DHT_ENOMEM     memory or descriptors are short; the disk is well
 *           DHT_EDENIED    permissions
 *           DHT_ECORRUPT   a file is shorter than what is asked of it
 *           DHT_EINVAL     what the caller must not ask: writing beyond the end of a
 *                          file, creating one that exists
 *           DHT_EIO        the rest
 *         A failed sync is never tried again: what the kernel did with the bytes is
 *         unknown, and a second attempt would succeed without them. From then on write
 *         and sync of that slot fail with DHT_EIO until it is removed.
 *
 * A system without files has NULL from list on: the store then keeps its log in memory.
 *
 * A segment file belongs to a slot, 0 .. STORE_SEGMENTS_MAX - 1, keeps the size with
 * which it was created, and may be written over: recycling it needs no call.
 *
 * A named file is small and replaced as a whole. Its name is relative to the data
 * directory: a plain file name ("identity"), or one below "segments/" that ends in
 * ".hint". It does not begin with a dot and does not end in ".new".
 */
#ifndef DHT_STORE_OS_H
#define DHT_STORE_OS_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum store_os_file {
	STORE_OS_SEGMENT,
	STORE_OS_HINT, /* a named file, "segments/%08x.hint" with the slot (store/hint.h) */
};

/* Receives a file: the slot it belongs to and its size in bytes. Calls nothing of the
 * table. */
typedef void (*store_os_found_fn)(void *arg, enum store_os_file kind, uint32_t slot, uint64_t size);

enum store_os_map {
	STORE_OS_MAP_READ, /* all of it is read now: no access to it waits for the disk */
	STORE_OS_MAP_LAZY, /* a page is read when it is first touched */
};

/* One of the tasks that store_os.parallel runs. */
typedef void (*store_os_task_fn)(void *arg, uint32_t task);

struct store_os {
	void *ctx;

	/* Returns zeroed memory for a segment, aligned to a page; NULL if there is none. */
	uint8_t *(*segment_alloc)(void *ctx, size_t size);

	/* Has the system provide a part of memory of segment_alloc that nobody wrote to yet, so
	 * that nobody waits for it later. Changes nothing that is there, and does nothing where
	 * that cannot be done. May be NULL: nothing would be won. */
	void (*segment_touch)(void *ctx, uint8_t *memory, size_t size);

	/* Gives the memory back, mapped or not; size is that of segment_alloc. */
	void (*segment_free)(void *ctx, uint8_t *memory, size_t size);

	/* As realloc: table has old_size bytes, or is NULL and old_size 0. With new_size 0
	 * it is freed, and NULL returned. */
	void *(*table_resize)(void *ctx, void *table, size_t old_size, size_t new_size);

	/* Names every segment and hint file, in no order. Removes what interrupted calls left
	 * behind among them; reports other names to the log and ignores them. */
	int (*list)(void *ctx, store_os_found_fn found, void *arg) DHT_MUST_CHECK;

	/* Makes the slot's file: `size` zeros that were written, not merely reserved, for
	 * writing into written space syncs in half the time. It is durable with its
	 * directory entry on return; it exists whole or not at all, now and after a crash,
	 * and not at all after a failure. Takes as long as the disk needs for size bytes. */
	int (*create)(void *ctx, uint32_t slot, size_t size) DHT_MUST_CHECK;

	/* Writes len bytes at offset, within the file. After a failure, and after a crash
	 * before the next sync, any part of them may have been written. A write that leaves
	 * more than STORE_OS_UNSYNCED_MAX files unsynced syncs the one that has waited
	 * longest, and fails with DHT_EIO if that fails. */
	int (*write)(void *ctx, uint32_t slot, size_t offset, const void *data,
		     size_t len) DHT_MUST_CHECK;

	/* Reads len bytes at offset: DHT_ECORRUPT if the file ends before. */
	int (*read)(void *ctx, uint32_t slot, size_t offset, void *data, size_t len) DHT_MUST_CHECK;

	/* Replaces the memory of segment_alloc, in place, by the first `size` bytes of the
	 * slot's file, read-only. Threads that read meanwhile see the one or the other. After
	 * a failure each page of the memory is still one of the two. The file may be removed
	 * and its slot used anew while the mapping lives. */
	int (*map)(void *ctx, uint32_t slot, uint8_t *memory, size_t size,
		   enum store_os_map how) DHT_MUST_CHECK;

	/* Makes everything durable that was written to the slot's file. Fails with
	 * DHT_ENOTFOUND, DHT_ENOMEM or DHT_EDENIED when the file could not be opened, with
	 * DHT_EIO whenever data may be lost, whatever the reason. */
	int (*sync)(void *ctx, uint32_t slot) DHT_MUST_CHECK;

	/* Removes the slot's file, durably. After DHT_EIO it may be gone or not. */
	int (*remove)(void *ctx, uint32_t slot) DHT_MUST_CHECK;

	/* Reads a named file. *len is set to its length, also with DHT_ETOOBIG: it is longer
	 * than max, and nothing was read. data may be NULL when max is 0. */
	int (*file_read)(void *ctx, const char *name, void *data, size_t max,
			 size_t *len) DHT_MUST_CHECK;

	/* Creates or replaces a named file, durably. After a crash or a failure its content
	 * is the old or the new one, whole; after DHT_ENOSPC it is the old one. One of the data
	 * directory itself is replaced on a full disk, too, where that can be done and the
	 * content does not grow. */
	int (*file_replace)(void *ctx, const char *name, const void *data,
			    size_t len) DHT_MUST_CHECK;

	/* Removes a named file, durably. After DHT_EIO it may be gone or not. */
	int (*file_remove)(void *ctx, const char *name) DHT_MUST_CHECK;

	/* Runs run(arg, task) for every task below tasks, in any order, several at a time
	 * where there are threads for it; returns when all of them are done. */
	void (*parallel)(void *ctx, uint32_t tasks, store_os_task_fn run, void *arg);
};

enum { STORE_OS_UNSYNCED_MAX = 64 };

/* The system of a store in memory: anonymous mappings, and the heap for indexes. */
const struct store_os *store_os_memory(void);

#endif
