/* SPDX-License-Identifier: Apache-2.0
 *
 * The clients of a run: each asks one thing at a time, of any member, and goes elsewhere
 * when it is not served in time.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "cluster.h"

enum { MIX_SIZE = 10, FINAL_READS = 10 /* of a key, kept free in the history */ };

static const uint8_t mixes[][MIX_SIZE] = {
    {OP_GET, OP_GET, OP_PUT, OP_APPEND, OP_APPEND, OP_DEL, OP_INCR, OP_CAS_VALUE, OP_CAS_VERSION,
     OP_EXPIRE},
    {OP_GET, OP_APPEND, OP_APPEND, OP_APPEND, OP_GET, OP_PUT, OP_APPEND, OP_CAS_VALUE, OP_APPEND,
     OP_TTL},
    {OP_DEL, OP_PUT, OP_APPEND, OP_GET, OP_DEL, OP_PUT, OP_CAS_VERSION, OP_GET, OP_DEL, OP_INCR},
    {OP_GET, OP_GET, OP_APPEND, OP_GET, OP_PUT, OP_GET, OP_DEL, OP_CAS_VALUE, OP_TTL, OP_APPEND},
};

static void come_back(struct cluster *c, unsigned client)
{
	uint64_t delay_us = 1 + random_below(&c->random, 2 * c->options.think_us);
	events_push(&c->events, (struct event){.at_us = c->now_us + delay_us,
					       .kind = EVENT_CLIENT,
					       .host = (uint8_t)client});
}

void clients_begin(struct cluster *c)
{
	for (unsigned client = 0; client < c->options.clients; client++)
		come_back(c, client);
}

/* ---- What is asked ------------------------------------------------------------------- */

/* A value that nobody has written before; some are numbers, some are long. */
static uint32_t draw_value(struct cluster *c)
{
	char text[4096];
	int len =
	    snprintf(text, sizeof(text),
		     random_chance(&c->random, 400) ? "%" PRIu64 : "v%" PRIu64 ",", ++c->arguments);
	size_t size = (size_t)len;
	if (c->options.padding > 0 && random_chance(&c->random, 300) && text[0] == 'v') {
		size_t padding = random_below(&c->random, c->options.padding);
		memset(text + size, '.', padding);
		size += padding;
	}
	return value_intern(bytes_of(text, size));
}

static void draw_expiry(struct cluster *c, struct model_op *op)
{
	if (op->kind == OP_EXPIRE || random_chance(&c->random, c->options.expiring)) {
		op->expiry = OP_EXPIRY_AT;
		op->expires_ms =
		    cluster_true_ms(c) + random_below(&c->random, c->options.expiry_us) / 1000;
		/* Some are over before they begin. */
		if (random_chance(&c->random, 100))
			op->expires_ms -= 50;
	} else {
		op->expiry = random_chance(&c->random, 200) ? OP_EXPIRY_KEEP : OP_EXPIRY_CLEAR;
	}
}

static unsigned draw_conditions(struct cluster *c, enum op_kind kind)
{
	static const uint8_t of_put[] = {OP_IF_ABSENT, OP_IF_ABSENT, OP_IF_PRESENT, OP_IF_EQUAL};
	static const uint8_t of_expire[] = {OP_IF_EXPIRING, OP_IF_NOT_EXPIRING, OP_IF_LATER,
					    OP_IF_EARLIER};
	if (random_chance(&c->random, 500))
		return OP_ALWAYS;
	if (kind == OP_PUT)
		return of_put[random_below(&c->random, sizeof(of_put))];
	if (kind == OP_EXPIRE)
		return of_expire[random_below(&c->random, sizeof(of_expire))];
	return random_chance(&c->random, 300) ? OP_IF_EQUAL : OP_ALWAYS;
}

void clients_draw(struct cluster *c, unsigned key, struct model_op *op)
{
	op->kind = mixes[c->options.mix][random_below(&c->random, MIX_SIZE)];
	op->delta = (int64_t)random_below(&c->random, 100);
	op->expected = c->seen_value[key];
	if (op->kind == OP_CAS_VERSION && random_chance(&c->random, 700))
		op->expected_version = c->seen_version[key];
	if (op->kind == OP_PUT || op->kind == OP_CAS_VALUE || op->kind == OP_CAS_VERSION ||
	    op->kind == OP_APPEND)
		op->value = draw_value(c);
	if (op->kind == OP_PUT || op->kind == OP_DEL || op->kind == OP_EXPIRE) {
		op->conditions = draw_conditions(c, op->kind);
		op->wants_value = random_chance(&c->random, 300);
	}
	if (op->kind == OP_PUT || op->kind == OP_EXPIRE)
		draw_expiry(c, op);
	if (((op->conditions & OP_IF_EQUAL) != 0 || op->kind == OP_CAS_VALUE) &&
	    op->expected == VALUE_NONE)
		op->expected = value_intern(bytes_of_text("nothing"));
}

static struct bytes bytes_or_none(uint32_t value)
{
	return value != VALUE_NONE ? value_of(value) : bytes_of(NULL, 0);
}

static void fill_op(const struct cluster *c, unsigned key, const struct model_op *from,
		    struct op *op)
{
	*op = (struct op){
	    .kind = from->kind,
	    .conditions = from->conditions,
	    .wants_value = from->wants_value,
	    .key = c->keys[key],
	    .value = bytes_or_none(from->value),
	    .expected = bytes_or_none(from->expected),
	    .expected_version = from->expected_version,
	    .delta = from->delta,
	    .value_max = RECORD_VALUE_MAX,
	    .expiry = from->expiry,
	    .expires_ms = from->expires_ms,
	};
}

/* ---- Asking -------------------------------------------------------------------------- */

static struct request *make_request(struct cluster *c, unsigned client, unsigned key,
				    const struct model_op *ops, unsigned count, unsigned host)
{
	struct request *request = calloc(1, sizeof(*request));
	DHT_ASSERT(request != NULL);
	request->number = ++c->requests;
	request->client = (uint8_t)client;
	request->key = (uint8_t)key;
	request->host = (uint8_t)host;
	request->decided_before = lineage_decided(&c->lineage, key);
	list_init(&request->link);
	task_init(&request->task, TASK_OPERATIONS);
	struct series *series = &request->task.series;
	series->key = c->keys[key];
	series->ops = request->ops;
	series->results = request->results;
	series->count = count;
	request->task.deadline_us = c->now_us + cluster_deadline_us(c);
	request->task.owner = request;
	/* Several as one are done if nobody else has written meanwhile, or anyhow. */
	series->is_watched = count > 1 && random_chance(&c->random, 300);
	series->watched = c->seen_version[key];
	for (unsigned i = 0; i < count; i++)
		fill_op(c, key, &ops[i], &request->ops[i]);
	return request;
}

uint32_t clients_ask(struct cluster *c, unsigned client, unsigned key, const struct model_op *ops,
		     unsigned count, unsigned host)
{
	if (!history_has_room(&c->history, key, count) || !c->hosts[host].is_up)
		return UINT32_MAX;
	struct request *request = make_request(c, client, key, ops, count, host);
	c->step++;
	for (unsigned i = 0; i < count; i++) {
		struct history_item item = {
		    .op = ops[i],
		    .key = (uint8_t)key,
		    .client = (uint8_t)client,
		    .host = (uint8_t)host,
		    .begun = c->step,
		    .begun_ms = cluster_true_ms(c),
		};
		request->history[i] = history_begin(&c->history, &item);
		TRACE(c, "request %" PRIu32 " of client %u: %s of %s at %u", request->number,
		      client, history_kind_name(ops[i].kind), c->key_names[key], host);
	}
	uint32_t index = request->history[0];
	c->clients[client] = (struct client){.is_busy = true, .request = request->number};
	list_push_tail(&c->pending, &request->link);
	host_submit(&c->hosts[host], request);
	return index;
}

/* Mostly a replica of the latest map, sometimes anybody, who has to forward. */
static unsigned draw_host(struct cluster *c, unsigned key)
{
	const struct maps_version *latest = maps_latest(cluster_block_of(c, key));
	bool is_wild = random_chance(&c->random, c->options.wild);
	return random_seat(&c->random, is_wild ? c->usable : quorum_all(&latest->replicas));
}

static void ask_any(struct cluster *c, unsigned client)
{
	struct model_op ops[REQUEST_OPS_MAX] = {0};
	unsigned key = random_below(&c->random, c->options.keys), count = 1;
	if (random_chance(&c->random, c->options.series))
		count = random_between(&c->random, 2, REQUEST_OPS_MAX);
	if (c->history.of_key[key] >= c->options.operations ||
	    !history_has_room(&c->history, key, count + FINAL_READS))
		return;
	for (unsigned i = 0; i < count; i++)
		clients_draw(c, key, &ops[i]);
	if (clients_ask(c, client, key, ops, count, draw_host(c, key)) == UINT32_MAX)
		return;
	uint64_t patience_us = 1 + random_below(&c->random, 2 * c->options.patience_us);
	events_push(&c->events, (struct event){.at_us = c->now_us + patience_us,
					       .kind = EVENT_IMPATIENCE,
					       .host = (uint8_t)client,
					       .detail = c->requests});
}

/* What was asked may still be done at any time. */
static void give_up(struct cluster *c, unsigned client, uint32_t number)
{
	if (!c->clients[client].is_busy || c->clients[client].request != number)
		return;
	TRACE(c, "client %u has waited long enough", client);
	c->clients[client].is_busy = false;
}

void clients_event(struct cluster *c, const struct event *event)
{
	unsigned client = event->host;
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
