/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/silence: when a member is taken for one that does not answer.
 */
#include "unit.h"
#include "worker/silence.h"

enum { P99_US = 5000, UNUSUAL_US = SILENCE_TIMES * P99_US };

#define USUAL(us) (&(struct silence_usual){.read_us = (us), .write_us = (us)})

static struct silence s;

static void given_nothing(void)
{
	silence_end(&s);
}

static void require_none(void)
{
	ck_assert_uint_eq(silence_due_us(&s, USUAL(P99_US)), UINT64_MAX);
	ck_assert_uint_eq(silence_since_us(&s), UINT64_MAX);
}

START_TEST(a_silence_lasts_from_the_first_question_to_an_answer)
{
	given_nothing();
	require_none();
	ck_assert(silence_ask(&s, SILENCE_ACCEPT, 1000));
	ck_assert(!silence_ask(&s, SILENCE_ACCEPT, 2000));
	ck_assert_uint_eq(silence_since_us(&s), 1000);
	ck_assert_uint_eq(silence_due_us(&s, USUAL(P99_US)), 1000 + UNUSUAL_US);
	silence_answer(&s, SILENCE_ACCEPT, 2000, 3000);
	require_none();
}
END_TEST

START_TEST(a_question_that_was_asked_later_is_open)
{
	given_nothing();
	silence_ask(&s, SILENCE_ACCEPT, 1000);
	silence_ask(&s, SILENCE_ACCEPT, 2000);
	silence_answer(&s, SILENCE_ACCEPT, 1000, 3000);
	ck_assert_uint_eq(silence_since_us(&s), 3000);
	silence_answer(&s, SILENCE_ACCEPT, 2000, 4000);
	require_none();
}
END_TEST

/* Its disk hangs. */
START_TEST(who_can_only_be_read_is_silent)
{
	given_nothing();
	silence_ask(&s, SILENCE_ACCEPT, 1000);
	for (uint64_t at = 1000; at < 20000; at += 1000) {
		silence_ask(&s, SILENCE_READ, at);
		silence_answer(&s, SILENCE_READ, at, at + 500);
	}
	ck_assert_uint_eq(silence_since_us(&s), 1000);
	ck_assert_uint_eq(silence_of_writes_us(&s), UINT64_MAX / 2);
	silence_ask(&s, SILENCE_FORWARD, 15000);
	ck_assert_uint_eq(silence_of_writes_us(&s), 15000);
	/* Reads are quick; it is the disk's time that is unusual or not. */
	struct silence_usual quick = {.read_us = 100, .write_us = 10 * P99_US};
	ck_assert_uint_eq(silence_due_us(&s, &quick), 1000 + 10 * UNUSUAL_US);
	silence_leave_writes(&s, 30000);
	ck_assert_uint_eq(silence_of_writes_us(&s), 30000);
	silence_ask(&s, SILENCE_READ, 20000);
	silence_answer(&s, SILENCE_ACCEPT, 1000, 21000);
	ck_assert_uint_eq(silence_since_us(&s), 21000); /* of the read */
}
END_TEST

/* A forwarded write may have to wait for others of its key. */
START_TEST(who_writes_is_not_silent_about_what_it_was_forwarded_before)
{
	given_nothing();
	silence_ask(&s, SILENCE_FORWARD, 1000);
	ck_assert_uint_eq(silence_due_us(&s, USUAL(P99_US)), 1000 + 2 * UNUSUAL_US);
	silence_ask(&s, SILENCE_ACCEPT, 2000);
	silence_answer(&s, SILENCE_ACCEPT, 2000, 3000);
	require_none();
}
END_TEST

START_TEST(what_is_unusual_has_bounds)
{
	given_nothing();
	silence_ask(&s, SILENCE_READ, 1000);
	ck_assert_uint_eq(silence_due_us(&s, USUAL(0)), 1000 + SILENCE_AT_FIRST_US);
	ck_assert_uint_eq(silence_due_us(&s, USUAL(1)), 1000 + SILENCE_MIN_US);
	ck_assert_uint_eq(silence_due_us(&s, USUAL(1000000)), 1000 + SILENCE_MAX_US);
}
END_TEST

START_TEST(a_silence_is_in_doubt_soon_whatever_is_usual)
{
	given_nothing();
	ck_assert_uint_eq(silence_doubt_us(&s, USUAL(P99_US)), UINT64_MAX);
	silence_ask(&s, SILENCE_READ, 1000);
	ck_assert_uint_eq(silence_doubt_us(&s, USUAL(P99_US)), 1000 + UNUSUAL_US);
	ck_assert_uint_eq(silence_doubt_us(&s, USUAL(1000000)), 1000 + SILENCE_DOUBT_US);
}
END_TEST

UNIT_MAIN("silence", 10, a_silence_lasts_from_the_first_question_to_an_answer,
	  a_question_that_was_asked_later_is_open, who_can_only_be_read_is_silent,
	  who_writes_is_not_silent_about_what_it_was_forwarded_before, what_is_unusual_has_bounds,
	  a_silence_is_in_doubt_soon_whatever_is_usual)
