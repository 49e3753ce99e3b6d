/* SPDX-License-Identifier: Apache-2.0
 *
 * Pins that are taken without a lock: only while something holds the segment, and only
 * that of the sequence asked for.
 */
#include <pthread.h>
#include <string.h>

#include "helper_store_os.h"
#include "store/segment.h"
#include "unit.h"

enum { SIZE = 4096, ROUNDS = 20000 };

static struct heap_os heap;
static struct segments segs;

static void setup(void)
{
	heap_os_init(&heap);
	ck_assert_int_eq(segments_init(&segs, &heap.os, SIZE), 0);
}

static void teardown(void)
{
	segments_fini(&segs);
	heap_os_fini(&heap);
}

/* Opens a segment and seals it with 100 live bytes. */
static uint32_t open_sealed(uint64_t sequence)
{
	uint32_t slot;
	ck_assert_int_eq(segment_open(&segs, sequence, &slot), 0);
	segment_seal(&segs, slot, SEGMENT_HEADER_SIZE + 100);
	return slot;
}

static uint64_t location_of(uint32_t slot)
{
	return (uint64_t)slot << STORE_OFFSET_BITS | SEGMENT_HEADER_SIZE;
}

START_TEST(pin_keeps_a_segment_whose_records_die)
{
	uint32_t slot = open_sealed(7);
	ck_assert(segment_try_pin(&segs, slot, 7));
	segment_kill(&segs, location_of(slot), 100);
	ck_assert_ptr_nonnull(segment_memory(&segs, slot));
	/* Only the pin is left: that is no reason for another one. */
	ck_assert(!segment_try_pin(&segs, slot, 7));
	segment_unpin_slot(&segs, slot);
	ck_assert_ptr_null(segment_memory(&segs, slot));
	ck_assert(!segment_try_pin(&segs, slot, 7));
}
END_TEST

START_TEST(pin_of_another_sequence_fails_and_holds_nothing)
{
	uint32_t slot = open_sealed(7);
	ck_assert(!segment_try_pin(&segs, slot, 6));
	ck_assert(!segment_try_pin(&segs, slot + 1, 7));
	segment_kill(&segs, location_of(slot), 100);
	ck_assert_ptr_null(segment_memory(&segs, slot));
}
END_TEST

START_TEST(what_only_hides_others_is_dead_unless_it_is_pinned)
{
	uint32_t slot = open_sealed(7);
	ck_assert(!segment_is_dead(&segs, slot));
	segment_keep(&segs, location_of(slot), 40);
	ck_assert(segment_try_pin(&segs, slot, 7));
	segment_kill(&segs, location_of(slot), 60);
	ck_assert(!segment_is_dead(&segs, slot));
	segment_unpin_slot(&segs, slot);
	ck_assert(segment_try_pin(&segs, slot, 7));
	segment_unpin_slot(&segs, slot);
	ck_assert(segment_is_dead(&segs, slot));
	ck_assert(segment_is_dead(&segs, slot));
	ck_assert(!segment_try_pin(&segs, slot, 7));
	segment_release_kept(&segs, slot);
	ck_assert_ptr_null(segment_memory(&segs, slot));
}
END_TEST

START_TEST(a_segment_is_verified_until_told_otherwise)
{
	uint32_t slot = open_sealed(7);
	ck_assert(!segment_is_unverified(&segs, slot));
	segment_set_unverified(&segs, slot, true);
	ck_assert(segment_is_unverified(&segs, slot));
	segment_set_unverified(&segs, slot, false);
	ck_assert(!segment_is_unverified(&segs, slot));
}
END_TEST

/* Whoever has the pin reads the memory: it is the segment's, and stays. */
static void *pin_again_and_again(void *arg)
{
	_Atomic uint64_t *last = arg;
	uint64_t sequence;
	while ((sequence = atomic_load(last)) != UINT64_MAX) {
		if (sequence == 0 || !segment_try_pin(&segs, 0, sequence))
			continue;
		uint64_t found;
		int rc = segment_header_decode(segment_memory(&segs, 0), SIZE, &found);
		UNIT_REQUIRE(rc == 0 && found == sequence);
		segment_unpin_slot(&segs, 0);
	}
	return NULL;
}

START_TEST(pins_race_with_the_end_of_segments)
{
	static _Atomic uint64_t last;
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, pin_again_and_again, &last), 0);
	for (uint64_t sequence = 1; sequence <= ROUNDS; sequence++) {
		uint32_t slot = open_sealed(sequence);
		atomic_store(&last, sequence);
		segment_kill(&segs, location_of(slot), 100);
	}
	atomic_store(&last, UINT64_MAX);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_ptr_null(segment_memory(&segs, i));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("segment");
	TCase *tcase = tcase_create("segment");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, pin_keeps_a_segment_whose_records_die);
	tcase_add_test(tcase, pin_of_another_sequence_fails_and_holds_nothing);
	tcase_add_test(tcase, what_only_hides_others_is_dead_unless_it_is_pinned);
	tcase_add_test(tcase, a_segment_is_verified_until_told_otherwise);
	tcase_add_test(tcase, pins_race_with_the_end_of_segments);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
