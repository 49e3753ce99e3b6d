/* SPDX-License-Identifier: Apache-2.0
 *
 * node/entry - the acceptor's state of a key, out of the store and back into it.
 *
 * Why     A promise is mostly one bit of an index entry, seldom a line of the side table, and
 *         after a restart it is the record's ballot (the register protocol, section 1): the
 *         acceptor (paxos/acceptor.h) knows nothing of this.
 * Owns    Nothing. Values of a loaded record lie in the store, or in what was fetched, until
 *         the lock of the group is given back or the record is replaced.
 * Thread  under the lock of the block's group, all within one step.
 */
#ifndef DHT_NODE_ENTRY_H
#define DHT_NODE_ENTRY_H

#include "node/effects.h"
#include "node/node.h"

struct entry {
	struct node_block *block;
	struct store_key key;
	struct store_hit hit;
	struct acceptor_key acceptor;
};

/* Loads the state of key. DHT_EAGAIN: its record is cold, as step tells; DHT_EDAMAGED. */
int entry_load(struct node *node, struct node_step *step, const struct store_key *key,
	       struct entry *entry) DHT_MUST_CHECK;

/* Writes down what an acceptor's step did: stores the record (ACCEPTOR_STORE), or drops the
 * entry (ACCEPTOR_DROP), then the promise and hot. DHT_EAGAIN, DHT_ENOSPC, DHT_ENOMEM: nothing
 * was written, and the entry is to be loaded again; a promise that has no room raises the
 * block's low instead of failing. */
int entry_save(struct node *node, struct node_step *step, struct entry *entry,
	       enum acceptor_effect effect) DHT_MUST_CHECK;

/* Writes down promise and hot alone. */
void entry_save_promise(struct node *node, struct entry *entry);

/* The position that has to be durable before anything is told that rests on the entry, the
 * block's version included. */
uint64_t entry_rests_on(const struct node *node, const struct entry *entry);

/* The record as the store keeps it, and back. */
struct record entry_record(const struct paxos_record *from, struct bytes key);
struct paxos_record entry_paxos_record(const struct record *from);

#endif
