/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "store/index.h"
#include "unit.h"

static uint64_t state = 88172645463325252ull;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* The invariants at the top of index.h. */
static void check_invariants(const struct index *ix)
{
	uint32_t seen = 0, last_hash = 0;
	for (uint32_t i = 0; i < (ix->entries != NULL ? index_places(ix) : 0); i++) {
		if (ix->entries[i] == 0)
			continue;
		uint32_t hash = index_hash_of(ix->entries[i]), home = index_home(ix, hash);
		ck_assert_uint_ge(hash, last_hash);
		ck_assert_uint_le(home, i);
		for (uint32_t k = home; k < i; k++)
			ck_assert_uint_ne(ix->entries[k], 0);
		last_hash = hash;
		seen++;
	}
	ck_assert_uint_eq(seen, ix->count);
}

/* Finds the place of (hash, location) by walking the candidates. */
static uint32_t find(const struct index *ix, uint32_t hash, uint64_t location)
{
	if (ix->entries == NULL)
		return UINT32_MAX;
	for (uint32_t place = index_next(ix, hash, index_home(ix, hash)); place != UINT32_MAX;
	     place = index_next(ix, hash, place + 1)) {
		if (index_location_of(ix->entries[place]) == location)
			return place;
	}
	return UINT32_MAX;
}

static void insert(struct index *ix, uint32_t hash, uint64_t location)
{
	ck_assert_int_eq(index_reserve(ix, hash), 0);
	index_insert(ix, index_entry_make(hash, location, 0));
}

START_TEST(entries_pack_their_fields)
{
	uint64_t location = (1ull << 42) - 1;
	uint64_t entry = index_entry_make((1u << 20) - 1, location, INDEX_FLAG_HOT);
	ck_assert_uint_eq(index_hash_of(entry), (1u << 20) - 1);
	ck_assert_uint_eq(index_location_of(entry), location);
	ck_assert_uint_eq(entry & INDEX_FLAGS, INDEX_FLAG_HOT);
	entry = index_entry_make(0, 1, INDEX_FLAG_PROMISED);
	ck_assert_uint_eq(index_hash_of(entry), 0);
	ck_assert_uint_eq(index_location_of(entry), 1);
}
END_TEST

enum { MODEL_MAX = 3000 };

struct model {
	struct {
		uint32_t hash;
		uint64_t location;
	} items[MODEL_MAX];
	unsigned count;
};

/* Random insertions and removals against a list. hash_mask and hash_base choose how
 * often hashes collide, and where. */
static void run_model(uint32_t hash_mask, uint32_t hash_base, unsigned steps, unsigned most)
{
	struct model *m = calloc(1, sizeof(*m));
	struct index ix = {0};
	uint64_t next_location = 1;
	for (unsigned step = 0; step < steps; step++) {
		bool grow = step / (most * 2) % 2 == 0;
		if (m->count < most && next_random() % 10 < (grow ? 7 : 3)) {
			uint32_t hash = hash_base | ((uint32_t)next_random() & hash_mask);
			insert(&ix, hash, next_location);
			m->items[m->count].hash = hash;
			m->items[m->count++].location = next_location++;
		} else if (m->count > 0) {
			unsigned i = (unsigned)(next_random() % m->count);
			uint32_t place = find(&ix, m->items[i].hash, m->items[i].location);
			ck_assert_uint_ne(place, UINT32_MAX);
			index_remove(&ix, place);
			index_shrink(&ix);
			ck_assert_uint_eq(find(&ix, m->items[i].hash, m->items[i].location),
					  UINT32_MAX);
			m->items[i] = m->items[--m->count];
		}
		if (step % 64 == 0) {
			check_invariants(&ix);
			for (unsigned i = 0; i < m->count; i++)
				ck_assert_uint_ne(find(&ix, m->items[i].hash, m->items[i].location),
						  UINT32_MAX);
		}
	}
	index_fini(&ix);
	free(m);
}

START_TEST(index_agrees_with_a_list_when_hashes_are_spread)
{
	run_model(0xfffff, 0, 20000, 2000);
}
END_TEST

START_TEST(index_agrees_with_a_list_when_hashes_collide)
{
	run_model(0xff, 0x40000, 12000, 700);
}
END_TEST

START_TEST(index_agrees_with_a_list_when_all_hashes_are_the_last_one)
{
	run_model(0, 0xfffff, 6000, 400);
}
END_TEST

START_TEST(index_grows_at_its_load_and_stays_below_14_bytes_an_entry)
{
	struct index ix = {0};
	ck_assert_uint_eq(index_bytes(&ix), 0);
	for (uint64_t n = 1; n <= 200000; n++) {
		insert(&ix, (uint32_t)next_random() & 0xfffff, n);
		ck_assert_uint_le((uint64_t)ix.count * 100, (uint64_t)ix.capacity * 85);
		if (n > 4000)
			ck_assert_uint_le(index_bytes(&ix), n * 14);
	}
	check_invariants(&ix);
	index_fini(&ix);
}
END_TEST

START_TEST(index_gives_memory_back_when_it_empties)
{
	struct index ix = {0};
	for (uint64_t n = 1; n <= 50000; n++)
		insert(&ix, (uint32_t)(n * 2654435761u) & 0xfffff, n);
	size_t full = index_bytes(&ix);
	for (uint64_t n = 1; n <= 49000; n++) {
		index_remove(&ix, find(&ix, (uint32_t)(n * 2654435761u) & 0xfffff, n));
		index_shrink(&ix);
	}
	check_invariants(&ix);
	ck_assert_uint_lt(index_bytes(&ix), full / 8);
	for (uint64_t n = 49001; n <= 50000; n++) {
		index_remove(&ix, find(&ix, (uint32_t)(n * 2654435761u) & 0xfffff, n));
		index_shrink(&ix);
	}
	ck_assert_uint_eq(index_bytes(&ix), 0);
	ck_assert_ptr_null(ix.entries);
}
END_TEST

UNIT_MAIN("index", 120, entries_pack_their_fields, index_agrees_with_a_list_when_hashes_are_spread,
	  index_agrees_with_a_list_when_hashes_collide,
	  index_agrees_with_a_list_when_all_hashes_are_the_last_one,
	  index_grows_at_its_load_and_stays_below_14_bytes_an_entry,
	  index_gives_memory_back_when_it_empties)
