/* SPDX-License-Identifier: Apache-2.0
 *
 * store/index against a model: random insertions, removals, replacements and flags, for
 * hashes that are spread, equal, or all at one end of the table. What is checked often is
 * asserted with DHT_ASSERT: an assertion of Check writes to a pipe each time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "helper_store_os.h"
#include "store/index.h"
#include "unit.h"

enum { IDS = 1000, HASH_LAST = (1 << STORE_HASH_BITS) - 1 };

/* A location is that of one id for good: id + 1, plus IDS for each replacement. */
struct model {
	struct heap_os heap;
	struct index ix;
	uint64_t random;
	uint32_t hash[IDS];
	uint64_t location[IDS]; /* 0: absent */
	uint64_t flags[IDS];
	uint32_t count;
};

static struct model model;

static uint32_t next_random(struct model *m)
{
	m->random = m->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(m->random >> 33);
}

static void model_init(struct model *m, uint64_t seed)
{
	memset(m, 0, sizeof(*m));
	heap_os_init(&m->heap);
	m->random = seed;
}

static void model_fini(struct model *m)
{
	index_fini(&m->ix, &m->heap.os);
	heap_os_fini(&m->heap);
}

/* The place of an id's entry; its flags are checked. Fails if there is none. */
static uint32_t place_of(const struct model *m, uint32_t id)
{
	const uint64_t *entries = index_entries(&m->ix);
	uint32_t place = index_seek(&m->ix, m->hash[id]);
	while (index_entry_location(entries[place]) != m->location[id]) {
		DHT_ASSERT(entries[place] != 0);
		DHT_ASSERT(index_entry_hash(entries[place]) == m->hash[id]);
		place++;
	}
	DHT_ASSERT(index_entry_hash(entries[place]) == m->hash[id]);
	DHT_ASSERT((entries[place] & 3) == m->flags[id]);
	return place;
}

/* The invariants of index.h, and that all memory is accounted for. */
static void check_layout(const struct model *m)
{
	const uint64_t *entries = index_entries(&m->ix);
	uint32_t places = index_places(&m->ix), count = 0, gap = 0, hash = 0;
	for (uint32_t i = 0; i < places; i++) {
		if (entries[i] == 0) {
			gap = i + 1;
			continue;
		}
		uint32_t home = index_home(index_entry_hash(entries[i]), index_capacity(&m->ix));
		DHT_ASSERT(gap <= home);
		DHT_ASSERT(home <= i);
		DHT_ASSERT(hash <= index_entry_hash(entries[i]));
		hash = index_entry_hash(entries[i]);
		count++;
	}
	DHT_ASSERT(count == m->ix.count);
	DHT_ASSERT(count == m->count);
	DHT_ASSERT(places == 0 || entries[places - 1] == 0);
	DHT_ASSERT(atomic_load(&m->heap.table_bytes) == (long)index_size_bytes(&m->ix));
}

static void check_all(const struct model *m)
{
	check_layout(m);
	for (uint32_t id = 0; id < IDS; id++) {
		if (m->location[id] != 0)
			place_of(m, id);
	}
}

static void insert(struct model *m, uint32_t id, uint32_t hash)
{
	DHT_ASSERT(index_reserve(&m->ix, &m->heap.os) == 0);
	m->hash[id] = hash;
	m->location[id] = id + 1;
	m->flags[id] = 0;
	m->count++;
	uint32_t place = index_insert(&m->ix, hash, m->location[id]);
	DHT_ASSERT(place == place_of(m, id));
}

static void erase(struct model *m, uint32_t id)
{
	index_remove(&m->ix, place_of(m, id), &m->heap.os);
	m->location[id] = 0;
	m->count--;
}

static void change(struct model *m, uint32_t id)
{
	uint32_t place = place_of(m, id);
	if (next_random(m) % 2 == 0) {
		m->flags[id] = next_random(m) % 4;
		index_set_flags(&m->ix, place, m->flags[id]);
	} else {
		m->location[id] += IDS;
		m->flags[id] = 0;
		index_replace(&m->ix, place, m->location[id]);
	}
	DHT_ASSERT(place == place_of(m, id));
}

typedef uint32_t (*hash_fn)(struct model *m);

static uint32_t hash_spread(struct model *m)
{
	return next_random(m) & HASH_LAST;
}

static uint32_t hash_of_seven(struct model *m)
{
	return next_random(m) % 7 * (HASH_LAST / 6);
}

static uint32_t hash_at_the_end(struct model *m)
{
	return HASH_LAST - next_random(m) % 3;
}

static uint32_t hash_at_the_start(struct model *m)
{
	return next_random(m) % 2;
}

static const hash_fn hashes[] = {hash_spread, hash_of_seven, hash_at_the_end, hash_at_the_start};

/* Fills for a while, then empties, and so on: `up` in 8 of the operations insert. */
static void run(struct model *m, hash_fn hash, unsigned up, unsigned operations)
{
	for (unsigned i = 0; i < operations; i++) {
		uint32_t id = next_random(m) % IDS;
		if (next_random(m) % 8 < up) {
			if (m->location[id] == 0)
				insert(m, id, hash(m));
			else
				change(m, id);
		} else if (m->location[id] != 0) {
			erase(m, id);
		}
		if (m->count < 64 || i % 64 == 0)
			check_layout(m);
	}
	check_all(m);
}

START_TEST(index_does_what_the_model_does)
{
	model_init(&model, 1 + (uint64_t)_i);
	for (unsigned round = 0; round < 3; round++) {
		run(&model, hashes[_i], 7, 6000);
		ck_assert_uint_gt(model.count, IDS / 2);
		run(&model, hashes[_i], 4, 3000);
		run(&model, hashes[_i], 0, 20000);
		ck_assert_uint_lt(model.count, IDS / 8);
	}
	model_fini(&model);
}
END_TEST

START_TEST(empty_index_has_no_memory)
{
	model_init(&model, 1);
	ck_assert_uint_eq(index_size_bytes(&model.ix), 0);
	index_prefetch(&model.ix, HASH_LAST);
	insert(&model, 5, HASH_LAST);
	ck_assert_uint_le(index_size_bytes(&model.ix), 128);
	erase(&model, 5);
	ck_assert_uint_eq(index_size_bytes(&model.ix), 0);
	check_layout(&model);
	model_fini(&model);
}
END_TEST

START_TEST(key_takes_14_bytes_at_most)
{
	enum { KEYS = 60000 };
	model_init(&model, 3);
	for (uint32_t i = 1; i <= KEYS; i++) {
		DHT_ASSERT(index_reserve(&model.ix, &model.heap.os) == 0);
		index_insert(&model.ix, hash_spread(&model), i);
		if (i >= 50)
			DHT_ASSERT(index_size_bytes(&model.ix) <= i * UINT64_C(14));
	}
	model_fini(&model);
}
END_TEST

START_TEST(equal_hashes_behind_the_last_home_grow_the_slack_alone)
{
	model_init(&model, 4);
	/* Enough homes that the load is low, then one hash at the very end. */
	for (uint32_t id = 0; id < IDS / 2; id++)
		insert(&model, id, hash_spread(&model) / 2);
	uint32_t capacity = index_capacity(&model.ix), places = index_places(&model.ix);
	for (uint32_t id = IDS / 2; model.count + 1 < capacity - capacity / 5; id++)
		insert(&model, id, HASH_LAST);
	ck_assert_uint_eq(index_capacity(&model.ix), capacity);
	ck_assert_uint_gt(index_places(&model.ix), places);
	check_all(&model);
	model_fini(&model);
}
END_TEST

/* Makes every growth fail once; the index must be as it was, and go on afterwards. */
static void insert_with_failures(hash_fn hash)
{
	uint64_t *before = calloc(4 * IDS, sizeof(*before));
	unsigned failures = 0;
	ck_assert_ptr_nonnull(before);
	for (uint32_t id = 0; id < IDS; id++) {
		uint32_t places = index_places(&model.ix);
		ck_assert_uint_le(places, 4 * IDS);
		if (places > 0)
			memcpy(before, index_entries(&model.ix), places * sizeof(*before));
		atomic_store(&model.heap.table_in, 0);
		int rc = index_reserve(&model.ix, &model.heap.os);
		atomic_store(&model.heap.table_in, HEAP_OS_NEVER);
		if (rc != 0) {
			failures++;
			ck_assert_int_eq(rc, DHT_ENOMEM);
			ck_assert_uint_eq(index_places(&model.ix), places);
			if (places > 0)
				ck_assert_mem_eq(before, index_entries(&model.ix),
						 places * sizeof(*before));
			check_layout(&model);
		}
		insert(&model, id, hash(&model));
	}
	ck_assert_uint_gt(failures, 10);
	check_all(&model);
	free(before);
}

START_TEST(failed_growth_changes_nothing)
{
	model_init(&model, 5);
	insert_with_failures(hashes[_i]);
	model_fini(&model);
}
END_TEST

int main(void)
{
	enum { SHAPES = sizeof(hashes) / sizeof(hashes[0]) };
	Suite *suite = suite_create("index");
	TCase *tcase = tcase_create("index");
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, index_does_what_the_model_does, 0, SHAPES);
	tcase_add_test(tcase, empty_index_has_no_memory);
	tcase_add_test(tcase, key_takes_14_bytes_at_most);
	tcase_add_test(tcase, equal_hashes_behind_the_last_home_grow_the_slack_alone);
	tcase_add_loop_test(tcase, failed_growth_changes_nothing, 0, SHAPES);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
