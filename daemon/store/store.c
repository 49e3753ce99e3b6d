/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <stdlib.h>

#include "base/error.h"
#include "store/index.h"
#include "store/log.h"

/* One writer at a time (the holder of the block's lock), read by anybody. */
struct block {
	struct index index;
	_Atomic uint32_t keys;
	_Atomic uint32_t tombstones;
	_Atomic uint64_t bytes;
	_Atomic uint64_t index_bytes;
};

struct store {
	uint32_t block_count;
	struct log log;
	struct block *blocks;
};

int store_open(const struct store_options *options, const struct store_os *os, struct store **out)
{
	DHT_ASSERT(options->blocks >= STORE_BLOCKS_MIN && options->blocks <= STORE_BLOCKS_MAX &&
		   (options->blocks & (options->blocks - 1)) == 0);
	DHT_ASSERT(options->segment_size_bytes >= STORE_SEGMENT_SIZE_MIN &&
		   options->segment_size_bytes <= STORE_SEGMENT_SIZE_MAX);
	struct store *store = aligned_alloc(_Alignof(struct store), sizeof(*store));
	if (store == NULL)
		return DHT_ENOMEM;
	store->block_count = options->blocks;
	store->blocks = calloc(options->blocks, sizeof(*store->blocks));
	int rc = store->blocks != NULL
		     ? log_open(&store->log, os, (uint32_t)options->segment_size_bytes,
				options->appenders)
		     : DHT_ENOMEM;
	if (rc != 0) {
		free(store->blocks);
		free(store);
		return rc;
	}
	*out = store;
	return 0;
}

void store_close(struct store *store)
{
	for (uint32_t i = 0; i < store->block_count; i++)
		index_fini(&store->blocks[i].index);
	log_close(&store->log);
	free(store->blocks);
	free(store);
}

uint32_t store_blocks(const struct store *store)
{
	return store->block_count;
}

static uint32_t hash_of(const struct store_key *key)
{
	return (uint32_t)(key->hash >> (64 - STORE_HASH_BITS));
}

/* ---- Look-up --------------------------------------------------------------------- */

void store_prefetch_index(const struct store *store, const struct store_key *key)
{
	const struct index *ix = &store->blocks[key->block].index;
	if (ix->entries != NULL)
		__builtin_prefetch(ix->entries + index_home(ix, hash_of(key)));
}

void store_prefetch_record(const struct store *store, const struct store_key *key)
{
	const struct index *ix = &store->blocks[key->block].index;
	if (ix->entries == NULL)
		return;
	uint32_t hash = hash_of(key), place = index_next(ix, hash, index_home(ix, hash));
	if (place != UINT32_MAX)
		__builtin_prefetch(log_data(&store->log, index_location_of(ix->entries[place])));
}

static void fill_hit(const struct store *store, const struct index *ix, uint32_t place,
		     struct store_hit *hit)
{
	uint64_t entry = ix->entries[place];
	hit->location = index_location_of(entry);
	hit->place = place;
	hit->promised = (entry & INDEX_FLAG_PROMISED) != 0;
	hit->hot = (entry & INDEX_FLAG_HOT) != 0;
	record_load(log_data(&store->log, hit->location), &hit->record);
}

enum store_found store_find(const struct store *store, const struct store_key *key,
			    const struct store_fetched *fetched, struct store_hit *hit)
{
	const struct index *ix = &store->blocks[key->block].index;
	uint32_t hash = hash_of(key);
	DHT_ASSERT(fetched == NULL);
	hit->location = 0;
	if (ix->entries == NULL)
		return STORE_ABSENT;
	for (uint32_t place = index_next(ix, hash, index_home(ix, hash)); place != UINT32_MAX;
	     place = index_next(ix, hash, place + 1)) {
		const uint8_t *data = log_data(&store->log, index_location_of(ix->entries[place]));
		if (!record_has_key(data, key->key))
			continue;
		fill_hit(store, ix, place, hit);
		return STORE_FOUND;
	}
	return STORE_ABSENT;
}

/* ---- Counters -------------------------------------------------------------------- */

#define COUNT(counter, n)                                                                          \
	atomic_store_explicit(&(counter),                                                          \
			      atomic_load_explicit(&(counter), memory_order_relaxed) + (n),        \
			      memory_order_relaxed)

/* What a record adds to the block's counters while an entry points to it. */
static void count_entry(struct block *block, const struct record *r)
{
	if (r->kind == RECORD_VALUE) {
		COUNT(block->keys, 1);
		COUNT(block->bytes, r->key.len + r->value.len);
	} else {
		COUNT(block->tombstones, 1);
	}
}

static void uncount_entry(struct block *block, const struct record *r)
{
	if (r->kind == RECORD_VALUE) {
		COUNT(block->keys, (uint32_t)-1);
		COUNT(block->bytes, 0 - (uint64_t)(r->key.len + r->value.len));
	} else {
		COUNT(block->tombstones, (uint32_t)-1);
	}
}

static void count_index(struct block *block)
{
	atomic_store_explicit(&block->index_bytes, index_bytes(&block->index),
			      memory_order_relaxed);
}

void store_count(const struct store *store, struct store_counts *counts)
{
	*counts = (struct store_counts){0};
	for (uint32_t i = 0; i < store->block_count; i++) {
		const struct block *block = &store->blocks[i];
		counts->keys += atomic_load_explicit(&block->keys, memory_order_relaxed);
		counts->tombstones +=
		    atomic_load_explicit(&block->tombstones, memory_order_relaxed);
		counts->bytes += atomic_load_explicit(&block->bytes, memory_order_relaxed);
		counts->index_bytes +=
		    atomic_load_explicit(&block->index_bytes, memory_order_relaxed);
	}
	uint64_t used = log_used_bytes(&store->log);
	counts->live_bytes = log_live_bytes(&store->log);
	counts->dead_bytes = used > counts->live_bytes ? used - counts->live_bytes : 0;
	counts->segments = atomic_load_explicit(&store->log.segment_count, memory_order_relaxed);
}

/* ---- Change ---------------------------------------------------------------------- */

int store_put(struct store *store, unsigned appender, const struct store_key *key,
	      const struct store_hit *hit, const struct record *rec, uint64_t *end)
{
	struct block *block = &store->blocks[key->block];
	struct index *ix = &block->index;
	uint32_t hash = hash_of(key);
	DHT_ASSERT(rec->kind == RECORD_VALUE || rec->kind == RECORD_TOMBSTONE);
	if (record_size(rec) > log_record_max(&store->log))
		return DHT_ETOOBIG;
	if (hit->location == 0) {
		int rc = index_reserve(ix, hash);
		if (rc != 0)
			return rc;
		count_index(block);
	}
	struct log_place place;
	int rc = log_append(&store->log, appender, rec, &place);
	if (rc != 0)
		return rc;
	*end = place.end;
	uint64_t entry = index_entry_make(hash, place.location, 0);
	if (hit->location == 0) {
		index_insert(ix, entry);
	} else {
		DHT_ASSERT(index_location_of(ix->entries[hit->place]) == hit->location);
		ix->entries[hit->place] = entry;
		uncount_entry(block, &hit->record);
		log_bury(&store->log, hit->location);
	}
	count_entry(block, rec);
	return 0;
}

int store_erase(struct store *store, unsigned appender, const struct store_key *key,
		const struct store_hit *hit, struct ballot floor, uint64_t *end)
{
	struct block *block = &store->blocks[key->block];
	struct index *ix = &block->index;
	struct record erase = {.kind = RECORD_ERASE, .acc = floor, .ver = floor, .key = key->key};
	DHT_ASSERT(hit->location != 0 &&
		   index_location_of(ix->entries[hit->place]) == hit->location);
	struct log_place place;
	int rc = log_append(&store->log, appender, &erase, &place);
	if (rc != 0)
		return rc;
	*end = place.end;
	uncount_entry(block, &hit->record);
	log_bury(&store->log, hit->location);
	/* Nothing lies before the log of a store in memory that this would hide. */
	log_bury(&store->log, place.location);
	index_remove(ix, hit->place);
	index_shrink(ix);
	count_index(block);
	return 0;
}

void store_set_flags(struct store *store, const struct store_key *key, struct store_hit *hit,
		     bool promised, bool hot)
{
	uint64_t *entry = &store->blocks[key->block].index.entries[hit->place];
	DHT_ASSERT(index_location_of(*entry) == hit->location);
	*entry = (*entry & ~(uint64_t)INDEX_FLAGS) | (promised ? INDEX_FLAG_PROMISED : 0) |
		 (hot ? INDEX_FLAG_HOT : 0);
	hit->promised = promised;
	hit->hot = hot;
}

uint32_t store_scan(const struct store *store, uint32_t block, uint32_t from, unsigned max,
		    store_visit_fn visit, void *ctx)
{
	const struct index *ix = &store->blocks[block].index;
	if (ix->entries == NULL || from >= STORE_HASH_END)
		return STORE_HASH_END;
	uint32_t places = index_places(ix), place = index_home(ix, from), last = from;
	unsigned visited = 0;
	for (; place < places; place++) {
		uint64_t entry = ix->entries[place];
		uint32_t hash = index_hash_of(entry);
		if (entry == 0 || hash < from)
			continue;
		if (visited >= max && hash != last)
			return hash;
		struct store_hit hit;
		fill_hit(store, ix, place, &hit);
		visit(ctx, block, STORE_FOUND, &hit);
		last = hash;
		visited++;
	}
	return STORE_HASH_END;
}

/* ---- The log's marks ------------------------------------------------------------- */

void store_pin(struct store *store, uint64_t location)
{
	atomic_fetch_add(&log_segment(&store->log, location)->pins, 1);
}

void store_unpin(struct store *store, uint64_t location)
{
	uint32_t before = atomic_fetch_sub(&log_segment(&store->log, location)->pins, 1);
	DHT_ASSERT(before > 0);
}

uint64_t store_durable(const struct store *store)
{
	return log_complete(&store->log);
}
