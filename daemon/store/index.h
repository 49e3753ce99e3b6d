/* SPDX-License-Identifier: Apache-2.0
 *
 * store/index - where the latest record of each key of a block lies.
 *
 *     63        44 43              2  1   0
 *     +-----------+-----------------+---+---+
 *     | hash   20 | location     42 | P | H |    one entry; all zero: empty
 *     +-----------+-----------------+---+---+
 *                    P promised = successor of acc    H hot
 *
 * Why     Eight bytes an entry, and most look-ups touch one cache line: open addressing
 *         with linear probing. The home place of a hash is hash * capacity >> 20, which
 *         grows with the hash, and the table is kept sorted by hash ("ordered" linear
 *         probing, Amble and Knuth 1974), so
 *         - a search for a missing key ends at the first larger hash;
 *         - the layout depends on the set of hashes alone: the k-th entry stands at
 *           max(its home, place of the one before + 1). Growing is one pass over the
 *           table that reads no record, and an order of visits survives it.
 *         Nothing wraps around: some places behind the last home take what is pushed
 *         over the end.
 * Owns    One array, of the struct store_os that every call is given the same of.
 * Thread  one at a time (the lock of the block's group), but index_prefetch and
 *         index_size_bytes: any.
 * Errors  DHT_ENOMEM from index_reserve; nothing else can fail.
 *
 * Invariants: an entry stands at its home or behind, with no empty place between; the
 * last place is empty, so every search ends inside. Equal hashes are allowed: they
 * belong to different keys, or the caller says otherwise; the index never reads a record.
 */
#ifndef DHT_STORE_INDEX_H
#define DHT_STORE_INDEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "store/os.h"
#include "store/store.h"

enum {
	INDEX_LOCATION_SHIFT = 2,
	INDEX_HASH_SHIFT = INDEX_LOCATION_SHIFT + STORE_LOCATION_BITS,
	INDEX_CAPACITY_MAX = 1 << 30,
};
#define INDEX_PROMISED UINT64_C(2)
#define INDEX_HOT      UINT64_C(1)

_Static_assert(INDEX_HASH_SHIFT + STORE_HASH_BITS == 64, "an entry is full");

/* All zero is an empty index without memory. */
struct index {
	_Atomic(uint64_t *) entries;
	_Atomic uint32_t capacity; /* number of homes */
	_Atomic uint32_t places;   /* capacity and the places behind; 0: no array */
	uint32_t count;            /* entries */
};

static inline uint32_t index_entry_hash(uint64_t entry)
{
	return (uint32_t)(entry >> INDEX_HASH_SHIFT);
}

static inline uint64_t index_entry_location(uint64_t entry)
{
	return entry >> INDEX_LOCATION_SHIFT & ((UINT64_C(1) << STORE_LOCATION_BITS) - 1);
}

static inline uint64_t *index_entries(const struct index *ix)
{
	return atomic_load_explicit(&ix->entries, memory_order_relaxed);
}

static inline uint32_t index_capacity(const struct index *ix)
{
	return atomic_load_explicit(&ix->capacity, memory_order_relaxed);
}

static inline uint32_t index_places(const struct index *ix)
{
	return atomic_load_explicit(&ix->places, memory_order_relaxed);
}

static inline uint32_t index_home(uint32_t hash, uint32_t capacity)
{
	return (uint32_t)((uint64_t)hash * capacity >> STORE_HASH_BITS);
}

/* Returns the first place from which on entries of this hash or a larger one stand; the
 * entry there may be empty. The index has entries (its count is not 0). */
static inline uint32_t index_seek(const struct index *ix, uint32_t hash)
{
	const uint64_t *entries = index_entries(ix);
	uint64_t least = (uint64_t)hash << INDEX_HASH_SHIFT;
	uint32_t place = index_home(hash, index_capacity(ix));
	while (entries[place] != 0 && entries[place] < least)
		place++;
	return place;
}

/* Finds the entry of this hash that points to this very location. */
bool index_find_location(const struct index *ix, uint32_t hash, uint64_t location, uint32_t *place);

/* Asks the processor for the line that a search for hash begins with. A hint: without
 * the lock it may be the line of a table that is no more, which does no harm. */
static inline void index_prefetch(const struct index *ix, uint32_t hash)
{
	__builtin_prefetch((const void *)((uintptr_t)index_entries(ix) +
					  sizeof(uint64_t) * index_home(hash, index_capacity(ix))));
}

/* Makes room, so that the next index_insert succeeds. Places may change. Returns 0 or
 * DHT_ENOMEM: the index is as it was. */
int index_reserve(struct index *ix, const struct store_os *os) DHT_MUST_CHECK;

/* Inserts an entry without flags, behind those of equal hash; there is room
 * (index_reserve). location is not 0. Returns its place. */
uint32_t index_insert(struct index *ix, uint32_t hash, uint64_t location);

/* Points the entry at place to another location, and clears its flags. */
void index_replace(struct index *ix, uint32_t place, uint64_t location);

/* The same, but the entry keeps its flags: the record is the same one elsewhere. */
void index_move(struct index *ix, uint32_t place, uint64_t location);

/* Sets both flags of the entry at place; flags is made of INDEX_PROMISED and INDEX_HOT. */
void index_set_flags(struct index *ix, uint32_t place, uint64_t flags);

/* Removes the entry at place. Gives memory back when little is left: places change. */
void index_remove(struct index *ix, uint32_t place, const struct store_os *os);

/* Frees the memory; the index is empty then. */
void index_fini(struct index *ix, const struct store_os *os);

static inline uint64_t index_size_bytes(const struct index *ix)
{
	return (uint64_t)index_places(ix) * sizeof(uint64_t);
}

#endif
