/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/glob: what Redis 7.0.15 says about the same patterns was compared when the cases were
 * written. Patterns and texts are handed over in blocks of exactly their size.
 */
#include "resp/glob.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "unit.h"

struct verdict {
	const char *pattern, *text;
	bool matches;
};

static struct bytes copy_of(const char *text, size_t len)
{
	uint8_t *block = malloc(len > 0 ? len : 1);
	UNIT_REQUIRE(block != NULL);
	memcpy(block, text, len);
	return bytes_of(block, len);
}

static bool matches(const char *pattern, size_t pattern_len, const char *text, size_t text_len)
{
	struct bytes p = copy_of(pattern, pattern_len), t = copy_of(text, text_len);
	bool verdict = glob_matches(p, t);
	free((void *)(uintptr_t)p.data);
	free((void *)(uintptr_t)t.data);
	return verdict;
}

static void check(const struct verdict *verdicts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct verdict *v = &verdicts[i];
		if (matches(v->pattern, strlen(v->pattern), v->text, strlen(v->text)) != v->matches)
			ck_abort_msg("'%s' and '%s'", v->pattern, v->text);
	}
}

START_TEST(bytes_mean_themselves)
{
	static const struct verdict verdicts[] = {
	    {"", "", true},       {"", "a", false},      {"a", "", false},
	    {"abc", "abc", true}, {"abc", "abd", false}, {"abc", "ab", false},
	    {"ab", "abc", false}, {"a]", "a]", true},    {"a-c", "b", false},
	    {"^", "^", true},     {"A", "a", false},     {"\xff", "\xff", true},
	};
	check(verdicts, DHT_ARRAY_LEN(verdicts));
	ck_assert(matches("a\0b", 3, "a\0b", 3));
	ck_assert(!matches("a\0b", 3, "a\0c", 3));
	ck_assert(matches("?", 1, "\0", 1));
}
END_TEST

START_TEST(stars_and_question_marks)
{
	static const struct verdict verdicts[] = {
	    {"*", "a", true},         {"*", "abc", true},         {"**", "a", true},
	    {"*", "", false}, /* as in Redis; SCAN takes a lone star as no pattern at all */
	    {"***", "", false},       {"a*", "a", true},          {"a**", "a", true},
	    {"a*", "ba", false},      {"*a", "a", true},          {"*a", "aab", false},
	    {"*a", "bbba", true},     {"a*b", "ab", true},        {"a*b", "aXbXb", true},
	    {"a*b", "aXbXbc", false}, {"a*b*c", "a-c-b-c", true}, {"a*b*c", "a-c-b-", false},
	    {"*aab", "aaaaab", true}, {"*ab*ba*", "aba", false},  {"*ab*ba*", "abba", true},
	    {"?", "a", true},         {"?", "ab", false},         {"??", "a", false},
	    {"?*", "a", true},        {"*?", "a", true},          {"*?*?*", "a", false},
	    {"*?*?*", "ab", true},    {"h?llo", "hello", true},   {"h?llo", "hllo", false},
	};
	check(verdicts, DHT_ARRAY_LEN(verdicts));
}
END_TEST

START_TEST(sets)
{
	static const struct verdict verdicts[] = {
	    {"[abc]", "b", true},       {"[abc]", "d", false},   {"[^abc]", "d", true},
	    {"[^abc]", "a", false},     {"[a-c]x", "bx", true},  {"[a-c]x", "dx", false},
	    {"[c-a]", "b", true},       {"[^c-a]", "b", false},  {"[a^]", "^", true},
	    {"[-a]", "-", true},        {"[a-]", "a", true},     {"[a-]", "-", false},
	    {"[a-]", "_", true},        {"[a-]x", "_", true},    {"[a-]x", "x", true},
	    {"[]", "]", false},         {"[]a]", "a", false},    {"[]", "a", false},
	    {"[^]", "a", true},         {"[^]", "]", true},      {"[^]a", "]a", true},
	    {"[a-c-e]", "d", false},    {"[a-c-e]", "-", true},  {"[a-c-e]", "e", true},
	    {"[\\]]", "]", true},       {"[\\]]", "\\", false},  {"[\\^a]", "^", true},
	    {"[\\a-c]", "b", false},    {"[\\a-c]", "-", true},  {"[a-\\]", "b", false},
	    {"[a-\\]]", "]", false},    {"[a-\\]]", "_]", true}, {"[a\\-c]", "-", true},
	    {"[a\\-c]", "b", false},    {"*[0-9]", "ab1", true}, {"*[0-9]", "1ab", false},
	    {"[0-9]*[a]", "1xa", true},
	};
	check(verdicts, DHT_ARRAY_LEN(verdicts));
}
END_TEST

START_TEST(sets_without_end)
{
	static const struct verdict verdicts[] = {
	    {"[", "[", false},   {"[", "a", false},     {"[a", "a", true},   {"[a", "[a", false},
	    {"[^", "a", true},   {"[^", "^", true},     {"[^a", "a", false}, {"[^a", "b", true},
	    {"[a-", "a", true},  {"[a-", "-", true},    {"[a-c", "b", true}, {"[\\", "\\", true},
	    {"[\\a", "a", true}, {"[\\a", "\\", false}, {"x[", "x", false},  {"*[", "ab", false},
	    {"*[^", "ab", true}, {"[ab*", "*", true},   {"[ab*", "a", true}, {"[ab*", "ac", false},
	};
	check(verdicts, DHT_ARRAY_LEN(verdicts));
}
END_TEST

START_TEST(ranges_compare_signed_bytes)
{
	static const struct verdict verdicts[] = {
	    {"[\x80-\xff]", "\x90", true}, {"[\x80-\x01]", "\xff", true},
	    {"[\x01-\xff]", "a", false},   {"[\x01-\xff]", "\x01", true},
	    {"[a-\xff]", "\x01", true},    {"[a-\xff]", "z", false},
	};
	check(verdicts, DHT_ARRAY_LEN(verdicts));
}
END_TEST

START_TEST(backslashes)
{
	static const struct verdict verdicts[] = {
	    {"\\*", "*", true},    {"\\*", "a", false},    {"\\?", "?", true},
	    {"\\?", "a", false},   {"\\[a]", "[a]", true}, {"\\[a]", "a", false},
	    {"\\a", "a", true},    {"\\a", "\\a", false},  {"\\\\", "\\", true},
	    {"\\", "\\", true},    {"a\\", "a\\", true},   {"a\\", "a", false},
	    {"*\\*", "ab*", true}, {"*\\*", "ab", false},  {"\\**", "*x", true},
	};
	check(verdicts, DHT_ARRAY_LEN(verdicts));
}
END_TEST

/* With a search through all ways to divide the text this would not end. */
START_TEST(many_stars_take_little_time)
{
	char pattern[2 * 200 + 1], text[20000];
	for (size_t i = 0; i < sizeof(pattern) - 1; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[sizeof(pattern) - 1] = 'b';
	memset(text, 'a', sizeof(text));
	ck_assert(!matches(pattern, sizeof(pattern), text, sizeof(text)));
	ck_assert(matches(pattern, sizeof(pattern) - 1, text, sizeof(text)));
}
END_TEST

START_TEST(prefix)
{
	static const struct {
		const char *pattern;
		size_t len;
	} cases[] = {{"", 0},         {"abc", 3},   {"*", 0},      {"ab*", 2},  {"a?c", 1},
		     {"user:[1]", 5}, {"a\\*b", 1}, {"a]b^-*", 5}, {"\xff*", 1}};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct bytes pattern = bytes_of(cases[i].pattern, strlen(cases[i].pattern));
		struct bytes found = glob_prefix(pattern);
		ck_assert_ptr_eq(found.data, pattern.data);
		ck_assert_uint_eq(found.len, cases[i].len);
	}
}
END_TEST

START_TEST(patterns_in_any_case)
{
	static const struct verdict cases[] = {
	    {"APPEND*", "appendonly", true},         {"aPPendONLY", "appendonly", true},
	    {"append-ONLY", "appendonly", false},    {"\\A*", "appendonly", true},
	    {"[A]ppendonly", "appendonly", true},    {"[^A]ppendonly", "appendonly", false},
	    {"[\\A]ppendonly", "appendonly", false}, {"[\\a]ppendonly", "appendonly", true},
	    {"[A-B]ppendonly", "appendonly", true},  {"[B-A]ppendonly", "appendonly", true},
	    {"[Z-a]ppendonly", "appendonly", false}, {"[a-Z]ppendonly", "appendonly", false},
	    {"[A-z]ppendonly", "appendonly", true},  {"?PPENDONL?", "appendonly", true},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		const struct verdict *v = &cases[i];
		ck_assert_msg(glob_matches_lower(bytes_of_text(v->pattern),
						 bytes_of_text(v->text)) == v->matches,
			      "%s", v->pattern);
		ck_assert(!glob_matches(bytes_of_text("A*"), bytes_of_text("a")));
	}
}
END_TEST

UNIT_MAIN("resp_glob", 20, bytes_mean_themselves, stars_and_question_marks, sets, sets_without_end,
	  ranges_compare_signed_bytes, backslashes, many_stars_take_little_time, prefix,
	  patterns_in_any_case)
