/* SPDX-License-Identifier: Apache-2.0
 *
 * paxos/round - the rounds by which a coordinator reads or changes one key.
 *
 * Why     The coordinator of the register protocol, section 3, as a machine that knows no
 *         network: it is told what was answered and says what to do next. It decides when
 *         a quorum has spoken, from which record a change starts, and whether an earlier
 *         attempt took effect; messages, values and clocks are its owner's.
 * Owns    Nothing: records that it was given are used until the next round begins, so what
 *         their values point to has to last as long.
 * Thread  one owner at a time; pure.
 *
 * An operation, after round_init:
 *
 *     round_read / round_prepare / round_hot    begin a round under a new tag: ask
 *                                                quorum_all(&r->quorum)
 *     round_on_*                                 tell it of an answer of this tag
 *         ROUND_WAITS      nothing yet
 *         ROUND_READ_DONE  answer from r->base, which is a tombstone if the key is absent,
 *                          if no change is needed, else prepare
 *         ROUND_CHANGE     r->base is what the change starts from: round_propose
 *         ROUND_TOOK       attempt r->took did take effect: round_propose_again, and answer
 *                          its result when that is decided
 *         ROUND_DECIDED    the proposal is decided: answer
 *         ROUND_RETRY      prepare: after a READ at once, else after a random back-off
 *         ROUND_NOT_DONE   give up: nothing was done, and nothing will be
 *         ROUND_UNKNOWN    give up: the outcome is unknown
 *     round_on_timeout                           too long without a decision
 *     round_move                                 the block has a new version: begin again
 */
#ifndef DHT_PAXOS_ROUND_H
#define DHT_PAXOS_ROUND_H

#include "paxos/quorum.h"
#include "paxos/register.h"

enum { ROUND_MAX = 8 }; /* rounds of an operation, and so its attempts at most */

enum round_phase { ROUND_IDLE, ROUND_READING, ROUND_PREPARING, ROUND_ACCEPTING };

enum round_step {
	ROUND_WAITS,
	ROUND_READ_DONE,
	ROUND_CHANGE,
	ROUND_TOOK,
	ROUND_DECIDED,
	ROUND_RETRY,
	ROUND_NOT_DONE,
	ROUND_UNKNOWN,
};

struct round {
	/* Of the block, in the version in which the round runs. */
	struct quorum quorum;
	uint32_t version, start;

	enum round_phase phase;
	uint8_t rounds;                     /* begun so far */
	bool is_over;                       /* this round has said what follows from it */
	bool was_refused;                   /* a nack came in this round */
	uint64_t tag;                       /* of this round; whoever answers repeats it */
	struct ballot b;                    /* of PREPARE and ACCEPT */
	struct ballot next;                 /* reserved by this ACCEPT */
	uint16_t agreed, refused, reserved; /* seats: ok, nack, ok with the promise of next */

	/* What was read, or what a change starts from; for a proposal its record. */
	struct paxos_record base;
	struct ballot absent_bound;
	struct paxos_record answers[QUORUM_SEATS]; /* of a READ, by seat in agreed */

	/* ACCEPTs that carried the operation's change. */
	uint8_t attempt_count, took;
	struct ballot attempts[ROUND_MAX];
};

void round_init(struct round *r, const struct quorum *quorum, uint32_t version, uint32_t start);

/* Begins a READ round. False: that was the last allowed; round_give_up says how it ends. */
bool round_read(struct round *r, uint64_t tag);

/* Begins a PREPARE round at b, which was drawn just now: the key is not hot any more. */
bool round_prepare(struct round *r, uint64_t tag, struct ballot b);

/* Begins with an ACCEPT round at the ballot that was reserved, because the key was hot; local
 * is this node's own record. round_propose is to follow. */
void round_hot(struct round *r, const struct paxos_record *local, struct ballot reserved);

/* Proposes what the change has made of r->base: kind, expiry and value of made count. Not
 * `changed`: the base again, as a vote at this ballot. Sets r->base to the record to send with
 * ACCEPT, and r->next to what it reserves, to which the counter is to be raised. */
void round_propose(struct round *r, uint64_t tag, const struct paxos_record *made, bool changed);

/* The same after ROUND_TOOK. */
void round_propose_again(struct round *r, uint64_t tag);

/* A replica answered READ with its record, or with one that is absent. */
enum round_step round_on_value(struct round *r, unsigned seat, uint64_t tag,
			       const struct paxos_record *record);

/* A replica promised b, with its record or an absent one and its absent_bound. */
enum round_step round_on_promise(struct round *r, unsigned seat, uint64_t tag, struct ballot b,
				 const struct paxos_record *record, struct ballot absent_bound);

/* A replica accepted b, and has promised that ballot now. */
enum round_step round_on_ok(struct round *r, unsigned seat, uint64_t tag, struct ballot b,
			    struct ballot promised);

/* A replica refused. The counter is to be raised to its bound by the caller, whatever the
 * tag, and the key is not hot any more. */
enum round_step round_on_nack(struct round *r, unsigned seat, uint64_t tag);

/* Nothing was decided for too long. */
enum round_step round_on_timeout(struct round *r);

/* True if nothing is decided before some of the seats in `away` answer, from which no answer is
 * expected, and another round may do better: after a READ that a quorum has answered, and
 * whenever somebody has refused. Then the time-out need not be waited for. */
bool round_waits_in_vain(const struct round *r, uint16_t away);

/* The block has a new version: the operation goes on in it, a READ with a READ round, anything
 * else with a PREPARE round, its attempts kept. The answer is which of the two to begin. */
enum round_phase round_move(struct round *r, const struct quorum *quorum, uint32_t version,
			    uint32_t start);

/* How an operation ends that goes no further. */
enum round_step round_give_up(const struct round *r);

/* After ROUND_DECIDED: whether this node may write next without preparing, given what its own
 * replica holds. */
bool round_makes_hot(const struct round *r, const struct paxos_record *local,
		     struct ballot promised);

#endif
