/* SPDX-License-Identifier: Apache-2.0 */
#include "node/entry.h"

#include "base/error.h"
#include "paxos/variant.h"

struct record entry_record(const struct paxos_record *from, struct bytes key)
{
	return (struct record){
	    .kind = from->is_tombstone ? RECORD_TOMBSTONE : RECORD_VALUE,
	    .copy = from->is_copy,
	    .acc = from->acc,
	    .ver = from->ver,
	    .pver = from->pver,
	    .expires_ms = from->expires_ms,
	    .key = key,
	    .value = from->value,
	};
}

struct paxos_record entry_paxos_record(const struct record *from)
{
	return (struct paxos_record){
	    .acc = from->acc,
	    .ver = from->ver,
	    .pver = from->pver,
	    .is_tombstone = from->kind == RECORD_TOMBSTONE,
	    .is_copy = from->copy,
	    .expires_ms = from->expires_ms,
	    .value = from->value,
	};
}

/* What was promised of a key whose record is there: that of the record, of its successor, or
 * what the side table says. One that has been lost to `low` counts as the record's. */
static struct ballot promised_of(const struct entry *entry, struct ballot noted)
{
	struct ballot acc = entry->hit.record.acc;
	if (PAXOS_BROKEN(COPY_LOW) && entry->hit.record.copy)
		return noted;
	if (entry->hit.promised)
		acc = ballot_successor(acc);
	return ballot_max(acc, noted);
}

int entry_load(struct node *node, struct node_step *step, const struct store_key *key,
	       struct entry *entry)
{
	*entry = (struct entry){.block = &node->blocks[key->block], .key = *key};
	struct ballot noted = promises_find(&entry->block->promises, key->key, key->hash);
	struct acceptor_key *acceptor = &entry->acceptor;
	switch (store_find(node->store, key, step->fetched, &entry->hit)) {
	case STORE_ABSENT:
		acceptor->has_entry = !ballot_is_absent(noted);
		acceptor->promised = noted;
		return 0;
	case STORE_FOUND:
		acceptor->has_entry = true;
		/* A hot key was decided in this version: after a change of the map it is hot no
		 * more, and nobody has to look for those that were. */
		acceptor->hot = entry->hit.hot &&
				entry->hit.record.acc.version == entry->block->acceptor.version;
		acceptor->promised = promised_of(entry, noted);
		acceptor->record = entry_paxos_record(&entry->hit.record);
		return 0;
	case STORE_COLD:
		step->waits_for = NODE_WAITS_FOR_RECORD;
		step->cold = entry->hit.location;
		return DHT_EAGAIN;
	case STORE_DAMAGED:
		return DHT_EDAMAGED;
	}
	DHT_UNREACHABLE();
}

/* Notes a promise beside the index. Where it finds no room, `low` stands for it and for all
 * that were noted: nobody who was promised less is believed any more. */
static void note_promise(struct entry *entry)
{
	struct node_block *block = entry->block;
	struct ballot promised = entry->acceptor.promised;
	if (promises_set(&block->promises, entry->key.key, entry->key.hash, promised) == 0)
		return;
	struct ballot highest = ballot_max(promises_highest(&block->promises), promised);
	block->acceptor.low = ballot_max(block->acceptor.low, ballot_top(highest));
	promises_clear(&block->promises);
}

static void forget_promise(struct entry *entry)
{
	if (entry->block->promises.count > 0)
		promises_remove(&entry->block->promises, entry->key.key, entry->key.hash);
}

/* True if a promise has to be remembered beside a record that implies another one. One of before
 * the latest joint phase refuses nothing any more: ballots are of the version there is now, LEARN
 * refuses older records by itself, and a vote that is erased is above it. */
static bool counts(const struct entry *entry, struct ballot implied)
{
	struct ballot promised = entry->acceptor.promised;
	if (entry->hit.location != 0 && promised.version < entry->block->acceptor.start)
		return false;
	return entry->acceptor.has_entry && ballot_compare(promised, implied) > 0;
}

void entry_save_promise(struct node *node, struct entry *entry)
{
	const struct acceptor_key *acceptor = &entry->acceptor;
	bool is_successor = false;
	struct ballot implied = entry->block->acceptor.low;
	if (entry->hit.location != 0) {
		struct ballot acc = entry->hit.record.acc;
		is_successor = ballot_equal(acceptor->promised, ballot_successor(acc));
		implied = ballot_max(implied, is_successor ? acceptor->promised : acc);
		if (entry->hit.promised != is_successor || entry->hit.hot != acceptor->hot)
			store_set_flags(node->store, &entry->key, &entry->hit, is_successor,
					acceptor->hot);
	}
	if (counts(entry, implied))
		note_promise(entry);
	else
		forget_promise(entry);
}

/* Between the DROP of a block and the MAP that lets it count, nothing is appended to the block. */
static bool waits_for_drop(const struct node *node, const struct node_block *block)
{
	return node_map_end(node) == NODE_RESTS_ON_MAP && block->dropped_epoch != 0 &&
	       block->dropped_epoch == atomic_load_explicit(&node->epoch, memory_order_relaxed);
}

static int append(struct node *node, struct node_step *step, struct entry *entry,
		  enum acceptor_effect effect)
{
	uint64_t end;
	int rc = 0;
	if (effect != ACCEPTOR_NOTHING && waits_for_drop(node, entry->block)) {
		step->waits_for = NODE_WAITS_FOR_MAP;
		return DHT_EAGAIN;
	}
	switch (effect) {
	case ACCEPTOR_NOTHING:
		return 0;
	case ACCEPTOR_STORE: {
		struct record record = entry_record(&entry->acceptor.record, entry->key.key);
		rc =
		    store_put(node->store, step->appender, &entry->key, &entry->hit, &record, &end);
		break;
	}
	case ACCEPTOR_DROP:
		if (entry->hit.location != 0)
			rc = store_erase(node->store, step->appender, &entry->key, &entry->hit,
					 &end);
		break;
	}
	if (rc == DHT_EAGAIN)
		step->waits_for = NODE_WAITS_FOR_COMMIT;
	return rc;
}

int entry_save(struct node *node, struct node_step *step, struct entry *entry,
	       enum acceptor_effect effect)
{
	/* The key may lie in a record that is dropped. */
	uint64_t dropped = effect == ACCEPTOR_DROP ? entry->hit.location : 0;
	if (dropped != 0)
		store_pin(node->store, dropped);
	int rc = append(node, step, entry, effect);
	if (rc == 0)
		entry_save_promise(node, entry);
	if (dropped != 0)
		store_unpin(node->store, dropped);
	return rc;
}

uint64_t entry_rests_on(const struct node *node, const struct entry *entry)
{
	uint64_t end = store_rests_on(node->store, entry->key.block, &entry->hit);
	uint64_t map_end = node_map_end(node);
	return end > map_end ? end : map_end;
}
