/* SPDX-License-Identifier: Apache-2.0 */
#include "server/episode.h"
#include "unit.h"

#define S 1000000000ULL

START_TEST(an_episode_begins_and_ends_once)
{
	struct episode e = {0};
	ck_assert(!episode_close(&e, 1000 * S));
	ck_assert(episode_note(&e, 1, 1000 * S));
	ck_assert(!episode_note(&e, 1, 1000 * S));
	ck_assert(!episode_note(&e, 2, 1001 * S));
	ck_assert(!episode_close(&e, 1001 * S + EPISODE_QUIET_NS - 1));
	ck_assert(episode_close(&e, 1001 * S + EPISODE_QUIET_NS));
	ck_assert_uint_eq(e.refused, 4);
	ck_assert(!episode_close(&e, 1002 * S + EPISODE_QUIET_NS));
	/* The next one counts anew. */
	ck_assert(episode_note(&e, 1, 2000 * S));
	ck_assert(episode_close(&e, 3000 * S));
	ck_assert_uint_eq(e.refused, 1);
}
END_TEST

START_TEST(who_flaps_at_the_limit_is_one_episode)
{
	struct episode e = {0};
	uint64_t now = 5 * S;
	unsigned begun = 0, ended = 0;
	for (int i = 0; i < 1000; i++, now += EPISODE_QUIET_NS / 10) {
		if (i % 9 == 0)
			begun += episode_note(&e, 1, now);
		ended += episode_close(&e, now);
	}
	ck_assert_uint_eq(begun, 1);
	ck_assert_uint_eq(ended, 0);
	ck_assert(episode_close(&e, now + EPISODE_QUIET_NS));
	ck_assert_uint_eq(e.refused, 112);
}
END_TEST

UNIT_MAIN("episode", 10, an_episode_begins_and_ends_once, who_flaps_at_the_limit_is_one_episode)
