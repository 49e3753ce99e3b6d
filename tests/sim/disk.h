/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/disk - the disk of a simulated node: a log of appends that are durable once synced.
 *
 * Why     A crash keeps what was synced and any prefix of the rest, as the kernel or the
 *         disk may have written it or not. A map and the drops that it causes are one append.
 * Owns    The appends that are not durable yet.
 * Thread  one owner.
 */
#ifndef DHT_SIM_DISK_H
#define DHT_SIM_DISK_H

#include "limits.h"
#include "paxos/register.h"

enum { DISK_LOG_MAX = 512 };

enum disk_kind {
	DISK_RECORD,  /* key, record */
	DISK_ERASED,  /* key */
	DISK_MAP,     /* version, since, drops: all records go */
	DISK_CEILING, /* number */
	DISK_FIN,     /* version */
};

struct disk_append {
	enum disk_kind kind;
	uint8_t key;
	bool drops;
	uint32_t version, since;
	uint64_t number;
	struct paxos_record record;
};

/* What a start finds. */
struct disk_image {
	struct paxos_record records[SIM_KEYS];
	uint32_t version, since;
	uint32_t fin; /* version + 1 in which fin was reached, 0 for none */
	uint64_t ceiling;
	uint64_t starts;
};

struct disk {
	struct disk_image image;
	uint64_t appended, durable; /* positions in the log */
	struct disk_append log[DISK_LOG_MAX];
};

/* An empty disk. */
void disk_init(struct disk *d);

/* Returns the position behind the append: it is durable when that is. */
uint64_t disk_append(struct disk *d, const struct disk_append *append);

/* False while so much waits to be synced that nothing more should be begun. */
bool disk_has_room(const struct disk *d);

/* Everything up to the position is durable. */
void disk_sync(struct disk *d, uint64_t position);

/* Of what is not durable the first `kept` appends are found again, the rest is lost. */
void disk_crash(struct disk *d, uint64_t kept);

#endif
