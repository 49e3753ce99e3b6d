/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/peers - what all workers of a node share about its links to other nodes.
 *
 * Why     A worker opens a data link to a member when it first has something to say to it; how a
 *         link begins (names, secrets) and where the member is reached is the server's to say.
 * Owns    The budget of frames that are put together.
 * Thread  constant while the workers run, but for the atomics; the calls of the opening are made
 *         by any worker, and wait for nothing.
 */
#ifndef DHT_WORKER_PEERS_H
#define DHT_WORKER_PEERS_H

#include "base/buffer.h"
#include "io/clock.h"
#include "ring/map.h"
#include "wire/peer_parts.h"

/* How this node opens a link for data. The state of an opening is state_size bytes, zeroed at the
 * start, and all of it may be forgotten at any time. Both calls append what is to be sent, and
 * return 0; take_frame 1 when the link is open; or an error, which ends it. */
struct peers_opening {
	void *ctx;
	size_t state_size;
	int (*begin)(void *ctx, void *state, uint16_t member, struct buffer *out);
	int (*take_frame)(void *ctx, void *state, uint16_t member, const struct peer_frame *frame,
			  struct buffer *out);
};

struct resolver;

struct peers {
	const struct peers_opening *opening; /* NULL: no links are opened */
	struct resolver *resolver;           /* NULL: addresses are numeric */
	struct peer_budget budget;
	_Atomic uint64_t deadline_us; /* of an operation of a client */
	uint64_t suspect_after_us;    /* of silence */
	/* A member that has a newer map, and 1; 0: none. The dispatcher is woken when it becomes
	 * other than 0, and sets it back when it asks. */
	_Atomic uint32_t wants_map;
	_Atomic uint64_t back_ns[RING_MEMBERS_MAX]; /* when each member was last found to be back */
	/* Members whose answers are waited for in vain, a bit each, if there are any: the
	 * dispatcher is woken to find out about them. */
	_Atomic bool has_doubts;
	_Atomic uint64_t doubts[RING_MEMBERS_MAX / 64 + 1];
	_Atomic uint32_t silenced; /* how often a member was found not to answer: node_is_down */
};

enum {
	PEERS_DEADLINE_US = 5000000,
	PEERS_SUSPECT_US = 500000,
	PEERS_BUDGET = 4 * PEER_WHOLE_MAX, /* bytes */
};

static inline void peers_init(struct peers *peers, const struct peers_opening *opening)
{
	*peers = (struct peers){.opening = opening,
				.budget = {.max = PEERS_BUDGET},
				.suspect_after_us = PEERS_SUSPECT_US};
	atomic_init(&peers->deadline_us, PEERS_DEADLINE_US);
}

/* A member has opened a link, or was heard: it can be reached, whatever came of attempts so far. */
static inline void peers_note_back(struct peers *peers, uint16_t member)
{
	atomic_store_explicit(&peers->back_ns[member], clock_monotonic_ns(), memory_order_relaxed);
}

#endif
