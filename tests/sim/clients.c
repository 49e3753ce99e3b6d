/* SPDX-License-Identifier: Apache-2.0
 *
 * The clients of a run: each asks one thing at a time, of any replica, and goes elsewhere
 * when it is not served in time.
 */
#include "cluster.h"

#include <inttypes.h>

enum { MIX_SIZE = 8, FINAL_READS = 8 /* of a key, kept free in the history */ };

static const uint8_t mixes[][MIX_SIZE] = {
    {OPERATION_GET, OPERATION_GET, OPERATION_PUT, OPERATION_APPEND, OPERATION_APPEND,
     OPERATION_DELETE, OPERATION_SET_IF_ABSENT, OPERATION_COMPARE_AND_SET},
    {OPERATION_GET, OPERATION_APPEND, OPERATION_APPEND, OPERATION_APPEND, OPERATION_GET,
     OPERATION_PUT, OPERATION_APPEND, OPERATION_COMPARE_AND_SET},
    {OPERATION_DELETE, OPERATION_SET_IF_ABSENT, OPERATION_APPEND, OPERATION_GET, OPERATION_DELETE,
     OPERATION_SET_IF_ABSENT, OPERATION_PUT, OPERATION_GET},
    {OPERATION_GET, OPERATION_GET, OPERATION_APPEND, OPERATION_GET, OPERATION_PUT, OPERATION_GET,
     OPERATION_DELETE, OPERATION_COMPARE_AND_SET},
};

static void come_back(struct cluster *c, unsigned client)
{
	uint64_t delay_us = 1 + random_below(&c->random, 2 * c->options.think_us);
	events_push(&c->events, (struct event){.at_us = c->now_us + delay_us,
					       .kind = EVENT_CLIENT,
					       .node = (uint8_t)client});
}

void clients_begin(struct cluster *c)
{
	for (unsigned client = 0; client < c->options.clients; client++)
		come_back(c, client);
}

uint32_t clients_ask(struct cluster *c, unsigned client, unsigned key, enum operation_kind kind,
		     unsigned node)
{
	struct history_item item = {
	    .kind = kind,
	    .key = (uint8_t)key,
	    .client = (uint8_t)client,
	    .node = (uint8_t)node,
	    .begun = ++c->step,
	    .argument = ++c->arguments * 2 + 1,
	    .expected = kind == OPERATION_COMPARE_AND_SET ? c->seen_value[key] : 0,
	};
	if (!history_has_room(&c->history, key, 1))
		return UINT32_MAX;
	uint32_t index = history_begin(&c->history, &item);
	struct operation op = {
	    .kind = kind, .history = index, .argument = item.argument, .expected = item.expected};
	c->clients[client] = (struct client){.is_busy = true, .history = index};
	TRACE(c, "client %u: %s of key %u at node %u, argument %" PRIx64 ", expected %" PRIx64,
	      client, operation_name(kind), key, node, item.argument, item.expected);
	if (kind == OPERATION_PUT)
		c->seen_value[key] = item.argument;
	if (node_submit(&c->nodes[node], key, &op))
		return index;
	cluster_answer(c, index, OUTCOME_NOT_DONE, 0);
	return UINT32_MAX;
}

/* Mostly a replica of the latest map, sometimes anybody. */
static unsigned draw_node(struct cluster *c)
{
	uint16_t replicas = quorum_all(&chain_latest(&c->chain)->replicas);
	bool is_wild = random_chance(&c->random, 150);
	return random_seat(&c->random, is_wild ? c->usable : replicas);
}

static void ask_any(struct cluster *c, unsigned client)
{
	unsigned key = random_below(&c->random, c->options.keys);
	enum operation_kind kind = mixes[c->options.mix][random_below(&c->random, MIX_SIZE)];
	if (c->history.of_key[key] >= c->options.operations ||
	    !history_has_room(&c->history, key, FINAL_READS))
		return;
	uint32_t index = clients_ask(c, client, key, kind, draw_node(c));
	if (index == UINT32_MAX)
		return;
	uint64_t patience_us = 1 + random_below(&c->random, 2 * c->options.patience_us);
	events_push(&c->events, (struct event){.at_us = c->now_us + patience_us,
					       .kind = EVENT_IMPATIENCE,
					       .node = (uint8_t)client,
					       .detail = index});
}

/* What was asked may still be done at any time. */
static void give_up(struct cluster *c, unsigned client, uint32_t index)
{
	if (c->history.items[index].outcome != OUTCOME_PENDING)
		return;
	TRACE(c, "client %u has waited long enough", client);
	history_end(&c->history, index, OUTCOME_UNKNOWN, 0, ++c->step);
	c->clients[client].is_busy = false;
}

void clients_event(struct cluster *c, const struct event *event)
{
	unsigned client = event->node;
	if (event->kind == EVENT_IMPATIENCE) {
		give_up(c, client, event->detail);
		return;
	}
	if (c->is_healing)
		return;
	if (!c->clients[client].is_busy)
		ask_any(c, client);
	come_back(c, client);
}
