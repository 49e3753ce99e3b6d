/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/glob.h"

#include "base/text.h"

/* What becomes of the pattern's letters. */
enum letters { AS_THEY_ARE, LOWER };

/* The two kinds of match are functions of their own, each without the other's work. */
#define INLINE static inline __attribute__((always_inline))

INLINE uint8_t at_of(struct bytes pattern, size_t i, enum letters letters)
{
	return letters == LOWER ? text_lower(pattern.data[i]) : pattern.data[i];
}

/* Whether a byte is in the set whose first byte after the `[` is at `at`; moves `at` behind
 * the set. */
INLINE bool set_has(struct bytes pattern, size_t *at, uint8_t byte, enum letters letters)
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
			bool forward = (int8_t)p[i] <= (int8_t)p[i + 2];
			int8_t least = (int8_t)at_of(pattern, forward ? i : i + 2, letters);
			int8_t most = (int8_t)at_of(pattern, forward ? i + 2 : i, letters);
			found = found || (least <= (int8_t)byte && (int8_t)byte <= most);
			i += 2;
		} else {
			found = found || at_of(pattern, i, letters) == byte;
		}
		i++;
	}
	*at = i < len ? i + 1 : len;
	return found != negated;
}

/* Whether the element at `at`, which is no `*`, is for this byte; moves `at` behind it. */
INLINE bool element_has(struct bytes pattern, size_t *at, uint8_t byte, enum letters letters)
{
	uint8_t c = at_of(pattern, (*at)++, letters);
	if (c == '?')
		return true;
	if (c == '[')
		return set_has(pattern, at, byte, letters);
	if (c == '\\' && *at < pattern.len)
		c = at_of(pattern, (*at)++, letters);
	return c == byte;
}

INLINE bool matches(struct bytes pattern, struct bytes text, enum letters letters)
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
		} else if (p < pattern.len && element_has(pattern, &p, text.data[t], letters)) {
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

bool glob_matches(struct bytes pattern, struct bytes text)
{
	return matches(pattern, text, AS_THEY_ARE);
}

bool glob_matches_lower(struct bytes pattern, struct bytes text)
{
	return matches(pattern, text, LOWER);
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
