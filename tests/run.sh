#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests. Builds are kept and brought up to date; every step writes a log
# below its build directory, and the end of the log is shown when it fails.
#
# usage: tests/run.sh [PART]...     all parts, in this order, if none is named
#   deps       the packages that building and testing need, and clients from npm
#   structure  which folder includes what; the purity of the core
#   unit       unit tests and fuzzing corpora with ASan and UBSan
#   tsan       unit tests, and system tests marked `threads`, with TSan
#   sim        the simulated cluster, 500 fixed and 500 fresh seeds with ASan and UBSan
#   fuzz       every fuzz target for DHT_FUZZ_SECONDS (20)
#   system     real daemons with ASan and UBSan; the load generator
#   valgrind   system tests marked `valgrind`, with the release build
#   packaging  the Debian packages: reproducible, to lintian's liking; installed, used,
#              upgraded, removed and purged in a system of their own (needs root)
#   lint       shellcheck and clang-format
#
# The last line is `N passed, N failed`, over all parts; a part that could not run
# counts as failed. Exits with 1 if anything failed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

parts=(deps structure unit tsan sim fuzz system valgrind packaging lint)
python=/usr/bin/python3
jobs=$(nproc)
step_timeout_s=3600
fuzz_seconds=${DHT_FUZZ_SECONDS:-20}
tail_lines=60

total_passed=0
total_failed=0
part_passed=0
part_failed=0
part_skipped=0

usage_error() {
	echo "run.sh: $*" >&2
	exit 2
}

# count PASSED FAILED [SKIPPED]
count() {
	part_passed=$((part_passed + $1))
	part_failed=$((part_failed + $2))
	part_skipped=$((part_skipped + ${3:-0}))
}

# logged LOG COMMAND...: runs a command with its output in LOG.
logged() {
	local log=$1 status=0
	shift
	mkdir -p "${log%/*}"
	timeout --foreground --kill-after=30 $step_timeout_s "$@" >"$log" 2>&1 </dev/null ||
		status=$?
	if [ $status -ne 0 ]; then
		echo "--- exit code $status: $*"
		echo "--- the end of $log:"
		tail -n $tail_lines "$log"
		echo "---"
	fi
	return $status
}

# settle STATUS PASSED FAILED SKIPPED NAME: counts the result of a step. One that
# failed has at least one failure, and one in which nothing ran has not passed.
settle() {
	local status=$1 passed=$2 failed=$3 skipped=$4 name=$5
	if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
		failed=1
	elif [ $((passed + failed)) -eq 0 ]; then
		echo "--- $name: no test ran"
		failed=1
	fi
	count "$passed" "$failed" "$skipped"
}

# case_of LOG COMMAND...: a command that is one test case.
case_of() {
	if logged "$@"; then
		count 1 0
	else
		count 0 1
	fi
}

# cases_of LOG COMMAND...: a command whose last line is `N passed, N failed`.
cases_of() {
	local status=0 passed=0 failed=0
	logged "$@" || status=$?
	if [[ $(tail -n 1 "$1") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
		passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]}
	fi
	settle $status "$passed" "$failed" 0 "$2"
}

# junit_of LOG COMMAND...: a command that writes LOG.xml in JUnit's format.
junit_of() {
	local log=$1 status=0 counts passed=0 failed=0 skipped=0
	rm -f "$log.xml"
	logged "$@" || status=$?
	if [ -e "$log.xml" ] && counts=$($python tests/tally.py "$log.xml"); then
		read -r passed failed skipped <<<"$counts"
	fi
	settle $status "$passed" "$failed" "$skipped" "$log"
}

# build DIRECTORY PRESET [TARGET]...: everything, if no target is named; an existing
# directory keeps its generator and options.
build() {
	local directory=$1 preset=$2 configure=(cmake --preset "$2") targets=()
	shift 2
	[ $# -eq 0 ] || targets=(--target "$@")
	[ ! -e "$directory/CMakeCache.txt" ] || configure=(cmake -S . -B "$directory")
	logged "$directory/logs/configure.log" "${configure[@]}" &&
		logged "$directory/logs/build.log" cmake --build "$directory" --parallel "$jobs" \
			"${targets[@]}" &&
		return
	echo "--- preset $preset could not be built"
	count 0 1
	return 1
}

# run_ctest DIRECTORY [OPTION]...
run_ctest() {
	local directory=$1 log=$PWD/$1/logs/ctest.log
	shift
	junit_of "$log" "${aslr[@]}" ctest --test-dir "$directory" --output-on-failure \
		--parallel "$jobs" --output-junit "$log.xml" --test-output-size-passed 10000000 \
		--test-output-size-failed 10000000 "$@"
}

# run_pytest DIRECTORY NAME ARGUMENT...: the system tests with the binaries of DIRECTORY
run_pytest() {
	local directory=$1 log=$PWD/$1/logs/$2.log
	shift 2
	junit_of "$log" env "DHT_BUILD_DIR=$directory" "${aslr[@]}" "$python" -m pytest \
		-p no:cacheprovider --strict-markers --junitxml="$log.xml" "$@"
}

# Sets aslr to what ThreadSanitizer needs in front of a command: its runtime does not
# know the memory layout of kernels that randomise more than 28 bits.
aslr=()
without_aslr_if_needed() {
	local bits
	bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)
	[ "$bits" -le 28 ] || aslr=(setarch "$(uname -m)" -R)
}

part_deps() {
	case_of build/logs/deps.log packaging/deps.sh build test
	case_of build/logs/clients.log tests/system/clients/install.sh
}

part_structure() {
	cases_of build/logs/includes.log $python tests/structure/includes.py
	build build release dhtd dhtctl || return 0
	cases_of build/logs/purity.log $python tests/structure/purity.py build
}

part_unit() {
	build build-dev dev || return 0
	run_ctest build-dev
}

part_tsan() {
	build build-tsan tsan threads || return 0
	without_aslr_if_needed
	run_ctest build-tsan --label-regex '^threads$'
	run_pytest build-tsan shared tests/system -m 'threads and not valgrind' "${shared[@]}"
	run_pytest build-tsan alone "${alone[@]}" -m 'threads and not valgrind'
	aslr=()
}

part_sim() {
	build build-dev dev || return 0
	local run=(env DHT_BUILD_DIR=build-dev tests/sim/run)
	cases_of build-dev/logs/sim_schedules.log "${run[@]}" --schedules
	cases_of build-dev/logs/sim_fixed.log "${run[@]}" --seeds 500
	cases_of build-dev/logs/sim_fresh.log "${run[@]}" --seeds 500 --first "$(date +%s)000"
}

# fuzz NAME: runs a target, and leaves its exit code in a file.
fuzz() {
	local name=$1 work=build-fuzz/fuzz/$1 status=0 options
	# New inputs go to the first corpus; the checked-in one is only read.
	mkdir -p "$work/corpus"
	options=("-max_total_time=$fuzz_seconds" -timeout=10 -rss_limit_mb=2048
		-print_final_stats=1 "-artifact_prefix=$work/")
	[ ! -e "tests/fuzz/$name.dict" ] || options+=("-dict=tests/fuzz/$name.dict")
	logged "build-fuzz/logs/fuzz_$name.log" "build-fuzz/tests/fuzz_$name" "${options[@]}" \
		"$work/corpus" "tests/fuzz/corpus/$name" || status=$?
	echo $status >"$work/status"
}

part_fuzz() {
	build build-fuzz fuzz fuzzers || return 0
	local source name names=()
	for source in tests/fuzz/fuzz_*.c; do
		name=${source##*/fuzz_}
		names+=("${name%.c}")
	done
	# A target takes one processor.
	for name in "${names[@]}"; do
		rm -f "build-fuzz/fuzz/$name/status"
		[ "$(jobs -rp | wc -l)" -lt "$jobs" ] || wait -n || true
		fuzz "$name" &
	done
	wait
	for name in "${names[@]}"; do
		if [ "$(cat "build-fuzz/fuzz/$name/status")" = 0 ]; then
			count 1 0
		else
			count 0 1
		fi
	done
}

# Tests that ask when something happens, or fill the machine: one after the other. All
# others share the machine, file by file.
alone=(tests/system/test_{cluster_{change,clock,crash,disk,network},fairness,hang,idle}.py
	tests/system/test_{patience,queues,quickstart}.py)
shared=("${alone[@]/#/--ignore=}" -n "$jobs" --dist loadfile)

part_system() {
	build build-dev dev || return 0
	run_pytest build-dev shared tests/system -m 'not valgrind' "${shared[@]}"
	run_pytest build-dev alone "${alone[@]}" -m 'not valgrind'
	run_pytest build-dev bench tests/bench
}

part_valgrind() {
	build build release dhtd dhtctl || return 0
	run_pytest build valgrind tests/system -m valgrind
}

part_packaging() {
	run_pytest build packaging tests/packaging -rs
	grep '^SKIPPED' build/logs/packaging.log || true
}

# files_of TEST...: what find selects outside of what was built or installed,
# NUL-terminated
files_of() {
	find . \( -path './build*' -o -path ./.git -o -path ./dist -o -path ./run \
		-o -name node_modules \) -prune -o -type f "$@" -print0
}

is_shell_script() {
	local first
	IFS= read -r first <"$1" 2>/dev/null && [[ $first =~ ^'#!'.*[/\ ](ba)?sh( |$) ]]
}

part_lint() {
	local file
	while IFS= read -r -d '' file; do
		case_of "build/logs/lint.log" clang-format --dry-run -Werror "$file"
	done < <(files_of -name '*.[ch]')
	while IFS= read -r -d '' file; do
		! is_shell_script "$file" || case_of "build/logs/lint.log" shellcheck "$file"
	done < <(files_of \( -name '*.sh' -o -perm -u+x \))
}

run_part() {
	local start=$SECONDS
	echo "== $1"
	part_passed=0 part_failed=0 part_skipped=0
	"part_$1"
	# A part that counted nothing could not run.
	[ $((part_passed + part_failed)) -gt 0 ] || part_failed=1
	total_passed=$((total_passed + part_passed))
	total_failed=$((total_failed + part_failed))
	local skipped=
	[ $part_skipped -eq 0 ] || skipped=", $part_skipped skipped"
	echo "   $1: $part_passed passed, $part_failed failed$skipped ($((SECONDS - start)) s)"
}

[[ $fuzz_seconds =~ ^[1-9][0-9]*$ ]] || usage_error "DHT_FUZZ_SECONDS is not a number of seconds"
for part in "$@"; do
	if [ "$part" = --help ] || [ "$part" = -h ]; then
		sed -n '4,/^set -/s/^# \?//p' tests/run.sh
		exit 0
	fi
	[[ " ${parts[*]} " == *" $part "* ]] || usage_error "there is no part $part: ${parts[*]}"
done
[ $# -eq 0 ] || parts=("$@")
for part in "${parts[@]}"; do
	run_part "$part"
done
echo "$total_passed passed, $total_failed failed"
[ $total_failed -eq 0 ]
