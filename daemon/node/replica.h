/* SPDX-License-Identifier: Apache-2.0
 *
 * node/replica - this node's seat in a block: what it answers about a key.
 *
 * Why     The acceptor of the register protocol (section 2) over the store. A coordinator asks
 *         its own seat by a call, and those of others by a message: what is asked is the same.
 * Owns    Nothing.
 * Thread  under the lock of the block's group, all within one step.
 *
 * The calls for the own seat take an entry that was loaded in this step (node/entry.h), of a
 * block of which this node is a replica, and leave it as it is in the store then: its record's
 * value lies there. What follows from them rests on entry_rests_on.
 */
#ifndef DHT_NODE_REPLICA_H
#define DHT_NODE_REPLICA_H

#include "node/entry.h"

/* PREPARE(k, b). If the answer is ok it goes with entry->acceptor.record. */
struct acceptor_answer replica_prepare(struct node *node, struct entry *entry, struct ballot b);

/* ACCEPT(k, b, record, next), where record->acc is b. A record that finds no room (the disk is
 * full, or memory) is refused with an absent bound. DHT_EAGAIN. */
int replica_accept(struct node *node, struct node_step *step, struct entry *entry,
		   const struct paxos_record *record, struct ballot next,
		   struct acceptor_answer *answer) DHT_MUST_CHECK;

/* LEARN(k, record). DHT_EAGAIN, DHT_ENOSPC, DHT_ENOMEM: nothing was done. */
int replica_learn(struct node *node, struct node_step *step, struct entry *entry,
		  const struct paxos_record *record, enum acceptor_learnt *learnt) DHT_MUST_CHECK;

/* ERASE(k, t); errors as of replica_learn. */
int replica_erase(struct node *node, struct node_step *step, struct entry *entry,
		  struct ballot t) DHT_MUST_CHECK;

/* A record of a sync (section 6); errors as of replica_learn. *stored tells whether it was
 * newer. */
int replica_copy(struct node *node, struct node_step *step, struct entry *entry,
		 const struct paxos_record *record, bool *stored) DHT_MUST_CHECK;

/* Puts the entry's record into a message; without its value if its acc is `named`. */
void replica_tell_record(const struct entry *entry, struct ballot named, struct message *m);

/* A message to a replica about the key: PREPARE, ACCEPT, READ, LEARN, HOLDS or ERASE, which
 * node_handle has checked. */
int replica_handle(struct node *node, struct node_step *step, const struct store_key *key,
		   const struct message *message) DHT_MUST_CHECK;

/* Drops promises of keys without a record that were made more than the longest deadline ago
 * (section 4): to be called now and then. A key whose record is cold is left for later. */
int replica_forget_promises(struct node *node, struct node_step *step,
			    uint32_t block) DHT_MUST_CHECK;

#endif
