/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_heartbeat: who is heard lives, and what heartbeats say is taken in.
 */
#include "helper_map.h"
#include "helper_member.h"
#include "ring/code.h"
#include "unit.h"

static struct helper_member h;
static struct ring_map *map;

static void start(uint16_t members)
{
	map = helper_map(64, members);
	helper_member_init(&h, map, 0);
}

static void stop(void)
{
	helper_member_fini(&h);
	ring_map_destroy(map);
}

static void pass(uint64_t us)
{
	for (; us >= 50000; us -= 50000) {
		helper_member_forget(&h);
		helper_member_run(&h, 50000);
	}
}

START_TEST(everybody_is_told_ten_times_a_second)
{
	unsigned count[4] = {0};
	start(4);
	for (int i = 0; i < 100; i++) {
		helper_member_forget(&h);
		helper_member_run(&h, 100000);
		for (size_t k = 0; k < h.sent_count; k++)
			count[h.sent[k].peer] += h.sent[k].message.kind == MEMBER_BEAT;
	}
	for (int i = 1; i < 4; i++) {
		ck_assert_uint_ge(count[i], 90);
		ck_assert_uint_le(count[i], 112);
	}
	ck_assert_uint_eq(count[0], 0);
	stop();
}
END_TEST

START_TEST(silence_is_death_and_a_heartbeat_is_life)
{
	start(3);
	helper_member_beat(&h, 1, 1);
	pass(400000);
	ck_assert(!member_is_down(h.m, 1));
	pass(250000);
	ck_assert(member_is_down(h.m, 1));
	helper_member_beat(&h, 1, 2);
	ck_assert(!member_is_down(h.m, 1));
	stop();
}
END_TEST

/* What was sent meanwhile is read after the clock. */
START_TEST(who_was_away_itself_takes_nobody_for_dead)
{
	start(3);
	helper_member_beat(&h, 1, 1);
	pass(100000);
	h.now_us += 5000000;
	helper_member_run(&h, 1000);
	ck_assert(!member_is_down(h.m, 1));
	pass(400000);
	ck_assert(!member_is_down(h.m, 1));
	pass(250000);
	ck_assert(member_is_down(h.m, 1));
	stop();
}
END_TEST

START_TEST(a_heartbeat_that_comes_late_is_no_sign_of_life)
{
	start(3);
	helper_member_beat(&h, 1, 5);
	pass(700000);
	helper_member_beat(&h, 1, 4);
	ck_assert(member_is_down(h.m, 1));
	stop();
}
END_TEST

START_TEST(who_does_not_start_is_dead_too)
{
	start(3);
	pass(700000);
	ck_assert(member_is_down(h.m, 2));
	stop();
}
END_TEST

START_TEST(a_higher_epoch_is_fetched_once_in_a_while)
{
	start(3);
	struct member_message message = helper_message(&h, MEMBER_BEAT, 1);
	message.beat = 1;
	message.epoch += 3;
	helper_member_hear(&h, &message);
	ck_assert_ptr_nonnull(helper_member_find(&h, 1, MEMBER_WANT_MAP));
	ck_assert_uint_eq(helper_member_find(&h, 1, MEMBER_WANT_MAP)->epoch, map->epoch);
	helper_member_forget(&h);
	message.beat++;
	helper_member_hear(&h, &message);
	ck_assert_ptr_null(helper_member_find(&h, 1, MEMBER_WANT_MAP));
	stop();
}
END_TEST

START_TEST(a_probe_is_answered)
{
	start(3);
	struct member_message message = helper_message(&h, MEMBER_PROBE, 2);
	message.tag = 77;
	h.is_full = true;
	helper_member_hear(&h, &message);
	const struct member_message *reply = helper_member_find(&h, 2, MEMBER_PROBED);
	ck_assert_ptr_nonnull(reply);
	ck_assert_uint_eq(reply->tag, 77);
	ck_assert(reply->is_full);
	stop();
}
END_TEST

/* Hears a heartbeat that left ms after what is now, and says that this clock is ahead. */
static int64_t skew_of(uint64_t beat, int64_t ms, uint64_t ahead_ms)
{
	struct member_message message = helper_message(&h, MEMBER_BEAT, 1);
	message.beat = beat;
	message.clock_ms = HELPER_NOW_MS + (uint64_t)ms;
	message.ahead_ms = ahead_ms;
	helper_member_hear(&h, &message);
	return h.skew_ms;
}

static uint64_t told_ahead(void)
{
	helper_member_forget(&h);
	helper_member_run(&h, 150000);
	return helper_member_find(&h, 1, MEMBER_BEAT)->ahead_ms;
}

START_TEST(a_heartbeat_that_was_long_under_way_tells_of_no_skew)
{
	start(3);
	ck_assert_int_eq(skew_of(1, -5000, 0), 0);
	ck_assert_uint_eq(told_ahead(), 0);
	/* One that comes from what is to be yet was sent by a clock that is ahead. */
	ck_assert_int_eq(skew_of(2, 700, 0), 700);
	ck_assert_uint_eq(told_ahead(), 700);
	/* And who is behind is told so by whom it has told the time. */
	ck_assert_int_eq(skew_of(3, -900, 800), -800);
	ck_assert_uint_eq(told_ahead(), 0);
	ck_assert_int_eq(skew_of(4, -900, UINT64_MAX), -INT64_MAX);
	ck_assert_int_eq(skew_of(5, INT64_MIN, 0), INT64_MAX);
	stop();
}
END_TEST

static void doubt(uint16_t member)
{
	struct member_step step = helper_member_step(&h);
	member_doubt(h.m, &step, member);
}

START_TEST(who_is_in_doubt_and_answers_no_probe_is_dead_soon)
{
	start(3);
	helper_member_beat(&h, 1, 1);
	pass(50000);
	doubt(1);
	ck_assert_ptr_nonnull(helper_member_find(&h, 1, MEMBER_PROBE));
	pass(100000);
	doubt(1); /* it is no other doubt */
	ck_assert(!member_is_down(h.m, 1));
	pass(100000);
	ck_assert(member_is_down(h.m, 1));
	/* Nothing is left of it. */
	helper_member_beat(&h, 1, 2);
	ck_assert(!member_is_down(h.m, 1));
	pass(400000);
	ck_assert(!member_is_down(h.m, 1));
	stop();
}
END_TEST

START_TEST(who_answers_a_probe_is_only_slow)
{
	start(3);
	for (uint64_t beat = 1; beat < 9; beat += 3) {
		helper_member_beat(&h, 1, beat);
		helper_member_forget(&h);
		doubt(1);
		const struct member_message *probe = helper_member_find(&h, 1, MEMBER_PROBE);
		ck_assert_ptr_nonnull(probe);
		struct member_message reply = helper_message(&h, MEMBER_PROBED, 1);
		reply.tag = probe->tag;
		pass(100000);
		helper_member_hear(&h, &reply);
		pass(200000);
		ck_assert(!member_is_down(h.m, 1));
		helper_member_beat(&h, 1, beat + 1);
		pass(50000);
		doubt(1);
		pass(50000);
		helper_member_beat(&h, 1, beat + 2);
		pass(200000);
		ck_assert(!member_is_down(h.m, 1));
	}
	stop();
}
END_TEST

START_TEST(a_doubt_begins_anew_when_this_node_was_away)
{
	start(3);
	helper_member_beat(&h, 1, 1);
	pass(50000);
	doubt(1);
	pass(50000);
	h.now_us += 120000;
	helper_member_run(&h, 1000);
	ck_assert(!member_is_down(h.m, 1));
	pass(200000);
	ck_assert(member_is_down(h.m, 1));
	stop();
}
END_TEST

/* It left and another one joined, in maps that were missed: nothing is left of it. */
START_TEST(a_number_may_be_another_nodes)
{
	start(3);
	helper_member_beat(&h, 2, 1000);
	struct ring_map *next = helper_next(map);
	struct buffer code = BUFFER_EMPTY;
	next->epoch += 5;
	next->members[2].id[0] = 'f';
	ck_assert_int_eq(ring_map_encode(next, NULL, &code), 0);
	struct member_message message = helper_message(&h, MEMBER_MAP, 1);
	message.epoch = next->epoch;
	message.map = bytes_of(buffer_head(&code), code.len);
	helper_member_hear(&h, &message);
	ck_assert_uint_eq(h.adopted, 1);
	pass(700000);
	ck_assert(member_is_down(h.m, 2));
	helper_member_beat(&h, 2, 1);
	ck_assert(!member_is_down(h.m, 2));
	buffer_reset(&code);
	ring_map_destroy(next);
	stop();
}
END_TEST

/* ---- Many ---------------------------------------------------------------------------- */

static bool is_told(uint16_t number)
{
	return helper_member_find(&h, number, MEMBER_BEAT) != NULL;
}

START_TEST(of_many_those_at_powers_of_two_watch_each_other)
{
	start(100);
	helper_member_run(&h, 150000);
	static const uint16_t near[] = {1, 2, 4, 8, 16, 32, 64, 99, 98, 96, 92, 84, 68, 36};
	for (size_t i = 0; i < DHT_ARRAY_LEN(near); i++)
		ck_assert(is_told(near[i]));
	unsigned count = 0;
	for (uint16_t i = 0; i < 100; i++)
		count += is_told(i);
	ck_assert_uint_eq(count, DHT_ARRAY_LEN(near));
	stop();
}
END_TEST

static void hear_news(uint16_t from, uint64_t beat, struct member_news news)
{
	struct member_message message = helper_message(&h, MEMBER_BEAT, from);
	message.beat = beat;
	message.news = &news;
	message.news_count = 1;
	helper_member_hear(&h, &message);
}

START_TEST(news_are_believed_and_passed_on)
{
	start(100);
	hear_news(1, 1, (struct member_news){50, true, 900});
	ck_assert(member_is_down(h.m, 50));
	helper_member_forget(&h);
	helper_member_run(&h, 150000);
	const struct member_message *beat = helper_member_find(&h, 2, MEMBER_BEAT);
	bool is_passed_on = false;
	for (size_t i = 0; i < beat->news_count; i++)
		is_passed_on |= beat->news[i].member == 50 && beat->news[i].is_down;
	ck_assert(is_passed_on);
	stop();
}
END_TEST

START_TEST(what_is_later_wins)
{
	start(100);
	hear_news(1, 1, (struct member_news){50, true, 900});
	hear_news(1, 2, (struct member_news){50, false, 900});
	ck_assert(member_is_down(h.m, 50));
	hear_news(1, 3, (struct member_news){50, false, 901});
	ck_assert(!member_is_down(h.m, 50));
	hear_news(1, 4, (struct member_news){50, true, 900});
	ck_assert(!member_is_down(h.m, 50));
	hear_news(1, 5, (struct member_news){50, true, 901});
	ck_assert(member_is_down(h.m, 50));
	stop();
}
END_TEST

START_TEST(who_hears_it_contradicts)
{
	start(100);
	helper_member_beat(&h, 2, 30);
	hear_news(1, 1, (struct member_news){2, true, 20});
	ck_assert(!member_is_down(h.m, 2));
	helper_member_forget(&h);
	helper_member_run(&h, 150000);
	const struct member_message *beat = helper_member_find(&h, 1, MEMBER_BEAT);
	ck_assert_uint_eq(beat->news_count, 1);
	ck_assert_uint_eq(beat->news[0].member, 2);
	ck_assert(!beat->news[0].is_down);
	ck_assert_uint_eq(beat->news[0].beat, 30);
	stop();
}
END_TEST

UNIT_MAIN("member_heartbeat", 60, everybody_is_told_ten_times_a_second,
	  silence_is_death_and_a_heartbeat_is_life, who_was_away_itself_takes_nobody_for_dead,
	  a_heartbeat_that_comes_late_is_no_sign_of_life, who_does_not_start_is_dead_too,
	  a_higher_epoch_is_fetched_once_in_a_while, a_probe_is_answered,
	  a_heartbeat_that_was_long_under_way_tells_of_no_skew,
	  who_is_in_doubt_and_answers_no_probe_is_dead_soon, who_answers_a_probe_is_only_slow,
	  a_doubt_begins_anew_when_this_node_was_away, a_number_may_be_another_nodes,
	  of_many_those_at_powers_of_two_watch_each_other, news_are_believed_and_passed_on,
	  what_is_later_wins, who_hears_it_contradicts)
