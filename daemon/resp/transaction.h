/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/transaction - what a connection keeps between MULTI and EXEC, and what it watches.
 *
 * Why     Few connections ever use it, so a session has a pointer to it, NULL as long as it
 *         neither is inside MULTI nor watches a key.
 * Owns    Copies of the queued requests and of the watched keys, within the bounds below.
 * Thread  the worker that owns the session.
 */
#ifndef DHT_RESP_TRANSACTION_H
#define DHT_RESP_TRANSACTION_H

#include "base/list.h"
#include "resp/command.h"

enum {
	RESP_QUEUE_WORDS_MAX = 16 * 1024,        /* of all queued requests */
	RESP_QUEUE_BYTES_MAX = RESP_REQUEST_MAX, /* what they take */
	RESP_WATCHED_MAX = 1024,                 /* keys */
};

/* A request that waits for EXEC. */
struct resp_queued {
	struct list link;
	const struct resp_command *command;
	size_t argc;
	struct bytes args[]; /* their bytes stand behind them */
};

struct resp_watched {
	struct list link;
	struct ballot version; /* when it was given to WATCH; absent: there was no value */
	struct bytes key;
};

struct resp_transaction {
	bool is_open;    /* MULTI was given, and neither EXEC nor DISCARD since */
	bool is_spoiled; /* a request was refused since: EXEC does nothing */
	size_t words, bytes, count;
	struct list queue; /* struct resp_queued, count of them */
	size_t watched_count;
	struct list watched; /* struct resp_watched */
};

static inline bool resp_transaction_is_open(const struct resp_session *state)
{
	return state->transaction != NULL && state->transaction->is_open;
}

/* MULTI. DHT_ENOMEM. */
int resp_transaction_open(struct resp_session *state) DHT_MUST_CHECK;

/* Ends it and forgets the watched keys; allowed at any time. */
void resp_transaction_drop(struct resp_session *state);

/* The same for one that a session had. */
void resp_transaction_destroy(struct resp_transaction *transaction);

/* A request was refused: if a transaction is open, EXEC will refuse it as a whole. */
void resp_transaction_spoil(struct resp_session *state);

/* True if the request, whose command was found, is not run now, but queued. */
bool resp_transaction_takes(const struct resp_call *call);

/* Queues it, and replies. */
void resp_transaction_queue(struct resp_call *call);

/* True if the session watches the key. */
bool resp_transaction_watches(const struct resp_session *state, struct bytes key);

/* Watches a key that is not watched yet. DHT_ENOMEM; DHT_EFULL: RESP_WATCHED_MAX. */
int resp_transaction_watch(struct resp_session *state, struct bytes key,
			   struct ballot version) DHT_MUST_CHECK;
void resp_transaction_unwatch(struct resp_session *state);

#endif
