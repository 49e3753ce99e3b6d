/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "store/recover.h"
#include "store/state.h"

enum { SCAN_AHEAD = 8 }; /* entries whose records are asked for before they are visited */

static void *alloc_lines(size_t size)
{
	size = (size + DHT_CACHE_LINE - 1) / DHT_CACHE_LINE * DHT_CACHE_LINE;
	void *memory = aligned_alloc(DHT_CACHE_LINE, size);
	if (memory != NULL)
		memset(memory, 0, size);
	return memory;
}

int store_open(const struct store_options *options, const struct store_os *os, struct store **out)
{
	uint32_t blocks = options->blocks;
	DHT_ASSERT(blocks >= STORE_BLOCKS_MIN && blocks <= STORE_BLOCKS_MAX &&
		   (blocks & (blocks - 1)) == 0);
	DHT_ASSERT(options->segment_size_bytes >= STORE_SEGMENT_SIZE_MIN &&
		   options->segment_size_bytes <= STORE_SEGMENT_SIZE_MAX);
	int rc = DHT_ENOMEM;
	struct store *store = alloc_lines(sizeof(*store));
	if (store == NULL)
		return rc;
	store->os = os;
	store->blocks = alloc_lines(blocks * sizeof(*store->blocks));
	if (store->blocks == NULL)
		goto out;
	store->block_count = blocks;
	store->locate = options->locate;
	store->ctx = options->ctx;
	store->memory_bytes = options->memory_bytes;
	if (os->list != NULL) {
		rc = recover_store(store, options);
		if (rc == 0)
			rc = store_cool_all(store);
		goto out;
	}
	rc = segments_init(&store->segs, os, options->segment_size_bytes);
	if (rc == 0)
		rc = tail_init(&store->tail, &store->segs, 1);
out:
	if (rc == 0)
		*out = store;
	else
		store_close(store);
	return rc;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	for (uint32_t i = 0; i < store->block_count; i++)
		index_fini(&store->blocks[i].index, store->os);
	compact_fini(store);
	scrub_fini(&store->scrub);
	files_fini(&store->files);
	segments_fini(&store->segs);
	free(store->blocks);
	free(store);
}

uint32_t store_blocks(const struct store *store)
{
	return store->block_count;
}

static struct block *block_of(const struct store *store, uint32_t block)
{
	DHT_ASSERT(block < store->block_count);
	return &store->blocks[block];
}

void store_prefetch_index(const struct store *store, const struct store_key *key)
{
	index_prefetch(&block_of(store, key->block)->index, store_hash_of(key));
}

static void prefetch_location(const struct store *store, uint64_t location)
{
	/* The fixed part and a short key may lie across two lines. */
	const uint8_t *data = segment_at(&store->segs, location);
	__builtin_prefetch(data);
	__builtin_prefetch(data + DHT_CACHE_LINE - 1);
}

void store_prefetch_record(const struct store *store, const struct store_key *key)
{
	const struct index *ix = &block_of(store, key->block)->index;
	if (ix->count == 0)
		return;
	uint64_t entry = index_entries(ix)[index_seek(ix, store_hash_of(key))];
	if (entry != 0)
		prefetch_location(store, index_entry_location(entry));
}

static void hit_set(struct store_hit *hit, uint32_t place, uint64_t entry, const uint8_t *data)
{
	hit->location = index_entry_location(entry);
	hit->place = place;
	hit->promised = (entry & INDEX_PROMISED) != 0;
	hit->hot = (entry & INDEX_HOT) != 0;
	hit->is_fetched = false;
	if (data != NULL)
		record_view(data, &hit->record);
}

static void hit_clear(struct store_hit *hit)
{
	hit->location = 0;
	hit->place = 0;
	hit->promised = false;
	hit->hot = false;
	hit->is_fetched = false;
}

/* ---- Reaching records ------------------------------------------------------------ */

static int report_damage(uint64_t location, const char *reason)
{
	LOG_ERROR("store", "msg=\"stored data is damaged\" file=%08x.seg offset=%u reason=\"%s\"",
		  segment_slot_of(location), segment_offset_of(location), reason);
	return DHT_ECORRUPT;
}

/* Verifies the record at the start of the len bytes at data. */
static bool verifies(const struct store *store, uint64_t location, const uint8_t *data, size_t len)
{
	struct record rec;
	size_t size;
	uint64_t sequence = segment_sequence(&store->segs, segment_slot_of(location));
	if (record_decode(data, len, sequence, &rec, &size) == 0)
		return true;
	report_damage(location, "the record does not verify");
	return false;
}

/* Where the record at a location can be read, if its segment has a state. */
static enum store_found reach_with_care(const struct store *store, unsigned state,
					uint64_t location, const struct store_fetched *fetched,
					const uint8_t **data)
{
	for (; fetched != NULL; fetched = fetched->next) {
		if (fetched->location == location) {
			*data = fetched->data;
			return STORE_FOUND;
		}
	}
	if ((state & SEGMENT_COLD) != 0)
		return STORE_COLD;
	size_t room = segment_limit(&store->segs) - segment_offset_of(location);
	return verifies(store, location, *data, room) ? STORE_FOUND : STORE_DAMAGED;
}

/* Sets *data to the record that an entry points to. STORE_FOUND, COLD or DAMAGED. */
static inline enum store_found reach(const struct store *store, uint64_t location,
				     const struct store_fetched *fetched, const uint8_t **data)
{
	unsigned state = segment_state(&store->segs, segment_slot_of(location));
	*data = segment_at(&store->segs, location);
	if (__builtin_expect(state == 0, true))
		return STORE_FOUND;
	return reach_with_care(store, state, location, fetched, data);
}

int store_fetch(const struct store *store, uint64_t location, uint8_t **out)
{
	enum { FIRST = 4096 };
	const struct store_os *os = store->os;
	uint32_t slot = segment_slot_of(location), offset = segment_offset_of(location);
	size_t room = segment_limit(&store->segs) - offset, len = room < FIRST ? room : FIRST;
	uint8_t *data = malloc(len);
	*out = NULL;
	if (data == NULL)
		return DHT_ENOMEM;
	int rc = os->read(os->ctx, slot, offset, data, len);
	size_t size = rc == 0 && len >= RECORD_OVERHEAD_MAX ? record_view_size(data) : len;
	if (rc == 0 && size > room)
		rc = report_damage(location, "the record's length is impossible");
	if (rc == 0 && size > len) {
		uint8_t *larger = realloc(data, size);
		if (larger == NULL)
			rc = DHT_ENOMEM;
		else
			data = larger;
		if (rc == 0)
			rc = os->read(os->ctx, slot, offset + len, data + len, size - len);
		len = size;
	}
	if (rc == 0 && !verifies(store, location, data, len))
		rc = DHT_ECORRUPT;
	if (rc != 0)
		free(data);
	else
		*out = data;
	return rc;
}

enum store_found store_find(const struct store *store, const struct store_key *key,
			    const struct store_fetched *fetched, struct store_hit *hit)
{
	const struct index *ix = &block_of(store, key->block)->index;
	uint32_t hash = store_hash_of(key);

	if (ix->count > 0) {
		const uint64_t *entries = index_entries(ix);
		for (uint32_t place = index_seek(ix, hash);
		     entries[place] != 0 && index_entry_hash(entries[place]) == hash; place++) {
			const uint8_t *data;
			uint64_t location = index_entry_location(entries[place]);
			enum store_found found = reach(store, location, fetched, &data);
			if (found != STORE_FOUND) {
				hit_set(hit, place, entries[place], NULL);
				return found;
			}
			if (!bytes_equal(record_view_key(data), key->key))
				continue;
			hit_set(hit, place, entries[place], data);
			hit->is_fetched = data != segment_at(&store->segs, location);
			return STORE_FOUND;
		}
	}
	hit_clear(hit);
	return STORE_ABSENT;
}

/* ---- Changing -------------------------------------------------------------------- */

uint64_t store_rests_on(const struct store *store, uint32_t block, const struct store_hit *hit)
{
	if (hit->location == 0)
		return block_of(store, block)->erased_end;
	const struct segment *segment = &store->segs.slots[segment_slot_of(hit->location)];
	uint64_t sequence = atomic_load_explicit(&segment->sequence, memory_order_relaxed);
	return (sequence << STORE_OFFSET_BITS) + segment_offset_of(hit->location) +
	       record_size(&hit->record);
}

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

/* The record that hit describes is no longer the latest of its key. It may be cold: what is
 * needed of it is in hit. */
static void drop_record(struct store *store, struct block *block, const struct store_hit *hit)
{
	count_record(block, &hit->record, -1);
	segment_kill(&store->segs, hit->location, record_size(&hit->record));
}

/* The index of a key's block, in which hit still describes the key's entry. A hit of an
 * earlier critical section may point anywhere: that must not go on. */
static struct index *index_of_hit(struct store *store, const struct store_key *key,
				  const struct store_hit *hit)
{
	struct index *ix = &block_of(store, key->block)->index;
	DHT_ASSERT(hit->location != 0 && hit->place < index_places(ix) &&
		   index_entry_location(index_entries(ix)[hit->place]) == hit->location);
	return ix;
}

int store_put(struct store *store, unsigned appender, const struct store_key *key,
	      struct store_hit *hit, const struct record *rec, uint64_t *end)
{
	struct block *block = block_of(store, key->block);
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
	hit_set(hit, place, index_entries(&block->index)[place],
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
	block_of(store, key->block)->erased_end = *end;
	index_remove(ix, hit->place, store->os);
	/* It hides records from a recovery; without files there is none. */
	if (store->segs.has_files)
		segment_keep(&store->segs, location, (uint32_t)record_size(&erase));
	else
		segment_kill(&store->segs, location, record_size(&erase));
	drop_record(store, block_of(store, key->block), hit);
	hit_clear(hit);
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

/* Asks for the record of the entry that is visited SCAN_AHEAD turns later. */
static void scan_prefetch(const struct store *store, const struct index *ix, uint32_t place)
{
	if (place + SCAN_AHEAD >= index_places(ix))
		return;
	uint64_t entry = index_entries(ix)[place + SCAN_AHEAD];
	if (entry != 0)
		prefetch_location(store, index_entry_location(entry));
}

uint32_t store_scan(const struct store *store, uint32_t block, uint32_t from, unsigned max,
		    const struct store_fetched *fetched, store_visit_fn visit, void *ctx)
{
	const struct index *ix = &block_of(store, block)->index;
	DHT_ASSERT(max > 0);
	if (ix->count == 0 || from >= STORE_HASH_END)
		return STORE_HASH_END;

	const uint64_t *entries = index_entries(ix);
	uint32_t places = index_places(ix), hash = from;
	unsigned visited = 0;
	for (uint32_t place = index_seek(ix, from); place < places; place++) {
		if (entries[place] == 0)
			continue;
		uint32_t next = index_entry_hash(entries[place]);
		if (visited >= max && next != hash)
			return next;
		hash = next;
		struct store_hit hit;
		scan_prefetch(store, ix, place);
		const uint8_t *data;
		uint64_t location = index_entry_location(entries[place]);
		enum store_found found = reach(store, location, fetched, &data);
		hit_set(&hit, place, entries[place], found == STORE_FOUND ? data : NULL);
		hit.is_fetched = found == STORE_FOUND && data != segment_at(&store->segs, location);
		visit(ctx, block, found, &hit);
		visited++;
	}
	return STORE_HASH_END;
}

void store_pin(struct store *store, uint64_t location)
{
	segment_pin(&store->segs, location);
}

void store_unpin(struct store *store, uint64_t location)
{
	segment_unpin(&store->segs, location);
}

int store_put_ceiling(struct store *store, unsigned appender, uint64_t ceiling, uint64_t *end)
{
	uint8_t value[RECORD_CEILING_SIZE] = {0};
	struct record rec = {.kind = RECORD_CEILING, .value = bytes_of(value, sizeof(value))};
	uint64_t location;
	put_u64(value, ceiling);
	/* Known before it is appended, so that it outlives the segment that has it. */
	if (store->segs.has_files)
		files_note_ceiling(&store->files, ceiling);
	int rc = tail_append(&store->tail, appender, &rec, TAIL_CLAIM_ERASE, &location, end);
	if (rc == 0)
		segment_kill(&store->segs, location, record_size(&rec));
	return rc;
}

uint64_t store_durable(const struct store *store)
{
	return store->segs.has_files ? files_durable(&store->files) : tail_position(&store->tail);
}

uint64_t store_written(const struct store *store)
{
	return store->segs.has_files ? files_written(&store->files) : tail_position(&store->tail);
}

int store_write(struct store *store)
{
	return store->segs.has_files ? files_write(&store->files) : 0;
}

int store_sync(struct store *store)
{
	return store->segs.has_files ? files_sync(&store->files) : 0;
}

bool store_wants_turn(const struct store *store)
{
	return store->segs.has_files && files_wants_turn(&store->files);
}

int store_turn(struct store *store)
{
	return store->segs.has_files ? files_turn(&store->files) : 0;
}

int store_commit(struct store *store, enum store_sync how)
{
	return store->segs.has_files ? files_commit(&store->files, how) : 0;
}

bool store_has_room(const struct store *store)
{
	const struct tail *tail = &store->tail;
	return !store->segs.has_files || atomic_load(&tail->is_full) ||
	       tail_has_next(tail, tail_sequence_of(tail_position(tail)));
}

bool store_is_full(const struct store *store)
{
	return store->segs.has_files && files_is_full(&store->files);
}

bool store_wants_segment(const struct store *store)
{
	return store->segs.has_files && files_wants_segment(&store->files);
}

int store_prepare(struct store *store)
{
	return store->segs.has_files ? files_prepare(&store->files) : 0;
}

bool store_wants_background(const struct store *store)
{
	return store->segs.has_files && scrub_wants(&store->scrub, &store->files);
}

int store_background(struct store *store, struct store_report *report)
{
	*report = (struct store_report){0};
	if (!store->segs.has_files)
		return 0;
	return scrub_next(&store->scrub, &store->segs, &store->files, report);
}

enum store_pressure store_pressure(const struct store *store)
{
	return store->segs.has_files ? compact_pressure(store) : STORE_PRESSURE_NONE;
}

int store_compact_begin(struct store *store)
{
	return store->segs.has_files ? compact_begin(store) : DHT_ENOTFOUND;
}

bool store_is_compacting(const struct store *store)
{
	return atomic_load_explicit(&store->compactor.has_victim, memory_order_acquire);
}

int store_compact(struct store *store, unsigned appender, const struct store_locks *locks,
		  size_t max_bytes, size_t *done_bytes)
{
	return compact_step(store, appender, locks, max_bytes, done_bytes);
}

/* ---- Memory ---------------------------------------------------------------------- */

/* The sealed segments by what is to change: the oldest in memory, the newest that is not. */
struct balance {
	uint64_t hot_bytes;
	uint32_t oldest_hot, newest_cold;
	uint64_t oldest_hot_sequence, newest_cold_sequence; /* 0: none */
};

static void weigh(const struct store *store, struct balance *balance)
{
	const struct segments *segs = &store->segs;
	uint32_t slots = files_slots_used(&store->files);
	for (uint32_t i = 0; i < slots; i++) {
		uint64_t sequence;
		uint32_t used, live;
		bool is_sealed = files_is_compactable(&store->files, i, &sequence) &&
				 segment_measure(segs, i, &used, &live);
		if (is_sealed && segment_is_cold(segs, i)) {
			if (sequence > balance->newest_cold_sequence) {
				balance->newest_cold_sequence = sequence;
				balance->newest_cold = i;
			}
			continue;
		}
		if (segment_memory(segs, i) != NULL)
			balance->hot_bytes += segs->size;
		if (is_sealed && (balance->oldest_hot_sequence == 0 ||
				  sequence < balance->oldest_hot_sequence)) {
			balance->oldest_hot_sequence = sequence;
			balance->oldest_hot = i;
		}
	}
}

/* Who sees the flag late reads the same bytes from a page that must come from disk again:
 * slower, not wrong. */
static int cool(struct store *store, uint32_t slot)
{
	struct segments *segs = &store->segs;
	segment_set_state(segs, slot, SEGMENT_COLD, true);
	return store->os->map(store->os->ctx, slot, segment_memory(segs, slot), segs->size,
			      STORE_OS_MAP_LAZY);
}

static int warm(struct store *store, uint32_t slot)
{
	struct segments *segs = &store->segs;
	int rc = store->os->map(store->os->ctx, slot, segment_memory(segs, slot), segs->size,
				STORE_OS_MAP_READ);
	if (rc == 0)
		segment_set_state(segs, slot, SEGMENT_COLD, false);
	return rc;
}

/* What recovery touched of cold segments leaves memory, and so do those that are too many. */
int store_cool_all(struct store *store)
{
	struct segments *segs = &store->segs;
	uint64_t budget = store->memory_bytes != 0 ? store->memory_bytes : UINT64_MAX;
	int rc = 0;
	for (uint32_t i = 0; rc == 0 && i < files_slots_used(&store->files); i++) {
		if (segment_memory(segs, i) != NULL && segment_is_cold(segs, i))
			rc = cool(store, i);
	}
	for (bool goes_on = true; rc == 0 && goes_on;) {
		struct balance balance = {0};
		weigh(store, &balance);
		goes_on = balance.hot_bytes > budget && balance.oldest_hot_sequence != 0;
		if (goes_on)
			rc = cool(store, balance.oldest_hot);
	}
	return rc;
}

int store_balance(struct store *store, bool *changed)
{
	struct segments *segs = &store->segs;
	struct balance balance = {0};
	*changed = false;
	if (!segs->has_files)
		return 0;
	uint64_t budget = store->memory_bytes != 0 ? store->memory_bytes : UINT64_MAX;
	weigh(store, &balance);
	bool cools = balance.hot_bytes > budget && balance.oldest_hot_sequence != 0;
	bool warms = !cools && balance.newest_cold_sequence != 0 &&
		     budget - balance.hot_bytes >= segs->size && balance.hot_bytes <= budget;
	if (!cools && !warms)
		return 0;
	uint32_t slot = cools ? balance.oldest_hot : balance.newest_cold;
	uint64_t sequence = cools ? balance.oldest_hot_sequence : balance.newest_cold_sequence;
	if (!segment_try_pin(segs, slot, sequence))
		return 0;
	int rc = cools ? cool(store, slot) : warm(store, slot);
	segment_unpin_slot(segs, slot);
	*changed = rc == 0;
	return rc;
}

/* ---- Counters -------------------------------------------------------------------- */

static void count_files(const struct store *store, struct store_counts *counts)
{
	const struct compactor *compactor = &store->compactor;
	const struct segments *segs = &store->segs;
	uint32_t slots = files_slots_used(&store->files);
	for (uint32_t i = 0; i < slots; i++) {
		bool has_memory = segment_memory(segs, i) != NULL;
		bool is_cold = has_memory && segment_is_cold(segs, i);
		counts->cold_segments += is_cold;
		counts->mapped_bytes += has_memory && !is_cold ? segs->size : 0;
	}
	counts->disk_bytes = files_disk_bytes(&store->files);
	counts->spare_files = atomic_load(&store->files.spares);
	counts->is_full = files_is_full(&store->files);
	counts->is_compacting = store_is_compacting(store);
	uint32_t offset = atomic_load_explicit(&compactor->offset, memory_order_relaxed);
	if (counts->is_compacting)
		counts->compact_permille = (uint32_t)((uint64_t)offset * 1000 / segs->size);
	counts->compact_segments = atomic_load_explicit(&compactor->segments, memory_order_relaxed);
	counts->compact_copied_bytes =
	    atomic_load_explicit(&compactor->copied_bytes, memory_order_relaxed);
}

void store_count(const struct store *store, struct store_counts *counts)
{
	*counts = (struct store_counts){0};
	for (uint32_t i = 0; i < store->block_count; i++) {
		const struct block *b = &store->blocks[i];
		counts->keys += atomic_load_explicit(&b->keys, memory_order_relaxed);
		counts->tombstones += atomic_load_explicit(&b->tombstones, memory_order_relaxed);
		counts->expiring += atomic_load_explicit(&b->expiring, memory_order_relaxed);
		counts->bytes += atomic_load_explicit(&b->bytes, memory_order_relaxed);
		counts->live_bytes += atomic_load_explicit(&b->live_bytes, memory_order_relaxed);
		counts->index_bytes += index_size_bytes(&b->index);
	}
	segments_count(&store->segs, &counts->segments, &counts->dead_bytes);
	if (store->segs.has_files)
		count_files(store, counts);
}

uint32_t store_expiring(const struct store *store, uint32_t block)
{
	return atomic_load_explicit(&block_of(store, block)->expiring, memory_order_relaxed);
}

uint64_t store_expiring_total(const struct store *store)
{
	uint64_t total = 0;
	for (uint32_t i = 0; i < store->block_count; i++)
		total += atomic_load_explicit(&store->blocks[i].expiring, memory_order_relaxed);
	return total;
}

bool store_find_address(const struct store *store, const void *address, uint32_t *slot,
			uint32_t *offset)
{
	const struct segments *segs = &store->segs;
	uint32_t used = atomic_load_explicit(&segs->slots_used, memory_order_acquire);
	for (uint32_t i = 0; i < used; i++) {
		const uint8_t *memory = segment_memory(segs, i);
		uintptr_t distance = (uintptr_t)address - (uintptr_t)memory;
		if (memory == NULL || distance >= segs->size)
			continue;
		*slot = i;
		*offset = (uint32_t)distance;
		return true;
	}
	return false;
}

/* ---- Dropping a block ------------------------------------------------------------ */

/* True if the entry's record may be used as it lies in memory. */
static bool verifies_in_memory(const struct store *store, uint64_t location)
{
	const struct segments *segs = &store->segs;
	return segment_state(segs, segment_slot_of(location)) == 0 ||
	       verifies(store, location, segment_at(segs, location),
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
	hit_set(&hit, place, entry, segment_at(&store->segs, index_entry_location(entry)));
	if (ballot_compare(hit.record.acc, floor) > 0)
		return false;
	index_remove(ix, place, store->os);
	drop_record(store, block, &hit);
	return true;
}

int store_drop(struct store *store, unsigned appender, uint32_t number, struct ballot floor,
	       uint64_t *end)
{
	struct block *block = block_of(store, number);
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
