#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# From a fresh checkout to a running node: installs what the build needs, builds,
# starts one node on loopback and stores a first key. Everything the node writes
# stays in run/quickstart/. When its node already runs, it is used as it is.
#
# usage: packaging/quickstart.sh          build, start, show
#        packaging/quickstart.sh stop     end the node; the next start finds its keys again
#        packaging/quickstart.sh --help
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
run=$root/run/quickstart
dhtd=$root/build/dhtd
dhtctl=$root/build/dhtctl
config=$run/dhtd.yaml
log=$run/dhtd.log
pid_file=$run/pid
socket_file=$run/socket # holds the path of the admin socket

start_deadline_s=30
stop_deadline_s=10
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

# Sets pid if the node of this checkout runs. A number in a file proves nothing: the
# process must have been started with our configuration file. (Its executable may
# have been replaced by a build since.)
node_runs() {
	local words
	[ -s "$pid_file" ] && read -r pid <"$pid_file" && [ -r "/proc/$pid/cmdline" ] || return 1
	mapfile -d '' -t words 2>/dev/null <"/proc/$pid/cmdline" || return 1
	[ "${words[0]:-}" = "$dhtd" ] && [ "${words[2]:-}" = "$config" ]
}

# Asks the node to stop and waits; fails when it does not in time.
end_node() {
	kill -TERM "$pid"
	local end=$((SECONDS + stop_deadline_s))
	while node_runs; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

forget_node() {
	rm -f "$pid_file"
	remove_short_directory
}

stop_node() {
	if ! node_runs; then
		say "No node of this checkout is running."
		return
	fi
	end_node || fail_with_log "process $pid did not stop in $stop_deadline_s s" "$log"
	forget_node
	say "Stopped. The keys stay in $run/data, for the next start; logs and settings are in $run."
}

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

# Sets client_port and peer_port: 7401 and 7402, or the next pair that is free.
choose_ports() {
	for ((client_port = 7401; client_port < 7901; client_port += 10)); do
		peer_port=$((client_port + 1))
		if is_port_free $client_port && is_port_free $peer_port; then
			[ $client_port -eq 7401 ] ||
				say "Port 7401 or 7402 is taken; using $client_port and $peer_port."
			return
		fi
	done
	fail "no free pair of ports from 7401 to 7892"
}

byte_length() {
	printf '%s' "$1" | wc -c
}

# A checkout may lie too deep for a socket in it; then it gets a directory in /tmp.
choose_socket() {
	socket=$run/dhtd.sock
	if [ "$(byte_length "$socket")" -gt $sun_path_max ]; then
		remove_short_directory
		socket=$(mktemp -d /tmp/dhtd-quickstart.XXXXXX)/dhtd.sock
		say "The path of $run is too long for a socket; it is $socket."
	fi
	printf '%s\n' "$socket" >"$socket_file"
}

remove_short_directory() {
	local short
	[ -s "$socket_file" ] && read -r short <"$socket_file" || return 0
	case $short in
	/tmp/dhtd-quickstart.??????/dhtd.sock)
		rm -f "$short" "$short.lock" "$socket_file"
		rmdir "${short%/*}" 2>/dev/null || :
		;;
	esac
}

# A string of YAML: in single quotes, which are doubled within.
yaml() {
	printf "'%s'" "${1//\'/\'\'}"
}

write_config() {
	cat >"$config" <<-EOF
		# Written by packaging/quickstart.sh at every start.
		node:
		  name: quickstart
		  data_dir: $(yaml "$run/data")
		listen:
		  client: $(yaml "127.0.0.1:$client_port")
		  peer: $(yaml "127.0.0.1:$peer_port")
		  admin: $(yaml "$socket")
	EOF
}

start_node() {
	mkdir -p "$run/data"
	choose_ports
	choose_socket
	write_config
	: >"$log"
	# In a session of its own, so that it outlives this terminal.
	setsid "$dhtd" -c "$config" >>"$log" 2>&1 </dev/null &
	pid=$!
	printf '%s\n' $pid >"$pid_file"
	local end=$((SECONDS + start_deadline_s)) status
	until status=$("$dhtctl" -s "$socket" status 2>&1 </dev/null); do
		if ! kill -0 $pid 2>/dev/null; then
			forget_node
			fail_with_log "the node ended while starting" "$log"
		fi
		if [ $SECONDS -ge $end ]; then
			end_node || kill -KILL "$pid"
			forget_node
			printf '%s\n' "$status" >&2
			fail_with_log "the node did not serve within $start_deadline_s s" "$log"
		fi
		sleep 0.05
	done
	say "Started a node, process $pid."
}

# Shows a command as it can be typed, and runs it.
show() {
	printf '\n$ %s\n' "$(quote "$@")"
	"$@" </dev/null || fail_with_log "this command failed with exit code $?" "$log"
}

# A command line that can be pasted.
quote() {
	local word line=
	for word in "$@"; do
		[[ $word =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]] || word=\'${word//\'/\'\\\'\'}\'
		line+="$word "
	done
	printf '%s' "${line% }"
}

start() {
	if node_runs && [ -s "$socket_file" ] && read -r socket <"$socket_file"; then
		say "The node already runs, process $pid; using it."
		client_port=$(sed -n "s/^  client: '127.0.0.1:\([0-9]*\)'$/\1/p" "$config")
		"$dhtctl" -s "$socket" status >/dev/null ||
			fail_with_log "but it does not serve; see above, or stop it" "$log"
	else
		build
		start_node
	fi

	show "$dhtctl" -s "$socket" put greeting "hello from dhtd"
	show "$dhtctl" -s "$socket" get greeting
	[ -t 1 ] || echo # get writes the value's bytes alone unless to a terminal
	show "$dhtctl" -s "$socket" status
	local redis_package=
	command -v redis-cli >/dev/null || redis_package="; apt install redis-tools"
	cat <<-EOF

		The node runs. Try next:

		  export DHTCTL_SOCKET=$(quote "$socket")
		  $(quote "$dhtctl") put color blue
		  $(quote "$dhtctl") get color
		  $(quote "$dhtctl") status
		  $(quote "$dhtctl") help
		  redis-cli -p $client_port                                # any Redis client$redis_package
		  redis-benchmark -p $client_port -t ping,set,get,incr -q
		  tail -f $(quote "$log")
		  $(quote "$root/packaging/quickstart.sh") stop
	EOF
}

[ $# -le 1 ] || fail "too many arguments; usage: packaging/quickstart.sh [stop]"
case ${1-} in
'') start ;;
stop) stop_node ;;
-h | --help) sed -n '/^# /s/^# //p; /^set -/q' "${BASH_SOURCE[0]}" | sed '/^SPDX/d' ;;
*) fail "unknown argument $1; usage: packaging/quickstart.sh [stop]" ;;
esac
