/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/member/world - control planes on a simulated network and simulated disks.
 *
 * Why     What decides on maps is tested as it is shipped, without the data plane: a node here
 *         is a member (node/member.h), a log of which the end can be lost, and a pretence of a
 *         data plane that is in sync with a block some time after it became joint.
 * Owns    Everything in it.
 * Thread  one owner. A run is a function of its seed.
 */
#ifndef DHT_SIM_MEMBER_WORLD_H
#define DHT_SIM_MEMBER_WORLD_H

#include <stdio.h>

#include "node/member.h"
#include "random.h"
#include "ring/map.h"

enum { WORLD_FAILURE_SIZE = 200, WORLD_NO_NODE = -1 };

/* A record of a node's log; its position is its place, from 1 on. */
struct world_record {
	bool is_map;
	uint64_t position;
	uint8_t *data;
	size_t len;
};

/* A message on its way, with all that it points to. */
struct world_post {
	int from, to;
	bool is_guest; /* over a link of somebody who is no member */
	uint64_t rests_on;
	struct member_message message;
};

struct world_node {
	int index;
	struct world *world;
	char id[RING_ID_SIZE];
	struct member *member; /* NULL: down */
	bool is_lost;          /* its disk is gone, it never comes back */
	bool is_spare;         /* is not asked to join now */
	uint64_t lineage;      /* of its cluster of one, 0 without */
	unsigned incarnation, starts;
	struct world_record *log;
	size_t log_count, log_cap;
	uint64_t log_end, durable, map_end;
	bool is_syncing, is_in_step; /* is_in_step: inside a call of the member */
	uint64_t cut_until_us;       /* from all others */
	int *node_of;             /* whom its map's numbers name, WORLD_NO_NODE; kept after that */
	struct world_post **held; /* that rest on what is not durable */
	size_t held_count, held_cap;
	struct member_fin *fins; /* durable, of blocks in the version */
	size_t fin_count, fin_cap;
	uint64_t progress;
	uint64_t wake_us;
	uint64_t answers; /* outcomes of its requests */
	int last_status;
	/* What it sent and got. */
	uint64_t sent, sent_bytes, got, got_bytes;
};

enum world_event_kind { WORLD_WAKE, WORLD_POST, WORLD_SYNC, WORLD_FIN, WORLD_START, WORLD_ACT };

struct world_event {
	uint64_t at_us, order;
	enum world_event_kind kind;
	int node;
	unsigned incarnation;
	struct world_post *post;
	struct member_fin fin;
	uint64_t position; /* WORLD_SYNC */
};

struct world_options {
	uint32_t delay_us, sync_us, fin_us; /* on average; fin: of a block */
	uint32_t loss, duplicate, late;     /* permille */
	struct member_times times;
	uint32_t blocks;
	uint16_t replicas;
	bool is_judged;
};

struct world {
	struct random_source random;
	struct world_options options;
	uint64_t now_us, order;
	struct world_node *nodes;
	int count;
	struct world_event *heap;
	size_t heap_count, heap_cap;
	void (*act)(struct world *w);                              /* WORLD_ACT */
	void (*adopted)(struct world *w, struct world_node *node); /* or NULL */
	struct judge *judge;
	FILE *trace;
	char failure[WORLD_FAILURE_SIZE];
	uint64_t messages, crashes, epochs;
};

/* Founds a cluster of the first `members` of `count` nodes; the others are spare. */
void world_init(struct world *w, uint64_t seed, const struct world_options *options, int count,
		int members);
void world_fini(struct world *w);

/* Runs until then, or until something failed. */
void world_run(struct world *w, uint64_t until_us);

void world_act_in(struct world *w, uint64_t delay_us);
void world_fail(struct world *w, const char *format, ...) DHT_PRINTF(2, 3);

/* The node stops at once, and what was not durable may be lost; it starts again after the delay, or
 * never with 0 (its disk is lost). */
void world_crash(struct world *w, int node, uint64_t start_in_us);
void world_start(struct world *w, int node);

/* The number of a node in the map of another one; MEMBER_NOBODY: it has none. */
uint16_t world_number(const struct world *w, const struct ring_map *map, int node);

/* A node's name, zone and address follow from its index. */
struct ring_member world_describe(int node, char text[3][32], struct ring_address *address);

/* Calls of the front door, with a step. */
void world_request(struct world *w, int node, const struct member_request *request);
void world_join(struct world *w, int node, int through, const struct member_request *request);

/* Bytes of a message on the wire. */
size_t world_size(const struct member_message *message);

/* Called by the parts. */
void world_push(struct world *w, struct world_event event);
struct member_step world_step(struct world_node *node);
void world_settle(struct world_node *node); /* behind each call of a member */
void world_send(struct world_node *node, uint32_t peer, const struct member_message *m,
		uint64_t rests_on);
void world_deliver(struct world *w, struct world_post *post);
void world_post_free(struct world_post *post);
void world_release(struct world_node *node); /* what has become durable may leave */

#endif
