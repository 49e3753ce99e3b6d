/* SPDX-License-Identifier: Apache-2.0
 *
 * What every unit test ends with: its cases in one suite, run by Check.
 */
#ifndef DHT_TESTS_UNIT_H
#define DHT_TESTS_UNIT_H

#include <check.h>
#include <stddef.h>

/* As ck_assert, for the inside of a loop: Check tells its runner of every assertion,
 * which takes longer than what is tested. */
#define UNIT_REQUIRE(cond)                                                                         \
	do {                                                                                       \
		if (!(cond))                                                                       \
			ck_abort_msg("%s", #cond);                                                 \
	} while (0)

/* Runs the cases as suite `name`, each with timeout_s seconds. Returns main's result. */
static inline int unit_run(const char *name, const TTest *const *cases, size_t count,
			   double timeout_s)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	tcase_set_timeout(tcase, timeout_s);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, cases[i]);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

/* main() of a test program: UNIT_MAIN("suite", seconds, case, case, ...) */
#define UNIT_MAIN(name, timeout_s, ...)                                                            \
	int main(void)                                                                             \
	{                                                                                          \
		const TTest *const cases[] = {__VA_ARGS__};                                        \
		return unit_run(name, cases, sizeof(cases) / sizeof(cases[0]), timeout_s);         \
	}

#endif
