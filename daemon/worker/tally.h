/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/tally - how many keys the cluster holds, each counted once.
 *
 * Why     Every replica of a block says how many it has, and the middle one of these numbers is the
 *         block's: one replica that was away, and has missed writes or deletions, does not count.
 *         Of an even number it is the higher one: with two of three, what is missing is the rule.
 *         Each member is asked once for all its blocks.
 * Owns    The numbers that came, until tally_destroy.
 * Thread  the worker that owns the session.
 * Errors  DHT_ENOQUORUM: a majority of some block's replicas did not answer in time;
 *         w->failure says more. DHT_ENOMEM.
 */
#ifndef DHT_WORKER_TALLY_H
#define DHT_WORKER_TALLY_H

#include "worker/exec.h"

struct tally;

/* Whether a block is counted; NULL: all are. */
typedef bool (*tally_covers_fn)(const void *ctx, struct worker *w, uint32_t block);

/* Counts. *tally is NULL at first; DHT_EAGAIN: the session waits, and the call is to be repeated
 * with it. In all other cases it is gone on return. */
int tally_run(struct worker *w, struct session *s, struct tally **tally, tally_covers_fn covers,
	      uint64_t *keys) DHT_MUST_CHECK;

/* Gives one up that is not needed any more; NULL is allowed. */
void tally_destroy(struct tally *tally);

#endif
