/* SPDX-License-Identifier: Apache-2.0
 *
 * paxos/round: one case for each guard of the register protocol, section 3.
 *
 * The block is in version 5; its latest joint phase was version 4. Stable it has replicas
 * 0, 1 and 2; joint 0, 1, 2 and 2, 3, 4.
 */
#include "paxos/round.h"
#include "unit.h"

enum { OLD = 3, START = 4, NOW = 5, TAG = 100 };

static const struct quorum stable = {.old = 0x07}, joint = {.old = 0x07, .next = 0x1c};
static const struct paxos_record absent;
static const struct paxos_record made = {.expires_ms = 7};
static struct round r;

static struct ballot now(uint64_t counter)
{
	return ballot_make(NOW, counter, 1);
}

static struct ballot old(uint64_t counter)
{
	return ballot_make(OLD, counter, 1);
}

static struct paxos_record value_at(struct ballot acc)
{
	return (struct paxos_record){.acc = acc, .ver = acc, .value = bytes_of("value", 5)};
}

/* Accepted at acc, written at ver over what was written at pver. */
static struct paxos_record written(struct ballot acc, struct ballot ver, struct ballot pver)
{
	return (struct paxos_record){.acc = acc, .ver = ver, .pver = pver};
}

static struct paxos_record tombstone_of(struct paxos_record record)
{
	record.is_tombstone = true;
	return record;
}

static struct paxos_record copy_of(struct paxos_record record)
{
	record.is_copy = true;
	return record;
}

static void assert_ballot(struct ballot is, struct ballot expected)
{
	ck_assert_uint_eq(is.version, expected.version);
	ck_assert_uint_eq(ballot_counter(is), ballot_counter(expected));
	ck_assert_uint_eq(ballot_member(is), ballot_member(expected));
}

/* ---- READ --------------------------------------------------------------------------- */

static void given_read(const struct quorum *quorum)
{
	round_init(&r, quorum, NOW, START);
	ck_assert(round_read(&r, TAG));
}

static enum round_step on_value(unsigned seat, struct paxos_record record)
{
	return round_on_value(&r, seat, TAG, &record);
}

/* All three replicas answer, and nothing is decided by that: prepare. */
static void assert_undecided(struct paxos_record a, struct paxos_record b, struct paxos_record c)
{
	given_read(&stable);
	ck_assert_int_eq(on_value(0, a), ROUND_WAITS);
	ck_assert_int_eq(on_value(1, b), ROUND_WAITS);
	ck_assert_int_eq(on_value(2, c), ROUND_RETRY);
}

START_TEST(read_of_equal_votes_of_a_quorum_is_decided)
{
	given_read(&stable);
	ck_assert_int_eq(on_value(0, value_at(now(10))), ROUND_WAITS);
	ck_assert_int_eq(on_value(2, value_at(now(10))), ROUND_READ_DONE);
	assert_ballot(r.base.acc, now(10));
	ck_assert_uint_eq(r.base.value.len, 5);

	/* Of the version at start, too. */
	struct paxos_record record = value_at(ballot_make(START, 1, 1));
	given_read(&stable);
	ck_assert_int_eq(on_value(1, record), ROUND_WAITS);
	ck_assert_int_eq(on_value(2, record), ROUND_READ_DONE);
}
END_TEST

START_TEST(read_finds_the_quorum_among_other_answers)
{
	given_read(&stable);
	ck_assert_int_eq(on_value(0, value_at(now(11))), ROUND_WAITS);
	ck_assert_int_eq(on_value(1, value_at(now(10))), ROUND_WAITS);
	ck_assert_int_eq(on_value(2, value_at(now(10))), ROUND_READ_DONE);
	assert_ballot(r.base.acc, now(10));
}
END_TEST

START_TEST(read_of_an_absent_key_is_decided)
{
	given_read(&stable);
	ck_assert_int_eq(on_value(0, absent), ROUND_WAITS);
	ck_assert_int_eq(on_value(1, absent), ROUND_READ_DONE);
	ck_assert(!paxos_record_is_there(&r.base) && r.base.is_tombstone);
}
END_TEST

START_TEST(read_of_absent_and_tombstone_is_undecided)
{
	struct paxos_record tombstone = tombstone_of(value_at(now(10)));
	assert_undecided(absent, tombstone, value_at(now(11)));
	assert_undecided(tombstone, absent, tombstone_of(value_at(now(11))));
	given_read(&stable);
	ck_assert_int_eq(on_value(0, tombstone), ROUND_WAITS);
	ck_assert_int_eq(on_value(1, tombstone), ROUND_READ_DONE);
}
END_TEST

START_TEST(read_of_different_ballots_is_undecided)
{
	assert_undecided(value_at(now(10)), value_at(now(11)), value_at(now(12)));
	assert_undecided(value_at(now(10)), value_at(ballot_make(NOW, 10, 2)), absent);
}
END_TEST

START_TEST(read_of_votes_of_an_older_version_is_undecided)
{
	assert_undecided(value_at(old(10)), value_at(old(10)), value_at(now(1)));
	assert_undecided(value_at(old(10)), value_at(old(10)), absent);
}
END_TEST

START_TEST(read_of_copies_is_undecided)
{
	struct paxos_record vote = value_at(now(10)), copy = copy_of(vote);
	assert_undecided(copy, copy, absent);
	assert_undecided(copy, vote, absent);
	assert_undecided(vote, copy, value_at(now(9)));
	given_read(&stable);
	ck_assert_int_eq(on_value(0, copy), ROUND_WAITS);
	ck_assert_int_eq(on_value(1, vote), ROUND_WAITS);
	ck_assert_int_eq(on_value(2, vote), ROUND_READ_DONE);
}
END_TEST

START_TEST(read_of_an_old_record_that_all_share_is_decided)
{
	given_read(&stable);
	ck_assert_int_eq(on_value(0, value_at(old(10))), ROUND_WAITS);
	ck_assert_int_eq(on_value(1, copy_of(value_at(old(10)))), ROUND_WAITS);
	ck_assert_int_eq(on_value(2, value_at(old(10))), ROUND_READ_DONE);
	assert_ballot(r.base.acc, old(10));
}
END_TEST

START_TEST(read_of_copies_of_this_version_that_all_share_is_undecided)
{
	struct paxos_record copy = copy_of(value_at(now(10)));
	assert_undecided(copy, copy, copy);
	assert_undecided(copy, copy, value_at(now(10)));
	copy = copy_of(value_at(ballot_make(START, 10, 1)));
	assert_undecided(copy, copy, copy);
}
END_TEST

START_TEST(read_of_an_old_record_that_all_share_is_undecided_in_a_joint_phase)
{
	given_read(&joint);
	for (unsigned seat = 0; seat < 4; seat++)
		ck_assert_int_eq(on_value(seat, value_at(old(10))), ROUND_WAITS);
	ck_assert_int_eq(on_value(4, value_at(old(10))), ROUND_RETRY);
}
END_TEST

START_TEST(read_in_a_joint_phase_needs_both_majorities)
{
	given_read(&joint);
	ck_assert_int_eq(on_value(0, value_at(now(10))), ROUND_WAITS);
	ck_assert_int_eq(on_value(1, value_at(now(10))), ROUND_WAITS);
	ck_assert_int_eq(on_value(3, value_at(now(10))), ROUND_WAITS);
	ck_assert_int_eq(on_value(4, value_at(now(10))), ROUND_READ_DONE);
	given_read(&joint);
	ck_assert_int_eq(on_value(1, absent), ROUND_WAITS);
	ck_assert_int_eq(on_value(4, absent), ROUND_WAITS);
	ck_assert_int_eq(on_value(2, absent), ROUND_READ_DONE);
}
END_TEST

START_TEST(read_counts_a_replica_once)
{
	given_read(&stable);
	ck_assert_int_eq(on_value(0, value_at(now(10))), ROUND_WAITS);
	ck_assert_int_eq(on_value(0, value_at(now(10))), ROUND_WAITS);
	/* Its first answer stands. */
	ck_assert_int_eq(on_value(0, value_at(now(11))), ROUND_WAITS);
	ck_assert_int_eq(on_value(1, value_at(now(11))), ROUND_WAITS);
	ck_assert_int_eq(on_value(2, value_at(now(10))), ROUND_READ_DONE);
	assert_ballot(r.base.acc, now(10));
}
END_TEST

START_TEST(read_counts_no_seat_outside)
{
	given_read(&stable);
	ck_assert_int_eq(on_value(0, absent), ROUND_WAITS);
	ck_assert_int_eq(on_value(3, absent), ROUND_WAITS);
	ck_assert_int_eq(on_value(QUORUM_SEATS - 1, absent), ROUND_WAITS);
	ck_assert_int_eq(on_value(1, absent), ROUND_READ_DONE);
}
END_TEST

START_TEST(read_ignores_answers_of_another_round)
{
	given_read(&stable);
	struct paxos_record record = value_at(now(10));
	ck_assert_int_eq(round_on_value(&r, 0, TAG - 1, &record), ROUND_WAITS);
	ck_assert_int_eq(round_on_value(&r, 1, TAG + 1, &record), ROUND_WAITS);
	ck_assert_int_eq(on_value(2, record), ROUND_WAITS);
	/* Of another kind. */
	ck_assert_int_eq(round_on_nack(&r, 0, TAG), ROUND_WAITS);
	ck_assert_int_eq(round_on_promise(&r, 0, TAG, r.b, &record, now(1)), ROUND_WAITS);
	ck_assert_int_eq(round_on_ok(&r, 0, TAG, r.b, now(1)), ROUND_WAITS);
	ck_assert_int_eq(on_value(0, record), ROUND_READ_DONE);
	/* When it is over. */
	ck_assert_int_eq(on_value(1, value_at(now(11))), ROUND_WAITS);
	assert_ballot(r.base.acc, now(10));
}
END_TEST

START_TEST(read_that_takes_too_long_is_followed_by_prepare)
{
	given_read(&stable);
	ck_assert_int_eq(on_value(0, absent), ROUND_WAITS);
	ck_assert_int_eq(round_on_timeout(&r), ROUND_RETRY);
	ck_assert_int_eq(on_value(1, absent), ROUND_WAITS);
	ck_assert_int_eq(round_on_timeout(&r), ROUND_WAITS);
}
END_TEST

/* ---- PREPARE ------------------------------------------------------------------------ */

static uint64_t tag;

static void prepare(struct ballot b)
{
	ck_assert(round_prepare(&r, ++tag, b));
}

static void given_prepare(const struct quorum *quorum, struct ballot b)
{
	round_init(&r, quorum, NOW, START);
	tag = TAG;
	prepare(b);
}

static enum round_step on_promise(unsigned seat, struct paxos_record record,
				  struct ballot absent_bound)
{
	return round_on_promise(&r, seat, tag, r.b, &record, absent_bound);
}

START_TEST(prepare_takes_the_record_accepted_last)
{
	given_prepare(&stable, now(20));
	ck_assert_int_eq(on_promise(0, value_at(now(11)), now(50)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(2, value_at(now(10)), now(60)), ROUND_CHANGE);
	assert_ballot(r.base.acc, now(11));
	assert_ballot(r.base.ver, now(11));
	/* A copy is as good, and one of a newer version better than any counter. */
	given_prepare(&stable, now(20));
	ck_assert_int_eq(on_promise(0, value_at(old(1000)), now(50)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(2, copy_of(value_at(now(1))), now(60)), ROUND_CHANGE);
	assert_ballot(r.base.acc, now(1));
}
END_TEST

START_TEST(prepare_in_a_joint_phase_needs_both_majorities)
{
	given_prepare(&joint, now(20));
	ck_assert_int_eq(on_promise(0, absent, now(1)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(1, absent, now(1)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(4, absent, now(1)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(2, value_at(now(9)), now(1)), ROUND_CHANGE);
	assert_ballot(r.base.acc, now(9));
}
END_TEST

START_TEST(prepare_ignores_what_is_not_of_its_round)
{
	struct paxos_record record = value_at(now(10));
	given_prepare(&stable, now(20));
	ck_assert_int_eq(round_on_promise(&r, 0, tag - 1, r.b, &record, now(1)), ROUND_WAITS);
	ck_assert_int_eq(round_on_promise(&r, 0, tag, now(19), &record, now(1)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(3, record, now(1)), ROUND_WAITS);
	ck_assert_int_eq(round_on_ok(&r, 0, tag, r.b, now(21)), ROUND_WAITS);
	ck_assert_int_eq(round_on_value(&r, 0, tag, &record), ROUND_WAITS);
	ck_assert_int_eq(on_promise(1, absent, now(1)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(1, record, now(1)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(2, absent, now(1)), ROUND_CHANGE);
	ck_assert(ballot_is_absent(r.base.acc));
	/* Late. */
	ck_assert_int_eq(on_promise(0, record, now(1)), ROUND_WAITS);
	ck_assert(ballot_is_absent(r.base.acc));
}
END_TEST

START_TEST(absent_base_is_a_tombstone_at_the_highest_absent_bound)
{
	given_prepare(&stable, now(20));
	ck_assert_int_eq(on_promise(0, absent, now(7)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(2, absent, now(5)), ROUND_CHANGE);
	ck_assert(r.base.is_tombstone);
	assert_ballot(r.base.ver, now(7));
	assert_ballot(r.base.pver, now(7));
	/* Of a key that never was, in a block that never erased: 0. */
	given_prepare(&stable, now(20));
	ck_assert_int_eq(on_promise(0, absent, BALLOT_ABSENT), ROUND_WAITS);
	ck_assert_int_eq(on_promise(2, absent, BALLOT_ABSENT), ROUND_CHANGE);
	ck_assert(r.base.is_tombstone && ballot_is_absent(r.base.ver) &&
		  ballot_is_absent(r.base.pver));
}
END_TEST

START_TEST(tombstone_below_an_absent_bound_is_lifted)
{
	given_prepare(&stable, now(20));
	struct paxos_record base = tombstone_of(written(now(9), now(5), now(3)));
	ck_assert_int_eq(on_promise(0, base, now(50)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(1, absent, now(6)), ROUND_CHANGE);
	assert_ballot(r.base.acc, now(9));
	assert_ballot(r.base.ver, now(6));
	assert_ballot(r.base.pver, now(6));
}
END_TEST

START_TEST(base_above_the_absent_bounds_is_not_lifted)
{
	/* At it: nothing is lifted. With a record the bound of absent keys says nothing. */
	given_prepare(&stable, now(20));
	struct paxos_record base = tombstone_of(written(now(9), now(5), now(3)));
	ck_assert_int_eq(on_promise(0, base, now(50)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(1, absent, now(5)), ROUND_CHANGE);
	assert_ballot(r.base.ver, now(5));
	assert_ballot(r.base.pver, now(3));
	/* A value: it is history enough. */
	given_prepare(&stable, now(20));
	ck_assert_int_eq(on_promise(0, absent, now(50)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(1, written(now(9), now(5), now(3)), now(50)), ROUND_CHANGE);
	assert_ballot(r.base.ver, now(5));
	assert_ballot(r.base.pver, now(3));
}
END_TEST

START_TEST(a_bound_of_an_earlier_round_is_forgotten)
{
	given_prepare(&stable, now(20));
	ck_assert_int_eq(on_promise(0, value_at(now(9)), now(50)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(1, absent, now(50)), ROUND_CHANGE);
	prepare(now(30));
	ck_assert_int_eq(on_promise(0, absent, now(5)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(1, absent, now(6)), ROUND_CHANGE);
	assert_ballot(r.base.ver, now(6));
}
END_TEST

/* ---- The proposal ------------------------------------------------------------------- */

/* A PREPARE round at b that found the record at all replicas. */
static enum round_step found(struct ballot b, struct paxos_record record, struct ballot ab)
{
	prepare(b);
	ck_assert_int_eq(on_promise(0, record, ab), ROUND_WAITS);
	return on_promise(1, record, ab);
}

static void propose(bool changed)
{
	round_propose(&r, ++tag, &made, changed);
}

static void given_found(struct ballot b, struct paxos_record record, struct ballot ab)
{
	round_init(&r, &stable, NOW, START);
	tag = TAG;
	ck_assert_int_eq(found(b, record, ab), ROUND_CHANGE);
}

START_TEST(a_change_is_written_at_its_ballot_over_the_base)
{
	given_found(now(20), copy_of(tombstone_of(written(now(9), now(5), now(3)))), now(50));
	propose(true);
	assert_ballot(r.base.acc, now(20));
	assert_ballot(r.base.ver, now(20));
	assert_ballot(r.base.pver, now(5));
	assert_ballot(r.next, now(21));
	ck_assert(!r.base.is_tombstone && !r.base.is_copy);
	ck_assert_uint_eq(r.base.expires_ms, 7);
	ck_assert_uint_eq(r.attempt_count, 1);
	assert_ballot(r.attempts[0], now(20));
}
END_TEST

START_TEST(a_change_of_an_absent_key_is_written_over_the_absent_bound)
{
	given_found(now(20), absent, now(6));
	propose(true);
	assert_ballot(r.base.ver, now(20));
	assert_ballot(r.base.pver, now(6));
}
END_TEST

START_TEST(what_is_unchanged_is_voted_for_as_it_is)
{
	given_found(now(20), copy_of(written(now(9), now(5), now(3))), now(50));
	propose(false);
	assert_ballot(r.base.acc, now(20));
	assert_ballot(r.base.ver, now(5));
	assert_ballot(r.base.pver, now(3));
	assert_ballot(r.next, now(21));
	ck_assert(!r.base.is_tombstone && !r.base.is_copy);
	ck_assert_uint_eq(r.base.expires_ms, 0);
	ck_assert_uint_eq(r.attempt_count, 0);
}
END_TEST

START_TEST(an_absent_key_that_stays_is_proposed_as_a_tombstone)
{
	given_found(now(20), absent, now(6));
	propose(false);
	ck_assert(r.base.is_tombstone);
	assert_ballot(r.base.acc, now(20));
	assert_ballot(r.base.ver, now(6));
	assert_ballot(r.base.pver, now(6));
	ck_assert_uint_eq(r.attempt_count, 0);
}
END_TEST

START_TEST(a_hot_key_is_changed_at_the_ballot_that_was_reserved)
{
	struct paxos_record local = written(now(9), now(5), now(3));
	round_init(&r, &stable, NOW, START);
	tag = TAG;
	round_hot(&r, &local, now(10));
	propose(true);
	ck_assert_int_eq(r.phase, ROUND_ACCEPTING);
	assert_ballot(r.b, now(10));
	assert_ballot(r.base.acc, now(10));
	assert_ballot(r.base.ver, now(10));
	assert_ballot(r.base.pver, now(5));
	assert_ballot(r.next, now(11));
	assert_ballot(r.attempts[0], now(10));
	ck_assert_uint_eq(r.rounds, 1);
}
END_TEST

/* ---- Attempts ----------------------------------------------------------------------- */

/* An operation that sent ACCEPT with its change at 20, over what was written at 5. */
static void given_attempt(void)
{
	given_found(now(20), written(now(9), now(5), now(3)), now(1));
	propose(true);
	ck_assert_int_eq(round_on_timeout(&r), ROUND_RETRY);
}

START_TEST(attempt_that_is_found_took_effect)
{
	given_attempt();
	ck_assert_int_eq(found(now(30), written(now(20), now(20), now(5)), now(1)), ROUND_TOOK);
	ck_assert_uint_eq(r.took, 0);
	round_propose_again(&r, ++tag);
	assert_ballot(r.base.acc, now(30));
	assert_ballot(r.base.ver, now(20));
	assert_ballot(r.base.pver, now(5));
	assert_ballot(r.next, now(31));
	ck_assert_uint_eq(r.attempt_count, 1);
}
END_TEST

START_TEST(attempt_that_was_overwritten_took_effect)
{
	given_attempt();
	ck_assert_int_eq(found(now(30), written(now(26), now(25), now(20)), now(1)), ROUND_TOOK);
	ck_assert_uint_eq(r.took, 0);
	round_propose_again(&r, ++tag);
	assert_ballot(r.base.ver, now(25));
	assert_ballot(r.base.pver, now(20));
}
END_TEST

START_TEST(attempt_that_was_overwritten_twice_is_unknown)
{
	given_attempt();
	ck_assert_int_eq(found(now(30), written(now(26), now(26), now(25)), now(1)), ROUND_UNKNOWN);
	ck_assert_int_eq(on_promise(2, absent, now(1)), ROUND_WAITS);
}
END_TEST

START_TEST(attempt_above_the_base_is_applied_again)
{
	given_attempt();
	ck_assert_int_eq(found(now(30), written(now(9), now(5), now(3)), now(1)), ROUND_CHANGE);
	propose(true);
	ck_assert_uint_eq(r.attempt_count, 2);
	assert_ballot(r.attempts[0], now(20));
	assert_ballot(r.attempts[1], now(30));
}
END_TEST

START_TEST(attempt_that_was_passed_over_is_applied_again)
{
	given_attempt();
	ck_assert_int_eq(found(now(30), written(now(25), now(25), now(5)), now(1)), ROUND_CHANGE);
}
END_TEST

START_TEST(attempt_below_erased_history_is_unknown)
{
	given_attempt();
	ck_assert_int_eq(found(now(30), absent, now(25)), ROUND_UNKNOWN);
	given_attempt();
	ck_assert_int_eq(found(now(30), absent, now(19)), ROUND_CHANGE);
	/* What was written over the absent key since tells as little. */
	given_attempt();
	ck_assert_int_eq(found(now(30), written(now(28), now(28), now(25)), now(1)), ROUND_UNKNOWN);
}
END_TEST

START_TEST(attempt_is_looked_for_before_the_base_is_lifted)
{
	struct paxos_record mine = tombstone_of(written(now(20), now(20), now(5)));
	given_attempt();
	prepare(now(30));
	ck_assert_int_eq(on_promise(0, mine, now(1)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(1, absent, now(25)), ROUND_TOOK);
	assert_ballot(r.base.ver, now(25));
	struct paxos_record over = tombstone_of(written(now(22), now(22), now(20)));
	given_attempt();
	prepare(now(30));
	ck_assert_int_eq(on_promise(0, over, now(1)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(1, absent, now(25)), ROUND_TOOK);
}
END_TEST

START_TEST(attempt_is_dead_only_by_the_lifted_base)
{
	/* Written at 5 by what is there, but what was erased may have been above. */
	given_attempt();
	prepare(now(30));
	ck_assert_int_eq(on_promise(0, tombstone_of(written(now(9), now(5), now(3))), now(1)),
			 ROUND_WAITS);
	ck_assert_int_eq(on_promise(1, absent, now(25)), ROUND_UNKNOWN);
}
END_TEST

START_TEST(the_attempt_that_took_effect_is_named)
{
	given_attempt();
	ck_assert_int_eq(found(now(30), written(now(9), now(5), now(3)), now(1)), ROUND_CHANGE);
	propose(true);
	ck_assert_int_eq(round_on_timeout(&r), ROUND_RETRY);
	ck_assert_int_eq(found(now(40), written(now(35), now(35), now(30)), now(1)), ROUND_TOOK);
	ck_assert_uint_eq(r.took, 1);
}
END_TEST

START_TEST(one_attempt_of_unknown_fate_is_enough)
{
	given_attempt();
	ck_assert_int_eq(found(now(30), written(now(9), now(5), now(3)), now(1)), ROUND_CHANGE);
	propose(true);
	ck_assert_int_eq(round_on_timeout(&r), ROUND_RETRY);
	/* 30 was passed over by 35, which was written over 25, which may have been over 20. */
	ck_assert_int_eq(found(now(40), written(now(35), now(35), now(25)), now(1)), ROUND_UNKNOWN);
}
END_TEST

START_TEST(attempt_that_took_effect_is_judged_again_when_its_proposal_fails)
{
	given_attempt();
	ck_assert_int_eq(found(now(30), written(now(20), now(20), now(5)), now(1)), ROUND_TOOK);
	round_propose_again(&r, ++tag);
	ck_assert_int_eq(round_on_nack(&r, 0, tag), ROUND_WAITS);
	ck_assert_int_eq(round_on_nack(&r, 1, tag), ROUND_RETRY);
	/* Found as proposed again. */
	ck_assert_int_eq(found(now(40), written(now(30), now(20), now(5)), now(1)), ROUND_TOOK);
	round_propose_again(&r, ++tag);
	ck_assert_int_eq(round_on_timeout(&r), ROUND_RETRY);
	/* Or passed over, for only a minority ever held it. */
	ck_assert_int_eq(found(now(50), written(now(45), now(45), now(5)), now(1)), ROUND_CHANGE);
	propose(true);
	ck_assert_uint_eq(r.attempt_count, 2);
}
END_TEST

START_TEST(what_was_unchanged_is_no_attempt)
{
	given_found(now(20), written(now(9), now(5), now(3)), now(1));
	propose(false);
	ck_assert_int_eq(round_on_timeout(&r), ROUND_RETRY);
	ck_assert_int_eq(round_give_up(&r), ROUND_NOT_DONE);
	ck_assert_int_eq(found(now(30), written(now(26), now(26), now(25)), now(1)), ROUND_CHANGE);
}
END_TEST

/* ---- ACCEPT ------------------------------------------------------------------------- */

static enum round_step on_ok(unsigned seat, uint64_t promised)
{
	return round_on_ok(&r, seat, tag, r.b, now(promised));
}

/* An ACCEPT round at 20 that reserves 21. */
static void given_accept(const struct quorum *quorum)
{
	given_prepare(quorum, now(20));
	for (unsigned seat = 0; seat < 5; seat++)
		(void)on_promise(seat, absent, BALLOT_ABSENT);
	propose(true);
}

static bool is_hot(uint64_t acc, uint64_t promised)
{
	struct paxos_record local = value_at(now(acc));
	return round_makes_hot(&r, &local, now(promised));
}

START_TEST(accept_by_a_quorum_is_decided)
{
	given_accept(&stable);
	ck_assert_int_eq(on_ok(1, 21), ROUND_WAITS);
	ck_assert_int_eq(on_ok(1, 21), ROUND_WAITS);
	ck_assert_int_eq(on_ok(3, 21), ROUND_WAITS);
	ck_assert_int_eq(on_ok(2, 21), ROUND_DECIDED);
	ck_assert_int_eq(on_ok(0, 21), ROUND_WAITS);
	ck_assert_int_eq(round_on_timeout(&r), ROUND_WAITS);
	ck_assert(is_hot(20, 21));
}
END_TEST

START_TEST(accept_in_a_joint_phase_needs_both_majorities)
{
	given_accept(&joint);
	ck_assert_int_eq(on_ok(2, 21), ROUND_WAITS);
	ck_assert_int_eq(on_ok(3, 21), ROUND_WAITS);
	ck_assert_int_eq(on_ok(4, 21), ROUND_WAITS);
	ck_assert_int_eq(on_ok(0, 21), ROUND_DECIDED);
	ck_assert(is_hot(20, 21));
}
END_TEST

START_TEST(accept_ignores_what_is_not_of_its_round)
{
	given_accept(&stable);
	ck_assert_int_eq(on_ok(0, 21), ROUND_WAITS);
	ck_assert_int_eq(round_on_ok(&r, 1, tag, now(19), now(21)), ROUND_WAITS);
	ck_assert_int_eq(round_on_ok(&r, 1, tag - 1, r.b, now(21)), ROUND_WAITS);
	ck_assert_int_eq(round_on_promise(&r, 1, tag, r.b, &absent, now(1)), ROUND_WAITS);
	ck_assert_int_eq(round_on_value(&r, 1, tag, &absent), ROUND_WAITS);
	/* Nacks of the PREPARE round before. */
	ck_assert_int_eq(round_on_nack(&r, 1, tag - 1), ROUND_WAITS);
	ck_assert_int_eq(round_on_nack(&r, 2, tag - 1), ROUND_WAITS);
	ck_assert_int_eq(on_ok(1, 21), ROUND_DECIDED);
}
END_TEST

START_TEST(nacks_that_make_a_quorum_impossible_end_the_round)
{
	given_prepare(&stable, now(20));
	ck_assert_int_eq(round_on_nack(&r, 0, tag), ROUND_WAITS);
	ck_assert_int_eq(round_on_nack(&r, 0, tag), ROUND_WAITS);
	ck_assert_int_eq(round_on_nack(&r, 5, tag), ROUND_WAITS);
	ck_assert_int_eq(round_on_nack(&r, 2, tag), ROUND_RETRY);
	ck_assert_int_eq(on_promise(0, absent, now(1)), ROUND_WAITS);
	ck_assert_int_eq(on_promise(1, absent, now(1)), ROUND_WAITS);

	given_accept(&joint);
	ck_assert_int_eq(round_on_nack(&r, 0, tag), ROUND_WAITS);
	ck_assert_int_eq(round_on_nack(&r, 3, tag), ROUND_WAITS);
	ck_assert_int_eq(round_on_nack(&r, 2, tag), ROUND_RETRY);
}
END_TEST

START_TEST(a_nack_takes_back_no_answer)
{
	/* ACCEPT was told it again, when it had promised something higher. */
	given_accept(&stable);
	ck_assert_int_eq(on_ok(0, 21), ROUND_WAITS);
	ck_assert_int_eq(round_on_nack(&r, 0, tag), ROUND_WAITS);
	ck_assert_int_eq(round_on_nack(&r, 1, tag), ROUND_WAITS);
	ck_assert_int_eq(on_ok(2, 21), ROUND_DECIDED);
	ck_assert(!is_hot(20, 21));
}
END_TEST

START_TEST(a_nack_that_overtook_an_answer_takes_back_none)
{
	given_accept(&stable);
	ck_assert_int_eq(round_on_nack(&r, 0, tag), ROUND_WAITS);
	ck_assert_int_eq(on_ok(0, 21), ROUND_WAITS);
	ck_assert_int_eq(round_on_nack(&r, 1, tag), ROUND_WAITS);
	ck_assert_int_eq(on_ok(2, 21), ROUND_DECIDED);
	ck_assert(!is_hot(20, 21));

	given_prepare(&stable, now(20));
	ck_assert_int_eq(round_on_nack(&r, 0, tag), ROUND_WAITS);
	ck_assert_int_eq(on_promise(0, absent, now(1)), ROUND_WAITS);
	ck_assert_int_eq(round_on_nack(&r, 1, tag), ROUND_WAITS);
	ck_assert_int_eq(on_promise(2, absent, now(1)), ROUND_CHANGE);
}
END_TEST

START_TEST(decided_makes_hot_what_a_quorum_has_reserved)
{
	given_accept(&stable);
	ck_assert_int_eq(on_ok(0, 21), ROUND_WAITS);
	ck_assert_int_eq(on_ok(1, 30), ROUND_DECIDED);
	ck_assert(!is_hot(20, 21));
	given_accept(&stable);
	ck_assert_int_eq(on_ok(0, 20), ROUND_WAITS);
	ck_assert_int_eq(on_ok(1, 21), ROUND_DECIDED);
	ck_assert(!is_hot(20, 21));
}
END_TEST

START_TEST(decided_makes_hot_what_is_here_and_reserved_here)
{
	given_accept(&stable);
	ck_assert_int_eq(on_ok(1, 21), ROUND_WAITS);
	ck_assert_int_eq(on_ok(2, 21), ROUND_DECIDED);
	ck_assert(is_hot(20, 21));
	ck_assert(!is_hot(19, 21));
	ck_assert(!is_hot(21, 21));
	ck_assert(!is_hot(20, 20));
	ck_assert(!is_hot(20, 22));
}
END_TEST

START_TEST(decided_in_a_joint_phase_makes_hot_what_both_have_reserved)
{
	given_accept(&joint);
	ck_assert_int_eq(on_ok(0, 21), ROUND_WAITS);
	ck_assert_int_eq(on_ok(1, 21), ROUND_WAITS);
	ck_assert_int_eq(on_ok(3, 21), ROUND_WAITS);
	ck_assert_int_eq(on_ok(4, 30), ROUND_DECIDED);
	ck_assert(!is_hot(20, 21));
}
END_TEST

START_TEST(a_nack_before_or_after_the_decision_leaves_the_key_cold)
{
	given_accept(&stable);
	ck_assert_int_eq(round_on_nack(&r, 2, tag), ROUND_WAITS);
	ck_assert_int_eq(on_ok(0, 21), ROUND_WAITS);
	ck_assert_int_eq(on_ok(1, 21), ROUND_DECIDED);
	ck_assert(!is_hot(20, 21));
	given_accept(&stable);
	ck_assert_int_eq(on_ok(0, 21), ROUND_WAITS);
	ck_assert_int_eq(on_ok(1, 21), ROUND_DECIDED);
	ck_assert(is_hot(20, 21));
	ck_assert_int_eq(round_on_nack(&r, 2, tag), ROUND_WAITS);
	ck_assert(!is_hot(20, 21));
}
END_TEST

START_TEST(a_round_forgets_the_answers_of_those_before)
{
	given_accept(&stable);
	ck_assert_int_eq(on_ok(0, 21), ROUND_WAITS);
	ck_assert_int_eq(round_on_nack(&r, 1, tag), ROUND_WAITS);
	ck_assert_int_eq(round_on_timeout(&r), ROUND_RETRY);
	prepare(now(30));
	ck_assert_int_eq(round_on_nack(&r, 2, tag), ROUND_WAITS);
	ck_assert_int_eq(on_promise(0, absent, BALLOT_ABSENT), ROUND_WAITS);
	ck_assert_int_eq(on_promise(1, absent, BALLOT_ABSENT), ROUND_CHANGE);
	propose(true);
	ck_assert_int_eq(round_on_nack(&r, 0, tag - 1), ROUND_WAITS);
	ck_assert_int_eq(on_ok(1, 31), ROUND_WAITS);
	ck_assert_int_eq(on_ok(2, 31), ROUND_DECIDED);
	ck_assert(is_hot(30, 31));

	/* What was reserved by an earlier ACCEPT is none of this one's. */
	given_accept(&stable);
	ck_assert_int_eq(on_ok(0, 21), ROUND_WAITS);
	propose(false);
	ck_assert_int_eq(on_ok(0, 30), ROUND_WAITS);
	ck_assert_int_eq(on_ok(1, 21), ROUND_DECIDED);
	ck_assert(!is_hot(20, 21));
}
END_TEST

/* ---- The end, and a new version ----------------------------------------------------- */

START_TEST(rounds_run_out_with_nothing_done)
{
	given_read(&stable);
	ck_assert_int_eq(round_on_timeout(&r), ROUND_RETRY);
	tag = TAG;
	for (unsigned i = 1; i < ROUND_MAX; i++) {
		prepare(now(20 + i));
		ck_assert_int_eq(round_on_timeout(&r),
				 i + 1 < ROUND_MAX ? ROUND_RETRY : ROUND_NOT_DONE);
	}
	ck_assert(!round_prepare(&r, ++tag, now(90)));
	ck_assert(!round_read(&r, ++tag));
	ck_assert_int_eq(round_give_up(&r), ROUND_NOT_DONE);
}
END_TEST

START_TEST(rounds_run_out_with_an_unknown_outcome)
{
	round_init(&r, &stable, NOW, START);
	tag = TAG;
	for (unsigned i = 1; i <= ROUND_MAX; i++) {
		ck_assert_int_eq(found(now(20 + i), written(now(9), now(5), now(3)), now(1)),
				 ROUND_CHANGE);
		propose(true);
		ck_assert_int_eq(round_on_nack(&r, 0, tag), ROUND_WAITS);
		ck_assert_int_eq(round_on_nack(&r, 1, tag),
				 i < ROUND_MAX ? ROUND_RETRY : ROUND_UNKNOWN);
	}
	ck_assert_uint_eq(r.attempt_count, ROUND_MAX);
	ck_assert(!round_prepare(&r, ++tag, now(90)));
	ck_assert_int_eq(round_give_up(&r), ROUND_UNKNOWN);
}
END_TEST

START_TEST(nothing_takes_too_long_that_has_not_begun)
{
	struct paxos_record local = value_at(now(9));
	round_init(&r, &stable, NOW, START);
	ck_assert_int_eq(round_on_timeout(&r), ROUND_WAITS);
	round_hot(&r, &local, now(10));
	ck_assert_int_eq(round_on_timeout(&r), ROUND_WAITS);
	propose(true);
	ck_assert_int_eq(round_on_timeout(&r), ROUND_RETRY);
}
END_TEST

START_TEST(the_last_round_may_still_decide)
{
	round_init(&r, &stable, NOW, START);
	tag = TAG;
	for (unsigned i = 1; i < ROUND_MAX; i++) {
		prepare(now(20 + i));
		ck_assert_int_eq(round_on_timeout(&r), ROUND_RETRY);
	}
	ck_assert_int_eq(found(now(40), absent, now(1)), ROUND_CHANGE);
	propose(true);
	ck_assert_int_eq(on_ok(0, 41), ROUND_WAITS);
	ck_assert_int_eq(on_ok(1, 41), ROUND_DECIDED);
}
END_TEST

START_TEST(a_read_stays_a_read_in_a_new_version)
{
	given_read(&joint);
	ck_assert_int_eq(on_value(0, value_at(now(10))), ROUND_WAITS);
	ck_assert_int_eq(round_move(&r, &stable, NOW + 1, START), ROUND_READING);
	ck_assert_int_eq(on_value(1, value_at(now(10))), ROUND_WAITS);
	ck_assert_int_eq(round_on_timeout(&r), ROUND_WAITS);
	ck_assert(round_read(&r, TAG + 1));
	ck_assert_int_eq(on_value(1, value_at(now(10))), ROUND_WAITS);
	ck_assert_int_eq(round_on_value(&r, 1, TAG + 1, &absent), ROUND_WAITS);
	ck_assert_int_eq(round_on_value(&r, 2, TAG + 1, &absent), ROUND_READ_DONE);
}
END_TEST

START_TEST(a_read_forgets_the_answers_of_an_older_version)
{
	given_read(&stable);
	ck_assert_int_eq(on_value(2, value_at(old(10))), ROUND_WAITS);
	ck_assert_int_eq(round_move(&r, &stable, NOW + 1, START), ROUND_READING);
	ck_assert(round_read(&r, TAG + 1));
	struct paxos_record record = value_at(old(10));
	ck_assert_int_eq(round_on_value(&r, 0, TAG + 1, &record), ROUND_WAITS);
	ck_assert_int_eq(round_on_value(&r, 1, TAG + 1, &record), ROUND_WAITS);
	ck_assert_int_eq(round_on_value(&r, 2, TAG + 1, &record), ROUND_READ_DONE);
}
END_TEST

START_TEST(a_read_judges_votes_by_the_new_start)
{
	given_read(&stable);
	ck_assert_int_eq(round_move(&r, &joint, NOW + 1, NOW + 1), ROUND_READING);
	ck_assert(round_read(&r, TAG + 1));
	struct paxos_record record = value_at(now(10));
	for (unsigned seat = 0; seat < 4; seat++)
		ck_assert_int_eq(round_on_value(&r, seat, TAG + 1, &record), ROUND_WAITS);
	ck_assert_int_eq(round_on_value(&r, 4, TAG + 1, &record), ROUND_RETRY);
}
END_TEST

START_TEST(anything_else_prepares_in_a_new_version_and_keeps_its_attempts)
{
	given_prepare(&stable, now(20));
	ck_assert_int_eq(on_promise(0, absent, now(1)), ROUND_WAITS);
	ck_assert_int_eq(round_move(&r, &joint, NOW + 1, NOW + 1), ROUND_PREPARING);
	ck_assert_int_eq(on_promise(1, absent, now(1)), ROUND_WAITS);

	given_attempt();
	ck_assert_int_eq(round_move(&r, &joint, NOW + 1, NOW + 1), ROUND_PREPARING);
	prepare(ballot_make(NOW + 1, 1, 1));
	for (unsigned seat = 0; seat < 3; seat++)
		ck_assert_int_eq(on_promise(seat, written(now(20), now(20), now(5)), now(1)),
				 ROUND_WAITS);
	ck_assert_int_eq(on_promise(3, absent, now(1)), ROUND_TOOK);

	given_accept(&stable);
	ck_assert_int_eq(on_ok(0, 21), ROUND_WAITS);
	ck_assert_int_eq(round_move(&r, &joint, NOW + 1, NOW + 1), ROUND_PREPARING);
	ck_assert_int_eq(on_ok(1, 21), ROUND_WAITS);
	ck_assert_int_eq(round_give_up(&r), ROUND_UNKNOWN);
}
END_TEST

START_TEST(a_hot_write_prepares_in_a_new_version)
{
	struct paxos_record local = value_at(now(9));
	round_init(&r, &stable, NOW, START);
	round_hot(&r, &local, now(10));
	ck_assert_int_eq(round_move(&r, &joint, NOW + 1, NOW + 1), ROUND_PREPARING);
	ck_assert_int_eq(round_give_up(&r), ROUND_NOT_DONE);
	round_init(&r, &stable, NOW, START);
	ck_assert_int_eq(round_move(&r, &joint, NOW + 1, NOW + 1), ROUND_PREPARING);
}
END_TEST

/* ---- Replicas that do not answer -------------------------------------------------------- */

START_TEST(a_read_that_only_those_who_are_away_could_decide_waits_in_vain)
{
	given_read(&stable);
	ck_assert(!round_waits_in_vain(&r, 0x4));
	ck_assert_int_eq(on_value(0, value_at(now(1))), ROUND_WAITS);
	ck_assert(!round_waits_in_vain(&r, 0x4));
	ck_assert_int_eq(on_value(1, value_at(now(2))), ROUND_WAITS);
	ck_assert(!round_waits_in_vain(&r, 0));
	ck_assert(!round_waits_in_vain(&r, 0x3)); /* they have answered */
	ck_assert(round_waits_in_vain(&r, 0x4));
	ck_assert_int_eq(round_on_timeout(&r), ROUND_RETRY);
	ck_assert(!round_waits_in_vain(&r, 0x4));
}
END_TEST

START_TEST(a_refusal_is_final_where_the_others_are_away)
{
	given_prepare(&stable, now(20));
	ck_assert(!round_waits_in_vain(&r, 0x6)); /* they may be there after all */
	ck_assert_int_eq(round_on_nack(&r, 1, r.tag), ROUND_WAITS);
	ck_assert(!round_waits_in_vain(&r, 0));
	ck_assert(round_waits_in_vain(&r, 0x4));
	given_accept(&stable);
	ck_assert_int_eq(round_on_nack(&r, 1, r.tag), ROUND_WAITS);
	ck_assert(round_waits_in_vain(&r, 0x4));
	/* In a joint phase a majority of each has to be there. */
	given_prepare(&joint, now(20));
	ck_assert_int_eq(round_on_nack(&r, 0, r.tag), ROUND_WAITS);
	ck_assert(!round_waits_in_vain(&r, 0x8));
	ck_assert(round_waits_in_vain(&r, 0x2));
	ck_assert(round_waits_in_vain(&r, 0x18));
}
END_TEST

UNIT_MAIN("paxos_round", 10, read_of_equal_votes_of_a_quorum_is_decided,
	  read_finds_the_quorum_among_other_answers, read_of_an_absent_key_is_decided,
	  read_of_absent_and_tombstone_is_undecided, read_of_different_ballots_is_undecided,
	  read_of_votes_of_an_older_version_is_undecided, read_of_copies_is_undecided,
	  read_of_an_old_record_that_all_share_is_decided,
	  read_of_copies_of_this_version_that_all_share_is_undecided,
	  read_of_an_old_record_that_all_share_is_undecided_in_a_joint_phase,
	  read_in_a_joint_phase_needs_both_majorities, read_counts_a_replica_once,
	  read_counts_no_seat_outside, read_ignores_answers_of_another_round,
	  read_that_takes_too_long_is_followed_by_prepare, prepare_takes_the_record_accepted_last,
	  prepare_in_a_joint_phase_needs_both_majorities, prepare_ignores_what_is_not_of_its_round,
	  absent_base_is_a_tombstone_at_the_highest_absent_bound,
	  tombstone_below_an_absent_bound_is_lifted, base_above_the_absent_bounds_is_not_lifted,
	  a_bound_of_an_earlier_round_is_forgotten, a_change_is_written_at_its_ballot_over_the_base,
	  a_change_of_an_absent_key_is_written_over_the_absent_bound,
	  what_is_unchanged_is_voted_for_as_it_is,
	  an_absent_key_that_stays_is_proposed_as_a_tombstone,
	  a_hot_key_is_changed_at_the_ballot_that_was_reserved, attempt_that_is_found_took_effect,
	  attempt_that_was_overwritten_took_effect, attempt_that_was_overwritten_twice_is_unknown,
	  attempt_above_the_base_is_applied_again, attempt_that_was_passed_over_is_applied_again,
	  attempt_below_erased_history_is_unknown, attempt_is_looked_for_before_the_base_is_lifted,
	  attempt_is_dead_only_by_the_lifted_base, the_attempt_that_took_effect_is_named,
	  one_attempt_of_unknown_fate_is_enough,
	  attempt_that_took_effect_is_judged_again_when_its_proposal_fails,
	  what_was_unchanged_is_no_attempt, accept_by_a_quorum_is_decided,
	  accept_in_a_joint_phase_needs_both_majorities, accept_ignores_what_is_not_of_its_round,
	  nacks_that_make_a_quorum_impossible_end_the_round, a_nack_takes_back_no_answer,
	  a_nack_that_overtook_an_answer_takes_back_none,
	  decided_makes_hot_what_a_quorum_has_reserved,
	  decided_makes_hot_what_is_here_and_reserved_here,
	  decided_in_a_joint_phase_makes_hot_what_both_have_reserved,
	  a_nack_before_or_after_the_decision_leaves_the_key_cold, rounds_run_out_with_nothing_done,
	  rounds_run_out_with_an_unknown_outcome, nothing_takes_too_long_that_has_not_begun,
	  the_last_round_may_still_decide, a_read_stays_a_read_in_a_new_version,
	  a_read_forgets_the_answers_of_an_older_version,
	  a_round_forgets_the_answers_of_those_before, a_read_judges_votes_by_the_new_start,
	  anything_else_prepares_in_a_new_version_and_keeps_its_attempts,
	  a_hot_write_prepares_in_a_new_version,
	  a_read_that_only_those_who_are_away_could_decide_waits_in_vain,
	  a_refusal_is_final_where_the_others_are_away)
