/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/search.h"

#include <stdlib.h>

#include "base/error.h"
#include "io/clock.h"
#include "resp/contact.h"

enum { COST_MAX = 256 * 1024 }; /* of a turn, see wants_cost */

struct resp_search *resp_search_begin(struct resp_call *call, const struct exec_cursor *start)
{
	struct resp_search *search = call->state->search;
	if (search != NULL)
		return search;
	search = calloc(1, sizeof(*search));
	if (search == NULL) {
		resp_reply_status(call, DHT_ENOMEM);
		return NULL;
	}
	scan_init(&search->scan, start);
	if (resp_redirects(call))
		search->scan.covers = resp_contact_covers;
	search->began_ns = clock_monotonic_ns();
	resp_out_init(&search->keys, WORKER_REPLY_MAX);
	call->state->search = search;
	return search;
}

/* Copies the wanted keys of a step, and lets their records go. False: to look at them takes
 * long, and the rest is for another turn. */
static bool take_found(struct resp_call *call, struct resp_search *search,
		       const struct resp_search_for *what)
{
	struct exec_entries *entries = &search->entries;
	size_t cost = 0;
	while (entries->count > 0 && search->found < what->found_max) {
		struct bytes key = entries->items[entries->taken].key;
		if (cost >= COST_MAX) {
			call->yields = true;
			return false;
		}
		cost += what->wants_cost * key.len;
		if (what->wants(what->ctx, key)) {
			if (!what->only_counts)
				resp_write_bulk(&search->keys, key);
			search->found++;
		}
		exec_entries_take(entries, 1);
	}
	exec_entries_take(entries, entries->count - entries->taken);
	return true;
}

bool resp_search_step(struct resp_call *call, struct resp_search *search,
		      const struct resp_search_for *what, unsigned max)
{
	struct exec_entries *entries = &search->entries;
	if (entries->count > 0)
		return take_found(call, search, what);
	int rc = scan_step(call->worker, call->session, &search->scan, what->prefix, max, entries);
	if (rc == DHT_EAGAIN)
		return false;
	if (rc != 0)
		search->keys.error = rc;
	return take_found(call, search, what);
}

void resp_search_write_keys(struct resp_call *call, const struct resp_search *search)
{
	resp_write_array(call->out, search->found);
	resp_write_raw(call->out, bytes_of(search->keys.data, search->keys.len));
}

void resp_search_end(struct resp_session *state)
{
	struct resp_search *search = state->search;
	if (search == NULL)
		return;
	scan_fini(&search->scan);
	exec_entries_fini(&search->entries);
	resp_out_fini(&search->keys);
	free(search);
	state->search = NULL;
}
