/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens in a run besides messages and clients: faults, changes of the map, and the
 * housekeeping of nodes. A table, each row with its mean time between.
 */
#include <stddef.h>

#include "cluster.h"
#include "upkeep.h"

static struct host *any_host(struct cluster *c)
{
	return &c->hosts[random_seat(&c->random, c->usable)];
}

static struct host *any_replica(struct cluster *c)
{
	return &c->hosts[random_seat(&c->random, maps_replicas(&c->maps))];
}

static struct maps_block *any_block(struct cluster *c)
{
	return &c->maps.blocks[c->options.has_one_block ? 0 : random_below(&c->random, SIM_USED)];
}

/* ---- Faults -------------------------------------------------------------------------- */

static void start_later(struct cluster *c, struct host *h)
{
	uint64_t delay_us = 1 + random_below(&c->random, 2 * c->options.down_us);
	events_push(&c->events, (struct event){.at_us = c->now_us + delay_us,
					       .kind = EVENT_START,
					       .host = h->number,
					       .incarnation = h->incarnation});
}

static void crash(struct cluster *c)
{
	struct host *h = any_replica(c);
	if (!h->is_up)
		return;
	TRACE(c, "host %u crashes", h->number);
	host_crash(h);
	c->count.crashes++;
	start_later(c, h);
}

static void stop(struct cluster *c)
{
	struct host *h = any_replica(c);
	if (!h->is_up)
		return;
	TRACE(c, "host %u stops", h->number);
	host_stop(h);
	start_later(c, h);
}

static uint16_t lost_members(const struct cluster *c)
{
	uint16_t lost = 0;
	for (unsigned i = 0; i < c->members; i++) {
		if (c->hosts[i].is_lost)
			lost |= (uint16_t)(1u << i);
	}
	return lost;
}

/* A quorum of every block is left without these. */
static bool can_lose(const struct cluster *c, uint16_t lost)
{
	for (unsigned i = 0; i < SIM_USED; i++) {
		const struct maps_version *latest = maps_latest(&c->maps.blocks[i]);
		if (latest->is_recovering || !quorum_is_met(&latest->replicas, (uint16_t)~lost))
			return false;
	}
	return true;
}

/* A disk is lost, and with it the identity: another member takes its place in time. */
static void lose(struct cluster *c)
{
	struct host *h = any_replica(c);
	uint16_t lost = (uint16_t)(lost_members(c) | 1u << h->number);
	if (h->is_lost || c->members == SIM_HOSTS || !can_lose(c, lost))
		return;
	TRACE(c, "host %u loses its disk; member %u is new", h->number, c->members);
	if (h->is_up)
		host_crash(h);
	h->is_lost = true;
	c->usable &= (uint16_t) ~(1u << h->number);
	c->usable |= (uint16_t)(1u << c->members);
	cluster_start_host(c, &c->hosts[c->members++]);
}

/* One link, or all from or to one host; cuts that come often make it flap. */
static void cut(struct cluster *c)
{
	uint64_t until_us = c->now_us + 1 + random_below(&c->random, c->options.cut_us);
	unsigned a = any_replica(c)->number, b = any_host(c)->number;
	uint32_t what = random_below(&c->random, 4);
	TRACE(c, "cut %u of %u and %u", what, a, b);
	if (what == 0)
		network_cut(c, a, b, until_us);
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		if (what == 1 || what == 3)
			network_cut(c, a, i, until_us);
		if (what == 2 || what == 3)
			network_cut(c, i, a, until_us);
	}
}

static void slow(struct cluster *c)
{
	uint64_t until_us = c->now_us + 1 + random_below(&c->random, c->options.slow_us);
	unsigned a = any_replica(c)->number, b = any_replica(c)->number;
	c->network.links[a][b].slow_us = until_us;
}

/* A host takes another one for slow, rightly or not, or has heard of it again. */
static void suspect(struct cluster *c)
{
	struct host *h = any_host(c);
	unsigned peer = any_replica(c)->number;
	if (!h->is_up || h->number == peer)
		return;
	bool is_slow = !node_is_slow(&h->node, (uint16_t)peer) && !c->is_healing;
	TRACE(c, "host %u takes %u for %s", h->number, peer, is_slow ? "slow" : "quick");
	host_peer_slow(h, peer, is_slow);
}

/* A disk fills up, or has room again. */
static void fill(struct cluster *c)
{
	struct host *h = any_replica(c);
	h->disk.is_full = !h->disk.is_full && !c->is_healing;
	TRACE(c, "disk of %u is %s", h->number, h->disk.is_full ? "full" : "not full");
}

static void set_clock(struct cluster *c)
{
	struct host *h = any_host(c);
	h->clock_ms = (int64_t)random_below(&c->random, 2 * (uint32_t)c->options.skew_ms + 1) -
		      c->options.skew_ms;
	h->clock_drift = (int64_t)random_below(&c->random, 101) - 50;
	h->clock_set_us = c->now_us;
	TRACE(c, "clock of %u is %d ms ahead", h->number, (int)h->clock_ms);
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
static uint16_t draw_next(struct cluster *c, const struct maps_block *block)
{
	static const uint8_t sizes[] = {1, 2, 3, 3, 3, 5};
	const struct quorum *replicas = &maps_latest(block)->replicas;
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

/* The set that is there is replaced by itself no more than any other. */
static bool begin_change(struct cluster *c, struct maps_block *block, uint16_t next)
{
	const struct quorum *replicas = &maps_latest(block)->replicas;
	if (!maps_is_stable(block) || !maps_may_change(&c->maps, block) || next == replicas->old ||
	    (next & ~c->usable) != 0)
		return false;
	maps_join(&c->maps, block, next);
	c->count.changes++;
	TRACE(c, "map: version %u of block %u is joint, %x and %x", block->version, block->number,
	      maps_latest(block)->replicas.old, next);
	return true;
}

/* Both blocks sometimes change in one map. */
static void change(struct cluster *c)
{
	struct maps_block *block = any_block(c);
	uint16_t next = draw_next(c, block);
	if (c->maps.epoch + 3 >= SIM_EPOCHS)
		return;
	maps_begin(&c->maps);
	bool has_changed = begin_change(c, block, next);
	if (random_chance(&c->random, 300))
		has_changed = begin_change(c, any_block(c), draw_next(c, block)) || has_changed;
	if (has_changed)
		maps_decide(&c->maps);
	else
		maps_discard(&c->maps);
}

/* The operator takes some replicas for lost and lets the others compare what they have. As long
 * as they are a majority nothing is lost indeed. */
static void recover(struct cluster *c)
{
	struct maps_block *block = any_block(c);
	uint16_t old = maps_latest(block)->replicas.old;
	uint16_t survivors = (uint16_t)(old & c->usable);
	if (random_chance(&c->random, 600))
		survivors &= (uint16_t) ~(1u << random_seat(&c->random, old));
	if (!maps_is_stable(block) || !maps_may_change(&c->maps, block) ||
	    !quorum_is_majority(old, survivors))
		return;
	maps_begin(&c->maps);
	maps_recover(&c->maps, block, survivors);
	maps_decide(&c->maps);
	c->count.recoveries++;
	TRACE(c, "map: version %u of block %u recovers, %x of %x", block->version, block->number,
	      survivors, old);
}

/* Drives a change that is under way: to its end, or now and then back. */
static void drive(struct cluster *c)
{
	struct maps_block *block = any_block(c);
	if (c->maps.epoch + 3 >= SIM_EPOCHS)
		return;
	if (maps_may_finish(block)) {
		maps_begin(&c->maps);
		maps_finish(&c->maps, block);
		maps_decide(&c->maps);
		TRACE(c, "map: version %u of block %u is stable, the new replicas", block->version,
		      block->number);
	} else if (maps_is_recovered(block)) {
		maps_begin(&c->maps);
		maps_recovered(&c->maps, block);
		maps_decide(&c->maps);
		TRACE(c, "map: version %u of block %u has recovered", block->version,
		      block->number);
	} else if (quorum_is_joint(&maps_latest(block)->replicas) &&
		   random_chance(&c->random, 30)) {
		maps_begin(&c->maps);
		maps_cancel(&c->maps, block);
		maps_decide(&c->maps);
		TRACE(c, "map: version %u of block %u is stable, the old replicas", block->version,
		      block->number);
	}
}

/* Any later map: members sleep through some. */
static void adopt(struct cluster *c)
{
	struct host *h = any_host(c);
	if (!h->is_up)
		return;
	uint64_t epoch = atomic_load(&h->node.epoch);
	if (epoch < c->maps.epoch)
		host_map(h,
			 epoch + 1 + random_below(&c->random, (uint32_t)(c->maps.epoch - epoch)));
}

/* ---- Housekeeping -------------------------------------------------------------------- */

static void keep_house(struct cluster *c)
{
	struct host *h = any_host(c);
	if (h->is_up)
		host_housekeep(h);
}

static void litter(struct cluster *c)
{
	struct host *h = any_host(c);
	if (h->is_up)
		host_litter(h);
}

static void upkeep_of(struct cluster *c, enum upkeep what)
{
	struct host *h = any_replica(c);
	if (h->is_up)
		host_upkeep(h, what, any_block(c)->number);
}

static void collect(struct cluster *c)
{
	upkeep_of(c, UPKEEP_COLLECT);
}

static void repair(struct cluster *c)
{
	upkeep_of(c, UPKEEP_REPAIR);
}

static void pull(struct cluster *c)
{
	upkeep_of(c, UPKEEP_SYNC);
}

/* ---- The table ----------------------------------------------------------------------- */

static const struct row {
	size_t option; /* of the mean time between */
	void (*act)(struct cluster *c);
} rows[] = {
    {offsetof(struct options, crash_us), crash},
    {offsetof(struct options, stop_us), stop},
    {offsetof(struct options, lose_us), lose},
    {offsetof(struct options, cut_us), cut},
    {offsetof(struct options, slow_us), slow},
    {offsetof(struct options, suspect_us), suspect},
    {offsetof(struct options, change_us), change},
    {offsetof(struct options, drive_us), drive},
    {offsetof(struct options, adopt_us), adopt},
    {offsetof(struct options, collect_us), collect},
    {offsetof(struct options, repair_us), repair},
    {offsetof(struct options, pull_us), pull},
    {offsetof(struct options, full_us), fill},
    {offsetof(struct options, clock_us), set_clock},
    {offsetof(struct options, recover_us), recover},
    {offsetof(struct options, litter_us), litter},
    {offsetof(struct options, housekeep_us), keep_house},
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
