/* SPDX-License-Identifier: Apache-2.0 */
#include "upkeep.h"

#include <stdlib.h>

#include "base/error.h"
#include "cluster.h"
#include "node/adopt.h"
#include "node/collect.h"
#include "node/repair.h"
#include "node/replica.h"
#include "node/sync.h"
#include "ring/code.h"

/* ---- Maps ---------------------------------------------------------------------------- */

/* A map is adopted block by block, the used ones first, in steps between which anything may
 * happen. The last stage is all other blocks, and the end. */
struct adoption {
	const struct ring_map *map;
	unsigned stage;
	bool is_reversed;
};

static const struct ring_map *stored_map(struct host *h)
{
	struct cluster *c = h->cluster;
	struct bytes value;
	struct ring_map *map;
	if (!store_note(h->store, RECORD_MAP, 0, &value))
		return c->maps.of[1];
	int rc = ring_map_decode(value, NULL, &map);
	DHT_ASSERT(rc == 0 && map->epoch <= c->maps.epoch);
	uint64_t epoch = map->epoch;
	ring_map_destroy(map);
	return c->maps.of[epoch];
}

void upkeep_restore(struct host *h, uint64_t ceiling)
{
	node_restore(&h->node, stored_map(h), ceiling);
}

void upkeep_end(struct host *h)
{
	for (unsigned i = 0; i < SIM_USED; i++) {
		if (h->node.blocks[h->cluster->maps.blocks[i].number].repair != NULL)
			repair_end(&h->node, &h->repairs[i]);
	}
	free(h->adoption);
	h->adoption = NULL;
}

static void adopt_later(struct host *h, uint64_t delay_us)
{
	struct cluster *c = h->cluster;
	events_push(&c->events, (struct event){.at_us = c->now_us + delay_us,
					       .kind = EVENT_ADOPT,
					       .host = h->number,
					       .incarnation = h->incarnation});
}

void host_map(struct host *h, uint64_t epoch)
{
	struct cluster *c = h->cluster;
	if (h->wanted_epoch <= epoch)
		h->wanted_epoch = 0;
	if (h->adoption != NULL || epoch <= atomic_load(&h->node.epoch))
		return;
	TRACE(c, "host %u begins to adopt epoch %u", h->number, (unsigned)epoch);
	h->adoption = calloc(1, sizeof(*h->adoption));
	DHT_ASSERT(h->adoption != NULL);
	*h->adoption = (struct adoption){.map = c->maps.of[epoch],
					 .is_reversed = random_chance(&c->random, 500)};
	node_adopt_begin(&h->node, h->adoption->map);
	host_adopt(h);
}

void host_adopt(struct host *h)
{
	if (h->adoption != NULL)
		host_work(h, host_work_create(WORK_ADOPT));
}

static int adopt_used(struct host *h, struct node_step *step)
{
	struct adoption *adoption = h->adoption;
	unsigned i = adoption->is_reversed ? SIM_USED - 1 - adoption->stage : adoption->stage;
	return node_adopt_block(&h->node, step, adoption->map, h->cluster->maps.blocks[i].number);
}

static int adopt_rest(struct host *h, struct node_step *step)
{
	for (uint32_t block = 0; block < SIM_BLOCKS; block++) {
		int rc = node_adopt_block(&h->node, step, h->adoption->map, block);
		if (rc != 0)
			return rc;
	}
	return node_adopt_end(&h->node, step, h->adoption->map);
}

/* The map is there: what waited for it goes on. */
static void end_adoption(struct host *h)
{
	struct cluster *c = h->cluster;
	TRACE(c, "host %u has adopted epoch %u", h->number, (unsigned)h->adoption->map->epoch);
	free(h->adoption);
	h->adoption = NULL;
	c->count.adoptions++;
	h->wants_commit = true;
	h->resumes_map = true;
}

int upkeep_adopt(struct host *h, struct node_step *step, struct work *work)
{
	struct cluster *c = h->cluster;
	(void)work;
	bool is_last = h->adoption->stage == SIM_USED;
	int rc = is_last ? adopt_rest(h, step) : adopt_used(h, step);
	if (rc == DHT_ENOSPC || rc == DHT_ENOMEM) {
		adopt_later(h, 1000);
		return 0;
	}
	if (rc != 0)
		return rc;
	h->adoption->stage++;
	if (is_last)
		end_adoption(h);
	else
		adopt_later(h, c->is_scripted || random_chance(&c->random, 500)
				   ? 0
				   : 1 + random_below(&c->random, 2000));
	return 0;
}

/* ---- Blocks -------------------------------------------------------------------------- */

static struct repair *repair_of(struct host *h, uint32_t block)
{
	for (unsigned i = 0; i < SIM_USED; i++) {
		if (h->cluster->maps.blocks[i].number == block)
			return &h->repairs[i];
	}
	DHT_UNREACHABLE();
}

/* With some other replica, to its end, and with the next one then. */
static int repair(struct host *h, struct node_step *step, uint32_t block)
{
	struct repair *repair = repair_of(h, block);
	uint16_t others[QUORUM_SEATS];
	const struct node_block *own = &h->node.blocks[block];
	if (own->repair == NULL) {
		unsigned count = node_block_others(own, quorum_all(&own->quorum), others);
		if (count == 0)
			return 0;
		repair_begin(&h->node, repair, block,
			     others[random_below(&h->cluster->random, count)]);
	}
	int rc = repair_step(&h->node, step, repair);
	if (rc == 0 && repair->is_done)
		repair_end(&h->node, repair);
	return rc;
}

int upkeep_run(struct host *h, struct node_step *step, struct work *work)
{
	struct node *node = &h->node;
	bool is_done;
	switch ((enum upkeep)work->upkeep) {
	case UPKEEP_SYNC:
		return sync_step(node, step, work->block);
	case UPKEEP_REPAIR:
		return repair(h, step, work->block);
	case UPKEEP_COLLECT:
		return collect_step(node, step, work->block, true, &is_done);
	case UPKEEP_FORGET:
		return replica_forget_promises(node, step, work->block);
	case UPKEEP_COUNT:
		break;
	}
	DHT_UNREACHABLE();
}

void upkeep_forget_promises(struct cluster *c)
{
	for (unsigned i = 0; i < 4 && c->failure == NULL; i++) {
		cluster_run_until(c, c->now_us + TASK_DEADLINE_MAX_US + 1000000);
		for (unsigned n = 0; n < c->members; n++) {
			for (unsigned b = 0; b < SIM_USED && c->hosts[n].is_up; b++)
				host_upkeep(&c->hosts[n], UPKEEP_FORGET, c->maps.blocks[b].number);
		}
	}
}

/* What a member would tell with a heartbeat: that it is in sync, once that is durable. */
void upkeep_report(struct host *h)
{
	struct cluster *c = h->cluster;
	for (unsigned i = 0; i < SIM_USED; i++) {
		struct maps_block *block = &c->maps.blocks[i];
		const struct node_block *own = &h->node.blocks[block->number];
		if (h->adoption == NULL && sync_is_fin(&h->node, block->number, host_mark(h)))
			maps_report(block, h->number, own->acceptor.version);
	}
}
