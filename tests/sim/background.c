/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens in a run besides messages and clients: faults, changes of the map, and the
 * housekeeping of nodes. A table, each row with its mean time between.
 */
#include <stddef.h>

#include "cluster.h"

static struct node *any_node(struct cluster *c)
{
	return &c->nodes[random_seat(&c->random, c->usable)];
}

static struct node *any_replica(struct cluster *c)
{
	uint16_t all = quorum_all(&chain_latest(&c->chain)->replicas);
	return &c->nodes[random_seat(&c->random, all)];
}

/* ---- Faults -------------------------------------------------------------------------- */

static void start_later(struct cluster *c, struct node *n)
{
	uint64_t delay_us = 1 + random_below(&c->random, 2 * c->options.down_us);
	events_push(&c->events, (struct event){.at_us = c->now_us + delay_us,
					       .kind = EVENT_START,
					       .node = n->number,
					       .detail = n->incarnation});
}

static void crash(struct cluster *c)
{
	struct node *n = any_replica(c);
	if (!n->is_up)
		return;
	TRACE(c, "node %u crashes", n->number);
	node_crash(n);
	c->count.crashes++;
	start_later(c, n);
}

static void stop(struct cluster *c)
{
	struct node *n = any_replica(c);
	if (!n->is_up)
		return;
	TRACE(c, "node %u stops", n->number);
	node_stop(n);
	start_later(c, n);
}

static uint16_t lost_members(const struct cluster *c)
{
	uint16_t lost = 0;
	for (unsigned i = 0; i < c->members; i++) {
		if (c->nodes[i].is_lost)
			lost |= (uint16_t)(1u << i);
	}
	return lost;
}

/* A disk is lost, and with it the identity: another member takes its place in time. A
 * quorum of the replicas is left. */
static void lose(struct cluster *c)
{
	const struct quorum *replicas = &chain_latest(&c->chain)->replicas;
	struct node *n = any_replica(c);
	uint16_t left = (uint16_t) ~(lost_members(c) | 1u << n->number);
	if (n->is_lost || c->members == SIM_NODES || !quorum_is_met(replicas, left))
		return;
	TRACE(c, "node %u loses its disk; member %u is new", n->number, c->members);
	if (n->is_up)
		node_crash(n);
	n->is_lost = true;
	c->usable &= (uint16_t) ~(1u << n->number);
	c->usable |= (uint16_t)(1u << c->members);
	cluster_start_node(c, &c->nodes[c->members++]);
}

/* One link, or all from or to one node; cuts that come often make it flap. */
static void cut(struct cluster *c)
{
	uint64_t until_us = c->now_us + 1 + random_below(&c->random, c->options.cut_us);
	unsigned a = any_replica(c)->number, b = any_node(c)->number;
	uint32_t what = random_below(&c->random, 4);
	TRACE(c, "cut %u of %u and %u", what, a, b);
	if (what == 0)
		c->network.links[a][b].cut_us = until_us;
	for (unsigned i = 0; i < SIM_NODES; i++) {
		if (what == 1 || what == 3)
			c->network.links[a][i].cut_us = until_us;
		if (what == 2 || what == 3)
			c->network.links[i][a].cut_us = until_us;
	}
}

static void slow(struct cluster *c)
{
	uint64_t until_us = c->now_us + 1 + random_below(&c->random, c->options.slow_us);
	unsigned a = any_replica(c)->number, b = any_replica(c)->number;
	c->network.links[a][b].slow_us = until_us;
}

/* ---- Maps ---------------------------------------------------------------------------- */

static uint16_t draw_set(struct cluster *c, unsigned size)
{
	uint16_t set = 0;
	while ((unsigned)__builtin_popcount(set) < size)
		set |= (uint16_t)(1u << random_seat(&c->random, c->usable));
	return set;
}

/* One member replaced, or any other set. */
static uint16_t draw_next(struct cluster *c)
{
	static const uint8_t sizes[] = {1, 2, 3, 3, 3, 5};
	const struct quorum *replicas = &chain_latest(&c->chain)->replicas;
	uint16_t lost = replicas->old & (uint16_t)~c->usable;
	uint16_t spare = c->usable & (uint16_t)~replicas->old;
	if ((lost != 0 || random_chance(&c->random, 500)) && spare != 0) {
		unsigned leaves = random_seat(&c->random, lost != 0 ? lost : replicas->old);
		return (uint16_t)((replicas->old & ~(1u << leaves)) |
				  1u << random_seat(&c->random, spare));
	}
	if (c->options.sets == SETS_SMALL)
		return draw_set(c, random_between(&c->random, 1, 3));
	return draw_set(c, sizes[random_below(&c->random, sizeof(sizes))]);
}

static void change(struct cluster *c)
{
	const struct quorum *replicas = &chain_latest(&c->chain)->replicas;
	if (quorum_is_joint(replicas) || !chain_may_change(&c->chain))
		return;
	uint16_t next = draw_next(c);
	/* The set that is there is replaced by itself no more than any other. */
	if (next == replicas->old || (next & ~c->usable) != 0)
		return;
	chain_join(&c->chain, next);
	c->count.changes++;
	TRACE(c, "map: version %u is joint, %x and %x", c->chain.current,
	      chain_latest(&c->chain)->replicas.old, next);
}

/* Drives the change that is under way: to its end, or now and then back. */
static void drive(struct cluster *c)
{
	if (chain_may_finish(&c->chain)) {
		chain_finish(&c->chain);
		TRACE(c, "map: version %u is stable, the new replicas", c->chain.current);
	} else if (quorum_is_joint(&chain_latest(&c->chain)->replicas) &&
		   random_chance(&c->random, 30)) {
		chain_cancel(&c->chain);
		TRACE(c, "map: version %u is stable, the old replicas", c->chain.current);
	}
}

static void adopt(struct cluster *c)
{
	struct node *n = any_node(c);
	if (n->block.version < c->chain.current)
		node_adopt(n, n->block.version + 1 +
				  random_below(&c->random, c->chain.current - n->block.version));
}

/* ---- Housekeeping -------------------------------------------------------------------- */

static void collect(struct cluster *c)
{
	node_collect(any_replica(c), random_below(&c->random, c->options.keys));
}

static void repair(struct cluster *c)
{
	node_repair(any_replica(c), random_below(&c->random, c->options.keys),
		    any_replica(c)->number);
}

static void pull(struct cluster *c)
{
	struct node *n = any_replica(c);
	node_pull(n, random_seat(&c->random, chain_latest(&c->chain)->replicas.old));
}

/* ---- The table ----------------------------------------------------------------------- */

static const struct row {
	size_t option; /* of the mean time between */
	void (*act)(struct cluster *c);
} rows[] = {
    {offsetof(struct options, crash_us), crash},     {offsetof(struct options, stop_us), stop},
    {offsetof(struct options, lose_us), lose},       {offsetof(struct options, cut_us), cut},
    {offsetof(struct options, slow_us), slow},       {offsetof(struct options, change_us), change},
    {offsetof(struct options, drive_us), drive},     {offsetof(struct options, adopt_us), adopt},
    {offsetof(struct options, collect_us), collect}, {offsetof(struct options, repair_us), repair},
    {offsetof(struct options, pull_us), pull},
};

static void schedule(struct cluster *c, uint32_t row)
{
	uint32_t mean_us;
	memcpy(&mean_us, (const char *)&c->options + rows[row].option, sizeof(mean_us));
	if (mean_us == 0)
		return;
	events_push(&c->events,
		    (struct event){.at_us = c->now_us + 1 + random_below(&c->random, 2 * mean_us),
				   .kind = EVENT_BACKGROUND,
				   .detail = row});
}

void background_begin(struct cluster *c)
{
	for (uint32_t row = 0; row < DHT_ARRAY_LEN(rows); row++)
		schedule(c, row);
}

void background_event(struct cluster *c, uint32_t row)
{
	if (c->is_healing)
		return;
	rows[row].act(c);
	schedule(c, row);
}
