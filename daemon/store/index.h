/* SPDX-License-Identifier: Apache-2.0
 *
 * store/index - the hash table of one block: where the latest record of a key lies.
 *
 *     63            44 43                                   2 1 0
 *     +---------------+--------------------------------------+-+-+
 *     | hash, 20 bits | location, 42 bits (0: empty)         |p|h|
 *     +---------------+--------------------------------------+-+-+
 *
 * Why     Open addressing with linear probing, kept in the order of the hashes: the
 *         home of an entry is hash * capacity >> 20, which grows with the hash, so
 *         the table is sorted. A miss ends at the first larger hash; growing needs
 *         no record and is one pass in place; a scan in the order of the hashes
 *         survives growth. Keys are not in here: the caller compares them.
 *         (Amble and Knuth, Ordered hash tables, 1974.)
 * Owns    One allocation; none while it is empty.
 * Thread  the holder of the block's lock.
 * Errors  DHT_ENOMEM: as before.
 *
 * Invariants: entries are sorted by hash; no empty place lies between an entry's home
 * and the entry; nothing lies at or beyond capacity + slack.
 */
#ifndef DHT_STORE_INDEX_H
#define DHT_STORE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum {
	INDEX_HASH_BITS = 20,
	INDEX_HASH_SHIFT = 44,
	INDEX_LOCATION_SHIFT = 2,
	INDEX_FLAG_HOT = 1,
	INDEX_FLAG_PROMISED = 2,
	INDEX_FLAGS = INDEX_FLAG_HOT | INDEX_FLAG_PROMISED,
};

struct index {
	uint64_t *entries;
	uint32_t capacity; /* homes */
	uint32_t slack;    /* places behind the last home */
	uint32_t count;
};

static inline uint32_t index_hash_of(uint64_t entry)
{
	return (uint32_t)(entry >> INDEX_HASH_SHIFT);
}

static inline uint64_t index_location_of(uint64_t entry)
{
	return entry << INDEX_HASH_BITS >> (INDEX_HASH_BITS + INDEX_LOCATION_SHIFT);
}

static inline uint64_t index_entry_make(uint32_t hash, uint64_t location, unsigned flags)
{
	return (uint64_t)hash << INDEX_HASH_SHIFT | location << INDEX_LOCATION_SHIFT | flags;
}

static inline uint32_t index_places(const struct index *ix)
{
	return ix->capacity + ix->slack;
}

/* The place where the search for a hash begins; the index is not empty. */
static inline uint32_t index_home(const struct index *ix, uint32_t hash)
{
	return (uint32_t)((uint64_t)hash * ix->capacity >> INDEX_HASH_BITS);
}

/* Finds the first entry of this hash at or behind place `from` (index_home at first,
 * then the last one found + 1). Returns its place, or UINT32_MAX. */
static inline uint32_t index_next(const struct index *ix, uint32_t hash, uint32_t from)
{
	uint32_t places = index_places(ix);
	for (uint32_t i = from; i < places && ix->entries[i] != 0; i++) {
		uint32_t h = index_hash_of(ix->entries[i]);
		if (h == hash)
			return i;
		if (h > hash)
			break;
	}
	return UINT32_MAX;
}

/* Makes sure that an entry of this hash can be inserted. */
int index_reserve(struct index *ix, uint32_t hash) DHT_MUST_CHECK;

/* Inserts behind the entries of the same hash; index_reserve was called for it. */
void index_insert(struct index *ix, uint64_t entry);

/* Removes the entry at a place and closes the gap. */
void index_remove(struct index *ix, uint32_t place);

/* Gives memory back when the table is mostly empty; best effort. */
void index_shrink(struct index *ix);

size_t index_bytes(const struct index *ix);
void index_fini(struct index *ix);

#endif
