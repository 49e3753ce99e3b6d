/* SPDX-License-Identifier: Apache-2.0
 *
 * node/node - a member of the cluster: its replicas of blocks, and the operations that it
 * coordinates.
 *
 * Why     The register protocol as one object that is told events (an operation, a message, an
 *         alarm, a map) and tells effects (node/effects.h). Sockets, clocks and threads are
 *         its caller's, so that the simulator runs exactly this.
 * Owns    The per-block state of the protocol; the store is the caller's.
 * Thread  Every call that names a block, a key, a task or a message is made under the lock of
 *         the block's group. Pure: no lock, clock, socket or thread in here.
 * Errors  DHT_EAGAIN: nothing was done; the step says what to wait for before the same call is
 *         repeated. A message may be dropped instead. DHT_EDAMAGED: the disk lied, the node
 *         must stop.
 *
 * The parts: block.h (a block's state), entry.h (a key's state), handle.c (messages), replica.h
 * (answers), active.h and coordinator.h (asks), forward.h (lets others ask), adopt.h (maps),
 * sync.h, repair.h, collect.h (what nobody asked for), range.h (parts of a block); local.h (a block
 * with one replica, which needs no message).
 */
#ifndef DHT_NODE_NODE_H
#define DHT_NODE_NODE_H

#include "node/block.h"
#include "node/effects.h"
#include "node/task.h"
#include "paxos/counter.h"

/* What a round and an operation may take; set by the caller as it learns what peers need, from
 * any thread. */
struct node_times {
	_Atomic uint64_t round_us;    /* without an answer that decides it; grows with each try */
	_Atomic uint64_t back_off_us; /* on average, before the next round after a refusal */
};

struct node {
	struct store *store;
	struct counter counter;
	uint64_t
	    hash_seed; /* of the cluster, unknown to clients: none can choose keys that collide */
	struct node_block *blocks; /* store_blocks() of them */
	uint16_t number;           /* own, in the map */
	bool is_joining;           /* the map that is being adopted is another cluster's */
	_Atomic uint64_t epoch;    /* of the map that was adopted */
	_Atomic uint64_t map_end;  /* of its record; NODE_RESTS_ON_MAP while it is being adopted */
	_Atomic uint64_t tags;     /* of the latest tag, which begins with the start count */
	struct node_times times;
	/* Questions of other replicas that found something else here: what they lack is for this
	 * node to tell, by repairs of its own. */
	_Atomic uint64_t differed;
	_Atomic uint64_t synced_bytes; /* of keys and values that came by syncs and were missing */
	/* Hints: members that do not answer at all, and those that owe answers for unusually long.
	 */
	_Atomic uint64_t down[RING_MEMBERS_MAX / 64 + 1];
	_Atomic uint64_t slow[RING_MEMBERS_MAX / 64 + 1];
};

/* The store outlives the node. hash_seed is random, and the same as long as the store's
 * data lives. ceiling is the counter's durable one that the last run left, 0 if there was
 * none; until a higher one is durable (paxos/counter.h) nothing can be written. starts is the
 * daemon's start count, this start included and durable. Every block is then as in a cluster
 * of one: version 0, this member its one replica. DHT_ENOMEM. */
int node_init(struct node *node, struct store *store, uint16_t member, uint64_t hash_seed,
	      uint64_t ceiling, uint32_t starts) DHT_MUST_CHECK;
void node_fini(struct node *node);

/* Derives hash and block of a key. */
struct store_key node_key(const struct node *node, struct bytes key);

/* The same without a node: what a node with this seed and number of blocks derives. */
struct store_key node_locate(struct bytes key, uint64_t hash_seed, uint32_t blocks);

/* A tag that was never used before, restarts included. */
uint64_t node_tag(struct node *node);

/* Raises the counter to b. DHT_EAGAIN: it is not to be used or answered before a higher
 * ceiling is durable; step says so. */
int node_see(struct node *node, struct node_step *step, struct ballot b) DHT_MUST_CHECK;

/* Whether a member answers, as far as is known: only an order of preference. Any thread. */
void node_set_down(struct node *node, uint16_t member, bool is_down);
bool node_is_down(const struct node *node, uint16_t member);

/* Whether a member owes answers for longer than it usually takes: it is bypassed by what comes
 * next, and nothing is concluded for what it was sent. Only an order of preference. Any thread. */
void node_set_slow(struct node *node, uint16_t member, bool is_slow);
bool node_is_slow(const struct node *node, uint16_t member);

/* Position behind the record of the adopted map. */
static inline uint64_t node_map_end(const struct node *node)
{
	return atomic_load_explicit(&node->map_end, memory_order_acquire);
}

/* ---- Events -------------------------------------------------------------------------- */

/* Takes on a task, which this node coordinates or forwards (forward.h says which): `done` is
 * called for it in any case, perhaps at once. */
int node_submit(struct node *node, struct node_step *step, struct task *task) DHT_MUST_CHECK;

/* A message arrived. One that makes no sense is dropped. */
int node_handle(struct node *node, struct node_step *step,
		const struct message *message) DHT_MUST_CHECK;

/* An alarm of effects->timer went off. */
int node_on_timer(struct node *node, struct node_step *step,
		  const struct node_timer *timer) DHT_MUST_CHECK;

#endif
