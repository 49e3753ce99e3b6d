/* SPDX-License-Identifier: Apache-2.0
 *
 * A store over real files: recovered by as many threads as there are processors, with hint
 * files and without, and read by the background while records are appended.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "helper_directory.h"
#include "store/os.h"
#include "store/os_posix.h"
#include "store/state.h"
#include "store/store.h"
#include "unit.h"

enum { BLOCKS = 64, KEYS = 2048, VALUE_MAX = 600, PUTS = 24000 };

static struct helper_directory directory;
static struct store_os_posix *posix;
static struct store *store;
static struct store_report report;
static uint64_t latest[KEYS]; /* number of the last put of a key; 0: none */
static uint64_t put_count;
static uint64_t hash_id;
static _Atomic bool has_background;

static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	(void)ctx;
	key->hash = hash_bytes(key->key.data, key->key.len);
	key->block = (uint32_t)(key->hash % blocks);
}

static void open_store(void)
{
	struct store_options options = {.blocks = BLOCKS,
					.segment_size_bytes = STORE_SEGMENT_SIZE_MIN,
					.locate = locate,
					.hash_id = hash_id,
					.report = &report};
	ck_assert_int_eq(store_os_posix_open(directory.path, &posix), 0);
	ck_assert_int_eq(store_open(&options, store_os_posix_view(posix), &store), 0);
	/* What was not read is cold until the housekeeper comes to it. */
	for (bool changed = true; changed;)
		ck_assert_int_eq(store_balance(store, &changed), 0);
}

static void close_store(void)
{
	store_close(store);
	store_os_posix_close(posix);
}

static struct store_key key_of(uint8_t id[8], uint64_t number)
{
	put_u64(id, number);
	struct store_key key = {.key = bytes_of(id, 8)};
	locate(NULL, &key, BLOCKS);
	return key;
}

static size_t value_len(uint64_t put)
{
	return put * 31 % VALUE_MAX;
}

/* What the committer does; and the background job, while that has no thread. */
static void serve(void)
{
	while (!atomic_load(&has_background) && store_wants_segment(store))
		UNIT_REQUIRE(store_prepare(store) == 0);
	UNIT_REQUIRE(store_commit(store, STORE_WRITE_ONLY) == 0);
}

static void put(uint64_t number)
{
	uint8_t id[8], value[VALUE_MAX];
	struct store_key key = key_of(id, number);
	struct ballot acc = ballot_make(1, ++put_count, 1);
	struct record rec = {.acc = acc, .ver = acc, .key = key.key};
	struct store_hit hit;
	uint64_t end;
	int rc;
	memset(value, (int)(put_count % 251), sizeof(value));
	rec.value = bytes_of(value, value_len(put_count));
	(void)store_find(store, &key, NULL, &hit);
	while ((rc = store_put(store, 0, &key, &hit, &rec, &end)) == DHT_EAGAIN)
		serve();
	UNIT_REQUIRE(rc == 0);
	latest[number] = put_count;
}

static void check_all(void)
{
	uint64_t live = 0;
	for (uint64_t number = 0; number < KEYS; number++) {
		uint8_t id[8];
		struct store_key key = key_of(id, number);
		struct store_hit hit;
		enum store_found found = store_find(store, &key, NULL, &hit);
		UNIT_REQUIRE((found == STORE_FOUND) == (latest[number] != 0));
		if (found != STORE_FOUND)
			continue;
		live++;
		UNIT_REQUIRE(ballot_counter(hit.record.acc) == latest[number]);
		UNIT_REQUIRE(hit.record.value.len == value_len(latest[number]));
		for (size_t i = 0; i < hit.record.value.len; i++)
			UNIT_REQUIRE(hit.record.value.data[i] == latest[number] % 251);
	}
	UNIT_REQUIRE(live == report.keys);
}

/* Old segments keep some keys: the higher the number, the more often it is put. */
static void put_some(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		put(((put_count * 2654435761u >> 7) % KEYS) | (i % 3 == 0 ? 0 : KEYS / 2));
		if (i % 100 == 0)
			serve();
	}
	UNIT_REQUIRE(store_commit(store, STORE_SYNC) == 0);
}

static uint32_t unverified_segments(void)
{
	uint32_t count = 0;
	for (uint32_t slot = 0; slot < store->segs.slots_used; slot++)
		count += segment_is_unverified(&store->segs, slot);
	return count;
}

static void *work_in_background(void *arg)
{
	struct store_report found;
	while (atomic_load(&has_background) || store_wants_background(store)) {
		if (store_wants_segment(store))
			UNIT_REQUIRE(store_prepare(store) == 0);
		else if (store_wants_background(store))
			UNIT_REQUIRE(store_background(store, &found) == 0);
	}
	return NULL;
}

START_TEST(background_and_recovery_by_several_threads)
{
	pthread_t thread;
	helper_directory_make(&directory);
	open_store();
	atomic_store(&has_background, true);
	ck_assert_int_eq(pthread_create(&thread, NULL, work_in_background, NULL), 0);
	put_some(PUTS);
	atomic_store(&has_background, false);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	close_store();

	open_store();
	check_all();
	ck_assert_uint_gt(unverified_segments(), 1);
	/* Of what was read nothing is suspect, and the background is done with the rest. */
	struct store_report found;
	while (store_wants_background(store))
		ck_assert_int_eq(store_background(store, &found), 0);
	ck_assert_uint_eq(unverified_segments(), 0);
	put_some(1000);
	close_store();

	hash_id = 1; /* none of the hints is used */
	open_store();
	check_all();
	ck_assert_uint_eq(unverified_segments(), 0);
	close_store();
	helper_directory_remove(&directory);
}
END_TEST

UNIT_MAIN("store_posix", 120, background_and_recovery_by_several_threads)
