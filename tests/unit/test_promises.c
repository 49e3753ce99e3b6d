/* SPDX-License-Identifier: Apache-2.0
 *
 * node/promises: against an array, with keys whose hashes collide; the bound.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "node/promises.h"
#include "unit.h"

enum { KEYS = 300, ROUNDS = 100000 };

static struct bytes key_of(char text[16], int i)
{
	return bytes_of(text, (size_t)snprintf(text, 16, "k%d", i));
}

/* Few hashes, and many of them neighbours that wrap around. */
static uint64_t hash_of(int i)
{
	return (uint64_t)(i % 37) * 7 - 3;
}

START_TEST(promises_are_those_that_were_set_last)
{
	struct promises promises = PROMISES_EMPTY;
	struct ballot expected[KEYS] = {{0}};
	char text[16];
	srand((unsigned)_i);
	for (int round = 0; round < ROUNDS; round++) {
		int i = rand() % KEYS;
		if (rand() % 5 < 3) {
			expected[i] = ballot_make(1, (uint64_t)(1 + rand()), 7);
			UNIT_REQUIRE(
			    promises_set(&promises, key_of(text, i), hash_of(i), expected[i]) == 0);
		} else {
			expected[i] = BALLOT_ABSENT;
			promises_remove(&promises, key_of(text, i), hash_of(i));
		}
		i = rand() % KEYS;
		UNIT_REQUIRE(ballot_equal(promises_find(&promises, key_of(text, i), hash_of(i)),
					  expected[i]));
	}
	struct ballot highest = BALLOT_ABSENT;
	uint32_t count = 0;
	for (int i = 0; i < KEYS; i++) {
		highest = ballot_max(highest, expected[i]);
		count += !ballot_is_absent(expected[i]);
		ck_assert(ballot_equal(promises_find(&promises, key_of(text, i), hash_of(i)),
				       expected[i]));
	}
	ck_assert_uint_eq(promises.count, count);
	ck_assert(ballot_equal(promises_highest(&promises), highest));
	promises_clear(&promises);
	ck_assert(ballot_is_absent(promises_highest(&promises)));
}
END_TEST

START_TEST(no_promise_is_evicted_when_there_are_too_many)
{
	struct promises promises = PROMISES_EMPTY;
	struct ballot b = ballot_make(3, 5, 1);
	char text[16];
	for (int i = 0; i < PROMISES_MAX; i++)
		UNIT_REQUIRE(promises_set(&promises, key_of(text, i), (uint64_t)i, b) == 0);
	ck_assert_int_eq(promises_set(&promises, key_of(text, -1), 1, b), DHT_EFULL);
	ck_assert_int_eq(promises_set(&promises, key_of(text, 5), 5, ballot_successor(b)), 0);
	ck_assert(ballot_equal(promises_highest(&promises), ballot_successor(b)));
	for (int i = 0; i < PROMISES_MAX; i++)
		UNIT_REQUIRE(
		    !ballot_is_absent(promises_find(&promises, key_of(text, i), (uint64_t)i)));
	promises_clear(&promises);
	ck_assert_ptr_null(promises.slots);
}
END_TEST

START_TEST(the_empty_key_is_a_key)
{
	struct promises promises = PROMISES_EMPTY;
	struct ballot b = ballot_make(0, 1, 0);
	ck_assert(ballot_is_absent(promises_find(&promises, bytes_of(NULL, 0), 9)));
	ck_assert_int_eq(promises_set(&promises, bytes_of(NULL, 0), 9, b), 0);
	ck_assert(ballot_equal(promises_find(&promises, bytes_of(NULL, 0), 9), b));
	ck_assert(ballot_is_absent(promises_find(&promises, bytes_of("x", 1), 9)));
	promises_remove(&promises, bytes_of(NULL, 0), 9);
	ck_assert_ptr_null(promises.slots);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("promises");
	TCase *tcase = tcase_create("promises");
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, promises_are_those_that_were_set_last, 0, 5);
	tcase_add_test(tcase, no_promise_is_evicted_when_there_are_too_many);
	tcase_add_test(tcase, the_empty_key_is_a_key);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
