/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/node - one member: the shipped acceptor, rounds and counter, and what joins them.
 *
 * Why     The protocol's objects are machines on values. This is their owner in the
 *         simulator: entries, queues of operations, what is written before what is said,
 *         collection, repair and sync. It speaks to the run through sim/cluster.h alone,
 *         and the run to it through the functions below, so that a node with a store can
 *         take its place.
 * Owns    Its entries, disk, operations.
 * Thread  one owner.
 *
 * The parts: node.c life and messages, replica.c the acceptor's side, coordinator.c the
 * operations, upkeep.c collection, repair and sync.
 */
#ifndef DHT_SIM_NODE_H
#define DHT_SIM_NODE_H

#include "disk.h"
#include "message.h"
#include "operation.h"
#include "paxos/acceptor.h"
#include "paxos/counter.h"
#include "paxos/round.h"

struct cluster;

enum {
	NODE_OUTBOX_MAX = 512,
	NODE_QUEUE_MAX = 6, /* operations that wait for a key */
};

enum coordinator_state {
	COORDINATOR_IDLE,
	COORDINATOR_ASKS,      /* a round is under way */
	COORDINATOR_BACKS_OFF, /* before the next */
	COORDINATOR_IS_SHORT,  /* of counters below the durable ceiling */
};

/* The operation under way for a key, and those behind it. */
struct coordinator {
	enum coordinator_state state;
	uint32_t generation; /* of its timer */
	struct operation op;
	uint64_t begun_us;
	struct round round;
	uint64_t result, results[ROUND_MAX]; /* of the proposal, of each attempt */
	struct ballot parent;                /* for sim/lineage: of the proposal */
	struct ballot erased;                /* and what those who promised have erased */
	struct paxos_record named;           /* own record as it was when the round named it */
	bool was_omitted;                    /* an answer of this round left its value out */
	bool is_fast;
	uint32_t queued;
	struct operation queue[NODE_QUEUE_MAX];
};

struct collector {
	bool is_on;
	struct ballot t;
	uint64_t tag;
	uint16_t held;
};

struct puller {
	uint16_t pulled; /* members of O whose answer is complete */
	bool is_fin;     /* appended, not yet durable perhaps */
	bool is_on;
	uint8_t from, position;
	uint64_t tag, asked_us;
};

struct node {
	struct cluster *cluster;
	uint8_t number;
	bool is_up, is_lost; /* lost: that identity is gone with its disk */
	uint32_t incarnation;

	struct acceptor_block block;
	uint32_t since;
	struct acceptor_key keys[SIM_KEYS];
	uint64_t promised_us[SIM_KEYS];
	struct ballot erased[SIM_KEYS]; /* for sim/lineage: what an absent key stands for */
	struct counter counter;
	uint64_t tags;

	struct disk disk;
	uint64_t key_position[SIM_KEYS], map_position, ceiling_position; /* of the latest append */
	bool is_syncing;
	uint64_t syncing; /* position */
	uint32_t out_first, out_count;
	struct {
		uint16_t message;
		uint64_t position;
	} outbox[NODE_OUTBOX_MAX];

	struct coordinator coordinators[SIM_KEYS];
	struct collector collectors[SIM_KEYS];
	struct puller puller;
};

/* ---- What a run does with it -------------------------------------------------------- */

/* A member with an empty disk, down. */
void node_init(struct node *n, struct cluster *cluster, uint8_t number);
void node_start(struct node *n);

/* Everything that is not durable is lost, but for a prefix by chance; in a script all. */
void node_crash(struct node *n);

/* A clean stop: all is durable, and the exact counter is the ceiling. */
void node_stop(struct node *n);

/* A message arrives. */
void node_handle(struct node *n, const struct message *m);

/* A client asks. False: this node does not take it, and nothing was done. Otherwise
 * cluster_answer() tells how it ended. */
bool node_submit(struct node *n, unsigned key, const struct operation *op);

/* The sync that was asked for with cluster_sync() is complete. */
void node_synced(struct node *n);

/* The timer of cluster_timer(). */
void node_timer(struct node *n, unsigned key, uint32_t generation);

/* Learns of a map, by gossip for example. */
void node_adopt(struct node *n, uint32_t version);

/* Housekeeping, each now and then. */
void node_collect(struct node *n, unsigned key);
void node_repair(struct node *n, unsigned key, unsigned other);
void node_pull(struct node *n, unsigned from);

/* True if the node still coordinates what began that long ago. */
bool node_is_late(const struct node *n, uint64_t bound_us);

/* ---- Between its parts -------------------------------------------------------------- */

struct map;
const struct map *node_map(const struct node *n);
bool node_is_replica(const struct node *n);
uint64_t node_tag(struct node *n);

/* Raises the counter to b, and asks for a ceiling if that is short. */
void node_see(struct node *n, struct ballot b);

/* An append to the log, for a key or the map or the ceiling. */
void node_store(struct node *n, unsigned key);
void node_append(struct node *n, const struct disk_append *append, uint64_t *position);

/* Sends m when everything at or before `position` is durable, and every ceiling. */
void node_send(struct node *n, struct message *m, uint64_t position);
void node_send_to(struct node *n, struct message *m, uint16_t seats, uint64_t position);
uint64_t node_rests_on(const struct node *n, unsigned key);

void replica_handle(struct node *n, const struct message *m);
void replica_drop_all(struct node *n);

void coordinator_handle(struct node *n, const struct message *m);
void coordinator_submit(struct node *n, unsigned key, const struct operation *op);
void coordinator_identity(struct node *n, unsigned key);
void coordinator_move(struct node *n);
void coordinator_ceiling_is_higher(struct node *n);
void coordinator_crash(struct node *n);

void upkeep_handle(struct node *n, const struct message *m);
void upkeep_move(struct node *n);

#endif
