/* SPDX-License-Identifier: Apache-2.0 */
#include "store/index.h"

#include <string.h>

#include "base/error.h"

enum {
	CAPACITY_MIN = 8,
	SLACK_MIN = 4,
	SLACK_MAX = 32,
	SHRINK_FROM = 64, /* smaller tables are not worth a pass */
};

/* Load 0.85, and every step of growth a quarter: 9.4 to 11.8 bytes a key. */
static uint32_t entries_max(uint32_t capacity)
{
	return capacity - (uint32_t)((uint64_t)capacity * 3 / 20);
}

/* Places behind the last home. At load 0.85 the chance that k entries are pushed over
 * the end falls by a quarter with every k; where more are, the slack is grown alone. */
static uint32_t slack_of(uint32_t capacity)
{
	uint32_t slack = capacity / 64;
	return slack < SLACK_MIN ? SLACK_MIN : slack > SLACK_MAX ? SLACK_MAX : slack;
}

static uint32_t home_of(uint64_t entry, uint32_t capacity)
{
	return index_home(index_entry_hash(entry), capacity);
}

/* Changes the size of the array alone; places that are new hold anything. Giving it all
 * back (places 0) cannot fail. */
static int resize_array(struct index *ix, const struct store_os *os, uint32_t places)
{
	uint64_t *entries = os->table_resize(os->ctx, index_entries(ix), index_size_bytes(ix),
					     (size_t)places * sizeof(*entries));
	if (entries == NULL && places != 0)
		return DHT_ENOMEM;
	atomic_store_explicit(&ix->entries, entries, memory_order_relaxed);
	atomic_store_explicit(&ix->places, places, memory_order_relaxed);
	return 0;
}

/* The place behind the last entry, were the capacity this. */
static uint32_t layout_end(const struct index *ix, uint32_t capacity)
{
	const uint64_t *entries = index_entries(ix);
	uint32_t end = 0, places = index_places(ix);
	for (uint32_t i = 0; i < places; i++) {
		if (entries[i] == 0)
			continue;
		uint32_t home = home_of(entries[i], capacity);
		end = (home > end ? home : end) + 1;
	}
	return end;
}

/* Moves every entry from place `from` on to where it belongs, in order. No entry may
 * belong behind the place where it stands: so nothing is overwritten. */
static void lay_out(uint64_t *entries, uint32_t from, uint32_t places, uint32_t capacity)
{
	uint32_t end = 0;
	for (uint32_t i = from; i < places; i++) {
		uint64_t entry = entries[i];
		if (entry == 0)
			continue;
		uint32_t home = home_of(entry, capacity);
		uint32_t to = home > end ? home : end;
		DHT_ASSERT(to <= i);
		entries[i] = 0;
		entries[to] = entry;
		end = to + 1;
	}
}

/* Packs the entries of the first `filled` places at the end of all places, in order.
 * Returns where they begin; everything before is empty. */
static uint32_t pack_right(uint64_t *entries, uint32_t filled, uint32_t places)
{
	uint32_t to = places;
	for (uint32_t i = filled; i-- > 0;) {
		if (entries[i] != 0)
			entries[--to] = entries[i];
	}
	memset(entries, 0, (size_t)to * sizeof(*entries));
	return to;
}

/* Grows in place: n entries that end at place e of the new layout are packed into the
 * last n of at least e places, so each stands at or behind the place where it belongs. */
static int grow(struct index *ix, const struct store_os *os)
{
	uint32_t old = index_capacity(ix), filled = index_places(ix);
	uint32_t step = old / 4 < CAPACITY_MIN ? CAPACITY_MIN : old / 4;
	if (old > INDEX_CAPACITY_MAX - step)
		return DHT_ENOMEM;
	uint32_t capacity = old + step, places = capacity + slack_of(capacity);
	uint32_t end = layout_end(ix, capacity);
	if (places < end + 2)
		places = end + 2; /* one to insert into, and the last, which stays empty */
	if (places < filled)
		places = filled;
	int rc = resize_array(ix, os, places);
	if (rc != 0)
		return rc;
	uint64_t *entries = index_entries(ix);
	lay_out(entries, pack_right(entries, filled, places), places, capacity);
	atomic_store_explicit(&ix->capacity, capacity, memory_order_relaxed);
	return 0;
}

static int grow_slack(struct index *ix, const struct store_os *os)
{
	uint32_t places = index_places(ix), slack = places - index_capacity(ix);
	int rc = resize_array(ix, os, places + slack);
	if (rc != 0)
		return rc;
	memset(index_entries(ix) + places, 0, (size_t)slack * sizeof(uint64_t));
	return 0;
}

/* With fewer homes every entry belongs at or before the place where it stands. That the
 * array cannot be made smaller is no error: it stays as it is. */
static void shrink(struct index *ix, const struct store_os *os)
{
	uint32_t capacity = ix->count * 2, filled = index_places(ix);
	uint32_t end = layout_end(ix, capacity), places = capacity + slack_of(capacity);
	if (places < end + 2)
		places = end + 2;
	lay_out(index_entries(ix), 0, filled, capacity);
	atomic_store_explicit(&ix->capacity, capacity, memory_order_relaxed);
	if (places < filled)
		resize_array(ix, os, places);
}

bool index_find_location(const struct index *ix, uint32_t hash, uint64_t location, uint32_t *place)
{
	if (ix->count == 0)
		return false;
	const uint64_t *entries = index_entries(ix);
	for (*place = index_seek(ix, hash);
	     entries[*place] != 0 && index_entry_hash(entries[*place]) == hash; ++*place) {
		if (index_entry_location(entries[*place]) == location)
			return true;
	}
	return false;
}

int index_reserve(struct index *ix, const struct store_os *os)
{
	if (ix->count >= entries_max(index_capacity(ix)))
		return grow(ix, os);
	if (index_entries(ix)[index_places(ix) - 2] != 0)
		return grow_slack(ix, os);
	return 0;
}

static uint64_t entry_of(uint32_t hash, uint64_t location)
{
	DHT_ASSERT(location != 0 && location >> STORE_LOCATION_BITS == 0);
	return (uint64_t)hash << INDEX_HASH_SHIFT | location << INDEX_LOCATION_SHIFT;
}

uint32_t index_insert(struct index *ix, uint32_t hash, uint64_t location)
{
	DHT_ASSERT(hash >> STORE_HASH_BITS == 0 && ix->count < index_capacity(ix));
	uint64_t *entries = index_entries(ix);
	uint32_t place = index_seek(ix, hash);
	while (entries[place] != 0 && index_entry_hash(entries[place]) == hash)
		place++;
	uint32_t empty = place;
	while (entries[empty] != 0)
		empty++;
	DHT_ASSERT(empty + 1 < index_places(ix));
	memmove(entries + place + 1, entries + place, (empty - place) * sizeof(*entries));
	entries[place] = entry_of(hash, location);
	ix->count++;
	return place;
}

void index_replace(struct index *ix, uint32_t place, uint64_t location)
{
	uint64_t *entry = index_entries(ix) + place;
	DHT_ASSERT(place < index_places(ix) && *entry != 0);
	*entry = entry_of(index_entry_hash(*entry), location);
}

void index_move(struct index *ix, uint32_t place, uint64_t location)
{
	uint64_t *entry = index_entries(ix) + place;
	DHT_ASSERT(place < index_places(ix) && *entry != 0);
	*entry =
	    entry_of(index_entry_hash(*entry), location) | (*entry & (INDEX_PROMISED | INDEX_HOT));
}

void index_set_flags(struct index *ix, uint32_t place, uint64_t flags)
{
	uint64_t *entry = index_entries(ix) + place;
	DHT_ASSERT(place < index_places(ix) && *entry != 0);
	*entry = (*entry & ~(INDEX_PROMISED | INDEX_HOT)) | flags;
}

void index_remove(struct index *ix, uint32_t place, const struct store_os *os)
{
	uint64_t *entries = index_entries(ix);
	uint32_t capacity = index_capacity(ix), end = place + 1;
	DHT_ASSERT(place < index_places(ix) && entries[place] != 0);
	/* The entries behind were pushed one place too far, up to one that is at home. */
	while (entries[end] != 0 && home_of(entries[end], capacity) < end)
		end++;
	memmove(entries + place, entries + place + 1, (end - place - 1) * sizeof(*entries));
	entries[end - 1] = 0;
	ix->count--;
	if (ix->count == 0)
		index_fini(ix, os);
	else if (capacity >= SHRINK_FROM && ix->count < capacity / 4)
		shrink(ix, os);
}

void index_fini(struct index *ix, const struct store_os *os)
{
	resize_array(ix, os, 0);
	atomic_store_explicit(&ix->capacity, 0, memory_order_relaxed);
	ix->count = 0;
}
