/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/fins - finds out which blocks this node is in sync with, while a change goes on.
 *
 * Why     Members report them with every heartbeat (the register protocol, section 6). They lie
 *         under the locks of the groups.
 * Owns    One job, and what it has found.
 * Thread  fins_look, fins_take: the dispatcher. The job: any worker, one at a time.
 */
#ifndef DHT_WORKER_FINS_H
#define DHT_WORKER_FINS_H

#include "node/member_message.h"
#include "worker/job.h"

#include <stdatomic.h>

struct committer;
struct exec;
struct wake;

struct fins {
	struct exec *exec;
	struct committer *committer;
	struct worker *workers;
	unsigned worker_count, turn;
	struct wake *wake; /* the dispatcher's: it has looked at all blocks */
	struct job job;
	_Atomic unsigned state; /* enum fins_state */
	/* The job's while it works. */
	uint32_t block;
	struct member_fin *found;
	size_t count;
};

int fins_init(struct fins *f, struct exec *exec, struct committer *committer,
	      struct worker *workers, unsigned worker_count, struct wake *wake) DHT_MUST_CHECK;
void fins_fini(struct fins *f);

/* Begins to look at all blocks, unless it does so already. */
void fins_look(struct fins *f);

/* True when it has: f->found has them, until the next look. */
bool fins_take(struct fins *f);

#endif
