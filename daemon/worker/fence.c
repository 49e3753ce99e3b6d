/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/fence.h"

#include <stdlib.h>

#include "base/error.h"
#include "io/clock.h"
#include "worker/worker.h"

struct fence_job {
	struct job job;
	struct fence *fence;
};

static void run(struct worker *w, struct job *job)
{
	struct fence *f = DHT_CONTAINER_OF(job, struct fence_job, job)->fence;
	(void)w;
	if (atomic_fetch_sub(&f->missing, 1) == 1)
		wake_signal(f->wake);
}

int fence_init(struct fence *f, struct worker *workers, unsigned worker_count, struct wake *wake)
{
	*f = (struct fence){.workers = workers,
			    .worker_count = worker_count,
			    .wake = wake,
			    .jobs = calloc(worker_count, sizeof(*f->jobs))};
	return f->jobs != NULL ? 0 : DHT_ENOMEM;
}

void fence_fini(struct fence *f)
{
	free(f->jobs);
	f->jobs = NULL;
}

void fence_begin(struct fence *f)
{
	DHT_ASSERT(!f->is_begun && atomic_load(&f->missing) == 0);
	f->is_begun = true;
	atomic_store(&f->missing, f->worker_count);
	for (unsigned i = 0; i < f->worker_count; i++) {
		f->jobs[i] = (struct fence_job){.job = {.run = run, .kind = JOB_noop}, .fence = f};
		/* There is one of them for each worker. */
		worker_push_beyond(&f->workers[i], &f->jobs[i].job, clock_monotonic_ns());
	}
}

bool fence_is_over(struct fence *f)
{
	if (!f->is_begun || atomic_load(&f->missing) > 0)
		return false;
	f->is_begun = false;
	return true;
}
