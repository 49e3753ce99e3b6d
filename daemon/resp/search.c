/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/search.h"

#include <stdlib.h>

#include "base/error.h"

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
	search->cursor = *start;
	resp_out_init(&search->keys, WORKER_REPLY_MAX);
	call->state->search = search;
	return search;
}

/* Copies the wanted keys of a step, and lets their records go. */
static void take_found(struct resp_search *search, const struct resp_search_for *what)
{
	struct exec_entries *entries = &search->entries;
	for (size_t i = 0; i < entries->count && search->found < what->found_max; i++) {
		struct bytes key = entries->items[i].key;
		if (!what->wants(what->ctx, key))
			continue;
		if (!what->only_counts)
			resp_write_bulk(&search->keys, key);
		search->found++;
	}
	exec_entries_take(entries, entries->count);
}

bool resp_search_step(struct resp_call *call, struct resp_search *search,
		      const struct resp_search_for *what, unsigned max)
{
	struct exec_entries *entries = &search->entries;
	uint32_t block = search->cursor.block;
	if (exec_scan(call->worker, call->session, &search->cursor, what->prefix, max, entries) !=
	    0)
		return false;
	/* At the end of a block fewer are left, of which those without the prefix are not told. */
	search->looked_at += search->cursor.block == block ? max : entries->count;
	take_found(search, what);
	if (entries->no_memory)
		search->keys.error = DHT_ENOMEM;
	return true;
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
	exec_entries_fini(&search->entries);
	resp_out_fini(&search->keys);
	free(search);
	state->search = NULL;
}
