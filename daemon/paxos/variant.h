/* SPDX-License-Identifier: Apache-2.0
 *
 * paxos/variant - the broken variants of the register protocol that tests must catch.
 *
 * Why     A simulator that never fails shows nothing. Section 8 of the register protocol
 *         lists ways to get it wrong; a test builds the shipped sources with
 *         DHT_PAXOS_VARIANT set to one of these, and has to notice. The daemon is built
 *         without it: then every PAXOS_BROKEN is the constant false.
 * Thread  constants.
 */
#ifndef DHT_PAXOS_VARIANT_H
#define DHT_PAXOS_VARIANT_H

/* X(NAME, what is done wrong) */
#define PAXOS_VARIANTS(X)                                                                          \
	X(FAST_PREVIOUS, "a fresh ballot is accepted if the promise is still the record's")        \
	X(FAST_FRESH, "the hot path takes a fresh ballot instead of the reserved one")             \
	X(DUPLICATE_PROMISES, "a duplicate accept counts as a promise of next")                    \
	X(RETRY_ALWAYS, "a write of unknown outcome is applied again")                             \
	X(ABSENT_PVER_ZERO, "an absent base has pver 0 instead of its bound")                      \
	X(OMITTED_LATE, "omitted values are filled from the record as it is at the end")           \
	X(READ_ABSENT_IS_TOMBSTONE, "a read counts absent and tombstone as equal")                 \
	X(READ_OLD_VOTES, "a read trusts votes of an older version")                               \
	X(READ_COPIES, "copies count as votes")                                                    \
	X(READ_ALL_JOINT, "records that all replicas share are trusted in a joint phase")          \
	X(READ_ALL_COPIES, "records that all share are trusted when they are of this version")     \
	X(NO_LOW, "promises are forgotten at a restart without a bound")                           \
	X(FLOOR_TOMBSTONE, "an erasure leaves the tombstone's ballot as floor, not the promise's") \
	X(NO_FLOOR, "an erasure leaves no floor")                                                  \
	X(ERASE_MAJORITY, "a tombstone is erased when a majority holds it")                        \
	X(ERASE_JOINT, "a tombstone is erased in a joint phase, by the old replicas alone")        \
	X(ERASE_OLD, "a tombstone of an older version is erased")                                  \
	X(LEARN_UNGUARDED, "LEARN ignores promises, floor and version")                            \
	X(LEARN_ABSENT, "a refused LEARN is stored as a copy where the key is absent")             \
	X(OLD_VERSIONS, "messages of an older version are accepted")                               \
	X(JOINT_UNION, "a joint quorum is a majority of the union")                                \
	X(JOINT_OLD_ONLY, "a joint quorum is one of the old replicas alone")                       \
	X(SYNC_UNFENCED, "a source answers that has not adopted the joint version")                \
	X(SYNC_NO_FLOOR, "a sync does not take over the floors of its sources")                    \
	X(COPY_LOW, "a copy above the promise leaves the promise low")                             \
	X(COPY_NEW_LOW, "an entry that a copy makes does not start at the floor")                  \
	X(COPY_HOT, "a copy leaves hot and the successor flag as they were")                       \
	X(FINISH_ONE, "a joint phase ends when one member is in sync")                             \
	X(REJOIN_KEEPS, "a member that joins again keeps its old data")                            \
	X(NO_VERSION, "ballots carry no version")                                                  \
	X(READ_DIRTY, "READ is answered before what it tells is durable")                          \
	X(COUNTER_LOWER, "the counter starts again below the ceiling")                             \
	X(DISK_SAME_IDENTITY, "a node that lost its disk keeps its identity")                      \
	X(MAP_UNDECIDED, "a map is adopted before it is decided")                                  \
	X(VOTER_FORGETS, "a voter forgets at a restart what it promised and accepted")             \
	X(VOTER_DROPS,                                                                             \
	  "a voter that adopted a map answers for its epoch as if nothing was accepted")

enum paxos_variant {
	PAXOS_AS_WRITTEN,
#define X(name, text) PAXOS_##name,
	PAXOS_VARIANTS(X)
#undef X
	    PAXOS_VARIANT_END
};

#ifdef DHT_PAXOS_VARIANT
#define PAXOS_BROKEN(name) (DHT_PAXOS_VARIANT == PAXOS_##name)
#else
#define PAXOS_BROKEN(name) 0
#endif

#endif
