/* SPDX-License-Identifier: Apache-2.0 */
#include "paxos/round.h"

#include "paxos/variant.h"

void round_init(struct round *r, const struct quorum *quorum, uint32_t version, uint32_t start)
{
	*r = (struct round){.quorum = *quorum, .version = version, .start = start};
}

/* ---- The begin of a round ---------------------------------------------------------- */

static void begin(struct round *r, enum round_phase phase, uint64_t tag)
{
	r->phase = phase;
	r->tag = tag;
	r->is_over = false;
	r->was_refused = false;
	r->agreed = r->refused = r->reserved = 0;
}

/* An ACCEPT belongs to the PREPARE before it. */
static bool may_begin(struct round *r)
{
	if (r->rounds == ROUND_MAX)
		return false;
	r->rounds++;
	return true;
}

bool round_read(struct round *r, uint64_t tag)
{
	if (!may_begin(r))
		return false;
	begin(r, ROUND_READING, tag);
	return true;
}

bool round_prepare(struct round *r, uint64_t tag, struct ballot b)
{
	if (!may_begin(r))
		return false;
	begin(r, ROUND_PREPARING, tag);
	r->b = b;
	r->base = (struct paxos_record){0};
	r->absent_bound = BALLOT_ABSENT;
	return true;
}

void round_hot(struct round *r, const struct paxos_record *local, struct ballot reserved)
{
	DHT_ASSERT(r->rounds == 0 && r->attempt_count == 0);
	r->rounds = 1;
	r->b = reserved;
	r->base = *local;
}

static void accept(struct round *r, uint64_t tag)
{
	begin(r, ROUND_ACCEPTING, tag);
	r->base.acc = r->b;
	r->base.is_copy = false;
	r->next = ballot_successor(r->b);
}

void round_propose(struct round *r, uint64_t tag, const struct paxos_record *made, bool changed)
{
	if (changed) {
		DHT_ASSERT(r->attempt_count < ROUND_MAX);
		r->base = (struct paxos_record){
		    .ver = r->b,
		    .pver = r->base.ver,
		    .is_tombstone = made->is_tombstone,
		    .expires_ms = made->expires_ms,
		    .value = made->value,
		};
		r->attempts[r->attempt_count++] = r->b;
	}
	accept(r, tag);
}

void round_propose_again(struct round *r, uint64_t tag)
{
	accept(r, tag);
}

/* ---- The end of an operation ------------------------------------------------------- */

enum round_step round_give_up(const struct round *r)
{
	return r->attempt_count == 0 ? ROUND_NOT_DONE : ROUND_UNKNOWN;
}

static enum round_step retry(struct round *r)
{
	r->is_over = true;
	return r->rounds < ROUND_MAX ? ROUND_RETRY : round_give_up(r);
}

static enum round_step conclude(struct round *r, enum round_step step)
{
	r->is_over = true;
	return step;
}

static bool is_of_round(const struct round *r, enum round_phase phase, uint64_t tag)
{
	return r->phase == phase && r->tag == tag && !r->is_over;
}

static uint16_t seat_bit(const struct round *r, unsigned seat)
{
	DHT_ASSERT(seat < QUORUM_SEATS);
	return (uint16_t)(1u << seat) & quorum_all(&r->quorum);
}

/* A nack may overtake an answer that was given before it: the answer stands. */
static void agree_seat(struct round *r, uint16_t bit)
{
	r->agreed |= bit;
	r->refused &= (uint16_t)~bit;
}

/* ---- READ -------------------------------------------------------------------------- */

static bool is_vote(const struct round *r, const struct paxos_record *record)
{
	if (record->is_copy && !PAXOS_BROKEN(READ_COPIES))
		return false;
	return record->acc.version >= r->start || PAXOS_BROKEN(READ_OLD_VOTES);
}

/* True if two answers are of the same thing, and both count: votes with the same acc, or both
 * absent. An absent key and a tombstone are not the same. */
static bool agree(const struct round *r, const struct paxos_record *a, const struct paxos_record *b)
{
	bool a_is = paxos_record_is_there(a), b_is = paxos_record_is_there(b);
	if (PAXOS_BROKEN(READ_ABSENT_IS_TOMBSTONE) && (!a_is || a->is_tombstone) &&
	    (!b_is || b->is_tombstone))
		return true;
	if (!a_is || !b_is)
		return a_is == b_is;
	return ballot_equal(a->acc, b->acc) && is_vote(r, a) && is_vote(r, b);
}

/* The seats whose answers agree with that of this one. */
static uint16_t seats_of(const struct round *r, unsigned seat)
{
	uint16_t seats = 0;
	for (unsigned i = 0; i < QUORUM_SEATS; i++) {
		if ((r->agreed >> i & 1) != 0 && agree(r, &r->answers[seat], &r->answers[i]))
			seats |= (uint16_t)(1u << i);
	}
	return seats;
}

/* All replicas of a stable block report the same acc, of a version older than start: nothing
 * else can have been decided since. */
static bool is_shared_by_all(const struct round *r)
{
	const struct paxos_record *first = NULL;
	if (quorum_is_joint(&r->quorum) && !PAXOS_BROKEN(READ_ALL_JOINT))
		return false;
	for (unsigned i = 0; i < QUORUM_SEATS; i++) {
		const struct paxos_record *answer = &r->answers[i];
		if ((quorum_all(&r->quorum) >> i & 1) == 0)
			continue;
		if (!paxos_record_is_there(answer))
			return false;
		if (answer->acc.version >= r->start && !PAXOS_BROKEN(READ_ALL_COPIES) &&
		    !PAXOS_BROKEN(READ_ALL_JOINT))
			return false;
		if (first != NULL && !ballot_equal(first->acc, answer->acc))
			return false;
		first = first == NULL ? answer : first;
	}
	return first != NULL;
}

enum round_step round_on_value(struct round *r, unsigned seat, uint64_t tag,
			       const struct paxos_record *record)
{
	uint16_t bit = seat_bit(r, seat), all = quorum_all(&r->quorum);
	if (!is_of_round(r, ROUND_READING, tag) || bit == 0 || (r->agreed & bit) != 0)
		return ROUND_WAITS;
	r->agreed |= bit;
	r->answers[seat] = *record;
	bool counts = !paxos_record_is_there(record) || is_vote(r, record) ||
		      PAXOS_BROKEN(READ_ABSENT_IS_TOMBSTONE);
	if ((counts && quorum_is_met(&r->quorum, seats_of(r, seat))) ||
	    (r->agreed == all && is_shared_by_all(r))) {
		r->base = *record;
		r->base.is_tombstone |= !paxos_record_is_there(record);
		return conclude(r, ROUND_READ_DONE);
	}
	return r->agreed == all ? retry(r) : ROUND_WAITS;
}

/* ---- PREPARE ----------------------------------------------------------------------- */

static bool is_dead(const struct round *r, struct ballot attempt)
{
	const struct paxos_record *h = &r->base;
	if (ballot_compare(h->ver, attempt) < 0)
		return true;
	return ballot_compare(h->pver, attempt) < 0 && ballot_compare(attempt, h->ver) < 0;
}

/* What became of the earlier attempts, given the versions that the base was found with. */
static enum round_step judge_attempts(struct round *r, struct ballot over, struct ballot opver)
{
	bool all_dead = true;
	if (PAXOS_BROKEN(RETRY_ALWAYS))
		return ROUND_CHANGE;
	for (unsigned i = 0; i < r->attempt_count; i++) {
		if (ballot_equal(over, r->attempts[i]) || ballot_equal(opver, r->attempts[i])) {
			r->took = (uint8_t)i;
			return ROUND_TOOK;
		}
		all_dead = all_dead && is_dead(r, r->attempts[i]);
	}
	return all_dead ? ROUND_CHANGE : ROUND_UNKNOWN;
}

/* A quorum has promised. */
static enum round_step settle_base(struct round *r)
{
	struct paxos_record *h = &r->base;
	if (!paxos_record_is_there(h))
		*h = (struct paxos_record){.is_tombstone = true};
	struct ballot over = h->ver, opver = h->pver;
	/* The history up to there may have been erased. */
	bool is_older = h->is_tombstone && ballot_compare(r->absent_bound, h->ver) > 0;
	if (is_older && !PAXOS_BROKEN(ABSENT_PVER_ZERO))
		h->ver = h->pver = r->absent_bound;
	return conclude(r, judge_attempts(r, over, opver));
}

enum round_step round_on_promise(struct round *r, unsigned seat, uint64_t tag, struct ballot b,
				 const struct paxos_record *record, struct ballot absent_bound)
{
	uint16_t bit = seat_bit(r, seat);
	if (!is_of_round(r, ROUND_PREPARING, tag) || bit == 0 || !ballot_equal(b, r->b) ||
	    (r->agreed & bit) != 0)
		return ROUND_WAITS;
	agree_seat(r, bit);
	if (!paxos_record_is_there(record))
		r->absent_bound = ballot_max(r->absent_bound, absent_bound);
	else if (ballot_compare(record->acc, r->base.acc) > 0)
		r->base = *record;
	return quorum_is_met(&r->quorum, r->agreed) ? settle_base(r) : ROUND_WAITS;
}

/* ---- ACCEPT ------------------------------------------------------------------------ */

enum round_step round_on_ok(struct round *r, unsigned seat, uint64_t tag, struct ballot b,
			    struct ballot promised)
{
	uint16_t bit = seat_bit(r, seat);
	if (!is_of_round(r, ROUND_ACCEPTING, tag) || bit == 0 || !ballot_equal(b, r->b))
		return ROUND_WAITS;
	agree_seat(r, bit);
	if (ballot_equal(promised, r->next))
		r->reserved |= bit;
	return quorum_is_met(&r->quorum, r->agreed) ? conclude(r, ROUND_DECIDED) : ROUND_WAITS;
}

enum round_step round_on_nack(struct round *r, unsigned seat, uint64_t tag)
{
	uint16_t bit = seat_bit(r, seat);
	bool asks = r->phase == ROUND_PREPARING || r->phase == ROUND_ACCEPTING;
	if (!asks || r->tag != tag || bit == 0)
		return ROUND_WAITS;
	r->was_refused = true;
	if (r->is_over || (r->agreed & bit) != 0)
		return ROUND_WAITS;
	r->refused |= bit;
	return quorum_is_possible(&r->quorum, r->refused) ? ROUND_WAITS : retry(r);
}

bool round_makes_hot(const struct round *r, const struct paxos_record *local,
		     struct ballot promised)
{
	return ballot_equal(local->acc, r->b) && ballot_equal(promised, r->next) &&
	       quorum_is_met(&r->quorum, r->reserved) && !r->was_refused;
}

/* ---- What ends a round from outside ------------------------------------------------- */

enum round_step round_on_timeout(struct round *r)
{
	return r->is_over || r->phase == ROUND_IDLE ? ROUND_WAITS : retry(r);
}

bool round_waits_in_vain(const struct round *r, uint16_t away)
{
	if (r->is_over)
		return false;
	away &= (uint16_t)~r->agreed;
	switch (r->phase) {
	case ROUND_READING:
		return quorum_is_met(&r->quorum, r->agreed) &&
		       (quorum_all(&r->quorum) & (uint16_t) ~(r->agreed | away)) == 0;
	case ROUND_PREPARING:
	case ROUND_ACCEPTING:
		return r->refused != 0 && !quorum_is_possible(&r->quorum, r->refused | away);
	case ROUND_IDLE:
		return false;
	}
	DHT_UNREACHABLE();
}

enum round_phase round_move(struct round *r, const struct quorum *quorum, uint32_t version,
			    uint32_t start)
{
	DHT_ASSERT(version > r->version);
	enum round_phase next = r->phase == ROUND_READING ? ROUND_READING : ROUND_PREPARING;
	r->quorum = *quorum;
	r->version = version;
	r->start = start;
	r->is_over = true;
	return next;
}
