#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages that dhtd needs. Quick when they are all there:
# apt is asked only when something is missing.
#
# usage: packaging/deps.sh [build] [test] [bench]
#   build   what compiles dhtd and dhtctl (the default)
#   test    what tests/run.sh and the benchmarks need besides
#   bench   what tests/bench/cluster needs besides those
set -euo pipefail

# libssl: libcrypto's HMAC-SHA256, by which nodes prove to each other that they share a secret.
build_packages=(
	gcc libc6-dev cmake ninja-build pkg-config
	protobuf-c-compiler libprotobuf-c-dev libyaml-dev libxxhash-dev libjansson-dev
	libsystemd-dev libssl-dev check
)

# clang and its runtime: fuzzing. redis and memcached: clients to test with, and
# the measure of the benchmarks, with LMDB. nodejs: more clients (npm brings them). iproute2:
# networks that break. man-db, groff-base and mandoc: the manual; zsh and fish: completion.
# debhelper and so on: the packages, and the system they are tested in.
test_packages=(
	clang libclang-rt-14-dev clang-format shellcheck valgrind
	python3 python3-pytest python3-pytest-xdist python3-protobuf protobuf-compiler python3-redis
	iproute2 man-db groff-base mandoc zsh fish
	redis-server redis-tools memcached liblmdb-dev nodejs npm
	git build-essential debhelper lintian mmdebstrap systemd
)

# etcd, and what its load generator is built of (tests/bench/etcd).
bench_packages=(
	etcd-server g++ libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev
)

# Those of the packages above that would start a server, now and at every boot, and their units.
services=(redis-server memcached etcd-server)
declare -A units=([etcd-server]=etcd)

fail() {
	echo "deps.sh: $*" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Builds of nodejs from elsewhere bring npm along, and conflict with Debian's package.
is_installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ||
		{ [ "$1" = npm ] && command -v npm >/dev/null; }
}

wanted=()
[ $# -gt 0 ] || set -- build
for set_name in "$@"; do
	case $set_name in
	build) wanted+=("${build_packages[@]}") ;;
	test) wanted+=("${test_packages[@]}") ;;
	bench) wanted+=("${bench_packages[@]}") ;;
	*) fail "there is no set $set_name; usage: packaging/deps.sh [build] [test] [bench]" ;;
	esac
done

command -v dpkg-query >/dev/null || fail "needs Debian's dpkg; install by hand: ${wanted[*]}"
missing=()
for package in "${wanted[@]}"; do
	is_installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
	echo "deps.sh: all ${#wanted[@]} packages are installed"
	exit 0
fi
[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
	fail "run this as root, or install by hand: ${missing[*]}"

new_services=()
for service in "${services[@]}"; do
	for package in "${missing[@]}"; do
		[ "$package" != "$service" ] || new_services+=("${units[$service]:-$service}")
	done
done

# The script that maintainer scripts ask whether they may start a service: no, as
# long as this runs. An existing one is put back.
policy=/usr/sbin/policy-rc.d
saved_policy=$policy.before-dhtd
mark="# written by dhtd's packaging/deps.sh, which removes it when it is done"
restore_policy() {
	if [ -e "$saved_policy" ]; then
		as_root mv -f "$saved_policy" "$policy"
	else
		as_root rm -f "$policy"
	fi
}
forbid_services() {
	# One of ours is there when an earlier run was killed; it is not the original.
	if [ -e "$policy" ] && ! grep -qxF "$mark" "$policy"; then
		as_root cp -a "$policy" "$saved_policy"
	fi
	trap restore_policy EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\n%s\nexit 101\n' "$mark" | as_root tee "$policy" >/dev/null
	as_root chmod 755 "$policy"
}

apt() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" \
		</dev/null
}

echo "deps.sh: installing ${missing[*]}"
[ ${#new_services[@]} -eq 0 ] || forbid_services
apt update || echo "deps.sh: apt-get update failed; trying with the lists at hand" >&2
apt install -y --no-install-recommends "${missing[@]}" || fail "apt-get install failed"
# Installing also enables a service for the next boot.
if [ ${#new_services[@]} -gt 0 ] && command -v systemctl >/dev/null; then
	as_root systemctl disable --quiet "${new_services[@]}" ||
		fail "installed, but ${new_services[*]} could not be disabled"
fi
for package in "${missing[@]}"; do
	is_installed "$package" || fail "$package is not installed after all"
done
echo "deps.sh: done"
