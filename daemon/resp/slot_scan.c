/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/slot_scan.h"

#include <stdlib.h>

#include "base/error.h"
#include "resp/command.h"
#include "ring/slot.h"

enum { STEP_MAX = 256 }; /* entries of a turn */

struct resp_slot_scan {
	struct exec_cursor cursor;
	struct resp_out keys; /* those found, as they go into the reply */
	uint64_t found;
};

void resp_slot_scan_destroy(struct resp_slot_scan *scan)
{
	if (scan == NULL)
		return;
	resp_out_fini(&scan->keys);
	free(scan);
}

/* What the call before has left, or a new one. NULL: no memory; replied. */
static struct resp_slot_scan *begin(struct resp_call *call, uint32_t block)
{
	struct resp_slot_scan *scan = call->state->slot_scan;
	if (scan != NULL)
		return scan;
	scan = calloc(1, sizeof(*scan));
	if (scan == NULL) {
		resp_reply_status(call, DHT_ENOMEM);
		return NULL;
	}
	scan->cursor.block = block;
	resp_out_init(&scan->keys, WORKER_REPLY_MAX);
	call->state->slot_scan = scan;
	return scan;
}

static void end(struct resp_call *call)
{
	resp_slot_scan_destroy(call->state->slot_scan);
	call->state->slot_scan = NULL;
}

/* Looks at the next entries of the block, and keeps the keys of the slot, up to max, if keys
 * are wanted. False: the search goes on in a later turn. */
static bool step(struct resp_call *call, struct resp_slot_scan *scan, uint32_t slot, uint64_t max,
		 bool wants_keys)
{
	struct exec_entries entries = {0};
	uint32_t block = scan->cursor.block;
	int rc = exec_scan(call->worker, call->session, &scan->cursor, bytes_of(NULL, 0), STEP_MAX,
			   &entries);
	for (size_t i = 0; rc == 0 && i < entries.count && scan->found < max; i++) {
		struct bytes key = entries.items[i].key;
		if (ring_slot_of_key(key) != slot)
			continue;
		if (wants_keys)
			resp_write_bulk(&scan->keys, key);
		scan->found++;
	}
	if (entries.no_memory)
		scan->keys.error = DHT_ENOMEM;
	exec_entries_fini(&entries);
	if (rc != 0)
		return false;
	if (scan->cursor.block != block || scan->found >= max || scan->keys.error != 0)
		return true;
	call->yields = true;
	return false;
}

/* Returns the finished search; NULL: it has replied, or goes on later. */
static struct resp_slot_scan *run(struct resp_call *call, uint32_t slot, uint64_t max,
				  bool wants_keys)
{
	uint32_t block = ring_block_of_slot(slot, call->port->node.map->blocks);
	struct resp_slot_scan *scan = begin(call, block);
	if (scan == NULL || !step(call, scan, slot, max, wants_keys))
		return NULL;
	if (scan->keys.error == 0)
		return scan;
	resp_reply_status(call, scan->keys.error);
	end(call);
	return NULL;
}

void resp_slot_scan_count(struct resp_call *call, uint32_t slot)
{
	struct resp_slot_scan *scan = run(call, slot, UINT64_MAX, false);
	if (scan == NULL)
		return;
	resp_write_integer(call->out, (int64_t)scan->found);
	end(call);
}

void resp_slot_scan_keys(struct resp_call *call, uint32_t slot, uint64_t max)
{
	struct resp_slot_scan *scan = run(call, slot, max, true);
	if (scan == NULL)
		return;
	resp_write_array(call->out, scan->found);
	resp_write_raw(call->out, bytes_of(scan->keys.data, scan->keys.len));
	end(call);
}
