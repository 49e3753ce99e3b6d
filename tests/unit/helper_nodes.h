/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/helper_nodes - a cluster of nodes over disks in memory, with a post that the test runs.
 *
 * Why     What a coordinator does depends on which answers come, in which order, and when. Here
 *         every message is a letter that lies there until the test delivers, repeats or loses
 *         it, and the clock stands until it is moved.
 * Owns    The nodes, letters and alarms; calls are the test's.
 * Errors  fail the test.
 *
 * A letter is delivered only once what it rests on is durable at its sender, which is made so
 * then; the same goes for the end of a call.
 */
#ifndef DHT_TESTS_HELPER_NODES_H
#define DHT_TESTS_HELPER_NODES_H

#include "helper_node.h"

enum { NODES_MAX = 5, NODES_LETTERS_MAX = 1024, NODES_ALARMS_MAX = 4096, CALL_OPS_MAX = 8 };

struct letter {
	uint16_t to;
	uint64_t rests_on;
	struct message message; /* with copies of all that it points to */
	struct arena bytes;
	struct op *ops;
	struct op_result whole, *results;
	struct message_item *items;
};

struct helper_nodes;

struct helper_nodes_member {
	struct helper_nodes *all;
	struct helper_node h;
};

struct helper_nodes {
	unsigned count;
	struct ring_map *map;
	struct helper_nodes_member members[NODES_MAX];
	struct letter *letters[NODES_LETTERS_MAX]; /* in the order in which they were sent */
	unsigned letter_count;
	struct {
		uint16_t member;
		struct node_timer timer;
		uint64_t at_us;
	} alarms[NODES_ALARMS_MAX];
	unsigned alarm_count;
	uint64_t now_us, now_ms;
	unsigned sent[MESSAGE_KIND_COUNT]; /* letters of each kind */
	unsigned wants_map;
};

/* An operation, or several that are one, on its way. */
struct call {
	struct task task;
	struct op ops[CALL_OPS_MAX];
	struct op_result results[CALL_OPS_MAX];
	uint16_t at;
	bool is_done;
};

/* `count` nodes; block b has the replicas b mod count and those that follow, at most three, in
 * that order. A round takes a millisecond at most, a back-off 200 us on average. */
void helper_nodes_open(struct helper_nodes *n, unsigned count);
void helper_nodes_close(struct helper_nodes *n);

static inline struct node *helper_nodes_node(struct helper_nodes *n, unsigned at)
{
	return &n->members[at].h.node;
}

/* A key of that block. */
struct store_key helper_nodes_key(struct helper_nodes *n, uint32_t block);

/* Lets a node do these operations; ends at helper_call_end. */
void helper_nodes_ask(struct helper_nodes *n, unsigned at, struct call *call,
		      const struct store_key *key, const struct op *ops, size_t count);
void helper_call_end(struct helper_nodes *n, struct call *call);

/* The same for one operation, all letters delivered and alarms rung until it is done. */
void helper_nodes_do(struct helper_nodes *n, unsigned at, struct call *call,
		     const struct store_key *key, struct op op);

/* Index of the first letter of a kind on that way, -1: there is none. */
enum { ANYBODY = 0xffff };
int helper_nodes_find(const struct helper_nodes *n, enum message_kind kind, uint16_t from,
		      uint16_t to);

/* Delivers the letter, which is gone then; or delivers it and keeps it; or loses it. */
void helper_nodes_deliver(struct helper_nodes *n, unsigned index);
void helper_nodes_repeat(struct helper_nodes *n, unsigned index);
void helper_nodes_lose(struct helper_nodes *n, unsigned index);

/* All letters of a kind on that way. Returns how many. */
unsigned helper_nodes_deliver_all(struct helper_nodes *n, enum message_kind kind, uint16_t from,
				  uint16_t to);
unsigned helper_nodes_lose_all(struct helper_nodes *n, enum message_kind kind, uint16_t from,
			       uint16_t to);

/* Delivers everything, in order, until there is nothing more. */
void helper_nodes_settle(struct helper_nodes *n);

/* Lets time pass; alarms ring in their order, and what they send lies there. */
void helper_nodes_pass(struct helper_nodes *n, uint64_t us);

/* Delivers and lets time pass until the call is done. */
void helper_nodes_finish(struct helper_nodes *n, struct call *call);

/* Lets one node take over a block as it is given. */
void helper_nodes_move(struct helper_nodes *n, unsigned at, uint32_t block,
		       const struct ring_block *to);

/* Bytes of the log of one node, all of it made durable. */
uint64_t helper_nodes_log(struct helper_nodes *n, unsigned at);

/* Nothing is under way anywhere. */
bool helper_nodes_are_idle(struct helper_nodes *n);

#endif
