/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/adoption.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "io/clock.h"
#include "worker/committer.h"
#include "worker/exec.h"
#include "worker/worker.h"

/* ---- Steps ------------------------------------------------------------------------- */

static struct node_step step_of(struct adoption *a, struct worker *w)
{
	a->random++;
	return (struct node_step){
	    .appender = w->index,
	    .now_us = clock_monotonic_ns() / NS_PER_US,
	    .now_ms = clock_expiry_ms(),
	    .random = hash_bytes(&a->random, sizeof(a->random)),
	    .fetched = a->fetched.data != NULL ? &a->fetched : NULL,
	    .effects = exec_effects(w),
	};
}

static void begin(struct adoption *a)
{
	struct node *node = a->exec->node;
	if (a->joins)
		node_adopt_begin_joined(node, a->map, a->join.number, a->join.hash_seed);
	else
		node_adopt_begin(node, a->map);
	a->block = 0;
	a->stage = ADOPTION_BLOCKS;
}

static int adopt_block(struct adoption *a, struct node_step *step)
{
	int rc = node_adopt_block(a->exec->node, step, a->map, a->block);
	if (rc != 0)
		return rc;
	if (++a->block == a->map->blocks)
		a->stage = ADOPTION_ENDS;
	return 0;
}

/* The group whose lock the next step is made under is that of a->block, or of block 0. */
static int run_step(struct adoption *a, struct node_step *step, bool *is_over)
{
	switch (a->stage) {
	case ADOPTION_BEGINS:
		begin(a);
		return 0;
	case ADOPTION_BLOCKS:
		return adopt_block(a, step);
	case ADOPTION_ENDS: {
		int rc = node_adopt_end(a->exec->node, step, a->map);
		*is_over = rc == 0;
		return rc;
	}
	}
	DHT_UNREACHABLE();
}

/* ---- Records from disk ------------------------------------------------------------- */

static void forget_record(struct adoption *a)
{
	if (a->fetched.data == NULL)
		return;
	store_unpin(a->exec->store, a->read.location);
	free(a->read.data);
	a->fetched.data = NULL;
}

static void run(struct worker *w, struct job *job);

static void say(struct adoption *a, enum adoption_state state)
{
	atomic_store(&a->state, state);
	wake_signal(a->wake);
}

static void arrived(struct worker *w, struct job *job)
{
	struct adoption *a = DHT_CONTAINER_OF(job, struct adoption, read.job);
	int rc = a->read.result;
	if (rc != 0) {
		store_unpin(a->exec->store, a->read.location);
		if (rc != DHT_ENOMEM)
			committer_fail(a->committer, rc);
		say(a, ADOPTION_RESTS);
		return;
	}
	a->fetched = (struct store_fetched){.location = a->read.location, .data = a->read.data};
	run(w, &a->job);
}

/* The record was pinned under the lock. */
static void read_record(struct adoption *a, struct worker *w, uint64_t location)
{
	a->read = (struct read){
	    .job = {.run = arrived, .kind = JOB_read}, .worker = w, .location = location};
	readers_push(w->shared->readers, &a->read);
}

/* ---- The job ----------------------------------------------------------------------- */

/* Takes one step. Returns true if another one follows at once. */
static bool go_on(struct adoption *a, struct worker *w)
{
	struct groups *groups = &a->exec->groups;
	uint32_t locked = a->stage == ADOPTION_BLOCKS ? a->block : 0;
	struct node_step step = step_of(a, w);
	bool is_over = false;
	groups_lock(groups, locked);
	int rc = run_step(a, &step, &is_over);
	bool reads = rc == DHT_EAGAIN && step.waits_for == NODE_WAITS_FOR_RECORD;
	if (reads)
		store_pin(a->exec->store, step.cold);
	groups_unlock(groups, locked);
	forget_record(a);
	if (rc == DHT_EDAMAGED || rc == DHT_ECORRUPT)
		committer_fail(a->committer, DHT_EDAMAGED);
	if (reads) {
		read_record(a, w, step.cold);
		return false;
	}
	if (rc != 0 || is_over) {
		committer_advance(a->committer);
		say(a, is_over ? ADOPTION_OVER : ADOPTION_RESTS);
		return false;
	}
	return true;
}

static void run(struct worker *w, struct job *job)
{
	struct adoption *a = DHT_CONTAINER_OF(job, struct adoption, job);
	uint64_t until_ns = clock_monotonic_ns() + WORKER_SLICE_NS;
	if (worker_is_stopping(w)) {
		atomic_store(&a->state, ADOPTION_RESTS);
		return;
	}
	while (go_on(a, w)) {
		if (clock_monotonic_ns() < until_ns)
			continue;
		if (worker_push(w, job, clock_monotonic_ns()) != 0)
			say(a, ADOPTION_RESTS);
		return;
	}
}

/* ---- The dispatcher's -------------------------------------------------------------- */

void adoption_init(struct adoption *a, struct exec *exec, struct committer *committer,
		   struct worker *workers, unsigned worker_count, struct wake *wake)
{
	*a = (struct adoption){
	    .exec = exec,
	    .committer = committer,
	    .workers = workers,
	    .worker_count = worker_count,
	    .wake = wake,
	    .job = {.run = run, .kind = JOB_background},
	    .random = clock_monotonic_ns(),
	};
}

void adoption_start(struct adoption *a, const struct ring_map *map,
		    const struct adoption_join *join)
{
	DHT_ASSERT(atomic_load(&a->state) == ADOPTION_IDLE);
	a->map = map;
	a->stage = ADOPTION_BEGINS;
	a->joins = join != NULL;
	if (join != NULL)
		a->join = *join;
	atomic_store(&a->state, ADOPTION_RESTS);
	adoption_goes_on(a);
}

void adoption_goes_on(struct adoption *a)
{
	if (atomic_load(&a->state) != ADOPTION_RESTS)
		return;
	struct worker *w = &a->workers[a->turn++ % a->worker_count];
	atomic_store(&a->state, ADOPTION_WORKS);
	if (worker_push(w, &a->job, clock_monotonic_ns()) != 0)
		atomic_store(&a->state, ADOPTION_RESTS);
}

bool adoption_is_over(struct adoption *a)
{
	if (atomic_load(&a->state) != ADOPTION_OVER)
		return false;
	atomic_store(&a->state, ADOPTION_IDLE);
	return true;
}

void adoption_fini(struct adoption *a)
{
	if (a->exec != NULL)
		forget_record(a);
}
