/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/verify - compares what this node holds with all other replicas of it, for the operator.
 *
 * Why     That replicas agree is a promise that can be looked at: by the digests of repair
 *         (node/repair.h), by passes that change nothing. What is being written differs for
 *         a moment: a difference counts if it is the same one in the last two looks of
 *         several.
 * Owns    One job, and how far it is. One verification at a time; it ends if nobody asks
 *         after it.
 * Thread  verify_begin, verify_look: any. The job: any worker, one at a time.
 *         verify_is_due: the housekeeper, and the job.
 * Errors  Who does not answer is counted, and so are blocks that change just then.
 *
 * It is under the rate of upkeep (peers.sync_rate).
 */
#ifndef DHT_WORKER_VERIFY_H
#define DHT_WORKER_VERIFY_H

#include <pthread.h>
#include <stdatomic.h>

#include "node/repair.h"
#include "worker/job.h"

struct exec;
struct worker;

enum {
	VERIFY_PASSES = 16,     /* at a time */
	VERIFY_LOOKS = 5,       /* at what differs */
	VERIFY_FOUND_MAX = 256, /* differences of a look that are remembered; more count, too */
	VERIFY_NAMES = 16,      /* keys that are told */
	VERIFY_NAME_MAX = 64,   /* bytes of these */
};

struct verify_name {
	uint64_t what; /* a hash of key and both ballots */
	size_t len;
	uint8_t key[VERIFY_NAME_MAX];
};

/* What was found at one look at a block with one replica. */
struct verify_found {
	size_t count; /* of what[]: at most VERIFY_FOUND_MAX */
	uint64_t more;
	uint64_t what[VERIFY_FOUND_MAX];
	size_t name_count;
	struct verify_name names[VERIFY_NAMES];
};

/* Under the lock of its block's group. */
struct verify_pass {
	struct repair repair;
	struct repair_look look;
	bool is_on;     /* the rest counts: */
	bool is_asking; /* repair is under way */
	uint16_t with;
	uint32_t block;
	unsigned looks;
	uint64_t again_ns;
	struct verify_found now, before;
};

struct verify_result {
	uint64_t run; /* number of it; 0: there was none */
	bool is_over, is_abandoned;
	uint32_t blocks;     /* of which this node is a replica */
	uint32_t all_blocks; /* of the cluster */
	uint32_t pairs;      /* of such a block and another replica of it that were compared */
	uint32_t done;       /* blocks */
	uint32_t left_out; /* pairs that could not be: a replica does not answer, a block changes */
	uint64_t records;  /* compared */
	uint64_t differences;
	size_t name_count;
	struct verify_name names[VERIFY_NAMES];
};

struct verify {
	struct exec *exec;
	struct job job;
	_Atomic bool queued, is_on;
	_Atomic uint64_t asked_ns; /* when somebody has looked last */
	pthread_mutex_t lock;      /* of the result */
	struct verify_result result;
	/* The job's: */
	uint32_t block;
	uint8_t seat;
	struct verify_pass *passes; /* while it runs */
};

void verify_init(struct verify *v, struct exec *exec);
void verify_fini(struct verify *v);

/* Begins one, unless one is under way. DHT_ENOMEM. */
int verify_begin(struct verify *v) DHT_MUST_CHECK;

/* What was found so far, or by the latest. */
void verify_look(struct verify *v, struct verify_result *result);

/* True if the job is to be queued, now and then. */
bool verify_is_due(const struct verify *v);

#endif
