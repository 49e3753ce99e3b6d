/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/cluster - a run: nodes, network, clients, faults and checks under one seed.
 *
 * Owns    Everything of the run. It is large: allocate it once.
 * Thread  one owner.
 */
#ifndef DHT_SIM_CLUSTER_H
#define DHT_SIM_CLUSTER_H

#include <stdio.h>

#include "chain.h"
#include "event.h"
#include "history.h"
#include "lineage.h"
#include "network.h"
#include "node.h"
#include "options.h"

struct client {
	bool is_busy;
	uint32_t history;
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

	/* Scripted: messages are held until the script delivers them, syncs are immediate, and
	 * nothing happens by itself. */
	bool is_scripted;
	uint16_t slow_disks; /* those that sync nothing for now */
	bool is_healing;     /* no faults any more */

	struct chain chain;
	uint16_t usable; /* members that a map may name */
	uint8_t members; /* numbers given out */
	struct client clients[SIM_CLIENTS];
	uint64_t arguments;            /* given out */
	uint64_t seen_value[SIM_KEYS]; /* that some client has read lately */
	struct {
		uint64_t events, operations, unknown, decided, hot, read, erased, crashes, changes,
		    too_large;
	} count;

	uint64_t sent[MESSAGE_TYPE_COUNT];

	struct values values;
	struct history history;
	struct lineage lineage;
	struct events events;
	struct network network;
	struct node nodes[SIM_NODES];
};

/* Runs a seed. Returns NULL, or what went wrong. */
const char *cluster_run(struct cluster *c, uint64_t seed, FILE *trace);

/* A scripted cluster: these replicas, all of SIM_NODES up, one key. */
void cluster_script(struct cluster *c, uint16_t replicas, FILE *trace);

/* Ends what is pending and checks the histories of all keys. */
const char *cluster_verdict(struct cluster *c);

/* ---- What nodes are given ----------------------------------------------------------- */

/* The run is broken: what the checkers see. key -1: of no key. NULL is no failure. */
void cluster_fail(struct cluster *c, int key, const char *what);

/* How long a round waits, and an operation may take; longer than delays and syncs once the
 * faults are over, so that what does not end then has another reason. */
uint32_t cluster_round_us(const struct cluster *c);
uint32_t cluster_deadline_us(const struct cluster *c);

void cluster_timer(struct cluster *c, struct node *n, unsigned key, uint32_t delay_us);
void cluster_sync(struct cluster *c, struct node *n);
void cluster_answer(struct cluster *c, uint32_t history, enum outcome outcome, uint64_t result);

/* ---- Parts -------------------------------------------------------------------------- */

void cluster_event(struct cluster *c, const struct event *event);
void cluster_run_until(struct cluster *c, uint64_t until_us);
void cluster_start_node(struct cluster *c, struct node *n);

void clients_begin(struct cluster *c);
void clients_event(struct cluster *c, const struct event *event);
/* Asks at a node. Returns the index in the history, or UINT32_MAX: it was not taken. */
uint32_t clients_ask(struct cluster *c, unsigned client, unsigned key, enum operation_kind kind,
		     unsigned node);

void background_begin(struct cluster *c);
void background_event(struct cluster *c, uint32_t row);

/* Heals a majority and then all, and checks what must be true then. */
void settle(struct cluster *c);

/* ---- Trace -------------------------------------------------------------------------- */

enum { TRACE_BALLOT_MAX = 40 };
const char *trace_ballot(struct ballot b, char text[TRACE_BALLOT_MAX]);
void trace_message(struct cluster *c, const char *what, const struct message *m);
void trace_line(struct cluster *c, const char *format, ...) DHT_PRINTF(2, 3);

#define TRACE(c, ...)                                                                              \
	do {                                                                                       \
		if ((c)->trace != NULL)                                                            \
			trace_line(c, __VA_ARGS__);                                                \
	} while (0)

#endif
