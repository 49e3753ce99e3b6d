/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/readers - threads that read records from disk while their requests wait.
 *
 * Why     A record whose segment is not in memory (store: cold) costs a read of the disk,
 *         which a worker never waits for.
 * Owns    Its queue: a read belongs to the readers from readers_push until its job is
 *         pushed to the worker that asked.
 * Thread  readers_push: any worker. The rest: the server.
 */
#ifndef DHT_WORKER_READERS_H
#define DHT_WORKER_READERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"
#include "worker/job.h"

enum { READERS_COUNT = 2 };

struct worker;

/* One record to be read. Its number is bounded by what sessions may wait for. */
struct read {
	struct job job; /* for the worker, when it is done */
	struct worker *worker;
	uint64_t location; /* pinned */
	uint8_t *data;     /* malloc'ed, the worker's; NULL unless result is 0 */
	int result;        /* as store_fetch */
};

struct readers {
	struct store *store;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *head, **tail;
	bool is_over;
	pthread_t threads[READERS_COUNT];
	unsigned running;
};

/* The store outlives it. */
void readers_init(struct readers *r, struct store *store);
void readers_fini(struct readers *r);

int readers_start(struct readers *r) DHT_MUST_CHECK;

/* Ends the threads, after what was pushed: the workers have ended, or soon will. */
void readers_stop(struct readers *r);

/* Queues a read; its job runs on its worker when it is done. */
void readers_push(struct readers *r, struct read *read);

#endif
