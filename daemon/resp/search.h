/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/search - a search for keys that a request may need several turns for.
 *
 * Why     Records that are not in memory come a few at a time, and a block may have very
 *         many keys. So what a search has found so far stays with its session, and the
 *         request goes on there when it comes again: from the start it might never get
 *         further.
 *         Under clients.redirect: proxy it is one of the whole cluster; under moved one of the
 *         slots that clients take for this node's.
 * Owns    Copies of the keys found. No segment of the store is pinned while it waits for the
 *         disk; between two turns of one step those of the keys that are to be looked at yet.
 * Thread  the worker that owns the session.
 * Errors  sticky: keys.error, to be looked at before the reply.
 */
#ifndef DHT_RESP_SEARCH_H
#define DHT_RESP_SEARCH_H

#include "resp/command.h"
#include "worker/scan.h"

struct resp_search {
	struct scan scan;
	uint64_t began_ns;
	struct exec_entries entries; /* of one step */
	struct resp_out keys;        /* those found, as they go into the reply */
	uint64_t found;              /* so far */
};

/* What a search looks for. */
struct resp_search_for {
	struct bytes prefix; /* of all wanted keys */
	bool (*wants)(const void *ctx, struct bytes key);
	const void *ctx;
	size_t wants_cost; /* of wants, a byte of the key: a pattern's length */
	uint64_t found_max;
	bool only_counts; /* the keys are not kept */
};

/* Returns the search that the session has begun, or a new one that starts at a cursor. NULL:
 * no memory; replied. */
struct resp_search *resp_search_begin(struct resp_call *call, const struct exec_cursor *start);

/* Looks at about max keys of one block, or at what is left of them. False: the session waits
 * for the disk, or lets others have a turn, and the request comes again. */
bool resp_search_step(struct resp_call *call, struct resp_search *search,
		      const struct resp_search_for *what, unsigned max) DHT_MUST_CHECK;

/* Appends an array of the keys found. */
void resp_search_write_keys(struct resp_call *call, const struct resp_search *search);

/* Ends the session's search, if there is one. */
void resp_search_end(struct resp_session *state);

#endif
