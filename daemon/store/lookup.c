/* SPDX-License-Identifier: Apache-2.0 */
#include "store/lookup.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"

enum { SCAN_AHEAD = 8 }; /* entries whose records are asked for before they are visited */

void store_prefetch_index(const struct store *store, const struct store_key *key)
{
	index_prefetch(&store_block(store, key->block)->index, store_hash_of(key));
}

static void prefetch_location(const struct store *store, uint64_t location)
{
	/* The fixed part, a short key and a short value may lie across three lines. */
	const uint8_t *data = segment_at(&store->segs, location);
	__builtin_prefetch(data);
	__builtin_prefetch(data + DHT_CACHE_LINE);
	__builtin_prefetch(data + 2 * DHT_CACHE_LINE);
}

void store_prefetch_record(const struct store *store, const struct store_key *key)
{
	const struct index *ix = &store_block(store, key->block)->index;
	if (ix->count == 0)
		return;
	uint64_t entry = index_entries(ix)[index_seek(ix, store_hash_of(key))];
	if (entry != 0)
		prefetch_location(store, index_entry_location(entry));
}

void lookup_hit_set(struct store_hit *hit, uint32_t place, uint64_t entry, const uint8_t *data)
{
	hit->location = index_entry_location(entry);
	hit->place = place;
	hit->promised = (entry & INDEX_PROMISED) != 0;
	hit->hot = (entry & INDEX_HOT) != 0;
	hit->is_fetched = false;
	if (data != NULL)
		record_view(data, &hit->record);
}

void lookup_hit_clear(struct store_hit *hit)
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
bool lookup_verifies(const struct store *store, uint64_t location, const uint8_t *data, size_t len)
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
	return lookup_verifies(store, location, *data, room) ? STORE_FOUND : STORE_DAMAGED;
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
	if (rc == 0 && !lookup_verifies(store, location, data, len))
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
	const struct index *ix = &store_block(store, key->block)->index;
	uint32_t hash = store_hash_of(key);

	if (ix->count > 0) {
		const uint64_t *entries = index_entries(ix);
		for (uint32_t place = index_seek(ix, hash);
		     entries[place] != 0 && index_entry_hash(entries[place]) == hash; place++) {
			const uint8_t *data;
			uint64_t location = index_entry_location(entries[place]);
			enum store_found found = reach(store, location, fetched, &data);
			if (found != STORE_FOUND) {
				lookup_hit_set(hit, place, entries[place], NULL);
				return found;
			}
			if (!bytes_equal(record_view_key(data), key->key))
				continue;
			lookup_hit_set(hit, place, entries[place], data);
			hit->is_fetched = data != segment_at(&store->segs, location);
			return STORE_FOUND;
		}
	}
	lookup_hit_clear(hit);
	return STORE_ABSENT;
}
uint64_t store_rests_on(const struct store *store, uint32_t block, const struct store_hit *hit)
{
	if (hit->location == 0) {
		uint64_t map_end = atomic_load_explicit(&store->map_end, memory_order_acquire);
		uint64_t erased_end = store_block(store, block)->erased_end;
		return map_end > erased_end ? map_end : erased_end;
	}
	const struct segment *segment = &store->segs.slots[segment_slot_of(hit->location)];
	uint64_t sequence = atomic_load_explicit(&segment->sequence, memory_order_relaxed);
	return (sequence << STORE_OFFSET_BITS) + segment_offset_of(hit->location) +
	       record_size(&hit->record);
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

/* What a walk over the entries of a block is after. */
struct walk {
	const struct store *store;
	uint32_t block;
	const struct store_fetched *fetched;
	bool only_tombstones;
	store_visit_fn visit;
	void *ctx;
};

/* Visits the entry at place, if it is one to visit. */
static void walk_entry(const struct walk *walk, uint32_t place, uint64_t entry)
{
	const struct store *store = walk->store;
	struct store_hit hit;
	const uint8_t *data;
	uint64_t location = index_entry_location(entry);
	enum store_found found = reach(store, location, walk->fetched, &data);
	bool is_there = found == STORE_FOUND;
	if (walk->only_tombstones && is_there && record_view_kind(data) != RECORD_TOMBSTONE)
		return;
	lookup_hit_set(&hit, place, entry, is_there ? data : NULL);
	hit.is_fetched = is_there && data != segment_at(&store->segs, location);
	walk->visit(walk->ctx, walk->block, found, &hit);
}

/* Walks the entries with hashes from `from` on, below `until`, until max were looked at.
 * Returns the hash to go on from, `until` at the end. */
static uint32_t walk_entries(const struct walk *walk, uint32_t from, uint32_t until, unsigned max)
{
	const struct index *ix = &store_block(walk->store, walk->block)->index;
	DHT_ASSERT(max > 0 && until <= STORE_HASH_END);
	if (ix->count == 0 || from >= until)
		return until;

	const uint64_t *entries = index_entries(ix);
	uint32_t places = index_places(ix), hash = from;
	unsigned visited = 0;
	for (uint32_t place = index_seek(ix, from); place < places; place++) {
		if (entries[place] == 0)
			continue;
		uint32_t next = index_entry_hash(entries[place]);
		if (next >= until)
			return until;
		if (visited >= max && next != hash)
			return next;
		hash = next;
		scan_prefetch(walk->store, ix, place);
		walk_entry(walk, place, entries[place]);
		visited++;
	}
	return until;
}

uint32_t store_scan(const struct store *store, uint32_t block, uint32_t from, unsigned max,
		    const struct store_fetched *fetched, store_visit_fn visit, void *ctx)
{
	struct walk walk = {
	    .store = store, .block = block, .fetched = fetched, .visit = visit, .ctx = ctx};
	return walk_entries(&walk, from, STORE_HASH_END, max);
}

uint32_t store_scan_tombstones(const struct store *store, uint32_t block, uint32_t from,
			       unsigned max, const struct store_fetched *fetched,
			       store_visit_fn visit, void *ctx)
{
	struct walk walk = {.store = store,
			    .block = block,
			    .fetched = fetched,
			    .only_tombstones = true,
			    .visit = visit,
			    .ctx = ctx};
	if (store_tombstones(store, block) == 0)
		return STORE_HASH_END;
	return walk_entries(&walk, from, STORE_HASH_END, max);
}

/* ---- Digests --------------------------------------------------------------------- */

static void digest_cold(struct store_digest *out, enum store_found found, uint64_t location)
{
	if (found == STORE_DAMAGED || out->found == STORE_FOUND)
		out->found = found;
	if (found == STORE_COLD && out->cold_count < STORE_DIGEST_COLD_MAX)
		out->cold[out->cold_count++] = location;
}

/* A sum, so that the order of equal hashes does not matter, in which they may differ. */
static void digest_entry(void *ctx, uint32_t block, enum store_found found,
			 const struct store_hit *hit)
{
	struct store_digest *out = ctx;
	const struct record *rec = &hit->record;
	uint8_t acc[BALLOT_SIZE];
	(void)block;
	if (found != STORE_FOUND) {
		digest_cold(out, found, hit->location);
		return;
	}
	ballot_encode(acc, rec->acc);
	out->sum += hash_bytes_seeded(rec->key.data, rec->key.len, hash_bytes(acc, sizeof(acc)));
	out->count++;
}

uint32_t store_digest(const struct store *store, uint32_t block, uint32_t from, uint32_t until,
		      unsigned max, const struct store_fetched *fetched, struct store_digest *out)
{
	struct walk walk = {
	    .store = store, .block = block, .fetched = fetched, .visit = digest_entry, .ctx = out};
	*out = (struct store_digest){.found = STORE_FOUND};
	return walk_entries(&walk, from, until, max);
}
