/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include "cluster.h"

enum { SLOW_FACTOR = 20 };

void network_init(struct network *w)
{
	memset(w->links, 0, sizeof(w->links));
	list_init(&w->parcels);
	list_init(&w->held);
}

static void free_all(struct list *parcels)
{
	LIST_FOREACH_SAFE(link, following, parcels)
	parcel_destroy(LIST_ENTRY(link, struct parcel, link));
}

void network_fini(struct network *w)
{
	free_all(&w->parcels);
	free_all(&w->held);
}

void network_heal(struct network *w)
{
	for (unsigned a = 0; a < SIM_HOSTS; a++) {
		for (unsigned b = 0; b < SIM_HOSTS; b++)
			w->links[a][b].cut_us = w->links[a][b].slow_us = 0;
	}
}

bool network_is_reliable(enum message_kind kind)
{
	return kind == MESSAGE_FORWARD || kind == MESSAGE_RESULT;
}

static void tell_lost(struct cluster *c, unsigned host, unsigned peer)
{
	uint64_t delay_us = 1 + random_below(&c->random, 4 * c->options.delay_us);
	events_push(&c->events, (struct event){.at_us = c->now_us + delay_us,
					       .kind = EVENT_PEER_LOST,
					       .host = (uint8_t)host,
					       .incarnation = c->hosts[host].incarnation,
					       .detail = peer});
}

static void tell_not_sent(struct cluster *c, const struct message *m)
{
	uint64_t delay_us = 1 + random_below(&c->random, 4 * c->options.delay_us);
	events_push(&c->events, (struct event){.at_us = c->now_us + delay_us,
					       .kind = EVENT_NOT_SENT,
					       .host = (uint8_t)m->from,
					       .incarnation = c->hosts[m->from].incarnation,
					       .timer = {.block = m->block, .tag = m->tag}});
}

static void end_life(struct cluster *c, unsigned a, unsigned b)
{
	c->network.links[a][b].life++;
	c->network.links[b][a].life++;
	c->network.links[a][b].last_us = c->network.links[b][a].last_us = 0;
	tell_lost(c, a, b);
	tell_lost(c, b, a);
}

void network_cut(struct cluster *c, unsigned a, unsigned b, uint64_t until_us)
{
	if (a == b)
		return;
	c->network.links[a][b].cut_us = until_us;
	end_life(c, a, b);
}

void network_leave(struct cluster *c, unsigned host)
{
	for (unsigned other = 0; other < SIM_HOSTS; other++) {
		if (other != host)
			end_life(c, host, other);
	}
}

bool network_is_stale(const struct network *w, const struct parcel *parcel)
{
	return network_is_reliable(parcel->m.kind) &&
	       w->links[parcel->m.from][parcel->to].life != parcel->life;
}

static void deliver_at(struct cluster *c, struct parcel *parcel, uint64_t at_us)
{
	list_push_tail(&c->network.parcels, &parcel->link);
	events_push(&c->events, (struct event){.at_us = at_us,
					       .kind = EVENT_MESSAGE,
					       .host = (uint8_t)parcel->to,
					       .parcel = parcel});
}

static uint64_t draw_delay(struct cluster *c, const struct link *link)
{
	const struct options *o = &c->options;
	uint64_t delay_us = o->delay_us / 2 + random_below(&c->random, o->delay_us);
	if (c->is_healing)
		return delay_us;
	if (random_chance(&c->random, o->late))
		delay_us *= 1 + random_below(&c->random, o->late_factor);
	if (link->slow_us > c->now_us)
		delay_us *= SLOW_FACTOR;
	/* What is sent into a cut is lost, or sent again by the transport behind it. */
	if (link->cut_us > c->now_us)
		delay_us += link->cut_us - c->now_us;
	return delay_us;
}

static bool is_lost(struct cluster *c, const struct link *link)
{
	if (c->is_healing)
		return false;
	return random_chance(&c->random, link->cut_us > c->now_us ? 700 : c->options.loss);
}

/* In the order of its link, once; or it does not leave, and its sender is told. */
static void send_reliably(struct cluster *c, struct parcel *parcel)
{
	unsigned from = parcel->m.from, to = parcel->to;
	struct link *link = &c->network.links[from][to];
	bool is_cut = link->cut_us > c->now_us || c->network.links[to][from].cut_us > c->now_us;
	if (is_cut || !c->hosts[to].is_up) {
		trace_message(c, "lost", &parcel->m, to);
		if (parcel->m.kind == MESSAGE_FORWARD)
			tell_not_sent(c, &parcel->m);
		parcel_destroy(parcel);
		return;
	}
	uint64_t at_us = c->now_us + draw_delay(c, link);
	if (at_us < link->last_us)
		at_us = link->last_us;
	link->last_us = at_us;
	parcel->life = link->life;
	deliver_at(c, parcel, at_us);
}

static void send_anyhow(struct cluster *c, struct parcel *parcel)
{
	const struct link *link = &c->network.links[parcel->m.from][parcel->to];
	if (!c->is_healing && random_chance(&c->random, c->options.duplicate))
		deliver_at(c, parcel_create(&parcel->m, parcel->to),
			   c->now_us + draw_delay(c, link));
	if (is_lost(c, link)) {
		trace_message(c, "lost", &parcel->m, parcel->to);
		parcel_destroy(parcel);
		return;
	}
	deliver_at(c, parcel, c->now_us + draw_delay(c, link));
}

void network_send(struct cluster *c, const struct message *m, uint16_t to)
{
	struct parcel *parcel = parcel_create(m, to);
	trace_message(c, "send", m, to);
	c->sent[m->kind]++;
	if (c->is_scripted)
		list_push_tail(&c->network.held, &parcel->link);
	else if (network_is_reliable(m->kind))
		send_reliably(c, parcel);
	else
		send_anyhow(c, parcel);
}
