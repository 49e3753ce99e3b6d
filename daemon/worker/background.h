/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/background - the store's own work, in slices on the workers' queues.
 *
 * Why     Compaction and the removal of expired keys need the locks of the block groups
 *         and the processor's time that clients use: so they are jobs of at most
 *         WORKER_SLICE_NS, queued like any other, under a byte rate.
 * Owns    One job for each; what they work on belongs to the store and the node.
 * Thread  background_tick, background_period_ns: the housekeeper. background_assist: any worker.
 *         The rest: the server.
 * Errors  A disk that lies is told to the committer. No room: the next tick tries again.
 */
#ifndef DHT_WORKER_BACKGROUND_H
#define DHT_WORKER_BACKGROUND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/local.h"
#include "worker/allowance.h"
#include "worker/job.h"
#include "worker/upkeep.h"
#include "worker/verify.h"

struct exec;
struct committer;
struct worker;

/* How often the housekeeper looks while there is something to do, and while what there is
 * to do waits for room in the log. */
#define BACKGROUND_PERIOD_NS UINT64_C(10000000)
#define BACKGROUND_REST_NS   UINT64_C(50000000)

/* After a look at all keys that found none to remove, or room for no more. */
#define BACKGROUND_EXPIRE_REST_NS UINT64_C(1000000000)

struct background {
	struct exec *exec;
	struct committer *committer;
	struct worker *workers;
	unsigned worker_count;
	unsigned turn;              /* which worker is next; the housekeeper's */
	struct allowance allowance; /* of compaction: store.compact_rate */
	_Atomic unsigned pressure;  /* enum store_pressure, as of the last tick */

	/* When last tried, no segment was worth compacting, or there was no room to do it. */
	_Atomic bool is_exhausted;

	pthread_mutex_t step_lock; /* one step of compaction at a time */
	struct job compact_job;
	_Atomic bool compact_queued;
	_Atomic bool compact_waits; /* the last slice found no room */

	struct job expire_job;
	_Atomic bool expire_queued;
	_Atomic uint64_t expire_rest_ns; /* the next look is not due before */
	uint32_t expire_block;           /* the rest is the job's */
	struct local_expiry expiry;
	uint64_t expired_before;  /* of `expired`: when the job began with the first block */
	_Atomic uint64_t expired; /* keys removed since the start */

	struct upkeep upkeep; /* what replicas do */
	struct verify verify; /* what an operator has asked for */
};

void background_init(struct background *b, struct exec *exec, struct committer *committer,
		     struct worker *workers, unsigned worker_count);
void background_fini(struct background *b);

/* Queues what is due. A slice that finds its worker stopping does nothing. */
void background_tick(struct background *b, uint64_t elapsed_ns);

/* When background_tick is to be called next: UINT64_MAX, no sooner than for other reasons. */
uint64_t background_period_ns(const struct background *b);

/* True while compaction may still win room back on a full disk: a deletion that finds none
 * is worth trying again. Any thread. */
bool background_may_win_room(const struct background *b);

/* Runs a slice of compaction in the middle of a worker's work, when writers outrun it. */
void background_assist(struct background *b, struct worker *w);

#endif
