/* SPDX-License-Identifier: Apache-2.0 */
#include "node/collect.h"

#include <stdlib.h>

#include "base/error.h"
#include "node/adopt.h"
#include "node/coordinator.h"
#include "node/replica.h"
#include "paxos/variant.h"

enum {
	WALK_ENTRIES = 48,   /* that a step of the walk looks at, about */
	WALK_KEYS = 64,      /* of which it takes on so many; others of the last hash wait */
	IDENTITIES_MAX = 16, /* rounds that a step begins; others wait for the next walk */
	TIMEOUT_ROUNDS = 8,  /* after which a collection is given up, in times of a round */
};

struct collection {
	uint64_t tag;
	uint64_t begun_us;
	uint64_t hash;
	struct bytes key; /* own memory */
	struct ballot t;
	uint16_t held; /* seats that hold it */
	uint16_t told; /* seats that were behind, and were told */
};

/* ---- The table ------------------------------------------------------------------- */

static void remove_collection(struct node_block *block, struct collection *collection)
{
	free((void *)(uintptr_t)collection->key.data);
	*collection = block->collections[--block->collection_count];
	if (block->collection_count > 0)
		return;
	free(block->collections);
	block->collections = NULL;
}

void collect_stop(struct node_block *block)
{
	while (block->collection_count > 0)
		remove_collection(block, &block->collections[0]);
	block->collect_hash = 0;
}

static struct collection *find_key(struct node_block *block, const struct store_key *key)
{
	for (uint32_t i = 0; i < block->collection_count; i++) {
		struct collection *collection = &block->collections[i];
		if (collection->hash == key->hash && bytes_equal(collection->key, key->key))
			return collection;
	}
	return NULL;
}

static void remove_late(const struct node *node, const struct node_step *step,
			struct node_block *block)
{
	uint64_t bound = TIMEOUT_ROUNDS * node->times.round_us;
	for (uint32_t i = block->collection_count; i-- > 0;) {
		if (step->now_us >= block->collections[i].begun_us + bound)
			remove_collection(block, &block->collections[i]);
	}
}

/* NULL: there is no room. */
static struct collection *add_collection(struct node *node, const struct node_step *step,
					 const struct entry *entry)
{
	struct node_block *block = entry->block;
	if (block->collection_count == COLLECT_MAX)
		remove_late(node, step, block);
	if (block->collection_count == COLLECT_MAX)
		return NULL;
	if (block->collections == NULL)
		block->collections = calloc(COLLECT_MAX, sizeof(*block->collections));
	uint8_t *key = malloc(entry->key.key.len + 1);
	if (block->collections == NULL || key == NULL) {
		free(key);
		return NULL;
	}
	if (entry->key.key.len > 0)
		memcpy(key, entry->key.key.data, entry->key.key.len);
	struct collection *collection = &block->collections[block->collection_count++];
	*collection = (struct collection){
	    .tag = node_tag(node),
	    .begun_us = step->now_us,
	    .hash = entry->key.hash,
	    .key = bytes_of(key, entry->key.key.len),
	    .t = entry->acceptor.record.acc,
	    .held = (uint16_t)(1u << block->self),
	};
	return collection;
}

/* ---- One key --------------------------------------------------------------------- */

static void send(struct node *node, struct node_step *step, const struct entry *entry,
		 uint16_t seats, struct message *m, uint64_t rests_on)
{
	uint16_t to[QUORUM_SEATS];
	unsigned count = node_block_others(entry->block, seats, to);
	m->from = node->number;
	m->block = entry->key.block;
	m->version = entry->block->acceptor.version;
	m->key = entry->key.key;
	if (count > 0)
		step->effects->send(step->effects->ctx, to, count, m, rests_on);
}

static void ask_holds(struct node *node, struct node_step *step, const struct entry *entry,
		      uint16_t seats, uint64_t tag)
{
	struct message m = {.kind = MESSAGE_HOLDS, .tag = tag, .b = entry->acceptor.record.acc};
	send(node, step, entry, seats, &m, entry_rests_on(node, entry));
}

static bool is_held_by_all(const struct node_block *block, uint16_t held)
{
	uint16_t all = block->quorum.old;
	if (PAXOS_BROKEN(ERASE_MAJORITY))
		return quorum_is_majority(all, held);
	return (held & all) == all;
}

/* All replicas hold the entry's tombstone. The others must not erase it before it is durable
 * here. The key may lie in its record, so it is told first. */
static int erase(struct node *node, struct node_step *step, struct entry *entry)
{
	struct message m = {.kind = MESSAGE_ERASE, .b = entry->acceptor.record.acc};
	send(node, step, entry, quorum_all(&entry->block->quorum), &m, entry_rests_on(node, entry));
	return replica_erase(node, step, entry, m.b);
}

/* Only while the block is in no transition. */
static bool may_collect(const struct node_block *block)
{
	bool is_stable = block->phase == RING_STABLE ||
			 (block->phase == RING_JOINT && PAXOS_BROKEN(ERASE_JOINT));
	return node_block_is_replica(block) && is_stable;
}

/* While a replica is dead its tombstones stay: it need not be asked. */
static bool is_any_down(const struct node *node, const struct node_block *block)
{
	uint16_t others[QUORUM_SEATS];
	unsigned count = node_block_others(block, quorum_all(&block->quorum), others);
	for (unsigned i = 0; i < count; i++) {
		if (node_is_down(node, others[i]))
			return true;
	}
	return false;
}

/* True if the entry is a tombstone that this node may ask about. */
static bool is_collectable(const struct entry *entry)
{
	const struct paxos_record *record = &entry->acceptor.record;
	return paxos_record_is_there(record) && record->is_tombstone &&
	       (acceptor_is_vote(&entry->block->acceptor, record) || PAXOS_BROKEN(ERASE_OLD));
}

/* Begins with the entry, which is collectable. False: there is no room for another one. */
static bool begin(struct node *node, struct node_step *step, struct entry *entry, int *rc)
{
	struct node_block *block = entry->block;
	struct collection *collection = find_key(block, &entry->key);
	*rc = 0;
	if (collection != NULL && ballot_equal(collection->t, entry->acceptor.record.acc) &&
	    step->now_us < collection->begun_us + TIMEOUT_ROUNDS * node->times.round_us)
		return true;
	if (collection != NULL)
		remove_collection(block, collection);
	if (is_held_by_all(block, (uint16_t)(1u << block->self))) {
		/* No answer shows that the map is durable which says so (node/local.c). */
		if (!node_is_adopting(node))
			*rc = erase(node, step, entry);
		return true;
	}
	collection = add_collection(node, step, entry);
	if (collection == NULL)
		return false;
	ask_holds(node, step, entry, quorum_all(&block->quorum), collection->tag);
	return true;
}

int collect_key(struct node *node, struct node_step *step, const struct store_key *key)
{
	struct entry entry;
	const struct node_block *block = &node->blocks[key->block];
	if (!may_collect(block) || is_any_down(node, block))
		return 0;
	int rc = entry_load(node, step, key, &entry);
	if (rc == 0 && is_collectable(&entry))
		begin(node, step, &entry, &rc);
	/* Whatever there is no room for is met by a walk. */
	return rc == DHT_EDAMAGED ? rc : 0;
}

/* ---- Answers --------------------------------------------------------------------- */

static struct collection *find_tag(struct node_block *block, uint64_t tag)
{
	for (uint32_t i = 0; i < block->collection_count; i++) {
		if (block->collections[i].tag == tag)
			return &block->collections[i];
	}
	return NULL;
}

/* The seat does not hold the tombstone: it is told, and asked again, once. */
static void tell_behind(struct node *node, struct node_step *step, const struct entry *entry,
			struct collection *collection, uint16_t bit)
{
	struct message m = {.kind = MESSAGE_LEARN, .record = entry->acceptor.record};
	if ((collection->told & bit) != 0)
		return;
	collection->told |= bit;
	send(node, step, entry, bit, &m, entry_rests_on(node, entry));
	ask_holds(node, step, entry, bit, collection->tag);
}

int collect_handle(struct node *node, struct node_step *step, const struct store_key *key,
		   const struct message *m)
{
	struct node_block *block = &node->blocks[key->block];
	struct collection *collection = find_tag(block, m->tag);
	unsigned seat = node_block_seat(block, m->from);
	struct entry entry;
	if (collection == NULL || seat == NODE_NO_SEAT || !may_collect(block) ||
	    !bytes_equal(collection->key, key->key))
		return 0;
	int rc = entry_load(node, step, key, &entry);
	if (rc != 0)
		return rc;
	bool is_own =
	    is_collectable(&entry) && ballot_equal(entry.acceptor.record.acc, collection->t);
	if (!is_own || m->holding == ACCEPTOR_GONE) {
		remove_collection(block, collection);
		return 0;
	}
	uint16_t bit = (uint16_t)(1u << seat);
	if (m->holding == ACCEPTOR_BEHIND)
		tell_behind(node, step, &entry, collection, bit);
	else
		collection->held |= bit;
	if (!is_held_by_all(block, collection->held))
		return 0;
	rc = erase(node, step, &entry);
	if (rc == DHT_EAGAIN)
		return rc;
	remove_collection(block, collection);
	return 0;
}

/* ---- The walk -------------------------------------------------------------------- */

struct walk {
	struct bytes keys[WALK_KEYS];
	unsigned count;
	bool is_damaged;
	uint64_t cold;
};

static void meet(void *ctx, uint32_t block, enum store_found found, const struct store_hit *hit)
{
	struct walk *walk = ctx;
	(void)block;
	if (found == STORE_DAMAGED)
		walk->is_damaged = true;
	if (found == STORE_COLD && walk->cold == 0)
		walk->cold = hit->location;
	if (found != STORE_FOUND)
		return;
	if (walk->count < WALK_KEYS)
		walk->keys[walk->count++] = hit->record.key;
}

/* Takes on one that the walk has met. False: no room for more. */
static bool take_on(struct node *node, struct node_step *step, const struct store_key *key,
		    unsigned *identities, int *rc)
{
	struct entry entry;
	*rc = entry_load(node, step, key, &entry);
	if (*rc == DHT_EAGAIN) {
		*rc = 0; /* another key of the same hash is cold */
		return true;
	}
	if (*rc != 0 || !paxos_record_is_there(&entry.acceptor.record) ||
	    !entry.acceptor.record.is_tombstone)
		return *rc == 0;
	if (is_collectable(&entry))
		return begin(node, step, &entry, rc) && *rc == 0;
	if ((*identities)++ >= IDENTITIES_MAX)
		return true;
	*rc = coordinator_identity(node, step, key);
	return *rc == 0;
}

/* Each key lies in its own record. */
static int take_on_all(struct node *node, struct node_step *step, uint32_t number,
		       const struct walk *walk, bool *took_all)
{
	unsigned identities = 0;
	int rc = 0;
	*took_all = true;
	for (unsigned i = 0; i < walk->count; i++) {
		struct store_key key = node_key(node, walk->keys[i]);
		DHT_ASSERT(key.block == number);
		if (!take_on(node, step, &key, &identities, &rc)) {
			*took_all = false;
			break;
		}
	}
	return rc;
}

int collect_step(struct node *node, struct node_step *step, uint32_t number, bool reads_cold,
		 bool *is_done)
{
	struct node_block *block = &node->blocks[number];
	struct walk walk = {.count = 0};
	bool took_all = true;
	*is_done = true;
	remove_late(node, step, block);
	if (!may_collect(block) || is_any_down(node, block))
		return 0;
	uint32_t next = store_scan_tombstones(node->store, number, block->collect_hash,
					      WALK_ENTRIES, step->fetched, meet, &walk);
	if (walk.is_damaged)
		return DHT_EDAMAGED;
	if (reads_cold && walk.cold != 0) {
		step->waits_for = NODE_WAITS_FOR_RECORD;
		step->cold = walk.cold;
		return DHT_EAGAIN;
	}
	int rc = take_on_all(node, step, number, &walk, &took_all);
	if (rc != 0)
		return rc == DHT_ENOSPC || rc == DHT_ENOMEM ? 0 : rc;
	if (took_all)
		block->collect_hash = next < STORE_HASH_END ? next : 0;
	*is_done = took_all && next == STORE_HASH_END;
	return 0;
}
