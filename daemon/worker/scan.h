/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/scan - all keys of the cluster, block by block, for a session that takes several turns.
 *
 * Why     What a block holds is asked of a majority of its replicas (worker/listing); a block of
 *         this node alone is looked at by itself. Where blocks have few keys each, several are
 *         asked about at a time: otherwise every one of them would take a trip.
 * Owns    The listings under way, until scan_fini.
 * Thread  the worker that owns the session.
 * Errors  as of scan_step.
 */
#ifndef DHT_WORKER_SCAN_H
#define DHT_WORKER_SCAN_H

#include "worker/exec.h"

struct listing;

enum {
	SCAN_AHEAD_MAX = 32,               /* listings at a time */
	SCAN_STEP_MAX = MESSAGE_ITEMS_MAX, /* keys of a step */
};

struct scan {
	struct exec_cursor cursor; /* where it goes on: the same at every node of the cluster */
	bool wants_values;
	/* Whether a block is looked at; NULL: all are. */
	bool (*covers)(const void *ctx, struct worker *w, uint32_t block);
	const void *ctx;
	struct listing *ahead[SCAN_AHEAD_MAX]; /* block b's is at b modulo this; NULL: unused */
	unsigned window;                       /* how many blocks are asked about at a time */
	uint64_t looked_at;                    /* entries, about: those without the prefix, too */
};

/* Begins one at a cursor; the rest is the caller's to set. */
void scan_init(struct scan *scan, const struct exec_cursor *start);
void scan_fini(struct scan *scan);

/* Collects the next keys that begin with prefix, about max of them or fewer, all of one block. Keys
 * that are there from the first call to the last are collected, whichever node each
 * call is made at. A value that had to be compared with others is left out (is_bare). DHT_EAGAIN:
 * the session waits, the call is to be repeated. DHT_ENOQUORUM: w->failure says more, the cursor
 * stays. DHT_ENOMEM. */
int scan_step(struct worker *w, struct session *s, struct scan *scan, struct bytes prefix,
	      unsigned max, struct exec_entries *entries) DHT_MUST_CHECK;

/* True once the cursor is behind the last block that is looked at. */
bool scan_is_over(struct worker *w, struct scan *scan);

#endif
