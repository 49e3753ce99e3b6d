/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_message: what comes from outside is checked field by field.
 */
#include "helper_map.h"
#include "node/member_message.h"
#include "unit.h"

static struct member_request request_of(enum member_request_kind kind, char name[16])
{
	return (struct member_request){.kind = kind, .member = helper_member(3, name)};
}

static bool is_valid(const struct member_request *request)
{
	struct member_message message = {.kind = MEMBER_REQUEST, .request = request};
	return member_message_is_valid(&message);
}

START_TEST(numbers_kinds_and_lengths_are_in_range)
{
	struct member_message message = {.kind = MEMBER_PROBE};
	ck_assert(member_message_is_valid(&message));
	message.from = MEMBER_NOBODY;
	ck_assert(member_message_is_valid(&message));
	message.from = MEMBER_NOBODY + 1;
	ck_assert(!member_message_is_valid(&message));
	message = (struct member_message){.kind = MEMBER_MESSAGE_KIND_COUNT};
	ck_assert(!member_message_is_valid(&message));
	message = (struct member_message){.kind = MEMBER_MAP, .map = {NULL, MEMBER_VALUE_MAX + 1}};
	ck_assert(!member_message_is_valid(&message));
	message = (struct member_message){.kind = MEMBER_PREPARE, .ballot = {1, MEMBER_NOBODY + 1}};
	ck_assert(!member_message_is_valid(&message));
}
END_TEST

START_TEST(a_heartbeat_has_bounds)
{
	struct member_news news = {.member = RING_MEMBERS_MAX};
	struct member_message message = {.kind = MEMBER_BEAT, .news = &news, .news_count = 1};
	ck_assert(!member_message_is_valid(&message));
	news.member = 1;
	ck_assert(member_message_is_valid(&message));
	message.news_count = MEMBER_NEWS_MAX + 1;
	ck_assert(!member_message_is_valid(&message));
	message = (struct member_message){.kind = MEMBER_BEAT, .fin_count = MEMBER_FINS_MAX + 1};
	ck_assert(!member_message_is_valid(&message));
}
END_TEST

START_TEST(a_request_is_whole)
{
	char name[16], none[] = "";
	struct member_request request = request_of(MEMBER_REQUEST_JOIN, name);
	ck_assert(is_valid(&request));
	request.member.id[5] = 'x';
	ck_assert(!is_valid(&request));
	request = request_of(MEMBER_REQUEST_JOIN, name);
	request.member.weight = 0;
	ck_assert(!is_valid(&request));
	request = request_of(MEMBER_REQUEST_JOIN, name);
	request.member.zone = none;
	ck_assert(!is_valid(&request));
	request = request_of(MEMBER_REQUEST_JOIN, name);
	request.member.peer_count = RING_ADDRESSES_MAX + 1;
	ck_assert(!is_valid(&request));
	request = request_of(MEMBER_REQUEST_REPLACE, name);
	request.number = RING_MEMBERS_MAX;
	ck_assert(!is_valid(&request));
	request = request_of(MEMBER_REQUEST_KIND_COUNT, name);
	ck_assert(!is_valid(&request));
	ck_assert(!is_valid(NULL));
}
END_TEST

START_TEST(an_answer_has_an_end)
{
	struct member_answer answer = {.status = 0};
	struct member_message message = {.kind = MEMBER_ANSWER, .answer = &answer};
	ck_assert(member_message_is_valid(&message));
	memset(answer.text, 'x', sizeof(answer.text));
	ck_assert(!member_message_is_valid(&message));
	message.answer = NULL;
	ck_assert(!member_message_is_valid(&message));
}
END_TEST

START_TEST(a_guest_asks_to_join_and_nothing_else)
{
	char name[16];
	struct member_request request = request_of(MEMBER_REQUEST_JOIN, name);
	struct member_message message = {.kind = MEMBER_REQUEST, .request = &request};
	ck_assert(member_message_may_come_from_guest(&message));
	request.kind = MEMBER_REQUEST_LEAVE;
	ck_assert(!member_message_may_come_from_guest(&message));
	message.kind = MEMBER_ACCEPT;
	ck_assert(!member_message_may_come_from_guest(&message));
	message.kind = MEMBER_WANT_MAP;
	ck_assert(member_message_may_come_from_guest(&message));
}
END_TEST

START_TEST(kinds_have_names)
{
	ck_assert_str_eq(member_message_name(MEMBER_WANT_MAP), "WANT_MAP");
}
END_TEST

UNIT_MAIN("member_message", 60, numbers_kinds_and_lengths_are_in_range, a_heartbeat_has_bounds,
	  a_request_is_whole, an_answer_has_an_end, a_guest_asks_to_join_and_nothing_else,
	  kinds_have_names)
