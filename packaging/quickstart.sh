#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# From a fresh checkout to a running cluster: installs what the build needs, builds,
# starts three nodes on loopback, lets them join, and shows that a key outlives the
# node on which it was put. Everything the nodes write stays in run/quickstart/.
# Nodes of this checkout that already run are used as they are.
#
# usage: packaging/quickstart.sh          build, start, show
#        packaging/quickstart.sh stop     end the nodes; the next start finds their keys again
#        packaging/quickstart.sh --help
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
run=$root/run/quickstart
dhtd=$root/build/dhtd
dhtctl=$root/build/dhtctl
ports_file=$run/ports     # holds the first client port
sockets_file=$run/sockets # holds the directory of the admin sockets

nodes=3
start_deadline_s=30
stop_deadline_s=10
serve_deadline_s=30
sun_path_max=107 # bytes of a Unix socket's path, a limit of the kernel

say() {
	printf '%s\n' "$*"
}

fail() {
	printf 'quickstart.sh: %s\n' "$*" >&2
	exit 1
}

# fail, with the end of a log
fail_with_log() {
	local message=$1 file=$2
	if [ -s "$file" ]; then
		printf '%s\n' "--- the end of $file:" >&2
		tail -n 20 "$file" >&2
		printf '%s\n' '---' >&2
	fi
	fail "$message"
}

# ---- One node, by its number ---------------------------------------------------------

log_of() {
	printf '%s' "$run/n$1/dhtd.log"
}

config_of() {
	printf '%s' "$run/n$1/dhtd.yaml"
}

socket_of() {
	printf '%s' "$sockets/n$1.sock"
}

client_port_of() {
	printf '%s' $((first_port + 10 * ($1 - 1)))
}

# Sets pid if the node runs. A number in a file proves nothing: the process must have
# been started with our configuration file. (Its executable may have been replaced by a
# build since.)
node_runs() {
	local words pid_file=$run/n$1/pid
	[ -s "$pid_file" ] && read -r pid <"$pid_file" && [ -r "/proc/$pid/cmdline" ] || return 1
	mapfile -d '' -t words 2>/dev/null <"/proc/$pid/cmdline" || return 1
	[ "${words[0]:-}" = "$dhtd" ] && [ "${words[2]:-}" = "$(config_of "$1")" ]
}

# Waits until the node has ended; fails when it does not in time.
await_end() {
	local end=$((SECONDS + stop_deadline_s))
	while node_runs "$1"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
	rm -f "$run/n$1/pid"
}

# A string of YAML: in single quotes, which are doubled within.
yaml() {
	printf "'%s'" "${1//\'/\'\'}"
}

write_config() {
	local port
	port=$(client_port_of "$1")
	cat >"$(config_of "$1")" <<-EOF
		# Written by packaging/quickstart.sh at every start.
		node:
		  name: n$1
		  data_dir: $(yaml "$run/n$1/data")
		listen:
		  client: $(yaml "127.0.0.1:$port")
		  peer: $(yaml "127.0.0.1:$((port + 1))")
		  admin: $(yaml "$(socket_of "$1")")
	EOF
}

start_node() {
	local log socket status end
	log=$(log_of "$1")
	socket=$(socket_of "$1")
	mkdir -p "$run/n$1/data"
	write_config "$1"
	: >"$log"
	# In a session of its own, so that it outlives this terminal; it is killed below, which
	# this shell need not tell.
	setsid "$dhtd" -c "$(config_of "$1")" >>"$log" 2>&1 </dev/null &
	pid=$!
	disown $pid
	printf '%s\n' $pid >"$run/n$1/pid"
	end=$((SECONDS + start_deadline_s))
	until status=$("$dhtctl" -s "$socket" status 2>&1 </dev/null); do
		if ! kill -0 $pid 2>/dev/null; then
			rm -f "$run/n$1/pid"
			fail_with_log "node n$1 ended while starting" "$log"
		fi
		if [ $SECONDS -ge $end ]; then
			kill -KILL "$pid"
			rm -f "$run/n$1/pid"
			printf '%s\n' "$status" >&2
			fail_with_log "node n$1 did not serve within $start_deadline_s s" "$log"
		fi
		sleep 0.05
	done
}

# A node is alone until it has joined; what it is a member of stays in its data directory.
is_alone() {
	[ "$("$dhtctl" -s "$(socket_of "$1")" -o json node ls | grep -o '"number"' | wc -l)" -le 1 ]
}

# ---- All nodes -----------------------------------------------------------------------

build() {
	"$root/packaging/deps.sh" build
	mkdir -p "$root/build"
	local build_log=$root/build/quickstart.log
	say "Building build/dhtd and build/dhtctl ..."
	local generator=(-G Ninja)
	[ ! -e "$root/build/CMakeCache.txt" ] || generator=() # an existing one keeps its own
	if ! cmake -S "$root" -B "$root/build" -DCMAKE_BUILD_TYPE=Release "${generator[@]}" \
		>"$build_log" 2>&1 </dev/null; then
		fail_with_log "cmake failed" "$build_log"
	fi
	if ! cmake --build "$root/build" --parallel "$(nproc)" --target dhtd dhtctl \
		>>"$build_log" 2>&1 </dev/null; then
		fail_with_log "the build failed" "$build_log"
	fi
}

is_port_free() {
	! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# True if every node that does not run yet would find its ports free.
are_ports_free() {
	local n port
	for ((n = 1; n <= nodes; n++)); do
		port=$(client_port_of $n)
		node_runs $n || { is_port_free "$port" && is_port_free $((port + 1)); } || return 1
	done
}

# Sets first_port, of which the ports of all nodes follow: those of the last start, or 7401
# and so on, or what is free.
choose_ports() {
	local first
	if [ -s "$ports_file" ] && read -r first_port <"$ports_file" && are_ports_free; then
		return
	fi
	# Members find each other at the addresses that the others know.
	[ ! -d "$run/n2/data" ] || [ ! -s "$ports_file" ] ||
		fail "a port of the last start is taken: free $first_port to $((first_port + 10 * nodes - 9)), or remove $run"
	for ((first = 7401; first < 7901; first += 10 * nodes)); do
		first_port=$first
		are_ports_free || continue
		[ $first_port -eq 7401 ] || say "Ports from 7401 on are taken; using $first_port and others."
		printf '%s\n' $first_port >"$ports_file"
		return
	done
	fail "no free ports from 7401 to 7900"
}

byte_length() {
	printf '%s' "$1" | wc -c
}

# Sets sockets, the directory of the admin sockets. A checkout may lie too deep for a socket
# in it; then there is one in /tmp.
choose_sockets() {
	if [ -s "$sockets_file" ] && read -r sockets <"$sockets_file" && [ -d "$sockets" ]; then
		return
	fi
	sockets=$run
	if [ "$(byte_length "$run/n1.sock")" -gt $sun_path_max ]; then
		sockets=$(mktemp -d /tmp/dhtd-quickstart.XXXXXX)
		say "The path of $run is too long for a socket; they are in $sockets."
	fi
	printf '%s\n' "$sockets" >"$sockets_file"
}

remove_short_directory() {
	[ -s "$sockets_file" ] && read -r sockets <"$sockets_file" || return 0
	case $sockets in
	/tmp/dhtd-quickstart.??????)
		rm -f "$sockets"/n?.sock "$sockets"/n?.sock.lock
		rmdir "$sockets" 2>/dev/null || :
		;;
	esac
	rm -f "$sockets_file"
}

stop_nodes() {
	local n ended=0 running=()
	for ((n = 1; n <= nodes; n++)); do
		node_runs $n || continue
		kill -TERM "$pid"
		running+=("$n")
	done
	for n in "${running[@]}"; do
		await_end "$n" ||
			fail_with_log "node n$n did not stop in $stop_deadline_s s" "$(log_of "$n")"
		ended=$((ended + 1))
	done
	remove_short_directory
	if [ $ended -eq 0 ]; then
		say "No node of this checkout is running."
	else
		say "Stopped $ended nodes. Keys, logs and settings stay in $run, for the next start."
	fi
}

# ---- What is shown -------------------------------------------------------------------

# A command line that can be pasted.
quote() {
	local word line=
	for word in "$@"; do
		[[ $word =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]] || word=\'${word//\'/\'\\\'\'}\'
		line+="$word "
	done
	printf '%s' "${line% }"
}

# Shows a command as it can be typed, and runs it.
show() {
	printf '\n$ %s\n' "$(quote "$@")"
	"$@" </dev/null || fail "this command failed with exit code $?; logs are in $run"
}

# The same for dhtctl at a node.
show_at() {
	local n=$1
	shift
	show "$dhtctl" -s "$(socket_of "$n")" "$@"
}

# get writes the value's bytes alone unless to a terminal.
show_get() {
	show_at "$1" get greeting
	[ -t 1 ] || echo
}

is_healthy() {
	"$dhtctl" -s "$(socket_of 1)" health >/dev/null 2>&1
}

await_health() {
	local end=$((SECONDS + serve_deadline_s))
	until is_healthy; do
		[ $SECONDS -lt $end ] || fail_with_log "the nodes are not in sync" "$(log_of 1)"
		sleep 0.05
	done
}

start_all() {
	local n started=()
	mkdir -p "$run"
	choose_sockets
	choose_ports
	for ((n = 1; n <= nodes; n++)); do
		node_runs $n && continue
		[ ${#started[@]} -gt 0 ] || build
		start_node $n
		started+=("$n")
	done
	if [ ${#started[@]} -eq 0 ]; then
		say "The nodes already run; using them."
	else
		say "Started ${started[*]/#/n} on loopback."
	fi
}

join_all() {
	local n peer
	peer=127.0.0.1:$(($(client_port_of 1) + 1))
	for ((n = 2; n <= nodes; n++)); do
		is_alone $n || continue
		show_at $n join "$peer"
	done
	await_health
	show_at 1 node ls
}

# A key outlives the node on which it was put.
demonstrate() {
	show_at 1 put greeting "hello from dhtd"
	show_get 2
	node_runs 1 || fail_with_log "node n1 has ended" "$(log_of 1)"
	show kill -KILL "$pid"
	await_end 1 || fail "node n1 did not end"
	show_get 3
	show_at 2 put greeting "still here"
	start_node 1
	say
	say "Started n1 again."
	await_health
	show_get 1
	show_at 1 status
}

suggest() {
	local redis_package=
	command -v redis-cli >/dev/null || redis_package="; apt install redis-tools"
	cat <<-EOF

		The cluster runs. Try next:

		  export DHTCTL_SOCKET=$(quote "$(socket_of 1)")
		  $(quote "$dhtctl") put color blue
		  $(quote "$dhtctl") -s $(quote "$(socket_of 2)") get color
		  $(quote "$dhtctl") locate color
		  $(quote "$dhtctl") node ls
		  $(quote "$dhtctl") help
		  redis-cli -p $(client_port_of 1)                                # any Redis client$redis_package
		  redis-benchmark -p $(client_port_of 1) -t ping,set,get,incr -q
		  tail -f $(quote "$(log_of 1)")
		  $(quote "$root/packaging/quickstart.sh") stop
	EOF
}

start() {
	start_all
	join_all
	demonstrate
	suggest
}

[ $# -le 1 ] || fail "too many arguments; usage: packaging/quickstart.sh [stop]"
case ${1-} in
'') start ;;
stop) stop_nodes ;;
-h | --help) sed -n '/^# /s/^# //p; /^set -/q' "${BASH_SOURCE[0]}" | sed '/^SPDX/d' ;;
*) fail "unknown argument $1; usage: packaging/quickstart.sh [stop]" ;;
esac
