/* SPDX-License-Identifier: Apache-2.0
 *
 * What changes the index: put, erase, flags, the drop of a block.
 */
#include "base/error.h"
#include "store/lookup.h"

static void counter_add32(_Atomic uint32_t *counter, uint32_t n)
{
	uint32_t now = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, now + n, memory_order_relaxed);
}

static void counter_add64(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, now + n, memory_order_relaxed);
}

/* The arithmetic is modulo 2^64, so that one way does both. */
void store_count_sizes(struct block *block, unsigned flags, uint64_t bytes, uint64_t size, int sign)
{
	uint64_t factor = (uint64_t)(int64_t)sign;
	if ((flags & RECORD_FLAGS_KIND) == RECORD_VALUE) {
		counter_add32(&block->keys, (uint32_t)factor);
		counter_add64(&block->bytes, factor * bytes);
		if ((flags & RECORD_FLAG_EXPIRY) != 0)
			counter_add32(&block->expiring, (uint32_t)factor);
	} else {
		counter_add32(&block->tombstones, (uint32_t)factor);
	}
	counter_add64(&block->live_bytes, factor * size);
}

void store_count_record(struct block *block, const uint8_t *data, int sign)
{
	uint64_t bytes = record_view_key(data).len + record_view_value(data).len;
	store_count_sizes(block, data[RECORD_AT_FLAGS], bytes, record_view_size(data), sign);
}

static void count_record(struct block *block, const struct record *rec, int sign)
{
	unsigned flags = (unsigned)rec->kind | (rec->expires_ms != 0 ? RECORD_FLAG_EXPIRY : 0);
	store_count_sizes(block, flags, rec->key.len + rec->value.len, record_size(rec), sign);
}

void store_note_live(struct store *store, uint64_t location, const struct record *rec)
{
	if (rec->kind == RECORD_VALUE && rec->expires_ms != 0)
		segment_add_expiring(&store->segs, segment_slot_of(location),
				     (uint32_t)record_size(rec), rec->expires_ms);
}

void store_kill(struct store *store, uint64_t location, const struct record *rec)
{
	size_t size = record_size(rec);
	if (rec->kind == RECORD_VALUE && rec->expires_ms != 0)
		segment_sub_expiring(&store->segs, segment_slot_of(location), (uint32_t)size);
	segment_kill(&store->segs, location, size);
}

/* The record that hit describes is no longer the latest of its key. It may be cold: what is
 * needed of it is in hit. */
static void drop_record(struct store *store, struct block *block, const struct store_hit *hit)
{
	count_record(block, &hit->record, -1);
	store_kill(store, hit->location, &hit->record);
}

/* The index of a key's block, in which hit still describes the key's entry. A hit of an
 * earlier critical section may point anywhere: that must not go on. */
static struct index *index_of_hit(struct store *store, const struct store_key *key,
				  const struct store_hit *hit)
{
	struct index *ix = &store_block(store, key->block)->index;
	DHT_ASSERT(hit->location != 0 && hit->place < index_places(ix) &&
		   index_entry_location(index_entries(ix)[hit->place]) == hit->location);
	return ix;
}

int store_put(struct store *store, unsigned appender, const struct store_key *key,
	      struct store_hit *hit, const struct record *rec, uint64_t *end)
{
	struct block *block = store_block(store, key->block);
	struct store_hit replaced = *hit;
	enum tail_claim claim = rec->kind == RECORD_VALUE ? TAIL_CLAIM_VALUE : TAIL_CLAIM_ERASE;
	uint64_t location;
	DHT_ASSERT(rec->kind == RECORD_VALUE || rec->kind == RECORD_TOMBSTONE);
	DHT_ASSERT(bytes_equal(rec->key, key->key));

	/* Whatever can fail comes first; room in the index that is not used is no change. */
	int rc = replaced.location != 0 ? 0 : index_reserve(&block->index, store->os);
	if (rc == 0)
		rc = tail_append(&store->tail, appender, rec, claim, &location, end);
	if (rc != 0)
		return rc;

	uint32_t place = hit->place;
	if (replaced.location != 0)
		index_replace(index_of_hit(store, key, hit), place, location);
	else
		place = index_insert(&block->index, store_hash_of(key), location);
	store_note_live(store, location, rec);
	lookup_hit_set(hit, place, index_entries(&block->index)[place],
		       segment_at(&store->segs, location));
	count_record(block, &hit->record, 1);
	if (replaced.location != 0)
		drop_record(store, block, &replaced);
	return 0;
}

int store_erase(struct store *store, unsigned appender, const struct store_key *key,
		struct store_hit *hit, struct ballot floor, uint64_t *end)
{
	struct record erase = {.kind = RECORD_ERASE, .acc = floor, .ver = floor, .key = key->key};
	struct index *ix = index_of_hit(store, key, hit);
	uint64_t location;
	int rc = tail_append(&store->tail, appender, &erase, TAIL_CLAIM_ERASE, &location, end);
	if (rc != 0)
		return rc;
	store_block(store, key->block)->erased_end = *end;
	index_remove(ix, hit->place, store->os);
	/* It hides records from a recovery; without files there is none. */
	if (store->segs.has_files)
		segment_keep(&store->segs, location, (uint32_t)record_size(&erase));
	else
		segment_kill(&store->segs, location, record_size(&erase));
	drop_record(store, store_block(store, key->block), hit);
	lookup_hit_clear(hit);
	return 0;
}

void store_set_flags(struct store *store, const struct store_key *key, struct store_hit *hit,
		     bool promised, bool hot)
{
	index_set_flags(index_of_hit(store, key, hit), hit->place,
			(promised ? INDEX_PROMISED : 0) | (hot ? INDEX_HOT : 0));
	hit->promised = promised;
	hit->hot = hot;
}
/* ---- Dropping a block ------------------------------------------------------------ */

/* True if the entry's record may be used as it lies in memory. */
static bool verifies_in_memory(const struct store *store, uint64_t location)
{
	const struct segments *segs = &store->segs;
	return segment_state(segs, segment_slot_of(location)) == 0 ||
	       lookup_verifies(store, location, segment_at(segs, location),
			       segment_limit(segs) - segment_offset_of(location));
}

static bool can_drop(const struct store *store, const struct index *ix)
{
	for (uint32_t place = 0; place < index_places(ix); place++) {
		uint64_t entry = index_entries(ix)[place];
		if (entry != 0 && !verifies_in_memory(store, index_entry_location(entry)))
			return false;
	}
	return true;
}

/* Removes the entry at place, if its record is hidden by floor. */
static bool drop_entry(struct store *store, struct block *block, uint32_t place,
		       struct ballot floor)
{
	struct index *ix = &block->index;
	uint64_t entry = index_entries(ix)[place];
	struct store_hit hit;
	if (entry == 0)
		return false;
	lookup_hit_set(&hit, place, entry, segment_at(&store->segs, index_entry_location(entry)));
	if (ballot_compare(hit.record.acc, floor) > 0)
		return false;
	index_remove(ix, place, store->os);
	drop_record(store, block, &hit);
	return true;
}

int store_drop(struct store *store, unsigned appender, uint32_t number, struct ballot floor,
	       uint64_t *end)
{
	struct block *block = store_block(store, number);
	uint8_t key[RECORD_DROP_KEY_SIZE];
	put_u32(key, number);
	struct record drop = {
	    .kind = RECORD_DROP, .acc = floor, .ver = floor, .key = bytes_of(key, sizeof(key))};
	uint64_t location;
	if (!can_drop(store, &block->index))
		return DHT_ECORRUPT;
	int rc = tail_append(&store->tail, appender, &drop, TAIL_CLAIM_ERASE, &location, end);
	if (rc != 0)
		return rc;
	block->erased_end = *end;
	/* Removing an entry may lay out the index anew, and then all of it is looked at
	 * again. */
	for (uint32_t place = 0; place < index_places(&block->index);) {
		uint32_t capacity = index_capacity(&block->index);
		if (!drop_entry(store, block, place, floor))
			place++;
		else if (index_capacity(&block->index) != capacity)
			place = 0;
	}
	if (store->segs.has_files)
		segment_keep(&store->segs, location, (uint32_t)record_size(&drop));
	else
		segment_kill(&store->segs, location, record_size(&drop));
	return 0;
}
