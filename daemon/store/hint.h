/* SPDX-License-Identifier: Apache-2.0
 *
 * store/hint - what a recovery needs to know of a segment, without reading it.
 *
 *     offset size
 *      0     4   magic "DHTK"
 *      4     4   format version
 *      8     8   sequence number of the segment
 *     16     8   store_options.hash_id: of another one, the hashes mean nothing
 *     24     8   highest counter of any acc of a value or tombstone
 *     32     4   blocks of the store
 *     36     4   where the records end, and the end mark stands
 *     40     4   number of entries
 *     44     4   zero
 *     48     8   the latest expiry of a value in milliseconds; 0: none expires
 *     56   12n   entries, one for each record, by block, then by part of the hash, then
 *                by offset: so those of one key are in the order of the log:
 *                  8   block 14 | hash 20 | offset 26 | lower half of the record's flags 4
 *                  4   upper half of the flags 4 | size of the record 26 (from bit 0)
 *     then  8   XXH3 of all before
 *
 * Why     To replay a record, nearly always only the place of its entry and its size are
 *         needed: 12 bytes instead of the record. Sorted, because then the replay works on
 *         one block's index at a time, and several blocks at the same time.
 * Owns    A struct hint owns its memory until hint_free.
 * Thread  any.
 * Errors  DHT_ENOMEM; DHT_ECORRUPT: these bytes are no hint, or with a sentence in the
 *         report, a record means nothing; those of store/os.h.
 *
 * The list exists for every segment that is replayed: read from a hint file, or made from
 * the segment. A file that is missing, damaged or not of this segment is not used, so it
 * cannot lose anything; a use of it is proved only by reading the segment (store/scrub.h).
 */
#ifndef DHT_STORE_HINT_H
#define DHT_STORE_HINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "store/catalog.h"
#include "store/os.h"
#include "store/record.h"
#include "store/store.h"

enum {
	HINT_HEADER_SIZE = 56,
	HINT_ENTRY_SIZE = 12,
	HINT_CHECKSUM_SIZE = 8,
	HINT_FORMAT_VERSION = 3,
	HINT_NAME_SIZE = 32,
};

/* What all hints of a store have in common. */
struct hint_maker {
	const struct store_os *os;
	store_locate_fn locate;
	void *ctx; /* of locate */
	uint64_t hash_id;
	uint32_t blocks;
};

struct hint {
	uint8_t *data; /* the bytes of the file */
	size_t len;
	size_t room; /* what was allocated */
	uint64_t sequence;
	uint64_t highest_counter;
	uint64_t latest_expiry_ms;
	uint64_t ceiling; /* the highest of CEILING records; 0 where a file was read */
	uint32_t end;
	uint32_t count;
};

struct hint_entry {
	uint32_t block;
	uint32_t hash; /* of STORE_HASH_BITS; 0 where the key is none */
	uint32_t offset;
	uint32_t size;
	uint32_t bytes; /* key and value */
	uint8_t flags;  /* the record's */
};

/* Writes the name of a slot's hint file. */
void hint_name(uint32_t slot, char name[HINT_NAME_SIZE]);

/* The block under which a record is listed that is neither value, tombstone nor ERASE; false:
 * the record means nothing. */
bool hint_block_of(const struct record *rec, uint32_t blocks, uint32_t *block);

/* Walks the size bytes of a segment, verifies its records and makes their list; *walk is
 * set as catalog_walk does. An error leaves nothing to free. */
int hint_build(const struct hint_maker *maker, const uint8_t *data, size_t size,
	       const struct catalog_segment *segment, struct catalog_walk *walk, struct hint *hint,
	       struct store_report *report) DHT_MUST_CHECK;

/* The same for a segment that is not in memory; its header is checked, too. *walk is set in
 * any case, and still counts if only the header is damaged. */
int hint_build_from_file(const struct hint_maker *maker, const struct catalog_segment *segment,
			 size_t size, struct catalog_walk *walk, struct hint *hint,
			 struct store_report *report) DHT_MUST_CHECK;

/* Completes the bytes of a list that was made: its checksum. */
void hint_seal(struct hint *hint);

/* Reads the hint file of a slot, of file_size bytes. DHT_ECORRUPT: it is damaged.
 * DHT_ENOTFOUND: it is in order, but of another segment or of other hashes. An error
 * leaves nothing to free. */
int hint_read(const struct hint_maker *maker, const struct catalog_segment *segment,
	      uint64_t file_size, size_t segment_size, struct hint *hint) DHT_MUST_CHECK;

/* Frees its memory; nothing happens for one that is all zero. */
void hint_free(const struct hint_maker *maker, struct hint *hint);

/* The first entry of this block or a later one. */
uint32_t hint_seek(const struct hint *hint, uint32_t block);

enum {
	HINT_FLAGS_BITS = 4,
	HINT_HASH_SHIFT = HINT_FLAGS_BITS + STORE_OFFSET_BITS,
	HINT_BLOCK_SHIFT = HINT_HASH_SHIFT + STORE_HASH_BITS,
};

static inline const uint8_t *hint_entry_at(const struct hint *hint, uint32_t i)
{
	return hint->data + HINT_HEADER_SIZE + (size_t)i * HINT_ENTRY_SIZE;
}

static inline uint32_t hint_block_at(const struct hint *hint, uint32_t i)
{
	return (uint32_t)(get_u64(hint_entry_at(hint, i)) >> HINT_BLOCK_SHIFT);
}

static inline struct hint_entry hint_entry_decode(const uint8_t *in)
{
	uint64_t place = get_u64(in);
	uint32_t size = get_u32(in + 8), optional = size >> STORE_OFFSET_BITS & 15;
	struct hint_entry entry = {
	    .block = (uint32_t)(place >> HINT_BLOCK_SHIFT),
	    .hash = (uint32_t)(place >> HINT_HASH_SHIFT) & (STORE_HASH_END - 1),
	    .offset = (uint32_t)(place >> HINT_FLAGS_BITS) & (STORE_SEGMENT_SIZE_MAX - 1),
	    .size = size & (STORE_SEGMENT_SIZE_MAX - 1),
	    .flags = (uint8_t)((place & 15) | optional << RECORD_FLAGS_OPTIONAL_SHIFT),
	};
	entry.bytes = entry.size - RECORD_FIXED - record_optional_size[optional];
	return entry;
}

#endif
