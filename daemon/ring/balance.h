/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/balance - moves what members hold until each holds enough and none too much.
 *
 * Why     Replicas and first places are shared out in the same way: a block's place goes
 *         from a member that has too many to one that has too few, directly where
 *         some block lets it, and along a chain of members (a takes b's place in one
 *         block, b takes c's in another) where none does.
 * Owns    The tables of its searches, from balance_open to balance_close.
 * Thread  one.
 * Errors  balance_open: DHT_ENOMEM.
 *
 * A chain is a shortest augmenting path in the flow network of blocks and members (Ford and
 * Fulkerson; the shortest by breadth-first search, Edmonds and Karp, 1972): as long as a
 * better distribution exists there is one, and no step of a shortest one is in the way of
 * another.
 */
#ifndef DHT_RING_BALANCE_H
#define DHT_RING_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

struct balance;

/* What is shared out. */
struct balance_kind {
	/* The members whose place in the block may go to another one; returns their number. */
	size_t (*holders)(const struct balance *balance, uint32_t block, const uint16_t **members);
	/* True if the place of `from`, a holder, may go to `to`. */
	bool (*may_go)(const struct balance *balance, uint32_t block, uint16_t from, uint16_t to);
	/* It does. Does not count it. */
	void (*go)(const struct balance *balance, uint32_t block, uint16_t from, uint16_t to);
	/* The only blocks in which the member may get a place, in ascending order; returns
	 * their number. */
	size_t (*blocks)(const struct balance *balance, uint16_t to, const uint32_t **blocks);
};

struct balance_step {
	uint32_t block;
	uint16_t from, to;
};

struct balance {
	const struct balance_kind *kind;
	void *state;
	size_t count; /* of members */
	uint32_t *have;
	const uint32_t *least, *most; /* of each member */
	const uint32_t *aim;          /* between them: what is best */
	uint64_t looked_at;           /* blocks, by all searches so far */
	/* Of a try: its steps, the latest one last. */
	struct balance_step *steps;
	size_t step_count;
	bool is_trying;
	/* Of a search: */
	uint16_t *queue;
	uint16_t *next;  /* whom a member that was reached gives to; itself at the end */
	uint32_t *block; /* in which block */
};

/* The fields up to most are set. */
int balance_open(struct balance *balance) DHT_MUST_CHECK;

void balance_close(struct balance *balance);

/* Brings have[m] to between least[m] and most[m] for every member, as far as the blocks
 * allow, with as few steps as a greedy choice finds. */
void balance_run(struct balance *balance);

/* Moves one place, which may_go (asserted), and mends what that broke by at most two chains.
 * False: it cannot be mended, and nothing is changed. Every member was within its bounds
 * before, and is after. */
bool balance_try(struct balance *balance, uint32_t block, uint16_t from, uint16_t to);

#endif
