/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
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
	struct store_options options = {.blocks = BLOCKS, .segment_size_bytes = SEGMENT};
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
	return store_erase(store, 0, &k, &hit, &end);
}

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
			from = store_scan(store, block, from, 3, NULL, mark, NULL);
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

UNIT_MAIN("store_scan", 60, flags_stay_with_an_entry_until_its_record_changes,
	  scan_reports_every_key_that_stays)
