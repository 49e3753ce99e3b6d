/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/lineage - sees every proposal, and that none forgets what was decided.
 *
 * Why     Clients notice a lost value only if they look in time; the invariant that the
 *         exhaustive model checks shows it at once: every decided ballot d is an ancestor of
 *         every accepted ballot b > d, and a read returns a descendant of all that was
 *         decided before it began. The parent of a ballot is the one whose record it was
 *         proposed on; that of a proposal on an absent key is what the replicas that
 *         promised have erased, which no node knows, but the simulator does. A ballot is
 *         proposed once.
 * Owns    Its proposals.
 * Thread  one owner.
 */
#ifndef DHT_SIM_LINEAGE_H
#define DHT_SIM_LINEAGE_H

#include "limits.h"
#include "paxos/ballot.h"
#include "paxos/quorum.h"

enum { LINEAGE_MAX = 512 };

struct proposal {
	struct ballot b;
	int16_t parent; /* -1: none */
	bool is_accepted, is_decided;
	uint16_t acked; /* by these members, whose acceptance was durable then */
	uint32_t read;  /* version + 1 in which a read has returned it, 0 for none */
	struct quorum quorum;
};

struct lineage_of_key {
	uint16_t count;
	int16_t latest; /* the highest that is decided, -1 for none */
	struct proposal proposals[LINEAGE_MAX];
};

struct lineage {
	struct lineage_of_key keys[SIM_KEYS];
};

void lineage_init(struct lineage *l);

/* The following return what is wrong, or NULL. */

/* b is sent with ACCEPT, built on parent. */
const char *lineage_propose(struct lineage *l, unsigned key, struct ballot b, struct ballot parent,
			    const struct quorum *quorum);
/* A member has taken b as a vote. */
const char *lineage_accept(struct lineage *l, unsigned key, struct ballot b);
/* An ok of the member leaves it. */
const char *lineage_ack(struct lineage *l, unsigned key, struct ballot b, unsigned node);
/* A read in this version, that began when `before` was lineage_decided(), answers from the
 * record of acc: from then on it counts as decided. An older version's ballots may still be
 * accepted by members that the map has removed. */
const char *lineage_read(struct lineage *l, unsigned key, struct ballot acc, uint16_t before,
			 uint32_t version);

/* What a read that begins now must not miss. */
uint16_t lineage_decided(const struct lineage *l, unsigned key);

#endif
