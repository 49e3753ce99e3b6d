/* SPDX-License-Identifier: Apache-2.0
 *
 * paxos/counter: no ballot at or above the durable ceiling, whoever draws, raises or
 * restarts; and a ceiling that is asked for in time.
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "paxos/counter.h"
#include "unit.h"

static struct counter counter;

static struct ballot draw(uint32_t version)
{
	struct ballot drawn;
	ck_assert_int_eq(counter_draw(&counter, version, &drawn), 0);
	return drawn;
}

static void assert_no_draw(void)
{
	struct ballot drawn;
	uint64_t before = counter_value(&counter);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(counter_draw(&counter, 1, &drawn), DHT_EAGAIN);
	ck_assert_uint_eq(counter_value(&counter), before);
}

START_TEST(nothing_is_drawn_before_a_ceiling_is_durable)
{
	counter_init(&counter, 0, 7);
	assert_no_draw();
	counter_ceiling_appended(&counter, 1000);
	assert_no_draw();
	counter_ceiling_durable(&counter, 1000);
	ck_assert(ballot_equal(draw(3), ballot_make(3, 1, 7)));
	ck_assert(ballot_equal(draw(2), ballot_make(2, 2, 7)));
}
END_TEST

START_TEST(draws_end_below_the_ceiling)
{
	counter_init(&counter, 100, 0);
	counter_ceiling_durable(&counter, 103);
	ck_assert_uint_eq(ballot_counter(draw(0)), 101);
	ck_assert_uint_eq(ballot_counter(draw(0)), 102);
	assert_no_draw();
	counter_ceiling_durable(&counter, 104);
	ck_assert_uint_eq(ballot_counter(draw(0)), 103);
	assert_no_draw();
	/* A lower one takes nothing back. */
	counter_ceiling_durable(&counter, 110);
	counter_ceiling_durable(&counter, 105);
	ck_assert_uint_eq(ballot_counter(draw(0)), 104);
	ck_assert_uint_eq(ballot_counter(draw(0)), 105);
}
END_TEST

START_TEST(a_restart_goes_on_at_the_ceiling)
{
	counter_init(&counter, 0, 1);
	uint64_t ceiling = counter_wants_ceiling(&counter, 0);
	ck_assert_uint_eq(ceiling, COUNTER_AHEAD_MIN);
	counter_ceiling_durable(&counter, ceiling);
	struct ballot last = draw(1);

	counter_init(&counter, ceiling, 1);
	assert_no_draw();
	uint64_t next = counter_wants_ceiling(&counter, 0);
	ck_assert_uint_eq(next, ceiling + COUNTER_AHEAD_MIN);
	counter_ceiling_durable(&counter, next);
	struct ballot first = draw(1);
	ck_assert_uint_eq(ballot_counter(first), ceiling + 1);
	ck_assert_int_gt(ballot_compare(first, last), 0);
}
END_TEST

START_TEST(a_ballot_seen_raises_and_is_usable_below_the_ceiling)
{
	counter_init(&counter, 0, 1);
	counter_ceiling_durable(&counter, 1000);
	ck_assert_int_eq(counter_raise(&counter, ballot_make(1, 500, 9)), 0);
	ck_assert_uint_eq(ballot_counter(draw(1)), 501);
	ck_assert_int_eq(counter_raise(&counter, ballot_make(9, 400, 9)), 0);
	ck_assert_uint_eq(counter_value(&counter), 501);
	ck_assert_int_eq(counter_raise(&counter, ballot_make(1, 999, 9)), 0);

	/* One that may not be answered yet counts as seen all the same. */
	ck_assert_int_eq(counter_raise(&counter, ballot_make(1, 1000, 9)), DHT_EAGAIN);
	ck_assert_uint_eq(counter_value(&counter), 1000);
	ck_assert_int_eq(counter_raise(&counter, ballot_make(1, 5000000, 9)), DHT_EAGAIN);
	assert_no_draw();
	uint64_t wanted = counter_wants_ceiling(&counter, 0);
	ck_assert_uint_eq(wanted, 5000000 + COUNTER_AHEAD_MIN);
	counter_ceiling_durable(&counter, wanted);
	ck_assert_int_eq(counter_raise(&counter, ballot_make(1, 5000000, 9)), 0);
	ck_assert_uint_eq(ballot_counter(draw(1)), 5000001);
}
END_TEST

START_TEST(a_ceiling_is_wanted_in_time_and_once)
{
	static const uint64_t rates[] = {0, 1, 65536, 65537, 1000000, 50000000};
	for (size_t i = 0; i < DHT_ARRAY_LEN(rates); i++) {
		uint64_t rate = rates[i];
		uint64_t ahead = rate > COUNTER_AHEAD_MIN ? rate : COUNTER_AHEAD_MIN;
		counter_init(&counter, 0, 1);
		uint64_t first = counter_wants_ceiling(&counter, rate);
		ck_assert_uint_eq(first, ahead);
		counter_ceiling_appended(&counter, first);
		ck_assert_uint_eq(counter_wants_ceiling(&counter, rate), 0);
		counter_ceiling_durable(&counter, first);
		ck_assert_uint_eq(counter_wants_ceiling(&counter, rate), 0);

		/* Half of it is left. */
		uint64_t half = first - ahead / 2;
		ck_assert_int_eq(counter_raise(&counter, ballot_make(1, half - 1, 2)), 0);
		ck_assert_uint_eq(counter_wants_ceiling(&counter, rate), 0);
		ck_assert_int_eq(counter_raise(&counter, ballot_make(1, half, 2)), 0);
		ck_assert_uint_eq(counter_wants_ceiling(&counter, rate), half + ahead);
		/* Not appended, for the log is full: it stays wanted. */
		ck_assert_uint_eq(counter_wants_ceiling(&counter, rate), half + ahead);
		counter_ceiling_appended(&counter, half + ahead);
		ck_assert_uint_eq(counter_wants_ceiling(&counter, rate), 0);
	}
}
END_TEST

START_TEST(a_refused_draw_is_a_wanted_ceiling)
{
	for (uint64_t below = 1; below < 5; below++) {
		counter_init(&counter, 10, 1);
		counter_ceiling_durable(&counter, 10 + below);
		for (uint64_t i = 1; i < below; i++)
			(void)draw(1);
		assert_no_draw();
		ck_assert_uint_gt(counter_wants_ceiling(&counter, 0), 10 + below);
	}
}
END_TEST

START_TEST(the_last_ceiling_is_the_largest_counter)
{
	counter_init(&counter, BALLOT_COUNTER_MAX - 10, 1);
	ck_assert_uint_eq(counter_wants_ceiling(&counter, UINT64_MAX), BALLOT_COUNTER_MAX);
	counter_ceiling_durable(&counter, BALLOT_COUNTER_MAX);
	ck_assert_uint_eq(counter_wants_ceiling(&counter, 0), 0);
	for (int i = 0; i < 9; i++)
		(void)draw(1);
	assert_no_draw();
	ck_assert_int_eq(counter_raise(&counter, ballot_make(1, BALLOT_COUNTER_MAX, 2)),
			 DHT_EAGAIN);
	assert_no_draw();
}
END_TEST

/* ---- Threads ------------------------------------------------------------------------ */

enum { THREADS = 4, DRAWS = 50000 };

static _Atomic uint64_t durable; /* the highest ceiling that was declared durable */
static _Atomic int finished;

/* Draws until it has enough; each is below the ceiling that was durable at most. */
static void *draw_many(void *arg)
{
	uint64_t *counters = arg;
	for (int n = 0; n < DRAWS;) {
		struct ballot drawn;
		if (counter_draw(&counter, 1, &drawn) != 0)
			continue;
		counters[n] = ballot_counter(drawn);
		UNIT_REQUIRE(counters[n] < atomic_load(&durable));
		UNIT_REQUIRE(n == 0 || counters[n] > counters[n - 1]);
		n++;
	}
	atomic_fetch_add(&finished, 1);
	return NULL;
}

static void renew_ceiling(struct counter *c, uint64_t rate)
{
	uint64_t wanted = counter_wants_ceiling(c, rate);
	if (wanted > 0)
		counter_ceiling_durable(c, wanted);
}

/* Each restart leaps to the ceiling, which the others see within half a second. */
START_TEST(restarts_use_up_little_of_the_counters)
{
	enum { NODES = 3, RESTARTS = 3000 };
	struct counter nodes[NODES];
	for (uint32_t i = 0; i < NODES; i++) {
		counter_init(&nodes[i], 0, i);
		renew_ceiling(&nodes[i], 0);
	}
	for (uint32_t n = 0; n < RESTARTS; n++) {
		uint32_t restarted = n % NODES;
		uint64_t ceiling = atomic_load(&nodes[restarted].ceiling);
		ck_assert_uint_lt(ceiling, BALLOT_COUNTER_MAX / 1000);
		counter_init(&nodes[restarted], ceiling, restarted);
		renew_ceiling(&nodes[restarted], 0);
		for (uint32_t i = 0; i < NODES; i++) {
			uint64_t before = counter_value(&nodes[i]);
			int rc = counter_raise(&nodes[i], ballot_make(1, ceiling, restarted));
			(void)rc;
			renew_ceiling(&nodes[i], 2 * (counter_value(&nodes[i]) - before));
		}
	}
}
END_TEST

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

START_TEST(threads_draw_different_ballots_below_a_rising_ceiling)
{
	static uint64_t counters[THREADS][DRAWS];
	pthread_t threads[THREADS];
	counter_init(&counter, 0, 1);
	atomic_store(&durable, 0);
	atomic_store(&finished, 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, draw_many, counters[i]), 0);
	/* Short steps, so that threads meet at the ceiling again and again. */
	while (atomic_load(&finished) < THREADS) {
		uint64_t next = counter_value(&counter) + 100;
		atomic_store(&durable, next);
		counter_ceiling_durable(&counter, next);
	}
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	qsort(counters, (size_t)THREADS * DRAWS, sizeof(uint64_t), by_value);
	const uint64_t *all = counters[0];
	for (size_t i = 1; i < (size_t)THREADS * DRAWS; i++)
		UNIT_REQUIRE(all[i] > all[i - 1]);
}
END_TEST

UNIT_MAIN("counter", 60, nothing_is_drawn_before_a_ceiling_is_durable, draws_end_below_the_ceiling,
	  a_restart_goes_on_at_the_ceiling, a_ballot_seen_raises_and_is_usable_below_the_ceiling,
	  a_ceiling_is_wanted_in_time_and_once, a_refused_draw_is_a_wanted_ceiling,
	  the_last_ceiling_is_the_largest_counter, restarts_use_up_little_of_the_counters,
	  threads_draw_different_ballots_below_a_rising_ceiling)
