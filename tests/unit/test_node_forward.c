/* SPDX-License-Identifier: Apache-2.0
 *
 * node/forward: who coordinates what, and how it ends when that is another node.
 */
#include <stdlib.h>

#include "base/error.h"
#include "helper_nodes.h"
#include "node/entry.h"
#include "node/forward.h"
#include "unit.h"

enum { BLOCK = 0 }; /* of five nodes the first three are its replicas */

static struct helper_nodes n;
static struct store_key key;

static void open_nodes(void)
{
	helper_nodes_open(&n, 5);
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

static void do_at(unsigned at, struct call *call, struct op op)
{
	memset(n.sent, 0, sizeof(n.sent));
	helper_nodes_do(&n, at, call, &key, op);
}

static void lose_all(void)
{
	while (n.letter_count > 0)
		helper_nodes_lose(&n, 0);
}

static void require_forwarded(unsigned from, unsigned to)
{
	ck_assert_int_ge(helper_nodes_find(&n, MESSAGE_FORWARD, (uint16_t)from, (uint16_t)to), 0);
	ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], 1);
}

START_TEST(a_write_goes_to_the_first_live_replica)
{
	struct call call;
	struct op op = put("1");
	open_nodes();
	for (unsigned from = 0; from < 5; from++) {
		do_at(from, &call, op);
		ck_assert_int_eq(call.results[0].status, 0);
		ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], from == 0 ? 0 : 1);
		ck_assert_uint_eq(n.sent[MESSAGE_RESULT], from == 0 ? 0 : 1);
		helper_call_end(&n, &call);
		helper_nodes_settle(&n);
	}
	for (unsigned from = 1; from < 5; from++) {
		node_set_down(helper_nodes_node(&n, from), 0, true);
		do_at(from, &call, op);
		ck_assert_int_eq(call.results[0].status, 0);
		ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], from == 1 ? 0 : 1);
		helper_call_end(&n, &call);
		helper_nodes_settle(&n);
	}
	close_idle();
}
END_TEST

START_TEST(a_node_that_is_hot_for_the_key_writes_it_itself)
{
	struct call call;
	open_nodes();
	node_set_down(helper_nodes_node(&n, 2), 0, true);
	node_set_down(helper_nodes_node(&n, 2), 1, true);
	do_at(2, &call, put("1"));
	ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], 0);
	helper_call_end(&n, &call);
	helper_nodes_settle(&n);
	node_set_down(helper_nodes_node(&n, 2), 0, false);
	do_at(2, &call, put("2"));
	ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], 0);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 2);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

START_TEST(a_read_stays_at_a_replica)
{
	struct call call;
	open_nodes();
	for (unsigned at = 0; at < 5; at++) {
		do_at(at, &call, get());
		ck_assert_int_eq(call.results[0].status, DHT_ENOTFOUND);
		ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], at < 3 ? 0 : 1);
		helper_call_end(&n, &call);
	}
	close_idle();
}
END_TEST

START_TEST(results_and_their_values_come_back)
{
	enum { LARGE = 100000 };
	static char value[LARGE];
	struct call call;
	memset(value, 'x', LARGE);
	open_nodes();
	do_at(4, &call, (struct op){.kind = OP_PUT, .value = bytes_of(value, LARGE)});
	ck_assert(!ballot_is_absent(call.results[0].version));
	helper_call_end(&n, &call);
	struct op ops[] = {get(), put("12"), incr(), get(), {.kind = OP_DEL, .wants_value = true}};
	helper_nodes_ask(&n, 3, &call, &key, ops, 5);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.task.whole.status, 0);
	ck_assert(bytes_equal(call.results[0].value, bytes_of(value, LARGE)));
	ck_assert_int_eq(call.results[2].number, 13);
	ck_assert(bytes_equal(call.results[3].value, bytes_of_text("13")));
	ck_assert(bytes_equal(call.results[4].value, bytes_of_text("13")));
	ck_assert_uint_eq(call.task.whole.location, 0);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

START_TEST(a_write_that_may_have_arrived_is_not_sent_again)
{
	struct call call;
	struct op op = incr();
	open_nodes();
	helper_nodes_ask(&n, 4, &call, &key, &op, 1);
	require_forwarded(4, 0);
	lose_all();
	while (!call.is_done) {
		helper_nodes_pass(&n, 10000);
		ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], 1);
	}
	ck_assert_int_eq(call.task.whole.status, DHT_EUNCERTAIN);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

START_TEST(a_result_that_comes_too_late_is_dropped)
{
	struct call call;
	struct op op = incr();
	open_nodes();
	helper_nodes_ask(&n, 4, &call, &key, &op, 1);
	uint64_t begun_us = n.now_us;
	while (n.sent[MESSAGE_RESULT] == 0)
		helper_nodes_deliver(&n, 0);
	while (!call.is_done)
		helper_nodes_pass(&n, 10000);
	ck_assert_int_eq(call.task.whole.status, DHT_EUNCERTAIN);
	ck_assert_uint_le(n.now_us - begun_us, 5010000);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

/* The coordinator ends before the one that has sent it the task. */
START_TEST(a_coordinator_says_in_time_that_nothing_was_done)
{
	struct call call;
	struct op op = put("1");
	open_nodes();
	helper_nodes_ask(&n, 4, &call, &key, &op, 1);
	helper_nodes_deliver_all(&n, MESSAGE_FORWARD, 4, 0);
	while (!call.is_done) {
		for (unsigned kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
			if (kind != MESSAGE_RESULT)
				helper_nodes_lose_all(&n, kind, ANYBODY, ANYBODY);
		}
		helper_nodes_pass(&n, 1000);
		helper_nodes_deliver_all(&n, MESSAGE_RESULT, 0, 4);
	}
	ck_assert_int_eq(call.task.whole.status, DHT_ENOQUORUM);
	/* As seen there, where nobody but itself has answered. */
	ck_assert_uint_eq(call.task.asked, 3);
	ck_assert_uint_eq(call.task.answered, 1);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

static int peer_lost(unsigned at, uint16_t member)
{
	struct helper_node *h = &n.members[at].h;
	h->step.now_us = n.now_us;
	node_set_down(&h->node, member, true);
	return forward_peer_lost(&h->node, &h->step, BLOCK, member);
}

START_TEST(a_lost_link_ends_writes_and_lets_reads_go_elsewhere)
{
	struct call writes, reads, others;
	struct op op = put("1");
	open_nodes();
	helper_nodes_ask(&n, 4, &writes, &key, &op, 1);
	op = get();
	helper_nodes_ask(&n, 4, &reads, &key, &op, 1);
	lose_all();
	ck_assert_int_eq(peer_lost(4, 3), 0);
	ck_assert(!writes.is_done && !reads.is_done);
	ck_assert_int_eq(peer_lost(4, 0), 0);
	ck_assert(writes.is_done);
	ck_assert_int_eq(writes.task.whole.status, DHT_EUNCERTAIN);
	ck_assert(!reads.is_done);
	ck_assert_int_ge(helper_nodes_find(&n, MESSAGE_FORWARD, 4, 1), 0);
	helper_nodes_finish(&n, &reads);
	ck_assert_int_eq(reads.results[0].status, DHT_ENOTFOUND);
	op = put("2");
	helper_nodes_ask(&n, 4, &others, &key, &op, 1);
	ck_assert_int_ge(helper_nodes_find(&n, MESSAGE_FORWARD, 4, 1), 0);
	helper_nodes_finish(&n, &others);
	helper_call_end(&n, &writes);
	helper_call_end(&n, &reads);
	helper_call_end(&n, &others);
	close_idle();
}
END_TEST

static int peer_slow(unsigned at, uint16_t member)
{
	struct helper_node *h = &n.members[at].h;
	h->step.now_us = n.now_us;
	node_set_slow(&h->node, member, true);
	return forward_peer_slow(&h->node, &h->step, BLOCK, member);
}

START_TEST(a_slow_replica_is_bypassed_by_what_comes_next)
{
	struct call waiting, next;
	struct op op = put("1");
	open_nodes();
	helper_nodes_ask(&n, 4, &waiting, &key, &op, 1);
	ck_assert_int_eq(peer_slow(4, 0), 0);
	ck_assert(!waiting.is_done);
	op = put("2");
	helper_nodes_ask(&n, 4, &next, &key, &op, 1);
	ck_assert_int_ge(helper_nodes_find(&n, MESSAGE_FORWARD, 4, 1), 0);
	helper_nodes_finish(&n, &next);
	ck_assert_int_eq(next.results[0].status, 0);
	/* What it was sent before is not asked again: it may be done. */
	ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], 2);
	helper_nodes_finish(&n, &waiting);
	ck_assert_int_eq(waiting.results[0].status, 0);
	helper_call_end(&n, &next);
	helper_call_end(&n, &waiting);

	/* A slow one is better than one that is down, and a replica that answers than both. */
	for (uint16_t down = 1; down <= 2; down++)
		node_set_down(helper_nodes_node(&n, 4), down, true);
	op = put("3");
	memset(n.sent, 0, sizeof(n.sent));
	helper_nodes_ask(&n, 4, &next, &key, &op, 1);
	require_forwarded(4, 0);
	helper_nodes_finish(&n, &next);
	helper_call_end(&n, &next);
	ck_assert_int_eq(peer_slow(1, 0), 0);
	do_at(1, &next, put("4"));
	ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], 0);
	helper_call_end(&n, &next);
	close_idle();
}
END_TEST

START_TEST(a_read_does_not_wait_for_a_slow_replica)
{
	struct call call;
	struct op op = get();
	open_nodes();
	helper_nodes_ask(&n, 4, &call, &key, &op, 1);
	lose_all();
	for (uint16_t slow = 1; slow <= 2; slow++)
		node_set_slow(helper_nodes_node(&n, 4), slow, true);
	/* Nobody else is likely to answer. */
	ck_assert_int_eq(peer_slow(4, 0), 0);
	ck_assert_int_eq(helper_nodes_find(&n, MESSAGE_FORWARD, 4, ANYBODY), -1);
	node_set_slow(helper_nodes_node(&n, 4), 2, false);
	ck_assert_int_eq(peer_slow(4, 0), 0);
	ck_assert_int_ge(helper_nodes_find(&n, MESSAGE_FORWARD, 4, 2), 0);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.results[0].status, DHT_ENOTFOUND);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

static void say_not_sent(unsigned at)
{
	struct helper_node *h = &n.members[at].h;
	int index = helper_nodes_find(&n, MESSAGE_FORWARD, (uint16_t)at, ANYBODY);
	ck_assert_int_ge(index, 0);
	uint64_t tag = n.letters[index]->message.tag;
	helper_nodes_lose(&n, (unsigned)index);
	ck_assert_int_eq(forward_failed(&h->node, &h->step, BLOCK, tag), 0);
}

START_TEST(what_was_certainly_not_sent_goes_to_the_next)
{
	struct call call;
	struct op op = put("1");
	open_nodes();
	helper_nodes_ask(&n, 4, &call, &key, &op, 1);
	ck_assert_int_ge(helper_nodes_find(&n, MESSAGE_FORWARD, 4, 0), 0);
	say_not_sent(4);
	ck_assert_int_ge(helper_nodes_find(&n, MESSAGE_FORWARD, 4, 1), 0);
	say_not_sent(4);
	ck_assert_int_ge(helper_nodes_find(&n, MESSAGE_FORWARD, 4, 2), 0);
	say_not_sent(4);
	ck_assert(call.is_done);
	ck_assert_int_eq(call.task.whole.status, DHT_ENOQUORUM);
	helper_call_end(&n, &call);

	/* A replica does it itself in the end. */
	helper_nodes_ask(&n, 2, &call, &key, &op, 1);
	say_not_sent(2);
	say_not_sent(2);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.task.whole.status, 0);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

static void move(unsigned at, const struct ring_block *to)
{
	helper_nodes_move(&n, at, BLOCK, to);
}

/* The members 2, 3 and 4, in a version that not all know. */
static struct ring_block moved(void)
{
	struct ring_block block;
	ring_map_get_block(n.map, BLOCK, &block);
	block.version += 2;
	block.start = block.version - 1;
	block.old = (struct ring_replicas){.count = 3, .members = {2, 3, 4}};
	for (int i = 0; i < 3; i++)
		block.old_since[i] = block.start;
	return block;
}

/* It will be no replica of the block, and could not find out what had become of a write that it
 * had under way then. */
START_TEST(a_replica_that_leaves_coordinates_no_writes)
{
	struct call call;
	open_nodes();
	do_at(0, &call, put("1"));
	ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], 0); /* it is hot now */
	helper_call_end(&n, &call);
	helper_nodes_settle(&n);
	struct ring_block joint;
	ring_map_get_block(n.map, BLOCK, &joint);
	joint.phase = RING_JOINT;
	joint.start = ++joint.version;
	joint.next = (struct ring_replicas){.count = 3, .members = {3, 2, 1}};
	joint.next_since[0] = joint.start;
	for (unsigned at = 0; at < 5; at++)
		move(at, &joint);
	for (unsigned from = 0; from < 5; from++) {
		do_at(from, &call, put("2"));
		ck_assert_int_eq(call.results[0].status, 0);
		if (from != 2)
			ck_assert_int_eq(n.sent[MESSAGE_FORWARD], 1);
		helper_call_end(&n, &call);
		helper_nodes_settle(&n);
	}
	/* Where none that stays lives, one that comes does it. */
	for (uint16_t down = 1; down <= 2; down++)
		node_set_down(helper_nodes_node(&n, 0), down, true);
	struct op op = put("3");
	helper_nodes_ask(&n, 0, &call, &key, &op, 1);
	ck_assert_int_ge(helper_nodes_find(&n, MESSAGE_FORWARD, 0, 3), 0);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.results[0].status, 0);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

START_TEST(who_is_no_replica_says_so_and_another_one_is_asked)
{
	struct call call;
	struct op op = put("1");
	open_nodes();
	struct ring_block to = moved();
	for (unsigned at = 0; at < 4; at++)
		move(at, &to);
	helper_nodes_ask(&n, 4, &call, &key, &op, 1); /* of the old map */
	ck_assert_uint_eq(helper_nodes_deliver_all(&n, MESSAGE_FORWARD, 4, 0), 1);
	ck_assert_uint_eq(helper_nodes_deliver_all(&n, MESSAGE_RESULT, 0, 4), 1);
	ck_assert(!call.is_done);
	ck_assert_int_ge(helper_nodes_find(&n, MESSAGE_FORWARD, 4, 1), 0);
	move(4, &to);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.task.whole.status, 0);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

/* Puts large values under new keys, through a node, until it says that there is no room. */
static void fill(unsigned through)
{
	static char value[100000];
	unsigned from = 100000;
	int status = 0;
	for (int i = 0; i < 200 && status != DHT_ENOSPC; i++) {
		struct call call;
		key = helper_node_key(&n.members[0].h,
				      helper_node_text_in(&n.members[0].h, BLOCK, &from));
		do_at(through, &call,
		      (struct op){.kind = OP_PUT, .value = bytes_of(value, sizeof(value))});
		status = call.task.whole.status;
		helper_call_end(&n, &call);
		helper_nodes_settle(&n);
	}
	ck_assert_int_eq(status, DHT_ENOSPC);
}

static void limit_disk(unsigned at)
{
	helper_disk_set_capacity(&n.members[at].h.disk, 5 << 20);
}

START_TEST(a_coordinator_without_room_is_passed_over)
{
	static char value[100000];
	const struct op op = {.kind = OP_PUT, .value = bytes_of(value, sizeof(value))};
	struct call call;
	open_nodes();
	limit_disk(0);
	fill(0);
	for (unsigned from = 1; from < 5; from++) {
		do_at(from, &call, op);
		ck_assert_int_eq(call.task.whole.status, 0);
		ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], from == 1 ? 1 : 2);
		helper_call_end(&n, &call);
		helper_nodes_settle(&n);
	}
	close_idle();
}
END_TEST

START_TEST(where_nobody_has_room_that_is_said)
{
	open_nodes();
	for (unsigned at = 0; at < 3; at++)
		limit_disk(at);
	fill(4);
	close_idle();
}
END_TEST

START_TEST(a_forward_of_a_newer_map_is_taken_and_the_map_wanted)
{
	struct call call;
	struct op op = put("1");
	open_nodes();
	struct ring_block to = moved();
	move(0, &to); /* it is none any more; the others do not know yet */
	move(3, &to);
	helper_nodes_ask(&n, 0, &call, &key, &op, 1);
	ck_assert_int_ge(helper_nodes_find(&n, MESSAGE_FORWARD, 0, 2), 0);
	unsigned wanted = n.wants_map;
	helper_nodes_deliver_all(&n, MESSAGE_FORWARD, 0, 2);
	ck_assert_uint_eq(n.wants_map, wanted + 1);
	move(2, &to);
	move(4, &to);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.task.whole.status, 0);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

/* Its coordinator has left the block before it had begun. */
START_TEST(a_forwarded_task_does_not_go_on_to_a_third_node)
{
	struct call call;
	struct op op = put("1");
	open_nodes();
	struct ring_block to = moved();
	helper_nodes_ask(&n, 4, &call, &key, &op, 1);
	helper_nodes_deliver_all(&n, MESSAGE_FORWARD, 4, 0);
	ck_assert_uint_eq(n.sent[MESSAGE_PREPARE], 2);
	move(0, &to);
	ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], 1);
	ck_assert_uint_eq(helper_nodes_deliver_all(&n, MESSAGE_RESULT, 0, 4), 1);
	ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], 2);
	for (unsigned at = 1; at < 5; at++)
		move(at, &to);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.task.whole.status, 0);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

START_TEST(nonsense_is_dropped)
{
	struct call call;
	struct op op = get();
	open_nodes();
	helper_nodes_ask(&n, 4, &call, &key, &op, 1);
	int index = helper_nodes_find(&n, MESSAGE_FORWARD, 4, 0);
	struct op_result whole = {0}, results[2] = {{0}};
	struct message m = {.kind = MESSAGE_RESULT,
			    .from = 1,
			    .block = BLOCK,
			    .tag = n.letters[index]->message.tag,
			    .key = key.key,
			    .whole = &whole,
			    .results = results,
			    .op_count = 1};
	struct helper_node *h = &n.members[4].h;
	ck_assert_int_eq(helper_node_handle(h, &m), 0); /* not whom it was sent to */
	m.from = 0;
	m.op_count = 2;
	ck_assert_int_eq(helper_node_handle(h, &m), 0);
	m.op_count = 1;
	m.tag++;
	ck_assert_int_eq(helper_node_handle(h, &m), 0);
	m.tag--;
	m.whole = NULL;
	ck_assert_int_eq(helper_node_handle(h, &m), 0);
	ck_assert(!call.is_done);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.results[0].status, DHT_ENOTFOUND);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

START_TEST(who_refuses_and_knows_a_newer_map_has_it_asked_for)
{
	struct call call;
	struct op op = put("1");
	const struct ring_block moved = {
	    .phase = RING_STABLE, .version = 2, .old = {.members = {1, 2, 3}, .count = 3}};
	open_nodes();
	helper_nodes_ask(&n, 4, &call, &key, &op, 1);
	helper_nodes_move(&n, 0, BLOCK, &moved);
	helper_nodes_deliver_all(&n, MESSAGE_FORWARD, 4, 0);
	ck_assert_uint_eq(n.wants_map, 0);
	ck_assert_uint_eq(helper_nodes_deliver_all(&n, MESSAGE_RESULT, 0, 4), 1);
	ck_assert_uint_eq(n.wants_map, 1);
	for (unsigned i = 1; i < 5; i++)
		helper_nodes_move(&n, i, BLOCK, &moved);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.results[0].status, 0);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

/* What its owner does with a task that is over: it is not the node's any more. */
static void scribble(void *ctx, struct task *task)
{
	(void)ctx;
	DHT_CONTAINER_OF(task, struct call, task)->is_done = true;
	task->series.key.block = UINT32_MAX / 2;
}

START_TEST(a_task_that_came_back_may_be_over_at_once)
{
	struct call call;
	struct op op = put("1");
	struct ring_block alone = {
	    .phase = RING_STABLE, .version = 1, .old = {.members = {4}, .count = 1}};
	open_nodes();
	helper_nodes_ask(&n, 4, &call, &key, &op, 1);
	helper_nodes_move(&n, 0, BLOCK, &alone);
	helper_nodes_deliver_all(&n, MESSAGE_FORWARD, 4, 0);
	helper_nodes_move(&n, 4, BLOCK, &alone);
	n.members[4].h.effects.done = scribble;
	ck_assert_uint_eq(helper_nodes_deliver_all(&n, MESSAGE_RESULT, 0, 4), 1);
	ck_assert(call.is_done);
	ck_assert_int_eq(call.task.whole.status, 0);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

/* Tasks under way are forgotten with the node, those of others freed. */
START_TEST(a_node_may_end_with_tasks_under_way)
{
	struct call calls[3];
	struct op op = put("1");
	open_nodes();
	helper_nodes_ask(&n, 4, &calls[0], &key, &op, 1);
	helper_nodes_deliver_all(&n, MESSAGE_FORWARD, 4, 0);
	helper_nodes_ask(&n, 0, &calls[1], &key, &op, 1);
	helper_nodes_ask(&n, 3, &calls[2], &key, &op, 1);
	lose_all();
	helper_nodes_close(&n);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(!calls[i].is_done);
		task_fini(&calls[i].task);
	}
}
END_TEST

UNIT_MAIN("node_forward", 60, a_write_goes_to_the_first_live_replica,
	  a_node_that_is_hot_for_the_key_writes_it_itself, a_read_stays_at_a_replica,
	  results_and_their_values_come_back, a_write_that_may_have_arrived_is_not_sent_again,
	  a_result_that_comes_too_late_is_dropped, a_coordinator_says_in_time_that_nothing_was_done,
	  a_lost_link_ends_writes_and_lets_reads_go_elsewhere,
	  a_slow_replica_is_bypassed_by_what_comes_next, a_read_does_not_wait_for_a_slow_replica,
	  what_was_certainly_not_sent_goes_to_the_next, a_replica_that_leaves_coordinates_no_writes,
	  who_is_no_replica_says_so_and_another_one_is_asked,
	  a_coordinator_without_room_is_passed_over, where_nobody_has_room_that_is_said,
	  a_forward_of_a_newer_map_is_taken_and_the_map_wanted,
	  a_forwarded_task_does_not_go_on_to_a_third_node, nonsense_is_dropped,
	  who_refuses_and_knows_a_newer_map_has_it_asked_for,
	  a_task_that_came_back_may_be_over_at_once, a_node_may_end_with_tasks_under_way)
