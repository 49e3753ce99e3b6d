/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_change, node/member_unsafe: what requests make of a map, and which are refused.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "helper_map.h"
#include "helper_member.h"
#include "node/member_change.h"
#include "ring/planner.h"
#include "unit.h"

static struct helper_member h;
static struct ring_map *map, *next;
static struct member_answer answer;

static void start(uint16_t members)
{
	map = helper_map(64, members);
	helper_member_init(&h, map, 0);
	next = NULL;
}

static void stop(void)
{
	helper_member_fini(&h);
	ring_map_destroy(map);
	ring_map_destroy(next);
}

static struct member_request joining(uint16_t like, char name[16])
{
	struct member_request request = {.kind = MEMBER_REQUEST_JOIN,
					 .member = helper_member(like, name)};
	request.lineage = 99;
	return request;
}

static void begin(const struct member_request *request)
{
	ring_map_destroy(next);
	member_change_begin(h.m, request, 123, &answer, &next);
}

static void refuse(const struct member_request *request, int status, const char *text)
{
	begin(request);
	ck_assert_ptr_null(next);
	ck_assert_int_eq(answer.status, status);
	ck_assert_msg(strstr(answer.text, text) != NULL, "%s", answer.text);
}

/* The map in which the last change has begun becomes the member's. */
static void adopt(void)
{
	ck_assert_int_eq(answer.status, 0);
	ck_assert_ptr_nonnull(next);
	helper_member_fini(&h);
	ring_map_destroy(map);
	map = next;
	next = NULL;
	helper_member_init(&h, map, 0);
}

START_TEST(a_joiner_gets_a_number_and_no_vote)
{
	char name[16];
	start(3);
	struct member_request request = joining(9, name);
	begin(&request);
	ck_assert_int_eq(answer.status, 0);
	ck_assert_uint_eq(next->epoch, 8);
	ck_assert_uint_eq(next->member_count, 4);
	ck_assert_int_eq(ring_map_member(next, 3)->standing, RING_JOINING);
	ck_assert_int_eq(next->change.kind, RING_JOIN);
	ck_assert_uint_eq(next->change.id, 8);
	ck_assert_uint_eq(next->change.began_ms, 123);
	ck_assert_uint_eq(next->voters.count, 3);
	ck_assert_uint_eq(member_voter_place(next, 3), 3);
	stop();
}
END_TEST

START_TEST(who_leaves_loses_its_vote_at_once)
{
	start(5);
	struct member_request request = {.kind = MEMBER_REQUEST_LEAVE, .number = 2};
	begin(&request);
	ck_assert_int_eq(ring_map_member(next, 2)->standing, RING_LEAVING);
	ck_assert_uint_eq(next->voters.count, 4);
	ck_assert_uint_eq(member_voter_place(next, 2), 4);
	stop();
}
END_TEST

START_TEST(a_name_is_given_once)
{
	char name[16];
	start(3);
	struct member_request request = joining(9, name);
	strcpy(name, "n1");
	refuse(&request, DHT_EUNSAFE, "the name n1 is taken");
	stop();
}
END_TEST

START_TEST(data_is_not_thrown_away)
{
	char name[16];
	start(3);
	struct member_request request = joining(9, name);
	request.has_data = true;
	refuse(&request, DHT_EUNSAFE, "holds data");
	stop();
}
END_TEST

START_TEST(a_removed_node_does_not_come_back)
{
	char name[16];
	start(3);
	struct member_request request = joining(9, name);
	request.lineage = get_u64(map->lineage);
	refuse(&request, DHT_EUNSAFE, "was removed from this cluster");
	stop();
}
END_TEST

START_TEST(a_member_does_not_join_again)
{
	char name[16];
	start(3);
	struct member_request request = joining(1, name);
	refuse(&request, DHT_EUNSAFE, "is a member already");
	stop();
}
END_TEST

START_TEST(too_few_would_remain)
{
	start(3);
	struct member_request request = {.kind = MEMBER_REQUEST_LEAVE, .number = 2};
	refuse(&request, DHT_EUNSAFE, "only 2 members would remain");
	request.is_forced = true;
	begin(&request);
	ck_assert_int_eq(answer.status, 0);
	stop();
	start(1);
	request.number = 0;
	refuse(&request, DHT_EUNSAFE, "the last member");
	stop();
}
END_TEST

START_TEST(two_changes_at_once_are_refused)
{
	char name[16];
	start(4);
	struct member_request request = joining(9, name);
	begin(&request);
	adopt();
	struct member_request leave = {.kind = MEMBER_REQUEST_LEAVE, .number = 2};
	refuse(&leave, DHT_EUNSAFE, "another change is going on, job 8");
	stop();
}
END_TEST

START_TEST(what_is_told_twice_begins_once)
{
	char name[16];
	start(4);
	struct member_request request = joining(9, name);
	begin(&request);
	adopt();
	request = joining(9, name);
	begin(&request);
	ck_assert_ptr_null(next);
	ck_assert_int_eq(answer.status, 0);
	ck_assert_uint_eq(answer.job, 8);
	stop();
}
END_TEST

START_TEST(who_answers_is_not_removed)
{
	start(4);
	struct member_request request = {.kind = MEMBER_REQUEST_REMOVE, .number = 2};
	refuse(&request, DHT_EUNSAFE, "it answers");
	for (uint64_t beat = 1; beat < 12; beat++) {
		helper_member_forget(&h);
		helper_member_run(&h, 100000);
		helper_member_beat(&h, 1, beat);
		helper_member_beat(&h, 3, beat);
	}
	begin(&request);
	ck_assert_int_eq(answer.status, 0);
	ck_assert_int_eq(ring_map_member(next, 2)->standing, RING_LEAVING);
	stop();
}
END_TEST

START_TEST(nothing_is_moved_that_nobody_can_hand_over)
{
	start(4);
	for (uint64_t beat = 1; beat < 12; beat++) {
		helper_member_forget(&h);
		helper_member_run(&h, 100000);
		helper_member_beat(&h, 1, beat);
	}
	struct member_request request = {.kind = MEMBER_REQUEST_REMOVE, .number = 2};
	refuse(&request, DHT_EUNSAFE, "a majority of the replicas of block");
	stop();
}
END_TEST

START_TEST(a_replacement_takes_places_and_name)
{
	char name[16];
	start(4);
	struct member_request request = joining(9, name);
	request.kind = MEMBER_REQUEST_REPLACE;
	request.number = 2;
	strcpy(name, "n2");
	begin(&request);
	ck_assert_int_eq(answer.status, 0);
	ck_assert_str_eq(ring_map_member(next, 4)->name, "n2");
	ck_assert_str_eq(ring_map_member(next, 2)->name, "n2.replaced");
	ck_assert_int_eq(ring_map_member(next, 2)->standing, RING_LEAVING);
	ck_assert_uint_eq(next->change.other, 2);
	stop();
}
END_TEST

START_TEST(a_cancelled_replacement_gives_the_name_back)
{
	char name[16];
	start(4);
	struct member_request request = joining(9, name);
	request.kind = MEMBER_REQUEST_REPLACE;
	request.number = 2;
	strcpy(name, "n2");
	begin(&request);
	adopt();
	struct member_request cancel = {.kind = MEMBER_REQUEST_CANCEL, .job = 8};
	begin(&cancel);
	ck_assert_int_eq(answer.status, 0);
	ck_assert_int_eq(ring_map_member(next, 4)->standing, RING_LEAVING);
	ck_assert_int_eq(ring_map_member(next, 2)->standing, RING_IN);
	ck_assert_int_eq(member_change_end(next), 0);
	ck_assert_ptr_null(ring_map_member(next, 4));
	ck_assert_str_eq(ring_map_member(next, 2)->name, "n2");
	ck_assert_int_eq(next->change.kind, RING_NO_CHANGE);
	stop();
}
END_TEST

START_TEST(a_cancelled_adjustment_is_set_back)
{
	start(4);
	struct member_request request = {.kind = MEMBER_REQUEST_ADJUST,
					 .member = *ring_map_member(map, 2)};
	char zone[] = "elsewhere";
	request.member.weight = 500;
	request.member.zone = zone;
	begin(&request);
	ck_assert_uint_eq(ring_map_member(next, 2)->weight, 500);
	adopt();
	struct member_request cancel = {.kind = MEMBER_REQUEST_CANCEL, .job = 8};
	begin(&cancel);
	ck_assert_uint_eq(ring_map_member(next, 2)->weight, 102);
	ck_assert_str_eq(ring_map_member(next, 2)->zone, "z2");
	stop();
}
END_TEST

START_TEST(only_the_job_that_is_there_is_cancelled)
{
	start(4);
	struct member_request cancel = {.kind = MEMBER_REQUEST_CANCEL, .job = 8};
	refuse(&cancel, DHT_EINVAL, "no such job");
	stop();
}
END_TEST

START_TEST(a_number_is_given_again_when_nothing_names_it)
{
	char name[16];
	start(4);
	struct member_request leave = {.kind = MEMBER_REQUEST_LEAVE, .number = 2};
	begin(&leave);
	ck_assert_int_eq(member_change_end(next), DHT_EPRECOND); /* blocks name it */
	for (uint32_t block = 0; block < next->blocks; block++)
		ck_assert_int_eq(
		    ring_map_set_replicas(next, block, &(struct ring_replicas){3, {0, 1, 3}}), 0);
	ck_assert_int_eq(member_change_end(next), 0);
	adopt();
	struct member_request request = joining(9, name);
	begin(&request);
	ck_assert_uint_eq(next->change.member, 2);
	stop();
}
END_TEST

START_TEST(a_plan_counts_what_would_move)
{
	char name[16];
	struct member_plan plan;
	start(4);
	struct member_request request = joining(9, name);
	ck_assert_int_eq(member_plan(h.m, &request, &plan), 0);
	ck_assert_int_eq(plan.status, 0);
	ck_assert_uint_gt(plan.moves, 20);
	ck_assert_uint_ge(plan.moves, plan.blocks);
	ck_assert_uint_eq(plan.at_risk, 0);
	request.has_data = true;
	ck_assert_int_eq(member_plan(h.m, &request, &plan), 0);
	ck_assert_int_eq(plan.status, DHT_EUNSAFE);
	stop();
}
END_TEST

/* What a driver has done already is no reason to move more: a target from a map on the way is as
 * far as the first one was, less what was done. */
START_TEST(a_target_from_a_map_on_the_way_moves_no_more)
{
	char name[16];
	start(5);
	struct member_request request = joining(9, name);
	begin(&request);
	struct ring_replicas *old = calloc(64, sizeof(*old)), *first = calloc(64, sizeof(*first)),
			     *later = calloc(64, sizeof(*later));
	for (uint32_t block = 0; block < 64; block++)
		old[block] = *ring_map_replicas(next, block);
	ck_assert_int_eq(member_change_target(next, first), 0);
	uint64_t all = ring_plan_moves(old, first, 64), done = 0;
	for (uint32_t block = 0; block < 64; block += 2) {
		done += ring_plan_moves(&old[block], &first[block], 1);
		ck_assert_int_eq(ring_map_set_replicas(next, block, &first[block]), 0);
		old[block] = first[block];
	}
	ck_assert_int_eq(member_change_target(next, later), 0);
	ck_assert_uint_le(done + ring_plan_moves(old, later, 64), all);
	free(old);
	free(first);
	free(later);
	stop();
}
END_TEST

UNIT_MAIN("member_change", 60, a_joiner_gets_a_number_and_no_vote,
	  who_leaves_loses_its_vote_at_once, a_name_is_given_once, data_is_not_thrown_away,
	  a_removed_node_does_not_come_back, a_member_does_not_join_again, too_few_would_remain,
	  two_changes_at_once_are_refused, what_is_told_twice_begins_once,
	  who_answers_is_not_removed, nothing_is_moved_that_nobody_can_hand_over,
	  a_replacement_takes_places_and_name, a_cancelled_replacement_gives_the_name_back,
	  a_cancelled_adjustment_is_set_back, only_the_job_that_is_there_is_cancelled,
	  a_number_is_given_again_when_nothing_names_it, a_plan_counts_what_would_move,
	  a_target_from_a_map_on_the_way_moves_no_more)
