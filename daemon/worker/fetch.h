/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/fetch - cold records that somebody waits for before the same step is made again.
 *
 * Why     A request that meets a cold record is not begun: it is left where it is, the
 *         record is read (worker/readers), and the request is given again with the record
 *         at hand. So no protocol has to know of half-done requests. What comes from another
 *         node waits in the same way.
 * Owns    What was read, until fetch_release; the pin of each record's segment with it.
 * Thread  the worker that started the fetch.
 * Errors  A disk that lies stops the node (committer_fail). Without memory the request
 *         just tries again.
 */
#ifndef DHT_WORKER_FETCH_H
#define DHT_WORKER_FETCH_H

#include "base/list.h"
#include "worker/readers.h"

/* The records of one owner, who embeds it. */
struct fetches {
	struct list all;
	unsigned waiting; /* of these: those that have not come yet */
};

/* Called when none is waited for any more; rc is 0, or DHT_ENOMEM: the last one could not be
 * read, and is to be asked for again later. */
typedef void (*fetch_arrived_fn)(struct worker *w, struct fetches *owner, int rc);

struct fetch {
	struct read read;
	struct fetches *owner; /* NULL: it is gone */
	fetch_arrived_fn arrived;
	struct list link; /* on owner->all */
	struct store_fetched fetched;
};

void fetch_init(struct fetches *owner);

/* Starts to read the record at a location, which the caller has pinned for it. DHT_ENOMEM: the
 * pin stays the caller's. */
int fetch_start(struct worker *w, struct fetches *owner, uint64_t location,
		fetch_arrived_fn arrived) DHT_MUST_CHECK;

/* What is at hand, for store_find. */
const struct store_fetched *fetch_list(struct fetches *owner);

/* Takes one of them away from its owner; the caller fetch_frees it. It is there. */
struct fetch *fetch_take(struct fetches *owner, uint64_t location);
void fetch_free(struct store *store, struct fetch *fetch);

/* Frees what is at hand: the request has run. */
void fetch_release(struct worker *w, struct fetches *owner);

/* The owner goes: what is still being read is freed when it comes. */
void fetch_drop(struct worker *w, struct fetches *owner);

#endif
