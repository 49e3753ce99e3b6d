/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/fins.h"

#include <stdlib.h>

#include "base/error.h"
#include "io/clock.h"
#include "node/sync.h"
#include "worker/committer.h"
#include "worker/exec.h"
#include "worker/worker.h"

enum fins_state { FINS_IDLE, FINS_WORKS, FINS_OVER };

static void look_at(struct fins *f, uint32_t number)
{
	struct groups *groups = &f->exec->groups;
	const struct node *node = f->exec->node;
	groups_lock(groups, number);
	const struct node_block *block = &node->blocks[number];
	if (sync_is_fin(node, number, committer_mark(f->committer)))
		f->found[f->count++] = (struct member_fin){number, block->acceptor.version};
	groups_unlock(groups, number);
}

static void run(struct worker *w, struct job *job)
{
	struct fins *f = DHT_CONTAINER_OF(job, struct fins, job);
	uint64_t until_ns = clock_monotonic_ns() + WORKER_SLICE_NS;
	uint32_t blocks = store_blocks(f->exec->store);
	while (f->block < blocks && clock_monotonic_ns() < until_ns)
		look_at(f, f->block++);
	if (f->block < blocks && !worker_is_stopping(w) &&
	    worker_push(w, job, clock_monotonic_ns()) == 0)
		return;
	atomic_store(&f->state, f->block < blocks ? FINS_IDLE : FINS_OVER);
	wake_signal(f->wake);
}

int fins_init(struct fins *f, struct exec *exec, struct committer *committer,
	      struct worker *workers, unsigned worker_count, struct wake *wake)
{
	*f = (struct fins){
	    .exec = exec,
	    .committer = committer,
	    .workers = workers,
	    .worker_count = worker_count,
	    .wake = wake,
	    .job = {.run = run, .kind = JOB_background},
	    .found = calloc(store_blocks(exec->store), sizeof(*f->found)),
	};
	return f->found != NULL ? 0 : DHT_ENOMEM;
}

void fins_fini(struct fins *f)
{
	free(f->found);
	f->found = NULL;
}

void fins_look(struct fins *f)
{
	if (atomic_load(&f->state) != FINS_IDLE)
		return;
	f->block = 0;
	f->count = 0;
	atomic_store(&f->state, FINS_WORKS);
	if (worker_push(&f->workers[f->turn++ % f->worker_count], &f->job, clock_monotonic_ns()) !=
	    0)
		atomic_store(&f->state, FINS_IDLE);
}

bool fins_take(struct fins *f)
{
	if (atomic_load(&f->state) != FINS_OVER)
		return false;
	atomic_store(&f->state, FINS_IDLE);
	return true;
}
