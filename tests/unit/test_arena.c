/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "unit.h"

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

START_TEST(copies_stay_where_they_are)
{
	enum { COPIES = 1000 };
	struct bytes copies[COPIES];
	char expected[16];
	struct arena arena;
	arena_init(&arena);
	for (int i = 0; i < COPIES; i++) {
		int len = snprintf(expected, sizeof(expected), "copy %d", i);
		ck_assert_int_eq(arena_copy(&arena, bytes_of(expected, (size_t)len), &copies[i]),
				 0);
	}
	for (int i = 0; i < COPIES; i++) {
		snprintf(expected, sizeof(expected), "copy %d", i);
		ck_assert(bytes_equal(copies[i], text(expected)));
	}
	arena_fini(&arena);
}
END_TEST

START_TEST(a_few_bytes_need_no_allocation)
{
	struct arena arena;
	struct bytes copy;
	arena_init(&arena);
	ck_assert_int_eq(arena_copy(&arena, text("12345678901234567890"), &copy), 0);
	ck_assert_ptr_eq(copy.data, arena.first);
	ck_assert_ptr_null(arena.newest);
	ck_assert_int_eq(arena_copy(&arena, bytes_of(NULL, 0), &copy), 0);
	ck_assert_uint_eq(copy.len, 0);
	arena_fini(&arena);
}
END_TEST

/* Every intermediate value stays as it was, and all of them take a multiple of the longest,
 * not of their sum. */
START_TEST(many_joins_share_the_beginning)
{
	enum { JOINS = 20000 };
	static struct bytes values[JOINS + 1];
	struct arena arena;
	arena_init(&arena);
	values[0] = text("head");
	unsigned moves = 0;
	for (int i = 0; i < JOINS; i++) {
		ck_assert_int_eq(
		    arena_join(&arena, values[i], text(i % 2 ? "b" : "a"), &values[i + 1]), 0);
		moves += values[i + 1].data != values[i].data;
	}
	ck_assert_uint_le(moves, 16);
	for (int i = 0; i <= JOINS; i++) {
		ck_assert_uint_eq(values[i].len, 4 + (size_t)i);
		ck_assert(memcmp(values[i].data, values[JOINS].data, values[i].len) == 0);
	}
	arena_fini(&arena);
}
END_TEST

/* Two that go on from the same beginning are two. */
START_TEST(a_join_does_not_change_what_was_made_before)
{
	struct arena arena;
	struct bytes head, left, right;
	arena_init(&arena);
	char big[600];
	memset(big, 'x', sizeof(big));
	ck_assert_int_eq(arena_join(&arena, bytes_of(big, sizeof(big)), text("y"), &head), 0);
	ck_assert_int_eq(arena_join(&arena, head, text("left"), &left), 0);
	ck_assert_int_eq(arena_join(&arena, head, text("right"), &right), 0);
	ck_assert_int_eq(memcmp(left.data + head.len, "left", 4), 0);
	ck_assert_int_eq(memcmp(right.data + head.len, "right", 5), 0);
	arena_fini(&arena);
}
END_TEST

UNIT_MAIN("arena", 10, copies_stay_where_they_are, a_few_bytes_need_no_allocation,
	  many_joins_share_the_beginning, a_join_does_not_change_what_was_made_before)
