/* SPDX-License-Identifier: Apache-2.0
 *
 * store/segment - the memory that records lie in, and who still needs it.
 *
 * A segment begins with a header, records follow (store/record.h):
 *
 *     offset size
 *      0     4   magic "DHTS"
 *      4     4   format version
 *      8     8   sequence number: 1 for the first segment of the log, then one more each
 *     16     8   size of the segment in bytes
 *     24     8   XXH3 of the 24 bytes before
 *
 * A segment of a log in files ends, once it is sealed, with an end mark, so that damage
 * in its last records is not taken for its end:
 *
 *     offset size
 *      0     4   checksum, as that of a record
 *      4     1   0x60: the flags of no record (form 3 of pver)
 *      5     3   zero
 *      8     4   offset of the mark in the segment
 *
 * Why     A location names a slot of the table here; a slot is used again, with a new,
 *         higher sequence number, once nothing in its segment is needed.
 * Owns    The memory of all segments.
 * Thread  any: atomics only. See segment_kill for why that is safe.
 * Errors  DHT_ENOSPC: all slots are taken, or the system has no memory.
 *
 * How long a segment lives: `holds` counts its live bytes in the low half and its pins
 * in the high half. While it is open every byte that records may still take counts as
 * live, and one more stands for the tail; sealing takes back what stayed unused, and
 * that one. So the count reaches 0 once only, for exactly one of the threads that lower
 * it, and that one gives the segment back. Nobody can raise it from 0 again: whoever pins
 * holds the lock of the group of a record that is live there, and only the holder of that
 * lock makes the record dead; or adds the pin by compare-and-swap to a count that is not 0
 * (segment_try_pin), which stands in the table and not in the memory that goes. A record that is
 * still being copied counts as live. The decrements are acquire-release, so all reads and copies of
 * the others happened before the memory goes.
 *
 * In a log with files the count holds two things more. The committer's byte keeps the
 * memory until the sealed segment is written and mapped. The bytes of records that hide
 * others (ERASE) stay live, added up in `kept`, until all older segments leave the log. When the
 * count reaches 0 the memory goes, but the slot is not free yet: the file is, once what
 * made its records dead is durable (store/files.h).
 *
 * `lost` estimates those of the live bytes whose records are dead, but were not read to
 * learn their sizes (store_drop): compaction, which reads them all, takes back what is left
 * when nothing in the segment is alive any more.
 *
 * `expiring` counts those of the live bytes that are of values with an expiry, and
 * `latest_expiry_ms` bounds these: from then on all of them have expired, which is known
 * without reading the segment. It is never lowered while the segment lives.
 */
#ifndef DHT_STORE_SEGMENT_H
#define DHT_STORE_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "store/os.h"
#include "store/store.h"

enum {
	SEGMENT_HEADER_SIZE = 32,
	SEGMENT_END_SIZE = 12,
	SEGMENT_FORMAT_VERSION = 2,
};

/* Writes the header of a segment. */
void segment_header_encode(uint8_t out[SEGMENT_HEADER_SIZE], uint64_t sequence, uint64_t size);

/* Checks the header of a segment of `size` bytes; *sequence is set to its number. Returns
 * 0 or DHT_ECORRUPT. */
int segment_header_decode(const uint8_t in[SEGMENT_HEADER_SIZE], uint64_t size,
			  uint64_t *sequence) DHT_MUST_CHECK;

struct segment {
	/* 0: the slot is free. Several may have the same for a moment, while appenders
	 * compete in preparing it (store/tail.c). */
	_Atomic uint64_t sequence;
	_Atomic uint64_t holds;    /* live bytes | pins << 32 */
	_Atomic uint32_t used;     /* where the last record ends, header included; 0: open */
	_Atomic uint32_t kept;     /* of the live bytes: those of records that hide older ones */
	_Atomic uint32_t expiring; /* of the live bytes: those of values that can expire */
	_Atomic uint32_t lost;     /* of the live bytes, about so many are dead */
	_Atomic uint64_t latest_expiry_ms; /* when the last of them will have */
};
_Static_assert(sizeof(struct segment) <= DHT_CACHE_LINE, "a segment costs a cache line at most");

/* What keeps a look-up from just reading the memory of a segment. */
enum {
	SEGMENT_COLD = 1,       /* reading it may wait for the disk */
	SEGMENT_UNVERIFIED = 2, /* its records come from disk and were not checked since */
};

enum { SEGMENT_DRAINED = UINT32_MAX }; /* `used` of a segment with a file that nothing needs */

struct segments {
	const struct store_os *os;
	size_t size;
	uint32_t limit; /* segment_limit */
	bool has_files;
	_Atomic uint32_t drained; /* how often a segment with a file was drained */
	/* Apart from the counters, which change all the time: look-ups read it. */
	_Atomic(uint8_t *) *memory;
	_Atomic uint8_t *state; /* SEGMENT_COLD, SEGMENT_UNVERIFIED */
	struct segment *slots;
	_Atomic uint32_t slots_used; /* slots from here on were never taken */
};

/* size is that of each segment, at most STORE_SEGMENT_SIZE_MAX. Returns 0 or DHT_ENOMEM. */
int segments_init(struct segments *segs, const struct store_os *os, size_t size) DHT_MUST_CHECK;

/* Frees every segment, whoever holds it. Nothing else runs. */
void segments_fini(struct segments *segs);

/* The end of the last byte that records may take. The last byte of a segment stays
 * unused, so that the position of a record's end has the segment's own sequence; with
 * files there is room for the end mark, too. */
static inline uint32_t segment_limit(const struct segments *segs)
{
	return segs->limit;
}

/* Takes a free slot and memory for it, and writes its header. *slot is set. */
int segment_open(struct segments *segs, uint64_t sequence, uint32_t *slot) DHT_MUST_CHECK;

/* The same in a slot that the caller knows to be free, with files. Returns 0 or DHT_ENOMEM. */
int segment_open_at(struct segments *segs, uint32_t slot, uint64_t sequence) DHT_MUST_CHECK;

/* Maps a segment that is on disk into memory; it holds one byte until segment_loaded, and
 * what segment_add_live says. Returns 0, DHT_ENOMEM or an error of store/os.h. */
int segment_load(struct segments *segs, uint32_t slot, uint64_t sequence,
		 enum store_os_map how) DHT_MUST_CHECK;
void segment_add_live(struct segments *segs, uint64_t location, size_t size);

/* Ends the loading of a segment whose records end at used. */
void segment_loaded(struct segments *segs, uint32_t slot, uint32_t used);

/* Gives back a segment that nothing was appended to and nobody else knows of. */
void segment_discard(struct segments *segs, uint32_t slot);

/* Writes the end mark of a segment whose records end at offset. */
void segment_end_encode(uint8_t out[SEGMENT_END_SIZE], uint64_t sequence, uint32_t offset);

/* True if the SEGMENT_END_SIZE bytes at in are the end mark at that offset. */
bool segment_end_matches(const uint8_t in[SEGMENT_END_SIZE], uint64_t sequence, uint32_t offset);

/* Ends an open segment: used is where its last record ends. Gives it back if nothing in
 * it is needed already. */
void segment_seal(struct segments *segs, uint32_t slot, uint32_t used);

static inline uint32_t segment_slot_of(uint64_t location)
{
	return (uint32_t)(location >> STORE_OFFSET_BITS);
}

static inline uint32_t segment_offset_of(uint64_t location)
{
	return (uint32_t)(location & (STORE_SEGMENT_SIZE_MAX - 1));
}

static inline uint8_t *segment_memory(const struct segments *segs, uint32_t slot)
{
	return atomic_load_explicit(&segs->memory[slot], memory_order_relaxed);
}

/* The bytes at a location whose record is live or pinned. */
static inline const uint8_t *segment_at(const struct segments *segs, uint64_t location)
{
	return segment_memory(segs, segment_slot_of(location)) + segment_offset_of(location);
}

/* Says that the size bytes of the record at location are dead: no entry points to them
 * any more. Its segment is given back if they were the last that was needed. */
void segment_kill(struct segments *segs, uint64_t location, size_t size);

/* Says that a record of about so many bytes is dead, whose size is not known. */
void segment_lose(struct segments *segs, uint32_t slot, uint32_t bytes);

/* Says that no record of a segment is alive that hides none. The caller has it pinned, all
 * who made records there dead have told it, and those that hide others are released. */
void segment_release_lost(struct segments *segs, uint32_t slot);

/* Says that the size bytes of the record at location hide older records: they stay live
 * until segment_release_kept. */
void segment_keep(struct segments *segs, uint64_t location, uint32_t size);

/* Says that of the live records of a segment some, of size bytes, can expire, at
 * latest_ms at the latest; and that those of size bytes are about to be killed. */
void segment_add_expiring(struct segments *segs, uint32_t slot, uint32_t size, uint64_t latest_ms);
void segment_sub_expiring(struct segments *segs, uint32_t slot, uint32_t size);

/* Bytes of live records that have expired by now_ms: of all that can, or 0. */
uint32_t segment_expired(const struct segments *segs, uint32_t slot, uint64_t now_ms);

/* Says that there is nothing left that the kept records of a segment could hide. */
void segment_release_kept(struct segments *segs, uint32_t slot);

/* Gives up the byte of the committer: it does not touch the segment's memory any more. */
void segment_release_committer(struct segments *segs, uint32_t slot);

/* True once nothing in a segment with a file is needed and its memory is gone. */
static inline bool segment_is_drained(const struct segments *segs, uint32_t slot)
{
	return atomic_load_explicit(&segs->slots[slot].used, memory_order_acquire) ==
	       SEGMENT_DRAINED;
}

/* Bytes of the records of a segment that hide others. */
static inline uint32_t segment_kept(const struct segments *segs, uint32_t slot)
{
	return atomic_load_explicit(&segs->slots[slot].kept, memory_order_relaxed);
}

static inline bool segment_has_kept(const struct segments *segs, uint32_t slot)
{
	return segment_kept(segs, slot) != 0;
}

/* True once a segment is drained, or only its kept records are needed and nobody has it
 * pinned. It stays so: the count includes them, so only when all else is gone can it be as
 * low, and from the first time on that this is said nobody can pin the segment. */
bool segment_is_dead(struct segments *segs, uint32_t slot);

/* Makes the slot of a drained segment free. */
void segment_free_slot(struct segments *segs, uint32_t slot);

/* Keeps the segment of a live record, whose group is locked, until the matching unpin. */
void segment_pin(struct segments *segs, uint64_t location);
void segment_unpin(struct segments *segs, uint64_t location);

/* The same for any thread, without a lock and without a record: pins the segment of this
 * sequence in the slot, unless it is dead (segment_is_dead), or the slot has another one.
 * Only what held something can be pinned, so the count is never raised from 0. */
bool segment_try_pin(struct segments *segs, uint32_t slot, uint64_t sequence) DHT_MUST_CHECK;
void segment_unpin_slot(struct segments *segs, uint32_t slot);

/* Returns SEGMENT_COLD, SEGMENT_UNVERIFIED. What was done to the memory before a flag was
 * cleared is seen by whoever sees it cleared. */
static inline unsigned segment_state(const struct segments *segs, uint32_t slot)
{
	return atomic_load_explicit(&segs->state[slot], memory_order_acquire);
}

/* True while a record of the segment must be verified (record_decode) before it is used. */
static inline bool segment_is_unverified(const struct segments *segs, uint32_t slot)
{
	return (segment_state(segs, slot) & SEGMENT_UNVERIFIED) != 0;
}

static inline bool segment_is_cold(const struct segments *segs, uint32_t slot)
{
	return (segment_state(segs, slot) & SEGMENT_COLD) != 0;
}

/* Sets or clears one of the flags of a segment that the caller has loaded or pinned. */
void segment_set_state(struct segments *segs, uint32_t slot, unsigned flag, bool is_set);

static inline void segment_set_unverified(struct segments *segs, uint32_t slot, bool is_set)
{
	segment_set_state(segs, slot, SEGMENT_UNVERIFIED, is_set);
}

static inline uint64_t segment_sequence(const struct segments *segs, uint32_t slot)
{
	return atomic_load_explicit(&segs->slots[slot].sequence, memory_order_relaxed);
}

/* What is in a sealed segment: where its records end, and how many bytes of them are live,
 * those that hide others included, and those that are lost not. False if it is open, drained, or no
 * segment. */
bool segment_measure(const struct segments *segs, uint32_t slot, uint32_t *used, uint32_t *live);

/* Adds up the segments there are, and the bytes of dead records in them. */
void segments_count(const struct segments *segs, uint64_t *count, uint64_t *dead_bytes);

#endif
