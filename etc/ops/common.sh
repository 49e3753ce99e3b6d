# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the scripts of this directory share; it is sourced, with bash's `set -euo pipefail`
# in force. They need bash, the usual tools of every Linux system, and dhtctl.
#
# An exit code of dhtctl means the same when it is one of these scripts':
# shellcheck disable=SC2034  # each script uses some of them
exit_failed=1 exit_usage=2 exit_unreachable=4 exit_unsafe=9

program=${0##*/}

say() {
	printf '%s\n' "$*"
}

complain() {
	printf '%s: %s\n' "$program" "$*" >&2
}

# fail CODE MESSAGE
fail() {
	local code=$1
	shift
	complain "$@"
	exit "$code"
}

misused() {
	fail $exit_usage "$*; '$program --help' explains"
}

# Prints the comment at the head of the script, behind its licence.
show_help() {
	sed -n '3,/^[^#]/{s/^# \{0,1\}//p}' "$0"
	exit 0
}

# Whether the words are one whole number of at most 15 digits, which bash calculates with.
is_number() {
	[[ $# -eq 1 && $1 =~ ^[0-9]{1,15}$ ]]
}

# value_of OPTION COUNT VALUE: the value that follows an option, of which COUNT words are left.
value_of() {
	[ "$2" -ge 2 ] || misused "option $1 needs a value"
	printf '%s' "$3"
}

# read_lines ARRAY: reads what `dhtctl -o lines` prints into an associative array. Lines that
# are none of it, such as those that a tool puts around a command's output, are passed over.
# printf %b undoes the escapes of JSON, all of which are bash's too.
read_lines() {
	local -n into=$1
	local line
	into=()
	while IFS= read -r line; do
		if [[ $line =~ ^[[:space:]]*([a-z][a-z0-9_.]*)=(.*)$ ]]; then
			printf -v "into[${BASH_REMATCH[1]}]" '%b' "${BASH_REMATCH[2]}"
		fi
	done
}

need_dhtctl() {
	command -v dhtctl >/dev/null || fail $exit_failed "there is no dhtctl in PATH"
}
