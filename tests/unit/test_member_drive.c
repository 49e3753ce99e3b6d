/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_drive, node/member_recover: which step a change takes when.
 *
 * Member 0 drives; the others, which are the test's, vote for what it proposes if they answer.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "helper_map.h"
#include "helper_member.h"
#include "ring/code.h"
#include "unit.h"

enum { SECOND_US = 1000000, OTHERS_MAX = 8 };

static struct helper_member h;
static struct ring_map *map;
static uint64_t beats, progress;
static bool is_answering[OTHERS_MAX], is_making_progress, is_deaf; /* is_deaf: to probes */
static struct member_fin fins[64];
static size_t fin_count;

static void start_with(struct ring_map *with)
{
	map = with;
	helper_member_init(&h, map, 0);
	beats = progress = 0;
	fin_count = 0;
	is_making_progress = is_deaf = false;
	for (int i = 0; i < OTHERS_MAX; i++)
		is_answering[i] = true;
}

static void start(uint16_t members)
{
	start_with(helper_map(64, members));
}

static void stop(void)
{
	helper_member_fini(&h);
	ring_map_destroy(map);
}

/* What the others say in 50 ms: heartbeats, and answers to probes. */
static void hear_others(void)
{
	const struct ring_map *now = member_map(h.m);
	for (size_t i = 0; i < now->member_count; i++) {
		uint16_t number = now->members[i].number;
		if (number == 0 || !is_answering[number])
			continue;
		struct member_message message = helper_message(&h, MEMBER_BEAT, number);
		message.beat = ++beats;
		progress += is_making_progress;
		message.progress = progress;
		message.fins = fins;
		message.fin_count = fin_count;
		helper_member_hear(&h, &message);
		if (!is_deaf && helper_member_find(&h, number, MEMBER_PROBE) != NULL) {
			message = helper_message(&h, MEMBER_PROBED, number);
			helper_member_hear(&h, &message);
		}
	}
}

/* Proposals lead to others: an answer may be what lets the next message be sent. */
static void vote(void)
{
	helper_member_sync(&h);
	for (size_t i = 0; i < h.sent_count; i++) {
		struct member_message asked = h.sent[i].message;
		uint32_t peer = h.sent[i].peer;
		bool is_prepare = asked.kind == MEMBER_PREPARE;
		if ((!is_prepare && asked.kind != MEMBER_ACCEPT) || peer >= OTHERS_MAX ||
		    !is_answering[peer])
			continue;
		struct member_message message = helper_message(
		    &h, is_prepare ? MEMBER_PROMISE : MEMBER_ACCEPTED, (uint16_t)peer);
		message.epoch = asked.epoch;
		message.ballot = asked.ballot;
		message.is_ok = true;
		helper_member_hear(&h, &message);
		helper_member_sync(&h);
	}
}

static void pass(uint64_t us)
{
	for (; us >= 50000; us -= 50000) {
		helper_member_forget(&h);
		helper_member_run(&h, 50000);
		hear_others();
		vote();
	}
}

static void ask(const struct member_request *request)
{
	struct member_step step = helper_member_step(&h);
	unsigned answers = h.answers;
	helper_member_forget(&h);
	ck_assert_int_eq(member_request(h.m, &step, request, 1), 0);
	vote();
	pass(200000);
	ck_assert_uint_eq(h.answers, answers + 1);
	ck_assert_int_eq(h.answer.status, 0);
}

static void leave(uint16_t number)
{
	ask(&(struct member_request){
	    .kind = MEMBER_REQUEST_LEAVE, .number = number, .is_forced = true});
}

static uint32_t count(enum ring_phase phase)
{
	uint32_t blocks = 0;
	for (uint32_t block = 0; block < 64; block++)
		blocks += ring_map_kept(member_map(h.m), block)->phase == phase;
	return blocks;
}

/* The others, or this one, are in sync with all blocks that are changing. */
static void sync_others(void)
{
	fin_count = 0;
	for (uint32_t block = 0; block < 64; block++) {
		if (ring_map_kept(member_map(h.m), block)->phase != RING_STABLE)
			fins[fin_count++] =
			    (struct member_fin){block, ring_map_version(member_map(h.m), block)};
	}
}

static void sync_self(void)
{
	for (uint32_t block = 0; block < 64; block++)
		member_set_fin(h.m, block, ring_map_version(member_map(h.m), block));
}

START_TEST(a_phase_begins_when_a_majority_of_those_to_come_answers)
{
	start(4);
	pass(200000);
	is_deaf = true;
	leave(3);
	pass(SECOND_US);
	ck_assert_uint_eq(count(RING_JOINT), 0);
	is_deaf = false;
	pass(SECOND_US);
	ck_assert_uint_gt(count(RING_JOINT), 0);
	stop();
}
END_TEST

START_TEST(a_full_member_is_given_no_blocks)
{
	start(2);
	map->replicas = 1;
	stop();
	map = helper_map(64, 2);
	map->replicas = 1;
	start_with(map);
	h.is_full = true;
	pass(200000);
	leave(1);
	pass(SECOND_US);
	ck_assert_uint_eq(count(RING_JOINT), 0);
	h.is_full = false;
	pass(SECOND_US);
	ck_assert_uint_gt(count(RING_JOINT), 0);
	stop();
}
END_TEST

START_TEST(a_change_runs_to_its_end)
{
	start(4);
	pass(200000);
	leave(3);
	struct member_job job;
	pass(SECOND_US);
	ck_assert_int_eq(member_job(h.m, &job), 0);
	ck_assert_int_eq(job.change.kind, RING_LEAVE);
	ck_assert_uint_gt(job.joint, 0);
	ck_assert_uint_ge(job.blocks, job.joint);
	for (int i = 0; i < 20; i++) {
		sync_others();
		sync_self();
		pass(200000);
	}
	ck_assert_int_eq(member_map(h.m)->change.kind, RING_NO_CHANGE);
	ck_assert_ptr_null(ring_map_member(member_map(h.m), 3));
	ck_assert_uint_eq(count(RING_STABLE), 64);
	for (uint32_t block = 0; block < 64; block++) {
		const struct ring_replicas *list = ring_map_replicas(member_map(h.m), block);
		UNIT_REQUIRE(ring_replicas_find(list, 3) == list->count);
	}
	stop();
}
END_TEST

START_TEST(a_majority_in_sync_waits_for_those_that_make_progress)
{
	start(4);
	pass(200000);
	leave(3);
	pass(SECOND_US);
	uint32_t joint = count(RING_JOINT);
	is_making_progress = true;
	sync_others(); /* all but this one, which is always waited for */
	pass(12 * SECOND_US);
	ck_assert_uint_eq(count(RING_JOINT), joint);
	sync_self();
	pass(300000);
	ck_assert_uint_lt(count(RING_JOINT), joint);
	stop();
}
END_TEST

/* Of N = {0, 1, 2} two are in sync, and the third is there, makes progress, or not. */
static void sync_but_one(void)
{
	fin_count = 0;
	sync_self();
	const struct ring_map *now = member_map(h.m);
	for (uint32_t block = 0; block < 64; block++) {
		if (ring_map_kept(now, block)->phase != RING_JOINT)
			continue;
		struct member_fin fin = {block, ring_map_version(now, block)};
		struct member_message message = helper_message(&h, MEMBER_BEAT, 1);
		message.beat = ++beats;
		message.fins = &fin;
		message.fin_count = 1;
		helper_member_hear(&h, &message);
	}
}

START_TEST(a_silent_member_is_not_waited_for)
{
	start(4);
	pass(200000);
	leave(3);
	pass(400000);
	uint32_t joint = count(RING_JOINT);
	ck_assert_uint_gt(joint, 0);
	sync_but_one();
	pass(SECOND_US);
	ck_assert_uint_eq(count(RING_JOINT), joint);
	is_answering[2] = false;
	pass(SECOND_US);
	ck_assert_uint_eq(count(RING_JOINT), 0);
	stop();
}
END_TEST

START_TEST(a_member_without_progress_is_not_waited_for_long)
{
	start(4);
	pass(200000);
	leave(3);
	pass(400000);
	uint32_t joint = count(RING_JOINT);
	sync_but_one();
	pass(5 * SECOND_US);
	ck_assert_uint_eq(count(RING_JOINT), joint);
	pass(7 * SECOND_US);
	ck_assert_uint_eq(count(RING_JOINT), 0);
	stop();
}
END_TEST

START_TEST(a_fin_of_another_version_counts_for_nothing)
{
	start(4);
	pass(200000);
	leave(3);
	pass(SECOND_US);
	uint32_t joint = count(RING_JOINT);
	sync_self();
	sync_others();
	for (size_t i = 0; i < fin_count; i++)
		fins[i].version--;
	pass(12 * SECOND_US);
	ck_assert_uint_eq(count(RING_JOINT), joint);
	stop();
}
END_TEST

START_TEST(a_cancelled_change_goes_back)
{
	start(4);
	pass(200000);
	leave(3);
	pass(SECOND_US);
	ck_assert_uint_gt(count(RING_JOINT), 0);
	ask(&(struct member_request){.kind = MEMBER_REQUEST_CANCEL,
				     .job = member_map(h.m)->change.id});
	for (int i = 0; i < 30; i++) {
		pass(200000);
		sync_others();
		sync_self();
	}
	ck_assert_int_eq(member_map(h.m)->change.kind, RING_NO_CHANGE);
	ck_assert_int_eq(ring_map_member(member_map(h.m), 3)->standing, RING_IN);
	ck_assert_uint_eq(count(RING_STABLE), 64);
	stop();
}
END_TEST

/* Joint blocks of which a majority of N does not answer. */
static uint32_t count_away(void)
{
	uint32_t blocks = 0;
	for (uint32_t block = 0; block < 64; block++) {
		const struct ring_replicas *list = ring_map_next(member_map(h.m), block);
		unsigned away = 0;
		for (uint16_t i = 0; i < list->count; i++)
			away += !is_answering[list->members[i]];
		blocks += 2 * away > list->count;
	}
	return blocks;
}

START_TEST(a_block_goes_back_by_itself_when_those_to_come_stay_away)
{
	start(8);
	pass(200000);
	leave(3);
	pass(SECOND_US);
	uint32_t joint = count(RING_JOINT);
	is_answering[1] = is_answering[2] = false;
	uint32_t away = count_away();
	ck_assert_uint_gt(away, 0);
	ck_assert_uint_lt(away, joint);
	pass(8 * SECOND_US);
	ck_assert_uint_eq(count_away(), away);
	pass(4 * SECOND_US);
	ck_assert_uint_eq(count_away(), 0);
	ck_assert_uint_eq(count(RING_JOINT), joint - away);
	ck_assert_int_eq(member_map(h.m)->change.kind, RING_LEAVE); /* it goes on when they come */
	stop();
}
END_TEST

START_TEST(at_most_ten_epochs_a_second)
{
	start(4);
	pass(200000);
	uint64_t epoch = member_map(h.m)->epoch;
	leave(3);
	for (int i = 0; i < 20; i++) {
		pass(50000);
		sync_others();
		sync_self();
	}
	ck_assert_uint_le(member_map(h.m)->epoch - epoch, 12);
	stop();
}
END_TEST

START_TEST(a_node_that_joins_takes_map_and_number)
{
	struct ring_map *alone, *next;
	char name[16];
	struct member_request request = {.kind = MEMBER_REQUEST_JOIN};
	struct member_answer answer = {.job = 8};
	request.member = helper_member(0, name);
	ck_assert_int_eq(ring_map_create_alone(64, &request.member, &alone), 0);
	start_with(alone);
	struct member_step step = helper_member_step(&h);
	ck_assert_int_eq(member_join(h.m, &step, MEMBER_GUEST + 3, &request, 1), 0);
	const struct member_message *asked =
	    helper_member_find(&h, MEMBER_GUEST + 3, MEMBER_REQUEST);
	ck_assert_ptr_nonnull(asked);
	ck_assert_uint_eq(asked->from, MEMBER_NOBODY);
	struct member_message message = {
	    .kind = MEMBER_ANSWER, .from = 2, .lineage = 5, .tag = asked->tag, .answer = &answer};
	step = helper_member_step(&h);
	member_handle(h.m, &step, MEMBER_GUEST + 3, &message);
	ck_assert_uint_eq(h.answers, 1);
	ck_assert_ptr_nonnull(helper_member_find(&h, MEMBER_GUEST + 3, MEMBER_WANT_MAP));
	/* The cluster's map, in which it is member 7. */
	next = helper_map(128, 3);
	struct ring_member named = request.member;
	char other_name[] = "joiner", other_id[RING_ID_SIZE];
	memcpy(other_id, named.id, sizeof(other_id));
	next->members[0].id[31] = 'f';
	named.number = 7;
	named.name = other_name;
	ck_assert_int_eq(ring_map_add_member(next, &named), 0);
	struct buffer code = BUFFER_EMPTY;
	ck_assert_int_eq(ring_map_encode(next, NULL, &code), 0);
	message = (struct member_message){.kind = MEMBER_MAP,
					  .from = 2,
					  .lineage = get_u64(next->lineage),
					  .epoch = next->epoch,
					  .map = bytes_of(buffer_head(&code), code.len)};
	step = helper_member_step(&h);
	member_handle(h.m, &step, MEMBER_GUEST + 4, &message); /* over no link of its own */
	ck_assert_uint_eq(h.adopted, 0);
	step = helper_member_step(&h);
	member_handle(h.m, &step, MEMBER_GUEST + 3, &message);
	ck_assert_uint_eq(h.adopted, 1);
	ck_assert_uint_eq(member_number(h.m), 7);
	ck_assert_uint_eq(member_map(h.m)->blocks, 128);
	buffer_reset(&code);
	ring_map_destroy(next);
	stop();
}
END_TEST

/* ---- Recovery ------------------------------------------------------------------------ */

static const uint8_t new_lineage[RING_LINEAGE_SIZE] = {9, 9, 9};

static int recover(const uint16_t *survivors, size_t survivor_count, struct member_loss *loss)
{
	char text[MEMBER_TEXT_MAX];
	struct member_step step = helper_member_step(&h);
	return member_recover(h.m, &step, survivors, survivor_count, new_lineage, loss, text);
}

START_TEST(survivors_recover_what_they_have)
{
	struct member_loss loss;
	struct ring_block block;
	start(5);
	pass(200000);
	ck_assert_int_eq(recover((const uint16_t[]){0, 1}, 2, &loss), 0);
	const struct ring_map *now = member_map(h.m);
	ck_assert_mem_eq(now->lineage, new_lineage, sizeof(new_lineage));
	ck_assert_uint_eq(h.adopted, 1);
	ck_assert_uint_eq(loss.empty, 13);  /* blocks of 2, 3, 4 */
	ring_map_get_block(now, 0, &block); /* of 0, 1, 2: a majority is there */
	ck_assert_int_eq(block.phase, RING_STABLE);
	ck_assert_uint_eq(block.version, 0);
	ring_map_get_block(now, 1, &block); /* of 1, 2, 3 */
	ck_assert_int_eq(block.phase, RING_RECOVER);
	ck_assert_uint_eq(block.old.count, 1);
	ck_assert_uint_eq(block.old.members[0], 1);
	ck_assert_uint_eq(block.start, block.version);
	ring_map_get_block(now, 2, &block); /* of 2, 3, 4 */
	ck_assert_int_eq(block.phase, RING_RECOVER);
	ck_assert_uint_eq(block.old.count, 1);
	ck_assert_uint_eq(block.old_since[0], block.version - 1);
	const struct member_message *told = helper_member_find(&h, 1, MEMBER_MAP);
	ck_assert_ptr_nonnull(told);
	ck_assert_uint_eq(told->lineage_before, get_u64(map->lineage));
	ck_assert_ptr_null(helper_member_find(&h, 2, MEMBER_MAP));
	stop();
}
END_TEST

START_TEST(a_recovered_block_is_stable_when_all_are_in_sync)
{
	struct member_loss loss;
	start(5);
	pass(200000);
	ck_assert_int_eq(recover((const uint16_t[]){0, 1}, 2, &loss), 0);
	is_answering[2] = is_answering[3] = is_answering[4] = false;
	pass(12 * SECOND_US);
	ck_assert_uint_gt(count(RING_RECOVER), 0);
	for (int i = 0; i < 40; i++) {
		sync_self();
		sync_others();
		pass(200000);
	}
	ck_assert_uint_eq(count(RING_STABLE), 64);
	ck_assert_uint_eq(member_map(h.m)->member_count, 2);
	ck_assert_int_eq(member_map(h.m)->change.kind, RING_NO_CHANGE);
	stop();
}
END_TEST

START_TEST(who_does_not_answer_survives_nothing)
{
	struct member_loss loss;
	start(3);
	is_answering[1] = false;
	pass(SECOND_US);
	ck_assert_int_eq(recover((const uint16_t[]){0, 1}, 2, &loss), DHT_EUNSAFE);
	ck_assert_int_eq(recover((const uint16_t[]){2}, 1, &loss), DHT_EUNSAFE);
	ck_assert_int_eq(recover((const uint16_t[]){0, 9}, 2, &loss), DHT_EINVAL);
	ck_assert_uint_eq(h.adopted, 0);
	stop();
}
END_TEST

START_TEST(the_newest_map_is_recovered)
{
	struct member_loss loss;
	start(3);
	pass(200000);
	struct member_message message = helper_message(&h, MEMBER_BEAT, 1);
	message.beat = 1000000;
	message.epoch++;
	helper_member_hear(&h, &message);
	ck_assert_int_eq(recover((const uint16_t[]){0, 1}, 2, &loss), DHT_EUNSAFE);
	stop();
}
END_TEST

/* The other side: a survivor takes the map, somebody of another lineage does not. */
START_TEST(a_survivor_takes_the_recovered_map)
{
	struct buffer code = BUFFER_EMPTY;
	start(3);
	struct ring_map *next = helper_next(map);
	memcpy(next->lineage, new_lineage, sizeof(new_lineage));
	ck_assert_int_eq(ring_map_encode(next, NULL, &code), 0);
	struct member_message message = {.kind = MEMBER_MAP,
					 .from = 1,
					 .lineage = get_u64(new_lineage),
					 .lineage_before = get_u64(map->lineage) ^ 1,
					 .epoch = next->epoch,
					 .map = bytes_of(buffer_head(&code), code.len)};
	helper_member_hear(&h, &message);
	ck_assert_uint_eq(h.adopted, 0);
	message.lineage_before ^= 1;
	helper_member_hear(&h, &message);
	ck_assert_uint_eq(h.adopted, 1);
	buffer_reset(&code);
	ring_map_destroy(next);
	stop();
}
END_TEST

UNIT_MAIN("member_drive", 60, a_phase_begins_when_a_majority_of_those_to_come_answers,
	  a_full_member_is_given_no_blocks, a_change_runs_to_its_end,
	  a_majority_in_sync_waits_for_those_that_make_progress, a_silent_member_is_not_waited_for,
	  a_member_without_progress_is_not_waited_for_long,
	  a_fin_of_another_version_counts_for_nothing, a_cancelled_change_goes_back,
	  a_block_goes_back_by_itself_when_those_to_come_stay_away, at_most_ten_epochs_a_second,
	  a_node_that_joins_takes_map_and_number, survivors_recover_what_they_have,
	  a_recovered_block_is_stable_when_all_are_in_sync, who_does_not_answer_survives_nothing,
	  the_newest_map_is_recovered, a_survivor_takes_the_recovered_map)
