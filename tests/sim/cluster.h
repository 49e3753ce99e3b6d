/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/cluster - a run: hosts, network, clients, faults and checks under one seed.
 *
 * Owns    Everything of the run. It is large: allocate it once, as zeros.
 * Thread  one owner.
 */
#ifndef DHT_SIM_CLUSTER_H
#define DHT_SIM_CLUSTER_H

#include <stdio.h>

#include "maps.h"
#include "event.h"
#include "history.h"
#include "host.h"
#include "lineage.h"
#include "network.h"
#include "options.h"
#include "paxos/variant.h"

enum { REQUEST_OPS_MAX = 3, CLUSTER_TIMERS_MAX = 64 };

/* What a client has asked of a host: one operation, or several as one. */
struct request {
	struct list link; /* the cluster's, or the host's answers */
	struct task task;
	struct op ops[REQUEST_OPS_MAX];
	struct op_result results[REQUEST_OPS_MAX];
	uint32_t history[REQUEST_OPS_MAX];
	uint32_t number;
	uint8_t client, key, host;
	bool is_done;
	uint16_t decided_before; /* for sim/lineage */
};

struct client {
	bool is_busy;
	uint32_t request;
};

/* In a scripted run: alarms that were set, in their order. */
struct script_timer {
	uint8_t host;
	struct node_timer timer;
};

struct cluster {
	uint64_t seed;
	struct options options;
	struct random_source random;
	uint64_t now_us;
	int32_t step;
	FILE *trace;         /* NULL: none */
	const char *failure; /* the first, NULL for none */
	int failed_key;      /* -1: of no key */

	/* Scripted: messages and alarms are held until the script has its way, the disk takes no
	 * time, and nothing happens by itself. */
	bool is_scripted;
	uint16_t slow_disks; /* those that sync nothing for now */
	unsigned timer_count;
	struct script_timer timers[CLUSTER_TIMERS_MAX];
	bool is_healing; /* no faults any more */

	uint64_t hash_seed;
	struct store_key keys[SIM_KEYS];
	char key_names[SIM_KEYS][16];
	struct maps maps;
	uint16_t usable; /* members that a map may name */
	uint8_t members; /* numbers given out */
	struct client clients[SIM_CLIENTS];
	uint32_t requests; /* given out */
	struct list pending;
	uint64_t arguments; /* given out */
	/* What some client has read lately. */
	uint32_t seen_value[SIM_KEYS];
	struct ballot seen_version[SIM_KEYS];

	struct {
		uint64_t events, steps, operations, unknown, not_done, erasures, crashes, changes,
		    adoptions, recoveries, littered, too_large, cold, compactions, forwards;
	} count;
	uint64_t sent[MESSAGE_KIND_COUNT];

	struct history history;
	struct lineage lineage;
	struct events events;
	struct network network;
	struct host hosts[SIM_HOSTS];
};

/* Runs a seed. Returns NULL, or what went wrong. */
const char *cluster_run(struct cluster *c, uint64_t seed, FILE *trace);

/* A scripted cluster: these replicas of the first block, all of SIM_HOSTS up, one key. */
void cluster_script(struct cluster *c, uint16_t replicas, FILE *trace);

/* Ends what is pending and checks the histories of all keys. */
const char *cluster_verdict(struct cluster *c);

/* Frees what a run has left. */
void cluster_end(struct cluster *c);

/* ---- What hosts are given ----------------------------------------------------------- */

/* The run is broken: what the checkers see. key -1: of no key. NULL is no failure. */
void cluster_fail(struct cluster *c, int key, const char *what);

/* How long a round waits, and an operation may take; longer than delays and syncs once the
 * faults are over, so that what does not end then has another reason. */
uint32_t cluster_round_us(const struct cluster *c);
uint32_t cluster_deadline_us(const struct cluster *c);

uint64_t cluster_hash_seed(const struct cluster *c);
uint64_t cluster_true_ms(const struct cluster *c);

/* What the wall clock of the host is ahead now, of which the checker takes note. */
int64_t cluster_clock_ms(struct host *h);

void cluster_wants_map(struct cluster *c, struct host *h, uint16_t from);

/* ACCEPT is sent. */
void cluster_proposed(struct cluster *c, const struct host *h, const struct message *m);

/* A host's store has taken a record of a key in place of the one with that acc, and all up to
 * its mark is durable. */
void cluster_stored(struct cluster *c, struct host *h, const struct record *record,
		    struct ballot replaced, uint64_t end);
void cluster_acknowledge(struct cluster *c, struct host *h);

/* A host goes down with votes that were not durable, and finds what it still has. */
void cluster_votes_lost(struct cluster *c, struct host *h);
void cluster_votes_found(struct cluster *c, struct host *h);

/* A request is over; it is freed. */
void cluster_answer(struct cluster *c, struct request *request);

/* The process is gone, and with it what it was asked. */
void cluster_requests_lost(struct cluster *c, const struct host *h);

void cluster_script_timer(struct cluster *c, struct host *h, const struct node_timer *timer);

/* ---- Parts -------------------------------------------------------------------------- */

void cluster_run_until(struct cluster *c, uint64_t until_us);
void cluster_start_host(struct cluster *c, struct host *h);

/* -1: that is no key of the run. */
int cluster_key_of(const struct cluster *c, struct bytes key);
struct maps_block *cluster_block_of(struct cluster *c, unsigned key);

void clients_begin(struct cluster *c);
void clients_event(struct cluster *c, const struct event *event);

/* Asks at a host. Returns the index of the (first) operation in the history, or UINT32_MAX:
 * nothing was asked. */
uint32_t clients_ask(struct cluster *c, unsigned client, unsigned key, const struct model_op *ops,
		     unsigned count, unsigned host);
void clients_draw(struct cluster *c, unsigned key, struct model_op *op);

void background_begin(struct cluster *c);
void background_event(struct cluster *c, uint32_t row);

/* Heals a majority and then all, and checks what must be true then. */
void settle(struct cluster *c);

/* ---- Trace -------------------------------------------------------------------------- */

void trace_message(struct cluster *c, const char *what, const struct message *m, unsigned to);
void trace_stored(struct cluster *c, unsigned host, const struct record *record);
void trace_line(struct cluster *c, const char *format, ...) DHT_PRINTF(2, 3);

#define TRACE(c, ...)                                                                              \
	do {                                                                                       \
		if ((c)->trace != NULL)                                                            \
			trace_line(c, __VA_ARGS__);                                                \
	} while (0)

#endif
