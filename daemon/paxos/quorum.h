/* SPDX-License-Identifier: Apache-2.0
 *
 * paxos/quorum - who must agree.
 *
 * Why     A quorum is a majority of the block's replicas; in a joint phase a majority of
 *         the old ones AND a majority of the new ones, never of the union (the register
 *         protocol, section 3).
 * Thread  any; values.
 *
 * Replicas have seats, 0 to QUORUM_SEATS - 1, as the caller numbers the members of both
 * sets; a set of them is a mask of bits.
 */
#ifndef DHT_PAXOS_QUORUM_H
#define DHT_PAXOS_QUORUM_H

#include <stdbool.h>
#include <stdint.h>

#include "paxos/variant.h"

enum { QUORUM_SEATS = 14 }; /* seven old replicas and seven new ones */

struct quorum {
	uint16_t old;  /* O: the replicas of a stable block */
	uint16_t next; /* N: 0 when it is stable */
};

static inline uint16_t quorum_all(const struct quorum *q)
{
	return q->old | q->next;
}

static inline bool quorum_is_joint(const struct quorum *q)
{
	return q->next != 0;
}

/* The compiler's own way to count needs a library where the processor has none. */
static inline unsigned quorum_count(uint16_t seats)
{
	unsigned count = 0;
	for (; seats != 0; seats &= (uint16_t)(seats - 1))
		count++;
	return count;
}

static inline bool quorum_is_majority(uint16_t of, uint16_t seats)
{
	return 2 * quorum_count(of & seats) > quorum_count(of);
}

static inline bool quorum_is_met(const struct quorum *q, uint16_t seats)
{
	if (PAXOS_BROKEN(JOINT_UNION))
		return quorum_is_majority(quorum_all(q), seats);
	if (!quorum_is_joint(q) || PAXOS_BROKEN(JOINT_OLD_ONLY))
		return quorum_is_majority(q->old, seats);
	return quorum_is_majority(q->old, seats) && quorum_is_majority(q->next, seats);
}

/* True while the seats that have not refused could still be a quorum. */
static inline bool quorum_is_possible(const struct quorum *q, uint16_t refused)
{
	return quorum_is_met(q, quorum_all(q) & (uint16_t)~refused);
}

#endif
