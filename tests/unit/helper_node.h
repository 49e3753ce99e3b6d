/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/helper_node - nodes over disks in memory, whose effects are written down.
 *
 * Why     A node says what it wants by a table of calls (node/effects.h). Here they are kept,
 *         for a test to look at, or to hand on to other nodes once they may leave.
 * Owns    Disk, store, node, and copies of all messages.
 * Errors  fail the test.
 */
#ifndef DHT_TESTS_HELPER_NODE_H
#define DHT_TESTS_HELPER_NODE_H

#include "helper_disk.h"
#include "node/node.h"

enum {
	HELPER_NODE_BLOCKS = 64,
	HELPER_NODE_SEGMENT = STORE_SEGMENT_SIZE_MIN,
	HELPER_NODE_SENT_MAX = 4096,
	HELPER_NODE_SEED = 42,
	HELPER_NODE_ROUND_US = 100000,
};

struct helper_sent {
	uint16_t to;
	struct message message; /* with copies of all that it points to */
	uint64_t rests_on;
	bool is_taken;
};

struct helper_node {
	struct helper_disk disk;
	struct store *store;
	struct store_report report;
	struct node node;
	struct node_effects effects;
	struct node_step step;
	uint64_t starts, memory_bytes;
	struct helper_sent sent[HELPER_NODE_SENT_MAX];
	unsigned sent_count;
	unsigned wants_map_count;
	uint16_t wants_map_from;
	struct message answered; /* the latest, with copies; nothing before the first */
	unsigned answered_count;
	unsigned repeats; /* DHT_EAGAIN of a call */
};

/* A node with an empty disk; all blocks are as the map says. It must not move. */
void helper_node_open(struct helper_node *h, uint16_t number, const struct ring_map *map);
void helper_node_close(struct helper_node *h);

/* It stops, loses what loss says, and starts again. map is the one that it starts with if its
 * store has none. */
void helper_node_restart(struct helper_node *h, enum helper_disk_loss loss,
			 const struct ring_map *map);

/* Makes all durable, and room for more. */
void helper_node_commit(struct helper_node *h);

/* The key in its block. */
struct store_key helper_node_key(const struct helper_node *h, const char *text);

/* A text of the first key, from number *from on, that is in a block; *from is behind it. */
const char *helper_node_text_in(const struct helper_node *h, uint32_t block, unsigned *from);

/* Answers what a call waits for, which was told DHT_EAGAIN: by a commit or a fetch. False: it
 * waits for a map. helper_node_done forgets what was fetched. */
bool helper_node_provide(struct helper_node *h);
void helper_node_done(struct helper_node *h);

/* node_handle until it is done. Returns its result. */
int helper_node_handle(struct helper_node *h, const struct message *m);

/* Adopts a map, block after block. */
void helper_node_adopt(struct helper_node *h, const struct ring_map *map);

/* The latest message that was sent; its kind is checked. */
const struct message *helper_node_sent(struct helper_node *h, enum message_kind kind);

/* Forgets all that was sent. */
void helper_node_forget(struct helper_node *h);

/* Commits at all nodes and delivers what they have sent, until there is nothing more. Members
 * without a node, or with a NULL, get nothing. Returns how many messages were delivered. */
unsigned helper_node_exchange(struct helper_node *const *nodes, unsigned count);

#endif
