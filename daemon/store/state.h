/* SPDX-License-Identifier: Apache-2.0
 *
 * store/state - what a struct store consists of, for the files that implement it.
 *
 * Why     Recovery (store/recover.c) fills in what store/store.c works with.
 * Thread  as store/store.h says.
 */
#ifndef DHT_STORE_STATE_H
#define DHT_STORE_STATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "store/ahead.h"
#include "store/compact.h"
#include "store/files.h"
#include "store/index.h"
#include "store/notes.h"
#include "store/scrub.h"
#include "store/segment.h"
#include "store/store.h"
#include "store/tail.h"

/* Counters: written under the lock of the block's group, read by anybody. */
struct block {
	_Alignas(DHT_CACHE_LINE) struct index index;
	_Atomic uint32_t keys;
	_Atomic uint32_t tombstones;
	_Atomic uint64_t bytes;
	_Atomic uint64_t live_bytes;
	uint64_t erased_end; /* behind the last ERASE or DROP: what an absent key rests on */
	_Atomic uint32_t expiring;
};
_Static_assert(sizeof(struct block) == DHT_CACHE_LINE, "an empty block costs a cache line");

struct store {
	const struct store_os *os;
	struct block *blocks;
	uint32_t block_count;
	struct segments segs;
	struct tail tail;
	struct notes notes;
	_Atomic uint64_t map_end; /* behind the last MAP, without which no DROP counts */
	/* The rest is unused without files. */
	struct files files;
	struct compactor compactor;
	store_locate_fn locate;
	void *ctx; /* of locate */
	uint64_t memory_bytes;
	struct scrub scrub;
	struct ahead ahead;
};

static inline struct block *store_block(const struct store *store, uint32_t number)
{
	DHT_ASSERT(number < store->block_count);
	return &store->blocks[number];
}

/* The part of a hash that the index of the key's block goes by. */
static inline uint32_t store_hash_of(const struct store_key *key)
{
	return (uint32_t)(key->hash >> (64 - STORE_HASH_BITS));
}

/* The position of a location whose segment is in use. */
static inline uint64_t store_position_of(const struct store *store, uint64_t location)
{
	return segment_sequence(&store->segs, segment_slot_of(location)) << STORE_OFFSET_BITS |
	       segment_offset_of(location);
}

/* Where a record that hides others was first appended: it lies at this location. */
static inline uint64_t store_first_position(const struct store *store, uint64_t location,
					    struct ballot acc)
{
	return acc.order != 0 ? acc.order : store_position_of(store, location);
}

/* Lets no more be in memory than may be, at the end of a recovery. */
int store_cool_all(struct store *store) DHT_MUST_CHECK;

/* Tells the segment of the value or tombstone rec that an entry points to it now, at this
 * location; or no longer. */
void store_note_live(struct store *store, uint64_t location, const struct record *rec);
void store_kill(struct store *store, uint64_t location, const struct record *rec);

/* Counts a record that an entry points to from now on (sign 1), or no longer (-1); by what
 * it is: bytes are those of key and value, size is its own. */
void store_count_record(struct block *block, const uint8_t *data, int sign);
void store_count_sizes(struct block *block, unsigned flags, uint64_t bytes, uint64_t size,
		       int sign);

#endif
