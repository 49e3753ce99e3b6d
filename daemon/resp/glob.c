/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/glob.h"

/* Whether a byte is in the set whose first byte after the `[` is at `at`; moves `at` behind
 * the set. */
static bool set_has(struct bytes pattern, size_t *at, uint8_t byte)
{
	const uint8_t *p = pattern.data;
	size_t i = *at, len = pattern.len;
	bool negated = i < len && p[i] == '^', found = false;
	i += negated;
	while (i < len && p[i] != ']') {
		if (p[i] == '\\' && len - i >= 2) {
			i++;
			found = found || p[i] == byte;
		} else if (len - i >= 3 && p[i + 1] == '-') {
			int8_t a = (int8_t)p[i], b = (int8_t)p[i + 2], c = (int8_t)byte;
			found = found || (a <= b ? a <= c && c <= b : b <= c && c <= a);
			i += 2;
		} else {
			found = found || p[i] == byte;
		}
		i++;
	}
	*at = i < len ? i + 1 : len;
	return found != negated;
}

/* Whether the element at `at`, which is no `*`, is for this byte; moves `at` behind it. */
static bool element_has(struct bytes pattern, size_t *at, uint8_t byte)
{
	uint8_t c = pattern.data[(*at)++];
	if (c == '?')
		return true;
	if (c == '[')
		return set_has(pattern, at, byte);
	if (c == '\\' && *at < pattern.len)
		c = pattern.data[(*at)++];
	return c == byte;
}

bool glob_matches(struct bytes pattern, struct bytes text)
{
	size_t p = 0, t = 0;
	size_t behind_star = 0, star_text = 0; /* where to go back to; behind_star 0: nowhere */
	if (text.len == 0)
		return pattern.len == 0;
	while (t < text.len) {
		if (p < pattern.len && pattern.data[p] == '*') {
			behind_star = ++p;
			star_text = t;
			if (p == pattern.len)
				return true;
		} else if (p < pattern.len && element_has(pattern, &p, text.data[t])) {
			t++;
		} else if (behind_star > 0) {
			p = behind_star;
			t = ++star_text;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.data[p] == '*')
		p++;
	return p == pattern.len;
}

static bool is_special(uint8_t c)
{
	return c == '*' || c == '?' || c == '[' || c == '\\';
}

struct bytes glob_prefix(struct bytes pattern)
{
	size_t len = 0;
	while (len < pattern.len && !is_special(pattern.data[len]))
		len++;
	return bytes_of(pattern.data, len);
}
