/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/lineage - sees every proposal, and that none forgets what was decided.
 *
 * Why     Clients notice a lost value only if they look in time; the invariant that the
 *         exhaustive model checks shows it at once: the value of every decided ballot d is an
 *         ancestor of that of every accepted ballot b > d, and a read returns a descendant of
 *         all that was decided before it began. Values are named by `ver`, and `pver` is the
 *         one that a value replaced; a proposal on an absent key names a bound instead, and
 *         descends from the tombstone that was accepted last below it.
 * Owns    Its proposals.
 * Thread  one owner.
 */
#ifndef DHT_SIM_LINEAGE_H
#define DHT_SIM_LINEAGE_H

#include "limits.h"
#include "paxos/quorum.h"
#include "paxos/register.h"

enum { LINEAGE_MAX = 768 };

struct lineage_value {
	struct ballot ver;
	int16_t parent; /* -1: none */
	bool is_tombstone;
};

struct proposal {
	struct ballot b;
	int16_t value;
	bool is_decided, was_accepted;
	uint16_t accepted; /* by these members, as far as no crash has undone it */
	uint16_t acked;    /* by these members, whose acceptance was durable then */
	uint32_t read;     /* version + 1 in which a read has returned it, 0 for none */
	struct quorum quorum;
};

struct lineage_of_key {
	uint16_t count, value_count;
	int16_t latest; /* the highest that is decided, -1 for none */
	bool is_full;   /* there was no room: nothing is checked any more */
	struct proposal proposals[LINEAGE_MAX];
	struct lineage_value values[LINEAGE_MAX];
};

struct lineage {
	bool began_alone; /* version 0 has one replica */
	struct lineage_of_key keys[SIM_KEYS];
};

void lineage_init(struct lineage *l, bool began_alone);

/* The following return what is wrong, or NULL. */

/* This record is proposed: with ACCEPT, or by a replica that is the only one. Told again, it
 * must be the same. */
const char *lineage_propose(struct lineage *l, unsigned key, const struct paxos_record *record,
			    const struct quorum *quorum);
/* A member has taken b as a vote. */
const char *lineage_accept(struct lineage *l, unsigned key, struct ballot b, unsigned member);
/* It has lost it again, before anybody was told. */
void lineage_forget(struct lineage *l, unsigned key, struct ballot b, unsigned member);
/* That is durable. */
const char *lineage_ack(struct lineage *l, unsigned key, struct ballot b, unsigned member);
/* A read in this version, that began when `before` was lineage_decided(), answers with the
 * value of ver: from then on it counts as decided. An older version's ballots may still be
 * accepted by members that the map has removed. */
const char *lineage_read(struct lineage *l, unsigned key, struct ballot ver, uint16_t before,
			 uint32_t version);

/* What a read that begins now must not miss. */
uint16_t lineage_decided(const struct lineage *l, unsigned key);

#endif
