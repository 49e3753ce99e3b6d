/* SPDX-License-Identifier: Apache-2.0
 *
 * paxos/counter - the node's Lamport clock, from which ballots are drawn.
 *
 * Why     draw() gives (block's version, ++counter, own number). Every ballot that
 *         is seen raises the counter to at least its own (the register protocol,
 *         section 1), so a node is never behind what it has heard of.
 *         After a restart nothing is known of the counters that were in use, but that all
 *         of them were below the durable ceiling: there the counter goes on. So one at or
 *         above the ceiling is neither used, promised nor answered before a higher ceiling
 *         is durable.
 * Owns    Three atomics.
 * Thread  any: shared by all workers. The ceiling is driven by one thread, the committer.
 * Errors  DHT_EAGAIN: a higher ceiling must be durable first; try again then.
 *
 * The committer's part, at each commit:
 *
 *     wanted = counter_wants_ceiling(c, rate)
 *     if wanted > 0 and CEILING(wanted) was appended:  counter_ceiling_appended(c, wanted)
 *     once that record is durable (without fsync: in the kernel):
 *                                                      counter_ceiling_durable(c, wanted)
 *
 * The first ceiling is asked for at the start, before anything was drawn. It is always
 * far ahead, so DHT_EAGAIN is rare, and then a matter of one commit. A node whose store
 * does not outlive it calls counter_ceiling_durable(c, BALLOT_COUNTER_MAX) once.
 */
#ifndef DHT_PAXOS_COUNTER_H
#define DHT_PAXOS_COUNTER_H

#include <stdatomic.h>

#include "paxos/ballot.h"

enum {
	COUNTER_AHEAD_MIN = 65536,   /* from the counter to a new ceiling */
	COUNTER_AHEAD_MAX = 1 << 26, /* also where the counter has leapt, over that of a restart */
};

struct counter {
	_Atomic uint64_t value;    /* of the latest ballot that was drawn or seen */
	_Atomic uint64_t ceiling;  /* the durable one */
	_Atomic uint64_t appended; /* the highest ceiling that was appended to the log */
	uint32_t member; /* own number in the map; BALLOT_MEMBER_TOP: none, and nothing is drawn */
};

/* Starts at the durable ceiling that an earlier run has left, 0 if there was none. */
void counter_init(struct counter *c, uint64_t ceiling, uint32_t member);

/* Draws a ballot above every one that this node has drawn or seen. DHT_EAGAIN. */
int counter_draw(struct counter *c, uint32_t version, struct ballot *drawn) DHT_MUST_CHECK;

/* Raises the counter to at least that of b, also with DHT_EAGAIN, which says that b is
 * not to be used, promised or answered yet. */
int counter_raise(struct counter *c, struct ballot b) DHT_MUST_CHECK;

/* The counter as it is: of the latest ballot drawn or seen. After the last message of a
 * clean stop it is what the next start begins with. */
uint64_t counter_value(const struct counter *c);

/* Returns the ceiling to append now, 0 for none. It is about a second ahead at `rate`
 * draws a second, from COUNTER_AHEAD_MIN to COUNTER_AHEAD_MAX, and wanted as soon as half of that
 * is left below the ceiling appended last. Without the upper bound, a restart of a node, which
 * leaps to its ceiling, would be a higher rate to the others, whose restarts would leap farther:
 * some fifty of them would use up all counters there are. */
uint64_t counter_wants_ceiling(const struct counter *c, uint64_t rate);

/* CEILING(ceiling) was appended: it is not wanted again. */
void counter_ceiling_appended(struct counter *c, uint64_t ceiling);

/* CEILING(ceiling) is durable: counters below it are free. A lower one than before changes
 * nothing. */
void counter_ceiling_durable(struct counter *c, uint64_t ceiling);

#endif
