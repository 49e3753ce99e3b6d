/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_vote, node/member_propose, node/member_maps: a map is decided once, and its voters
 * keep their word.
 */
#include <string.h>

#include "base/error.h"
#include "helper_map.h"
#include "helper_member.h"
#include "ring/code.h"
#include "unit.h"

static struct helper_member h;
static struct ring_map *map;

/* Member 0 of three, all of them voters, epoch 7. */
static void start(void)
{
	map = helper_map(64, 3);
	helper_member_init(&h, map, 0);
}

static void stop(void)
{
	helper_member_fini(&h);
	ring_map_destroy(map);
}

/* A value for the next epoch, told apart by a weight. */
static struct buffer value_of(uint32_t weight)
{
	struct ring_map *next = helper_next(map);
	struct buffer code = BUFFER_EMPTY;
	next->members[2].weight = weight;
	ck_assert_int_eq(ring_map_encode(next, map, &code), 0);
	ring_map_destroy(next);
	return code;
}

static const struct member_message *prepare(uint32_t round, uint16_t from)
{
	struct member_message message = helper_message(&h, MEMBER_PREPARE, from);
	message.epoch = 8;
	message.ballot = (struct member_ballot){round, from};
	helper_member_forget(&h);
	helper_member_hear(&h, &message);
	return helper_member_find(&h, from, MEMBER_PROMISE);
}

static const struct member_message *accept(uint32_t round, uint16_t from, uint32_t weight)
{
	struct buffer code = value_of(weight);
	struct member_message message = helper_message(&h, MEMBER_ACCEPT, from);
	message.epoch = 8;
	message.ballot = (struct member_ballot){round, from};
	message.map = bytes_of(buffer_head(&code), code.len);
	helper_member_forget(&h);
	helper_member_hear(&h, &message);
	buffer_reset(&code);
	return helper_member_find(&h, from, MEMBER_ACCEPTED);
}

START_TEST(a_promise_rests_on_its_note)
{
	start();
	ck_assert(prepare(3, 1)->is_ok);
	ck_assert_uint_eq(h.sent[0].rests_on, h.end);
	ck_assert_uint_gt(h.end, 0);
	stop();
}
END_TEST

START_TEST(a_lower_ballot_is_refused_and_the_higher_one_told)
{
	start();
	ck_assert(prepare(3, 1)->is_ok);
	const struct member_message *reply = prepare(2, 2);
	ck_assert(!reply->is_ok);
	ck_assert_uint_eq(reply->accepted.round, 3);
	ck_assert_uint_eq(reply->accepted.member, 1);
	ck_assert(!accept(2, 2, 50)->is_ok);
	stop();
}
END_TEST

START_TEST(a_ballot_is_promised_once)
{
	start();
	ck_assert(prepare(3, 1)->is_ok);
	ck_assert_ptr_null(prepare(3, 1));
	stop();
}
END_TEST

START_TEST(what_was_accepted_comes_with_the_promise)
{
	start();
	ck_assert(accept(3, 1, 50)->is_ok);
	const struct member_message *reply = prepare(4, 2);
	struct buffer code = value_of(50);
	ck_assert(reply->is_ok);
	ck_assert_uint_eq(reply->accepted.round, 3);
	ck_assert_uint_eq(reply->map.len, code.len);
	ck_assert_mem_eq(reply->map.data, buffer_head(&code), code.len);
	buffer_reset(&code);
	stop();
}
END_TEST

START_TEST(a_restart_knows_what_was_promised_and_accepted)
{
	start();
	ck_assert(accept(3, 1, 50)->is_ok);
	ck_assert(prepare(6, 1)->is_ok);
	helper_member_restart(&h);
	ck_assert(!prepare(5, 2)->is_ok);
	ck_assert_uint_eq(prepare(7, 2)->accepted.round, 3);
	stop();
}
END_TEST

START_TEST(what_cannot_be_stored_is_not_said)
{
	start();
	h.store_rc = DHT_ENOSPC;
	ck_assert_ptr_null(prepare(3, 1));
	ck_assert_ptr_null(accept(3, 1, 50));
	h.store_rc = 0;
	ck_assert(prepare(1, 2)->is_ok);
	stop();
}
END_TEST

START_TEST(a_value_that_is_no_next_map_is_dropped)
{
	start();
	struct member_message message = helper_message(&h, MEMBER_ACCEPT, 1);
	message.epoch = 8;
	message.ballot = (struct member_ballot){3, 1};
	message.map = bytes_of_text("nonsense");
	helper_member_hear(&h, &message);
	ck_assert_ptr_null(helper_member_find(&h, 1, MEMBER_ACCEPTED));
	stop();
}
END_TEST

START_TEST(accepting_is_not_adopting)
{
	start();
	ck_assert(accept(3, 1, 50)->is_ok);
	helper_member_sync(&h);
	ck_assert_uint_eq(h.adopted, 0);
	ck_assert_uint_eq(member_map(h.m)->epoch, 7);
	stop();
}
END_TEST

static void tell_map(uint32_t weight)
{
	struct buffer code = value_of(weight);
	struct member_message message = helper_message(&h, MEMBER_MAP, 1);
	message.epoch = 8;
	message.map = bytes_of(buffer_head(&code), code.len);
	helper_member_hear(&h, &message);
	buffer_reset(&code);
}

START_TEST(who_has_adopted_answers_with_the_map)
{
	start();
	tell_map(50);
	ck_assert_uint_eq(h.adopted, 1);
	ck_assert_ptr_null(prepare(9, 2));
	const struct member_message *told = helper_member_find(&h, 2, MEMBER_MAP);
	ck_assert_ptr_nonnull(told);
	ck_assert_uint_eq(told->epoch, 8);
	ck_assert_ptr_null(accept(9, 2, 60));
	stop();
}
END_TEST

START_TEST(a_map_is_adopted_once)
{
	start();
	tell_map(50);
	tell_map(50);
	tell_map(60);
	ck_assert_uint_eq(h.adopted, 1);
	ck_assert_uint_eq(ring_map_member(member_map(h.m), 2)->weight, 50);
	stop();
}
END_TEST

START_TEST(a_later_epoch_is_fetched_before_it_is_voted_on)
{
	start();
	struct member_message message = helper_message(&h, MEMBER_PREPARE, 1);
	message.epoch = 9;
	message.ballot = (struct member_ballot){1, 1};
	helper_member_hear(&h, &message);
	ck_assert_ptr_null(helper_member_find(&h, 1, MEMBER_PROMISE));
	ck_assert_ptr_nonnull(helper_member_find(&h, 1, MEMBER_WANT_MAP));
	stop();
}
END_TEST

/* The register is of epoch 9, so 8 was adopted: a crash has lost it. */
START_TEST(a_register_of_a_later_epoch_promises_nothing_before_it)
{
	start();
	ck_assert(prepare(3, 1)->is_ok);
	put_u64(buffer_head(&h.note) + 8, 9);
	helper_member_restart(&h);
	ck_assert_ptr_null(prepare(5, 2));
	ck_assert_ptr_nonnull(helper_member_find(&h, 2, MEMBER_WANT_MAP));
	stop();
}
END_TEST

START_TEST(a_damaged_note_is_an_error)
{
	const struct member_times times = MEMBER_TIMES_DEFAULT;
	struct member *m;
	start();
	ck_assert_int_eq(
	    member_create(map->members[0].id, map, bytes_of_text("short"), 1, &times, 0, &m),
	    DHT_EPROTO);
	stop();
}
END_TEST

/* ---- Proposals ----------------------------------------------------------------------- */

static void ask_for_weight(uint32_t weight)
{
	struct member_step step = helper_member_step(&h);
	struct member_request request = {.kind = MEMBER_REQUEST_ADJUST,
					 .member = *ring_map_member(member_map(h.m), 2)};
	request.member.weight = weight;
	ck_assert_int_eq(member_request(h.m, &step, &request, 1), 0);
}

static void answer_promise(uint16_t from, struct member_ballot accepted, uint32_t weight)
{
	struct buffer code = value_of(weight);
	const struct member_message *asked = helper_member_find(&h, from, MEMBER_PREPARE);
	struct member_message message = helper_message(&h, MEMBER_PROMISE, from);
	ck_assert_ptr_nonnull(asked);
	message.epoch = 8;
	message.is_ok = true;
	message.ballot = asked->ballot;
	message.accepted = accepted;
	if (accepted.round > 0)
		message.map = bytes_of(buffer_head(&code), code.len);
	helper_member_hear(&h, &message);
	buffer_reset(&code);
}

static void answer_accepted(uint16_t from)
{
	const struct member_message *asked = helper_member_find(&h, from, MEMBER_ACCEPT);
	struct member_message message = helper_message(&h, MEMBER_ACCEPTED, from);
	ck_assert_ptr_nonnull(asked);
	message.epoch = 8;
	message.is_ok = true;
	message.ballot = asked->ballot;
	helper_member_hear(&h, &message);
}

START_TEST(own_answers_count_when_they_are_durable)
{
	start();
	ask_for_weight(50);
	answer_promise(1, (struct member_ballot){0}, 0);
	ck_assert_ptr_null(helper_member_find(&h, 1, MEMBER_ACCEPT));
	helper_member_sync(&h);
	answer_accepted(1);
	helper_member_sync(&h);
	ck_assert_uint_eq(h.adopted, 1);
	ck_assert_uint_eq(ring_map_member(member_map(h.m), 2)->weight, 50);
	ck_assert_uint_eq(h.answers, 1);
	ck_assert_int_eq(h.answer.status, 0);
	stop();
}
END_TEST

START_TEST(a_value_that_may_be_decided_is_proposed_instead_of_the_own_one)
{
	start();
	ask_for_weight(50);
	helper_member_sync(&h);
	answer_promise(1, (struct member_ballot){1, 2}, 77);
	struct buffer code = value_of(77);
	const struct member_message *accept = helper_member_find(&h, 2, MEMBER_ACCEPT);
	ck_assert_ptr_nonnull(accept);
	ck_assert_uint_eq(accept->map.len, code.len);
	ck_assert_mem_eq(accept->map.data, buffer_head(&code), code.len);
	buffer_reset(&code);
	stop();
}
END_TEST

START_TEST(a_majority_that_is_no_majority_decides_nothing)
{
	start();
	ask_for_weight(50);
	answer_promise(1, (struct member_ballot){0}, 0);
	answer_promise(1, (struct member_ballot){0}, 0);
	ck_assert_ptr_null(helper_member_find(&h, 1, MEMBER_ACCEPT));
	stop();
}
END_TEST

START_TEST(a_refused_proposal_comes_again_with_a_higher_ballot)
{
	start();
	ask_for_weight(50);
	helper_member_sync(&h);
	const struct member_message *asked = helper_member_find(&h, 1, MEMBER_PREPARE);
	struct member_message message = helper_message(&h, MEMBER_PROMISE, 1);
	message.epoch = 8;
	message.ballot = asked->ballot;
	message.accepted = (struct member_ballot){40, 2};
	helper_member_hear(&h, &message);
	helper_member_forget(&h);
	helper_member_run(&h, 200000);
	asked = helper_member_find(&h, 1, MEMBER_PREPARE);
	ck_assert_ptr_nonnull(asked);
	ck_assert_uint_eq(asked->ballot.round, 41);
	stop();
}
END_TEST

/* Its proposer is not heard of again: it may be decided, and known to nobody else. */
START_TEST(what_was_accepted_comes_to_light)
{
	start();
	ck_assert(accept(3, 1, 50)->is_ok);
	helper_member_forget(&h);
	helper_member_run(&h, 900000);
	ck_assert_ptr_null(helper_member_find(&h, 2, MEMBER_PREPARE));
	helper_member_run(&h, 700000);
	ck_assert_ptr_nonnull(helper_member_find(&h, 2, MEMBER_PREPARE));
	answer_promise(2, (struct member_ballot){0}, 0);
	answer_accepted(2);
	helper_member_sync(&h);
	ck_assert_uint_eq(h.adopted, 1);
	ck_assert_uint_eq(ring_map_member(member_map(h.m), 2)->weight, 50);
	stop();
}
END_TEST

START_TEST(messages_of_another_lineage_are_dropped)
{
	start();
	struct member_message message = helper_message(&h, MEMBER_PREPARE, 1);
	message.epoch = 8;
	message.ballot = (struct member_ballot){3, 1};
	message.lineage ^= 1;
	helper_member_hear(&h, &message);
	ck_assert_uint_eq(h.sent_count, 0);
	stop();
}
END_TEST

UNIT_MAIN("member_vote", 60, a_promise_rests_on_its_note,
	  a_lower_ballot_is_refused_and_the_higher_one_told, a_ballot_is_promised_once,
	  what_was_accepted_comes_with_the_promise, a_restart_knows_what_was_promised_and_accepted,
	  what_cannot_be_stored_is_not_said, a_value_that_is_no_next_map_is_dropped,
	  accepting_is_not_adopting, who_has_adopted_answers_with_the_map, a_map_is_adopted_once,
	  a_later_epoch_is_fetched_before_it_is_voted_on,
	  a_register_of_a_later_epoch_promises_nothing_before_it, a_damaged_note_is_an_error,
	  own_answers_count_when_they_are_durable,
	  a_value_that_may_be_decided_is_proposed_instead_of_the_own_one,
	  a_majority_that_is_no_majority_decides_nothing,
	  a_refused_proposal_comes_again_with_a_higher_ballot, what_was_accepted_comes_to_light,
	  messages_of_another_lineage_are_dropped)
