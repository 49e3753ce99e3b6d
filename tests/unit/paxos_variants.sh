#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that the unit tests of daemon/paxos can fail: builds each with the sources broken
# in one of the ways of paxos/variant.h, and requires that the case named below fails.
#
# usage: tests/unit/paxos_variants.sh [CC]
# The last line is `N passed, N failed`; exits with 1 if anything failed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cc=${1:-${CC:-cc}}
read -ra check_cflags <<<"$(pkg-config --cflags check)"
read -ra check_libs <<<"$(pkg-config --libs check)"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# VARIANT PROGRAM CASE, for every variant that daemon/paxos has a switch for.
caught() {
	cat <<-EOT
		DUPLICATE_PROMISES acceptor accept_again_leaves_a_higher_promise_and_says_so
		DUPLICATE_PROMISES explore a_hot_key_meets_another_coordinator
		RETRY_ALWAYS round attempt_that_was_overwritten_took_effect
		RETRY_ALWAYS explore an_impatient_coordinator_meets_another
		ABSENT_PVER_ZERO round absent_base_is_a_tombstone_at_the_highest_absent_bound
		READ_ABSENT_IS_TOMBSTONE round read_of_absent_and_tombstone_is_undecided
		READ_OLD_VOTES round read_of_votes_of_an_older_version_is_undecided
		READ_OLD_VOTES acceptor a_vote_is_no_copy_and_not_older_than_start
		READ_COPIES round read_of_copies_is_undecided
		READ_COPIES acceptor holds_a_tombstone_that_is_no_copy
		READ_ALL_JOINT round read_of_an_old_record_that_all_share_is_undecided_in_a_joint_phase
		READ_ALL_COPIES round read_of_copies_of_this_version_that_all_share_is_undecided
		NO_LOW acceptor restart_refuses_everything_up_to_the_ceiling
		NO_LOW explore a_replica_restarts_and_accepts_are_told_again
		FLOOR_TOMBSTONE acceptor erase_leaves_the_floor_above_the_promise
		NO_FLOOR acceptor erase_leaves_the_floor_above_the_tombstone
		ERASE_OLD acceptor holds_a_tombstone_that_is_no_copy
		LEARN_UNGUARDED acceptor learn_of_an_old_version_is_refused
		LEARN_UNGUARDED explore a_hot_key_meets_another_coordinator
		LEARN_ABSENT acceptor learn_below_the_bound_of_an_absent_key_is_refused
		JOINT_UNION quorum a_joint_quorum_is_no_majority_of_the_union
		JOINT_OLD_ONLY quorum a_joint_quorum_needs_the_new_replicas
		SYNC_NO_FLOOR acceptor a_chunk_raises_the_floor
		COPY_LOW acceptor copy_raises_the_promise
		COPY_NEW_LOW acceptor copy_of_an_absent_key_starts_at_the_absent_bound
		COPY_HOT acceptor copy_takes_the_reservation_away
	EOT
}

compile() {
	"$cc" -std=gnu17 -D_GNU_SOURCE -Idaemon -I. -Itests/unit "${check_cflags[@]}" -c "$@"
}

# build_sources VARIANT: builds what the variants are in as $out/*.o. The tests of quorums
# belong to it, for those are whole in their header.
build_sources() {
	local option=()
	[ "$1" = AS_WRITTEN ] || option=("-DDHT_PAXOS_VARIANT=PAXOS_$1")
	compile -O1 "${option[@]}" daemon/paxos/acceptor.c -o "$out/acceptor.o"
	compile -O1 "${option[@]}" daemon/paxos/round.c -o "$out/round.o"
	compile -O0 "${option[@]}" tests/unit/test_paxos_quorum.c -o "$out/test_quorum.o"
}

# fails PROGRAM: the cases of test_paxos_PROGRAM that fail with the sources as built.
fails() {
	"$cc" "$out/test_$1.o" "$out/acceptor.o" "$out/round.o" "$out/log.o" "${check_libs[@]}" \
		-o "$out/test"
	{ "$out/test" || true; } | sed -En 's/^[^:]*:[0-9]+:[FE]:[a-z_]+:([a-z_]+):.*/\1/p'
}

compile -O0 daemon/base/log.c -o "$out/log.o"
compile -O0 tests/unit/test_paxos_acceptor.c -o "$out/test_acceptor.o"
compile -O0 tests/unit/test_paxos_round.c -o "$out/test_round.o"
compile -O2 tests/unit/test_paxos_explore.c -o "$out/test_explore.o"

passed=0
failed=0

# verdict STATUS TEXT
verdict() {
	if [ "$1" -eq 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "$2"
	fi
}

# As written, nothing fails: otherwise a variant would not be what makes a case fail.
build_sources AS_WRITTEN
for program in quorum acceptor round; do
	cases=$(fails "$program")
	verdict ${#cases} "$program fails as written: $cases"
done

built=AS_WRITTEN
while read -r variant program case; do
	[ "$variant" = "$built" ] || build_sources "$variant"
	built=$variant status=0
	grep -qx "$case" <<<"$(fails "$program")" || status=1
	verdict $status "$variant is not caught by $program: $case"
done < <(caught)

# No switch without a row.
while read -r variant; do
	status=0
	caught | grep -q "^$variant " || status=1
	verdict $status "nothing is said to catch $variant"
done < <(grep -ohE 'PAXOS_BROKEN\([A-Z_]+' daemon/paxos/{acceptor.c,round.c,quorum.h} | cut -d'(' -f2 | sort -u)

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
