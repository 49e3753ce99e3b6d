# SPDX-License-Identifier: Apache-2.0
#
# CHANGELOG.md's newest section as an entry of a Debian changelog: one item a bullet, in
# lines of at most 80 characters.
#
# Given with -v: version, date (as RFC 5322 has it), maintainer.

function flush_item(    count, words, i, line)
{
	count = split(item, words, /[ \t]+/)
	line = "  *"
	for (i = 1; i <= count; i++) {
		if (words[i] == "")
			continue
		if (length(line) + 1 + length(words[i]) > 80) {
			print line
			line = "   "
		}
		line = line " " words[i]
	}
	if (item != "")
		print line
	item = ""
}

BEGIN { print "dhtd (" version ") unstable; urgency=medium\n" }
/^## / { sections++ }
sections != 1 { next }
/^- / { flush_item(); item = substr($0, 3); next }
/^  / && item != "" { item = item " " $0; next }
{ flush_item() }
END {
	flush_item()
	print "\n -- " maintainer "  " date
}
