/* SPDX-License-Identifier: Apache-2.0
 *
 * node/active - a key with tasks under way at this node.
 *
 * Why     One operation at a time per key and node: whoever else wants the key waits in its
 *         queue, and those that wait go into one round together (the register protocol,
 *         section 3).
 * Owns    The key's bytes, what answers gave that outlives their message, and the results of
 *         attempts; tasks only while they are queued or in the batch.
 * Thread  under the lock of the block's group.
 * Errors  DHT_ENOMEM.
 */
#ifndef DHT_NODE_ACTIVE_H
#define DHT_NODE_ACTIVE_H

#include "node/entry.h"
#include "node/table.h"
#include "paxos/round.h"

/* What is to be done next. The first ones are begun at once, or, where the step has to wait for
 * something, by whatever event comes next. */
enum active_state {
	ACTIVE_IDLE,     /* the next batch */
	ACTIVE_READS,    /* a READ round */
	ACTIVE_PREPARES, /* a PREPARE round */
	ACTIVE_PROPOSES, /* an ACCEPT round with what the batch makes of round.base */
	ACTIVE_REPEATS,  /* an ACCEPT round with the base again: an attempt took effect */
	ACTIVE_ASKS,     /* answers are waited for */
	ACTIVE_BACKS_OFF,
};

/* A value that outlives the message or the lock under which it was seen. */
struct active_value {
	struct bytes bytes; /* none: there is nothing to hold */
	uint64_t location;  /* pinned; 0: bytes are a copy */
};

/* An ACCEPT that carried the batch's change. */
struct active_attempt {
	struct active_value own, found; /* where values of the results lie */
	struct op_result *results;      /* of each task: whole, then those of its operations */
};

struct active {
	struct table_link link;
	struct store_key key;
	enum active_state state;
	bool is_single;    /* the log has no room for all: one task at a time */
	bool was_omitted;  /* an answer of this round left its value out */
	bool is_contended; /* by a coordinator that this node does not hear */
	bool is_fast;      /* only in a broken variant */
	struct list queue;
	struct list batch; /* the tasks of the round */
	unsigned batch_count;
	struct round round;
	/* The own record as it was when the round named it, and the one that round.base is of if
	 * another replica has told it. */
	struct paxos_record named;
	struct active_value own, found;
	uint64_t rests_on;               /* what this node has answered to itself */
	struct active_attempt *attempts; /* ROUND_MAX, as soon as there is one */
	unsigned attempts_kept;
	uint64_t until_us;        /* of ASKS and BACKS_OFF */
	uint64_t alarm, alarm_us; /* tag and time of the timer that counts; 0: none */
	uint8_t bytes[];          /* of the key */
};

/* Returns the key's; NULL: nothing of it is under way. */
struct active *active_find(const struct node_block *block, const struct store_key *key);

/* The one that waits for this alarm; NULL: nobody does any more. */
struct active *active_find_alarm(const struct node_block *block, const struct node_timer *timer);

/* Makes one with an empty queue; NULL: there is no memory. */
struct active *active_create(struct node_block *block, const struct store_key *key);

/* Forgets it. Its tasks are their owner's. */
void active_destroy(struct node *node, struct active *a);

/* Ends all rounds and forgets what they held: a new batch begins. */
void active_clear(struct node *node, struct active *a);

/* Holds the value of the own record for a new round, and names its acc. What the round before
 * held is let go, or kept with its attempt. */
int active_name(struct node *node, struct active *a, const struct entry *entry) DHT_MUST_CHECK;

/* Holds the value that an answer told. */
int active_hold_found(struct node *node, struct active *a, struct bytes value) DHT_MUST_CHECK;

/* ---- Batch ----------------------------------------------------------------------------- */

enum {
	ACTIVE_BATCH_MAX = 64,
	ACTIVE_BATCH_BYTES_MAX = 16 << 20, /* of values that its tasks write or show */
};

/* Moves the first waiting task into the batch. */
struct task *active_take(struct active *a);

/* Moves all tasks of the batch but the first `keep` back to the head of the queue. */
void active_give_back(struct active *a, unsigned keep);

/* Applies the tasks of the batch to round.base, at round.b, one after the other, and, as long as
 * none of it was sent, those that wait. Returns what is to be proposed in *made, and true if it
 * is another record than the base. */
bool active_compose(struct active *a, uint64_t now_ms, struct paxos_record *made);

/* Sets the results of the tasks to those of an attempt. */
void active_recall(struct active *a, unsigned attempt);

/* Copies the value that a task shows into the task. DHT_ENOMEM: it shows none now. */
int active_copy_value(struct task *task) DHT_MUST_CHECK;

/* Lets a task that was decided keep the value that it shows; whole says if that fails. */
void active_keep_value(struct node *node, struct active *a, struct task *task);

#endif
