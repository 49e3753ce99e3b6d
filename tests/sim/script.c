/* SPDX-License-Identifier: Apache-2.0 */
#include "script.h"

#include "node/active.h"
#include "node/adopt.h"
#include "node/coordinator.h"
#include "node/entry.h"
#include "upkeep.h"

enum {
	STEPS_MAX = 5000,
	BLOCK = 0,          /* of the used ones, the one with the key */
	LATER_US = 1000000, /* any round has ended by then */
};

void script_let_be(struct cluster *c)
{
	cluster_run_until(c, c->now_us + 1);
}

struct parcel *script_find(const struct cluster *c, enum message_kind kind, unsigned from,
			   unsigned to)
{
	const struct list *held = &c->network.held;
	for (struct list *link = held->next; link != held; link = link->next) {
		struct parcel *parcel = LIST_ENTRY(link, struct parcel, link);
		if (parcel->m.kind == kind && parcel->m.from == from && parcel->to == to)
			return parcel;
	}
	return NULL;
}

static void arrive(struct cluster *c, struct parcel *parcel)
{
	list_remove(&parcel->link);
	host_message(&c->hosts[parcel->to], parcel);
	script_let_be(c);
}

void script_deliver(struct cluster *c, enum message_kind kind, unsigned from, unsigned to)
{
	struct parcel *parcel = script_find(c, kind, from, to);
	if (parcel != NULL)
		arrive(c, parcel);
}

void script_lose(struct cluster *c, enum message_kind kind, unsigned from, unsigned to)
{
	for (struct parcel *parcel; (parcel = script_find(c, kind, from, to)) != NULL;)
		parcel_destroy(parcel);
}

void script_lose_all(struct cluster *c)
{
	LIST_FOREACH_SAFE(link, following, &c->network.held)
	parcel_destroy(LIST_ENTRY(link, struct parcel, link));
}

void script_ask_one(struct cluster *c, enum message_kind kind, unsigned from, unsigned to)
{
	static const enum message_kind answers[] = {[MESSAGE_PREPARE] = MESSAGE_PROMISE,
						    [MESSAGE_ACCEPT] = MESSAGE_OK,
						    [MESSAGE_READ] = MESSAGE_VALUE};
	script_deliver(c, kind, from, to);
	script_deliver(c, answers[kind], to, from);
}

/* The latest alarm that this host has set goes off. False: there is none. */
static bool fire(struct cluster *c, unsigned host)
{
	for (unsigned i = c->timer_count; i-- > 0;) {
		struct script_timer timer = c->timers[i];
		if (timer.host != host)
			continue;
		c->timer_count--;
		memmove(&c->timers[i], &c->timers[i + 1],
			(c->timer_count - i) * sizeof(c->timers[0]));
		c->now_us += LATER_US;
		host_timer(&c->hosts[host], &timer.timer);
		script_let_be(c);
		return true;
	}
	return false;
}

static bool is_preparing(const struct cluster *c, unsigned host)
{
	for (unsigned to = 0; to < SIM_HOSTS; to++) {
		if (script_find(c, MESSAGE_PREPARE, host, to) != NULL)
			return true;
	}
	return false;
}

void script_prepare_again(struct cluster *c, unsigned host)
{
	for (unsigned i = 0; i < SCRIPT_FIRES_MAX && !is_preparing(c, host); i++)
		fire(c, host);
}

static bool fire_one(struct cluster *c)
{
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		if (c->hosts[i].is_up && fire(c, i))
			return true;
	}
	return false;
}

void script_deliver_all(struct cluster *c)
{
	for (int step = 0; step < STEPS_MAX && c->failure == NULL; step++) {
		struct list *link = list_first(&c->network.held);
		if (link != NULL)
			arrive(c, LIST_ENTRY(link, struct parcel, link));
		else if (list_is_empty(&c->pending) || !fire_one(c))
			return;
	}
}

/* As far as this host knows nobody else answers: it coordinates itself. */
static void set_others_down(struct cluster *c, unsigned host, bool is_down)
{
	for (uint16_t i = 0; i < SIM_HOSTS; i++)
		node_set_down(&c->hosts[host].node, i, is_down && i != host);
}

void script_request(struct cluster *c, unsigned client, const struct model_op *op, unsigned host)
{
	set_others_down(c, host, true);
	(void)clients_ask(c, client, 0, op, 1, host);
	set_others_down(c, host, false);
	script_let_be(c);
}

void script_ask(struct cluster *c, unsigned client, enum op_kind kind, unsigned host)
{
	struct model_op op = {.kind = kind};
	char text[16];
	snprintf(text, sizeof(text), "%u,", (unsigned)++c->arguments);
	if (kind == OP_APPEND || kind == OP_PUT)
		op.value = value_intern(bytes_of_text(text));
	script_request(c, client, &op, host);
}

static uint32_t block_number(const struct cluster *c)
{
	return c->maps.blocks[BLOCK].number;
}

void script_abandon(struct cluster *c, unsigned host)
{
	coordinator_fini(&c->hosts[host].node, block_number(c));
	cluster_requests_lost(c, &c->hosts[host]);
}

/* Calls act on the key's entry at the host, and writes down what it does. */
static void change_entry(struct cluster *c, unsigned host,
			 enum acceptor_effect (*act)(struct entry *entry))
{
	struct host *h = &c->hosts[host];
	struct node_step step = {.now_us = c->now_us};
	struct entry entry;
	int rc = entry_load(&h->node, &step, &c->keys[0], &entry);
	DHT_ASSERT(rc == 0);
	if (!entry.acceptor.has_entry)
		return;
	rc = entry_save(&h->node, &step, &entry, act(&entry));
	DHT_ASSERT(rc == 0);
}

static enum acceptor_effect make_cold(struct entry *entry)
{
	entry->acceptor.hot = false;
	return ACCEPTOR_NOTHING;
}

static enum acceptor_effect drop_promise(struct entry *entry)
{
	return acceptor_drop_promise(&entry->block->acceptor, &entry->acceptor) ? ACCEPTOR_DROP
										: ACCEPTOR_NOTHING;
}

void script_cool(struct cluster *c)
{
	for (unsigned i = 0; i < SIM_HOSTS; i++)
		change_entry(c, i, make_cold);
}

void script_forget(struct cluster *c, unsigned host)
{
	change_entry(c, host, drop_promise);
}

void script_raise_counter(struct cluster *c, unsigned host, uint64_t by)
{
	struct counter *counter = &c->hosts[host].node.counter;
	int rc = counter_raise(counter, ballot_make(0, counter_value(counter) + by, 0));
	DHT_ASSERT(rc == 0);
}

void script_adopt(struct cluster *c, uint16_t hosts)
{
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		if ((hosts >> i & 1) != 0)
			host_map(&c->hosts[i], c->maps.epoch);
	}
	script_let_be(c);
}

void script_join(struct cluster *c, uint16_t next)
{
	maps_begin(&c->maps);
	maps_join(&c->maps, &c->maps.blocks[BLOCK], next);
	maps_decide(&c->maps);
	script_adopt(c, SCRIPT_EVERYBODY);
}

void script_finish(struct cluster *c, uint16_t hosts)
{
	maps_begin(&c->maps);
	maps_finish(&c->maps, &c->maps.blocks[BLOCK]);
	maps_decide(&c->maps);
	script_adopt(c, hosts);
}

void script_cancel(struct cluster *c)
{
	maps_begin(&c->maps);
	maps_cancel(&c->maps, &c->maps.blocks[BLOCK]);
	maps_decide(&c->maps);
}

void script_adopt_half(struct cluster *c, unsigned host)
{
	struct node *node = &c->hosts[host].node;
	struct node_step step = {.now_us = c->now_us};
	const struct ring_map *map = c->maps.of[c->maps.epoch];
	node_adopt_begin(node, map);
	int rc = node_adopt_block(node, &step, map, block_number(c));
	DHT_ASSERT(rc == 0);
}

void script_commit(struct cluster *c, unsigned host)
{
	host_write(&c->hosts[host]);
	script_let_be(c);
}

void script_pull(struct cluster *c, unsigned puller, unsigned source)
{
	struct host *h = &c->hosts[puller];
	if (puller == source)
		return;
	script_lose(c, MESSAGE_PULL, puller, source);
	c->now_us += LATER_US;
	set_others_down(c, puller, true);
	node_set_down(&h->node, (uint16_t)source, false);
	host_upkeep(h, UPKEEP_SYNC, block_number(c));
	script_let_be(c);
	for (unsigned i = 0; i < SCRIPT_FIRES_MAX; i++) {
		script_deliver(c, MESSAGE_PULL, puller, source);
		script_deliver(c, MESSAGE_CHUNK, source, puller);
	}
	set_others_down(c, puller, false);
	for (unsigned i = 0; i < SIM_HOSTS; i++)
		script_lose(c, MESSAGE_PULL, puller, i);
}

void script_repair(struct cluster *c, unsigned host, unsigned other)
{
	struct host *h = &c->hosts[host];
	struct node_step step = {.now_us = c->now_us};
	struct entry entry;
	int rc = entry_load(&h->node, &step, &c->keys[0], &entry);
	DHT_ASSERT(rc == 0);
	struct message m = {
	    .kind = MESSAGE_LEARN,
	    .from = (uint16_t)host,
	    .block = block_number(c),
	    .version = entry.block->acceptor.version,
	    .key = c->keys[0].key,
	    .record = entry.acceptor.record,
	};
	network_send(c, &m, (uint16_t)other);
}

void script_collect(struct cluster *c, unsigned host)
{
	host_upkeep(&c->hosts[host], UPKEEP_COLLECT, block_number(c));
	script_let_be(c);
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		script_deliver(c, MESSAGE_HOLDS, host, i);
		script_deliver(c, MESSAGE_HELD, i, host);
	}
	for (unsigned i = 0; i < SIM_HOSTS; i++)
		script_deliver(c, MESSAGE_ERASE, host, i);
}

bool script_is_behind(struct cluster *c, unsigned host)
{
	struct host *h = &c->hosts[host];
	struct node_step step = {.now_us = c->now_us};
	struct entry entry;
	int rc = entry_load(&h->node, &step, &c->keys[0], &entry);
	DHT_ASSERT(rc == 0);
	const struct active *a = active_find(entry.block, &c->keys[0]);
	return a != NULL && ballot_compare(a->round.b, entry.acceptor.promised) < 0;
}

void script_set_slow_disks(struct cluster *c, uint16_t hosts)
{
	uint16_t before = c->slow_disks;
	c->slow_disks = hosts;
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		struct host *h = &c->hosts[i];
		if ((before & ~hosts) >> i & 1 && h->is_up && h->is_committing) {
			h->is_committing = false;
			h->wants_commit = true;
			host_after(h);
		}
	}
	script_let_be(c);
}
