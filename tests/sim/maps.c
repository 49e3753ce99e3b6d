/* SPDX-License-Identifier: Apache-2.0 */
#include "maps.h"

#include <stdio.h>
#include <string.h>

#include "ring/phase.h"

static struct ring_replicas list_of(uint16_t members)
{
	struct ring_replicas list = {0};
	for (; members != 0; members &= (uint16_t)(members - 1))
		list.members[list.count++] = (uint16_t)__builtin_ctz(members);
	return list;
}

static void add_members(struct ring_map *map)
{
	for (uint16_t i = 0; i < SIM_HOSTS; i++) {
		char name[] = "member-xx", zone[] = "zone", host[] = "127.0.0.1";
		struct ring_address address = {.host = host, .port = (uint16_t)(7000 + i)};
		struct ring_member member = {
		    .number = i,
		    .name = name,
		    .zone = zone,
		    .weight = 1,
		    .clients = &address,
		    .peers = &address,
		    .client_count = 1,
		    .peer_count = 1,
		};
		snprintf(name, sizeof(name), "member-%02x", i);
		snprintf(member.id, sizeof(member.id), "%032x", i + 1u);
		int rc = ring_map_add_member(map, &member);
		DHT_ASSERT(rc == 0);
	}
}

void maps_init(struct maps *maps, const uint32_t blocks[SIM_USED], uint16_t replicas)
{
	struct ring_map *map;
	struct ring_replicas list = list_of(replicas);
	*maps = (struct maps){.epoch = 1};
	int rc = ring_map_create(SIM_BLOCKS, 1, &map);
	DHT_ASSERT(rc == 0);
	memset(map->lineage, 0x5a, sizeof(map->lineage));
	map->replicas = 3;
	map->voters = (struct ring_voters){.count = 1};
	add_members(map);
	for (uint32_t block = 0; block < SIM_BLOCKS; block++) {
		rc = ring_map_set_replicas(map, block, &list);
		DHT_ASSERT(rc == 0);
	}
	maps->of[1] = map;
	for (unsigned i = 0; i < SIM_USED; i++) {
		maps->blocks[i].number = blocks[i];
		maps->blocks[i].versions[0] =
		    (struct maps_version){.replicas = {.old = replicas}, .epoch = 1};
	}
}

void maps_fini(struct maps *maps)
{
	for (unsigned epoch = 0; epoch < SIM_EPOCHS; epoch++)
		ring_map_destroy(maps->of[epoch]);
}

uint16_t maps_replicas(const struct maps *maps)
{
	uint16_t all = 0;
	for (unsigned i = 0; i < SIM_USED; i++)
		all |= quorum_all(&maps_latest(&maps->blocks[i])->replicas);
	return all;
}

struct maps_block *maps_find(struct maps *maps, uint32_t number)
{
	for (unsigned i = 0; i < SIM_USED; i++) {
		if (maps->blocks[i].number == number)
			return &maps->blocks[i];
	}
	return NULL;
}

bool maps_may_change(const struct maps *maps, const struct maps_block *block)
{
	return maps->epoch + 5 < SIM_EPOCHS && block->version + 3 < MAPS_VERSIONS;
}

void maps_begin(struct maps *maps)
{
	DHT_ASSERT(maps->epoch + 1 < SIM_EPOCHS);
	int rc = ring_map_copy(maps->of[maps->epoch], maps->epoch + 1, &maps->of[maps->epoch + 1]);
	DHT_ASSERT(rc == 0);
}

void maps_decide(struct maps *maps)
{
	DHT_ASSERT(maps->of[maps->epoch + 1] != NULL);
	maps->epoch++;
}

void maps_discard(struct maps *maps)
{
	ring_map_destroy(maps->of[maps->epoch + 1]);
	maps->of[maps->epoch + 1] = NULL;
}

static struct ring_map *being_made(struct maps *maps)
{
	return maps->of[maps->epoch + 1];
}

static uint16_t members_of(const struct ring_replicas *list)
{
	uint16_t members = 0;
	for (unsigned i = 0; i < list->count; i++)
		members |= (uint16_t)(1u << list->members[i]);
	return members;
}

/* Notes what a phase of ring/phase has made of the block. */
static void note(struct maps *maps, struct maps_block *block, int rc)
{
	struct ring_block now;
	DHT_ASSERT(rc == 0);
	ring_map_get_block(being_made(maps), block->number, &now);
	DHT_ASSERT(now.version == block->version + 1);
	block->version = now.version;
	block->finished = 0;
	block->versions[now.version] = (struct maps_version){
	    .replicas = {.old = members_of(&now.old), .next = members_of(&now.next)},
	    .is_recovering = now.phase == RING_RECOVER,
	    .start = now.start,
	    .epoch = maps->epoch + 1,
	};
}

void maps_join(struct maps *maps, struct maps_block *block, uint16_t next)
{
	struct ring_replicas list = list_of(next);
	note(maps, block, ring_phase_begin(being_made(maps), block->number, &list));
}

void maps_finish(struct maps *maps, struct maps_block *block)
{
	note(maps, block, ring_phase_finish(being_made(maps), block->number));
}

void maps_cancel(struct maps *maps, struct maps_block *block)
{
	note(maps, block, ring_phase_cancel(being_made(maps), block->number));
}

void maps_recover(struct maps *maps, struct maps_block *block, uint16_t survivors)
{
	struct ring_replicas list = list_of(survivors);
	note(maps, block, ring_phase_recover(being_made(maps), block->number, &list));
}

void maps_recovered(struct maps *maps, struct maps_block *block)
{
	note(maps, block, ring_phase_recovered(being_made(maps), block->number));
}

bool maps_is_recovered(const struct maps_block *block)
{
	const struct maps_version *latest = maps_latest(block);
	return latest->is_recovering && (latest->replicas.old & ~block->finished) == 0;
}

void maps_report(struct maps_block *block, unsigned member, uint32_t version)
{
	if (version == block->version)
		block->finished |= (uint16_t)(1u << member);
}

bool maps_may_finish(const struct maps_block *block)
{
	const struct quorum *replicas = &maps_latest(block)->replicas;
	if (!quorum_is_joint(replicas))
		return false;
	if (PAXOS_BROKEN(FINISH_ONE))
		return (block->finished & replicas->next) != 0;
	return quorum_is_majority(replicas->next, block->finished);
}
