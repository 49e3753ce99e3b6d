/* SPDX-License-Identifier: Apache-2.0
 *
 * node/block - what this node knows of a block: its part of the map, and bounds of what was
 * promised in it.
 *
 * Why     Replicas, coordinators, collectors and pullers of a block all go by the same version
 *         and the same seats, which change in one step, under the lock of the group.
 * Owns    The side table of promises, and the tasks under way.
 * Thread  under the lock of the block's group.
 *
 * Seats number the members of O and N, O first (paxos/quorum.h), and stay what they are as long as
 * the version does: rounds and collections under way remember them.
 */
#ifndef DHT_NODE_BLOCK_H
#define DHT_NODE_BLOCK_H

#include "node/promises.h"
#include "node/table.h"
#include "paxos/acceptor.h"
#include "paxos/quorum.h"
#include "ring/map.h"

enum { NODE_NO_SEAT = QUORUM_SEATS };

struct collection;
struct repair;

/* A sync of this block from members of O (section 6), volatile. */
struct node_pull {
	uint16_t pulled;         /* seats of O whose answer is complete; the own one is */
	bool is_on;              /* a source was chosen: */
	uint8_t from;            /* its seat; afterwards that of the last one */
	uint8_t tries;           /* questions to it in a row without an answer */
	uint32_t hash;           /* how far its answers are */
	uint32_t until;          /* the end of the range that is being asked for */
	uint64_t tag;            /* of the question under way; 0: there is none */
	uint64_t asked_us;       /* when it was asked */
	uint64_t records, bytes; /* that came, and were missing here */
};

struct node_block {
	/* What every operation looks at, side by side. */
	enum ring_phase phase;
	struct quorum quorum;
	uint8_t seats;                  /* in use */
	uint8_t self;                   /* this node's, or NODE_NO_SEAT: it is no replica */
	struct table active;            /* node/active.h: keys with tasks under way */
	struct acceptor_block acceptor; /* version, start, floor, low */
	uint16_t members[QUORUM_SEATS];
	/* Seats in the map's order of preference; in a joint phase those that stay first, and those
	 * that leave last: what one of them had under way then would have an unknown outcome. */
	uint8_t order[QUORUM_SEATS];
	uint32_t since; /* of this node; 0 if it is no replica */
	bool is_moving; /* tasks under way do not know the version yet */
	bool is_fin;    /* durable or on its way there: fin_end */
	uint64_t fin_end;
	uint64_t dropped_epoch; /* of the map with which all data of the block went last */
	struct node_pull pull;
	struct promises promises;
	uint64_t turned_us;             /* when those were called old */
	struct collection *collections; /* node/collect.h: under way; NULL: none */
	uint32_t collection_count;
	uint32_t collect_hash; /* where the walk over tombstones goes on */
	struct repair *repair; /* node/repair.h: under way, its owner's; NULL: none */
	struct table forwards; /* node/forward.c: tasks under way at other nodes */
	uint64_t forwards_alarm, forwards_alarm_us; /* tag and time of the timer; 0: none */
};

/* Sets what the map says of a block. */
void node_block_set(struct node_block *block, const struct ring_block *from, uint16_t self);

/* Sets the order of preference alone: the map has the block in the same version. */
void node_block_prefer(struct node_block *block, const struct ring_block *from);

static inline bool node_block_is_replica(const struct node_block *block)
{
	return block->self != NODE_NO_SEAT;
}

/* True if this node decides alone: it is the one replica, and no change is under way. */
static inline bool node_block_is_alone(const struct node_block *block)
{
	return block->seats == 1 && block->self == 0 && block->phase == RING_STABLE;
}

/* True while this node is a replica that will be none when the change is over. */
static inline bool node_block_leaves(const struct node_block *block)
{
	return block->phase == RING_JOINT && node_block_is_replica(block) &&
	       (block->quorum.next >> block->self & 1) == 0;
}

/* True if the member of a seat will be a replica when the change is over, and was none before: it
 * pulls what it lacks. */
static inline bool node_block_joins(const struct node_block *block, unsigned seat)
{
	return (block->quorum.next & ~block->quorum.old) >> seat & 1;
}

/* True if an operation of this block is one step, which nobody else has to know of: node/local.h
 * may run it. */
static inline bool node_block_is_local(const struct node_block *block)
{
	return node_block_is_alone(block) && block->active.count == 0;
}

/* True while the survivors of a lost majority compare what they have: the block answers
 * nothing but PULL (section 7). */
static inline bool node_block_is_recovering(const struct node_block *block)
{
	return block->phase == RING_RECOVER;
}

/* Returns the seat of a member, or NODE_NO_SEAT. */
unsigned node_block_seat(const struct node_block *block, uint16_t member);

/* The members of these seats, in ascending order of the seats, but for this node. Returns how
 * many. */
unsigned node_block_others(const struct node_block *block, uint16_t seats,
			   uint16_t members[QUORUM_SEATS]);

#endif
