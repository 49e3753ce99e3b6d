/* SPDX-License-Identifier: Apache-2.0
 *
 * A store over a disk that crashes in every single call that changes it (helper_life),
 * without compaction; test_store_compact goes on with it.
 */
#include <string.h>

#include "helper_life.h"
#include "unit.h"

static const struct life_plan plans[] = {
    {.name = "killed", .loss = HELPER_DISK_KEEP},
    {.name = "unsynced lost", .loss = HELPER_DISK_DROP},
    {.name = "unsynced torn", .loss = HELPER_DISK_TEAR},
};
enum { PLANS = sizeof(plans) / sizeof(plans[0]) };

START_TEST(clean_stop_keeps_everything)
{
	life_begin(&plans[1], 7);
	ck_assert_int_eq(life_open(), 0);
	for (int i = 0; i < 8; i++) {
		ck_assert_int_eq(life_run(60), 0);
		ck_assert_int_eq(life_commit(), 0);
		uint64_t before = life_acknowledged();
		ck_assert_uint_gt(before + 10, life_operations());
		life_recover();
		ck_assert_uint_eq(life_acknowledged(), before);
		ck_assert_uint_eq(life.report.cut_bytes, 0);
	}
	life_end();
}
END_TEST

/* From the very first call of the disk on. */
START_TEST(crash_in_every_call)
{
	for (uint64_t i = 0; i < life_seeds(1); i++) {
		life_begin(&plans[_i], life_first_seed() + 100 * (uint64_t)_i + i);
		life_explore(1);
		int rc = life_open();
		if (rc == 0)
			rc = life_run(120);
		life_end_child();
		ck_assert_int_eq(rc, 0);
		ck_assert_uint_gt(life.explored, 40);
		life_end();
	}
}
END_TEST

/* One store that crashes again and again, later each time: in its recovery, too, after
 * a process that left something unsynced. */
START_TEST(crash_again)
{
	for (uint64_t i = 0; i < life_seeds(1); i++) {
		life_begin(&plans[_i], life_first_seed() + 2000 + 100 * (uint64_t)_i + i);
		ck_assert_int_eq(life_open(), 0);
		for (uint64_t n = 1; n < 60; n++) {
			UNIT_REQUIRE(life_run(20) == 0);
			helper_disk_crash_at(&life.disk, n);
			if (life_restart() == 0)
				(void)life_run(400);
			UNIT_REQUIRE(life.disk.is_crashed);
			life_recover();
		}
		life_end();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_crash");
	TCase *tcase = tcase_create("store_crash");
	tcase_set_timeout(tcase, 0);
	tcase_add_test(tcase, clean_stop_keeps_everything);
	tcase_add_loop_test(tcase, crash_in_every_call, 0, PLANS);
	tcase_add_loop_test(tcase, crash_again, 0, PLANS);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
