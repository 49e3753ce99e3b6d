/* SPDX-License-Identifier: Apache-2.0
 *
 * store/ahead: which memory is touched before records are appended to it, and when.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "helper_disk.h"
#include "store/store.h"
#include "unit.h"

enum { BLOCKS = 64, MIB = 1 << 20, SIZE = 8 * MIB, PIECE = 2 * MIB, RECORD = 256 * 1024 };
enum { PER_SEGMENT = SIZE / PIECE };

static struct helper_disk disk;
static struct store *store;

/* Pieces touched: bit n of a slot stands for its n-th one. */
static unsigned touched[8];

static void note(void *ctx, uint8_t *memory, size_t size)
{
	uint32_t slot, offset;
	ck_assert_ptr_eq(ctx, &disk);
	ck_assert(store_find_address(store, memory, &slot, &offset));
	ck_assert_uint_lt(slot, 8);
	ck_assert_uint_eq(offset % PIECE, 0);
	ck_assert_uint_eq(size, PIECE);
	ck_assert_uint_eq(touched[slot] & 1U << offset / PIECE, 0); /* once only */
	touched[slot] |= 1U << offset / PIECE;
	/* A mapped segment would refuse it; but for what was appended it is zero. */
	memory[PIECE - 1] = 0;
}

static void *table_resize(void *ctx, void *table, size_t old_size, size_t new_size)
{
	return store_os_memory()->table_resize(ctx, table, old_size, new_size);
}

static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	key->hash = hash_bytes(key->key.data, key->key.len);
	key->block = key->key.data[0] % blocks;
}

static void open_store(void)
{
	struct store_options options = {
	    .blocks = BLOCKS, .segment_size_bytes = SIZE, .locate = locate};
	ck_assert_int_eq(store_open(&options, &disk.os, &store), 0);
}

static void setup(void)
{
	helper_disk_init(&disk, 7);
	disk.os.table_resize = table_resize;
	disk.os.segment_touch = note;
	memset(touched, 0, sizeof(touched));
	open_store();
	while (store_wants_segment(store))
		ck_assert_int_eq(store_prepare(store), 0);
	ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
}

static void teardown(void)
{
	store_close(store);
	store = NULL;
	helper_disk_fini(&disk);
}

/* Returns where the record lies. */
static uint64_t append(void)
{
	static uint8_t value[RECORD];
	static uint64_t counter;
	uint8_t name[8];
	put_u64(name, ++counter);
	struct store_key key = {.key = bytes_of(name, sizeof(name))};
	struct store_hit hit;
	struct ballot acc = ballot_make(1, counter, 1);
	uint64_t end;
	locate(NULL, &key, BLOCKS);
	ck_assert_int_eq(store_find(store, &key, NULL, &hit), STORE_ABSENT);
	struct record rec = {.kind = RECORD_VALUE,
			     .acc = acc,
			     .ver = acc,
			     .key = key.key,
			     .value = bytes_of(value, sizeof(value))};
	ck_assert_int_eq(store_put(store, 0, &key, &hit, &rec, &end), 0);
	ck_assert_int_eq(store_find(store, &key, NULL, &hit), STORE_FOUND);
	return hit.location;
}

static void touch_all(void)
{
	for (unsigned i = 0; store_wants_memory(store); i++) {
		ck_assert_uint_le(i, 2 * PER_SEGMENT);
		store_touch_memory(store);
	}
	/* And no more than that. */
	unsigned before[8];
	memcpy(before, touched, sizeof(touched));
	store_touch_memory(store);
	ck_assert_mem_eq(before, touched, sizeof(touched));
}

static uint32_t slot_of(uint64_t location)
{
	return (uint32_t)(location >> STORE_OFFSET_BITS);
}

static uint32_t offset_of(uint64_t location)
{
	return (uint32_t)(location & (STORE_SEGMENT_SIZE_MAX - 1));
}

START_TEST(new_node_takes_as_much_ahead_as_was_appended)
{
	touch_all();
	uint64_t location = append();
	uint32_t slot = slot_of(location);
	touch_all();
	for (unsigned i = 0; i < 8; i++)
		ck_assert_uint_eq(touched[i], 0);
	while (offset_of(location) < MIB * 5 / 4)
		location = append();
	touch_all();
	ck_assert_uint_eq(touched[slot], 2);
	while (offset_of(location) < 3 * MIB)
		location = append();
	touch_all();
	ck_assert_uint_eq(touched[slot], 2 | 4 | 8);
	/* What is beyond the segment is the beginning of the next one. */
	while (offset_of(location) < SIZE * 3 / 4)
		location = append();
	touch_all();
	for (unsigned i = 0; i < 8; i++) {
		if (i != slot)
			ck_assert(touched[i] == 0 || touched[i] == (1 | 2 | 4));
	}
}
END_TEST

START_TEST(busy_node_has_the_next_segment_there)
{
	uint64_t first = append(), location = first;
	while (slot_of(location) == slot_of(first))
		location = append();
	uint32_t second = slot_of(location);
	touch_all();
	/* The first piece is in use; no other segment is known yet. */
	ck_assert_uint_eq(touched[second], (1U << PER_SEGMENT) - 2);
	ck_assert_int_eq(store_commit(store, STORE_WRITE_ONLY), 0);
	touch_all();
	unsigned others = 0;
	for (unsigned i = 0; i < 8; i++)
		others |= i != second ? touched[i] : 0;
	ck_assert_uint_eq(others, (1U << PER_SEGMENT) - 1);
	/* It has come to be used: nothing is to be done before another one follows it. */
	while (slot_of(location) == second)
		location = append();
	ck_assert(!store_wants_memory(store));
	ck_assert_uint_eq(touched[slot_of(location)], (1U << PER_SEGMENT) - 1);
}
END_TEST

START_TEST(started_node_begins_anew)
{
	uint64_t location = append();
	while (offset_of(location) < 3 * MIB)
		location = append();
	store_close(store);
	helper_disk_power_back(&disk, HELPER_DISK_KEEP);
	open_store();
	ck_assert(!store_wants_memory(store));
	append();
	ck_assert(!store_wants_memory(store));
}
END_TEST

START_TEST(system_that_wins_nothing_is_not_asked)
{
	disk.os.segment_touch = NULL;
	uint64_t location = append();
	while (offset_of(location) < 3 * MIB)
		location = append();
	ck_assert(!store_wants_memory(store));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ahead");
	TCase *tcase = tcase_create("ahead");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, new_node_takes_as_much_ahead_as_was_appended);
	tcase_add_test(tcase, busy_node_has_the_next_segment_there);
	tcase_add_test(tcase, started_node_begins_anew);
	tcase_add_test(tcase, system_that_wins_nothing_is_not_asked);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
