/* SPDX-License-Identifier: Apache-2.0
 *
 * Compaction: lives with it that crash in every call of the disk and after each of its
 * steps (helper_life), and, one by one, what it must not lose and what it must give back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "helper_disk_file.h"
#include "helper_life.h"
#include "store/state.h"
#include "unit.h"

static const struct life_plan plans[] = {
    {.name = "compacting, killed", .loss = HELPER_DISK_KEEP, .compacts = true},
    {.name = "compacting, unsynced lost", .loss = HELPER_DISK_DROP, .compacts = true},
    {.name = "compacting, unsynced torn", .loss = HELPER_DISK_TEAR, .compacts = true},
    {.name = "compacting, cold, unsynced torn",
     .loss = HELPER_DISK_TEAR,
     .compacts = true,
     .memory_bytes = 3 * LIFE_SEGMENT},
    {.name = "compacting, on a small disk, unsynced lost",
     .loss = HELPER_DISK_DROP,
     .compacts = true,
     .capacity = 9 * LIFE_SEGMENT + LIFE_SEGMENT / 2},
    {.name = "compacting, lazy, killed",
     .loss = HELPER_DISK_KEEP,
     .compacts = true,
     .is_lazy = true,
     .memory_bytes = 2 * LIFE_SEGMENT},
};
enum { PLANS = sizeof(plans) / sizeof(plans[0]) };

/* After a while without crashes, so that there is something to compact. */
START_TEST(crash_anywhere)
{
	uint64_t compactions = 0;
	for (uint64_t i = 0; i < life_seeds(1); i++) {
		life_begin(&plans[_i], life_first_seed() + 100 * (uint64_t)_i + i);
		ck_assert_int_eq(life_open(), 0);
		ck_assert_int_eq(life_run(150), 0);
		life_explore(1);
		int rc = life_run(60);
		life_end_child();
		UNIT_REQUIRE(rc == 0);
		compactions += life.compactions;
		life_end();
	}
	ck_assert_uint_gt(compactions, 0);
}
END_TEST

/* A lazy store may leave more behind than the last segment torn. */
START_TEST(lazy_crash_anywhere)
{
	static const struct life_plan plan = {.name = "compacting, lazy, unsynced torn",
					      .loss = HELPER_DISK_TEAR,
					      .compacts = true,
					      .is_lazy = true};
	for (uint64_t i = 0; i < life_seeds(2); i++) {
		life_begin(&plan, life_first_seed() + 5000 + i);
		ck_assert_int_eq(life_open(), 0);
		ck_assert_int_eq(life_run(100), 0);
		life_explore(1);
		int rc = life_run(100);
		life_end_child();
		UNIT_REQUIRE(rc == 0);
		life_end();
	}
}
END_TEST

/* No crash but at the end: many more operations, all compared. */
START_TEST(long_life)
{
	uint64_t cold_reads = 0, expired = 0;
	for (uint64_t i = 0; i < life_seeds(2); i++) {
		life_begin(&plans[_i], life_first_seed() + 1000 + 100 * (uint64_t)_i + i);
		ck_assert_int_eq(life_open(), 0);
		for (unsigned k = 0; k < 4; k++) {
			int rc = life_run(250);
			if (rc != 0)
				ck_abort_msg("seed %llu: %d", (unsigned long long)life.seed, rc);
			life_check();
			life_recover();
		}
		UNIT_REQUIRE(life.compactions > 4);
		cold_reads += life.cold_reads;
		expired += life.expired;
		life_end();
	}
	ck_assert(plans[_i].memory_bytes == 0 || cold_reads > 10);
	ck_assert_uint_gt(expired, 10);
}
END_TEST

/* ---- One by one ----------------------------------------------------------------------- */

static const struct life_plan quiet = {.name = "quiet", .loss = HELPER_DISK_DROP};

static void begin(const struct life_plan *plan)
{
	life_begin(plan, 1);
	ck_assert_int_eq(life_open(), 0);
	ck_assert_int_eq(life_provide(), 0);
}

static void end(void)
{
	ck_assert_int_eq(life_commit(), 0);
	life_check();
	life_recover();
	life_check();
	life_end();
}

static struct store_counts counts(void)
{
	struct store_counts now;
	store_count(life.store, &now);
	return now;
}

/* Bytes of records that hide others. */
static uint64_t kept_bytes(void)
{
	const struct segments *segs = &life.store->segs;
	uint64_t kept = 0;
	for (uint32_t i = 0; i < files_slots_used(&life.store->files); i++)
		kept += segs->slots[i].kept;
	return kept;
}

static uint64_t sequence(void)
{
	return tail_sequence_of(tail_position(&life.store->tail));
}

/* Fills the rest of the segment with values of one key. */
static void go_to_next_segment(uint32_t id, size_t len)
{
	uint64_t now = sequence();
	while (sequence() == now)
		ck_assert_int_eq(life_put(id, len), 0);
}

static bool is_in_log(uint64_t wanted)
{
	const struct files *files = &life.store->files;
	for (uint32_t i = 0; i < files_slots_used(files); i++) {
		if (files->file[i].sequence == wanted &&
		    (files->file[i].state == FILE_IN_USE || files->file[i].state == FILE_DRAINING))
			return true;
	}
	return false;
}

/* Empties segments until none has anything dead. */
static void compact_all(void)
{
	int rc = 0;
	for (int i = 0; rc == 0; i++) {
		UNIT_REQUIRE(i < 200);
		rc = life_compact();
		UNIT_REQUIRE(life_commit() == 0);
	}
	ck_assert_int_eq(rc, DHT_ENOTFOUND);
}

/* Appenders may still copy into a sealed segment, and its file holds less than its
 * memory, until it was written. */
START_TEST(unwritten_segment_is_left_alone)
{
	static const struct life_plan plan = {
	    .name = "no memory", .loss = HELPER_DISK_DROP, .memory_bytes = 1};
	begin(&plan);
	ck_assert_int_eq(life_put(1, 1000), 0);
	go_to_next_segment(0, 100000);
	ck_assert_int_eq(life_balance(), 0);
	life_check();
	ck_assert_int_eq(store_compact_begin(life.store, life.now_ms), DHT_ENOTFOUND);
	ck_assert_int_eq(store_write(life.store), 0);
	ck_assert_int_eq(life_balance(), 0);
	ck_assert_int_eq(store_compact_begin(life.store, life.now_ms), DHT_ENOTFOUND);
	ck_assert_int_eq(life_commit(), 0);
	ck_assert_int_eq(life_balance(), 0);
	ck_assert_uint_eq(counts().cold_segments, 1);
	ck_assert_int_eq(life_compact(), 0);
	end();
}
END_TEST

/* The writer, another thread, ends and syncs the segment that the committer is syncing. */
static void write_beside(void *arg, enum helper_disk_call kind)
{
	(void)arg;
	if (kind != HELPER_DISK_SYNC)
		return;
	life.disk.before = NULL;
	ck_assert_int_eq(store_write(life.store), 0);
}

START_TEST(durable_mark_only_grows)
{
	begin(&quiet);
	ck_assert_int_eq(life_put(1, 1000), 0);
	ck_assert_int_eq(store_write(life.store), 0);
	go_to_next_segment(0, 100000);
	life.disk.before = write_beside;
	ck_assert_int_eq(store_sync(life.store), 0);
	ck_assert_uint_ge(store_durable(life.store), tail_begin_of(2));
	end();
}
END_TEST

/* A recovery does not read the records of a segment that has a hint file: it must be on
 * disk. */
START_TEST(unsynced_segment_gets_no_hint)
{
	static const struct life_plan plan = {
	    .name = "lazy", .loss = HELPER_DISK_DROP, .is_lazy = true};
	static const char hint[] = "segments/00000000.hint";
	struct store_report background;
	begin(&plan);
	ck_assert_int_eq(life_put(1, 1000), 0);
	go_to_next_segment(0, 100000);
	ck_assert_int_eq(store_write(life.store), 0);
	while (store_wants_background(life.store))
		ck_assert_int_eq(store_background(life.store, &background), 0);
	ck_assert_int_eq(helper_disk_file_size(&life.disk, hint), -1);
	ck_assert_int_eq(life_commit(), 0);
	while (store_wants_background(life.store))
		ck_assert_int_eq(store_background(life.store, &background), 0);
	ck_assert_int_gt(helper_disk_file_size(&life.disk, hint), 0);
	end();
}
END_TEST

/* Segment 1: much that lives, and little that is dead; segment 2: the opposite, and what
 * hides the dead of segment 1, an ERASE or a DROP. */
START_TEST(what_hides_stays_as_long_as_the_hidden)
{
	bool is_drop = _i == 1;
	begin(&quiet);
	ck_assert_int_eq(life_put(0, 100), 0);
	ck_assert_int_eq(life_put(2, 300000), 0);
	ck_assert_int_eq(life_put(3, 300000), 0);
	go_to_next_segment(5, 350000);
	ck_assert_uint_eq(sequence(), 2);
	ck_assert_int_eq(life_put(7, 300000), 0);
	/* Keys 0 and 1 are the only ones of block 0 but for 12 and 13. */
	ck_assert_int_eq(is_drop ? life_drop(0) : life_erase(0), 0);
	go_to_next_segment(7, 300000);
	ck_assert_uint_eq(sequence(), 3);
	ck_assert_int_eq(life_commit(), 0);
	uint64_t kept = kept_bytes();
	ck_assert_uint_gt(kept, 0);

	/* Segment 2 gives most back, and goes; the erasure stays, further on. */
	ck_assert_int_eq(life_compact(), 0);
	ck_assert_int_eq(life_commit(), 0);
	ck_assert(is_in_log(1) && !is_in_log(2));
	ck_assert_uint_eq(kept_bytes(), kept);
	life_recover();
	life_check();
	ck_assert_uint_eq(kept_bytes(), kept);

	/* With segment 1 and whatever else has dead records, all that hides goes, too. */
	compact_all();
	ck_assert(!is_in_log(1));
	life_recover();
	for (int i = 0; kept_bytes() != 0; i++) {
		ck_assert_int_lt(i, 20);
		go_to_next_segment(9, 200000);
		compact_all();
	}
	end();
}
END_TEST

START_TEST(dead_log_shrinks_to_nothing)
{
	begin(&quiet);
	for (uint32_t i = 0; i < 3 * LIFE_KEYS; i++)
		ck_assert_int_eq(life_put(i % LIFE_KEYS, 250000), 0);
	ck_assert_uint_gt(counts().segments, 7);
	for (uint32_t id = 0; id < LIFE_KEYS; id++)
		ck_assert_int_eq(life_delete(id), 0);
	ck_assert_int_eq(life_commit(), 0);
	ck_assert_int_eq(life_keep_house(), 0);
	/* The last one and the next one, and spare files. */
	ck_assert_uint_le(counts().segments, 2);
	ck_assert_uint_le(counts().disk_bytes, (2 + FILES_SPARE_MAX) * (uint64_t)LIFE_SEGMENT);
	end();
}
END_TEST

/* A store that nobody syncs: then the files that wait for that are a reason for it. */
START_TEST(unsynced_dead_log_shrinks)
{
	static const struct life_plan plan = {
	    .name = "lazy", .loss = HELPER_DISK_KEEP, .is_lazy = true};
	begin(&plan);
	for (uint32_t i = 0; i < 3 * LIFE_KEYS; i++)
		ck_assert_int_eq(life_put(i % LIFE_KEYS, 250000), 0);
	for (uint32_t id = 0; id < LIFE_KEYS; id++)
		ck_assert_int_eq(life_delete(id), 0);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(life_provide(), 0);
	ck_assert_uint_le(counts().disk_bytes, (2 + FILES_SPARE_MAX) * (uint64_t)LIFE_SEGMENT);
	end();
}
END_TEST

START_TEST(flags_survive_a_move)
{
	begin(&quiet);
	for (uint32_t id = 0; id < 8; id++) {
		ck_assert_int_eq(life_put(id, 1000), 0);
		life_set_flags(id, (id & 1) != 0, (id & 2) != 0);
	}
	go_to_next_segment(9, 100000);
	go_to_next_segment(9, 100000);
	ck_assert_int_eq(life_commit(), 0);
	ck_assert_int_eq(life_compact(), 0);
	ck_assert_int_eq(life_commit(), 0);
	ck_assert(!is_in_log(1));
	life_check();
	end();
}
END_TEST

static const uint8_t *value_of(const char name[8], struct store_hit *hit)
{
	struct store_key key = {.key = bytes_of(name, 8)};
	life_locate(NULL, &key, LIFE_BLOCKS);
	ck_assert_int_eq(store_find(life.store, &key, NULL, hit), STORE_FOUND);
	return hit->record.value.data;
}

/* A value that is sent while its segment is emptied, and the key overwritten. */
START_TEST(pinned_segment_stays)
{
	struct store_hit hit;
	begin(&quiet);
	ck_assert_int_eq(life_put(4, 1000), 0);
	const uint8_t *value = value_of("\4\0\0\0\0\0\0", &hit);
	uint8_t before[1000];
	memcpy(before, value, sizeof(before));
	store_pin(life.store, hit.location);
	go_to_next_segment(9, 100000);
	ck_assert_int_eq(life_commit(), 0);
	compact_all();
	ck_assert_int_eq(life_put(4, 10), 0);
	for (int i = 0; i < 6; i++) {
		go_to_next_segment(9, 100000);
		ck_assert_int_eq(life_commit(), 0);
		compact_all();
	}
	ck_assert(is_in_log(1));
	ck_assert_mem_eq(value, before, sizeof(before));
	store_unpin(life.store, hit.location);
	ck_assert_int_eq(life_commit(), 0);
	ck_assert(!is_in_log(1));
	end();
}
END_TEST

static const struct life_plan cold = {
    .name = "cold", .loss = HELPER_DISK_DROP, .memory_bytes = LIFE_SEGMENT};

START_TEST(cold_segment_is_emptied)
{
	begin(&cold);
	for (uint32_t id = 0; id < 8; id++)
		ck_assert_int_eq(life_put(id, 1000), 0);
	go_to_next_segment(9, 100000);
	go_to_next_segment(9, 100000);
	ck_assert_int_eq(life_commit(), 0);
	ck_assert_int_eq(life_balance(), 0);
	ck_assert_uint_eq(counts().cold_segments, 1);
	ck_assert_int_eq(life_compact(), 0);
	ck_assert_int_eq(life_commit(), 0);
	ck_assert(!is_in_log(1));
	life_check();
	ck_assert_uint_eq(life.cold_reads, 0);
	end();
}
END_TEST

/* No record is read for it; the housekeeper finds what is left of the segments. */
START_TEST(cold_block_is_dropped)
{
	begin(&cold);
	for (uint32_t i = 0; i < 2 * LIFE_KEYS; i++)
		ck_assert_int_eq(life_put_expiring(i % LIFE_KEYS, 250000, 1000 + i), 0);
	if (_i == 1) {
		ck_assert_int_eq(life_commit(), 0);
		life_recover();
	}
	ck_assert_int_eq(life_commit(), 0);
	ck_assert_int_eq(life_balance(), 0);
	ck_assert_uint_gt(counts().cold_segments, 5);
	uint64_t reads = life.disk.calls[HELPER_DISK_READ];
	for (uint32_t block = 0; block < LIFE_BLOCKS_USED; block++)
		ck_assert_int_eq(life_drop(block), 0);
	ck_assert_uint_eq(life.disk.calls[HELPER_DISK_READ], reads);
	ck_assert(counts().keys == 0 && counts().expiring == 0 && counts().live_bytes == 0);
	life_check();
	for (uint32_t id = 0; id < 3; id++)
		ck_assert_int_eq(life_put(id, 1000), 0);
	ck_assert_int_eq(life_commit(), 0);
	compact_all();
	ck_assert_int_eq(life_provide(), 0);
	ck_assert_uint_le(counts().disk_bytes, (2 + 2 + FILES_SPARE_MAX) * (uint64_t)LIFE_SEGMENT);
	end();
}
END_TEST

/* The adoption that dropped a block was torn, and a later map is there. Were the DROP copied, it
 * would be behind its mark, which leaves first. */
START_TEST(void_drop_does_not_outlive_its_mark)
{
	static const uint32_t marked[] = {12, 13, 16};
	enum { SIZE = 300000 };
	uint64_t end_of_drop;
	begin(&quiet);
	/* Block 1, in a segment where nothing is dead. */
	for (uint32_t id = 2; id < 4; id++)
		ck_assert_int_eq(life_put(id, 450000), 0);
	/* What makes compaction keep what hides. */
	ck_assert_int_eq(life_put(4, SIZE), 0);
	ck_assert_int_eq(life_put(4, SIZE), 0);
	ck_assert_int_eq(life_put(6, SIZE), 0);
	ck_assert_uint_eq(sequence(), 2);
	go_to_next_segment(8, SIZE);
	ck_assert_int_eq(life_put(10, 1000), 0);
	ck_assert_int_eq(store_drop(life.store, 0, 1, 1, &end_of_drop), 0);
	go_to_next_segment(8, SIZE);
	ck_assert_int_eq(life_commit(), 0);
	life_recover();
	uint64_t marked_in = sequence();
	for (size_t i = 0; i < DHT_ARRAY_LEN(marked); i++)
		ck_assert_int_eq(life_put(marked[i], SIZE), 0);
	ck_assert_uint_eq(sequence(), marked_in);
	ck_assert_int_eq(life_put(17, SIZE), 0);
	ck_assert_int_eq(life_commit(), 0);
	for (int i = 0; is_in_log(marked_in); i++) {
		ck_assert_int_lt(i, 10);
		ck_assert_int_eq(life_compact(), 0);
		ck_assert_int_eq(life_commit(), 0);
	}
	ck_assert(is_in_log(1) && !is_in_log(2) && !is_in_log(3));
	ck_assert_int_eq(life_drop(0), 0);
	end();
}
END_TEST

/* The other way round: nothing in the segment of the mark is needed any more (0), or it is
 * emptied first (1). */
START_TEST(mark_stays_as_long_as_a_void_drop)
{
	enum { SIZE = 300000 };
	uint64_t end_of_drop;
	begin(&quiet);
	for (uint32_t id = 2; id < 4; id++)
		ck_assert_int_eq(life_put(id, 450000), 0);
	ck_assert_int_eq(life_put(8, SIZE), 0);
	ck_assert_uint_eq(sequence(), 2);
	ck_assert_int_eq(store_drop(life.store, 0, 1, 1, &end_of_drop), 0);
	ck_assert_int_eq(life_put(10, SIZE), 0);
	ck_assert_int_eq(life_put(11, SIZE), 0);
	ck_assert_uint_eq(sequence(), 2);
	go_to_next_segment(4, SIZE);
	ck_assert_int_eq(life_commit(), 0);
	life_recover();
	uint64_t marked_in = sequence();
	if (_i == 1)
		ck_assert_int_eq(life_put(12, 1000), 0);
	go_to_next_segment(5, SIZE / 2);
	go_to_next_segment(5, SIZE / 2);
	ck_assert_int_eq(life_commit(), 0);
	for (int i = 0; _i == 1 && is_in_log(marked_in); i++) {
		ck_assert_int_lt(i, 10);
		ck_assert_int_eq(life_compact(), 0);
		ck_assert_int_eq(life_commit(), 0);
	}
	ck_assert(is_in_log(1) && is_in_log(2));
	ck_assert_int_eq(life_drop(0), 0);
	end();
}
END_TEST

/* What a DROP makes dead is needed again if its map is lost. */
START_TEST(files_wait_for_the_map)
{
	uint64_t end_of_drop;
	begin(&quiet);
	for (uint32_t id = 2; id < 4; id++)
		ck_assert_int_eq(life_put(id, 450000), 0);
	go_to_next_segment(4, 300000);
	ck_assert_int_eq(life_commit(), 0);
	ck_assert_int_eq(store_drop(life.store, 0, 1, 1, &end_of_drop), 0);
	for (int i = 0; i < 3; i++) {
		go_to_next_segment(4, 300000);
		ck_assert_int_eq(life_commit(), 0);
		compact_all();
	}
	ck_assert(is_in_log(1));
	if (_i == 0) {
		life_recover();
		life_check();
	} else {
		ck_assert_int_eq(life_drop(1), 0);
		ck_assert_int_eq(life_commit(), 0);
		ck_assert(!is_in_log(1));
	}
	end();
}
END_TEST

/* Notes are moved, and the latest ones are found. */
START_TEST(notes_survive_compaction)
{
	begin(&quiet);
	for (int i = 0; i < 5; i++) {
		uint64_t now = sequence();
		for (uint32_t block = 0; block < LIFE_BLOCKS_USED; block += 2)
			ck_assert_int_eq(life_fin(block), 0);
		ck_assert_int_eq(life_vote(100), 0);
		if (i < 3)
			ck_assert_int_eq(life_drop(1), 0);
		go_to_next_segment(9, 200000);
		ck_assert_int_eq(life_commit(), 0);
		life_check();
		compact_all();
		ck_assert(!is_in_log(now));
		life_check();
		life_recover();
	}
	end();
}
END_TEST

/* ---- Digests of what is not in memory --------------------------------------------------- */

/* Fetches what a digest asks for, until it is one. */
static struct store_digest digest_of(uint32_t block)
{
	enum { FETCHED_MAX = 64 };
	struct store_fetched fetched[FETCHED_MAX];
	struct store_digest digest;
	unsigned count = 0;
	for (;;) {
		const struct store_fetched *list = count > 0 ? &fetched[count - 1] : NULL;
		uint32_t next =
		    store_digest(life.store, block, 0, STORE_HASH_END, UINT32_MAX, list, &digest);
		ck_assert_uint_eq(next, STORE_HASH_END);
		if (digest.found != STORE_COLD)
			break;
		ck_assert_uint_gt(digest.cold_count, 0);
		for (unsigned i = 0; i < digest.cold_count; i++) {
			uint8_t *data;
			UNIT_REQUIRE(count < FETCHED_MAX);
			store_pin(life.store, digest.cold[i]);
			UNIT_REQUIRE(store_fetch(life.store, digest.cold[i], &data) == 0);
			store_unpin(life.store, digest.cold[i]);
			fetched[count] =
			    (struct store_fetched){.location = digest.cold[i],
						   .data = data,
						   .next = count > 0 ? &fetched[count - 1] : NULL};
			count++;
		}
	}
	ck_assert_int_eq(digest.found, STORE_FOUND);
	while (count > 0)
		free((void *)(uintptr_t)fetched[--count].data);
	return digest;
}

START_TEST(digest_is_the_same_of_cold_records)
{
	struct store_digest hot[LIFE_BLOCKS_USED];
	begin(&cold);
	for (uint32_t id = 0; id < LIFE_KEYS; id++)
		ck_assert_int_eq(life_put(id, 250000), 0);
	for (uint32_t block = 0; block < LIFE_BLOCKS_USED; block++)
		hot[block] = digest_of(block);
	ck_assert_int_eq(life_commit(), 0);
	ck_assert_int_eq(life_balance(), 0);
	ck_assert_uint_gt(counts().cold_segments, 5);
	for (uint32_t block = 0; block < LIFE_BLOCKS_USED; block++) {
		struct store_digest digest = digest_of(block);
		ck_assert_uint_eq(digest.count, store_keys(life.store, block));
		ck_assert(digest.count == hot[block].count && digest.sum == hot[block].sum);
	}
	end();
}
END_TEST

/* ---- Values that have expired --------------------------------------------------------- */

enum { EXPIRED_AT = 1000, EXPIRING_SIZE = 250000 };

/* What a step copies of a value would be at least its bytes. */
static void check_nothing_was_copied(void)
{
	ck_assert_uint_lt(counts().compact_copied_bytes, EXPIRING_SIZE);
}

static void restart_with_hints(void)
{
	struct store_report background;
	while (store_wants_background(life.store))
		ck_assert_int_eq(store_background(life.store, &background), 0);
	ck_assert_int_eq(life_restart(), 0);
}

/* In segments that no scan of the memory finds; in one life (0), after a recovery (1), and
 * after one with hint files (2). */
START_TEST(expired_values_leave_the_disk)
{
	begin(&cold);
	for (uint32_t id = 0; id < LIFE_KEYS; id++)
		ck_assert_int_eq(life_put_expiring(id, EXPIRING_SIZE, EXPIRED_AT + id), 0);
	ck_assert_int_eq(life_commit(), 0);
	if (_i == 1)
		life_recover();
	if (_i == 2)
		restart_with_hints();
	ck_assert_int_eq(life_provide(), 0);
	ck_assert_int_eq(life_balance(), 0);
	ck_assert_uint_gt(counts().cold_segments, 5);

	/* Only those of the first segments have expired, and then all. */
	uint64_t segments = counts().segments;
	life.now_ms = EXPIRED_AT - 1;
	ck_assert_int_eq(life_keep_house(), 0);
	ck_assert(life.expired == 0 && counts().segments == segments);
	life.now_ms = EXPIRED_AT + LIFE_KEYS * 3 / 4;
	ck_assert_int_eq(life_keep_house(), 0);
	ck_assert_uint_lt(counts().segments, segments);
	ck_assert_uint_ge(counts().keys, LIFE_KEYS / 4);
	ck_assert_uint_lt(counts().keys, LIFE_KEYS);
	life.now_ms = EXPIRED_AT + LIFE_KEYS;
	ck_assert_int_eq(life_keep_house(), 0);
	ck_assert_uint_le(counts().disk_bytes, (3 + 2 + FILES_SPARE_MAX) * (uint64_t)LIFE_SEGMENT);
	ck_assert_uint_gt(life.expired, LIFE_KEYS / 2);
	check_nothing_was_copied();
	end();
}
END_TEST

/* As long as one value of a segment has not, it is not known to have anything expired. A
 * value that was overwritten does not count. */
START_TEST(what_expires_later_counts_as_alive)
{
	const struct segments *segs;
	begin(&cold);
	segs = &life.store->segs;
	ck_assert_int_eq(life_put_expiring(0, 1000, EXPIRED_AT), 0);
	ck_assert_int_eq(life_put(1, 1000), 0);
	ck_assert_uint_eq(segment_expired(segs, 0, EXPIRED_AT - 1), 0);
	uint32_t expired = segment_expired(segs, 0, EXPIRED_AT);
	ck_assert(expired > 1000 && expired < 2000);
	ck_assert_int_eq(life_put_expiring(2, 1000, EXPIRED_AT + 1), 0);
	ck_assert_uint_eq(segment_expired(segs, 0, EXPIRED_AT), 0);
	ck_assert_uint_eq(segment_expired(segs, 0, EXPIRED_AT + 1), 2 * expired);
	ck_assert_int_eq(life_put(2, 1000), 0);
	ck_assert_int_eq(life_delete(0), 0);
	ck_assert_uint_eq(segment_expired(segs, 0, EXPIRED_AT + 1), 0);
	end();
}
END_TEST

/* A mixture of values that have expired and others: these move, with what is known of when
 * they expire; then there is nothing to do. */
START_TEST(expired_values_are_not_copied)
{
	begin(&cold);
	for (uint32_t id = 0; id < LIFE_KEYS; id++) {
		uint64_t expires_ms = id % 3 == 0 ? 0 : EXPIRED_AT + (id % 3 == 1 ? 0 : 100);
		ck_assert_int_eq(life_put_expiring(id, EXPIRING_SIZE, expires_ms), 0);
	}
	go_to_next_segment(0, 100000);
	ck_assert_int_eq(life_commit(), 0);
	ck_assert_int_eq(life_balance(), 0);
	life.now_ms = EXPIRED_AT + 50;
	compact_all();
	uint64_t met = life.expired;
	life.now_ms = EXPIRED_AT + 100;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(life_balance(), 0);
		compact_all();
	}
	ck_assert_uint_gt(life.expired, met);
	ck_assert_uint_eq(life_compact(), DHT_ENOTFOUND);
	ck_assert_uint_eq(store_pressure(life.store, life.now_ms), STORE_PRESSURE_NONE);
	end();
}
END_TEST

START_TEST(expired_values_make_room_on_a_full_disk)
{
	static const struct life_plan plan = {.name = "full, cold",
					      .loss = HELPER_DISK_DROP,
					      .memory_bytes = LIFE_SEGMENT,
					      .capacity = 8 * LIFE_SEGMENT + 100000};
	begin(&plan);
	uint32_t full = 0;
	int rc = 0;
	while (rc == 0 && full < LIFE_KEYS) {
		rc = life_put_expiring(full, EXPIRING_SIZE, EXPIRED_AT);
		full += rc == 0;
		ck_assert_int_eq(life_commit(), 0);
	}
	ck_assert_int_eq(rc, DHT_ENOSPC);
	ck_assert_int_eq(life_balance(), 0);
	ck_assert_int_eq(life_keep_house(), 0);
	ck_assert(counts().is_full && life.expired == 0);
	life.now_ms = EXPIRED_AT;
	ck_assert_int_eq(life_keep_house(), 0);
	ck_assert(!counts().is_full);
	check_nothing_was_copied();
	for (uint32_t id = 0; id < full / 2; id++) {
		ck_assert_int_eq(life_put(id, EXPIRING_SIZE), 0);
		ck_assert_int_eq(life_commit(), 0);
		ck_assert_int_eq(life_keep_house(), 0);
	}
	end();
}
END_TEST

/* ---- Damage, and bounds --------------------------------------------------------------- */

static void damage(uint64_t offset)
{
	char name[HELPER_DISK_NAME_MAX];
	for (uint32_t i = 0; i < files_slots_used(&life.store->files); i++) {
		if (life.store->files.file[i].sequence == 1)
			helper_disk_segment_name(i, name);
	}
	helper_disk_flip(&life.disk, name, 8 * offset);
}

/* The disk lies about a record that nobody has verified: cold (0), or in memory from a
 * recovery with a hint file (1). */
START_TEST(damage_is_not_copied)
{
	struct store_report background;
	bool is_cold = _i == 0;
	begin(is_cold ? &cold : &quiet);
	/* No two have the same hash: a recovery need not read them. */
	for (uint32_t id = 0; id < 16; id += 2)
		ck_assert_int_eq(life_put(id, 1000), 0);
	go_to_next_segment(20, 100000);
	go_to_next_segment(20, 100000);
	ck_assert_int_eq(life_commit(), 0);
	if (is_cold) {
		ck_assert_int_eq(life_balance(), 0);
		damage(5000);
	} else {
		while (store_wants_background(life.store))
			ck_assert_int_eq(store_background(life.store, &background), 0);
		damage(5000);
		ck_assert_int_eq(life_reopen(), 0);
		ck_assert_int_eq(life_balance(), 0);
		ck_assert_uint_eq(counts().cold_segments, 0);
	}
	ck_assert_int_eq(life_compact(), DHT_ECORRUPT);
	ck_assert_int_eq(life_compact(), DHT_ECORRUPT);
	ck_assert(is_in_log(1));
	life_end();
}
END_TEST

/* Puts, overwritings and deletions of 20 x the live data, while some of it stays where it
 * was put: the disk is not much larger than what is alive. */
START_TEST(churn_stays_small)
{
	enum { STATIC = 10, STATIC_SIZE = 400000, SIZE = 150000 };
	uint64_t written = 0, most = 0, state = 1;
	begin(&quiet);
	for (uint32_t id = 0; id < LIFE_KEYS; id++)
		ck_assert_int_eq(life_put(id, id < STATIC ? STATIC_SIZE : SIZE), 0);
	uint64_t live = counts().bytes;
	while (written < 20 * live) {
		uint32_t id = STATIC + helper_disk_draw(&state) % (LIFE_KEYS - STATIC);
		UNIT_REQUIRE(life_put(id, SIZE) == 0);
		written += SIZE;
		if (helper_disk_draw(&state) % 4 == 0)
			UNIT_REQUIRE(life_delete(id) == 0);
		UNIT_REQUIRE(life_commit() == 0 && life_keep_house() == 0);
		struct store_counts now = counts();
		uint64_t allowed =
		    2 * now.live_bytes + (3 + 2 + FILES_SPARE) * (uint64_t)LIFE_SEGMENT;
		UNIT_REQUIRE(now.disk_bytes <= allowed);
		most = now.disk_bytes > most ? now.disk_bytes : most;
	}
	ck_assert_uint_gt(counts().compact_segments, 20);
	end();
}
END_TEST

/* A full disk, all of it alive: deletions go on, and win room back. */
START_TEST(full_disk_is_won_back)
{
	static const struct life_plan plan = {
	    .name = "full", .loss = HELPER_DISK_DROP, .capacity = 8 * LIFE_SEGMENT + 100000};
	enum { SIZE = 250000 };
	begin(&plan);
	uint32_t full = 0;
	int rc = 0;
	while (rc == 0 && full < LIFE_KEYS) {
		rc = life_put(full, SIZE);
		full += rc == 0;
		ck_assert_int_eq(life_commit(), 0);
	}
	ck_assert_int_eq(rc, DHT_ENOSPC);
	ck_assert(counts().is_full);
	/* One key of each segment dies: little at a time, so all has to be copied. */
	for (uint32_t id = 0; id < full; id += 3) {
		ck_assert_int_eq(life_delete(id), 0);
		ck_assert_int_eq(life_commit(), 0);
		ck_assert_int_eq(life_keep_house(), 0);
	}
	ck_assert(!counts().is_full);
	for (uint32_t id = 0; id < full; id += 6) {
		ck_assert_int_eq(life_put(id, SIZE), 0);
		ck_assert_int_eq(life_commit(), 0);
		ck_assert_int_eq(life_keep_house(), 0);
	}
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_compact");
	TCase *tcase = tcase_create("store_compact");
	tcase_set_timeout(tcase, 0);
	tcase_add_test(tcase, unwritten_segment_is_left_alone);
	tcase_add_test(tcase, durable_mark_only_grows);
	tcase_add_test(tcase, unsynced_segment_gets_no_hint);
	tcase_add_loop_test(tcase, what_hides_stays_as_long_as_the_hidden, 0, 2);
	tcase_add_test(tcase, dead_log_shrinks_to_nothing);
	tcase_add_test(tcase, unsynced_dead_log_shrinks);
	tcase_add_test(tcase, flags_survive_a_move);
	tcase_add_test(tcase, pinned_segment_stays);
	tcase_add_test(tcase, cold_segment_is_emptied);
	tcase_add_loop_test(tcase, cold_block_is_dropped, 0, 2);
	tcase_add_test(tcase, void_drop_does_not_outlive_its_mark);
	tcase_add_loop_test(tcase, mark_stays_as_long_as_a_void_drop, 0, 2);
	tcase_add_loop_test(tcase, files_wait_for_the_map, 0, 2);
	tcase_add_test(tcase, notes_survive_compaction);
	tcase_add_test(tcase, digest_is_the_same_of_cold_records);
	tcase_add_loop_test(tcase, expired_values_leave_the_disk, 0, 3);
	tcase_add_test(tcase, what_expires_later_counts_as_alive);
	tcase_add_test(tcase, expired_values_are_not_copied);
	tcase_add_test(tcase, expired_values_make_room_on_a_full_disk);
	tcase_add_loop_test(tcase, damage_is_not_copied, 0, 2);
	tcase_add_test(tcase, churn_stays_small);
	tcase_add_test(tcase, full_disk_is_won_back);
	tcase_add_loop_test(tcase, crash_anywhere, 0, PLANS);
	tcase_add_test(tcase, lazy_crash_anywhere);
	tcase_add_loop_test(tcase, long_life, 0, PLANS);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
