/* SPDX-License-Identifier: Apache-2.0
 *
 * INFO, and small questions about the node: what it is, how much it holds, what time it has.
 */
#include "base/error.h"
#include "base/text.h"
#include "io/clock.h"
#include "resp/contact.h"
#include "resp/info.h"
#include "resp/options.h"
#include "worker/committer.h"
#include "worker/tally.h"

/* ---- INFO -------------------------------------------------------------------------- */

struct section {
	const char *name; /* lower case */
	const char *head;
	bool is_default;
	void (*write)(struct resp_info *info);
};

static const struct section sections[] = {
#define X(name, head, is_default) {#name, head, is_default, resp_info_##name},
    RESP_INFO_SECTIONS(X)
#undef X
};

enum { SECTION_COUNT = DHT_ARRAY_LEN(sections) };
_Static_assert(SECTION_COUNT <= 32, "a bit for each section");

static uint32_t sections_of(struct bytes word)
{
	uint32_t all = (UINT32_C(1) << SECTION_COUNT) - 1, defaults = 0;
	for (unsigned i = 0; i < SECTION_COUNT; i++) {
		if (resp_is_word(word, sections[i].name))
			return UINT32_C(1) << i;
		defaults |= (uint32_t)sections[i].is_default << i;
	}
	if (resp_is_word(word, "all") || resp_is_word(word, "everything"))
		return all;
	return resp_is_word(word, "default") ? defaults : 0;
}

void resp_run_info(struct resp_call *call)
{
	struct resp_text text = RESP_TEXT_EMPTY;
	struct resp_info info = {
	    .call = call,
	    .node = &call->port->node,
	    .text = &text,
	    .total = resp_port_total(call->port),
	};
	uint32_t wanted = call->argc == 1 ? sections_of(bytes_of_text("default")) : 0;
	for (size_t i = 1; i < call->argc; i++)
		wanted |= sections_of(call->args[i]);
	store_count(exec_of(call->worker)->store, &info.store);
	for (unsigned i = 0; i < SECTION_COUNT; i++) {
		if ((wanted >> i & 1) == 0)
			continue;
		resp_text_add(&text, "%s# %s\r\n", text.buffer.len > 0 ? "\r\n" : "",
			      sections[i].head);
		sections[i].write(&info);
	}
	resp_text_reply(&text, call);
}

/* ---- Small questions --------------------------------------------------------------- */

/* What this node has of the blocks that are counted, and nobody has to be asked. */
static uint64_t count_own(const struct resp_call *call)
{
	const struct ring_map *map = resp_map(call);
	uint64_t keys = 0;
	for (uint32_t block = 0; block < map->blocks; block++)
		keys += store_keys(exec_of(call->worker)->store, block);
	return keys;
}

/* All keys of the cluster; where clients are told which node has what, those that they are told
 * are here, so that the numbers of all nodes add up. */
void resp_run_dbsize(struct resp_call *call)
{
	uint64_t keys = 0;
	bool is_alone = resp_map(call)->member_count == 1;
	if (call->replay != NULL && !is_alone) {
		resp_write_error(call->out, "ERR DBSIZE asks other nodes, which a transaction does "
					    "not wait for");
		return;
	}
	if (is_alone) {
		/* Others may have been asked before they left. */
		tally_destroy(call->state->tally);
		call->state->tally = NULL;
		resp_write_integer(call->out, (int64_t)count_own(call));
		return;
	}
	int rc = tally_run(call->worker, call->session, &call->state->tally,
			   resp_redirects(call) ? resp_contact_covers : NULL, &keys);
	if (rc == 0)
		resp_write_integer(call->out, (int64_t)keys);
	else if (rc != DHT_EAGAIN)
		resp_reply_status(call, rc);
}

void resp_run_time(struct resp_call *call)
{
	uint64_t now_us = clock_wall_us();
	resp_write_array(call->out, 2);
	resp_write_bulk_number(call->out, now_us / 1000000);
	resp_write_bulk_number(call->out, now_us % 1000000);
}

void resp_run_role(struct resp_call *call)
{
	resp_write_array(call->out, 3);
	resp_write_bulk_text(call->out, "master");
	resp_write_integer(call->out, (int64_t)committer_mark(call->worker->shared->committer));
	resp_write_array(call->out, 0);
}

/* Nothing is ever saved apart from the log: as in Redis then, it is the time of the start. */
void resp_run_lastsave(struct resp_call *call)
{
	resp_write_integer(call->out, (int64_t)call->port->node.started_unix_s);
}

/* A write is answered when its replicas have it, so there is nothing to wait for: the reply
 * is how many others hold every key. */
void resp_run_wait(struct resp_call *call)
{
	const struct ring_map *map = resp_map(call);
	struct ring_range range = {0};
	uint16_t least = RING_REPLICAS_MAX;
	int64_t replicas, timeout_ms;
	if (!resp_read_integer(call, call->args[1], &replicas))
		return;
	if (!text_parse_integer(call->args[2], &timeout_ms)) {
		resp_write_error(call->out, "ERR timeout is not an integer or out of range");
		return;
	}
	if (timeout_ms < 0) {
		resp_write_error(call->out, "ERR timeout is negative");
		return;
	}
	while (ring_map_next_range(map, RING_MERGE_EQUAL, &range)) {
		uint16_t count = ring_map_list(map, range.list)->count;
		least = count < least ? count : least;
	}
	resp_write_integer(call->out, least - 1);
}
