/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include "cluster.h"

enum { SLOW_FACTOR = 20 };

void network_init(struct network *w)
{
	network_heal(w);
	w->held_count = 0;
	w->free_count = MESSAGES_MAX;
	for (uint32_t i = 0; i < MESSAGES_MAX; i++)
		w->free[i] = (uint16_t)(MESSAGES_MAX - 1 - i);
}

void network_heal(struct network *w)
{
	memset(w->links, 0, sizeof(w->links));
}

uint16_t network_keep(struct network *w, const struct message *m)
{
	if (w->free_count == 0)
		return MESSAGES_MAX;
	uint16_t index = w->free[--w->free_count];
	w->messages[index] = *m;
	return index;
}

void network_free(struct network *w, uint16_t index)
{
	DHT_ASSERT(w->free_count < MESSAGES_MAX);
	w->free[w->free_count++] = index;
}

static void deliver_in(struct cluster *c, uint16_t index, uint64_t delay_us)
{
	events_push(&c->events, (struct event){.at_us = c->now_us + delay_us,
					       .kind = EVENT_MESSAGE,
					       .node = c->network.messages[index].to,
					       .detail = index});
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

void network_send(struct cluster *c, uint16_t index)
{
	struct network *w = &c->network;
	const struct message *m = &w->messages[index];
	const struct link *link = &w->links[m->from][m->to];
	c->sent[m->type]++;
	if (c->is_scripted) {
		w->held[w->held_count++] = index;
		return;
	}
	if (m->from == m->to) {
		deliver_in(c, index, 1 + random_below(&c->random, c->options.delay_us / 10));
		return;
	}
	if (!c->is_healing && random_chance(&c->random, c->options.duplicate)) {
		uint16_t copy = network_keep(w, m);
		if (copy < MESSAGES_MAX)
			deliver_in(c, copy, draw_delay(c, link));
	}
	if (is_lost(c, link)) {
		trace_message(c, "lost", m);
		network_free(w, index);
		return;
	}
	deliver_in(c, index, draw_delay(c, link));
}
