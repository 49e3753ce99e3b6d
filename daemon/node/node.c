/* SPDX-License-Identifier: Apache-2.0 */
#include "node/node.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "node/change.h"
#include "ring/slot.h"

int node_init(struct node *node, struct store *store, uint32_t member, uint64_t hash_seed,
	      uint64_t ceiling)
{
	*node = (struct node){.store = store, .hash_seed = hash_seed};
	counter_init(&node->counter, ceiling, member);
	node->blocks = calloc(store_blocks(store), sizeof(*node->blocks));
	return node->blocks != NULL ? 0 : DHT_ENOMEM;
}

void node_fini(struct node *node)
{
	free(node->blocks);
	node->blocks = NULL;
}

struct store_key node_locate(struct bytes key, uint64_t hash_seed, uint32_t blocks)
{
	return (struct store_key){
	    .key = key,
	    .hash = hash_bytes_seeded(key.data, key.len, hash_seed),
	    .block = ring_block_of_slot(ring_slot_of_key(key), blocks),
	};
}

struct store_key node_key(const struct node *node, struct bytes key)
{
	return node_locate(key, node->hash_seed, store_blocks(node->store));
}

/* What a round starts from when no record is there (the register protocol, section
 * 3, PREPARE round): a tombstone whose history may have been erased up to floor. */
static struct record absent_base(const struct node_block *block)
{
	return (struct record){
	    .kind = RECORD_TOMBSTONE,
	    .ver = block->floor,
	    .pver = block->floor,
	};
}

/* A tombstone that all replicas hold as a vote is erased (section 4). There is one
 * replica, and it holds it. Where there is no room for the erasure the tombstone stays
 * until the key is met again. */
static void erase_tombstone(struct node *node, unsigned appender, const struct store_key *key,
			    uint64_t *end)
{
	struct store_hit hit;
	enum store_found found = store_find(node->store, key, NULL, &hit);
	DHT_ASSERT(found == STORE_FOUND && hit.record.kind == RECORD_TOMBSTONE);
	struct node_block *block = &node->blocks[key->block];
	struct ballot floor = ballot_max(block->floor, ballot_top(hit.record.acc));
	if (store_erase(node->store, appender, key, &hit, floor, end) == 0)
		block->floor = floor;
}

void node_run(struct node *node, unsigned appender, const struct op *op, struct op_result *result)
{
	struct store_hit hit;
	struct node_block *block = &node->blocks[op->key.block];
	enum store_found found = store_find(node->store, &op->key, NULL, &hit);
	DHT_ASSERT(found != STORE_COLD);
	struct record base = found == STORE_FOUND ? hit.record : absent_base(block);
	struct change change;
	change_apply(op, &base, &change, result);
	if (op->kind == OP_GET && result->status == 0)
		result->location = hit.location;
	if (!change.changes) {
		result->end = store_rests_on(node->store, op->key.block, &hit);
		if (found == STORE_FOUND && base.kind == RECORD_TOMBSTONE)
			erase_tombstone(node, appender, &op->key, &result->end);
		return;
	}

	struct ballot drawn;
	int rc = counter_draw(&node->counter, block->version, &drawn);
	if (rc != 0) {
		result->status = rc;
		return;
	}
	struct record record = {
	    .kind = change.kind,
	    .acc = drawn,
	    .ver = drawn,
	    .pver = base.ver,
	    .expires_ms = change.expires_ms,
	    .key = op->key.key,
	    .value = change.value,
	};
	rc = store_put(node->store, appender, &op->key, &hit, &record, &result->end);
	if (rc != 0) {
		result->status = rc;
		return;
	}
	result->version = drawn;
	result->expires_ms = change.expires_ms;
	if (change.kind == RECORD_TOMBSTONE)
		erase_tombstone(node, appender, &op->key, &result->end);
}
