/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz/fuzz_words - what the words of a request are read as: patterns and numbers.
 *
 * The first byte of an input says where the rest is cut in two. Checked: glob_matches gives
 * the verdict of a matcher that tries everything, and reads only bytes that are there; what
 * glob_prefix returns is what every match begins with; a number is one exactly if it is
 * written the way it is printed, and an integer is a float, too, with the same value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "node/change.h"
#include "resp/glob.h"

enum { SIDE_MAX = 64 }; /* bytes of a pattern and of a text that are tried against each other */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy that ends where the memory ends. */
static struct bytes copy_of(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	DHT_ASSERT(copy != NULL);
	memcpy(copy, data, len);
	return bytes_of(copy, len);
}

/* ---- Patterns ----------------------------------------------------------------------- */

/* The bytes that the set is for which begins behind the `[` at at. Returns its end. */
static size_t read_set(struct bytes pattern, size_t at, bool has[256])
{
	const uint8_t *p = pattern.data;
	bool negated = at < pattern.len && p[at] == '^';
	memset(has, 0, 256 * sizeof(has[0]));
	for (at += negated; at < pattern.len && p[at] != ']'; at++) {
		if (p[at] == '\\' && at + 1 < pattern.len) {
			has[p[++at]] = true;
		} else if (at + 2 < pattern.len && p[at + 1] == '-') {
			int a = (int8_t)p[at], b = (int8_t)p[at + 2];
			for (int c = a < b ? a : b; c <= (a < b ? b : a); c++)
				has[(uint8_t)c] = true;
			at += 2;
		} else {
			has[p[at]] = true;
		}
	}
	for (unsigned c = 0; c < 256 && negated; c++)
		has[c] = !has[c];
	return at < pattern.len ? at + 1 : at;
}

/* The bytes that one element is for, which is no star. Returns its end. */
static size_t read_element(struct bytes pattern, size_t at, bool has[256])
{
	uint8_t c = pattern.data[at];
	if (c == '[')
		return read_set(pattern, at + 1, has);
	memset(has, c == '?', 256 * sizeof(has[0]));
	if (c == '\\' && at + 1 < pattern.len)
		c = pattern.data[++at];
	has[c] = true;
	return at + 1;
}

/* Element by element: to which beginnings of the text the pattern so far can lead. */
static bool matches(struct bytes pattern, struct bytes text)
{
	bool reached[SIDE_MAX + 1] = {true}, has[256];
	size_t at = 0;
	if (text.len == 0)
		return pattern.len == 0;
	while (at < pattern.len) {
		if (pattern.data[at] == '*') {
			at++;
			for (size_t i = 1; i <= text.len; i++)
				reached[i] = reached[i] || reached[i - 1];
			continue;
		}
		at = read_element(pattern, at, has);
		for (size_t i = text.len; i > 0; i--)
			reached[i] = reached[i - 1] && has[text.data[i - 1]];
		reached[0] = false;
	}
	return reached[text.len];
}

static void check_pattern(struct bytes pattern, struct bytes text)
{
	bool verdict = glob_matches(pattern, text);
	struct bytes prefix = glob_prefix(pattern);
	if (pattern.len <= SIDE_MAX && text.len <= SIDE_MAX)
		DHT_ASSERT(verdict == matches(pattern, text));
	DHT_ASSERT(prefix.len <= pattern.len);
	if (verdict)
		DHT_ASSERT(text.len >= prefix.len &&
			   bytes_equal(bytes_of(text.data, prefix.len), prefix));
}

/* ---- Numbers ------------------------------------------------------------------------ */

static void check_number(struct bytes text)
{
	char printed[32];
	int64_t number;
	long double value;
	bool is_float = change_parse_float(text, &value);
	if (!text_parse_integer(text, &number))
		return;
	int len = snprintf(printed, sizeof(printed), "%lld", (long long)number);
	DHT_ASSERT(bytes_equal(text, bytes_of(printed, (size_t)len)));
	DHT_ASSERT(is_float && value == (long double)number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	size_t rest = size - 1, cut = data[0] < rest ? data[0] : rest;
	struct bytes first = copy_of(data + 1, cut), second = copy_of(data + 1 + cut, rest - cut);
	check_pattern(first, second);
	check_number(first);
	check_number(second);
	free((void *)(uintptr_t)first.data);
	free((void *)(uintptr_t)second.data);
	return 0;
}
