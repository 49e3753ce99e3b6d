/* SPDX-License-Identifier: Apache-2.0 */
#include "store/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum {
	CAPACITY_MIN = 8,
	SLACK_MIN = 8,
	SLACK_USUAL = 64,
	LOAD_PERCENT = 85,
	SHRINK_PERCENT = 20,
};

/* Moves all entries to the end of the array, in their order, without gaps. Returns
 * the place of the first one. */
static uint32_t compact_to_end(uint64_t *entries, uint32_t old_places, uint32_t places)
{
	uint32_t to = places;
	for (uint32_t from = old_places; from-- > 0;) {
		if (entries[from] != 0)
			entries[--to] = entries[from];
	}
	return to;
}

/* Returns the places that the compacted entries need under this capacity. */
static uint32_t places_needed(const uint64_t *entries, uint32_t first, uint32_t places,
			      const struct index *shape)
{
	uint32_t next = 0;
	for (uint32_t i = first; i < places; i++) {
		uint32_t home = index_home(shape, index_hash_of(entries[i]));
		next = (home > next ? home : next) + 1;
	}
	return next;
}

/* Puts the compacted entries at their homes. Every entry's place is at most where it
 * lies now, because those behind it need a place each too: nothing is overwritten
 * before it was moved. */
static void spread(uint64_t *entries, uint32_t first, uint32_t places, const struct index *shape)
{
	uint32_t next = 0;
	for (uint32_t i = first; i < places; i++) {
		uint64_t entry = entries[i];
		uint32_t home = index_home(shape, index_hash_of(entry));
		uint32_t to = home > next ? home : next;
		DHT_ASSERT(to <= i);
		if (to > next)
			memset(entries + next, 0, (to - next) * sizeof(*entries));
		entries[to] = entry;
		next = to + 1;
	}
	memset(entries + next, 0, (places - next) * sizeof(*entries));
}

/* Gives the table another shape, in place. At first the array is as large as the
 * larger of both shapes. DHT_EFULL: the slack is too small. */
static int reshape(struct index *ix, uint32_t capacity, uint32_t slack)
{
	struct index shape = {.capacity = capacity, .slack = slack, .count = ix->count};
	uint32_t old_places = index_places(ix), new_places = index_places(&shape);
	uint32_t places = old_places > new_places ? old_places : new_places;
	if (places > old_places) {
		uint64_t *larger = realloc(ix->entries, places * sizeof(*larger));
		if (larger == NULL)
			return DHT_ENOMEM;
		ix->entries = larger;
	}
	uint32_t first = compact_to_end(ix->entries, old_places, places);
	int rc = 0;
	if (places_needed(ix->entries, first, places, &shape) <= new_places) {
		ix->capacity = capacity;
		ix->slack = slack;
	} else {
		/* The larger array serves the old capacity just as well. */
		ix->slack = places - ix->capacity;
		rc = DHT_EFULL;
	}
	spread(ix->entries, first, places, ix);
	if (rc == 0 && new_places < places) {
		uint64_t *smaller = realloc(ix->entries, new_places * sizeof(*smaller));
		if (smaller != NULL)
			ix->entries = smaller;
	}
	return rc;
}

static bool is_loaded(const struct index *ix)
{
	return (uint64_t)(ix->count + 1) * 100 > (uint64_t)ix->capacity * LOAD_PERCENT;
}

/* The first empty place at or behind the home of hash: where a run ends. */
static uint32_t run_end(const struct index *ix, uint32_t hash)
{
	uint32_t places = index_places(ix), i = index_home(ix, hash);
	while (i < places && ix->entries[i] != 0)
		i++;
	return i;
}

int index_reserve(struct index *ix, uint32_t hash)
{
	if (ix->entries == NULL)
		return reshape(ix, CAPACITY_MIN, SLACK_MIN);
	if (is_loaded(ix)) {
		uint32_t capacity = ix->capacity + ix->capacity / 4;
		uint32_t slack = ix->slack > SLACK_USUAL ? ix->slack : SLACK_USUAL;
		int rc = reshape(ix, capacity, slack < capacity ? slack : capacity);
		if (rc == DHT_ENOMEM)
			return rc;
	}
	/* Many equal hashes at the end of the range: more capacity would not help. */
	while (run_end(ix, hash) == index_places(ix)) {
		int rc = reshape(ix, ix->capacity, ix->slack * 2);
		if (rc != 0)
			return rc;
	}
	return 0;
}

void index_insert(struct index *ix, uint64_t entry)
{
	uint32_t hash = index_hash_of(entry);
	uint32_t end = run_end(ix, hash), at = index_home(ix, hash);
	DHT_ASSERT(end < index_places(ix) && index_location_of(entry) != 0);
	while (at < end && index_hash_of(ix->entries[at]) <= hash)
		at++;
	memmove(ix->entries + at + 1, ix->entries + at, (end - at) * sizeof(*ix->entries));
	ix->entries[at] = entry;
	ix->count++;
}

void index_remove(struct index *ix, uint32_t place)
{
	uint32_t places = index_places(ix), end = place + 1;
	DHT_ASSERT(place < places && ix->entries[place] != 0);
	while (end < places && ix->entries[end] != 0 &&
	       index_home(ix, index_hash_of(ix->entries[end])) < end)
		end++;
	memmove(ix->entries + place, ix->entries + place + 1,
		(end - place - 1) * sizeof(*ix->entries));
	ix->entries[end - 1] = 0;
	ix->count--;
}

void index_shrink(struct index *ix)
{
	if (ix->count == 0) {
		index_fini(ix);
		return;
	}
	if (ix->capacity <= 4 * CAPACITY_MIN ||
	    (uint64_t)ix->count * 100 > (uint64_t)ix->capacity * SHRINK_PERCENT)
		return;
	uint32_t capacity = ix->count * 2 > CAPACITY_MIN ? ix->count * 2 : CAPACITY_MIN;
	uint32_t slack = SLACK_USUAL < capacity ? SLACK_USUAL : capacity;
	/* Left as it is where the entries do not fit: that costs memory only. */
	if (reshape(ix, capacity, slack) != 0)
		return;
}

size_t index_bytes(const struct index *ix)
{
	return (size_t)index_places(ix) * sizeof(*ix->entries);
}

void index_fini(struct index *ix)
{
	free(ix->entries);
	*ix = (struct index){0};
}
