/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/adoption - lets the node take over a map, block by block, as jobs of the workers.
 *
 * Why     A map changes up to 16,384 blocks, each under the lock of its group, and tasks that are
 *         under way with it: that is work of slices, between what clients wait for.
 * Owns    One job. The map is the caller's, and stays as it is until the adoption is over.
 * Thread  adoption_start, adoption_goes_on, adoption_is_over: the dispatcher. The job: any worker,
 *         one at a time.
 * Errors  Want of room, memory or a commit is met again later, without end. A disk that lies is
 *         told to the committer.
 */
#ifndef DHT_WORKER_ADOPTION_H
#define DHT_WORKER_ADOPTION_H

#include "node/adopt.h"
#include "worker/readers.h"

struct committer;
struct exec;
struct wake;

enum adoption_stage { ADOPTION_BEGINS, ADOPTION_BLOCKS, ADOPTION_ENDS };

/* Who waits for whom. */
enum adoption_state {
	ADOPTION_IDLE,
	ADOPTION_WORKS, /* a job is queued or runs */
	ADOPTION_RESTS, /* nothing could be done: to be tried again */
	ADOPTION_OVER,  /* nobody was told yet */
};

/* A node that gives up its own cluster for another one. */
struct adoption_join {
	uint16_t number;
	uint64_t hash_seed;
};

struct adoption {
	struct exec *exec;
	struct committer *committer;
	struct worker *workers;
	unsigned worker_count, turn;
	struct wake *wake; /* the dispatcher's: it rests, or is over */
	struct job job;
	_Atomic unsigned state; /* enum adoption_state */
	/* The job's while it works. */
	enum adoption_stage stage;
	const struct ring_map *map;
	bool joins;
	struct adoption_join join;
	uint32_t block;
	struct read read; /* of a record that a task under way needs */
	struct store_fetched fetched;
	uint64_t random;
};

void adoption_init(struct adoption *a, struct exec *exec, struct committer *committer,
		   struct worker *workers, unsigned worker_count, struct wake *wake);

/* Begins with a map; none is being adopted. join: NULL, or it is another cluster's, and no
 * operation runs until the adoption is over. */
void adoption_start(struct adoption *a, const struct ring_map *map,
		    const struct adoption_join *join);

/* Tries again, if it rests. To be called now and then. */
void adoption_goes_on(struct adoption *a);

/* True once for every adoption, when it is over. */
bool adoption_is_over(struct adoption *a);

/* True between the start and that. */
static inline bool adoption_is_running(const struct adoption *a)
{
	return atomic_load(&a->state) != ADOPTION_IDLE;
}

/* Forgets what it has read. The workers have ended. */
void adoption_fini(struct adoption *a);

#endif
