/* SPDX-License-Identifier: Apache-2.0
 *
 * paxos/acceptor: one case for each guard of the register protocol, sections 1, 2, 4 and 6.
 *
 * The block is in version 5; its latest joint phase was version 4. Every key that has an
 * entry is hot at first, so that it shows which step takes that away.
 */
#include "paxos/acceptor.h"
#include "unit.h"

enum { OLD = 3, START = 4, NOW = 5 };

static struct acceptor_block block;
static struct acceptor_key key, before;

/* A ballot of the current version, one of the version at start, one of an older version. */
static struct ballot now(uint64_t counter)
{
	return ballot_make(NOW, counter, 1);
}

static struct ballot at_start(uint64_t counter)
{
	return ballot_make(START, counter, 1);
}

static struct ballot old(uint64_t counter)
{
	return ballot_make(OLD, counter, 1);
}

/* What the next ballot is that anybody could draw below b's counter. */
static struct ballot just_below(struct ballot b)
{
	return ballot_make(b.version, ballot_counter(b), ballot_member(b) - 1);
}

static struct paxos_record value_at(struct ballot acc)
{
	return (struct paxos_record){
	    .acc = acc, .ver = acc, .pver = old(1), .value = bytes_of("value", 5)};
}

static struct paxos_record tombstone_at(struct ballot acc)
{
	return (struct paxos_record){.acc = acc, .ver = acc, .is_tombstone = true};
}

static struct paxos_record copy_of(struct paxos_record record)
{
	record.is_copy = true;
	return record;
}

/* The key is not here. */
static void given_absent(struct ballot floor, struct ballot low)
{
	block = (struct acceptor_block){.version = NOW, .start = START, .floor = floor, .low = low};
	before = key = (struct acceptor_key){0};
}

static void given_promise(struct ballot promised)
{
	given_absent(BALLOT_ABSENT, BALLOT_ABSENT);
	before = key = (struct acceptor_key){.has_entry = true, .hot = true, .promised = promised};
}

static void given_record(struct paxos_record record, struct ballot promised)
{
	given_promise(promised);
	before.record = key.record = record;
}

static void assert_ballot(struct ballot is, struct ballot expected)
{
	ck_assert_uint_eq(is.version, expected.version);
	ck_assert_uint_eq(ballot_counter(is), ballot_counter(expected));
	ck_assert_uint_eq(ballot_member(is), ballot_member(expected));
}

static void assert_unchanged(void)
{
	ck_assert(key.has_entry == before.has_entry && key.hot == before.hot);
	assert_ballot(key.promised, before.promised);
	assert_ballot(key.record.acc, before.record.acc);
	ck_assert(key.record.is_copy == before.record.is_copy);
}

static void assert_refused(struct acceptor_answer answer, struct ballot bound)
{
	ck_assert(!answer.is_ok);
	ck_assert_int_eq(answer.effect, ACCEPTOR_NOTHING);
	assert_ballot(answer.ballot, bound);
	assert_unchanged();
}

enum kind { VOTE, COPY };

/* The record is in, whole, and nothing is reserved for this node any more. */
static void assert_stored(const struct paxos_record *record, enum kind kind, struct ballot promised)
{
	ck_assert(key.has_entry && !key.hot);
	assert_ballot(key.record.acc, record->acc);
	assert_ballot(key.record.ver, record->ver);
	assert_ballot(key.record.pver, record->pver);
	ck_assert(key.record.is_tombstone == record->is_tombstone);
	ck_assert(bytes_equal(key.record.value, record->value));
	ck_assert(key.record.is_copy == (kind == COPY));
	assert_ballot(key.promised, promised);
}

/* ---- Bounds and votes --------------------------------------------------------------- */

START_TEST(the_bound_of_an_entry_is_its_promise_whatever_the_floor)
{
	given_promise(now(10));
	block.floor = now(50);
	assert_ballot(acceptor_bound(&block, &key), now(10));
	block.low = now(20);
	assert_ballot(acceptor_bound(&block, &key), now(20));
	block.low = now(5);
	assert_ballot(acceptor_bound(&block, &key), now(10));
}
END_TEST

START_TEST(the_bound_of_an_absent_key_is_the_higher_of_low_and_floor)
{
	given_absent(now(50), now(60));
	assert_ballot(acceptor_bound(&block, &key), now(60));
	assert_ballot(acceptor_absent_bound(&block), now(60));
	given_absent(now(50), now(40));
	assert_ballot(acceptor_bound(&block, &key), now(50));
	assert_ballot(acceptor_absent_bound(&block), now(50));
}
END_TEST

START_TEST(a_vote_is_no_copy_and_not_older_than_start)
{
	given_absent(BALLOT_ABSENT, BALLOT_ABSENT);
	struct paxos_record absent = {0}, votes = value_at(at_start(1));
	struct paxos_record older = value_at(old(1000000)), copy = copy_of(value_at(now(1)));
	ck_assert(acceptor_is_vote(&block, &votes));
	ck_assert(!acceptor_is_vote(&block, &absent));
	ck_assert(!acceptor_is_vote(&block, &older));
	ck_assert(!acceptor_is_vote(&block, &copy));
}
END_TEST

/* ---- PREPARE ------------------------------------------------------------------------ */

START_TEST(prepare_below_the_bound_is_refused)
{
	given_record(value_at(now(5)), now(10));
	assert_refused(acceptor_prepare(&block, &key, just_below(now(10))), now(10));
	assert_refused(acceptor_prepare(&block, &key, old(1000000)), now(10));
	block.low = now(20);
	assert_refused(acceptor_prepare(&block, &key, now(19)), now(20));
	given_absent(now(30), BALLOT_ABSENT);
	assert_refused(acceptor_prepare(&block, &key, just_below(now(30))), now(30));
	given_absent(now(30), now(40));
	assert_refused(acceptor_prepare(&block, &key, now(30)), now(40));
}
END_TEST

START_TEST(prepare_at_the_bound_is_promised)
{
	given_record(value_at(now(5)), now(10));
	struct acceptor_answer answer = acceptor_prepare(&block, &key, now(10));
	ck_assert(answer.is_ok && !key.hot);
	ck_assert_int_eq(answer.effect, ACCEPTOR_NOTHING);
	assert_ballot(key.promised, now(10));
	assert_ballot(key.record.acc, now(5));
	ck_assert(acceptor_prepare(&block, &key, now(11)).is_ok);
	assert_ballot(key.promised, now(11));
}
END_TEST

START_TEST(prepare_of_an_absent_key_makes_an_entry)
{
	given_absent(now(30), BALLOT_ABSENT);
	ck_assert(acceptor_prepare(&block, &key, now(30)).is_ok);
	ck_assert(key.has_entry && !key.hot && !paxos_record_is_there(&key.record));
	assert_ballot(key.promised, now(30));
	before = key;
	assert_refused(acceptor_prepare(&block, &key, just_below(now(30))), now(30));
}
END_TEST

START_TEST(prepare_is_answered_with_the_absent_bound)
{
	given_promise(now(10));
	block.floor = now(30);
	assert_ballot(acceptor_prepare(&block, &key, now(20)).ballot, now(30));
	block.low = now(15);
	block.floor = now(3);
	assert_ballot(acceptor_prepare(&block, &key, now(20)).ballot, now(15));
}
END_TEST

START_TEST(a_ballot_of_a_newer_version_beats_every_older_promise)
{
	given_record(value_at(old(5)), old(1000000));
	ck_assert(acceptor_prepare(&block, &key, now(1)).is_ok);
	assert_ballot(key.promised, now(1));
}
END_TEST

/* ---- ACCEPT ------------------------------------------------------------------------- */

static struct acceptor_answer accept_at(struct ballot b)
{
	struct paxos_record record = copy_of(value_at(b));
	return acceptor_accept(&block, &key, &record, ballot_successor(b));
}

START_TEST(accept_below_the_bound_is_refused)
{
	given_record(value_at(now(5)), now(10));
	assert_refused(accept_at(just_below(now(10))), now(10));
	block.low = now(20);
	assert_refused(accept_at(now(19)), now(20));
	given_absent(now(30), BALLOT_ABSENT);
	assert_refused(accept_at(just_below(now(30))), now(30));
}
END_TEST

START_TEST(accept_at_the_bound_is_stored_and_reserves_the_next)
{
	given_record(value_at(now(5)), now(10));
	struct acceptor_answer answer = accept_at(now(10));
	ck_assert(answer.is_ok);
	ck_assert_int_eq(answer.effect, ACCEPTOR_STORE);
	assert_ballot(answer.ballot, now(11));
	struct paxos_record stored = value_at(now(10));
	assert_stored(&stored, VOTE, now(11));
	ck_assert(accept_at(now(20)).is_ok);
	assert_ballot(key.promised, now(21));
}
END_TEST

START_TEST(accept_of_an_absent_key_is_stored)
{
	given_absent(now(30), BALLOT_ABSENT);
	struct acceptor_answer answer = accept_at(now(30));
	ck_assert(answer.is_ok);
	ck_assert_int_eq(answer.effect, ACCEPTOR_STORE);
	struct paxos_record stored = value_at(now(30));
	assert_stored(&stored, VOTE, now(31));
}
END_TEST

START_TEST(accept_again_takes_the_reservation)
{
	given_record(value_at(now(10)), now(10));
	struct acceptor_answer answer = accept_at(now(10));
	ck_assert(answer.is_ok);
	ck_assert_int_eq(answer.effect, ACCEPTOR_NOTHING);
	assert_ballot(answer.ballot, now(11));
	assert_ballot(key.promised, now(11));
}
END_TEST

START_TEST(accept_again_leaves_a_higher_promise_and_says_so)
{
	given_record(value_at(now(10)), now(20));
	struct acceptor_answer answer = accept_at(now(10));
	ck_assert(answer.is_ok);
	assert_ballot(answer.ballot, now(20));
	assert_unchanged();
}
END_TEST

START_TEST(accept_again_below_low_reserves_nothing)
{
	given_record(value_at(now(10)), now(10));
	block.low = now(20);
	struct acceptor_answer answer = accept_at(now(10));
	ck_assert(answer.is_ok);
	assert_ballot(answer.ballot, now(10));
	assert_unchanged();
	block.low = now(11);
	assert_ballot(accept_at(now(10)).ballot, now(11));
	assert_ballot(key.promised, now(11));
}
END_TEST

START_TEST(accept_of_what_is_here_as_a_copy_is_no_duplicate)
{
	given_record(copy_of(value_at(now(10))), now(10));
	struct acceptor_answer answer = accept_at(now(10));
	ck_assert(answer.is_ok);
	ck_assert_int_eq(answer.effect, ACCEPTOR_STORE);
	struct paxos_record stored = value_at(now(10));
	assert_stored(&stored, VOTE, now(11));

	given_record(copy_of(value_at(now(10))), now(20));
	assert_refused(accept_at(now(10)), now(20));
}
END_TEST

/* ---- LEARN -------------------------------------------------------------------------- */

static enum acceptor_learnt learn(struct paxos_record record)
{
	return acceptor_learn(&block, &key, &record);
}

START_TEST(learn_of_what_is_known_changes_nothing)
{
	given_record(value_at(now(10)), now(10));
	ck_assert_int_eq(learn(value_at(now(10))), ACCEPTOR_KNOWN);
	ck_assert_int_eq(learn(value_at(just_below(now(10)))), ACCEPTOR_KNOWN);
	ck_assert_int_eq(learn(value_at(old(1000000))), ACCEPTOR_KNOWN);
	assert_unchanged();
	given_record(copy_of(value_at(now(10))), now(10));
	ck_assert_int_eq(learn(value_at(now(9))), ACCEPTOR_KNOWN);
	assert_unchanged();
}
END_TEST

START_TEST(learn_of_an_old_version_is_refused)
{
	given_absent(BALLOT_ABSENT, BALLOT_ABSENT);
	ck_assert_int_eq(learn(value_at(old(1000000))), ACCEPTOR_REFUSED);
	assert_unchanged();
	/* Not even as a copy, nor where it is here as a record that is no vote. */
	given_record(value_at(old(5)), old(5));
	ck_assert_int_eq(learn(value_at(old(10))), ACCEPTOR_REFUSED);
	ck_assert_int_eq(learn(value_at(old(5))), ACCEPTOR_REFUSED);
	assert_unchanged();
	ck_assert_int_eq(learn(value_at(at_start(1))), ACCEPTOR_VOTED);
}
END_TEST

START_TEST(learn_at_the_bound_is_a_vote)
{
	struct paxos_record told = value_at(now(10));
	given_record(value_at(now(5)), now(10));
	ck_assert_int_eq(learn(copy_of(told)), ACCEPTOR_VOTED);
	assert_stored(&told, VOTE, now(10));
	given_absent(now(10), BALLOT_ABSENT);
	ck_assert_int_eq(learn(told), ACCEPTOR_VOTED);
	assert_stored(&told, VOTE, now(10));
}
END_TEST

START_TEST(learn_raises_the_promise)
{
	struct paxos_record told = value_at(now(10));
	given_record(value_at(now(5)), now(7));
	ck_assert_int_eq(learn(told), ACCEPTOR_VOTED);
	assert_stored(&told, VOTE, now(10));
	given_absent(now(7), BALLOT_ABSENT);
	ck_assert_int_eq(learn(told), ACCEPTOR_VOTED);
	assert_stored(&told, VOTE, now(10));
}
END_TEST

START_TEST(learn_below_the_promise_is_a_copy)
{
	struct paxos_record told = value_at(just_below(now(10)));
	given_record(value_at(now(5)), now(10));
	ck_assert_int_eq(learn(told), ACCEPTOR_COPIED);
	assert_stored(&told, COPY, now(10));
}
END_TEST

START_TEST(learn_below_low_is_a_copy_and_leaves_the_promise)
{
	struct paxos_record told = value_at(now(10));
	given_record(value_at(now(5)), now(5));
	block.low = now(20);
	ck_assert_int_eq(learn(told), ACCEPTOR_COPIED);
	assert_stored(&told, COPY, now(5));
	assert_ballot(acceptor_bound(&block, &key), now(20));
}
END_TEST

START_TEST(learn_below_the_bound_of_an_absent_key_is_refused)
{
	given_absent(now(10), BALLOT_ABSENT);
	ck_assert_int_eq(learn(value_at(just_below(now(10)))), ACCEPTOR_REFUSED);
	assert_unchanged();
	given_absent(BALLOT_ABSENT, now(10));
	ck_assert_int_eq(learn(value_at(now(9))), ACCEPTOR_REFUSED);
	assert_unchanged();
	given_promise(now(10));
	ck_assert_int_eq(learn(value_at(now(9))), ACCEPTOR_REFUSED);
	assert_unchanged();
}
END_TEST

START_TEST(learn_makes_a_vote_of_a_copy)
{
	struct paxos_record told = value_at(now(10));
	given_record(copy_of(told), now(10));
	ck_assert_int_eq(learn(told), ACCEPTOR_VOTED);
	assert_stored(&told, VOTE, now(10));
}
END_TEST

START_TEST(learn_of_a_copy_below_the_promise_is_refused)
{
	given_record(copy_of(value_at(now(10))), now(20));
	ck_assert_int_eq(learn(value_at(now(10))), ACCEPTOR_REFUSED);
	assert_unchanged();
}
END_TEST

/* ---- HOLDS, ERASE ------------------------------------------------------------------- */

START_TEST(holds_a_tombstone_that_is_no_copy)
{
	given_record(tombstone_at(now(10)), now(11));
	ck_assert_int_eq(acceptor_holds(&block, &key, now(10)), ACCEPTOR_HOLDS);
	given_record(copy_of(tombstone_at(now(10))), now(11));
	ck_assert_int_eq(acceptor_holds(&block, &key, now(10)), ACCEPTOR_BEHIND);
}
END_TEST

START_TEST(holds_tells_newer_from_older)
{
	given_record(value_at(now(10)), now(30));
	ck_assert_int_eq(acceptor_holds(&block, &key, just_below(now(10))), ACCEPTOR_GONE);
	/* A promise above says nothing where there is a record. */
	ck_assert_int_eq(acceptor_holds(&block, &key, now(20)), ACCEPTOR_BEHIND);
	given_record(copy_of(value_at(now(10))), now(10));
	ck_assert_int_eq(acceptor_holds(&block, &key, now(9)), ACCEPTOR_GONE);
}
END_TEST

START_TEST(an_absent_key_holds_what_is_below_its_bound)
{
	given_absent(now(10), BALLOT_ABSENT);
	ck_assert_int_eq(acceptor_holds(&block, &key, just_below(now(10))), ACCEPTOR_HOLDS);
	ck_assert_int_eq(acceptor_holds(&block, &key, now(10)), ACCEPTOR_BEHIND);
	given_promise(now(10));
	block.floor = now(50);
	ck_assert_int_eq(acceptor_holds(&block, &key, now(9)), ACCEPTOR_HOLDS);
	ck_assert_int_eq(acceptor_holds(&block, &key, now(10)), ACCEPTOR_BEHIND);
	block.low = now(20);
	ck_assert_int_eq(acceptor_holds(&block, &key, now(10)), ACCEPTOR_HOLDS);
}
END_TEST

static void assert_dropped(struct ballot floor)
{
	ck_assert(!key.has_entry && !key.hot && !paxos_record_is_there(&key.record));
	assert_ballot(key.promised, BALLOT_ABSENT);
	assert_ballot(block.floor, floor);
}

START_TEST(erase_leaves_the_floor_above_the_tombstone)
{
	given_record(tombstone_at(now(10)), now(10));
	ck_assert_int_eq(acceptor_erase(&block, &key, now(10)), ACCEPTOR_DROP);
	assert_dropped(ballot_make(NOW, 10, BALLOT_MEMBER_TOP));
	before = key;
	assert_refused(acceptor_prepare(&block, &key, ballot_make(NOW, 10, 4094)), block.floor);
	/* The tombstone may have been learnt below low, which leaves the promise. */
	given_record(tombstone_at(now(10)), now(5));
	ck_assert_int_eq(acceptor_erase(&block, &key, now(10)), ACCEPTOR_DROP);
	assert_dropped(ballot_make(NOW, 10, BALLOT_MEMBER_TOP));
}
END_TEST

START_TEST(erase_leaves_the_floor_above_the_promise)
{
	given_record(tombstone_at(now(10)), now(20));
	ck_assert_int_eq(acceptor_erase(&block, &key, now(10)), ACCEPTOR_DROP);
	assert_dropped(ballot_make(NOW, 20, BALLOT_MEMBER_TOP));
	before = key;
	assert_refused(accept_at(now(20)), block.floor);
}
END_TEST

START_TEST(erase_never_lowers_the_floor)
{
	given_record(tombstone_at(now(10)), now(20));
	block.floor = now(30);
	ck_assert_int_eq(acceptor_erase(&block, &key, now(10)), ACCEPTOR_DROP);
	assert_dropped(now(30));
}
END_TEST

START_TEST(erase_of_something_else_does_nothing)
{
	given_record(value_at(now(10)), now(11));
	ck_assert_int_eq(acceptor_erase(&block, &key, now(10)), ACCEPTOR_NOTHING);
	assert_unchanged();
	given_record(tombstone_at(now(10)), now(11));
	ck_assert_int_eq(acceptor_erase(&block, &key, now(9)), ACCEPTOR_NOTHING);
	ck_assert_int_eq(acceptor_erase(&block, &key, now(11)), ACCEPTOR_NOTHING);
	assert_unchanged();
	given_promise(now(10));
	ck_assert_int_eq(acceptor_erase(&block, &key, now(10)), ACCEPTOR_NOTHING);
	assert_unchanged();
	given_absent(BALLOT_ABSENT, BALLOT_ABSENT);
	ck_assert_int_eq(acceptor_erase(&block, &key, now(10)), ACCEPTOR_NOTHING);
	assert_unchanged();
	assert_ballot(block.floor, BALLOT_ABSENT);
}
END_TEST

START_TEST(a_promise_is_dropped_under_the_floor)
{
	given_promise(now(10));
	ck_assert(acceptor_drop_promise(&block, &key));
	assert_dropped(ballot_make(NOW, 10, BALLOT_MEMBER_TOP));
	given_promise(now(10));
	block.floor = now(30);
	ck_assert(acceptor_drop_promise(&block, &key));
	assert_dropped(now(30));
}
END_TEST

START_TEST(a_promise_with_a_record_is_not_dropped)
{
	given_record(tombstone_at(now(10)), now(20));
	ck_assert(!acceptor_drop_promise(&block, &key));
	given_absent(now(30), BALLOT_ABSENT);
	ck_assert(!acceptor_drop_promise(&block, &key));
	assert_ballot(block.floor, now(30));
	assert_unchanged();
}
END_TEST

/* ---- CHUNK -------------------------------------------------------------------------- */

static enum acceptor_effect copy(struct paxos_record record)
{
	return acceptor_copy(&block, &key, &record);
}

START_TEST(a_chunk_raises_the_floor)
{
	given_absent(now(10), now(50));
	acceptor_raise_floor(&block, now(20));
	assert_ballot(block.floor, now(20));
	acceptor_raise_floor(&block, now(15));
	assert_ballot(block.floor, now(20));
	assert_ballot(block.low, now(50));
}
END_TEST

START_TEST(copy_raises_the_promise)
{
	struct paxos_record told = value_at(now(20));
	given_record(value_at(now(5)), now(10));
	ck_assert_int_eq(copy(told), ACCEPTOR_STORE);
	assert_stored(&told, COPY, now(20));
	given_promise(now(10));
	ck_assert_int_eq(copy(told), ACCEPTOR_STORE);
	assert_stored(&told, COPY, now(20));
}
END_TEST

START_TEST(copy_leaves_a_higher_promise)
{
	struct paxos_record told = value_at(now(20));
	given_record(value_at(now(5)), now(30));
	ck_assert_int_eq(copy(told), ACCEPTOR_STORE);
	assert_stored(&told, COPY, now(30));
}
END_TEST

START_TEST(copy_of_an_absent_key_starts_at_the_absent_bound)
{
	struct paxos_record told = value_at(old(20));
	given_absent(now(10), now(5));
	ck_assert_int_eq(copy(told), ACCEPTOR_STORE);
	assert_stored(&told, COPY, now(10));
	given_absent(now(5), now(10));
	ck_assert_int_eq(copy(told), ACCEPTOR_STORE);
	assert_stored(&told, COPY, now(10));
	given_absent(BALLOT_ABSENT, BALLOT_ABSENT);
	ck_assert_int_eq(copy(told), ACCEPTOR_STORE);
	assert_stored(&told, COPY, old(20));
}
END_TEST

START_TEST(copy_takes_the_reservation_away)
{
	/* promised was the successor of acc; it is not the successor of the new one. */
	struct paxos_record told = value_at(now(20));
	given_record(value_at(now(10)), now(11));
	ck_assert_int_eq(copy(told), ACCEPTOR_STORE);
	assert_stored(&told, COPY, now(20));
}
END_TEST

START_TEST(copy_replaces_a_vote_that_is_lower)
{
	struct paxos_record told = tombstone_at(now(11));
	given_record(value_at(now(10)), now(10));
	ck_assert_int_eq(copy(told), ACCEPTOR_STORE);
	assert_stored(&told, COPY, now(11));
}
END_TEST

START_TEST(copy_of_what_is_not_higher_does_nothing)
{
	given_record(value_at(now(10)), now(11));
	ck_assert_int_eq(copy(value_at(now(10))), ACCEPTOR_NOTHING);
	ck_assert_int_eq(copy(value_at(just_below(now(10)))), ACCEPTOR_NOTHING);
	ck_assert_int_eq(copy(value_at(old(1000000))), ACCEPTOR_NOTHING);
	assert_unchanged();
}
END_TEST

/* ---- Restart ------------------------------------------------------------------------ */

START_TEST(restart_promises_what_was_accepted)
{
	struct paxos_record record = copy_of(value_at(now(10))), absent = {0};
	given_absent(BALLOT_ABSENT, BALLOT_ABSENT);
	key = acceptor_restart_key(&record);
	assert_ballot(key.promised, now(10));
	ck_assert(key.has_entry && !key.hot && key.record.is_copy);
	key = acceptor_restart_key(&absent);
	ck_assert(!key.has_entry);
}
END_TEST

START_TEST(restart_refuses_everything_up_to_the_ceiling)
{
	given_absent(BALLOT_ABSENT, acceptor_restart_low(NOW, 1000));
	assert_refused(acceptor_prepare(&block, &key, now(1000)), block.low);
	assert_refused(acceptor_prepare(&block, &key, ballot_make(NOW, 1000, 4094)), block.low);
	ck_assert(acceptor_prepare(&block, &key, ballot_make(NOW, 1001, 0)).is_ok);
	struct paxos_record record = value_at(now(10));
	key = acceptor_restart_key(&record);
	ck_assert(!acceptor_prepare(&block, &key, now(1000)).is_ok);
	ck_assert(!accept_at(now(999)).is_ok);
}
END_TEST

UNIT_MAIN("paxos_acceptor", 10, the_bound_of_an_entry_is_its_promise_whatever_the_floor,
	  the_bound_of_an_absent_key_is_the_higher_of_low_and_floor,
	  a_vote_is_no_copy_and_not_older_than_start, prepare_below_the_bound_is_refused,
	  prepare_at_the_bound_is_promised, prepare_of_an_absent_key_makes_an_entry,
	  prepare_is_answered_with_the_absent_bound,
	  a_ballot_of_a_newer_version_beats_every_older_promise, accept_below_the_bound_is_refused,
	  accept_at_the_bound_is_stored_and_reserves_the_next, accept_of_an_absent_key_is_stored,
	  accept_again_takes_the_reservation, accept_again_leaves_a_higher_promise_and_says_so,
	  accept_again_below_low_reserves_nothing, accept_of_what_is_here_as_a_copy_is_no_duplicate,
	  learn_of_what_is_known_changes_nothing, learn_of_an_old_version_is_refused,
	  learn_at_the_bound_is_a_vote, learn_raises_the_promise, learn_below_the_promise_is_a_copy,
	  learn_below_low_is_a_copy_and_leaves_the_promise,
	  learn_below_the_bound_of_an_absent_key_is_refused, learn_makes_a_vote_of_a_copy,
	  learn_of_a_copy_below_the_promise_is_refused, holds_a_tombstone_that_is_no_copy,
	  holds_tells_newer_from_older, an_absent_key_holds_what_is_below_its_bound,
	  erase_leaves_the_floor_above_the_tombstone, erase_leaves_the_floor_above_the_promise,
	  erase_never_lowers_the_floor, erase_of_something_else_does_nothing,
	  a_promise_is_dropped_under_the_floor, a_promise_with_a_record_is_not_dropped,
	  a_chunk_raises_the_floor, copy_raises_the_promise, copy_leaves_a_higher_promise,
	  copy_of_an_absent_key_starts_at_the_absent_bound, copy_takes_the_reservation_away,
	  copy_replaces_a_vote_that_is_lower, copy_of_what_is_not_higher_does_nothing,
	  restart_promises_what_was_accepted, restart_refuses_everything_up_to_the_ceiling)
