/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/session: a walk over the registry meets what was open when it began, whoever comes
 * and goes meanwhile; a session that is killed ends for both sides.
 */
#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/session.h"

enum { MANY = 3 * SESSIONS_PIECE + 1 };

static struct sessions all;
static struct session *sessions[2 * MANY];
static const struct protocol protocol = {.name = "test", .handed_kind = JOB_client};

static void set_up(void)
{
	sessions_init(&all);
}

/* Opens a session; its peer's end is returned, or closed. */
static int open_session(size_t i, bool keep_peer)
{
	int ends[2];
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	sessions[i] = session_create(&all, ends[0], 0, &protocol);
	ck_assert_ptr_nonnull(sessions[i]);
	if (keep_peer)
		return ends[1];
	close(ends[1]);
	return -1;
}

static void close_session(size_t i)
{
	session_destroy(sessions[i]);
	sessions[i] = NULL;
}

static void open_many(void)
{
	for (size_t i = 0; i < MANY; i++)
		open_session(i, false);
}

static void tear_down(void)
{
	for (size_t i = 0; i < sizeof(sessions) / sizeof(sessions[0]); i++) {
		if (sessions[i] != NULL)
			close_session(i);
	}
	sessions_fini(&all);
}

/* Ids count from 1, in the order of opening: session i has i + 1. */
static void note(void *ctx, struct session *s)
{
	bool *seen = ctx;
	ck_assert_ptr_eq(sessions[s->id - 1], s);
	ck_assert(!seen[s->id - 1]);
	seen[s->id - 1] = true;
}

START_TEST(a_walk_over_none)
{
	struct sessions_walk walk;
	sessions_walk_begin(&walk, &all);
	ck_assert(!sessions_walk_on(&walk, note, NULL));
}
END_TEST

START_TEST(a_walk_meets_all)
{
	bool seen[2 * MANY] = {false};
	struct sessions_walk walk;
	open_many();
	sessions_walk_begin(&walk, &all);
	size_t pieces = 0;
	while (sessions_walk_on(&walk, note, seen))
		pieces++;
	ck_assert_uint_eq(pieces, (MANY + SESSIONS_PIECE - 1) / SESSIONS_PIECE);
	for (size_t i = 0; i < MANY; i++)
		ck_assert(seen[i]);
}
END_TEST

START_TEST(sessions_come_and_go_during_walks)
{
	bool first[2 * MANY] = {false}, second[2 * MANY] = {false};
	struct sessions_walk walk, other;
	open_many();
	sessions_walk_begin(&walk, &all);
	sessions_walk_begin(&other, &all);
	ck_assert(sessions_walk_on(&walk, note, first));
	/* The next ones of both go, and many behind; as many come. */
	for (size_t i = 0; i < 5; i++)
		close_session(i);
	for (size_t i = SESSIONS_PIECE; i < 2 * SESSIONS_PIECE; i++)
		close_session(i);
	close_session(MANY - 1);
	for (size_t i = MANY; i < 2 * MANY; i++)
		open_session(i, false);
	while (sessions_walk_on(&walk, note, first))
		;
	while (sessions_walk_on(&other, note, second))
		;
	for (size_t i = 0; i < 2 * MANY; i++) {
		bool is_old = i < MANY && sessions[i] != NULL;
		ck_assert_int_eq(first[i], is_old || i < 5);
		ck_assert_int_eq(second[i], is_old);
	}
}
END_TEST

START_TEST(all_go_during_a_walk)
{
	bool seen[2 * MANY] = {false};
	struct sessions_walk walk;
	open_many();
	sessions_walk_begin(&walk, &all);
	ck_assert(sessions_walk_on(&walk, note, seen));
	for (size_t i = 0; i < MANY; i++)
		close_session(i);
	ck_assert(!sessions_walk_on(&walk, note, seen));
}
END_TEST

START_TEST(a_killed_session_ends)
{
	int peer = open_session(0, true);
	char byte;
	ck_assert(!session_is_killed(sessions[0]));
	session_kill(sessions[0]);
	ck_assert(session_is_killed(sessions[0]));
	ck_assert_int_eq(read(peer, &byte, 1), 0);
	ck_assert_int_eq(read(sessions[0]->conn.watch.fd, &byte, 1), 0);
	ck_assert_int_eq(send(peer, "x", 1, MSG_NOSIGNAL), -1);
	close(peer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("session");
	TCase *tests = tcase_create("sessions");
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, a_walk_over_none);
	tcase_add_test(tests, a_walk_meets_all);
	tcase_add_test(tests, sessions_come_and_go_during_walks);
	tcase_add_test(tests, all_go_during_a_walk);
	tcase_add_test(tests, a_killed_session_ends);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
