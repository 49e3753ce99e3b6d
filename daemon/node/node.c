/* SPDX-License-Identifier: Apache-2.0 */
#include "node/node.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "node/collect.h"
#include "node/coordinator.h"
#include "node/forward.h"
#include "ring/slot.h"

enum { TAG_START_SHIFT = 40 }; /* a trillion tags a start, 16 million starts */

/* Until it is known what peers need: two syncs of a slow disk, and a way there and back. */
enum { ROUND_AT_FIRST_US = 50000, BACK_OFF_AT_FIRST_US = 2000 };

/* A cluster of one. */
static const struct ring_block founded = {.phase = RING_STABLE, .old = {.count = 1}};

int node_init(struct node *node, struct store *store, uint16_t member, uint64_t hash_seed,
	      uint64_t ceiling, uint32_t starts)
{
	struct ring_block alone = founded;
	alone.old.members[0] = member;
	*node = (struct node){.store = store, .hash_seed = hash_seed, .number = member};
	atomic_init(&node->times.round_us, ROUND_AT_FIRST_US);
	atomic_init(&node->times.back_off_us, BACK_OFF_AT_FIRST_US);
	atomic_init(&node->tags, (uint64_t)starts << TAG_START_SHIFT);
	counter_init(&node->counter, ceiling, member);
	node->blocks = calloc(store_blocks(store), sizeof(*node->blocks));
	if (node->blocks == NULL)
		return DHT_ENOMEM;
	for (uint32_t i = 0; i < store_blocks(store); i++)
		node_block_set(&node->blocks[i], &alone, member);
	return 0;
}

void node_fini(struct node *node)
{
	if (node->blocks == NULL)
		return;
	for (uint32_t i = 0; i < store_blocks(node->store); i++) {
		coordinator_fini(node, i);
		forward_fini(node, i);
		promises_clear(&node->blocks[i].promises);
		collect_stop(&node->blocks[i]);
	}
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

uint64_t node_tag(struct node *node)
{
	return atomic_fetch_add_explicit(&node->tags, 1, memory_order_relaxed) + 1;
}

int node_see(struct node *node, struct node_step *step, struct ballot b)
{
	int rc = counter_raise(&node->counter, b);
	if (rc == DHT_EAGAIN)
		step->waits_for = NODE_WAITS_FOR_COMMIT;
	return rc;
}

/* ---- Who answers --------------------------------------------------------------------- */

static void set_hint(_Atomic uint64_t *hints, uint16_t member, bool is_set)
{
	DHT_ASSERT(member < RING_MEMBERS_MAX);
	uint64_t bit = 1ull << member % 64;
	if (is_set)
		atomic_fetch_or_explicit(&hints[member / 64], bit, memory_order_relaxed);
	else
		atomic_fetch_and_explicit(&hints[member / 64], ~bit, memory_order_relaxed);
}

static bool has_hint(const _Atomic uint64_t *hints, uint16_t member)
{
	DHT_ASSERT(member < RING_MEMBERS_MAX);
	uint64_t word = atomic_load_explicit(&hints[member / 64], memory_order_relaxed);
	return (word >> member % 64 & 1) != 0;
}

void node_set_down(struct node *node, uint16_t member, bool is_down)
{
	set_hint(node->down, member, is_down);
}

bool node_is_down(const struct node *node, uint16_t member)
{
	return has_hint(node->down, member);
}

void node_set_slow(struct node *node, uint16_t member, bool is_slow)
{
	set_hint(node->slow, member, is_slow);
}

bool node_is_slow(const struct node *node, uint16_t member)
{
	return has_hint(node->slow, member);
}
