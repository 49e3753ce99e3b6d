/* SPDX-License-Identifier: Apache-2.0
 *
 * store/store against a model: puts of values and tombstones, erasures, flags and scans,
 * every allocation failing once; then the same keys from several threads.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "helper_store_os.h"
#include "store/store.h"
#include "unit.h"

enum { BLOCKS = 64, KEYS = 700, KEY_SIZE = 8, VALUE_MAX = 5000, THREADS = 4 };

/* What the store should hold of a key. */
struct expected {
	bool present;
	enum record_kind kind;
	uint32_t seed; /* of the value's bytes */
	size_t len;
	struct ballot acc;
	uint64_t expires_ms;
	bool promised, hot;
};

static struct heap_os heap;
static struct store *store;
static struct expected expected[KEYS];
static uint8_t names[KEYS][KEY_SIZE];
static pthread_mutex_t locks[BLOCKS];

static void setup(void)
{
	struct store_options options = {
	    .blocks = BLOCKS,
	    .segment_size_bytes = STORE_SEGMENT_SIZE_MIN,
	};
	heap_os_init(&heap);
	ck_assert_int_eq(store_open(&options, &heap.os, &store), 0);
	memset(expected, 0, sizeof(expected));
	for (uint32_t id = 0; id < KEYS; id++)
		put_u64(names[id], id * UINT64_C(0x9e3779b97f4a7c15));
	for (unsigned i = 0; i < BLOCKS; i++)
		pthread_mutex_init(&locks[i], NULL);
}

static void teardown(void)
{
	store_close(store);
	heap_os_fini(&heap);
}

static uint32_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

/* One key in eight shares its hash with others of its block. */
static struct store_key key_of(uint32_t id)
{
	struct bytes key = bytes_of(names[id], KEY_SIZE);
	uint64_t hash = id % 8 == 0 ? UINT64_MAX - id % 3 : hash_bytes(key.data, key.len);
	return (struct store_key){.key = key, .hash = hash, .block = id % BLOCKS};
}

static void fill(uint8_t *value, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++)
		value[i] = (uint8_t)(seed + i * 31);
}

static bool is_filled(struct bytes value, uint32_t seed)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] != (uint8_t)(seed + i * 31))
			return false;
	}
	return true;
}

static void check_hit(uint32_t id, const struct store_hit *hit)
{
	const struct expected *e = &expected[id];
	const struct record *rec = &hit->record;
	UNIT_REQUIRE(hit->location != 0);
	UNIT_REQUIRE(hit->promised == e->promised && hit->hot == e->hot);
	UNIT_REQUIRE(rec->kind == e->kind && ballot_equal(rec->acc, e->acc));
	UNIT_REQUIRE(bytes_equal(rec->key, bytes_of(names[id], KEY_SIZE)));
	UNIT_REQUIRE(rec->value.len == e->len && is_filled(rec->value, e->seed));
	UNIT_REQUIRE(rec->expires_ms == e->expires_ms);
}

static void find(uint32_t id, struct store_hit *hit)
{
	struct store_key key = key_of(id);
	enum store_found found = store_find(store, &key, NULL, hit);
	UNIT_REQUIRE(found == (expected[id].present ? STORE_FOUND : STORE_ABSENT));
	if (found == STORE_FOUND)
		check_hit(id, hit);
	else
		UNIT_REQUIRE(hit->location == 0 && !hit->promised && !hit->hot);
}

/* Puts what `to` says. On success the model is changed and the hit checked. */
static int put(unsigned appender, uint32_t id, struct expected to)
{
	uint8_t value[VALUE_MAX];
	struct store_key key = key_of(id);
	struct store_hit hit;
	uint64_t end = 0;
	find(id, &hit);
	fill(value, to.len, to.seed);
	struct record rec = {
	    .kind = to.kind,
	    .acc = to.acc,
	    .ver = to.acc,
	    .expires_ms = to.expires_ms,
	    .key = key.key,
	    .value = bytes_of(value, to.len),
	};
	int rc = store_put(store, appender, &key, &hit, &rec, &end);
	if (rc == 0) {
		expected[id] = to;
		check_hit(id, &hit);
		UNIT_REQUIRE(end <= store_durable(store));
	} else {
		UNIT_REQUIRE(end == 0);
	}
	find(id, &hit);
	return rc;
}

static int erase(unsigned appender, uint32_t id)
{
	struct store_key key = key_of(id);
	struct store_hit hit;
	uint64_t end = 0;
	find(id, &hit);
	int rc = store_erase(store, appender, &key, &hit, &end);
	UNIT_REQUIRE((rc == 0) == (end != 0) && (rc == 0) == (hit.location == 0));
	if (rc == 0)
		expected[id] = (struct expected){0};
	find(id, &hit);
	return rc;
}

static void drop(uint32_t block, uint64_t epoch)
{
	uint64_t end = 0;
	UNIT_REQUIRE(store_drop(store, 0, block, epoch, &end) == 0 && end != 0);
	for (uint32_t id = block; id < KEYS; id += BLOCKS) {
		struct store_hit hit;
		expected[id] = (struct expected){0};
		find(id, &hit);
		UNIT_REQUIRE(store_rests_on(store, block, &hit) == end);
	}
}

static void set_flags(uint32_t id, uint32_t flags)
{
	struct store_key key = key_of(id);
	struct store_hit hit;
	find(id, &hit);
	expected[id].promised = flags & 1;
	expected[id].hot = flags & 2;
	store_set_flags(store, &key, &hit, flags & 1, flags & 2);
	check_hit(id, &hit);
}

static struct expected draw(uint64_t *random, uint64_t counter)
{
	bool is_value = next_random(random) % 5 != 0;
	return (struct expected){
	    .present = true,
	    .kind = is_value ? RECORD_VALUE : RECORD_TOMBSTONE,
	    .seed = next_random(random),
	    .len = is_value ? next_random(random) % VALUE_MAX : 0,
	    .expires_ms = is_value ? next_random(random) % 2 : 0,
	    .acc = ballot_make(1, counter, 1),
	};
}

/* One random operation on a key whose block is locked. Returns its result. */
static int step(unsigned appender, uint32_t id, uint64_t *random, uint64_t counter)
{
	uint32_t choice = next_random(random) % 10;
	if (choice < 5)
		return put(appender, id, draw(random, counter));
	if (!expected[id].present)
		return 0;
	if (choice < 8)
		return erase(appender, id);
	set_flags(id, next_random(random) % 4);
	return 0;
}

/* The counters are what the model says; nothing else runs. */
static void check_counts(void)
{
	struct store_counts counts, sum = {0};
	uint32_t expiring[BLOCKS] = {0};
	store_count(store, &counts);
	for (uint32_t id = 0; id < KEYS; id++) {
		const struct expected *e = &expected[id];
		if (!e->present)
			continue;
		sum.live_bytes += RECORD_FIXED + KEY_SIZE + e->len;
		if (e->expires_ms != 0) {
			sum.live_bytes += RECORD_EXPIRY_SIZE;
			sum.expiring++;
			expiring[id % BLOCKS]++;
		}
		if (e->kind == RECORD_VALUE) {
			sum.keys++;
			sum.bytes += KEY_SIZE + e->len;
		} else {
			sum.tombstones++;
		}
	}
	UNIT_REQUIRE(counts.keys == sum.keys && counts.tombstones == sum.tombstones);
	UNIT_REQUIRE(counts.bytes == sum.bytes && counts.live_bytes == sum.live_bytes);
	UNIT_REQUIRE(counts.expiring == sum.expiring);
	for (uint32_t block = 0; block < BLOCKS; block++)
		UNIT_REQUIRE(store_expiring(store, block) == expiring[block]);
	UNIT_REQUIRE(counts.index_bytes == (uint64_t)atomic_load(&heap.table_bytes));
	UNIT_REQUIRE(counts.segments == (uint64_t)atomic_load(&heap.segments));
	uint64_t held = counts.live_bytes + counts.dead_bytes;
	UNIT_REQUIRE(held <= counts.segments * STORE_SEGMENT_SIZE_MIN);
}

/* ---- Scans ----------------------------------------------------------------------- */

static unsigned visits[KEYS];

static void visit(void *ctx, uint32_t block, enum store_found found, const struct store_hit *hit)
{
	unsigned *visited = ctx;
	uint32_t id = 0;
	UNIT_REQUIRE(found == STORE_FOUND);
	while (!bytes_equal(hit->record.key, bytes_of(names[id], KEY_SIZE)))
		id++;
	UNIT_REQUIRE(expected[id].present && id % BLOCKS == block);
	check_hit(id, hit);
	visits[id]++;
	*visited += 1;
}

/* Scans everything in steps of `max`: each entry is visited once. */
static void check_scan(unsigned max)
{
	memset(visits, 0, sizeof(visits));
	for (uint32_t block = 0; block < BLOCKS; block++) {
		uint32_t from = 0;
		while (from < STORE_HASH_END) {
			unsigned visited = 0;
			uint32_t next = store_scan(store, block, from, max, NULL, visit, &visited);
			UNIT_REQUIRE(next > from);
			UNIT_REQUIRE(visited >= max || next == STORE_HASH_END);
			from = next;
		}
	}
	for (uint32_t id = 0; id < KEYS; id++)
		UNIT_REQUIRE(visits[id] == (expected[id].present ? 1 : 0));
}

/* The tombstones of a block are visited, once each, and nothing else. */
static void check_scan_of_tombstones(unsigned max)
{
	uint32_t tombstones[BLOCKS] = {0};
	memset(visits, 0, sizeof(visits));
	for (uint32_t id = 0; id < KEYS; id++)
		tombstones[id % BLOCKS] +=
		    expected[id].present && expected[id].kind == RECORD_TOMBSTONE;
	for (uint32_t block = 0; block < BLOCKS; block++) {
		uint32_t from = 0;
		unsigned visited = 0;
		while (from < STORE_HASH_END)
			from =
			    store_scan_tombstones(store, block, from, max, NULL, visit, &visited);
		UNIT_REQUIRE(visited == tombstones[block]);
		UNIT_REQUIRE(store_tombstones(store, block) == tombstones[block]);
	}
	for (uint32_t id = 0; id < KEYS; id++)
		UNIT_REQUIRE(visits[id] ==
			     (expected[id].present && expected[id].kind == RECORD_TOMBSTONE));
}

/* ---- Digests --------------------------------------------------------------------- */

static struct store_digest digest_of(uint32_t block, uint32_t from, uint32_t until)
{
	struct store_digest digest;
	UNIT_REQUIRE(store_digest(store, block, from, until, UINT32_MAX, NULL, &digest) == until);
	UNIT_REQUIRE(digest.found == STORE_FOUND && digest.cold_count == 0);
	return digest;
}

/* The parts of a block add up to the whole, whatever the steps and the bound. */
static void check_digests(unsigned max)
{
	for (uint32_t block = 0; block < BLOCKS; block++) {
		struct store_digest whole = digest_of(block, 0, STORE_HASH_END);
		uint64_t count = 0, sum = 0, present = 0;
		for (uint32_t id = block; id < KEYS; id += BLOCKS)
			present += expected[id].present;
		UNIT_REQUIRE(whole.count == present);
		for (uint32_t from = 0; from < STORE_HASH_END;) {
			struct store_digest step, range;
			uint32_t until =
			    from < STORE_HASH_END / 3 ? STORE_HASH_END / 3 : STORE_HASH_END;
			uint32_t next = store_digest(store, block, from, until, max, NULL, &step);
			UNIT_REQUIRE(next > from && next <= until);
			UNIT_REQUIRE(step.count >= max || next == until);
			range = digest_of(block, from, next);
			UNIT_REQUIRE(range.count == step.count && range.sum == step.sum);
			count += step.count;
			sum += step.sum;
			from = next;
		}
		UNIT_REQUIRE(count == whole.count && sum == whole.sum);
	}
}

START_TEST(digest_changes_with_every_acc)
{
	uint64_t random = 8;
	for (uint32_t id = 0; id < KEYS; id++)
		UNIT_REQUIRE(put(0, id, draw(&random, id + 1)) == 0);
	for (uint32_t id = 0; id < KEYS; id++) {
		uint32_t block = id % BLOCKS;
		struct store_digest before = digest_of(block, 0, STORE_HASH_END);
		struct expected is = expected[id], other = is;
		other.acc.version++;
		UNIT_REQUIRE(put(0, id, other) == 0);
		UNIT_REQUIRE(digest_of(block, 0, STORE_HASH_END).sum != before.sum);
		/* Other bytes of the same acc do not occur. Where it lies does not matter. */
		UNIT_REQUIRE(put(0, id, is) == 0);
		UNIT_REQUIRE(digest_of(block, 0, STORE_HASH_END).sum == before.sum);
	}
	for (unsigned max = 1; max < 12; max++)
		check_digests(max);
}
END_TEST

START_TEST(store_does_what_the_model_does)
{
	enum { STEPS = 30000 };
	uint64_t random = 1;
	for (uint32_t i = 1; i <= STEPS; i++) {
		UNIT_REQUIRE(step(0, next_random(&random) % KEYS, &random, i) == 0);
		if (i % 700 == 0)
			drop(next_random(&random) % BLOCKS, i);
		if (i % 1000 == 0) {
			check_counts();
			check_scan(1 + i / 1000);
			check_scan_of_tombstones(1 + i / 1000);
			check_digests(1 + i / 1000);
		}
	}
	for (uint32_t id = 0; id < KEYS; id++) {
		if (expected[id].present)
			UNIT_REQUIRE(erase(0, id) == 0);
	}
	check_counts();
	/* The last segment, and the one after it. */
	ck_assert_int_le(atomic_load(&heap.segments), 2);
	ck_assert_int_eq(atomic_load(&heap.table_bytes), 0);
}
END_TEST

/* Equal hashes are never split, however small the step. */
START_TEST(scan_visits_equal_hashes_together)
{
	uint64_t random = 2;
	unsigned equal = 0, visited = 0;
	for (uint32_t id = 0; id < KEYS; id++) {
		UNIT_REQUIRE(put(0, id, draw(&random, id + 1)) == 0);
		equal += id % BLOCKS == 0;
	}
	uint32_t last = STORE_HASH_END - 1;
	ck_assert_uint_eq(store_scan(store, 0, last, 1, NULL, visit, &visited), STORE_HASH_END);
	ck_assert_uint_eq(visited, equal);
	visited = 0;
	ck_assert_uint_eq(store_scan(store, 0, STORE_HASH_END, 1, NULL, visit, &visited),
			  STORE_HASH_END);
	ck_assert_uint_eq(visited, 0);
}
END_TEST

/* ---- Failures -------------------------------------------------------------------- */

/* Each call that needs memory is refused it first: it says so, nothing has changed, and
 * it succeeds when there is memory. */
START_TEST(failed_allocation_changes_nothing)
{
	enum { STEPS = 12000 };
	uint64_t random = 3;
	unsigned no_memory = 0, no_space = 0;
	for (uint32_t i = 1; i <= STEPS; i++) {
		uint32_t id = next_random(&random) % KEYS;
		uint64_t again = random;
		atomic_store(&heap.table_in, 0);
		atomic_store(&heap.segment_in, 0);
		int rc = step(0, id, &random, i);
		atomic_store(&heap.table_in, HEAP_OS_NEVER);
		atomic_store(&heap.segment_in, HEAP_OS_NEVER);
		if (rc == 0)
			continue;
		UNIT_REQUIRE(rc == DHT_ENOMEM || rc == DHT_ENOSPC);
		no_memory += rc == DHT_ENOMEM;
		no_space += rc == DHT_ENOSPC;
		check_counts();
		random = again;
		UNIT_REQUIRE(step(0, id, &random, i) == 0);
	}
	check_scan(7);
	ck_assert_uint_gt(no_memory, 50);
	ck_assert_uint_gt(no_space, 5);
}
END_TEST

START_TEST(opening_fails_without_memory_for_a_segment)
{
	struct store_options options = {
	    .blocks = BLOCKS,
	    .segment_size_bytes = STORE_SEGMENT_SIZE_MIN,
	};
	struct heap_os poor;
	struct store *none = NULL;
	heap_os_init(&poor);
	atomic_store(&poor.segments_max, 0);
	ck_assert_int_eq(store_open(&options, &poor.os, &none), DHT_ENOSPC);
	ck_assert_ptr_null(none);
	heap_os_fini(&poor);
}
END_TEST

START_TEST(full_store_takes_writes_again_when_something_was_erased)
{
	uint64_t random = 4;
	uint32_t stored = 0;
	atomic_store(&heap.segments_max, 3);
	for (int rc = 0; rc == 0;) {
		struct expected to = draw(&random, stored + 1);
		to.kind = RECORD_VALUE;
		to.len = VALUE_MAX;
		ck_assert_uint_lt(stored, KEYS);
		rc = put(0, stored, to);
		ck_assert(rc == 0 || rc == DHT_ENOSPC);
		stored += rc == 0;
	}
	check_counts();
	/* Erasing appends too: it takes one segment more, and gives back others. */
	atomic_store(&heap.segments_max, 4);
	for (uint32_t id = 0; id < stored / 2; id++)
		ck_assert_int_eq(erase(0, id), 0);
	check_counts();
	ck_assert_int_lt(atomic_load(&heap.segments), 4);
	for (uint32_t id = 0; id < stored / 3; id++)
		ck_assert_int_eq(put(0, id, expected[stored - 1]), 0);
	check_counts();
}
END_TEST

/* ---- Records that are replaced --------------------------------------------------- */

START_TEST(record_may_be_put_from_the_one_it_replaces)
{
	uint64_t random = 5, end;
	struct store_key key = key_of(1);
	struct store_hit hit;
	ck_assert_int_eq(put(0, 1, draw(&random, 1)), 0);
	for (uint32_t i = 2; i < 2000; i++) {
		find(1, &hit);
		struct record rec = hit.record;
		rec.acc = ballot_make(1, i, 1);
		rec.ver = rec.acc;
		ck_assert_int_eq(store_put(store, 0, &key, &hit, &rec, &end), 0);
		expected[1].acc = rec.acc;
		check_hit(1, &hit);
	}
	check_counts();
}
END_TEST

START_TEST(pinned_record_outlives_its_replacement)
{
	uint64_t random = 6;
	struct store_hit hit;
	ck_assert_int_eq(put(0, 1, (struct expected){.present = true, .seed = 9, .len = 4000}), 0);
	find(1, &hit);
	store_pin(store, hit.location);
	for (uint32_t i = 0; i < 2000; i++)
		ck_assert_int_eq(put(0, 1, draw(&random, i + 1)), 0);
	ck_assert_int_le(atomic_load(&heap.segments), 3);
	ck_assert(is_filled(hit.record.value, 9));
	long with_pin = atomic_load(&heap.segments);
	store_unpin(store, hit.location);
	ck_assert_int_eq(atomic_load(&heap.segments), with_pin - 1);
}
END_TEST

START_TEST(prefetching_changes_nothing)
{
	uint64_t random = 7;
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t id = 0; id < KEYS; id++) {
			struct store_key key = key_of(id);
			store_prefetch_index(store, &key);
			store_prefetch_record(store, &key);
			if (round == 0 && id % 3 != 0)
				UNIT_REQUIRE(put(0, id, draw(&random, id + 1)) == 0);
		}
	}
	check_counts();
}
END_TEST

/* ---- Threads --------------------------------------------------------------------- */

/* Reads a value that it pinned, after the lock was given back. */
static void read_pinned(uint32_t id)
{
	struct store_hit hit;
	find(id, &hit);
	struct expected then = expected[id];
	if (then.present)
		store_pin(store, hit.location);
	pthread_mutex_unlock(&locks[id % BLOCKS]);
	if (then.present) {
		UNIT_REQUIRE(hit.record.value.len == then.len);
		UNIT_REQUIRE(is_filled(hit.record.value, then.seed));
		store_unpin(store, hit.location);
	}
}

static void *work(void *arg)
{
	enum { STEPS = 6000 };
	unsigned appender = (unsigned)(uintptr_t)arg;
	uint64_t random = 100 + appender;
	for (uint32_t i = 1; i <= STEPS; i++) {
		uint32_t id = next_random(&random) % KEYS;
		struct store_key key = key_of(id);
		store_prefetch_index(store, &key);
		pthread_mutex_lock(&locks[key.block]);
		store_prefetch_record(store, &key);
		if (i % 3 == 0) {
			read_pinned(id);
			continue;
		}
		int rc = step(appender, id, &random, (uint64_t)i * THREADS + appender);
		pthread_mutex_unlock(&locks[key.block]);
		UNIT_REQUIRE(rc == 0);
	}
	return NULL;
}

static void *count_along(void *arg)
{
	_Atomic bool *finished = arg;
	while (!atomic_load(finished)) {
		struct store_counts counts;
		store_count(store, &counts);
		UNIT_REQUIRE(counts.segments <= 100);
	}
	return NULL;
}

START_TEST(threads_leave_what_the_model_says)
{
	pthread_t threads[THREADS], counter;
	_Atomic bool finished = false;
	ck_assert_int_eq(pthread_create(&counter, NULL, count_along, &finished), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, work, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&finished, true);
	pthread_join(counter, NULL);
	check_counts();
	check_scan(5);
	for (uint32_t id = 0; id < KEYS; id++) {
		if (expected[id].present)
			UNIT_REQUIRE(erase(0, id) == 0);
	}
	check_counts();
	ck_assert_int_le(atomic_load(&heap.segments), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_model");
	TCase *tcase = tcase_create("store_model");
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, store_does_what_the_model_does);
	tcase_add_test(tcase, digest_changes_with_every_acc);
	tcase_add_test(tcase, scan_visits_equal_hashes_together);
	tcase_add_test(tcase, failed_allocation_changes_nothing);
	tcase_add_test(tcase, opening_fails_without_memory_for_a_segment);
	tcase_add_test(tcase, full_store_takes_writes_again_when_something_was_erased);
	tcase_add_test(tcase, record_may_be_put_from_the_one_it_replaces);
	tcase_add_test(tcase, pinned_record_outlives_its_replacement);
	tcase_add_test(tcase, prefetching_changes_nothing);
	tcase_add_test(tcase, threads_leave_what_the_model_says);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
