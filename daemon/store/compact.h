/* SPDX-License-Identifier: Apache-2.0
 *
 * store/compact - gives files back by copying what is alive in them to the end of the log.
 *
 * Why     A log only grows; what is dead in it must leave the disk, and the memory.
 * Owns    The segment that is being emptied (the victim), pinned, and a copy of it if it
 *         was cold.
 * Thread  compact_begin: one thread, the housekeeper. compact_step: any, one at a time.
 *         Begin and step do not exclude each other: begin does nothing while there is a
 *         victim, a step nothing while there is none.
 * Errors  compact_step: DHT_EAGAIN, DHT_ENOSPC: no room in the log now; DHT_ECORRUPT: a
 *         record does not verify, which was logged: stop the node.
 *
 * What may not be lost on the way:
 * - A record is copied and its index entry moved in one critical section. So whatever
 *   hides a record (ERASE, DROP) stands behind all copies of it in the log, and a later
 *   record of the key behind those.
 * - A record that hides others keeps the position where it was first appended: it must not
 *   hide what came after that.
 * - A record that hides others is dropped with its segment only if no older segment has
 *   dead records; otherwise it is copied forward. A segment without dead records cannot
 *   hold anything hidden, and what dies in it later is hidden by newer records.
 * - A value that has expired is not copied: its key is removed by the caller's `expire`,
 *   in the same critical section. So whatever counted as won back when the victim was chosen
 *   is, and no expired record is copied round and round.
 * - The file of the victim leaves the log when the copies are durable (store/files.h).
 */
#ifndef DHT_STORE_COMPACT_H
#define DHT_STORE_COMPACT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct compactor {
	_Atomic bool has_victim; /* the rest belongs to whoever steps */
	uint32_t slot;
	uint64_t sequence;
	const uint8_t *data;
	uint8_t *copy; /* of a cold victim; NULL: data is the segment's memory */
	bool verifies; /* its records were verified once */
	bool must_keep;
	uint64_t now_ms; /* when the victim was chosen */
	uint32_t used;
	_Atomic uint32_t offset;
	_Atomic bool is_copying_expired; /* the disk is too full for removing them */
	_Atomic uint64_t copied_bytes;   /* since the start, for counters */
	_Atomic uint64_t segments;
};

/* As store_compact_begin, store_compact and store_pressure. */
int compact_begin(struct store *store, uint64_t now_ms) DHT_MUST_CHECK;
int compact_step(struct store *store, unsigned appender, const struct store_caller *caller,
		 size_t max_bytes, size_t *done_bytes) DHT_MUST_CHECK;
enum store_pressure compact_pressure(const struct store *store, uint64_t now_ms);

void compact_fini(struct store *store);

#endif
