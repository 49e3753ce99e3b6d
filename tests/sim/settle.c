/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a run: a majority is healed, then all. What was asked has to end, what is asked
 * has to be done, replicas have to agree, and tombstones to go.
 */
#include <stdlib.h>

#include "cluster.h"
#include "upkeep.h"

enum {
	PROBES_MAX = 4,    /* operations until one is done */
	ROUNDS_MAX = 400,  /* of housekeeping, until the cluster is at rest */
	ROUNDS_QUICK = 60, /* behind which time goes faster */
};

static unsigned used_blocks(const struct cluster *c)
{
	return c->options.has_one_block ? 1 : SIM_USED;
}

static uint16_t up_members(const struct cluster *c)
{
	uint16_t up = 0;
	for (unsigned i = 0; i < c->members; i++) {
		if (c->hosts[i].is_up)
			up |= (uint16_t)(1u << i);
	}
	return up;
}

static bool has_recovering(const struct cluster *c)
{
	for (unsigned i = 0; i < used_blocks(c); i++) {
		if (maps_latest(&c->maps.blocks[i])->is_recovering)
			return true;
	}
	return false;
}

static void start_one(struct cluster *c, uint16_t seats)
{
	uint16_t down = 0;
	for (unsigned i = 0; i < c->members; i++) {
		if ((seats >> i & 1) != 0 && !c->hosts[i].is_up && !c->hosts[i].is_lost)
			down |= (uint16_t)(1u << i);
	}
	if (down != 0)
		cluster_start_host(c, &c->hosts[random_seat(&c->random, down)]);
}

/* Nothing is full or slow any more, clocks are right, and rounds wait for long enough. */
static void heal_host(struct cluster *c, struct host *h)
{
	h->clock_ms = h->clock_drift = 0;
	h->disk.is_full = false;
	if (!h->is_up)
		return;
	h->node.times.round_us = cluster_round_us(c);
	host_housekeep(h);
}

/* No faults any more; as many replicas are started as a quorum needs. */
static void heal_majority(struct cluster *c)
{
	TRACE(c, "a majority is healed");
	c->is_healing = true;
	network_heal(&c->network);
	for (unsigned i = 0; i < c->members; i++)
		heal_host(c, &c->hosts[i]);
	for (unsigned i = 0; i < used_blocks(c); i++) {
		const struct quorum *replicas = &maps_latest(&c->maps.blocks[i])->replicas;
		for (unsigned n = 0; n < SIM_HOSTS && !quorum_is_met(replicas, up_members(c)); n++)
			start_one(c, quorum_all(replicas));
		/* A block that recovers needs all survivors. */
		for (unsigned n = 0;
		     n < SIM_HOSTS && maps_latest(&c->maps.blocks[i])->is_recovering; n++)
			start_one(c, quorum_all(replicas));
	}
}

/* Heartbeats tell of the latest map. */
static void gossip(struct cluster *c)
{
	for (unsigned i = 0; i < c->members; i++) {
		if (c->hosts[i].is_up)
			host_map(&c->hosts[i], c->maps.epoch);
	}
}

/* Every operation has a deadline, so all are over a little behind the last. */
static void end_operations(struct cluster *c)
{
	/* Some have begun before the healing, with its deadline, some behind it. */
	uint64_t bound_us = c->options.deadline_us + (uint64_t)cluster_deadline_us(c) +
			    4 * (uint64_t)cluster_round_us(c) +
			    4 * (uint64_t)c->options.back_off_us;
	cluster_run_until(c, c->now_us + 2 * bound_us);
	LIST_FOREACH_SAFE(link, following, &c->pending)
	{
		const struct request *request = LIST_ENTRY(link, struct request, link);
		TRACE(c, "request %u at %u has not ended", request->number, request->host);
		cluster_fail(c, request->key, "an operation does not end");
	}
}

/* Asks until it is done. */
static void probe(struct cluster *c, unsigned key, const struct model_op *op, unsigned host)
{
	for (int i = 0; i < PROBES_MAX && c->failure == NULL; i++) {
		gossip(c);
		uint32_t index = clients_ask(c, 0, key, op, 1, host);
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

static unsigned up_replica(struct cluster *c, unsigned key)
{
	const struct maps_version *latest = maps_latest(cluster_block_of(c, key));
	return random_seat(&c->random, quorum_all(&latest->replicas) & up_members(c));
}

static void read_key(struct cluster *c, unsigned key, unsigned host)
{
	struct model_op get = {.kind = OP_GET};
	probe(c, key, &get, host);
}

static void append_key(struct cluster *c, unsigned key, unsigned host)
{
	struct model_op append = {.kind = OP_APPEND, .value = value_intern(bytes_of_text("end"))};
	probe(c, key, &append, host);
}

/* ---- All are healed ------------------------------------------------------------------ */

static void heal_all(struct cluster *c)
{
	TRACE(c, "all are healed");
	for (unsigned i = 0; i < c->members; i++) {
		if (!c->hosts[i].is_up && !c->hosts[i].is_lost)
			cluster_start_host(c, &c->hosts[i]);
		heal_host(c, &c->hosts[i]);
	}
}

/* Ends the phase, and replaces members that are lost. Returns true if nothing is to do. */
static bool drive_block(struct cluster *c, struct maps_block *block)
{
	const struct quorum *replicas = &maps_latest(block)->replicas;
	if (c->maps.epoch + 1 == SIM_EPOCHS)
		return true;
	if (maps_latest(block)->is_recovering) {
		if (maps_is_recovered(block)) {
			maps_begin(&c->maps);
			maps_recovered(&c->maps, block);
			maps_decide(&c->maps);
		}
		return false;
	}
	if (!quorum_is_joint(replicas)) {
		uint16_t left = replicas->old & c->usable;
		if (left == replicas->old || !maps_may_change(&c->maps, block))
			return true;
		maps_begin(&c->maps);
		maps_join(&c->maps, block, left);
		maps_decide(&c->maps);
		return false;
	}
	bool is_waiting = (replicas->next & c->usable & ~block->finished) != 0;
	if (is_waiting || !maps_may_finish(block))
		return false;
	maps_begin(&c->maps);
	maps_finish(&c->maps, block);
	maps_decide(&c->maps);
	return false;
}

static void keep_all(struct cluster *c)
{
	for (unsigned i = 0; i < c->members; i++) {
		struct host *h = &c->hosts[i];
		if (!h->is_up)
			continue;
		for (unsigned b = 0; b < used_blocks(c); b++) {
			for (unsigned row = 0; row < UPKEEP_COUNT; row++)
				host_upkeep(h, row, c->maps.blocks[b].number);
		}
	}
}

static bool are_members_current(const struct cluster *c)
{
	for (unsigned i = 0; i < c->members; i++) {
		if (c->hosts[i].is_up && (c->hosts[i].adoption != NULL ||
					  atomic_load(&c->hosts[i].node.epoch) != c->maps.epoch))
			return false;
	}
	return true;
}

/* The acc of the record that a host holds, absent if none; *is_tombstone. */
static struct ballot held(struct cluster *c, struct host *h, unsigned key, bool *is_tombstone)
{
	struct store_fetched fetched[4] = {0};
	unsigned count = 0;
	struct store_hit hit;
	struct ballot acc = BALLOT_ABSENT;
	*is_tombstone = false;
	for (;;) {
		enum store_found found =
		    store_find(h->store, &c->keys[key], count > 0 ? fetched : NULL, &hit);
		if (found == STORE_FOUND) {
			acc = hit.record.acc;
			*is_tombstone = hit.record.kind == RECORD_TOMBSTONE;
		}
		if (found != STORE_COLD || count == DHT_ARRAY_LEN(fetched))
			break;
		uint8_t *data;
		store_pin(h->store, hit.location);
		int rc = store_fetch(h->store, hit.location, &data);
		store_unpin(h->store, hit.location);
		DHT_ASSERT(rc == 0);
		fetched[count] = (struct store_fetched){.location = hit.location, .data = data};
		if (count > 0)
			fetched[count - 1].next = &fetched[count];
		count++;
	}
	for (unsigned i = 0; i < count; i++)
		free((void *)(uintptr_t)fetched[i].data);
	return acc;
}

static bool agrees(struct cluster *c, unsigned key)
{
	uint16_t seats = quorum_all(&maps_latest(cluster_block_of(c, key))->replicas);
	struct ballot first = {0};
	bool is_first = true, is_tombstone;
	for (; seats != 0; seats &= (uint16_t)(seats - 1)) {
		struct ballot acc = held(c, &c->hosts[__builtin_ctz(seats)], key, &is_tombstone);
		if (is_tombstone || (!is_first && !ballot_equal(first, acc)))
			return false;
		first = acc;
		is_first = false;
	}
	return true;
}

/* True if replicas hold the same, and no tombstone. */
static bool is_at_rest(struct cluster *c)
{
	for (unsigned key = 0; key < c->options.keys; key++) {
		if (!agrees(c, key))
			return false;
	}
	uint16_t seats = quorum_all(&maps_latest(&c->maps.blocks[0])->replicas);
	for (; seats != 0; seats &= (uint16_t)(seats - 1)) {
		if (!host_has_ballast(&c->hosts[__builtin_ctz(seats)]))
			return false;
	}
	return true;
}

static uint64_t step_us(const struct cluster *c)
{
	return 4 * (uint64_t)c->options.delay_us + 4 * (uint64_t)c->options.fsync_us;
}

/* Blocks that recover are not served before they have. */
static void end_recoveries(struct cluster *c)
{
	for (int round = 0; round < ROUNDS_MAX && c->failure == NULL; round++) {
		if (!has_recovering(c))
			return;
		gossip(c);
		for (unsigned b = 0; b < used_blocks(c); b++) {
			if (maps_latest(&c->maps.blocks[b])->is_recovering)
				(void)drive_block(c, &c->maps.blocks[b]);
		}
		keep_all(c);
		cluster_run_until(c, c->now_us + step_us(c));
	}
	cluster_fail(c, -1, "a block does not recover");
}

static void come_to_rest(struct cluster *c)
{
	for (int round = 0; round < ROUNDS_MAX && c->failure == NULL; round++) {
		gossip(c);
		bool is_done = true;
		for (unsigned b = 0; b < used_blocks(c); b++)
			is_done = drive_block(c, &c->maps.blocks[b]) && is_done;
		if (is_done && are_members_current(c) && is_at_rest(c))
			return;
		keep_all(c);
		cluster_run_until(c, c->now_us + (round < ROUNDS_QUICK ? step_us(c) : 1000000));
	}
	cluster_fail(c, -1, "replicas do not come to agree, or tombstones stay");
}

/* Only replicas hold data. */
static void check_placement(struct cluster *c)
{
	for (unsigned i = 0; i < c->members; i++) {
		const struct host *h = &c->hosts[i];
		for (unsigned b = 0; b < used_blocks(c) && h->is_up; b++) {
			const struct maps_block *block = &c->maps.blocks[b];
			if (!maps_has(maps_latest(block), i) &&
			    store_keys(h->store, block->number) > 0)
				cluster_fail(c, -1, "a member holds data that is no replica");
		}
	}
}

/* Promises of keys that are not there go with time. */
static void check_promises(struct cluster *c)
{
	for (unsigned i = 0; i < c->members; i++) {
		const struct host *h = &c->hosts[i];
		for (unsigned b = 0; b < used_blocks(c) && h->is_up; b++) {
			uint32_t block = c->maps.blocks[b].number;
			if (h->node.blocks[block].promises.count >
			    store_keys(h->store, block) + store_tombstones(h->store, block))
				cluster_fail(c, -1, "promises of absent keys stay");
			if (h->node.blocks[block].active.count > 0)
				cluster_fail(c, -1, "a key is busy though nobody asks");
		}
	}
}

void settle(struct cluster *c)
{
	heal_majority(c);
	end_recoveries(c);
	gossip(c);
	end_operations(c);
	for (unsigned key = 0; key < c->options.keys && c->failure == NULL; key++) {
		read_key(c, key, up_replica(c, key));
		if (random_chance(&c->random, 500))
			append_key(c, key,
				   random_chance(&c->random, 300)
				       ? random_seat(&c->random, up_members(c))
				       : up_replica(c, key));
	}
	heal_all(c);
	come_to_rest(c);
	check_placement(c);
	for (unsigned key = 0; key < c->options.keys && c->failure == NULL; key++)
		read_key(c, key, random_seat(&c->random, up_members(c)));
	upkeep_forget_promises(c);
	check_promises(c);
}
