/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/disk - the disk and the segment memory of a simulated host.
 *
 * Why     The shipped store runs over the table of store/os.h: what it has written and not
 *         synced is lost or torn by a crash, and a disk is full for a while. A run makes a
 *         dozen stores, thousands of runs follow each other, so nothing costs more than the
 *         bytes that are really there: beyond them a file is zeros.
 * Owns    The files; the memory of segments is kept for whoever asks next.
 * Thread  one owner.
 */
#ifndef DHT_SIM_DISK_H
#define DHT_SIM_DISK_H

#include <stdbool.h>

#include "random.h"
#include "store/os.h"

enum { DISK_SLOTS_MAX = 128, DISK_NAMED_MAX = 2 * DISK_SLOTS_MAX, DISK_NAME_MAX = 40 };

/* What a crash does to writes that were not synced. */
enum disk_loss {
	DISK_KEEP, /* only the process has ended */
	DISK_DROP,
	DISK_TEAR, /* of each write all, nothing, a part from its beginning, or any sectors */
};

/* Bytes behind len are zeros. */
struct disk_image {
	uint8_t *data;
	size_t len, room;
};

struct disk_range {
	size_t offset, len;
};

struct disk_segment {
	bool exists;
	size_t size;
	struct disk_image now, durable;
	struct disk_range *unsynced; /* writes, in their order */
	uint32_t unsynced_count, unsynced_room;
};

/* Replaced as a whole, durably. */
struct disk_named {
	char name[DISK_NAME_MAX];
	struct disk_image content;
};

struct disk {
	struct store_os os;
	bool is_full; /* no new file has room */
	struct disk_segment segments[DISK_SLOTS_MAX];
	struct disk_named named[DISK_NAMED_MAX];
	uint32_t named_count;
};

/* An empty disk. It must not move. */
void disk_init(struct disk *d);

/* Frees the files; the store over it is closed. */
void disk_fini(struct disk *d);

/* The machine stops, or the process; the store over it is closed. */
void disk_crash(struct disk *d, enum disk_loss loss, struct random_source *random);

#endif
