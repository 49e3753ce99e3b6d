/* SPDX-License-Identifier: Apache-2.0
 *
 * paxos: every way in which two coordinators and three replicas can meet over one key.
 *
 * Why     A guard that is wrong shows in one order of events out of many thousand. Here the
 *         shipped acceptor and rounds go through all of them, with few ballots: every message
 *         that was ever sent may arrive at any time, again and again, or not at all, and its
 *         answer may be lost; a coordinator may lose patience at any time; a replica may
 *         restart; an accept may be told again by whoever holds it.
 *
 * Each operation adds itself to the value, so a value is the list of the operations in it:
 * what a proposal was built on is its parent. Asserted in every state:
 *     what a quorum has accepted is in everything that anybody accepts above it;
 *     no operation is in a value twice;
 *     an operation that is told to be done is in what was decided.
 * Nodes 0 and 1 are coordinators and replicas, node 2 is a replica.
 */
#include <stdlib.h>

#include "paxos/acceptor.h"
#include "paxos/round.h"
#include "unit.h"

enum {
	REPLICAS = 3,
	COORDINATORS = 2,
	ROUNDS = 2, /* of a coordinator at most, over all its operations */
	PROPOSALS = COORDINATORS * ROUNDS,
	VERSION = 1,
	NONE = -1,
	TABLE_BITS = 23,
};

/* What a walk allows besides PREPARE and ACCEPT. */
struct walk {
	uint8_t rounds[COORDINATORS];
	uint8_t restarts, learns;
	bool is_impatient;   /* coordinators give a round up at any time */
	bool is_lossy;       /* an answer may be lost; a message always may */
	uint64_t states_min; /* so that a walk that ends early does not pass */
};

/* The ACCEPT of a round, and with it a PREPARE before, unless the key was hot. */
struct proposal {
	bool is_sent;
	int8_t parent; /* the proposal that it was built on, or NONE */
	int8_t writer; /* the operation that it adds, or NONE */
	uint8_t voted; /* replicas that have accepted it at some time, by bits */
	struct paxos_record record;
	struct ballot next;
};

enum condition { FREE, RUNNING, WAITING, DEAD };

struct coordinator {
	enum condition condition;
	uint8_t counter;
	uint8_t begun;    /* rounds */
	int8_t operation; /* the running one, by its first round */
	bool prepares[ROUNDS];
	struct ballot ballots[ROUNDS];
};

struct state {
	uint8_t restarts, learns;
	struct acceptor_block blocks[REPLICAS];
	struct acceptor_key keys[REPLICAS];
	struct coordinator coordinators[COORDINATORS];
	struct proposal proposals[PROPOSALS];
	struct round rounds[COORDINATORS];
};

/* All but what READ rounds keep, which are not begun here: that is most of it. */
static void copy_round(struct round *to, const struct round *from)
{
	size_t answers = offsetof(struct round, answers);
	size_t rest = answers + sizeof(from->answers);
	memcpy(to, from, answers);
	memcpy((uint8_t *)to + rest, (const uint8_t *)from + rest, sizeof(*from) - rest);
}

static void copy_state(struct state *to, const struct state *from)
{
	memcpy(to, from, offsetof(struct state, rounds));
	for (int c = 0; c < COORDINATORS; c++)
		copy_round(&to->rounds[c], &from->rounds[c]);
}

static const struct quorum quorum = {.old = 0x07};
static const struct walk *walk;
static uint64_t *table;
static uint64_t states;

/* ---- What is asserted --------------------------------------------------------------- */

static bool is_chosen(const struct proposal *p)
{
	return quorum_is_met(&quorum, p->voted);
}

static bool descends_from(const struct state *s, int p, int ancestor)
{
	while (p != NONE && p != ancestor)
		p = s->proposals[p].parent;
	return p == ancestor;
}

static unsigned times_in(const struct state *s, int operation, int p)
{
	unsigned times = 0;
	for (; p != NONE; p = s->proposals[p].parent)
		times += s->proposals[p].writer == operation;
	return times;
}

static void assert_chosen_is_kept(const struct state *s)
{
	for (int d = 0; d < PROPOSALS; d++) {
		for (int p = 0; p < PROPOSALS && is_chosen(&s->proposals[d]); p++) {
			bool is_above = s->proposals[p].voted != 0 &&
					ballot_compare(s->proposals[p].record.acc,
						       s->proposals[d].record.acc) > 0;
			if (is_above && !descends_from(s, p, d))
				ck_abort_msg("a decided value was lost");
		}
	}
}

static void assert_applied_once(const struct state *s, int p)
{
	for (int operation = 0; operation < PROPOSALS; operation++) {
		if (times_in(s, operation, p) > 1)
			ck_abort_msg("an operation was applied twice");
	}
}

static void assert_done(const struct state *s, int operation, int p)
{
	if (!is_chosen(&s->proposals[p]))
		ck_abort_msg("decided without a quorum");
	if (times_in(s, operation, p) != 1)
		ck_abort_msg("a decided operation is not in the value");
}

/* ---- Coordinators ------------------------------------------------------------------- */

static int proposal_of(const struct state *s, struct ballot acc)
{
	for (int p = 0; p < PROPOSALS; p++) {
		if (s->proposals[p].is_sent && ballot_equal(s->proposals[p].record.acc, acc))
			return p;
	}
	return NONE;
}

static void raise_counter(struct state *s, int c, struct ballot seen)
{
	if (c < COORDINATORS && ballot_counter(seen) > s->coordinators[c].counter)
		s->coordinators[c].counter = (uint8_t)ballot_counter(seen);
}

/* Sends ACCEPT with what the round makes of its base, the operation added if it changes. */
static void announce(struct state *s, int c, bool is_change)
{
	struct coordinator *me = &s->coordinators[c];
	int p = c * ROUNDS + me->begun - 1;
	int parent = proposal_of(s, s->rounds[c].base.acc);
	uint64_t tag = 2u * me->begun + 1;
	if (is_change)
		round_propose(&s->rounds[c], tag, &(struct paxos_record){0}, true);
	else
		round_propose_again(&s->rounds[c], tag);
	s->proposals[p] = (struct proposal){
	    .is_sent = true,
	    .parent = (int8_t)parent,
	    .writer = (int8_t)(is_change ? me->operation : NONE),
	    .record = s->rounds[c].base,
	    .next = s->rounds[c].next,
	};
	raise_counter(s, c, s->rounds[c].next);
	assert_applied_once(s, p);
}

static bool may_begin(const struct state *s, int c)
{
	const struct coordinator *me = &s->coordinators[c];
	return me->condition != DEAD && me->begun < walk->rounds[c] &&
	       (me->condition != RUNNING || walk->is_impatient);
}

static void prepare(struct state *s, int c)
{
	struct coordinator *me = &s->coordinators[c];
	struct ballot b = ballot_make(VERSION, ++me->counter, (uint32_t)c);
	s->keys[c].hot = false;
	me->prepares[me->begun] = true;
	me->ballots[me->begun] = b;
	me->begun++;
	me->condition = RUNNING;
	ck_assert(round_prepare(&s->rounds[c], 2u * me->begun, b));
}

/* A free coordinator begins its next operation. */
static void begin(struct state *s, int c)
{
	struct coordinator *me = &s->coordinators[c];
	struct acceptor_key *key = &s->keys[c];
	me->operation = (int8_t)(c * ROUNDS + me->begun);
	round_init(&s->rounds[c], &quorum, VERSION, 0);
	if (!key->hot) {
		prepare(s, c);
		return;
	}
	key->hot = false;
	me->begun++;
	me->condition = RUNNING;
	round_hot(&s->rounds[c], &key->record, key->promised);
	announce(s, c, true);
}

/* What an answer has led to. */
static void follow(struct state *s, int c, enum round_step step)
{
	struct coordinator *me = &s->coordinators[c];
	switch (step) {
	case ROUND_WAITS:
		break;
	case ROUND_CHANGE:
		announce(s, c, true);
		break;
	case ROUND_TOOK:
		announce(s, c, false);
		break;
	case ROUND_DECIDED:
		assert_done(s, me->operation, c * ROUNDS + me->begun - 1);
		if (round_makes_hot(&s->rounds[c], &s->keys[c].record, s->keys[c].promised))
			s->keys[c].hot = true;
		me->condition = FREE;
		break;
	case ROUND_RETRY:
		me->condition = WAITING;
		break;
	case ROUND_UNKNOWN:
		me->condition = FREE;
		break;
	case ROUND_READ_DONE:
	case ROUND_NOT_DONE:
		ck_abort_msg("step %d", (int)step);
	}
}

/* ---- Replicas ----------------------------------------------------------------------- */

/* The sender gets the answer, unless it has restarted since. */
static void on_refused(struct state *s, int c, unsigned seat, uint64_t tag, struct ballot bound)
{
	struct coordinator *me = &s->coordinators[c];
	if (me->condition == DEAD)
		return;
	raise_counter(s, c, bound);
	s->keys[c].hot = false;
	follow(s, c, round_on_nack(&s->rounds[c], seat, tag));
}

static void deliver_prepare(struct state *s, int c, int j, int to, bool is_lost)
{
	struct coordinator *me = &s->coordinators[c];
	struct ballot b = me->ballots[j];
	uint64_t tag = 2u * (unsigned)(j + 1);
	raise_counter(s, to, b);
	struct acceptor_answer answer = acceptor_prepare(&s->blocks[to], &s->keys[to], b);
	if (is_lost)
		return;
	if (!answer.is_ok)
		on_refused(s, c, (unsigned)to, tag, answer.ballot);
	else if (me->condition == RUNNING)
		follow(s, c,
		       round_on_promise(&s->rounds[c], (unsigned)to, tag, b, &s->keys[to].record,
					answer.ballot));
}

static void deliver_accept(struct state *s, int c, int j, int to, bool is_lost)
{
	struct coordinator *me = &s->coordinators[c];
	struct proposal *p = &s->proposals[c * ROUNDS + j];
	uint64_t tag = 2u * (unsigned)(j + 1) + 1;
	raise_counter(s, to, p->next);
	struct acceptor_answer answer =
	    acceptor_accept(&s->blocks[to], &s->keys[to], &p->record, p->next);
	if (answer.is_ok)
		p->voted |= (uint8_t)(1u << to);
	if (is_lost)
		return;
	if (!answer.is_ok)
		on_refused(s, c, (unsigned)to, tag, answer.ballot);
	else if (me->condition == RUNNING)
		follow(s, c,
		       round_on_ok(&s->rounds[c], (unsigned)to, tag, p->record.acc, answer.ballot));
}

/* Somebody who holds the proposal tells it again. */
static void deliver_learn(struct state *s, int p, int to)
{
	const struct paxos_record *record = &s->proposals[p].record;
	raise_counter(s, to, record->acc);
	if (acceptor_learn(&s->blocks[to], &s->keys[to], record) == ACCEPTOR_VOTED)
		s->proposals[p].voted |= (uint8_t)(1u << to);
	s->learns++;
}

/* The node loses what is volatile. The ceiling is as low as it may have been. */
static void restart(struct state *s, int node)
{
	struct acceptor_key *key = &s->keys[node];
	struct acceptor_block *block = &s->blocks[node];
	uint64_t ceiling = ballot_counter(acceptor_bound(block, key)) + 1;
	if (node < COORDINATORS) {
		struct coordinator *me = &s->coordinators[node];
		if (ceiling <= me->counter)
			ceiling = me->counter + 1u;
		me->condition = DEAD;
		s->rounds[node] = (struct round){0};
	}
	struct paxos_record record = key->record;
	*key = acceptor_restart_key(&record);
	block->floor = BALLOT_ABSENT;
	block->low = acceptor_restart_low(VERSION, ceiling);
	s->restarts++;
}

/* ---- The walk ----------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
}

static uint64_t mix_ballot(uint64_t hash, struct ballot b)
{
	return mix(hash, b.order | (uint64_t)b.version << 60);
}

/* What of a coordinator can still make a difference. */
static uint64_t mix_coordinator(uint64_t hash, const struct state *s, int c)
{
	const struct coordinator *me = &s->coordinators[c];
	const struct round *r = &s->rounds[c];
	bool may_go_on = me->condition != FREE && me->condition != DEAD;
	hash = mix(hash, (uint64_t)me->condition | (uint64_t)me->begun << 8);
	for (int j = 0; j < me->begun; j++)
		hash = mix_ballot(hash, me->ballots[j]);
	bool may_draw = me->condition != DEAD && me->begun < walk->rounds[c];
	if (may_draw || s->restarts < walk->restarts)
		hash = mix(hash, (uint64_t)me->counter | (uint64_t)s->keys[c].hot << 8);
	if (may_go_on) {
		hash = mix(hash, (uint64_t)(uint8_t)me->operation);
		for (unsigned i = 0; i < r->attempt_count; i++)
			hash = mix_ballot(hash, r->attempts[i]);
	}
	if (me->condition == RUNNING) {
		hash = mix(hash, (uint64_t)r->phase | (uint64_t)r->was_refused << 8 |
				     (uint64_t)r->agreed << 16 | (uint64_t)r->refused << 32 |
				     (uint64_t)r->reserved << 48);
		hash = mix_ballot(mix_ballot(hash, r->base.acc), r->absent_bound);
	}
	return hash;
}

static uint64_t hash_of(const struct state *s)
{
	uint64_t hash = mix(s->restarts, s->learns);
	for (int i = 0; i < REPLICAS; i++) {
		const struct acceptor_key *key = &s->keys[i];
		hash = mix(hash, (uint64_t)key->has_entry | (uint64_t)key->record.is_copy << 1);
		hash = mix_ballot(mix_ballot(hash, key->promised), key->record.acc);
		hash = mix_ballot(hash, s->blocks[i].low);
	}
	for (int c = 0; c < COORDINATORS; c++)
		hash = mix_coordinator(hash, s, c);
	for (int p = 0; p < PROPOSALS; p++) {
		const struct proposal *it = &s->proposals[p];
		if (!it->is_sent)
			continue;
		hash = mix(hash, (uint64_t)p | (uint64_t)it->voted << 8 |
				     (uint64_t)(uint8_t)it->parent << 16 |
				     (uint64_t)(uint8_t)it->writer << 24);
		hash = mix_ballot(mix_ballot(hash, it->record.acc), it->record.ver);
	}
	return hash != 0 ? hash : 1;
}

/* Returns true if it was not seen before. */
static bool see(uint64_t hash)
{
	uint64_t mask = (1ull << TABLE_BITS) - 1;
	uint64_t at = hash & mask;
	for (; table[at] != 0; at = (at + 1) & mask) {
		if (table[at] == hash)
			return false;
	}
	table[at] = hash;
	UNIT_REQUIRE(++states < mask / 8 * 7);
	return true;
}

static void explore(const struct state *from);

/* One step has led to *s. */
static void arrive(const struct state *s)
{
	if (!see(hash_of(s)))
		return;
	assert_chosen_is_kept(s);
	explore(s);
}

static void explore_coordinator(const struct state *from, int c)
{
	const struct coordinator *me = &from->coordinators[c];
	if (!may_begin(from, c))
		return;
	struct state s;
	copy_state(&s, from);
	if (me->condition == FREE)
		begin(&s, c);
	else /* by ROUND_RETRY, or out of patience */
		prepare(&s, c);
	arrive(&s);
}

static void explore_accept(const struct state *from, int c, int j, int to, bool is_lost)
{
	struct state s;
	if (!from->proposals[c * ROUNDS + j].is_sent)
		return;
	copy_state(&s, from);
	deliver_accept(&s, c, j, to, is_lost);
	arrive(&s);
}

static void explore_prepare(const struct state *from, int c, int j, int to, bool is_lost)
{
	struct state s;
	if (!from->coordinators[c].prepares[j])
		return;
	copy_state(&s, from);
	deliver_prepare(&s, c, j, to, is_lost);
	arrive(&s);
}

static void explore_node(const struct state *from, int node)
{
	struct state s;
	for (int p = 0; p < PROPOSALS && from->learns < walk->learns; p++) {
		if (from->proposals[p].voted == 0)
			continue;
		copy_state(&s, from);
		deliver_learn(&s, p, node);
		arrive(&s);
	}
	if (from->restarts < walk->restarts) {
		copy_state(&s, from);
		restart(&s, node);
		arrive(&s);
	}
}

static void explore(const struct state *from)
{
	for (int c = 0; c < COORDINATORS; c++) {
		explore_coordinator(from, c);
		for (int i = 0; i < from->coordinators[c].begun * REPLICAS; i++) {
			for (int is_lost = 0; is_lost <= walk->is_lossy; is_lost++) {
				explore_prepare(from, c, i / REPLICAS, i % REPLICAS, is_lost != 0);
				explore_accept(from, c, i / REPLICAS, i % REPLICAS, is_lost != 0);
			}
		}
	}
	for (int node = 0; node < REPLICAS; node++)
		explore_node(from, node);
}

static void take(const struct walk *w)
{
	struct state s = {0};
	walk = w;
	states = 0;
	table = calloc(1ull << TABLE_BITS, sizeof(*table));
	ck_assert_ptr_nonnull(table);
	for (int i = 0; i < REPLICAS; i++)
		s.blocks[i] = (struct acceptor_block){.version = VERSION};
	explore(&s);
	free(table);
	ck_assert_uint_ge(states, w->states_min);
}

/* One operation after the other, the second without PREPARE; another node between them. */
START_TEST(a_hot_key_meets_another_coordinator)
{
	take(&(struct walk){.rounds = {2, 1}, .learns = 1, .states_min = 100000});
}
END_TEST

START_TEST(an_impatient_coordinator_meets_another)
{
	take(&(struct walk){.rounds = {2, 1}, .is_impatient = true, .states_min = 50000});
}
END_TEST

START_TEST(a_replica_restarts_and_accepts_are_told_again)
{
	take(&(struct walk){
	    .rounds = {1, 1}, .restarts = 1, .learns = 1, .is_lossy = true, .states_min = 200000});
}
END_TEST

UNIT_MAIN("paxos_explore", 200, a_hot_key_meets_another_coordinator,
	  an_impatient_coordinator_meets_another, a_replica_restarts_and_accepts_are_told_again)
