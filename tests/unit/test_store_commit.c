/* SPDX-License-Identifier: Apache-2.0
 *
 * store_commit and store_prepare: what is durable when, files that are used again, a full
 * disk, a failing one, and appenders that never wait for the committer.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "helper_disk.h"
#include "store/store.h"
#include "unit.h"

enum { BLOCKS = 64, SIZE = STORE_SEGMENT_SIZE_MIN, LARGE = 100000 };

static struct helper_disk disk;
static struct store *store;
static struct store_report report;

static void *table_resize(void *ctx, void *table, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)old_size;
	if (new_size == 0) {
		free(table);
		return NULL;
	}
	return realloc(table, new_size);
}

static void segment_touch(void *ctx, uint8_t *memory, size_t size)
{
	ck_assert_ptr_eq(ctx, &disk);
	ck_assert_ptr_nonnull(memory);
	ck_assert_uint_eq(size, SIZE);
}

/* Keys of eight bytes, of which the first is the block: threads have blocks of their own. */
static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	(void)ctx;
	key->hash = hash_bytes(key->key.data, key->key.len);
	key->block = key->key.data[0] % blocks;
}

static void open_store(void)
{
	struct store_options options = {
	    .blocks = BLOCKS, .segment_size_bytes = SIZE, .locate = locate, .report = &report};
	ck_assert_int_eq(store_open(&options, &disk.os, &store), 0);
}

static void setup(void)
{
	helper_disk_init(&disk, 11);
	disk.os.table_resize = table_resize;
	disk.os.segment_touch = segment_touch;
	open_store();
}

static void teardown(void)
{
	store_close(store);
	store = NULL;
	helper_disk_fini(&disk);
}

static void reopen(enum helper_disk_loss loss)
{
	store_close(store);
	helper_disk_power_back(&disk, loss);
	open_store();
}

static _Atomic uint64_t counter;

static enum store_found find(uint64_t id, struct store_key *key, uint8_t name[8],
			     struct store_hit *hit)
{
	put_u64(name, id);
	*key = (struct store_key){.key = bytes_of(name, 8)};
	locate(NULL, key, BLOCKS);
	return store_find(store, key, NULL, hit);
}

static bool has(uint64_t id)
{
	struct store_key key;
	struct store_hit hit;
	uint8_t name[8];
	return find(id, &key, name, &hit) == STORE_FOUND && hit.record.kind == RECORD_VALUE;
}

static int put(unsigned appender, uint64_t id, enum record_kind kind, size_t len, uint64_t *end)
{
	static const uint8_t zeros[LARGE];
	struct store_key key;
	struct store_hit hit;
	uint8_t name[8];
	struct ballot acc = ballot_make(1, atomic_fetch_add(&counter, 1) + 1, 1);
	find(id, &key, name, &hit);
	struct record rec = {
	    .kind = kind, .acc = acc, .ver = acc, .key = key.key, .value = bytes_of(zeros, len)};
	return store_put(store, appender, &key, &hit, &rec, end);
}

static int erase(uint64_t id, uint64_t *end)
{
	struct store_key key;
	struct store_hit hit;
	uint8_t name[8];
	ck_assert_int_eq(find(id, &key, name, &hit), STORE_FOUND);
	return store_erase(store, 0, &key, &hit, end);
}

/* Makes spares until there are enough, or the disk is full. */
static int prepare(void)
{
	int rc = 0;
	while (rc == 0 && store_wants_segment(store))
		rc = store_prepare(store);
	return rc;
}

/* ---- Marks ----------------------------------------------------------------------------- */

START_TEST(marks_follow_writing_and_syncing)
{
	uint64_t end;
	ck_assert_int_eq(put(0, 1, RECORD_VALUE, 10, &end), 0);
	ck_assert(has(1));
	ck_assert_uint_lt(store_written(store), end);
	ck_assert_int_eq(store_commit(store, STORE_WRITE_ONLY), 0);
	ck_assert_uint_eq(store_written(store), end);
	ck_assert_uint_lt(store_durable(store), end);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	ck_assert_uint_eq(store_durable(store), end);
	uint64_t calls = disk.changes;
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	ck_assert_uint_eq(disk.calls[HELPER_DISK_SYNC] > 0, 1);
	ck_assert_uint_le(disk.changes, calls + 3); /* a header and a manifest at most */
}
END_TEST

START_TEST(written_survives_the_process_synced_survives_all)
{
	uint64_t end;
	ck_assert_int_eq(put(0, 1, RECORD_VALUE, 10, &end), 0);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	ck_assert_int_eq(put(0, 2, RECORD_VALUE, 10, &end), 0);
	ck_assert_int_eq(store_commit(store, STORE_WRITE_ONLY), 0);
	ck_assert_int_eq(put(0, 3, RECORD_VALUE, 10, &end), 0);
	reopen(HELPER_DISK_KEEP);
	ck_assert(has(1) && has(2) && !has(3));
	/* Recovery made durable what it found. */
	ck_assert_int_eq(put(0, 4, RECORD_VALUE, 10, &end), 0);
	ck_assert_int_eq(store_commit(store, STORE_WRITE_ONLY), 0);
	reopen(HELPER_DISK_DROP);
	ck_assert(has(1) && has(2) && !has(4));
}
END_TEST

START_TEST(addresses_are_found_in_segments)
{
	uint64_t end;
	struct store_key key;
	struct store_hit hit;
	uint8_t name[8];
	uint32_t slot, offset;
	ck_assert(!store_find_address(store, NULL, &slot, &offset));
	ck_assert(!store_find_address(store, name, &slot, &offset));
	for (uint64_t id = 0; id < 40; id++) {
		ck_assert_int_eq(prepare(), 0);
		ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
		ck_assert_int_eq(put(0, id, RECORD_VALUE, LARGE, &end), 0);
		ck_assert_int_eq(find(id, &key, name, &hit), STORE_FOUND);
		const uint8_t *last = hit.record.value.data + LARGE - 1;
		uint64_t begin = hit.location & (STORE_SEGMENT_SIZE_MAX - 1);
		ck_assert(store_find_address(store, last, &slot, &offset));
		ck_assert_uint_eq(slot, hit.location >> STORE_OFFSET_BITS);
		ck_assert_uint_eq(offset, begin + record_size(&hit.record) - 1);
		ck_assert(store_find_address(store, last - offset, &slot, &offset));
		ck_assert_uint_eq(offset, 0);
	}
}
END_TEST

/* ---- Failures --------------------------------------------------------------------------- */

static void check_failure_is_final(enum helper_disk_call kind)
{
	uint64_t end;
	ck_assert_int_eq(prepare(), 0);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	ck_assert_int_eq(put(0, 1, RECORD_VALUE, 10, &end), 0);
	helper_disk_fail(&disk, kind, 1, DHT_EIO);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), DHT_EIO);
	ck_assert_uint_lt(store_durable(store), end);
	uint64_t calls = disk.calls[HELPER_DISK_ANY];
	ck_assert_int_eq(store_commit(store, STORE_SYNC), DHT_EIO);
	ck_assert_uint_lt(store_durable(store), end);
	ck_assert_uint_eq(disk.calls[HELPER_DISK_ANY], calls);
}

START_TEST(failed_write_is_final)
{
	check_failure_is_final(HELPER_DISK_WRITE);
}
END_TEST

START_TEST(failed_sync_is_final)
{
	check_failure_is_final(HELPER_DISK_SYNC);
}
END_TEST

START_TEST(without_memory_appends_wait_until_there_is_some)
{
	uint64_t end;
	int rc = 0;
	ck_assert_int_eq(prepare(), 0);
	helper_disk_fail(&disk, HELPER_DISK_ALLOC, 1, DHT_ENOMEM);
	for (uint64_t i = 0; rc == 0 && i < 100; i++) {
		ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
		rc = put(0, 1, RECORD_VALUE, LARGE, &end);
		if (disk.calls[HELPER_DISK_ALLOC] > 2)
			break;
	}
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	ck_assert_int_eq(put(0, 1, RECORD_VALUE, LARGE, &end), 0);
}
END_TEST

/* ---- Room ------------------------------------------------------------------------------ */

START_TEST(appends_wait_for_the_committer)
{
	uint64_t end;
	int rc = 0;
	ck_assert_int_eq(prepare(), 0);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	for (int i = 0; rc == 0 && i < 100; i++)
		rc = put(0, (uint64_t)i << 8, RECORD_VALUE, LARGE, &end);
	ck_assert_int_eq(rc, DHT_EAGAIN);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	ck_assert_int_eq(put(0, 1, RECORD_VALUE, LARGE, &end), 0);
}
END_TEST

/* Overwrites ten keys, and erases one now and then. */
static void churn(uint64_t count)
{
	uint64_t end;
	for (uint64_t i = 0; i < count; i++) {
		int rc;
		while ((rc = put(0, i % 10 << 8, RECORD_VALUE, LARGE, &end)) == DHT_EAGAIN) {
			ck_assert_int_eq(prepare(), 0);
			ck_assert_int_eq(store_commit(store, STORE_WRITE_ONLY), 0);
		}
		ck_assert_int_eq(rc, 0);
		if (i % 7 == 0) {
			rc = erase(i % 10 << 8, &end);
			ck_assert(rc == 0 || rc == DHT_EAGAIN);
		}
	}
}

START_TEST(files_are_used_again)
{
	churn(600);
	ck_assert_int_eq(prepare(), 0);
	ck_assert_uint_le(disk.calls[HELPER_DISK_CREATE], 10);
	struct store_counts counts;
	store_count(store, &counts);
	ck_assert_uint_le(counts.segments, 6);
}
END_TEST

START_TEST(erased_key_stays_away_while_an_older_segment_lives)
{
	enum { COLD = 11 << 8, VICTIM = 12 << 8 };
	uint64_t end;
	ck_assert_int_eq(put(0, COLD, RECORD_VALUE, 10, &end), 0);
	ck_assert_int_eq(put(0, VICTIM, RECORD_VALUE, 10, &end), 0);
	churn(30);
	ck_assert_int_eq(put(0, VICTIM, RECORD_TOMBSTONE, 0, &end), 0);
	churn(30);
	ck_assert_int_eq(erase(VICTIM, &end), 0);
	churn(100);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	for (int i = 0; i < 2; i++) {
		reopen(HELPER_DISK_DROP);
		ck_assert(has(COLD) && !has(VICTIM));
		churn(100);
		ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	}
	/* Once the old segment is gone, so is the erasure. */
	struct store_counts counts;
	store_count(store, &counts);
	ck_assert_uint_gt(counts.segments, 25);
	ck_assert_int_eq(put(0, COLD, RECORD_VALUE, 10, &end), 0);
	churn(25);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	store_count(store, &counts);
	ck_assert_uint_le(counts.segments, 8);
}
END_TEST

/* What an appender answers when the disk has no more room, after the committer's turn. */
static int put_when_full(uint64_t id, enum record_kind kind, size_t len)
{
	uint64_t end;
	int rc;
	while ((rc = put(0, id, kind, len, &end)) == DHT_EAGAIN) {
		int prepared = prepare();
		ck_assert(prepared == 0 || prepared == DHT_ENOSPC);
		ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	}
	if (rc == 0) {
		ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
		int prepared = prepare();
		ck_assert(prepared == 0 || prepared == DHT_ENOSPC);
	}
	return rc;
}

START_TEST(full_disk_takes_tombstones_and_recovers)
{
	uint64_t id = 0, end;
	int rc;
	helper_disk_set_capacity(&disk, UINT64_C(8) * SIZE + 65536);
	while ((rc = put_when_full(id << 8, RECORD_VALUE, LARGE)) == 0)
		id++;
	ck_assert_int_eq(rc, DHT_ENOSPC);
	ck_assert_uint_gt(id, 40);
	/* More than the rest of the last segment can take; the very last one is compaction's. */
	for (uint64_t i = 0; i < 9; i++)
		ck_assert_int_eq(put_when_full(i << 8, RECORD_TOMBSTONE, LARGE), 0);
	for (uint64_t i = 0; i < id; i++)
		ck_assert_int_eq(put_when_full(i << 8, RECORD_TOMBSTONE, 0), 0);
	for (uint64_t i = 0; i < id; i++)
		ck_assert_int_eq(erase(i << 8, &end), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	ck_assert_int_eq(prepare(), 0);
	ck_assert_int_eq(put_when_full(1, RECORD_VALUE, LARGE), 0);
	reopen(HELPER_DISK_DROP);
	for (uint64_t i = 0; i < id; i++)
		ck_assert(!has(i << 8));
	ck_assert(has(1));
}
END_TEST

/* Values until an append would wait for the committer; returns how many. */
static uint64_t fill_open_segments(void)
{
	uint64_t end, id = 0;
	int rc;
	ck_assert_int_eq(prepare(), 0);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	while ((rc = put(0, id << 8, RECORD_VALUE, LARGE, &end)) == 0)
		id++;
	ck_assert_int_eq(rc, DHT_EAGAIN);
	return id;
}

START_TEST(manifest_without_room_is_no_failure)
{
	uint64_t end, count = fill_open_segments(), allocs = disk.calls[HELPER_DISK_ALLOC];
	for (int i = 0; i < 3; i++) {
		helper_disk_fail(&disk, HELPER_DISK_FILE_REPLACE, 1, DHT_ENOSPC);
		ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
		/* Whoever waits for room is told that there is none, and it is tried again. */
		ck_assert(store_has_room(store) && store_wants_turn(store));
		ck_assert_int_eq(put(0, 1, RECORD_VALUE, LARGE, &end), DHT_ENOSPC);
		ck_assert_int_eq(put(0, 1, RECORD_TOMBSTONE, LARGE, &end), DHT_ENOSPC);
		ck_assert_int_eq(prepare(), 0);
	}
	/* The segment that is opened stays so. */
	ck_assert_uint_eq(disk.calls[HELPER_DISK_ALLOC], allocs + 1);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	ck_assert(!store_wants_turn(store));
	ck_assert_int_eq(put(0, 1, RECORD_VALUE, LARGE, &end), 0);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	reopen(HELPER_DISK_DROP);
	ck_assert(has(1));
	for (uint64_t id = 0; id < count; id++)
		ck_assert(has(id << 8));
}
END_TEST

START_TEST(without_a_manifest_the_last_segment_is_for_tombstones)
{
	uint64_t end, id = fill_open_segments();
	helper_disk_set_capacity(&disk, 1);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	ck_assert_int_eq(put(0, id << 8, RECORD_VALUE, 10, &end), DHT_ENOSPC);
	ck_assert_int_eq(put(0, 0, RECORD_TOMBSTONE, 0, &end), 0);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	/* By itself, once there is space. */
	helper_disk_set_capacity(&disk, UINT64_MAX);
	ck_assert(store_wants_turn(store));
	ck_assert_int_eq(store_turn(store), 0);
	ck_assert_int_eq(put(0, id << 8, RECORD_VALUE, LARGE, &end), 0);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	reopen(HELPER_DISK_DROP);
	ck_assert(has(id << 8) && !has(0));
}
END_TEST

START_TEST(file_that_could_not_leave_the_log_leaves_it_later)
{
	uint64_t end, count = fill_open_segments();
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	/* One file is missing until one leaves the log. */
	helper_disk_fail(&disk, HELPER_DISK_CREATE, 2, DHT_ENOSPC);
	ck_assert_int_eq(prepare(), DHT_ENOSPC);
	uint64_t creates = disk.calls[HELPER_DISK_CREATE];
	for (uint64_t id = 0; id < count; id++)
		ck_assert_int_eq(put(0, id << 8, RECORD_TOMBSTONE, 0, &end), 0);
	ck_assert_int_eq(store_write(store), 0);
	ck_assert_int_eq(store_sync(store), 0);
	for (int i = 0; i < 3; i++) {
		helper_disk_fail(&disk, HELPER_DISK_FILE_REPLACE, 1, DHT_ENOSPC);
		ck_assert_int_eq(store_turn(store), 0);
		ck_assert(store_wants_turn(store) && store_wants_segment(store));
		ck_assert_int_eq(put(0, 1, RECORD_VALUE, 10, &end), DHT_ENOSPC);
	}
	ck_assert_int_eq(store_turn(store), 0);
	ck_assert(!store_wants_turn(store) && !store_wants_segment(store));
	ck_assert_int_eq(put(0, 1, RECORD_VALUE, 10, &end), 0);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
	ck_assert_uint_eq(disk.calls[HELPER_DISK_CREATE], creates);
	reopen(HELPER_DISK_DROP);
	for (uint64_t id = 0; id < count; id++)
		ck_assert(!has(id << 8));
}
END_TEST

/* The files that a start takes, without a single write, do not run out. */
START_TEST(full_disk_can_be_opened_again_and_again)
{
	uint64_t id = 0, end;
	helper_disk_set_capacity(&disk, UINT64_C(8) * SIZE + 65536);
	while (put_when_full(id << 8, RECORD_VALUE, LARGE) == 0)
		id++;
	for (int i = 0; i < 6; i++) {
		reopen(HELPER_DISK_DROP);
		ck_assert_int_eq(store_put_ceiling(store, 0, 1000 + (uint64_t)i, &end), 0);
		ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
		ck_assert_int_eq(prepare(), DHT_ENOSPC);
	}
	reopen(HELPER_DISK_DROP);
	ck_assert_uint_eq(report.ceiling, 1005);
	for (uint64_t i = 0; i < id; i++)
		ck_assert(has(i << 8));
}
END_TEST

/* ---- Threads ----------------------------------------------------------------------------- */

enum { THREADS = 3, PUTS = 1500, THREAD_KEYS = 8, VALUE_MAX = 9000 };

static _Atomic bool is_finished;
/* By thread and key: the counter of the last put, and of the last that was durable. */
static _Atomic uint64_t acked[THREADS][THREAD_KEYS];

static void *append_many(void *arg)
{
	unsigned thread = (unsigned)(uintptr_t)arg;
	uint64_t ends[THREAD_KEYS] = {0}, counters[THREAD_KEYS] = {0};
	for (uint32_t n = 0; n < PUTS; n++) {
		uint32_t k = n % THREAD_KEYS;
		struct store_key key;
		struct store_hit hit;
		uint8_t name[8];
		int rc;
		if (ends[k] != 0 && ends[k] <= store_durable(store))
			atomic_store(&acked[thread][k], counters[k]);
		while ((rc = put(thread, thread | (uint64_t)k << 8, RECORD_VALUE,
				 n * 7919 % VALUE_MAX, &ends[k])) == DHT_EAGAIN)
			sched_yield();
		UNIT_REQUIRE(rc == 0);
		UNIT_REQUIRE(find(thread | (uint64_t)k << 8, &key, name, &hit) == STORE_FOUND);
		counters[k] = ballot_counter(hit.record.acc);
		/* The first put of each key is acknowledged, however slow the disk is. */
		while (n < THREAD_KEYS && ends[k] > store_durable(store))
			sched_yield();
	}
	return NULL;
}

static void *commit_along(void *arg)
{
	(void)arg;
	for (unsigned n = 0; !atomic_load(&is_finished); n++)
		UNIT_REQUIRE(store_commit(store, n % 4 == 0 ? STORE_SYNC : STORE_WRITE_ONLY) == 0);
	return NULL;
}

static void *prepare_along(void *arg)
{
	(void)arg;
	while (!atomic_load(&is_finished)) {
		if (store_wants_segment(store))
			UNIT_REQUIRE(store_prepare(store) == 0);
		if (store_wants_memory(store))
			store_touch_memory(store);
		sched_yield();
	}
	return NULL;
}

START_TEST(committer_and_appenders_run_side_by_side)
{
	pthread_t threads[THREADS], committer, preparer;
	ck_assert_int_eq(pthread_create(&committer, NULL, commit_along, NULL), 0);
	ck_assert_int_eq(pthread_create(&preparer, NULL, prepare_along, NULL), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, append_many, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&is_finished, true);
	pthread_join(committer, NULL);
	pthread_join(preparer, NULL);
	reopen(HELPER_DISK_TEAR);
	for (unsigned i = 0; i < THREADS; i++) {
		for (uint64_t k = 0; k < THREAD_KEYS; k++) {
			struct store_key key;
			struct store_hit hit;
			uint8_t name[8];
			uint64_t least = atomic_load(&acked[i][k]);
			ck_assert_uint_gt(least, 0);
			ck_assert_int_eq(find(i | k << 8, &key, name, &hit), STORE_FOUND);
			ck_assert_uint_ge(ballot_counter(hit.record.acc), least);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_commit");
	TCase *tcase = tcase_create("store_commit");
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, marks_follow_writing_and_syncing);
	tcase_add_test(tcase, written_survives_the_process_synced_survives_all);
	tcase_add_test(tcase, addresses_are_found_in_segments);
	tcase_add_test(tcase, failed_write_is_final);
	tcase_add_test(tcase, failed_sync_is_final);
	tcase_add_test(tcase, without_memory_appends_wait_until_there_is_some);
	tcase_add_test(tcase, appends_wait_for_the_committer);
	tcase_add_test(tcase, files_are_used_again);
	tcase_add_test(tcase, erased_key_stays_away_while_an_older_segment_lives);
	tcase_add_test(tcase, full_disk_takes_tombstones_and_recovers);
	tcase_add_test(tcase, manifest_without_room_is_no_failure);
	tcase_add_test(tcase, without_a_manifest_the_last_segment_is_for_tombstones);
	tcase_add_test(tcase, file_that_could_not_leave_the_log_leaves_it_later);
	tcase_add_test(tcase, full_disk_can_be_opened_again_and_again);
	tcase_add_test(tcase, committer_and_appenders_run_side_by_side);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
