/* SPDX-License-Identifier: Apache-2.0
 *
 * CLUSTER KEYSLOT, COUNTKEYSINSLOT, GETKEYSINSLOT: slots and their keys, looked for in the
 * block of the slot.
 */
#include "resp/options.h"
#include "resp/search.h"
#include "ring/slot.h"

enum { STEP_MAX = 256 }; /* keys of a turn */

void resp_run_cluster_keyslot(struct resp_call *call)
{
	resp_write_integer(call->out, ring_slot_of_key(call->args[2]));
}

static bool is_in_slot(const void *ctx, struct bytes key)
{
	return ring_slot_of_key(key) == *(const uint32_t *)ctx;
}

/* Looks for keys of a slot. Returns the search when it is over; NULL: it has replied, or goes
 * on when the request comes again. */
static struct resp_search *search_slot(struct resp_call *call, uint32_t slot, uint64_t max,
				       bool only_counts)
{
	const struct exec_cursor start = {.block =
					      ring_block_of_slot(slot, resp_map(call)->blocks)};
	const struct resp_search_for what = {
	    .wants = is_in_slot, .ctx = &slot, .found_max = max, .only_counts = only_counts};
	struct resp_search *search = resp_search_begin(call, &start);
	if (search == NULL || !resp_search_step(call, search, &what, STEP_MAX))
		return NULL;
	if (search->keys.error != 0) {
		resp_reply_status(call, search->keys.error);
		resp_search_end(call->state);
		return NULL;
	}
	call->yields = search->scan.cursor.block == start.block && search->found < max;
	return call->yields ? NULL : search;
}

void resp_run_cluster_countkeysinslot(struct resp_call *call)
{
	int64_t slot;
	if (!resp_read_integer(call, call->args[2], &slot))
		return;
	if (slot < 0 || slot >= RING_SLOTS) {
		resp_write_error(call->out, "ERR Invalid slot");
		return;
	}
	const struct resp_search *search = search_slot(call, (uint32_t)slot, UINT64_MAX, true);
	if (search == NULL)
		return;
	resp_write_integer(call->out, (int64_t)search->found);
	resp_search_end(call->state);
}

void resp_run_cluster_getkeysinslot(struct resp_call *call)
{
	int64_t slot, max;
	if (!resp_read_integer(call, call->args[2], &slot) ||
	    !resp_read_integer(call, call->args[3], &max))
		return;
	if (slot < 0 || slot >= RING_SLOTS || max < 0) {
		resp_write_error(call->out, "ERR Invalid slot or number of keys");
		return;
	}
	if (max == 0) {
		resp_write_array(call->out, 0);
		return;
	}
	const struct resp_search *search = search_slot(call, (uint32_t)slot, (uint64_t)max, false);
	if (search == NULL)
		return;
	resp_search_write_keys(call, search);
	resp_search_end(call->state);
}
