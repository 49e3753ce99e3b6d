/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "helper_store_os.h"
#include "store/store.h"
#include "unit.h"

enum { BLOCKS = 64, SEGMENT = 1 << 20 };

static struct heap_os heap;

static struct store *open_store(long segments)
{
	struct store_options options = {BLOCKS, SEGMENT};
	struct store *store;
	heap_os_init(&heap);
	atomic_store(&heap.segments_max, segments);
	ck_assert_int_eq(store_open(&options, &heap.os, &store), 0);
	return store;
}

static void close_store(struct store *store)
{
	store_close(store);
	heap_os_fini(&heap);
}

static struct store_key key_of(const char *text)
{
	struct bytes key = bytes_of(text, strlen(text));
	uint64_t hash = hash_bytes(key.data, key.len);
	return (struct store_key){key, hash, (uint32_t)(hash % BLOCKS)};
}

static uint64_t counter;

static int put(struct store *store, const char *key, const void *value, size_t len)
{
	struct store_key k = key_of(key);
	struct store_hit hit;
	uint64_t end;
	store_find(store, &k, NULL, &hit);
	struct record r = {.kind = RECORD_VALUE, .acc = ballot_make(0, ++counter, 0), .key = k.key};
	r.ver = r.acc;
	r.value = bytes_of(value, len);
	return store_put(store, 0, &k, &hit, &r, &end);
}

static int erase(struct store *store, const char *key)
{
	struct store_key k = key_of(key);
	struct store_hit hit;
	uint64_t end;
	if (store_find(store, &k, NULL, &hit) == STORE_ABSENT)
		return DHT_ENOTFOUND;
	return store_erase(store, 0, &k, &hit, ballot_make(0, ++counter, 0), &end);
}

START_TEST(store_agrees_with_an_array)
{
	enum { KEYS = 500, STEPS = 60000 };
	struct store *store = open_store(1000);
	int lengths[KEYS];
	memset(lengths, -1, sizeof(lengths));
	uint8_t value[600];
	unsigned seed = 3, live = 0;
	uint64_t bytes = 0;
	for (int step = 0; step < STEPS; step++) {
		seed = seed * 1103515245 + 12345;
		int i = (int)(seed >> 8) % KEYS;
		char key[16];
		snprintf(key, sizeof(key), "key:%d", i);
		if ((seed >> 4) % 4 == 0) {
			ck_assert_int_eq(erase(store, key), lengths[i] < 0 ? DHT_ENOTFOUND : 0);
			if (lengths[i] >= 0) {
				live--;
				bytes -= (uint64_t)lengths[i] + strlen(key);
			}
			lengths[i] = -1;
		} else {
			int len = (int)(seed >> 18) % 600;
			memset(value, i, sizeof(value));
			ck_assert_int_eq(put(store, key, value, (size_t)len), 0);
			bytes += (uint64_t)len + strlen(key);
			if (lengths[i] >= 0)
				bytes -= (uint64_t)lengths[i] + strlen(key);
			else
				live++;
			lengths[i] = len;
		}
		struct store_key k = key_of(key);
		struct store_hit hit;
		enum store_found found = store_find(store, &k, NULL, &hit);
		ck_assert_int_eq(found, lengths[i] < 0 ? STORE_ABSENT : STORE_FOUND);
		if (found == STORE_FOUND) {
			ck_assert_int_eq((int)hit.record.value.len, lengths[i]);
			for (int b = 0; b < lengths[i]; b++)
				UNIT_REQUIRE(hit.record.value.data[b] == (uint8_t)i);
		}
	}
	struct store_counts counts;
	store_count(store, &counts);
	ck_assert_uint_eq(counts.keys, live);
	ck_assert_uint_eq(counts.bytes, bytes);
	ck_assert_uint_eq(counts.tombstones, 0);
	/* 60,000 records of 330 bytes would be 19 segments: dead ones were given back. */
	ck_assert_uint_lt(counts.segments, 5);
	close_store(store);
}
END_TEST

START_TEST(a_full_log_refuses_and_changes_nothing_and_recovers)
{
	static uint8_t value[100000];
	struct store *store = open_store(3);
	char key[16];
	int stored = 0, rc;
	do {
		snprintf(key, sizeof(key), "k%d", stored);
		rc = put(store, key, value, sizeof(value));
		if (rc == 0)
			stored++;
	} while (rc == 0);
	ck_assert_int_eq(rc, DHT_ENOSPC);
	ck_assert_int_eq(stored, 30); /* ten to a segment */
	struct store_counts counts;
	store_count(store, &counts);
	ck_assert_uint_eq(counts.keys, (unsigned)stored);
	ck_assert_int_eq(put(store, "k0", value, sizeof(value)), DHT_ENOSPC);
	struct store_key k = key_of(key);
	struct store_hit hit;
	ck_assert_int_eq(store_find(store, &k, NULL, &hit), STORE_ABSENT);
	atomic_fetch_add(&heap.segments_max, 1);
	ck_assert_int_eq(put(store, key, value, sizeof(value)), 0);
	ck_assert_int_eq(store_find(store, &k, NULL, &hit), STORE_FOUND);
	close_store(store);
}
END_TEST

START_TEST(a_record_larger_than_a_segment_is_refused)
{
	struct store *store = open_store(5);
	uint8_t *value = calloc(1, SEGMENT);
	ck_assert_int_eq(put(store, "large", value, SEGMENT), DHT_ETOOBIG);
	ck_assert_int_eq(put(store, "large", value, SEGMENT - 200), 0);
	free(value);
	close_store(store);
}
END_TEST

START_TEST(a_pinned_segment_outlives_its_records)
{
	static uint8_t value[50000];
	struct store *store = open_store(50);
	memset(value, 7, sizeof(value));
	ck_assert_int_eq(put(store, "pinned", value, sizeof(value)), 0);
	struct store_key k = key_of("pinned");
	struct store_hit hit;
	ck_assert_int_eq(store_find(store, &k, NULL, &hit), STORE_FOUND);
	store_pin(store, hit.location);
	memset(value, 8, sizeof(value));
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(put(store, "pinned", value, sizeof(value)), 0);
	for (size_t i = 0; i < hit.record.value.len; i++)
		UNIT_REQUIRE(hit.record.value.data[i] == 7);
	struct store_counts before, after;
	store_count(store, &before);
	store_unpin(store, hit.location);
	for (int i = 0; i < 60; i++)
		ck_assert_int_eq(put(store, "pinned", value, sizeof(value)), 0);
	store_count(store, &after);
	ck_assert_uint_lt(after.segments, before.segments);
	close_store(store);
}
END_TEST

START_TEST(flags_stay_with_an_entry_until_its_record_changes)
{
	struct store *store = open_store(5);
	ck_assert_int_eq(put(store, "a", "1", 1), 0);
	struct store_key k = key_of("a");
	struct store_hit hit;
	store_find(store, &k, NULL, &hit);
	ck_assert(!hit.hot && !hit.promised);
	store_set_flags(store, &k, &hit, true, true);
	store_find(store, &k, NULL, &hit);
	ck_assert(hit.hot && hit.promised);
	ck_assert_int_eq(put(store, "a", "2", 1), 0);
	store_find(store, &k, NULL, &hit);
	ck_assert(!hit.hot && !hit.promised);
	close_store(store);
}
END_TEST

/* ---- Scans ----------------------------------------------------------------------- */

enum { STAYING = 3000 };
static int seen[STAYING];

static void mark(void *ctx, uint32_t block, enum store_found found, const struct store_hit *hit)
{
	int n;
	char key[16] = "";
	ck_assert_int_eq(found, STORE_FOUND);
	memcpy(key, hit->record.key.data, hit->record.key.len);
	if (sscanf(key, "stay%d", &n) == 1)
		seen[n]++;
}

/* Between any two steps of a scan others put and erase so much that every index grows
 * and shrinks. */
START_TEST(scan_reports_every_key_that_stays)
{
	struct store *store = open_store(1000);
	char key[16];
	for (int i = 0; i < STAYING; i++) {
		snprintf(key, sizeof(key), "stay%d", i);
		ck_assert_int_eq(put(store, key, "v", 1), 0);
	}
	memset(seen, 0, sizeof(seen));
	int next = 0, gone = 0;
	for (uint32_t block = 0; block < BLOCKS; block++) {
		uint32_t from = 0;
		while (from < STORE_HASH_END) {
			from = store_scan(store, block, from, 3, mark, NULL);
			for (int i = 0; i < 40; i++) {
				snprintf(key, sizeof(key), "go%d", next++);
				ck_assert_int_eq(put(store, key, "v", 1), 0);
			}
			for (int i = 0; block % 2 == 1 && i < 60 && gone < next; i++) {
				snprintf(key, sizeof(key), "go%d", gone++);
				ck_assert_int_eq(erase(store, key), 0);
			}
		}
	}
	for (int i = 0; i < STAYING; i++)
		ck_assert_int_eq(seen[i], 1);
	close_store(store);
}
END_TEST

/* ---- Threads --------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 20000, SHARED_KEYS = 997 };
static pthread_mutex_t locks[BLOCKS];
static struct store *shared;
static _Atomic uint64_t draws;
static _Atomic bool stop;

static void check_value(const struct record *r)
{
	for (size_t i = 1; i < r->value.len; i++)
		UNIT_REQUIRE(r->value.data[i] == r->value.data[0]);
}

static void *write_many(void *arg)
{
	unsigned appender = (unsigned)(uintptr_t)arg, seed = appender + 1;
	uint8_t value[400];
	for (int round = 0; round < ROUNDS; round++) {
		seed = seed * 1103515245 + 12345;
		char key[16];
		snprintf(key, sizeof(key), "k%u", (seed >> 8) % SHARED_KEYS);
		struct store_key k = key_of(key);
		struct store_hit hit;
		uint64_t end, before = store_durable(shared);
		memset(value, (int)(seed >> 20), sizeof(value));
		pthread_mutex_lock(&locks[k.block]);
		if (store_find(shared, &k, NULL, &hit) == STORE_FOUND)
			check_value(&hit.record);
		struct record r = {.kind = RECORD_VALUE,
				   .acc = ballot_make(0, atomic_fetch_add(&draws, 1) + 1, 0),
				   .key = k.key,
				   .value = bytes_of(value, (seed >> 12) % sizeof(value))};
		r.ver = r.acc;
		int rc = store_put(shared, appender, &k, &hit, &r, &end);
		pthread_mutex_unlock(&locks[k.block]);
		UNIT_REQUIRE(rc == 0);
		/* What another thread has not copied yet bounds the mark, and it never
		 * goes back. */
		UNIT_REQUIRE(end >= before);
	}
	return NULL;
}

static void *watch_mark(void *arg)
{
	uint64_t last = 0;
	while (!atomic_load(&stop)) {
		uint64_t mark_now = store_durable(shared);
		UNIT_REQUIRE(mark_now >= last);
		last = mark_now;
	}
	return NULL;
}

START_TEST(threads_append_side_by_side)
{
	shared = open_store(1000);
	for (int i = 0; i < BLOCKS; i++)
		pthread_mutex_init(&locks[i], NULL);
	pthread_t threads[THREADS], watcher;
	pthread_create(&watcher, NULL, watch_mark, NULL);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, write_many, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&stop, true);
	pthread_join(watcher, NULL);
	struct store_counts counts;
	store_count(shared, &counts);
	ck_assert_uint_eq(counts.keys, SHARED_KEYS);
	uint64_t live = 0;
	for (int i = 0; i < SHARED_KEYS; i++) {
		char key[16];
		snprintf(key, sizeof(key), "k%d", i);
		struct store_key k = key_of(key);
		struct store_hit hit;
		ck_assert_int_eq(store_find(shared, &k, NULL, &hit), STORE_FOUND);
		check_value(&hit.record);
		live += record_size(&hit.record);
	}
	ck_assert_uint_eq(counts.live_bytes, live);
	close_store(shared);
}
END_TEST

UNIT_MAIN("store", 120, store_agrees_with_an_array,
	  a_full_log_refuses_and_changes_nothing_and_recovers,
	  a_record_larger_than_a_segment_is_refused, a_pinned_segment_outlives_its_records,
	  flags_stay_with_an_entry_until_its_record_changes, scan_reports_every_key_that_stays,
	  threads_append_side_by_side)
