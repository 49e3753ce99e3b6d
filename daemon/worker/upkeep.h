/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/upkeep - what replicas do without being asked: copy, compare, collect, forget.
 *
 * Why     A member that is to be a replica pulls what the old ones hold (node/sync.h), two replicas
 *         compare what they have (node/repair.h), deletions are completed (node/collect.h), old
 *         promises and expired keys go. Each in steps under the lock of one group, in slices
 *         on the workers' queues, under a byte rate, or when an answer has come.
 * Owns    How far each of them is; passes of repair.
 * Thread  upkeep_is_due, upkeep_period_ns: the housekeeper. upkeep_peer_is_back: any.
 *         upkeep_go_on: a worker. The rest: the server.
 * Errors  Those of the steps: what has no room is tried again, a disk that lies stops the node.
 */
#ifndef DHT_WORKER_UPKEEP_H
#define DHT_WORKER_UPKEEP_H

#include <stdatomic.h>
#include <stdbool.h>

#include "node/repair.h"
#include "worker/allowance.h"
#include "worker/job.h"

struct exec;
struct worker;

enum {
	UPKEEP_SYNCS = 4,   /* blocks that are pulled at a time */
	UPKEEP_REPAIRS = 4, /* passes at a time */
	UPKEEP_MEMBER_WORDS = RING_MEMBERS_MAX / 64 + 1,
};

/* A pass of repair, under the lock of its block's group. */
struct upkeep_repair {
	struct repair repair;
	bool is_on;
};

struct upkeep {
	struct exec *exec;
	struct job job;
	_Atomic bool queued;
	struct allowance allowance; /* of copying and comparing: peers.sync_rate */
	_Atomic uint64_t epoch;     /* of the map that is_wanted is of, and 1; 0: none yet */
	_Atomic bool is_wanted;     /* some block is not this node's alone */
	_Atomic bool is_busy;       /* something is being copied or compared */
	_Atomic bool is_back;       /* a member was reached that may have missed something: */
	_Atomic uint64_t back[UPKEEP_MEMBER_WORDS]; /* a bit for each */
	/* The job's: */
	bool syncs;           /* there is something to pull */
	uint64_t looked_ns;   /* when the blocks are to be looked at again */
	bool changes;         /* some block gets a new member */
	uint64_t compared_ns; /* when the next round of repair is due */
	bool may_wait;        /* for a change to be over: nothing is known to differ */
	bool is_with_all;     /* it is with every other member; if not, with these: */
	uint64_t with[UPKEEP_MEMBER_WORDS]; /* a bit for each */
	uint64_t all_ns;                    /* when one with every member is due */
	uint64_t pause_ns;                  /* before it, if something differs */
	uint64_t asked;                     /* of node->differed: what was seen */
	uint64_t differed, differed_before; /* records, and ranges left out: this round, the last */
	bool has_left_out;                  /* who pulls was, in this round */
	uint32_t block;                     /* where the walk over tombstones and promises is */
	uint32_t repair_block;              /* the next pass: of this block with this seat */
	uint8_t repair_seat;
	struct upkeep_repair repairs[UPKEEP_REPAIRS];
	uint32_t expire_block, expire_hash;
	/* Since the start: */
	_Atomic uint64_t pulled;        /* bytes of answers */
	_Atomic uint64_t compared;      /* passes that are over */
	_Atomic uint64_t told, settled; /* records that others lacked; identity rounds */
};

void upkeep_init(struct upkeep *u, struct exec *exec, uint64_t rate);

/* True if the job is to be queued, now and then. */
bool upkeep_is_due(const struct upkeep *u);

/* When it is to be next: UINT64_MAX, no sooner than for other reasons. */
uint64_t upkeep_period_ns(const struct upkeep *u);

/* An answer about a block was handled, of so many bytes: goes on with what it answered. */
void upkeep_go_on(struct worker *w, uint32_t block, size_t bytes);

/* A member is reached again. */
void upkeep_peer_is_back(struct worker *w, uint16_t member);

#endif
