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

/* A record that hides others hides them from a recovery; without files there is none. */
static void keep_or_kill(struct store *store, uint64_t location, const struct record *rec)
{
	if (store->segs.has_files)
		segment_keep(&store->segs, location, (uint32_t)record_size(rec));
	else
		segment_kill(&store->segs, location, record_size(rec));
}

int store_erase(struct store *store, unsigned appender, const struct store_key *key,
		struct store_hit *hit, uint64_t *end)
{
	struct record erase = {.kind = RECORD_ERASE, .key = key->key};
	struct index *ix = index_of_hit(store, key, hit);
	uint64_t location;
	int rc = tail_append(&store->tail, appender, &erase, TAIL_CLAIM_ERASE, &location, end);
	if (rc != 0)
		return rc;
	store_block(store, key->block)->erased_end = *end;
	index_remove(ix, hit->place, store->os);
	keep_or_kill(store, location, &erase);
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

enum { DROP_AHEAD = 8 }; /* entries whose records are asked for before they are looked at */

/* Says that an entry's record is dead. Of one that memory does not have, or that was not
 * verified, the size is not known: bytes stand for it until the segment is compacted. */
static void kill_unread(struct store *store, uint64_t location, uint32_t bytes)
{
	struct segments *segs = &store->segs;
	uint32_t slot = segment_slot_of(location);
	if (segment_state(segs, slot) != 0) {
		segment_lose(segs, slot, bytes);
		return;
	}
	const uint8_t *data = segment_at(segs, location);
	uint8_t flags = data[RECORD_AT_FLAGS];
	uint32_t size = (uint32_t)record_view_size(data);
	if ((flags & RECORD_FLAGS_KIND) == RECORD_VALUE && (flags & RECORD_FLAG_EXPIRY) != 0)
		segment_sub_expiring(segs, slot, size);
	segment_kill(segs, location, size);
}

static void kill_entries(struct store *store, const struct block *block)
{
	const struct index *ix = &block->index;
	const uint64_t *entries = index_entries(ix);
	uint32_t places = index_places(ix);
	uint64_t live = atomic_load_explicit(&block->live_bytes, memory_order_relaxed);
	uint32_t mean = ix->count > 0 ? (uint32_t)(live / ix->count) : 0;
	for (uint32_t place = 0; place < places; place++) {
		if (places - place > DROP_AHEAD && entries[place + DROP_AHEAD] != 0)
			__builtin_prefetch(segment_at(
			    &store->segs, index_entry_location(entries[place + DROP_AHEAD])));
		if (entries[place] != 0)
			kill_unread(store, index_entry_location(entries[place]), mean);
	}
}

static void empty_block(struct store *store, struct block *block)
{
	index_fini(&block->index, store->os);
	atomic_store_explicit(&block->keys, 0, memory_order_relaxed);
	atomic_store_explicit(&block->tombstones, 0, memory_order_relaxed);
	atomic_store_explicit(&block->expiring, 0, memory_order_relaxed);
	atomic_store_explicit(&block->bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&block->live_bytes, 0, memory_order_relaxed);
}

static int drop_block(struct store *store, unsigned appender, uint32_t number, uint64_t epoch,
		      uint64_t *end)
{
	struct block *block = store_block(store, number);
	uint8_t key[RECORD_BLOCK_KEY_SIZE], value[RECORD_EPOCH_SIZE];
	struct record drop = {.kind = RECORD_DROP,
			      .key = bytes_of(key, sizeof(key)),
			      .value = bytes_of(value, sizeof(value))};
	uint64_t location;
	put_u32(key, number);
	put_u64(value, epoch);
	/* An adoption that has begun should not end for want of room. */
	int rc = tail_append(&store->tail, appender, &drop, TAIL_CLAIM_MOVE, &location, end);
	if (rc != 0)
		return rc;
	block->erased_end = *end;
	keep_or_kill(store, location, &drop);
	kill_entries(store, block);
	empty_block(store, block);
	return 0;
}

int store_drop(struct store *store, unsigned appender, uint32_t block, uint64_t epoch,
	       uint64_t *end)
{
	if (!store->segs.has_files)
		return drop_block(store, appender, block, epoch, end);
	files_begin_drop(&store->files);
	int rc = drop_block(store, appender, block, epoch, end);
	files_end_drop(&store->files, rc == 0 ? epoch : 0);
	return rc;
}
