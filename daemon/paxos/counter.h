/* SPDX-License-Identifier: Apache-2.0
 *
 * paxos/counter - the node's Lamport clock, from which ballots are drawn.
 *
 * Why     draw() gives (block's version, ++counter, own number). Every ballot that
 *         is seen raises the counter to at least its own (the register protocol,
 *         section 1), so a node is never behind what it has heard of.
 * Owns    One atomic.
 * Thread  any: shared by all workers.
 */
#ifndef DHT_PAXOS_COUNTER_H
#define DHT_PAXOS_COUNTER_H

#include <stdatomic.h>

#include "paxos/ballot.h"

struct counter {
	_Atomic uint64_t value;
	uint32_t member; /* own number in the map */
};

void counter_init(struct counter *c, uint64_t start, uint32_t member);

/* Draws a ballot above every one that this node has drawn or seen. */
struct ballot counter_draw(struct counter *c, uint32_t version);

/* Raises the counter to at least that of b. */
void counter_raise(struct counter *c, struct ballot b);

uint64_t counter_value(const struct counter *c);

#endif
