/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/whereabouts - what each replica has of one key: for people who want to see it.
 *
 * Why     A read tells what the replicas agree on. This tells what each of them has, and asks
 *         none of them to change anything.
 * Owns    What came, until whereabouts_destroy.
 * Thread  the worker that owns the session.
 * Errors  DHT_ENOMEM.
 */
#ifndef DHT_WORKER_WHEREABOUTS_H
#define DHT_WORKER_WHEREABOUTS_H

#include "worker/exec.h"
#include "worker/inquiry.h"

enum { WHEREABOUTS_MAX = 2 * RING_REPLICAS_MAX };

/* What a replica has. */
struct whereabout {
	uint16_t member;
	bool has_answered;
	bool has_record; /* of the key: */
	bool is_tombstone;
	struct ballot acc, ver;
};

struct whereabouts {
	struct inquiry inquiry;
	struct store_key key;
	struct exec_held *held; /* what the key lies in */
	uint32_t version;       /* of the block, as the question is put */
	unsigned tries;
	uint64_t deadline_us;
	uint64_t rests_on; /* position that what this node has rests on */
	size_t count;
	struct whereabout replicas[WHEREABOUTS_MAX]; /* old ones first, in the map's order */
};

/* Asks all replicas of the key, of both sets while it is moved. *at is NULL at first; DHT_EAGAIN:
 * the session waits, and the call is to be repeated with it. 0: it is complete, or who has not
 * answered is not waited for any more. After an error it is gone. */
int whereabouts_run(struct worker *w, struct session *s, struct whereabouts **at,
		    struct bytes key) DHT_MUST_CHECK;

/* NULL is allowed. */
void whereabouts_destroy(struct whereabouts *at);

#endif
