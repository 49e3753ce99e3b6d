/* SPDX-License-Identifier: Apache-2.0 */
#include "node/adopt.h"

#include "base/error.h"
#include "node/collect.h"
#include "node/coordinator.h"
#include "paxos/variant.h"
#include "ring/code.h"

/* ---- The start ------------------------------------------------------------------- */

/* A fin that was reported stays true. */
static bool was_fin(const struct node *node, uint32_t number)
{
	struct bytes value;
	return store_note(node->store, RECORD_FIN, number, &value) &&
	       value.len == RECORD_FIN_VERSION_SIZE &&
	       get_u32(value.data) == node->blocks[number].acceptor.version;
}

static void restore_block(struct node *node, uint32_t number, const struct ring_block *from,
			  uint64_t ceiling)
{
	struct node_block *block = &node->blocks[number];
	node_block_set(block, from, node->number);
	block->is_fin = was_fin(node, number);
	block->fin_end = 0;
	uint32_t version = PAXOS_BROKEN(NO_VERSION) ? 0 : from->version;
	block->acceptor.low = acceptor_restart_low(version, ceiling);
	/* Nobody but this node has ever coordinated in a block that it was alone with from the
	 * beginning on, and what it coordinated has ended with it. */
	bool was_alone = from->version == 0 && node_block_is_alone(block);
	if (was_alone || ceiling == 0)
		block->acceptor.low = BALLOT_ABSENT;
}

void node_restore(struct node *node, const struct ring_map *map, uint64_t ceiling)
{
	DHT_ASSERT(map->blocks == store_blocks(node->store));
	atomic_store_explicit(&node->epoch, map->epoch, memory_order_release);
	for (uint32_t i = 0; i < map->blocks; i++) {
		struct ring_block from;
		ring_map_get_block(map, i, &from);
		restore_block(node, i, &from, ceiling);
	}
}

/* ---- Adoption -------------------------------------------------------------------- */

bool node_is_adopting(const struct node *node)
{
	return node_map_end(node) == NODE_RESTS_ON_MAP;
}

static void begin(struct node *node, const struct ring_map *map)
{
	DHT_ASSERT(map->blocks == store_blocks(node->store));
	/* In this order: whoever tells of the epoch waits for the map. */
	atomic_store_explicit(&node->map_end, NODE_RESTS_ON_MAP, memory_order_release);
	atomic_store_explicit(&node->epoch, map->epoch, memory_order_release);
}

void node_adopt_begin(struct node *node, const struct ring_map *map)
{
	DHT_ASSERT(!node_is_adopting(node));
	DHT_ASSERT(map->epoch > atomic_load(&node->epoch));
	begin(node, map);
}

void node_adopt_begin_joined(struct node *node, const struct ring_map *map, uint16_t number,
			     uint64_t hash_seed)
{
	DHT_ASSERT(!node_is_adopting(node));
	node->is_joining = true;
	node->number = number;
	node->counter.member = number;
	node->hash_seed = hash_seed;
	begin(node, map);
}

static bool has_all(const struct node_block *block, const struct ring_replicas *list,
		    uint16_t seats)
{
	if (list->count != quorum_count(seats))
		return false;
	for (uint16_t i = 0; i < list->count; i++) {
		unsigned seat = node_block_seat(block, list->members[i]);
		if (seat == NODE_NO_SEAT || (seats >> seat & 1) == 0)
			return false;
	}
	return true;
}

/* A version says who the replicas are, within one cluster: a node that joins has begun as one
 * of its own. */
static bool is_same(const struct node_block *block, const struct ring_block *from)
{
	return block->acceptor.version == from->version &&
	       has_all(block, &from->old, block->quorum.old) &&
	       has_all(block, &from->next, block->quorum.next);
}

/* True if this node is the replica in the map that it was before, and not in another life. */
static bool stays(const struct node_block *block, const struct ring_block *from, uint16_t self)
{
	struct node_block next = {0};
	node_block_set(&next, from, self);
	return node_block_is_replica(&next) && node_block_is_replica(block) &&
	       next.since == block->since;
}

/* Forgets all data of the block, and what was promised about it. */
static int drop_data(struct node *node, struct node_step *step, uint64_t epoch, uint32_t number)
{
	struct node_block *block = &node->blocks[number];
	if (PAXOS_BROKEN(REJOIN_KEEPS))
		return 0;
	if (store_keys(node->store, number) + store_tombstones(node->store, number) > 0) {
		uint64_t end;
		int rc = store_drop(node->store, step->appender, number, epoch, &end);
		if (rc == DHT_EAGAIN)
			step->waits_for = NODE_WAITS_FOR_COMMIT;
		if (rc != 0)
			return rc == DHT_ECORRUPT ? DHT_EDAMAGED : rc;
		block->dropped_epoch = epoch;
	}
	promises_clear(&block->promises);
	block->acceptor.floor = block->acceptor.low = BALLOT_ABSENT;
	return 0;
}

/* Tells the tasks under way, which may take several calls. */
static int move_tasks(struct node *node, struct node_step *step, uint32_t number)
{
	struct node_block *block = &node->blocks[number];
	int rc = block->is_moving ? coordinator_move(node, step, number) : 0;
	if (rc == 0)
		block->is_moving = false;
	return rc;
}

int node_adopt_block(struct node *node, struct node_step *step, const struct ring_map *map,
		     uint32_t number)
{
	struct node_block *block = &node->blocks[number];
	struct ring_block from;
	DHT_ASSERT(node_is_adopting(node));
	ring_map_get_block(map, number, &from);
	if (!node->is_joining && is_same(block, &from)) {
		node_block_prefer(block, &from);
		return move_tasks(node, step, number);
	}
	if (node->is_joining || !stays(block, &from, node->number)) {
		int rc = drop_data(node, step, map->epoch, number);
		if (rc != 0)
			return rc;
	}
	node_block_set(block, &from, node->number);
	block->pull = (struct node_pull){0};
	block->is_fin = false;
	collect_stop(block);
	block->is_moving = true;
	return move_tasks(node, step, number);
}

int node_adopt_end(struct node *node, struct node_step *step, const struct ring_map *map)
{
	struct buffer code = BUFFER_EMPTY;
	uint64_t end;
	DHT_ASSERT(node_is_adopting(node) && map->epoch == atomic_load(&node->epoch));
	int rc = ring_map_encode(map, NULL, &code);
	if (rc == 0)
		rc = store_put_note(node->store, step->appender, RECORD_MAP, 0, map->epoch,
				    bytes_of(buffer_head(&code), code.len), &end);
	buffer_reset(&code);
	if (rc == DHT_EAGAIN)
		step->waits_for = NODE_WAITS_FOR_COMMIT;
	if (rc != 0)
		return rc;
	node->is_joining = false;
	atomic_store_explicit(&node->map_end, end, memory_order_release);
	return 0;
}
