/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/ahead - begins operations of requests whose turn has not come.
 *
 * Why     An operation on a block with several replicas takes a way there and back and a sync.
 *         Of requests that a client sends without waiting for replies, those behind the first
 *         are begun while it is under way, and find their results when their turn comes: so a
 *         pipeline costs a few ways, not one for each request. The handler tells what its request
 *         does as it tells replay: it runs once more, before its turn, and its reply is thrown
 *         away.
 *         Only what stands alone is begun so: requests that read or write keys, outside of a
 *         transaction, up to the first that is something else. Operations on one key keep their
 *         order: one whose key is taken waits for its turn, and so do all behind it on that key.
 * Owns    Nothing.
 * Thread  the worker that owns the session.
 * Errors  What cannot be begun is left to its turn.
 */
#ifndef DHT_RESP_AHEAD_H
#define DHT_RESP_AHEAD_H

#include "resp/command.h"

enum { RESP_AHEAD_WAITING_MAX = 32 };

/* One look at what stands behind a request that waits. */
struct resp_ahead {
	struct session_op next;                  /* the operation that is asked for next */
	uint64_t hashes[RESP_AHEAD_WAITING_MAX]; /* of keys with an operation that waits */
	unsigned waiting_count;
	bool is_full; /* no more is begun */
};

/* Begins with the request that waits. */
void resp_ahead_begin(struct resp_ahead *ahead, const struct session *s);

/* Begins what the next request does. False: nothing behind it is begun now. */
bool resp_ahead_run(struct resp_ahead *ahead, struct resp_call *call);

/* What resp_run_op does while call->ahead is set; op->key is complete. The result is an empty one.
 * False: the handler is to return. */
bool resp_ahead_op(struct resp_call *call, struct op *op, struct op_result *result);

#endif
