/* SPDX-License-Identifier: Apache-2.0 */
#include "store/os_posix_parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

struct crew {
	store_os_task_fn run;
	void *arg;
	uint32_t tasks;
	_Atomic uint32_t next;
};

static void *work(void *arg)
{
	struct crew *crew = arg;
	uint32_t task;
	while ((task = atomic_fetch_add(&crew->next, 1)) < crew->tasks)
		crew->run(crew->arg, task);
	return NULL;
}

static uint32_t processors(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	int count = CPU_COUNT(&set);
	return count < OS_POSIX_THREADS_MAX ? (uint32_t)count : OS_POSIX_THREADS_MAX;
}

/* Signals are for the threads that wait for them: the crew blocks all, but for those that
 * a fault of its own raises. */
static void block_signals(sigset_t *before)
{
	sigset_t set;
	sigfillset(&set);
	sigdelset(&set, SIGBUS);
	sigdelset(&set, SIGSEGV);
	sigdelset(&set, SIGFPE);
	sigdelset(&set, SIGILL);
	sigdelset(&set, SIGABRT);
	pthread_sigmask(SIG_SETMASK, &set, before);
}

/* The caller is one of the crew. */
void os_posix_parallel(uint32_t tasks, store_os_task_fn run, void *arg)
{
	struct crew crew = {.run = run, .arg = arg, .tasks = tasks};
	pthread_t threads[OS_POSIX_THREADS_MAX];
	uint32_t wanted = processors(), count = 0;
	sigset_t before;
	if (wanted > tasks)
		wanted = tasks;
	block_signals(&before);
	while (count + 1 < wanted && pthread_create(&threads[count], NULL, work, &crew) == 0)
		count++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	work(&crew);
	for (uint32_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}
