/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_disk - a disk in memory that fails, fills up, loses power and rots, by plan.
 *
 * Why     A store that must not lose a byte is tested against the worst that a disk may
 *         do and still keep the contract of store/os.h; what it does follows from the
 *         calls and a seed alone, so a failure can be repeated.
 * Owns    The files, and the segment memory until it is given back.
 * Thread  The calls of the table: any; one at a time goes on. The rest: one thread,
 *         while no call runs.
 *
 * Each file has two images: what the process sees, and what is durable. They differ by
 * the writes since the last sync, and by a directory entry (created, removed, replaced)
 * that a failed or crashed call has left undecided. Power_back settles both.
 *
 * Segment memory lies between guard pages. What was mapped is read-only. Parallel tasks
 * run one after the other, in an order that the seed shuffles.
 */
#ifndef DHT_TESTS_HELPER_DISK_H
#define DHT_TESTS_HELPER_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/os.h"

enum helper_disk_call {
	HELPER_DISK_ALLOC,
	HELPER_DISK_LIST,
	HELPER_DISK_CREATE,
	HELPER_DISK_WRITE,
	HELPER_DISK_READ,
	HELPER_DISK_MAP,
	HELPER_DISK_SYNC,
	HELPER_DISK_REMOVE,
	HELPER_DISK_FILE_READ,
	HELPER_DISK_FILE_REPLACE,
	HELPER_DISK_FILE_REMOVE,
	HELPER_DISK_ANY, /* one of the above */
	HELPER_DISK_CALLS,
};

/* What becomes of what was not synced. */
enum helper_disk_loss {
	HELPER_DISK_KEEP, /* nothing is lost: only the process was killed */
	HELPER_DISK_DROP, /* all of it is lost */
	HELPER_DISK_TEAR, /* of each write all, nothing, or any of its 512-byte sectors is
			   * lost; of directory entries any */
};

enum {
	HELPER_DISK_SECTOR = 512,
	HELPER_DISK_NAME_MAX = 64,
	HELPER_DISK_FAILURES_MAX = 8,
	HELPER_DISK_FILES_MAX = 1024,
	HELPER_DISK_REGIONS_MAX = 1024,
};

struct helper_disk_file;

struct helper_disk {
	struct store_os os;
	/* Calls that began, by kind and together; those that may change the disk (create,
	 * write, sync, remove, file_replace, file_remove). */
	uint64_t calls[HELPER_DISK_CALLS];
	uint64_t changes;
	bool is_crashed;
	/* Called before each call, outside the lock: it may wait. May be NULL. */
	void (*before)(void *arg, enum helper_disk_call kind);
	void *before_arg;

	/* Private. */
	pthread_mutex_t lock;
	uint64_t random;
	uint64_t task_random; /* of parallel alone */
	uint64_t capacity;
	uint64_t crash_at; /* value of `changes` at the crash; 0: none is planned */
	struct helper_disk_failure {
		enum helper_disk_call kind;
		uint64_t at; /* value of calls[kind] */
		int error;
	} failures[HELPER_DISK_FAILURES_MAX];
	unsigned failure_count;
	struct helper_disk_file *files[HELPER_DISK_FILES_MAX];
	unsigned file_count;
	struct helper_disk_region {
		uint8_t *memory;
		size_t size;
	} regions[HELPER_DISK_REGIONS_MAX];
	unsigned region_count;
};

/* An empty disk without a bound. The struct must not move. */
void helper_disk_init(struct helper_disk *disk, uint64_t seed);

/* Frees it; all segment memory must have been given back. */
void helper_disk_fini(struct helper_disk *disk);

/* Initialises disk with the files of another one, both images, with nothing planned,
 * running. */
void helper_disk_copy(struct helper_disk *disk, const struct helper_disk *from, uint64_t seed);

/* Draws everything that follows from this seed. */
void helper_disk_seed(struct helper_disk *disk, uint64_t seed);

/* From now on files take up at most this many bytes together: what goes beyond fails
 * with DHT_ENOSPC. */
void helper_disk_set_capacity(struct helper_disk *disk, uint64_t bytes);

/* Lets the n-th call of a kind from now (1: the next one) fail with error; ALLOC returns
 * NULL. A failed write has written any part from the beginning on, a failed remove,
 * file_remove or file_replace (but for DHT_ENOSPC) may have happened, undurably. */
void helper_disk_fail(struct helper_disk *disk, enum helper_disk_call kind, uint64_t n, int error);

/* Crashes in the n-th changing call from now (1: the next one): it may have happened,
 * undurably, a write up to any byte. It and every later call fail with DHT_EIO and
 * change nothing more until power is back. */
void helper_disk_crash_at(struct helper_disk *disk, uint64_t n);

/* Ends a crash, or makes one between two calls: settles what was not durable, forgets
 * failed syncs and everything planned but the capacity. */
void helper_disk_power_back(struct helper_disk *disk, enum helper_disk_loss loss);

/* Writes the name under which the functions below know a slot's file. */
void helper_disk_segment_name(uint32_t slot, char name[HELPER_DISK_NAME_MAX]);

/* Size of a file as the process sees it; -1: there is none. */
long long helper_disk_file_size(const struct helper_disk *disk, const char *name);

/* Damages a file in both images: inverts one bit (bit 0 is the lowest of byte 0), cuts
 * it to size bytes. The file exists and is long enough. */
void helper_disk_flip(struct helper_disk *disk, const char *name, uint64_t bit);
void helper_disk_cut(struct helper_disk *disk, const char *name, size_t size);

#endif
