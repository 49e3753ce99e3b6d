/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

#include <inttypes.h>
#include <stdarg.h>

/* ---- Trace -------------------------------------------------------------------------- */

const char *trace_ballot(struct ballot b, char text[TRACE_BALLOT_MAX])
{
	if (ballot_is_absent(b))
		snprintf(text, TRACE_BALLOT_MAX, "-");
	else
		snprintf(text, TRACE_BALLOT_MAX, "%" PRIu32 ".%" PRIu64 ".%" PRIu32, b.version,
			 ballot_counter(b), ballot_member(b));
	return text;
}

void trace_line(struct cluster *c, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(c->trace, "%9" PRIu64 " ", c->now_us);
	vfprintf(c->trace, format, arguments);
	fputc('\n', c->trace);
	va_end(arguments);
}

static void trace_field(struct cluster *c, const char *name, struct ballot b)
{
	char text[TRACE_BALLOT_MAX];
	if (!ballot_is_absent(b))
		fprintf(c->trace, " %s=%s", name, trace_ballot(b, text));
}

static void trace_record(struct cluster *c, const struct message *m)
{
	const struct paxos_record *record = &m->record;
	if (!paxos_record_is_there(record))
		return;
	trace_field(c, "acc", record->acc);
	trace_field(c, "ver", record->ver);
	trace_field(c, "pver", record->pver);
	if (record->is_tombstone)
		fprintf(c->trace, " tombstone");
	else if (m->is_omitted)
		fprintf(c->trace, " value omitted");
	else
		fprintf(c->trace, " value=%" PRIx64, operation_number(record));
	if (record->is_copy)
		fprintf(c->trace, " copy");
}

void trace_message(struct cluster *c, const char *what, const struct message *m)
{
	if (c->trace == NULL)
		return;
	fprintf(c->trace, "%9" PRIu64 " %s %u->%u %s version=%" PRIu32, c->now_us, what, m->from,
		m->to, message_name(m->type), m->version);
	if (m->type != MESSAGE_STALE)
		fprintf(c->trace, " key=%u", m->key);
	if (m->tag != 0)
		fprintf(c->trace, " tag=%" PRIx64, m->tag);
	if ((m->type == MESSAGE_PROMISE || m->type == MESSAGE_OK) && !m->is_ok)
		fprintf(c->trace, " refused");
	if (m->type == MESSAGE_HELD)
		fprintf(c->trace, " %s",
			m->holding == ACCEPTOR_HOLDS  ? "holds"
			: m->holding == ACCEPTOR_GONE ? "gone"
						      : "behind");
	trace_field(c, "b", m->b);
	trace_field(c, "next", m->next);
	trace_field(c, "bound", m->bound);
	trace_record(c, m);
	fputc('\n', c->trace);
}

/* ---- What nodes are given ----------------------------------------------------------- */

void cluster_fail(struct cluster *c, int key, const char *what)
{
	if (what == NULL || c->failure != NULL)
		return;
	c->failure = what;
	c->failed_key = key;
	TRACE(c, "FAILURE: %s", what);
}

uint32_t cluster_round_us(const struct cluster *c)
{
	const struct options *o = &c->options;
	uint32_t enough_us = 6 * o->delay_us + 12 * o->fsync_us;
	return c->is_healing && enough_us > o->round_us ? enough_us : o->round_us;
}

uint32_t cluster_deadline_us(const struct cluster *c)
{
	return c->is_healing ? 16 * cluster_round_us(c) : c->options.deadline_us;
}

void cluster_timer(struct cluster *c, struct node *n, unsigned key, uint32_t delay_us)
{
	if (c->is_scripted)
		return;
	events_push(&c->events, (struct event){.at_us = c->now_us + 1 + delay_us,
					       .kind = EVENT_ROUND,
					       .node = n->number,
					       .key = (uint8_t)key,
					       .detail = n->coordinators[key].generation});
}

void cluster_sync(struct cluster *c, struct node *n)
{
	if (c->is_scripted) {
		if ((c->slow_disks >> n->number & 1) == 0)
			node_synced(n);
		return;
	}
	uint64_t delay_us = 1 + random_below(&c->random, 2 * c->options.fsync_us);
	if (!c->is_healing && random_chance(&c->random, c->options.slow_fsync))
		delay_us *= 30;
	events_push(&c->events, (struct event){.at_us = c->now_us + delay_us,
					       .kind = EVENT_SYNCED,
					       .node = n->number,
					       .detail = n->incarnation});
}

void cluster_answer(struct cluster *c, uint32_t history, enum outcome outcome, uint64_t result)
{
	const struct history_item *item = &c->history.items[history];
	bool was_pending = item->outcome == OUTCOME_PENDING;
	static const char *const names[] = {"", "is done", "has an unknown outcome",
					    "was not done"};
	TRACE(c, "client %u: %s of key %u at node %u %s, result %" PRIx64, item->client,
	      operation_name(item->kind), item->key, item->node, names[outcome], result);
	history_end(&c->history, history, outcome, result, ++c->step);
	if (outcome == OUTCOME_UNKNOWN)
		c->count.unknown++;
	if (outcome == OUTCOME_DONE && item->kind != OPERATION_DELETE && result > 1)
		c->seen_value[item->key] = result;
	struct client *client = &c->clients[item->client];
	if (was_pending && client->is_busy && client->history == history)
		client->is_busy = false;
}

/* ---- Events ------------------------------------------------------------------------- */

void cluster_start_node(struct cluster *c, struct node *n)
{
	TRACE(c, "node %u starts", n->number);
	node_start(n);
}

static void deliver(struct cluster *c, uint16_t index)
{
	struct message m = c->network.messages[index];
	network_free(&c->network, index);
	node_handle(&c->nodes[m.to], &m);
}

void cluster_event(struct cluster *c, const struct event *event)
{
	struct node *n = &c->nodes[event->node];
	c->count.events++;
	switch ((enum event_kind)event->kind) {
	case EVENT_MESSAGE:
		deliver(c, (uint16_t)event->detail);
		break;
	case EVENT_SYNCED:
		if (n->is_up && n->incarnation == event->detail)
			node_synced(n);
		break;
	case EVENT_ROUND:
		node_timer(n, event->key, event->detail);
		break;
	case EVENT_START:
		if (!n->is_up && !n->is_lost && n->incarnation == event->detail)
			cluster_start_node(c, n);
		break;
	case EVENT_CLIENT:
	case EVENT_IMPATIENCE:
		clients_event(c, event);
		break;
	case EVENT_BACKGROUND:
		background_event(c, event->detail);
		break;
	}
}

void cluster_run_until(struct cluster *c, uint64_t until_us)
{
	struct event event;
	while (c->failure == NULL && c->events.count > 0 && c->events.heap[0].at_us <= until_us &&
	       events_pop(&c->events, &event)) {
		c->now_us = event.at_us;
		cluster_event(c, &event);
	}
	if (c->failure == NULL)
		c->now_us = until_us;
}

/* ---- A run -------------------------------------------------------------------------- */

static void reset(struct cluster *c, uint64_t seed, FILE *trace)
{
	c->seed = seed;
	c->now_us = 0;
	c->step = 0;
	c->trace = trace;
	c->failure = NULL;
	c->failed_key = -1;
	c->is_scripted = c->is_healing = false;
	c->slow_disks = 0;
	c->arguments = 0;
	c->values.count = 0;
	memset(c->clients, 0, sizeof(c->clients));
	memset(c->seen_value, 0, sizeof(c->seen_value));
	memset(&c->count, 0, sizeof(c->count));
	memset(c->sent, 0, sizeof(c->sent));
	random_init(&c->random, seed);
	events_init(&c->events);
	network_init(&c->network);
	history_init(&c->history);
	lineage_init(&c->lineage);
}

static void make_nodes(struct cluster *c, uint16_t replicas, unsigned members)
{
	chain_init(&c->chain, replicas);
	c->members = (uint8_t)members;
	c->usable = (uint16_t)((1u << members) - 1);
	for (unsigned i = 0; i < SIM_NODES; i++)
		node_init(&c->nodes[i], c, (uint8_t)i);
	for (unsigned i = 0; i < members; i++)
		node_start(&c->nodes[i]);
}

const char *cluster_verdict(struct cluster *c)
{
	for (unsigned key = 0; key < c->options.keys && c->failure == NULL; key++) {
		switch (history_check(&c->history, key)) {
		case VERDICT_LINEARIZABLE:
			break;
		case VERDICT_TOO_LARGE:
			c->count.too_large++;
			break;
		case VERDICT_NOT_LINEARIZABLE:
			cluster_fail(c, (int)key, "the history of a key is not linearizable");
		}
	}
	return c->failure;
}

const char *cluster_run(struct cluster *c, uint64_t seed, FILE *trace)
{
	reset(c, seed, trace);
	options_draw(&c->options, &c->random);
	make_nodes(c, (uint16_t)((1u << c->options.replicas) - 1), c->options.members);
	clients_begin(c);
	background_begin(c);
	cluster_run_until(c, c->options.duration_us);
	if (c->failure == NULL)
		settle(c);
	c->count.operations = c->history.count;
	return cluster_verdict(c);
}

void cluster_script(struct cluster *c, uint16_t replicas, FILE *trace)
{
	reset(c, 1, trace);
	c->options = (struct options){
	    .replicas = (uint8_t)__builtin_popcount(replicas),
	    .keys = 1,
	    .members = SIM_NODES,
	    .round_us = 10,
	    .back_off_us = 10,
	    .deadline_us = 1u << 30,
	    .omits_values = true,
	    .ceiling_ahead = 1000,
	};
	c->is_scripted = true;
	make_nodes(c, replicas, SIM_NODES);
}
