/* SPDX-License-Identifier: Apache-2.0
 *
 * Recovery of logs that are written here by hand: which record of a key wins, what hides
 * what, where the log may be cut, and that no damaged byte goes unnoticed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "helper_disk.h"
#include "helper_log.h"
#include "store/manifest.h"
#include "store/segment.h"
#include "store/store.h"
#include "unit.h"

enum { BLOCKS = HELPER_LOG_BLOCKS, SIZE = HELPER_LOG_SEGMENT };

static struct helper_disk disk;
static struct store *store;
static struct store_report report;

static void setup(void)
{
	helper_disk_init(&disk, 3);
	disk.os.table_resize = store_os_memory()->table_resize;
	helper_log_clear();
}

static void teardown(void)
{
	store_close(store);
	store = NULL;
	helper_disk_fini(&disk);
}

static int open_store(void)
{
	struct store_options options = {.blocks = BLOCKS,
					.segment_size_bytes = SIZE,
					.locate = helper_log_locate,
					.report = &report};
	return store_open(&options, &disk.os, &store);
}

static enum store_found find(const char *name, struct store_hit *hit)
{
	struct store_key key = {.key = bytes_of(name, strlen(name))};
	helper_log_locate(NULL, &key, BLOCKS);
	return store_find(store, &key, NULL, hit);
}

static void check_value(const char *name, const char *text)
{
	struct store_hit hit;
	if (text == NULL) {
		ck_assert_int_eq(find(name, &hit), STORE_ABSENT);
		return;
	}
	ck_assert_int_eq(find(name, &hit), STORE_FOUND);
	ck_assert(bytes_equal(hit.record.value, bytes_of(text, strlen(text))));
}

static void damage(void *ctx, const char *why)
{
	unsigned *count = ctx;
	ck_assert_uint_gt(strlen(why), 0);
	*count += 1;
}

static int check_store(unsigned *damages)
{
	struct store_options options = {.locate = helper_log_locate, .report = &report};
	*damages = 0;
	return store_check(&options, &disk.os, damage, damages);
}

/* ---- What wins ----------------------------------------------------------------------- */

START_TEST(latest_record_wins_whatever_its_acc)
{
	helper_log_begin_segment(3);
	helper_log_add(helper_log_value("a", 9, "old"));
	helper_log_add(helper_log_value("b", 1, "old"));
	helper_log_end_segment();
	helper_log_begin_segment(8);
	helper_log_add(helper_log_value("a", 4, "new"));
	helper_log_add(helper_log_value("b", 2, "new"));
	helper_log_add(helper_log_value("c", 2, "old"));
	helper_log_add(helper_log_value("c", 1, "new"));
	helper_log_write(&disk);
	ck_assert_int_eq(open_store(), 0);
	check_value("a", "new");
	check_value("b", "new");
	check_value("c", "new");
	ck_assert_uint_eq(report.segments, 2);
	ck_assert_uint_eq(report.records, 6);
	ck_assert_uint_eq(report.keys, 3);
	ck_assert_uint_eq(report.highest_counter, 9);
	ck_assert_uint_eq(report.ceiling, 5);
	ck_assert_uint_eq(report.cut_bytes, 0);
}
END_TEST

START_TEST(copy_and_vote_of_the_same_acc_are_in_order)
{
	struct store_hit hit;
	helper_log_begin_segment(1);
	helper_log_add(helper_log_copy_of(helper_log_value("a", 9, "x")));
	helper_log_add(helper_log_value("a", 9, "x"));
	helper_log_add(helper_log_value("b", 9, "x"));
	helper_log_add(helper_log_copy_of(helper_log_value("b", 9, "x")));
	helper_log_write(&disk);
	ck_assert_int_eq(open_store(), 0);
	ck_assert_int_eq(find("a", &hit), STORE_FOUND);
	ck_assert(!hit.record.copy);
	ck_assert_int_eq(find("b", &hit), STORE_FOUND);
	ck_assert(hit.record.copy);
}
END_TEST

/* "behind": a sync stores a copy of a lower acc than what was erased. */
START_TEST(erase_hides_what_lies_before_it)
{
	helper_log_begin_segment(1);
	helper_log_add(helper_log_value("before", 5, "x"));
	helper_log_add(helper_log_erasure("before"));
	helper_log_add(helper_log_value("behind", 9, "old"));
	helper_log_add(helper_log_erasure("behind"));
	helper_log_add(helper_log_erasure("twice"));
	helper_log_end_segment();
	helper_log_begin_segment(2);
	helper_log_add(helper_log_copy_of(helper_log_value("behind", 5, "new")));
	helper_log_add(helper_log_value("twice", 6, "x"));
	helper_log_add(helper_log_erasure("twice"));
	helper_log_write(&disk);
	ck_assert_int_eq(open_store(), 0);
	check_value("before", NULL);
	check_value("behind", "new");
	check_value("twice", NULL);
	ck_assert_uint_eq(report.keys, 1);
}
END_TEST

/* Compaction has put them behind what came after them. */
START_TEST(what_hides_keeps_its_position_when_it_is_moved)
{
	uint64_t erased, dropped;
	helper_log_begin_segment(1);
	helper_log_add(helper_log_value("erased", 5, "old"));
	helper_log_add(helper_log_value("dropped", 5, "old"));
	helper_log_add(helper_log_value("gone", 5, "old"));
	helper_log_end_segment();
	helper_log_begin_segment(3);
	erased = helper_log_position();
	helper_log_add(helper_log_value("erased", 4, "new"));
	dropped = helper_log_position();
	helper_log_add(helper_log_value("dropped", 4, "new"));
	helper_log_end_segment();
	helper_log_begin_segment(4);
	helper_log_add(helper_log_map(7, ""));
	helper_log_add(helper_log_moved(helper_log_drop('d' % BLOCKS, 7), dropped));
	helper_log_add(helper_log_moved(helper_log_drop('g' % BLOCKS, 7), dropped));
	helper_log_add(helper_log_moved(helper_log_erasure("erased"), erased));
	helper_log_write(&disk);
	ck_assert_int_eq(open_store(), 0);
	check_value("erased", "new");
	check_value("dropped", "new");
	check_value("gone", NULL);
	ck_assert_uint_eq(report.keys, 2);
}
END_TEST

/* A member rejoins a block: its old life is dropped, and the copies of the new one are of older
 * ballots than anything before. */
START_TEST(drop_hides_what_lies_before_it)
{
	char names[200][8];
	helper_log_begin_segment(1);
	helper_log_add(helper_log_map(1, ""));
	for (int i = 0; i < 200; i++) {
		snprintf(names[i], sizeof(names[i]), "\1%d", i);
		helper_log_add(helper_log_value(names[i], 7, "old"));
	}
	helper_log_add(helper_log_value("\2other", 7, "x"));
	helper_log_add(helper_log_drop(1, 2));
	helper_log_add(helper_log_map(2, ""));
	for (int i = 0; i < 100; i++)
		helper_log_add(helper_log_copy_of(helper_log_value(names[i], 3, "new")));
	helper_log_write(&disk);
	ck_assert_int_eq(open_store(), 0);
	for (int i = 0; i < 200; i++)
		check_value(names[i], i < 100 ? "new" : NULL);
	check_value("\2other", "x");
	ck_assert_uint_eq(report.keys, 101);
	ck_assert_uint_eq(store_keys(store, 1), 100);
}
END_TEST

static void commit(void)
{
	int rc = 0;
	while (rc == 0 && store_wants_segment(store))
		rc = store_prepare(store);
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
}

static void put_map(uint64_t epoch)
{
	uint64_t end;
	int rc = store_put_note(store, 0, RECORD_MAP, 0, epoch, bytes_of("m", 1), &end);
	ck_assert_int_eq(rc, 0);
	commit();
}

static void reopen(void)
{
	store_close(store);
	store = NULL;
	ck_assert_int_eq(open_store(), 0);
}

/* Two blocks are dropped, the log is torn before the map; what lies before and behind is there,
 * and stays although the adoption is done again, for one of the blocks only. */
START_TEST(drop_without_its_map_never_counts)
{
	uint64_t end;
	helper_log_begin_segment(1);
	helper_log_add(helper_log_map(4, ""));
	helper_log_add(helper_log_value("\1a", 7, "x"));
	helper_log_add(helper_log_value("\2a", 7, "x"));
	helper_log_add(helper_log_drop(1, 5));
	helper_log_add(helper_log_drop(2, 5));
	helper_log_add(helper_log_value("\3behind", 7, "x"));
	helper_log_write(&disk);
	ck_assert_int_eq(open_store(), 0);
	check_value("\1a", "x");
	check_value("\2a", "x");
	check_value("\3behind", "x");
	/* A crash before anything was written changes nothing. */
	if (_i == 1)
		reopen();
	commit();
	if (_i == 2)
		reopen();
	check_value("\1a", "x");
	ck_assert_int_eq(store_drop(store, 0, 1, 5, &end), 0);
	put_map(5);
	for (int i = 0; i < 3; i++) {
		check_value("\1a", NULL);
		check_value("\2a", "x");
		check_value("\3behind", "x");
		reopen();
		put_map(6 + (uint64_t)i);
	}
}
END_TEST

/* A mark is for what lies before it, and for epochs above its own. */
START_TEST(mark_voids_what_lies_before_it)
{
	helper_log_begin_segment(1);
	helper_log_add(helper_log_value("\1a", 7, "x"));
	helper_log_add(helper_log_value("\2a", 7, "x"));
	helper_log_add(helper_log_value("\3a", 7, "x"));
	helper_log_add(helper_log_drop(1, 5));
	helper_log_add(helper_log_drop(2, 4));
	uint64_t at = helper_log_position();
	helper_log_add(helper_log_drop(3, 5));
	if (_i == 0)
		helper_log_add(helper_log_moved(helper_log_mark(4), at));
	helper_log_add(helper_log_map(5, ""));
	helper_log_write(&disk);
	ck_assert_int_eq(open_store(), 0);
	check_value("\1a", _i == 0 ? "x" : NULL);
	check_value("\2a", NULL);
	check_value("\3a", NULL);
}
END_TEST

/* ---- Notes ---------------------------------------------------------------------------- */

static void check_note(enum record_kind kind, uint32_t id, const void *bytes, size_t len)
{
	struct bytes value;
	ck_assert(store_note(store, kind, id, &value) == (bytes != NULL));
	if (bytes != NULL)
		ck_assert(bytes_equal(value, bytes_of(bytes, len)));
}

START_TEST(latest_notes_are_found)
{
	uint8_t version[4] = {8};
	helper_log_begin_segment(1);
	helper_log_add(helper_log_map(3, "old"));
	helper_log_add(helper_log_vote(3, "vote"));
	helper_log_add(helper_log_fin(7, 3, 1));
	helper_log_add(helper_log_fin(5, 3, 9));
	helper_log_end_segment();
	helper_log_begin_segment(2);
	helper_log_add(helper_log_map(4, "new map"));
	helper_log_add(helper_log_vote(3, ""));
	helper_log_add(helper_log_fin(5, 4, 8));
	helper_log_write(&disk);
	ck_assert_int_eq(open_store(), 0);
	for (int i = 0; i < 3; i++) {
		check_note(RECORD_MAP, 0, "new map", 7);
		check_note(RECORD_VOTE, 0, "", 0);
		check_note(RECORD_FIN, 5, version, 4);
		check_note(RECORD_FIN, 6, NULL, 0);
		commit();
		reopen();
	}
}
END_TEST

START_TEST(notes_of_impossible_contents_are_damage)
{
	struct record rec = helper_log_fin(BLOCKS, 1, 1);
	if (_i == 1)
		rec = helper_log_drop(BLOCKS, 1);
	if (_i == 2) {
		rec = helper_log_map(1, "");
		rec.value.len--;
	}
	helper_log_begin_segment(1);
	helper_log_add(rec);
	helper_log_write(&disk);
	ck_assert_int_eq(open_store(), DHT_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(report.why, "impossible"));
}
END_TEST

START_TEST(keys_that_can_expire_are_counted)
{
	struct record expiring = helper_log_value("a", 1, "old");
	expiring.expires_ms = 1700000000000;
	helper_log_begin_segment(1);
	helper_log_add(expiring);
	expiring.key = bytes_of("b", 1);
	helper_log_add(expiring);
	helper_log_add(helper_log_value("c", 3, "never"));
	helper_log_add(helper_log_value("a", 4, "never"));
	helper_log_write(&disk);
	ck_assert_int_eq(open_store(), 0);
	struct store_counts counts;
	store_count(store, &counts);
	ck_assert_uint_eq(counts.keys, 3);
	ck_assert_uint_eq(counts.expiring, 1);
	struct store_hit hit;
	ck_assert_int_eq(find("b", &hit), STORE_FOUND);
	ck_assert_uint_eq(hit.record.expires_ms, 1700000000000);
}
END_TEST

START_TEST(highest_ceiling_counts)
{
	uint8_t bytes[RECORD_CEILING_SIZE] = {0};
	struct record ceiling = {.kind = RECORD_CEILING, .value = bytes_of(bytes, sizeof(bytes))};
	helper_log_begin_segment(1);
	put_u64(bytes, 700);
	helper_log_add(ceiling);
	put_u64(bytes, 600);
	helper_log_add(ceiling);
	helper_log_write(&disk);
	ck_assert_int_eq(open_store(), 0);
	ck_assert_uint_eq(report.ceiling, 700);
	/* Its segment has left the log since. */
	for (int i = 0; i < 3; i++) {
		store_close(store);
		ck_assert_int_eq(open_store(), 0);
		ck_assert_uint_eq(report.ceiling, 700);
	}
}
END_TEST

/* ---- Where the log ends --------------------------------------------------------------- */

/* Three segments; tears the end of the one before the last. */
static void write_torn(bool last_is_empty)
{
	helper_log_begin_segment(1);
	helper_log_add(helper_log_value("a", 1, "x"));
	helper_log_end_segment();
	helper_log_begin_segment(2);
	helper_log_add(helper_log_value("b", 2, "x"));
	helper_log_add(helper_log_value("c", 3, "torn"));
	helper_log.images[1].data[helper_log.images[1].end - 1] ^= 1;
	helper_log_begin_segment(3);
	if (!last_is_empty)
		helper_log_add(helper_log_value("d", 4, "x"));
	helper_log_write(&disk);
}

START_TEST(torn_end_is_cut_for_good)
{
	unsigned damages;
	write_torn(true);
	ck_assert_int_eq(check_store(&damages), 0);
	ck_assert_uint_gt(report.cut_bytes, 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(open_store(), 0);
		ck_assert((report.cut_bytes > 0) == (i == 0));
		check_value("a", "x");
		check_value("b", "x");
		check_value("c", NULL);
		store_close(store);
		store = NULL;
		ck_assert_int_eq(check_store(&damages), 0);
		ck_assert_uint_eq(report.cut_bytes, 0);
	}
}
END_TEST

START_TEST(torn_before_records_is_damage)
{
	unsigned damages;
	write_torn(false);
	ck_assert_int_eq(open_store(), DHT_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(report.why, "00000001.seg, offset "));
	ck_assert_int_eq(check_store(&damages), DHT_ECORRUPT);
	ck_assert_uint_eq(damages, 1);
}
END_TEST

START_TEST(every_damaged_byte_is_noticed)
{
	char name[HELPER_DISK_NAME_MAX];
	unsigned damages;
	helper_log_begin_segment(1);
	helper_log_add(helper_log_value("a", 1, "some bytes"));
	helper_log_add(helper_log_erasure("b"));
	helper_log_end_segment();
	helper_log_begin_segment(2);
	helper_log_add(helper_log_copy_of(helper_log_value("c", 2, "more bytes")));
	helper_log_end_segment();
	helper_log_begin_segment(3);
	helper_log_add(helper_log_value("d", 4, "the last bytes"));
	helper_log_write(&disk);
	ck_assert_int_eq(check_store(&damages), 0);
	for (uint32_t i = 0; i < helper_log.count; i++) {
		uint32_t whole = helper_log.images[i].end + (i < 2 ? SEGMENT_END_SIZE : 0);
		helper_disk_segment_name(i, name);
		for (uint64_t bit = 0; bit < whole * UINT64_C(8); bit += 3) {
			helper_disk_flip(&disk, name, bit);
			int rc = check_store(&damages);
			if (i == 2 && bit / 8 >= SEGMENT_HEADER_SIZE)
				UNIT_REQUIRE(rc == 0 && report.cut_bytes > 0);
			else
				UNIT_REQUIRE(rc == DHT_ECORRUPT && damages > 0);
			/* An open cuts what is torn: that would change the files. */
			if (i < 2)
				UNIT_REQUIRE(open_store() == DHT_ECORRUPT);
			helper_disk_flip(&disk, name, bit);
		}
	}
}
END_TEST

START_TEST(every_damaged_byte_of_the_manifest_is_noticed)
{
	unsigned damages;
	helper_log_begin_segment(1);
	helper_log_add(helper_log_value("a", 1, "x"));
	helper_log_write(&disk);
	for (uint64_t bit = 0; bit < manifest_size(1) * UINT64_C(8); bit++) {
		helper_disk_flip(&disk, MANIFEST_NAME, bit);
		UNIT_REQUIRE(open_store() == DHT_ECORRUPT && report.why[0] != '\0');
		UNIT_REQUIRE(check_store(&damages) == DHT_ECORRUPT && damages == 1);
		helper_disk_flip(&disk, MANIFEST_NAME, bit);
	}
	ck_assert_int_eq(open_store(), 0);
}
END_TEST

START_TEST(a_manifest_of_impossible_blocks_is_damage)
{
	static const uint32_t impossible[] = {0, 1, STORE_BLOCKS_MIN / 2, 96, 2 * STORE_BLOCKS_MAX};
	unsigned damages;
	for (size_t i = 0; i < DHT_ARRAY_LEN(impossible); i++) {
		uint8_t bytes[64];
		struct manifest manifest = {.segment_size_bytes = SIZE, .blocks = impossible[i]};
		manifest_encode(bytes, &manifest);
		ck_assert_int_eq(
		    disk.os.file_replace(&disk, MANIFEST_NAME, bytes, manifest_size(0)), 0);
		ck_assert_int_eq(check_store(&damages), DHT_ECORRUPT);
		ck_assert_int_eq(open_store(), DHT_ECORRUPT);
		ck_assert_ptr_nonnull(strstr(report.why, "manifest, offset 0: "));
	}
}
END_TEST

START_TEST(files_and_manifest_must_agree)
{
	char name[HELPER_DISK_NAME_MAX];
	helper_log_begin_segment(1);
	helper_log_add(helper_log_value("a", 1, "x"));
	helper_log_write(&disk);
	helper_disk_segment_name(0, name);
	helper_disk_cut(&disk, name, SIZE - 1);
	ck_assert_int_eq(open_store(), DHT_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(report.why, "size"));
	ck_assert_int_eq(disk.os.remove(&disk, 0), 0);
	ck_assert_int_eq(open_store(), DHT_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(report.why, "missing"));
	ck_assert_int_eq(disk.os.create(&disk, 0, SIZE), 0);
	ck_assert_int_eq(open_store(), DHT_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(report.why, "header"));
	ck_assert_int_eq(disk.os.file_remove(&disk, MANIFEST_NAME), 0);
	ck_assert_int_eq(open_store(), DHT_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(report.why, "missing"));
	ck_assert_int_eq(disk.os.remove(&disk, 0), 0);
	ck_assert_int_eq(open_store(), 0);
}
END_TEST

START_TEST(any_failed_call_fails_the_open_and_no_more)
{
	write_torn(true);
	for (uint64_t n = 1;; n++) {
		helper_disk_fail(&disk, HELPER_DISK_ANY, n, DHT_EIO);
		int rc = open_store();
		bool is_done = rc == 0;
		UNIT_REQUIRE(is_done || rc == DHT_EIO || rc == DHT_ENOMEM);
		store_close(store);
		store = NULL;
		helper_disk_power_back(&disk, HELPER_DISK_TEAR);
		UNIT_REQUIRE(open_store() == 0);
		check_value("a", "x");
		check_value("b", "x");
		check_value("c", NULL);
		if (is_done)
			break;
		store_close(store);
		store = NULL;
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_recover");
	TCase *tcase = tcase_create("store_recover");
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, latest_record_wins_whatever_its_acc);
	tcase_add_test(tcase, copy_and_vote_of_the_same_acc_are_in_order);
	tcase_add_test(tcase, erase_hides_what_lies_before_it);
	tcase_add_test(tcase, what_hides_keeps_its_position_when_it_is_moved);
	tcase_add_test(tcase, drop_hides_what_lies_before_it);
	tcase_add_loop_test(tcase, drop_without_its_map_never_counts, 0, 3);
	tcase_add_loop_test(tcase, mark_voids_what_lies_before_it, 0, 2);
	tcase_add_test(tcase, latest_notes_are_found);
	tcase_add_loop_test(tcase, notes_of_impossible_contents_are_damage, 0, 3);
	tcase_add_test(tcase, keys_that_can_expire_are_counted);
	tcase_add_test(tcase, highest_ceiling_counts);
	tcase_add_test(tcase, torn_end_is_cut_for_good);
	tcase_add_test(tcase, torn_before_records_is_damage);
	tcase_add_test(tcase, every_damaged_byte_is_noticed);
	tcase_add_test(tcase, every_damaged_byte_of_the_manifest_is_noticed);
	tcase_add_test(tcase, a_manifest_of_impossible_blocks_is_damage);
	tcase_add_test(tcase, files_and_manifest_must_agree);
	tcase_add_test(tcase, any_failed_call_fails_the_open_and_no_more);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
