/* SPDX-License-Identifier: Apache-2.0
 *
 * paxos/quorum: majorities of stable and joint blocks.
 */
#include "paxos/quorum.h"
#include "unit.h"

static const struct quorum three = {.old = 0x07};
/* {0,1,2} and {3,4,5,6,7}, without a common member; {0,1,2} and {2,3,4}. */
static const struct quorum apart = {.old = 0x07, .next = 0xf8};
static const struct quorum linked = {.old = 0x07, .next = 0x1c};

START_TEST(a_majority_is_more_than_half)
{
	for (unsigned size = 1; size <= 7; size++) {
		uint16_t of = (uint16_t)((1u << size) - 1);
		struct quorum stable = {.old = of};
		for (unsigned seats = 0; seats <= of; seats++) {
			bool is_met = (unsigned)__builtin_popcount(seats) >= size / 2 + 1;
			UNIT_REQUIRE(quorum_is_met(&stable, (uint16_t)seats) == is_met);
		}
	}
}
END_TEST

START_TEST(no_seats_have_no_majority)
{
	ck_assert(!quorum_is_majority(0, 0));
	ck_assert(!quorum_is_majority(0, 0x3fff));
}
END_TEST

START_TEST(seats_outside_do_not_count)
{
	ck_assert(!quorum_is_met(&three, 0x3ff8));
	ck_assert(!quorum_is_met(&three, 0x3ff9));
	ck_assert(quorum_is_met(&three, 0x3ffb));
}
END_TEST

START_TEST(two_quorums_always_share_a_member)
{
	for (unsigned a = 0; a <= quorum_all(&linked); a++) {
		for (unsigned b = 0; b <= quorum_all(&linked); b++) {
			if (quorum_is_met(&linked, (uint16_t)a) &&
			    quorum_is_met(&linked, (uint16_t)b))
				UNIT_REQUIRE((a & b & linked.old) != 0 &&
					     (a & b & linked.next) != 0);
		}
	}
}
END_TEST

START_TEST(a_joint_quorum_is_no_majority_of_the_union)
{
	ck_assert(quorum_is_joint(&apart) && !quorum_is_joint(&three));
	ck_assert_uint_eq(quorum_all(&apart), 0xff);
	/* Five of eight, with one of the old; the new ones alone. */
	ck_assert(!quorum_is_met(&apart, 0x79));
	ck_assert(!quorum_is_met(&apart, 0xf8));
}
END_TEST

START_TEST(a_joint_quorum_needs_the_new_replicas)
{
	ck_assert(!quorum_is_met(&apart, 0x07));
	ck_assert(!quorum_is_met(&apart, 0x1f));
	ck_assert(quorum_is_met(&apart, 0x3b));
}
END_TEST

START_TEST(a_member_of_both_sets_counts_in_both)
{
	ck_assert(quorum_is_met(&linked, 0x0d)); /* 0 and 2, 2 and 3 */
	ck_assert(!quorum_is_met(&linked, 0x0c));
}
END_TEST

START_TEST(a_quorum_is_possible_until_one_set_lacks_its_majority)
{
	ck_assert(quorum_is_possible(&three, 0));
	ck_assert(quorum_is_possible(&three, 0x02));
	ck_assert(!quorum_is_possible(&three, 0x06));
	ck_assert(quorum_is_possible(&apart, 0x31));
	ck_assert(!quorum_is_possible(&apart, 0x03));
	ck_assert(!quorum_is_possible(&apart, 0x38));
}
END_TEST

UNIT_MAIN("paxos_quorum", 10, a_majority_is_more_than_half, no_seats_have_no_majority,
	  seats_outside_do_not_count, two_quorums_always_share_a_member,
	  a_joint_quorum_is_no_majority_of_the_union, a_joint_quorum_needs_the_new_replicas,
	  a_member_of_both_sets_counts_in_both,
	  a_quorum_is_possible_until_one_set_lacks_its_majority)
