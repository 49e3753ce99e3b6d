# SPDX-License-Identifier: Apache-2.0
#
# Completion of dhtctl for bash; dhtctl itself says what a word can become.

# Sets words to what was typed up to the cursor, and part to what bash replaces. Bash splits words
# at : and =, too; what no blank separates on the line is one word.
__dhtctl_words() {
	local rest=${COMP_LINE:0:COMP_POINT} bare i
	words=()
	for ((i = 0; i <= COMP_CWORD; i++)); do
		bare=${rest#"${rest%%[![:space:]]*}"}
		part=${COMP_WORDS[i]}
		[ "$i" -lt "$COMP_CWORD" ] || part=${bare:0:${#part}}
		if [ "$i" -eq 0 ] || [ "$bare" != "$rest" ] || [ "${#words[@]}" -eq 0 ]; then
			words+=("$part")
		else
			words[${#words[@]} - 1]+=$part
		fi
		rest=${bare:${#part}}
	done
	[[ $part != [=:] ]] || part=
}

# Takes quotes, backslashes and ~/ away; nothing on the line is run.
__dhtctl_plain() {
	local word=${1//[\"\'\\]/}
	[[ $word != \~/* ]] || word=$HOME/${word:2}
	printf '%s' "$word"
}

_dhtctl() {
	local words part line word before plain=()
	__dhtctl_words
	COMPREPLY=()
	for word in "${words[@]}"; do
		plain+=("$(__dhtctl_plain "$word")")
	done
	word=${words[${#words[@]} - 1]}
	before=${word%"$part"}
	while IFS= read -r line; do
		if [ "$line" = $'\tfiles' ]; then
			compopt -o filenames 2>/dev/null
			while IFS= read -r line; do
				COMPREPLY+=("$line")
			done < <(compgen -f -- "$part")
		else
			line=${line%%$'\t'*}
			COMPREPLY+=("${line#"$before"}")
		fi
	done < <("${plain[@]:0:1}" --complete "${plain[@]:1}" 2>/dev/null </dev/null)
}

complete -F _dhtctl dhtctl
