/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/fetch - cold records that a session's next request, or stream, waits for.
 *
 * Why     A request that meets a cold record is not begun: it is left where it is, the
 *         record is read (worker/readers), and the request is given again with the record
 *         at hand. So no protocol has to know of half-done requests.
 * Owns    What was read, until fetch_release; the pin of each record's segment with it.
 * Thread  the worker that owns the session.
 * Errors  A disk that lies stops the node (committer_fail). Without memory the request
 *         just tries again.
 */
#ifndef DHT_WORKER_FETCH_H
#define DHT_WORKER_FETCH_H

#include "worker/readers.h"
#include "worker/session.h"

struct fetch {
	struct read read;
	struct session *session; /* NULL: it was closed meanwhile */
	struct list link;        /* on session->fetches */
	struct store_fetched fetched;
};

/* Starts to read the record at a location, which the caller has pinned for it; the session
 * waits. DHT_ENOMEM: the pin stays the caller's. */
int fetch_start(struct worker *w, struct session *s, uint64_t location) DHT_MUST_CHECK;

/* What the session has at hand, for store_find. */
const struct store_fetched *fetch_list(struct session *s);

/* Takes one of them away from the session; the caller fetch_frees it. It is there. */
struct fetch *fetch_take(struct session *s, uint64_t location);
void fetch_free(struct store *store, struct fetch *fetch);

/* Frees what the session has at hand: its request has run. */
void fetch_release(struct worker *w, struct session *s);

/* The session is being closed: what is still being read is freed when it comes. */
void fetch_drop(struct worker *w, struct session *s);

#endif
