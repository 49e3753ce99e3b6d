/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "unit.h"
#include "worker/busy.h"

START_TEST(busy_adds_up_the_stretches)
{
	struct busy b = {0};
	ck_assert_uint_eq(busy_read(&b, 50), 0);
	busy_begin(&b, 100);
	ck_assert_uint_eq(busy_read(&b, 100), 0);
	ck_assert_uint_eq(busy_read(&b, 130), 30);
	busy_end(&b, 140);
	ck_assert_uint_eq(busy_read(&b, 1000), 40);
	busy_begin(&b, 2000);
	ck_assert_uint_eq(busy_read(&b, 2060), 100);
	busy_end(&b, 2060);
	ck_assert_uint_eq(busy_read(&b, 2060), 100);
}
END_TEST

START_TEST(busy_does_not_shrink_when_clocks_were_read_in_another_order)
{
	struct busy b = {0};
	busy_begin(&b, 100);
	ck_assert_uint_eq(busy_read(&b, 150), 50);
	/* The worker had looked at its clock before the reader did. */
	busy_end(&b, 140);
	ck_assert_uint_eq(busy_read(&b, 155), 50);
	/* The reader had looked before the worker did. */
	busy_begin(&b, 200);
	ck_assert_uint_eq(busy_read(&b, 190), 50);
	ck_assert_uint_eq(busy_read(&b, 260), 100);
}
END_TEST

static struct busy shared;
static _Atomic uint64_t clock_ns; /* moves while the worker works, and only then */
static atomic_bool stop;

static void *work(void *arg)
{
	uint64_t now_ns = atomic_load(&clock_ns);
	for (unsigned i = 0; !atomic_load_explicit(&stop, memory_order_relaxed); i++) {
		busy_begin(&shared, now_ns);
		/* A long stretch that counts twice shows, as a short one follows. */
		now_ns += i % 2 == 0 ? 1000000 : 1;
		atomic_store(&clock_ns, now_ns);
		busy_end(&shared, now_ns);
	}
	return NULL;
}

START_TEST(busy_is_never_more_than_the_time_that_went_by)
{
	enum { READS = 10000000 };
	pthread_t thread;
	uint64_t before = 0;
	ck_assert_int_eq(pthread_create(&thread, NULL, work, NULL), 0);
	for (int i = 0; i < READS; i++) {
		uint64_t now_ns = atomic_load(&clock_ns);
		uint64_t busy = busy_read(&shared, now_ns);
		UNIT_REQUIRE(busy >= before);
		/* More stretches may have ended since now_ns was read. */
		UNIT_REQUIRE(busy <= atomic_load(&clock_ns));
		before = busy;
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(busy_read(&shared, clock_ns), clock_ns);
}
END_TEST

UNIT_MAIN("busy", 120, busy_adds_up_the_stretches,
	  busy_does_not_shrink_when_clocks_were_read_in_another_order,
	  busy_is_never_more_than_the_time_that_went_by)
