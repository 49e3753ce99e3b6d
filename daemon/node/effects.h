/* SPDX-License-Identifier: Apache-2.0
 *
 * node/effects - what a step of the node is given, and what it tells its caller to do.
 *
 * Why     The node has no clock, randomness, socket or thread: time and chance come in with
 *         each step, and what follows goes out through a table of calls, which copy
 *         or note what they are told and do nothing else. The daemon's workers and the
 *         simulator are two such callers.
 * Thread  A step runs under the lock of its block's group, and so do the calls of the table:
 *         they must not call the node.
 *
 * Persist before send: whatever a step tells has a position of the log, `rests_on`, at or before
 * which everything has to be durable before it leaves the node. The caller keeps it until then:
 * that rule has no other place.
 */
#ifndef DHT_NODE_EFFECTS_H
#define DHT_NODE_EFFECTS_H

#include "node/message.h"

struct task;

/* While a map is being adopted its position is not known yet: what rests on it has this one,
 * for which the caller takes node_map_end() once the adoption is complete. */
#define NODE_RESTS_ON_MAP UINT64_MAX

/* An alarm. One that is no longer wanted is recognised by its tag when it goes off: there is
 * nothing to cancel. */
struct node_timer {
	uint32_t block;
	uint64_t hash; /* of the key */
	uint64_t tag;
};

struct node_effects {
	void *ctx;
	/* Sends m to the members of `to`, none of which is this node. */
	void (*send)(void *ctx, const uint16_t *to, unsigned count, const struct message *m,
		     uint64_t rests_on);
	/* The task is over (node/task.h): it is its owner's again. */
	void (*done)(void *ctx, struct task *task);
	/* node_on_timer is to be called in delay_us. */
	void (*timer)(void *ctx, const struct node_timer *timer, uint64_t delay_us);
	/* A member knows of a newer map than this node has adopted: fetch and adopt it. */
	void (*wants_map)(void *ctx, uint16_t from);
	/* LISTED or COUNTED has arrived, which is the caller's to make use of (node/list.h). NULL:
	 * it never asks for any. */
	void (*answer)(void *ctx, const struct message *m);
};

enum node_wait {
	NODE_WAITS_FOR_RECORD, /* at `cold`: pin, fetch, repeat with it in `fetched` */
	NODE_WAITS_FOR_COMMIT, /* the committer's next: room in the log, or a higher ceiling */
	NODE_WAITS_FOR_MAP,    /* message of a newer map: adopt that; or drop the message */
};

struct node_step {
	/* Given. */
	unsigned appender; /* store.h */
	uint64_t now_us;   /* monotonic */
	uint64_t now_ms;   /* wall clock, for expiry alone */
	uint64_t random;   /* another for every step */
	const struct store_fetched *fetched;
	const struct node_effects *effects;
	/* Told with DHT_EAGAIN: nothing was done, the call is to be repeated after this. */
	enum node_wait waits_for;
	uint64_t cold;
};

#endif
