/* SPDX-License-Identifier: Apache-2.0
 *
 * paxos/acceptor - what a replica does with the messages about one key.
 *
 * Why     The register protocol, sections 2, 4 and 6, guard for guard. Each function is a
 *         step on values: the caller has loaded what it knows of the key and of its block,
 *         and writes back what the step changed, before anything is sent that rests on it.
 * Thread  any; pure. Steps of one block are atomic by the caller's lock.
 *
 * The caller has compared the message's version with the block's (section 2: a newer map is
 * adopted first, an older message is answered STALE or dropped), and has raised the counter
 * to the ballots that the message carries.
 */
#ifndef DHT_PAXOS_ACCEPTOR_H
#define DHT_PAXOS_ACCEPTOR_H

#include "paxos/register.h"

/* What is known of a block; of this the floor is changed here. */
struct acceptor_block {
	uint32_t version;
	uint32_t start;      /* version of its latest joint phase, 0 before the first */
	struct ballot floor; /* bound over all that erased keys may have held or promised */
	struct ballot low;   /* after a restart: bound over all promises before it */
};

/* What is known of a key. */
struct acceptor_key {
	bool has_entry; /* of which promised and hot are; there may be no record in it */
	bool hot;       /* this node may write next without preparing */
	struct ballot promised;
	struct paxos_record record;
};

/* What is to be written down. An answer also waits for what earlier steps have stored: that
 * of a duplicate writes nothing, and rests on the record all the same. */
enum acceptor_effect {
	ACCEPTOR_NOTHING,
	ACCEPTOR_STORE, /* key->record, which is durable before anything rests on it */
	ACCEPTOR_DROP,  /* the key's entry, in one step with the floor, which outlives no restart */
};

struct acceptor_answer {
	bool is_ok;
	/* Refused: bound(k). Of a promise: absent_bound. Of an ok: promised(k). */
	struct ballot ballot;
	enum acceptor_effect effect;
};

/* absent_bound and bound(k) of section 1. */
struct ballot acceptor_absent_bound(const struct acceptor_block *block);
struct ballot acceptor_bound(const struct acceptor_block *block, const struct acceptor_key *key);

/* True if the record is a vote in the current version. */
bool acceptor_is_vote(const struct acceptor_block *block, const struct paxos_record *record);

/* PREPARE(k, b): the answer, if it is ok, goes with key->record. */
struct acceptor_answer acceptor_prepare(const struct acceptor_block *block,
					struct acceptor_key *key, struct ballot b);

/* ACCEPT(k, b, record, next): record->acc is b. */
struct acceptor_answer acceptor_accept(const struct acceptor_block *block, struct acceptor_key *key,
				       const struct paxos_record *record, struct ballot next);

/* LEARN(k, record): an accept told again. */
enum acceptor_learnt {
	ACCEPTOR_KNOWN,   /* nothing to do */
	ACCEPTOR_VOTED,   /* store key->record: a vote */
	ACCEPTOR_COPIED,  /* store key->record: a copy */
	ACCEPTOR_REFUSED, /* an identity round for k now and then */
};
enum acceptor_learnt acceptor_learn(const struct acceptor_block *block, struct acceptor_key *key,
				    const struct paxos_record *record);

/* HOLDS(k, t): whether this replica holds the tombstone t as a vote. */
enum acceptor_holding {
	ACCEPTOR_HOLDS,
	ACCEPTOR_GONE,   /* there is something newer */
	ACCEPTOR_BEHIND, /* send it LEARN */
};
enum acceptor_holding acceptor_holds(const struct acceptor_block *block,
				     const struct acceptor_key *key, struct ballot t);

/* ERASE(k, t): ACCEPTOR_DROP, with the floor raised, or nothing. */
enum acceptor_effect acceptor_erase(struct acceptor_block *block, struct acceptor_key *key,
				    struct ballot t);

/* Drops an entry that has a promise and no record, once the longest operation deadline has
 * passed since. False: it has a record. */
bool acceptor_drop_promise(struct acceptor_block *block, struct acceptor_key *key);

/* CHUNK of a sync: first its absent_bound, then each of its records. */
void acceptor_raise_floor(struct acceptor_block *block, struct ballot absent_bound);
enum acceptor_effect acceptor_copy(const struct acceptor_block *block, struct acceptor_key *key,
				   const struct paxos_record *record);

/* The state of a key after a restart: its record, if there is one. */
struct acceptor_key acceptor_restart_key(const struct paxos_record *record);

/* low of a block whose version was `version` at the restart, with the durable ceiling. */
struct ballot acceptor_restart_low(uint32_t version, uint64_t ceiling);

#endif
