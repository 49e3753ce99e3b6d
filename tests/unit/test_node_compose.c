/* SPDX-License-Identifier: Apache-2.0
 *
 * node/batch and chains of node/series: operations of several clients in one round.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "helper_nodes.h"
#include "node/active.h"
#include "unit.h"

enum { BLOCK = 0 };

static struct helper_nodes n;
static struct store_key key;

static void open_nodes(void)
{
	helper_nodes_open(&n, 3);
	key = helper_nodes_key(&n, BLOCK);
}

static void close_idle(void)
{
	helper_nodes_settle(&n);
	ck_assert(helper_nodes_are_idle(&n));
	helper_nodes_close(&n);
}

static struct op put(const char *value)
{
	return (struct op){.kind = OP_PUT, .value = bytes_of_text(value)};
}

static struct op get(void)
{
	return (struct op){.kind = OP_GET};
}

static struct op incr(void)
{
	return (struct op){.kind = OP_INCR, .delta = 1};
}

static void ask(struct call *call, struct op op)
{
	helper_nodes_ask(&n, 0, call, &key, &op, 1);
}

static void do_now(struct op op)
{
	struct call call;
	helper_nodes_do(&n, 0, &call, &key, op);
	ck_assert_int_eq(call.task.whole.status, 0);
	helper_call_end(&n, &call);
	helper_nodes_settle(&n);
	memset(n.sent, 0, sizeof(n.sent));
}

static void finish(struct call *calls, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		helper_nodes_finish(&n, &calls[i]);
}

static void end(struct call *calls, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		helper_call_end(&n, &calls[i]);
}

START_TEST(all_that_wait_for_a_hot_key_go_in_one_accept)
{
	enum { COUNT = 20 };
	static struct call calls[COUNT + 1];
	open_nodes();
	do_now(put("0"));
	for (unsigned i = 0; i <= COUNT; i++)
		ask(&calls[i], incr());
	/* The first one is on its way alone. */
	finish(calls, COUNT + 1);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 2 * 2);
	ck_assert_uint_eq(n.sent[MESSAGE_PREPARE], 0);
	for (unsigned i = 0; i <= COUNT; i++)
		ck_assert_int_eq(calls[i].results[0].number, i + 1);
	end(calls, COUNT + 1);
	close_idle();
}
END_TEST

START_TEST(those_that_wait_for_a_promise_go_along)
{
	struct call calls[5];
	open_nodes();
	for (unsigned i = 0; i < 5; i++)
		ask(&calls[i], i == 2 ? get() : incr());
	finish(calls, 5);
	ck_assert_uint_eq(n.sent[MESSAGE_PREPARE], 2);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 2);
	ck_assert_uint_eq(n.sent[MESSAGE_READ], 0);
	ck_assert(bytes_equal(calls[2].results[0].value, bytes_of_text("2")));
	ck_assert_int_eq(calls[4].results[0].number, 4);
	end(calls, 5);
	close_idle();
}
END_TEST

START_TEST(reads_at_the_head_go_in_one_read_and_later_ones_in_the_next)
{
	struct call calls[6];
	open_nodes();
	do_now(put("1"));
	ask(&calls[0], get());
	for (unsigned i = 1; i < 6; i++)
		ask(&calls[i], get());
	ck_assert_uint_eq(n.sent[MESSAGE_READ], 2);
	/* What was asked after the first message is not served by its answers. */
	helper_nodes_deliver_all(&n, MESSAGE_READ, 0, 1);
	helper_nodes_deliver_all(&n, MESSAGE_VALUE, 1, 0);
	ck_assert(calls[0].is_done && !calls[1].is_done && !calls[5].is_done);
	finish(calls, 6);
	ck_assert_uint_eq(n.sent[MESSAGE_READ], 4);
	for (unsigned i = 0; i < 6; i++)
		ck_assert(bytes_equal(calls[i].results[0].value, bytes_of_text("1")));
	end(calls, 6);
	close_idle();
}
END_TEST

/* Between reads that are answered at once, one that turns out to change something. */
START_TEST(a_read_round_answers_up_to_the_first_that_must_change)
{
	struct call call, calls[3];
	struct op op = put("1");
	open_nodes();
	/* Node 0 misses the deletion of what it has. */
	do_now(put("0"));
	node_set_down(helper_nodes_node(&n, 1), 0, true);
	struct op del = {.kind = OP_DEL};
	helper_nodes_ask(&n, 1, &call, &key, &del, 1);
	helper_nodes_lose_all(&n, MESSAGE_PREPARE, 1, 0);
	helper_nodes_deliver_all(&n, MESSAGE_PREPARE, 1, 2);
	helper_nodes_deliver_all(&n, MESSAGE_PROMISE, 2, 1);
	helper_nodes_lose_all(&n, MESSAGE_ACCEPT, 1, 0);
	helper_nodes_deliver_all(&n, MESSAGE_ACCEPT, 1, 2);
	helper_nodes_deliver_all(&n, MESSAGE_OK, 2, 1);
	ck_assert(call.is_done);
	helper_call_end(&n, &call);
	while (n.letter_count > 0)
		helper_nodes_lose(&n, 0);
	/* The key is not hot here any more. */
	struct entry entry;
	struct node_step step = {0};
	ck_assert_int_eq(entry_load(helper_nodes_node(&n, 0), &step, &key, &entry), 0);
	entry.acceptor.hot = false;
	entry_save_promise(helper_nodes_node(&n, 0), &entry);

	memset(n.sent, 0, sizeof(n.sent));
	op.conditions = OP_IF_ABSENT;
	ask(&calls[0], get());
	helper_nodes_lose_all(&n, MESSAGE_READ, 0, ANYBODY);
	ask(&calls[1], op);
	ask(&calls[2], get());
	finish(calls, 3);
	ck_assert_int_eq(calls[0].results[0].status, DHT_ENOTFOUND);
	ck_assert_int_eq(calls[1].results[0].status, 0);
	ck_assert(bytes_equal(calls[2].results[0].value, bytes_of_text("1")));
	end(calls, 3);
	close_idle();
}
END_TEST

START_TEST(a_version_that_was_replaced_compares_with_nothing)
{
	struct call calls[4];
	open_nodes();
	do_now(put("0"));
	ask(&calls[0], get());
	ask(&calls[1], put("1"));
	ask(&calls[2], get());
	ask(&calls[3], put("2"));
	finish(calls, 4);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 2);
	struct ballot replaced = calls[1].results[0].version, latest = calls[3].results[0].version;
	ck_assert(bytes_equal(calls[2].results[0].value, bytes_of_text("1")));
	ck_assert(ballot_equal(calls[2].results[0].version, replaced));
	ck_assert_int_gt(ballot_compare(latest, replaced), 0);
	end(calls, 4);
	struct op op = {
	    .kind = OP_CAS_VERSION, .expected_version = replaced, .value = bytes_of_text("3")};
	struct call call;
	helper_nodes_do(&n, 0, &call, &key, op);
	ck_assert_int_eq(call.results[0].status, DHT_EPRECOND);
	helper_call_end(&n, &call);
	op.expected_version = latest;
	helper_nodes_do(&n, 0, &call, &key, op);
	ck_assert_int_eq(call.results[0].status, 0);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

/* However it was come by: no client has a version of what is being written. */
START_TEST(a_version_that_is_not_written_compares_with_nothing)
{
	struct call calls[3];
	open_nodes();
	do_now(put("0"));
	ask(&calls[0], get());
	ask(&calls[1], put("1"));
	struct op op = {.kind = OP_CAS_VERSION,
			.expected_version = {.order = UINT64_MAX, .version = UINT32_MAX},
			.value = bytes_of_text("2")};
	ask(&calls[2], op);
	finish(calls, 3);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 2);
	ck_assert_int_eq(calls[1].results[0].status, 0);
	ck_assert_int_eq(calls[2].results[0].status, DHT_EPRECOND);
	end(calls, 3);
	close_idle();
}
END_TEST

/* A value that one task wrote and another one shows is gone with the first one's owner, who is
 * here the node itself: it forgets what another node has sent as soon as it has answered. */
START_TEST(a_task_may_show_what_another_one_wrote)
{
	enum { LONG = 1000 };
	static char value[LONG];
	struct call calls[3];
	open_nodes();
	do_now(put("0"));
	memset(value, 'x', LONG);
	struct op op = {.kind = OP_PUT, .value = bytes_of(value, LONG)};
	ask(&calls[0], get()); /* so that the next ones wait */
	helper_nodes_ask(&n, 1, &calls[1], &key, &op, 1);
	ck_assert_uint_eq(helper_nodes_deliver_all(&n, MESSAGE_FORWARD, 1, 0), 1);
	ask(&calls[2], get());
	finish(calls, 3);
	ck_assert_uint_eq(calls[2].results[0].value.len, LONG);
	for (size_t i = 0; i < LONG; i++)
		UNIT_REQUIRE(calls[2].results[0].value.data[i] == 'x');
	end(calls, 3);
	close_idle();
}
END_TEST

START_TEST(a_batch_has_a_bound)
{
	enum { COUNT = 3 * ACTIVE_BATCH_MAX };
	static struct call calls[COUNT];
	open_nodes();
	do_now(put("0"));
	for (unsigned i = 0; i < COUNT; i++)
		ask(&calls[i], incr());
	finish(calls, COUNT);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 2 * (1 + 3));
	for (unsigned i = 0; i < COUNT; i++)
		ck_assert_int_eq(calls[i].results[0].number, i + 1);
	end(calls, COUNT);
	close_idle();
}
END_TEST

START_TEST(a_batch_has_a_bound_of_bytes)
{
	enum { COUNT = 4, LARGE = 500000 };
	static char value[LARGE];
	static struct call calls[COUNT];
	open_nodes();
	do_now(put("0"));
	struct op op = {.kind = OP_PUT, .value = bytes_of(value, LARGE)};
	ask(&calls[0], get());
	for (unsigned i = 1; i < COUNT; i++)
		ask(&calls[i], op);
	finish(calls, COUNT);
	/* What is replaced at once needs no record. */
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 2);
	end(calls, COUNT);
	close_idle();
}
END_TEST

/* The set is fixed by the ACCEPT that carried its change: a retry neither loses nor gains. */
START_TEST(a_batch_of_unknown_outcome_is_judged_as_one)
{
	struct call calls[4];
	open_nodes();
	do_now(put("0"));
	ask(&calls[0], get());
	ask(&calls[1], incr());
	ask(&calls[2], incr());
	helper_nodes_deliver_all(&n, MESSAGE_READ, 0, 1);
	helper_nodes_deliver_all(&n, MESSAGE_VALUE, 1, 0);
	ck_assert(calls[0].is_done);
	/* Both are in one ACCEPT now, that only node 1 hears of. */
	ck_assert_uint_eq(helper_nodes_deliver_all(&n, MESSAGE_ACCEPT, 0, 1), 1);
	while (n.letter_count > 0)
		helper_nodes_lose(&n, 0);
	ask(&calls[3], incr());
	finish(calls, 4);
	for (unsigned i = 1; i < 4; i++) {
		ck_assert_int_eq(calls[i].task.whole.status, 0);
		ck_assert_int_eq(calls[i].results[0].number, i);
	}
	end(calls, 4);
	close_idle();
}
END_TEST

START_TEST(what_comes_and_goes_within_a_batch_is_no_change)
{
	struct call calls[3];
	open_nodes();
	do_now(put("0"));
	do_now((struct op){.kind = OP_DEL});
	ask(&calls[0], get());
	ask(&calls[1], put("1"));
	ask(&calls[2], (struct op){.kind = OP_DEL});
	finish(calls, 3);
	ck_assert_int_eq(calls[0].results[0].status, DHT_ENOTFOUND);
	ck_assert_int_eq(calls[1].results[0].status, 0);
	ck_assert_int_eq(calls[2].results[0].status, 0);
	end(calls, 3);
	close_idle();
}
END_TEST

/* ---- At random --------------------------------------------------------------------------- */

enum { CLIENTS = 12, TURNS = 3000 };

static unsigned draw(unsigned below)
{
	return (unsigned)rand() % below;
}

static void move_letter(void)
{
	if (n.letter_count == 0)
		return;
	unsigned index = draw(n.letter_count < 8 ? n.letter_count : 8);
	bool is_forwarding = n.letters[index]->message.kind == MESSAGE_FORWARD ||
			     n.letters[index]->message.kind == MESSAGE_RESULT;
	unsigned chance = draw(100);
	if (chance < 4 && !is_forwarding)
		helper_nodes_lose(&n, index);
	else if (chance < 8 && !is_forwarding)
		helper_nodes_repeat(&n, index);
	else
		helper_nodes_deliver(&n, index);
}

/* What became of the increments so far. */
struct tally {
	bool seen[TURNS + 2]; /* numbers that were answered */
	int64_t answered, unknown, highest;
};

static void count(struct tally *tally, struct call *call)
{
	int status = call->task.whole.status;
	UNIT_REQUIRE(status == 0 || status == DHT_EUNCERTAIN || status == DHT_ENOQUORUM);
	if (call->ops[0].kind == OP_INCR && status == 0) {
		int64_t number = call->results[0].number;
		UNIT_REQUIRE(number > 0 && number < TURNS && !tally->seen[number]);
		tally->seen[number] = true;
		tally->answered++;
		tally->highest = number > tally->highest ? number : tally->highest;
	}
	tally->unknown += status == DHT_EUNCERTAIN;
	helper_call_end(&n, call);
}

/* The block as it is after so many changes of its phase: the same replicas all the time. */
static struct ring_block block_after(unsigned changes)
{
	struct ring_block block;
	ring_map_get_block(n.map, BLOCK, &block);
	block.version += changes;
	block.start = changes > 0 ? block.version - (changes + 1) % 2 : block.start;
	if (changes % 2 == 1) {
		block.phase = RING_JOINT;
		block.next = block.old;
		memcpy(block.next_since, block.old_since, sizeof(block.next_since));
	}
	return block;
}

/* Lets one node adopt what is new; none is more than one change behind. */
static void change_version(unsigned changes[3])
{
	unsigned at = draw(3);
	unsigned lowest = changes[0];
	for (unsigned i = 1; i < 3; i++)
		lowest = changes[i] < lowest ? changes[i] : lowest;
	if (changes[at] > lowest)
		return;
	struct ring_block block = block_after(++changes[at]);
	helper_nodes_move(&n, at, BLOCK, &block);
}

static void count_increments(struct tally *tally, unsigned seed, bool with_versions)
{
	static struct call calls[CLIENTS];
	bool is_busy[CLIENTS] = {false};
	unsigned changes[3] = {0};
	srand(seed);
	for (int turn = 0; turn < TURNS; turn++) {
		unsigned i = draw(CLIENTS);
		if (!is_busy[i] && draw(4) == 0) {
			struct op op = draw(4) == 0 ? get() : incr();
			helper_nodes_ask(&n, draw(3), &calls[i], &key, &op, 1);
			is_busy[i] = true;
		} else if (is_busy[i] && calls[i].is_done) {
			count(tally, &calls[i]);
			is_busy[i] = false;
		} else if (draw(20) == 0) {
			helper_nodes_pass(&n, draw(400));
		} else if (draw(50) == 0) {
			/* Who coordinates changes with what each of them believes. */
			node_set_down(helper_nodes_node(&n, draw(3)), (uint16_t)draw(3),
				      draw(2) == 0);
		} else if (with_versions && draw(40) == 0) {
			change_version(changes);
		} else {
			move_letter();
		}
	}
	while (with_versions && (changes[0] != changes[1] || changes[1] != changes[2]))
		change_version(changes);
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (!is_busy[i])
			continue;
		helper_nodes_finish(&n, &calls[i]);
		count(tally, &calls[i]);
	}
}

/* Every increment that was answered counts once, those of unknown outcome at most once, and no
 * answer is given twice. */
static void check_increments(unsigned seed, bool with_versions)
{
	static struct tally tally;
	struct call call;
	memset(&tally, 0, sizeof(tally));
	open_nodes();
	count_increments(&tally, seed, with_versions);
	helper_nodes_do(&n, 1, &call, &key, incr());
	int64_t total = call.results[0].number - 1;
	helper_call_end(&n, &call);
	ck_assert_int_ge(total, tally.answered);
	ck_assert_int_le(total, tally.answered + tally.unknown);
	ck_assert_int_ge(total, tally.highest);
	ck_assert_int_gt(tally.answered, 20);
	close_idle();
}

START_TEST(increments_are_counted_once)
{
	check_increments((unsigned)_i + 1, false);
}
END_TEST

START_TEST(increments_are_counted_once_while_versions_change)
{
	check_increments((unsigned)_i + 1, true);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node_compose");
	TCase *tcase = tcase_create("node_compose");
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, all_that_wait_for_a_hot_key_go_in_one_accept);
	tcase_add_test(tcase, those_that_wait_for_a_promise_go_along);
	tcase_add_test(tcase, reads_at_the_head_go_in_one_read_and_later_ones_in_the_next);
	tcase_add_test(tcase, a_read_round_answers_up_to_the_first_that_must_change);
	tcase_add_test(tcase, a_version_that_was_replaced_compares_with_nothing);
	tcase_add_test(tcase, a_version_that_is_not_written_compares_with_nothing);
	tcase_add_test(tcase, a_task_may_show_what_another_one_wrote);
	tcase_add_test(tcase, a_batch_has_a_bound);
	tcase_add_test(tcase, a_batch_has_a_bound_of_bytes);
	tcase_add_test(tcase, a_batch_of_unknown_outcome_is_judged_as_one);
	tcase_add_test(tcase, what_comes_and_goes_within_a_batch_is_no_change);
	tcase_add_loop_test(tcase, increments_are_counted_once, 0, 20);
	tcase_add_loop_test(tcase, increments_are_counted_once_while_versions_change, 0, 20);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
