/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a run: a majority is healed, then all. What was asked has to end, what is asked
 * has to be done, replicas have to agree, and tombstones to go.
 */
#include "cluster.h"

enum {
	PROBES_MAX = 4,   /* operations until one is done */
	ROUNDS_MAX = 400, /* of housekeeping, until the cluster is at rest */
};

static uint64_t step_us(const struct cluster *c)
{
	return 4 * (uint64_t)c->options.delay_us + 4 * (uint64_t)c->options.fsync_us;
}

static uint16_t up_members(const struct cluster *c)
{
	uint16_t up = 0;
	for (unsigned i = 0; i < c->members; i++) {
		if (c->nodes[i].is_up)
			up |= (uint16_t)(1u << i);
	}
	return up;
}

static void start_one(struct cluster *c, uint16_t seats)
{
	uint16_t down = 0;
	for (unsigned i = 0; i < c->members; i++) {
		if ((seats >> i & 1) != 0 && !c->nodes[i].is_up && !c->nodes[i].is_lost)
			down |= (uint16_t)(1u << i);
	}
	if (down != 0)
		cluster_start_node(c, &c->nodes[random_seat(&c->random, down)]);
}

/* No faults any more; as many replicas are started as a quorum needs. */
static void heal_majority(struct cluster *c)
{
	const struct quorum *replicas = &chain_latest(&c->chain)->replicas;
	TRACE(c, "a majority is healed");
	c->is_healing = true;
	network_heal(&c->network);
	for (unsigned i = 0; i < SIM_NODES && !quorum_is_met(replicas, up_members(c)); i++)
		start_one(c, quorum_all(replicas));
}

/* Heartbeats tell of the latest map. */
static void gossip(struct cluster *c)
{
	for (unsigned i = 0; i < c->members; i++)
		node_adopt(&c->nodes[i], c->chain.current);
}

/* Every operation has a deadline, so all are over a little behind the last. */
static void end_operations(struct cluster *c)
{
	/* Some have begun before the healing, with its deadline, some behind it. */
	uint64_t bound_us = c->options.deadline_us + (uint64_t)cluster_deadline_us(c) +
			    4 * (uint64_t)cluster_round_us(c) +
			    4 * (uint64_t)c->options.back_off_us;
	/* Those queued begin when the one before has ended; the deadline is of all. */
	cluster_run_until(c, c->now_us + 2 * bound_us);
	for (uint32_t i = 0; i < c->history.count; i++) {
		if (c->history.items[i].outcome == OUTCOME_PENDING)
			cluster_fail(c, c->history.items[i].key, "an operation does not end");
	}
	for (unsigned i = 0; i < c->members; i++) {
		if (node_is_late(&c->nodes[i], bound_us))
			cluster_fail(c, -1, "a node is busy with an operation that is over");
	}
}

/* Asks until it is done. */
static void probe(struct cluster *c, unsigned key, enum operation_kind kind, unsigned node)
{
	for (int i = 0; i < PROBES_MAX && c->failure == NULL; i++) {
		uint32_t index = clients_ask(c, 0, key, kind, node);
		cluster_run_until(c, c->now_us + 2 * (uint64_t)cluster_deadline_us(c));
		if (index == UINT32_MAX)
			continue;
		switch (c->history.items[index].outcome) {
		case OUTCOME_DONE:
			return;
		case OUTCOME_PENDING:
			cluster_fail(c, (int)key, "an operation does not end");
			return;
		case OUTCOME_UNKNOWN:
		case OUTCOME_NOT_DONE:
			break;
		}
	}
	cluster_fail(c, (int)key, "no operation succeeds though a majority is healed");
}

static unsigned up_replica(struct cluster *c)
{
	uint16_t seats = quorum_all(&chain_latest(&c->chain)->replicas) & up_members(c);
	return random_seat(&c->random, seats);
}

/* ---- All are healed ------------------------------------------------------------------ */

static void heal_all(struct cluster *c)
{
	TRACE(c, "all are healed");
	for (unsigned i = 0; i < c->members; i++) {
		if (!c->nodes[i].is_up && !c->nodes[i].is_lost)
			cluster_start_node(c, &c->nodes[i]);
	}
}

/* Ends the phase, and replaces members that are lost. Returns true if nothing is to do. */
static bool drive_maps(struct cluster *c)
{
	const struct quorum *replicas = &chain_latest(&c->chain)->replicas;
	if (!quorum_is_joint(replicas)) {
		uint16_t left = replicas->old & c->usable;
		if (left == replicas->old || c->chain.current + 1 == SIM_VERSIONS)
			return true;
		if (chain_may_change(&c->chain))
			chain_join(&c->chain, left);
		return false;
	}
	for (unsigned i = 0; i < c->members; i++)
		node_pull(&c->nodes[i], random_seat(&c->random, replicas->old));
	bool is_waiting = (replicas->next & c->usable & ~c->chain.finished) != 0;
	if (!is_waiting && chain_may_finish(&c->chain))
		chain_finish(&c->chain);
	return false;
}

static bool agrees(const struct cluster *c, unsigned key, uint16_t seats)
{
	struct ballot first = {0};
	bool is_first = true;
	for (; seats != 0; seats &= (uint16_t)(seats - 1)) {
		const struct node *n = &c->nodes[__builtin_ctz(seats)];
		const struct paxos_record *record = &n->keys[key].record;
		if (record->is_tombstone)
			return false;
		if (!is_first && !ballot_equal(first, record->acc))
			return false;
		first = record->acc;
		is_first = false;
	}
	return true;
}

/* Compares what replicas hold, and has them tell each other. Returns true if all is well. */
static bool repair_key(struct cluster *c, unsigned key)
{
	uint16_t seats = quorum_all(&chain_latest(&c->chain)->replicas);
	if (agrees(c, key, seats))
		return true;
	for (unsigned i = 0; i < c->members; i++) {
		if ((seats >> i & 1) == 0)
			continue;
		node_collect(&c->nodes[i], key);
		for (unsigned other = 0; other < c->members; other++) {
			struct ballot a = c->nodes[i].keys[key].record.acc;
			struct ballot b = c->nodes[other].keys[key].record.acc;
			if (i != other && !ballot_equal(a, b))
				node_repair(&c->nodes[i], key, other);
		}
	}
	return false;
}

static void come_to_rest(struct cluster *c)
{
	for (int round = 0; round < ROUNDS_MAX && c->failure == NULL; round++) {
		gossip(c);
		bool is_done = drive_maps(c);
		for (unsigned key = 0; key < c->options.keys && is_done; key++)
			is_done = repair_key(c, key);
		if (is_done)
			return;
		cluster_run_until(c, c->now_us + step_us(c));
	}
	cluster_fail(c, -1, "replicas do not come to agree, or tombstones stay");
}

/* Only replicas hold data. */
static void check_placement(struct cluster *c)
{
	for (unsigned i = 0; i < c->members; i++) {
		const struct node *n = &c->nodes[i];
		if (n->is_lost || map_has(chain_latest(&c->chain), i))
			continue;
		for (unsigned key = 0; key < c->options.keys; key++) {
			if (n->keys[key].has_entry)
				cluster_fail(c, (int)key, "a node holds data that is no replica");
		}
	}
}

void settle(struct cluster *c)
{
	heal_majority(c);
	end_operations(c);
	gossip(c);
	for (unsigned key = 0; key < c->options.keys && c->failure == NULL; key++) {
		probe(c, key, OPERATION_GET, up_replica(c));
		if (random_chance(&c->random, 500))
			probe(c, key, OPERATION_APPEND, up_replica(c));
	}
	heal_all(c);
	come_to_rest(c);
	check_placement(c);
	for (unsigned key = 0; key < c->options.keys && c->failure == NULL; key++)
		probe(c, key, OPERATION_GET, up_replica(c));
}
