/* SPDX-License-Identifier: Apache-2.0
 *
 * store/segment and store/tail: how long a segment lives, what a full log answers, and
 * that the complete prefix is complete while several threads append.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "helper_store_os.h"
#include "store/tail.h"
#include "unit.h"

enum { SIZE = STORE_SEGMENT_SIZE_MIN, ROOM = SIZE - 1 - SEGMENT_HEADER_SIZE };

static struct heap_os heap;
static struct segments segs;
static struct tail tail;

static void setup(void)
{
	heap_os_init(&heap);
	ck_assert_int_eq(segments_init(&segs, &heap.os, SIZE), 0);
	ck_assert_int_eq(tail_init(&tail, &segs, 1), 0);
}

static void teardown(void)
{
	segments_fini(&segs);
	heap_os_fini(&heap);
}

/* ---- Header ---------------------------------------------------------------------- */

START_TEST(header_comes_back)
{
	uint8_t header[SEGMENT_HEADER_SIZE];
	uint64_t sequence = 0;
	segment_header_encode(header, 0x123456789abcdef, SIZE);
	ck_assert_mem_eq(header, "DHTS", 4);
	ck_assert_int_eq(segment_header_decode(header, SIZE, &sequence), 0);
	ck_assert_uint_eq(sequence, 0x123456789abcdef);
	ck_assert_int_eq(segment_header_decode(header, SIZE * 2, &sequence), DHT_ECORRUPT);
	for (unsigned bit = 0; bit < sizeof(header) * 8; bit++) {
		header[bit / 8] ^= (uint8_t)(1u << bit % 8);
		UNIT_REQUIRE(segment_header_decode(header, SIZE, &sequence) == DHT_ECORRUPT);
		header[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	segment_header_encode(header, 0, SIZE);
	ck_assert_int_eq(segment_header_decode(header, SIZE, &sequence), DHT_ECORRUPT);
}
END_TEST

START_TEST(segment_in_memory_begins_with_its_header)
{
	uint64_t sequence;
	ck_assert_int_eq(segment_header_decode(segment_memory(&segs, 0), SIZE, &sequence), 0);
	ck_assert_uint_eq(sequence, 1);
}
END_TEST

/* ---- Life of a segment ----------------------------------------------------------- */

static uint64_t location(uint32_t slot, uint32_t offset)
{
	return (uint64_t)slot << STORE_OFFSET_BITS | offset;
}

START_TEST(open_segment_stays_although_all_is_dead)
{
	uint32_t slot;
	ck_assert_int_eq(segment_open(&segs, 2, &slot), 0);
	segment_kill(&segs, location(slot, 32), 1000);
	segment_kill(&segs, location(slot, 1032), ROOM - 1000);
	ck_assert_int_eq(atomic_load(&heap.segments), 2);
	segment_seal(&segs, slot, segment_limit(&segs));
	ck_assert_int_eq(atomic_load(&heap.segments), 1);
}
END_TEST

START_TEST(sealed_segment_goes_with_its_last_live_byte)
{
	uint32_t slot, again;
	ck_assert_int_eq(segment_open(&segs, 2, &slot), 0);
	segment_seal(&segs, slot, SEGMENT_HEADER_SIZE + 300);
	segment_kill(&segs, location(slot, 32), 100);
	segment_kill(&segs, location(slot, 232), 100);
	ck_assert_int_eq(atomic_load(&heap.segments), 2);
	segment_kill(&segs, location(slot, 132), 100);
	ck_assert_int_eq(atomic_load(&heap.segments), 1);
	ck_assert_int_eq(segment_open(&segs, 3, &again), 0);
	ck_assert_uint_eq(again, slot);
	ck_assert_uint_eq(atomic_load(&segs.slots[slot].sequence), 3);
}
END_TEST

START_TEST(pins_keep_a_dead_segment)
{
	uint32_t slot;
	uint64_t count, dead;
	ck_assert_int_eq(segment_open(&segs, 2, &slot), 0);
	segment_seal(&segs, slot, SEGMENT_HEADER_SIZE + 100);
	segment_pin(&segs, location(slot, 32));
	segment_pin(&segs, location(slot, 32));
	segment_kill(&segs, location(slot, 32), 100);
	segments_count(&segs, &count, &dead);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(dead, 100);
	segment_unpin(&segs, location(slot, 32));
	ck_assert_int_eq(atomic_load(&heap.segments), 2);
	segment_unpin(&segs, location(slot, 32));
	ck_assert_int_eq(atomic_load(&heap.segments), 1);
	segments_count(&segs, &count, &dead);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(dead, 0);
}
END_TEST

START_TEST(empty_segment_goes_when_it_is_sealed)
{
	uint32_t slot;
	ck_assert_int_eq(segment_open(&segs, 2, &slot), 0);
	segment_seal(&segs, slot, SEGMENT_HEADER_SIZE);
	ck_assert_int_eq(atomic_load(&heap.segments), 1);
}
END_TEST

/* ---- One appender ---------------------------------------------------------------- */

static uint8_t filler[SIZE];

static struct record record_of_size(size_t size)
{
	struct record rec = {.acc = ballot_make(0, 1, 0), .value = bytes_of(filler, 0)};
	rec.ver = rec.acc;
	rec.value.len = size - record_size(&rec);
	return rec;
}

static int append(size_t size, uint64_t *at, uint64_t *end)
{
	struct record rec = record_of_size(size);
	return tail_append(&tail, 0, &rec, TAIL_CLAIM_VALUE, at, end);
}

START_TEST(records_follow_each_other)
{
	uint64_t at, end, size;
	struct record rec;
	ck_assert_uint_eq(tail_position(&tail), (UINT64_C(1) << STORE_OFFSET_BITS) + 32);
	ck_assert_int_eq(append(100, &at, &end), 0);
	ck_assert_uint_eq(at, 32);
	ck_assert_uint_eq(end, (UINT64_C(1) << STORE_OFFSET_BITS) + 132);
	ck_assert_int_eq(append(50, &at, &end), 0);
	ck_assert_uint_eq(at, 132);
	ck_assert_uint_eq(tail_position(&tail), end);
	ck_assert_uint_eq(tail_complete(&tail), end);
	ck_assert_int_eq(record_decode(segment_at(&segs, 132), SIZE - 132, 1, &rec, &size), 0);
	ck_assert_uint_eq(size, 50);
}
END_TEST

START_TEST(record_may_fill_a_segment_to_its_limit)
{
	uint64_t at, end;
	ck_assert_int_eq(append(ROOM + 1, &at, &end), DHT_ETOOBIG);
	ck_assert_int_eq(append(ROOM, &at, &end), 0);
	ck_assert_uint_eq(end, (UINT64_C(1) << STORE_OFFSET_BITS) + SIZE - 1);
	ck_assert_int_eq(append(ROOM, &at, &end), 0);
	ck_assert_uint_eq(at, location(1, 32));
	ck_assert_uint_eq(end, (UINT64_C(2) << STORE_OFFSET_BITS) + SIZE - 1);
	ck_assert_uint_eq(atomic_load(&segs.slots[0].used), SIZE - 1);
	ck_assert_uint_eq(tail_complete(&tail), end);
}
END_TEST

START_TEST(larger_than_a_record_can_be_is_refused)
{
	uint64_t at, end, before = tail_position(&tail);
	struct record rec = record_of_size(100);
	rec.key.len = RECORD_KEY_MAX + 1;
	ck_assert_int_eq(tail_append(&tail, 0, &rec, TAIL_CLAIM_VALUE, &at, &end), DHT_ETOOBIG);
	rec.key.len = 0;
	rec.value.len = RECORD_VALUE_MAX + 1;
	ck_assert_int_eq(tail_append(&tail, 0, &rec, TAIL_CLAIM_VALUE, &at, &end), DHT_ETOOBIG);
	ck_assert_uint_eq(tail_position(&tail), before);
}
END_TEST

START_TEST(segment_that_could_not_be_prepared_ahead_is_prepared_later)
{
	uint64_t at, end;
	atomic_store(&heap.segment_in, 0);
	ck_assert_int_eq(append(ROOM - 100, &at, &end), 0);
	ck_assert_int_eq(atomic_load(&heap.segments), 1);
	ck_assert_int_eq(append(101, &at, &end), 0);
	ck_assert_uint_eq(at, location(1, 32));
	ck_assert_int_eq(atomic_load(&heap.segments), 2);
}
END_TEST

START_TEST(full_log_changes_nothing_and_goes_on_when_there_is_room)
{
	uint64_t at = 0, end = 0;
	atomic_store(&heap.segments_max, 2);
	ck_assert_int_eq(append(ROOM - 100, &at, &end), 0);
	ck_assert_int_eq(append(ROOM, &at, &end), 0);
	uint64_t first = location(0, 32), before = tail_position(&tail), last_at = at,
		 last_end = end;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(append(100, &at, &end), DHT_ENOSPC);
		ck_assert_uint_eq(tail_position(&tail), before);
		ck_assert_uint_eq(tail_complete(&tail), before);
		ck_assert(at == last_at && end == last_end);
	}
	segment_kill(&segs, first, ROOM - 100);
	ck_assert_int_eq(append(100, &at, &end), 0);
	ck_assert_uint_eq(at, first);
	ck_assert_uint_eq(end, (UINT64_C(3) << STORE_OFFSET_BITS) + 132);
}
END_TEST

START_TEST(all_slots_taken_is_no_space)
{
	uint32_t slot;
	uint64_t at, end;
	ck_assert_int_eq(append(ROOM / 4, &at, &end), 0);
	for (uint32_t i = 1; i < STORE_SEGMENTS_MAX; i++)
		atomic_store(&segs.slots[i].sequence, 1000000 + i);
	ck_assert_int_eq(segment_open(&segs, 2, &slot), DHT_ENOSPC);
	ck_assert_int_eq(append(ROOM, &at, &end), DHT_ENOSPC);
	atomic_store(&segs.slots[STORE_SEGMENTS_MAX - 1].sequence, 0);
	ck_assert_int_eq(append(ROOM, &at, &end), 0);
	ck_assert_uint_eq(at, location(STORE_SEGMENTS_MAX - 1, 32));
}
END_TEST

/* ---- Many appenders -------------------------------------------------------------- */

enum {
	THREADS = 4,
	APPENDS = 6000,
	VALUE_MAX = 3000,
	LARGE = 120000,
	LARGE_EVERY = 97,
	SEGMENTS_MAX = 128
};

static _Atomic bool finished;

/* By sequence: the slot of the segment, plus 1. The appender that moved on to it says so
 * a little later than its record may count as complete. */
static _Atomic uint32_t slots[SEGMENTS_MAX];

/* The n-th record of a thread: number and size can be told from n alone. */
static size_t value_size(uint32_t n)
{
	return n % LARGE_EVERY == 0 ? LARGE : n * 7919 % VALUE_MAX;
}

static void *append_many(void *arg)
{
	uint32_t thread = (uint32_t)(uintptr_t)arg;
	uint8_t *value = malloc(LARGE);
	UNIT_REQUIRE(value != NULL);
	for (uint32_t n = 0; n < APPENDS; n++) {
		uint64_t at, end;
		struct record rec = {.acc = ballot_make(thread, n, 0)};
		rec.ver = rec.acc;
		rec.value = bytes_of(value, value_size(n));
		memset(value, (int)(n + thread), rec.value.len);
		UNIT_REQUIRE(tail_append(&tail, thread, &rec, TAIL_CLAIM_VALUE, &at, &end) == 0);
		UNIT_REQUIRE(end >> STORE_OFFSET_BITS < SEGMENTS_MAX);
		atomic_store(&slots[end >> STORE_OFFSET_BITS], segment_slot_of(at) + 1);
	}
	free(value);
	return NULL;
}

static uint32_t slot_of_sequence(uint64_t sequence)
{
	uint32_t slot;
	while ((slot = atomic_load(&slots[sequence])) == 0)
		sched_yield();
	return slot - 1;
}

/* Reads the log along, never beyond the complete prefix. */
struct reader {
	uint64_t at;
	uint32_t next[THREADS];
	uint64_t records;
};

static void read_record(struct reader *reader, uint32_t slot)
{
	struct record rec;
	size_t size;
	uint32_t offset = segment_offset_of(reader->at);
	UNIT_REQUIRE(record_decode(segment_memory(&segs, slot) + offset, SIZE - offset,
				   reader->at >> STORE_OFFSET_BITS, &rec, &size) == 0);
	uint32_t thread = rec.acc.version, n = (uint32_t)ballot_counter(rec.acc);
	UNIT_REQUIRE(thread < THREADS && n == reader->next[thread]++);
	UNIT_REQUIRE(rec.value.len == value_size(n));
	for (size_t i = 0; i < rec.value.len; i += 512)
		UNIT_REQUIRE(rec.value.data[i] == (uint8_t)(n + thread));
	reader->at += size;
	reader->records++;
}

static void read_to(struct reader *reader, uint64_t complete)
{
	while (reader->at < complete) {
		uint64_t sequence = reader->at >> STORE_OFFSET_BITS;
		uint32_t slot = slot_of_sequence(sequence);
		uint32_t used = atomic_load(&segs.slots[slot].used);
		if (used == segment_offset_of(reader->at)) {
			reader->at = ((sequence + 1) << STORE_OFFSET_BITS) + SEGMENT_HEADER_SIZE;
			continue;
		}
		/* A prefix that ends in a later segment knows where this one ends. */
		UNIT_REQUIRE(used != 0 || sequence == complete >> STORE_OFFSET_BITS);
		read_record(reader, slot);
	}
}

static void *read_along(void *arg)
{
	struct reader *reader = arg;
	uint64_t last = 0;
	for (bool done = false; !done;) {
		done = atomic_load(&finished);
		uint64_t complete = tail_complete(&tail);
		UNIT_REQUIRE(complete >= last && complete <= tail_position(&tail));
		read_to(reader, complete);
		last = complete;
		sched_yield();
	}
	return NULL;
}

START_TEST(complete_prefix_is_complete)
{
	pthread_t threads[THREADS], follower;
	struct reader reader = {.at = tail_position(&tail)};
	ck_assert_int_eq(pthread_create(&follower, NULL, read_along, &reader), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, append_many, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&finished, true);
	pthread_join(follower, NULL);
	ck_assert_uint_eq(reader.at, tail_position(&tail));
	ck_assert_uint_eq(reader.records, THREADS * APPENDS);
	ck_assert_uint_gt(tail_position(&tail) >> STORE_OFFSET_BITS, 30);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_tail");
	TCase *tcase = tcase_create("store_tail");
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, header_comes_back);
	tcase_add_test(tcase, segment_in_memory_begins_with_its_header);
	tcase_add_test(tcase, open_segment_stays_although_all_is_dead);
	tcase_add_test(tcase, sealed_segment_goes_with_its_last_live_byte);
	tcase_add_test(tcase, pins_keep_a_dead_segment);
	tcase_add_test(tcase, empty_segment_goes_when_it_is_sealed);
	tcase_add_test(tcase, records_follow_each_other);
	tcase_add_test(tcase, record_may_fill_a_segment_to_its_limit);
	tcase_add_test(tcase, larger_than_a_record_can_be_is_refused);
	tcase_add_test(tcase, segment_that_could_not_be_prepared_ahead_is_prepared_later);
	tcase_add_test(tcase, full_log_changes_nothing_and_goes_on_when_there_is_room);
	tcase_add_test(tcase, all_slots_taken_is_no_space);
	tcase_add_test(tcase, complete_prefix_is_complete);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
