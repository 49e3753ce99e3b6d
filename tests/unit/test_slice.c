/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/slice: a thread has the slice that it asked for, where the kernel has such a thing,
 * and nothing else of how it runs has changed.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unit.h"
#include "worker/slice.h"

enum { NICE = 7, AT_POLICY = 4, AT_NICE = 16, AT_RUNTIME = 24, SIZE = 48 };

struct seen {
	uint32_t policy;
	int32_t nice;
	uint64_t slice_ns;
};

static struct seen look(void)
{
	uint8_t attributes[SIZE] = {0};
	struct seen seen;
	ck_assert_int_eq(syscall(SYS_sched_getattr, 0, attributes, SIZE, 0), 0);
	memcpy(&seen.policy, attributes + AT_POLICY, sizeof(seen.policy));
	memcpy(&seen.nice, attributes + AT_NICE, sizeof(seen.nice));
	memcpy(&seen.slice_ns, attributes + AT_RUNTIME, sizeof(seen.slice_ns));
	return seen;
}

static void *ask(void *arg)
{
	struct seen *seen = arg;
	ck_assert_int_eq(setpriority(PRIO_PROCESS, (id_t)gettid(), NICE), 0);
	seen[0] = look();
	slice_set(SLICE_SHORT_NS);
	seen[1] = look();
	return NULL;
}

START_TEST(slice_is_that_of_the_thread)
{
	struct seen seen[2], own = look(), after;
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, ask, seen), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(seen[1].policy, SCHED_OTHER);
	ck_assert_int_eq(seen[1].nice, NICE);
	/* Kernels that know of slices tell of them. */
	if (seen[0].slice_ns != 0)
		ck_assert_uint_eq(seen[1].slice_ns, SLICE_SHORT_NS);
	after = look();
	ck_assert_mem_eq(&after, &own, sizeof(own));
}
END_TEST

static void *ask_in_batch(void *arg)
{
	struct seen *seen = arg;
	struct sched_param none = {0};
	ck_assert_int_eq(sched_setscheduler(0, SCHED_BATCH, &none), 0);
	seen[0] = look();
	slice_set(SLICE_SHORT_NS);
	seen[1] = look();
	return NULL;
}

START_TEST(other_policies_are_left_alone)
{
	struct seen seen[2];
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, ask_in_batch, seen), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_mem_eq(&seen[0], &seen[1], sizeof(seen[0]));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slice");
	TCase *tcase = tcase_create("slice");
	tcase_add_test(tcase, slice_is_that_of_the_thread);
	tcase_add_test(tcase, other_policies_are_left_alone);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
