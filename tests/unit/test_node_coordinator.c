/* SPDX-License-Identifier: Apache-2.0
 *
 * node/coordinator: operations over three replicas, with every message in hand.
 */
#include <stdlib.h>

#include "base/error.h"
#include "helper_nodes.h"
#include "node/coordinator.h"
#include "node/entry.h"
#include "paxos/round.h"
#include "unit.h"

enum { BLOCK = 0, T = 1000000 };

static struct helper_nodes n;
static struct store_key key;

static void open_nodes(unsigned count)
{
	helper_nodes_open(&n, count);
	key = helper_nodes_key(&n, BLOCK);
}

static struct op put(const char *value)
{
	return (struct op){.kind = OP_PUT, .value = bytes_of_text(value)};
}

static struct op put_if_absent(const char *value)
{
	struct op op = put(value);
	op.conditions = OP_IF_ABSENT;
	return op;
}

static struct op get(void)
{
	return (struct op){.kind = OP_GET};
}

static struct op del(void)
{
	return (struct op){.kind = OP_DEL};
}

static struct op incr(int64_t delta)
{
	return (struct op){.kind = OP_INCR, .delta = delta};
}

/* Does an operation at a node, and returns its status. */
static int status_of(unsigned at, struct op op)
{
	struct call call;
	helper_nodes_do(&n, at, &call, &key, op);
	int status = call.task.whole.status != 0 ? call.task.whole.status : call.results[0].status;
	helper_call_end(&n, &call);
	return status;
}

static void require_value(unsigned at, const char *value)
{
	struct call call;
	helper_nodes_do(&n, at, &call, &key, get());
	ck_assert_int_eq(call.task.whole.status, 0);
	if (value == NULL) {
		ck_assert_int_eq(call.results[0].status, DHT_ENOTFOUND);
	} else {
		ck_assert_int_eq(call.results[0].status, 0);
		ck_assert(bytes_equal(call.results[0].value, bytes_of_text(value)));
	}
	helper_call_end(&n, &call);
}

static struct entry entry_of(unsigned at)
{
	struct entry entry;
	struct node_step step = {0};
	ck_assert_int_eq(entry_load(helper_nodes_node(&n, at), &step, &key, &entry), 0);
	return entry;
}

static unsigned total_sent(void)
{
	unsigned total = 0;
	for (unsigned kind = 0; kind < MESSAGE_KIND_COUNT; kind++)
		total += n.sent[kind];
	return total;
}

static void forget_counts(void)
{
	memset(n.sent, 0, sizeof(n.sent));
}

static void close_idle(void)
{
	ck_assert(helper_nodes_are_idle(&n));
	helper_nodes_close(&n);
}

/* ---- Economy --------------------------------------------------------------------------- */

static void logs(uint64_t log[3])
{
	for (unsigned i = 0; i < 3; i++)
		log[i] = helper_nodes_log(&n, i);
}

static void require_one_append(const uint64_t before[3])
{
	for (unsigned i = 0; i < 3; i++) {
		struct entry entry = entry_of(i);
		ck_assert_uint_eq(helper_nodes_log(&n, i) - before[i],
				  record_size(&entry.hit.record));
	}
}

START_TEST(a_first_write_takes_two_round_trips_and_the_next_one)
{
	uint64_t log[3];
	open_nodes(3);
	logs(log);
	ck_assert_int_eq(status_of(0, put("1")), 0);
	ck_assert_uint_eq(n.sent[MESSAGE_PREPARE], 2);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 2);
	ck_assert_uint_eq(total_sent(), 8);
	helper_nodes_settle(&n);
	require_one_append(log);
	ck_assert(entry_of(0).acceptor.hot);

	for (int i = 0; i < 3; i++) {
		forget_counts();
		logs(log);
		ck_assert_int_eq(status_of(0, put("2")), 0);
		ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 2);
		ck_assert_uint_eq(total_sent(), 4);
		helper_nodes_settle(&n);
		require_one_append(log);
	}
	close_idle();
}
END_TEST

START_TEST(a_read_takes_one_round_trip_and_no_append)
{
	uint64_t log[3], after[3];
	open_nodes(3);
	ck_assert_int_eq(status_of(0, put("1")), 0);
	helper_nodes_settle(&n);
	for (unsigned at = 0; at < 3; at++) {
		logs(log);
		forget_counts();
		require_value(at, "1");
		ck_assert_uint_eq(n.sent[MESSAGE_READ], 2);
		ck_assert_uint_eq(total_sent(), 4);
		logs(after);
		ck_assert_mem_eq(log, after, sizeof(log));
	}
	ck_assert(entry_of(0).acceptor.hot);
	close_idle();
}
END_TEST

START_TEST(a_write_that_changes_nothing_is_a_read)
{
	open_nodes(3);
	forget_counts();
	ck_assert_int_eq(status_of(0, del()), DHT_ENOTFOUND);
	ck_assert_uint_eq(n.sent[MESSAGE_READ], 2);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 0);
	ck_assert_int_eq(status_of(0, put("1")), 0);
	helper_nodes_settle(&n);
	helper_nodes_node(&n, 0)->down[0] = 1; /* node 1 coordinates */
	forget_counts();
	node_set_down(helper_nodes_node(&n, 1), 0, true);
	ck_assert_int_eq(status_of(1, put_if_absent("2")), DHT_EPRECOND);
	ck_assert_uint_eq(n.sent[MESSAGE_READ], 2);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 0);
	require_value(2, "1");
	close_idle();
}
END_TEST

START_TEST(a_conditional_write_that_must_change_something_prepares_at_once)
{
	open_nodes(3);
	ck_assert_int_eq(status_of(0, put("1")), 0);
	helper_nodes_settle(&n);
	node_set_down(helper_nodes_node(&n, 1), 0, true);
	forget_counts();
	ck_assert_int_eq(status_of(1, del()), 0);
	ck_assert_uint_eq(n.sent[MESSAGE_READ], 0);
	ck_assert_uint_eq(n.sent[MESSAGE_PREPARE], 2);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 2);
	close_idle();
}
END_TEST

/* It has missed the write, so it expects nothing to be there. */
START_TEST(a_write_that_began_with_a_read_takes_three_round_trips)
{
	struct call call;
	open_nodes(3);
	struct op op = put("1");
	helper_nodes_ask(&n, 0, &call, &key, &op, 1);
	helper_nodes_deliver_all(&n, MESSAGE_PREPARE, 0, 2);
	helper_nodes_deliver_all(&n, MESSAGE_PROMISE, 2, 0);
	helper_nodes_lose_all(&n, MESSAGE_PREPARE, 0, 1);
	helper_nodes_lose_all(&n, MESSAGE_ACCEPT, 0, 1);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.results[0].status, 0);
	helper_call_end(&n, &call);
	node_set_down(helper_nodes_node(&n, 1), 0, true);
	forget_counts();
	ck_assert_int_eq(status_of(1, del()), 0);
	ck_assert_uint_eq(n.sent[MESSAGE_READ], 2);
	ck_assert_uint_eq(n.sent[MESSAGE_PREPARE], 2);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 2);
	close_idle();
}
END_TEST

START_TEST(a_block_with_one_replica_sends_nothing)
{
	open_nodes(1);
	ck_assert_int_eq(status_of(0, put("1")), 0);
	require_value(0, "1");
	ck_assert_int_eq(status_of(0, del()), 0);
	require_value(0, NULL);
	ck_assert_uint_eq(total_sent(), 0);
	ck_assert_uint_eq(n.alarm_count, 0);
	close_idle();
}
END_TEST

/* ---- Results --------------------------------------------------------------------------- */

START_TEST(every_operation_has_its_result)
{
	open_nodes(3);
	require_value(0, NULL);
	ck_assert_int_eq(status_of(0, incr(5)), 0);
	ck_assert_int_eq(status_of(0, incr(2)), 0);
	require_value(1, "7");
	ck_assert_int_eq(
	    status_of(0,
		      (struct op){.kind = OP_APPEND, .value = bytes_of_text("x"), .value_max = 2}),
	    0);
	require_value(2, "7x");
	ck_assert_int_eq(status_of(0, incr(1)), DHT_ETYPE);
	ck_assert_int_eq(
	    status_of(0,
		      (struct op){.kind = OP_APPEND, .value = bytes_of_text("x"), .value_max = 2}),
	    DHT_ETOOBIG);
	ck_assert_int_eq(status_of(0, (struct op){.kind = OP_CAS_VALUE,
						  .expected = bytes_of_text("7"),
						  .value = bytes_of_text("8")}),
			 DHT_EPRECOND);
	ck_assert_int_eq(status_of(0, (struct op){.kind = OP_CAS_VALUE,
						  .expected = bytes_of_text("7x"),
						  .value = bytes_of_text("8")}),
			 0);
	struct ballot version = entry_of(0).acceptor.record.ver;
	ck_assert_int_eq(status_of(0, (struct op){.kind = OP_CAS_VERSION,
						  .expected_version = version,
						  .value = bytes_of_text("1.5")}),
			 0);
	ck_assert_int_eq(status_of(0, (struct op){.kind = OP_CAS_VERSION,
						  .expected_version = version,
						  .value = bytes_of_text("9")}),
			 DHT_EPRECOND);
	ck_assert_int_eq(status_of(0, (struct op){.kind = OP_INCR_FLOAT, .delta_float = 1}), 0);
	require_value(1, "2.5");
	ck_assert_int_eq(status_of(0, (struct op){.kind = OP_EXPIRE,
						  .expiry = OP_EXPIRY_AT,
						  .expires_ms = n.now_ms + 10}),
			 0);
	struct call call;
	helper_nodes_do(&n, 2, &call, &key, (struct op){.kind = OP_TTL});
	ck_assert_uint_eq(call.results[0].expires_ms, n.now_ms + 10);
	helper_call_end(&n, &call);
	ck_assert_int_eq(status_of(0, del()), 0);
	ck_assert_int_eq(status_of(1, (struct op){.kind = OP_TTL}), DHT_ENOTFOUND);
	close_idle();
}
END_TEST

START_TEST(a_result_shows_the_value_that_was_replaced)
{
	struct call call;
	open_nodes(3);
	ck_assert_int_eq(status_of(0, put("old")), 0);
	struct op op = put("new");
	op.wants_value = true;
	helper_nodes_do(&n, 0, &call, &key, op);
	ck_assert(bytes_equal(call.results[0].value, bytes_of_text("old")));
	ck_assert(call.task.whole.is_pinned);
	ck_assert(ballot_equal(call.results[0].version, entry_of(0).acceptor.record.ver));
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

START_TEST(a_transaction_is_one_change)
{
	struct call call;
	open_nodes(3);
	struct op ops[] = {put("1"), incr(1), get(), incr(1), get()};
	helper_nodes_ask(&n, 0, &call, &key, ops, 5);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.task.whole.status, 0);
	ck_assert(bytes_equal(call.results[2].value, bytes_of_text("2")));
	ck_assert(bytes_equal(call.results[4].value, bytes_of_text("3")));
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 2);
	helper_call_end(&n, &call);
	require_value(1, "3");
	close_idle();
}
END_TEST

/* A value that is gone at the end of its own transaction has no version of its own: nothing was
 * written under it, and what is told is that of what is there. */
START_TEST(a_transaction_that_leaves_nothing_tells_no_version_of_its_own)
{
	struct call call;
	open_nodes(3);
	struct op create = {.kind = OP_CAS_VERSION, .value = bytes_of_text("1")};
	struct op ops[] = {create, del(), get()};
	helper_nodes_ask(&n, 0, &call, &key, ops, 3);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.task.whole.status, 0);
	ck_assert_int_eq(call.results[0].status, 0);
	ck_assert_int_eq(call.results[2].status, DHT_ENOTFOUND);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 0);
	ck_assert(ballot_is_absent(call.results[0].version));
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

START_TEST(a_watched_version_that_is_another_one_changes_nothing)
{
	struct call call;
	open_nodes(3);
	ck_assert_int_eq(status_of(0, put("1")), 0);
	struct op op = put("2");
	struct ballot version = entry_of(0).acceptor.record.ver;
	for (int i = 0; i < 2; i++) {
		memset(&call, 0, sizeof(call));
		task_init(&call.task, TASK_OPERATIONS);
		call.ops[0] = op;
		call.ops[0].key = key;
		call.task.series.key = key;
		call.task.series.ops = call.ops;
		call.task.series.results = call.results;
		call.task.series.count = 1;
		call.task.series.is_watched = true;
		call.task.series.watched = version;
		call.task.deadline_us = n.now_us + T;
		struct helper_node *h = &n.members[0].h;
		h->step.now_us = n.now_us;
		h->step.now_ms = n.now_ms;
		ck_assert_int_eq(node_submit(&h->node, &h->step, &call.task), 0);
		helper_nodes_finish(&n, &call);
		ck_assert_int_eq(call.task.whole.status, i == 0 ? 0 : DHT_EPRECOND);
		helper_call_end(&n, &call);
		op = put("3");
	}
	require_value(1, "2");
	close_idle();
}
END_TEST

/* ---- Values ---------------------------------------------------------------------------- */

START_TEST(values_that_the_asker_has_are_omitted)
{
	struct call call;
	struct op op = get();
	open_nodes(3);
	ck_assert_int_eq(status_of(0, put("value")), 0);
	helper_nodes_settle(&n);
	helper_nodes_ask(&n, 1, &call, &key, &op, 1);
	helper_nodes_deliver_all(&n, MESSAGE_READ, 1, ANYBODY);
	int index = helper_nodes_find(&n, MESSAGE_VALUE, ANYBODY, 1);
	ck_assert(n.letters[index]->message.is_omitted);
	ck_assert_uint_eq(n.letters[index]->message.record.value.len, 0);
	helper_nodes_finish(&n, &call);
	ck_assert(bytes_equal(call.results[0].value, bytes_of_text("value")));
	ck_assert(call.task.whole.is_pinned);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

/* The own record is replaced while others answer for the one that the round named. */
START_TEST(an_omitted_value_is_that_of_the_time_when_it_was_named)
{
	struct call reads, writes;
	struct op op = get();
	open_nodes(3);
	ck_assert_int_eq(status_of(0, put("old")), 0);
	helper_nodes_settle(&n);
	helper_nodes_ask(&n, 1, &reads, &key, &op, 1);
	helper_nodes_deliver_all(&n, MESSAGE_READ, 1, 2);
	helper_nodes_lose_all(&n, MESSAGE_READ, 1, 0);
	op = put("new");
	helper_nodes_ask(&n, 0, &writes, &key, &op, 1);
	helper_nodes_deliver_all(&n, MESSAGE_ACCEPT, 0, 1);
	ck_assert(bytes_equal(entry_of(1).acceptor.record.value, bytes_of_text("new")));
	ck_assert_uint_eq(helper_nodes_deliver_all(&n, MESSAGE_VALUE, 2, 1), 1);
	ck_assert(reads.is_done);
	ck_assert(bytes_equal(reads.results[0].value, bytes_of_text("old")));
	helper_call_end(&n, &reads);
	helper_nodes_finish(&n, &writes);
	helper_call_end(&n, &writes);
	require_value(1, "new");
	close_idle();
}
END_TEST

START_TEST(a_replica_that_missed_a_write_reads_the_value_of_others)
{
	struct call call;
	struct op op = put("first");
	open_nodes(3);
	for (int i = 0; i < 2; i++) {
		helper_nodes_ask(&n, 0, &call, &key, &op, 1);
		helper_nodes_lose_all(&n, MESSAGE_PREPARE, 0, 1);
		helper_nodes_deliver_all(&n, MESSAGE_PREPARE, 0, 2);
		helper_nodes_deliver_all(&n, MESSAGE_PROMISE, 2, 0);
		helper_nodes_lose_all(&n, MESSAGE_ACCEPT, 0, 1);
		helper_nodes_finish(&n, &call);
		ck_assert_int_eq(call.task.whole.status, 0);
		helper_call_end(&n, &call);
		op = put("second");
	}
	ck_assert(ballot_is_absent(entry_of(1).acceptor.record.acc));
	require_value(1, "second");
	/* With a PREPARE it gets the record itself, too. */
	node_set_down(helper_nodes_node(&n, 1), 0, true);
	ck_assert_int_eq(
	    status_of(1,
		      (struct op){.kind = OP_APPEND, .value = bytes_of_text("!"), .value_max = 99}),
	    0);
	require_value(1, "second!");
	helper_nodes_settle(&n);
	close_idle();
}
END_TEST

START_TEST(large_values_arrive)
{
	enum { LARGE = 200000 };
	static char value[LARGE + 1];
	memset(value, 'v', LARGE);
	open_nodes(3);
	for (int i = 0; i < 12; i++) {
		value[0] = (char)('a' + i);
		ck_assert_int_eq(status_of(0, put(value)), 0);
		helper_nodes_settle(&n);
		require_value((unsigned)i % 3, value);
	}
	close_idle();
}
END_TEST

/* ---- Expiry ---------------------------------------------------------------------------- */

START_TEST(an_expired_record_is_a_tombstone_before_anybody_is_told)
{
	open_nodes(3);
	struct op op = put("1");
	op.expiry = OP_EXPIRY_AT;
	op.expires_ms = n.now_ms + 5;
	ck_assert_int_eq(status_of(0, op), 0);
	helper_nodes_settle(&n);
	require_value(1, "1");
	n.now_ms += 5;
	forget_counts();
	require_value(2, NULL);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 2);
	helper_nodes_settle(&n);
	/* A clock that is behind does not bring it back. */
	n.now_ms -= 5;
	require_value(0, NULL);
	close_idle();
}
END_TEST

/* ---- Ambiguity ------------------------------------------------------------------------- */

/* INCR at node 0, whose ACCEPT has reached node 0 itself, and node 1 if that is said. */
static void begin_unknown(struct call *call, bool reaches_other)
{
	struct op op = incr(1);
	open_nodes(3);
	helper_nodes_ask(&n, 0, call, &key, &op, 1);
	helper_nodes_deliver_all(&n, MESSAGE_PREPARE, 0, 1);
	helper_nodes_deliver_all(&n, MESSAGE_PROMISE, 1, 0);
	helper_nodes_lose_all(&n, MESSAGE_PREPARE, 0, 2);
	if (reaches_other)
		helper_nodes_deliver_all(&n, MESSAGE_ACCEPT, 0, 1);
	helper_nodes_lose_all(&n, MESSAGE_OK, 1, 0);
	helper_nodes_lose_all(&n, MESSAGE_ACCEPT, 0, ANYBODY);
	ck_assert(!call->is_done);
}

START_TEST(a_change_that_took_effect_is_not_made_twice)
{
	struct call call;
	begin_unknown(&call, true);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.task.whole.status, 0);
	ck_assert_int_eq(call.results[0].number, 1);
	ck_assert(ballot_equal(call.results[0].version, entry_of(0).acceptor.record.ver));
	helper_call_end(&n, &call);
	require_value(2, "1");
	close_idle();
}
END_TEST

/* Lets node 1 write with node 2 alone. */
static void write_elsewhere(const char *value)
{
	struct call call;
	struct op op = put(value);
	node_set_down(helper_nodes_node(&n, 1), 0, true);
	helper_nodes_ask(&n, 1, &call, &key, &op, 1);
	for (int i = 0; i < 4 && !call.is_done; i++) {
		for (unsigned kind = 0; kind < MESSAGE_KIND_COUNT; kind++)
			helper_nodes_lose_all(&n, kind, 1, 0);
		helper_nodes_deliver_all(&n, MESSAGE_PREPARE, 1, 2);
		helper_nodes_deliver_all(&n, MESSAGE_ACCEPT, 1, 2);
		helper_nodes_deliver_all(&n, MESSAGE_PROMISE, 2, 1);
		helper_nodes_deliver_all(&n, MESSAGE_OK, 2, 1);
	}
	ck_assert(call.is_done);
	ck_assert_int_eq(call.task.whole.status, 0);
	helper_call_end(&n, &call);
}

START_TEST(a_change_that_never_took_effect_is_made_again)
{
	struct call call;
	begin_unknown(&call, false);
	write_elsewhere("10");
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.task.whole.status, 0);
	ck_assert_int_eq(call.results[0].number, 11);
	helper_call_end(&n, &call);
	require_value(2, "11");
	close_idle();
}
END_TEST

START_TEST(a_change_whose_traces_are_overwritten_is_uncertain)
{
	struct call call;
	begin_unknown(&call, false);
	write_elsewhere("10");
	write_elsewhere("20");
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.task.whole.status, DHT_EUNCERTAIN);
	helper_call_end(&n, &call);
	require_value(2, "20");
	close_idle();
}
END_TEST

/* The result of the attempt that took effect is told, not that of a later one. */
START_TEST(each_attempt_keeps_its_result)
{
	struct call call;
	struct op op = put("new");
	op.wants_value = true;
	open_nodes(3);
	ck_assert_int_eq(status_of(0, put("old")), 0);
	helper_nodes_settle(&n);
	helper_nodes_ask(&n, 0, &call, &key, &op, 1); /* hot: ACCEPT at once */
	ck_assert_uint_eq(helper_nodes_deliver_all(&n, MESSAGE_ACCEPT, 0, 1), 1);
	helper_nodes_lose_all(&n, MESSAGE_OK, 1, 0);
	helper_nodes_lose_all(&n, MESSAGE_ACCEPT, 0, 2);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.task.whole.status, 0);
	ck_assert(bytes_equal(call.results[0].value, bytes_of_text("old")));
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

/* ---- Time ------------------------------------------------------------------------------ */

static void lose_everything(struct call *call)
{
	for (int i = 0; i < 100000 && !call->is_done; i++) {
		while (n.letter_count > 0)
			helper_nodes_lose(&n, 0);
		helper_nodes_pass(&n, 1000);
	}
	ck_assert(call->is_done);
	while (n.letter_count > 0)
		helper_nodes_lose(&n, 0);
}

START_TEST(without_a_quorum_nothing_is_done)
{
	struct call call;
	struct op op = put("1");
	open_nodes(3);
	helper_nodes_ask(&n, 0, &call, &key, &op, 1);
	lose_everything(&call);
	ck_assert_int_eq(call.task.whole.status, DHT_ENOQUORUM);
	ck_assert_uint_eq(call.task.asked, 3);
	ck_assert_uint_eq(call.task.answered, 1);
	ck_assert_uint_eq(n.sent[MESSAGE_PREPARE], 2 * ROUND_MAX);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

START_TEST(without_answers_to_accept_the_outcome_is_uncertain)
{
	struct call call;
	struct op op = put("2");
	open_nodes(3);
	ck_assert_int_eq(status_of(0, put("1")), 0);
	helper_nodes_settle(&n);
	helper_nodes_ask(&n, 0, &call, &key, &op, 1);
	lose_everything(&call);
	ck_assert_int_eq(call.task.whole.status, DHT_EUNCERTAIN);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

START_TEST(a_deadline_ends_the_task_also_in_the_queue)
{
	struct call calls[3];
	open_nodes(3);
	for (unsigned i = 0; i < 3; i++) {
		struct op op = put("1");
		n.members[0].h.node.times.round_us = 400000; /* that is waited for */
		helper_nodes_ask(&n, 0, &calls[i], &key, &op, 1);
	}
	while (n.letter_count > 0)
		helper_nodes_lose(&n, 0);
	uint64_t asked_us = n.now_us;
	for (unsigned i = 0; i < 3; i++) {
		while (!calls[i].is_done) {
			while (n.letter_count > 0)
				helper_nodes_lose(&n, 0);
			helper_nodes_pass(&n, 10000);
		}
		ck_assert_int_eq(calls[i].task.whole.status, DHT_ENOQUORUM);
		ck_assert_uint_ge(n.now_us - asked_us, 5000000);
		ck_assert_uint_le(n.now_us - asked_us, 5010000);
		helper_call_end(&n, &calls[i]);
	}
	close_idle();
}
END_TEST

START_TEST(two_coordinators_get_out_of_each_others_way)
{
	open_nodes(3);
	node_set_down(helper_nodes_node(&n, 1), 0, true);
	for (int i = 0; i < 50; i++) {
		struct call a, b;
		struct op op = incr(1);
		helper_nodes_ask(&n, 0, &a, &key, &op, 1);
		helper_nodes_ask(&n, 1, &b, &key, &op, 1);
		helper_nodes_finish(&n, &a);
		helper_nodes_finish(&n, &b);
		ck_assert_int_eq(a.task.whole.status, 0);
		ck_assert_int_eq(b.task.whole.status, 0);
		helper_call_end(&n, &a);
		helper_call_end(&n, &b);
		helper_nodes_settle(&n);
	}
	require_value(2, "100");
	close_idle();
}
END_TEST

/* A refusal that arrives after the decision says that the reservation is worth nothing there. */
START_TEST(a_late_refusal_lets_the_key_cool)
{
	struct call call;
	struct op op = put("1");
	open_nodes(3);
	struct message prepare = {.kind = MESSAGE_PREPARE,
				  .from = 1,
				  .block = BLOCK,
				  .version = entry_of(0).block->acceptor.version,
				  .key = key.key,
				  .b = ballot_make(entry_of(0).block->acceptor.version, 500, 1)};
	ck_assert_int_eq(helper_node_handle(&n.members[2].h, &prepare), 0);
	while (n.letter_count > 0)
		helper_nodes_lose(&n, 0);
	helper_nodes_ask(&n, 0, &call, &key, &op, 1);
	helper_nodes_deliver_all(&n, MESSAGE_PREPARE, 0, 1);
	helper_nodes_deliver_all(&n, MESSAGE_PROMISE, 1, 0);
	helper_nodes_deliver_all(&n, MESSAGE_ACCEPT, 0, 1);
	helper_nodes_deliver_all(&n, MESSAGE_OK, 1, 0);
	ck_assert(call.is_done);
	helper_call_end(&n, &call);
	ck_assert(entry_of(0).acceptor.hot);
	helper_nodes_settle(&n);
	ck_assert(!entry_of(0).acceptor.hot);
	ck_assert_uint_ge(counter_value(&n.members[0].h.node.counter), 500);
	forget_counts();
	ck_assert_int_eq(status_of(0, put("2")), 0);
	ck_assert_uint_eq(n.sent[MESSAGE_PREPARE], 2);
	close_idle();
}
END_TEST

static void set_down(unsigned at, uint16_t member)
{
	node_set_down(helper_nodes_node(&n, at), member, true);
}

/* Node 1 writes, and node 0 is not told. */
static void write_behind_the_back_of_0(const char *value)
{
	struct call call;
	struct op op = put(value);
	set_down(1, 0);
	helper_nodes_ask(&n, 1, &call, &key, &op, 1);
	while (!call.is_done) {
		helper_nodes_lose_all(&n, MESSAGE_PREPARE, 1, 0);
		helper_nodes_lose_all(&n, MESSAGE_ACCEPT, 1, 0);
		ck_assert_uint_gt(n.letter_count, 0);
		helper_nodes_deliver(&n, 0);
	}
	helper_nodes_lose_all(&n, MESSAGE_ACCEPT, 1, 0);
	helper_nodes_settle(&n);
	helper_call_end(&n, &call);
}

START_TEST(a_read_does_not_wait_for_a_replica_that_is_gone)
{
	struct call call;
	struct op op = get();
	open_nodes(3);
	ck_assert_int_eq(status_of(0, put("1")), 0);
	helper_nodes_settle(&n);
	write_behind_the_back_of_0("2");
	for (int is_known = 0; is_known < 2; is_known++) {
		forget_counts();
		if (is_known)
			set_down(0, 1);
		helper_nodes_ask(&n, 0, &call, &key, &op, 1);
		helper_nodes_deliver_all(&n, MESSAGE_READ, 0, 2);
		helper_nodes_deliver_all(&n, MESSAGE_VALUE, 2, 0);
		ck_assert_uint_eq(n.sent[MESSAGE_PREPARE], is_known ? 2 : 0);
		helper_nodes_lose_all(&n, MESSAGE_READ, 0, 1);
		helper_nodes_finish(&n, &call);
		ck_assert(bytes_equal(call.results[0].value, bytes_of_text("2")));
		helper_call_end(&n, &call);
		helper_nodes_settle(&n);
		write_behind_the_back_of_0("2");
	}
	close_idle();
}
END_TEST

/* It may write on by way of the third one. */
START_TEST(what_one_that_is_gone_has_written_is_prepared_once_more)
{
	open_nodes(3);
	set_down(1, 0);
	ck_assert_int_eq(status_of(1, put("1")), 0);
	helper_nodes_settle(&n);
	ck_assert(entry_of(1).acceptor.hot); /* nobody has written it before */
	ck_assert_int_eq(status_of(0, put("2")), 0);
	helper_nodes_settle(&n);
	for (int times = 0; times < 2; times++) {
		ck_assert_int_eq(status_of(1, put("3")), 0);
		helper_nodes_settle(&n);
		ck_assert_int_eq(entry_of(1).acceptor.hot, times == 1);
	}
	close_idle();
}
END_TEST

/* Loses what two nodes say to each other. */
static void cut(uint16_t a, uint16_t b)
{
	for (unsigned kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
		helper_nodes_lose_all(&n, kind, a, b);
		helper_nodes_lose_all(&n, kind, b, a);
	}
}

/* Two coordinators that do not hear each other refuse each other by way of the third replica: no
 * refusal is waited for in vain, and one of them gets through soon. */
START_TEST(two_coordinators_that_are_cut_off_from_each_other_take_turns)
{
	enum { EACH = 200, WAY_US = 50, LONGEST_US = 3000 };
	struct call calls[2];
	uint64_t begun_us[2], longest_us = 0;
	unsigned done[2] = {0}, unknown = 0;
	const struct op op = incr(1);
	open_nodes(3);
	for (uint16_t at = 0; at < 2; at++) {
		set_down(at, 1 - at);
		begun_us[at] = n.now_us;
		helper_nodes_ask(&n, at, &calls[at], &key, &op, 1);
	}
	while (done[0] < EACH || done[1] < EACH) {
		cut(0, 1);
		for (unsigned letters = n.letter_count; letters > 0 && n.letter_count > 0;
		     letters--)
			helper_nodes_deliver(&n, 0);
		cut(0, 1);
		helper_nodes_pass(&n, WAY_US);
		for (uint16_t at = 0; at < 2; at++) {
			if (!calls[at].is_done)
				continue;
			uint64_t took_us = n.now_us - begun_us[at];
			longest_us = took_us > longest_us ? took_us : longest_us;
			unknown += calls[at].task.whole.status != 0;
			helper_call_end(&n, &calls[at]);
			done[at]++;
			begun_us[at] = n.now_us;
			helper_nodes_ask(&n, at, &calls[at], &key, &op, 1);
		}
	}
	for (unsigned at = 0; at < 2; at++) {
		while (!calls[at].is_done) {
			cut(0, 1);
			helper_nodes_pass(&n, WAY_US);
			if (n.letter_count > 0)
				helper_nodes_deliver(&n, 0);
		}
		helper_call_end(&n, &calls[at]);
	}
	ck_assert_uint_le(longest_us, LONGEST_US);
	/* Neither was left behind. */
	ck_assert_uint_le(unknown, EACH / 20);
	ck_assert_uint_le(done[0], 2 * done[1]);
	ck_assert_uint_le(done[1], 2 * done[0]);
	helper_nodes_settle(&n);
	close_idle();
}
END_TEST

START_TEST(repeated_and_old_letters_change_nothing)
{
	struct call call;
	struct op op = incr(1);
	open_nodes(3);
	for (int i = 0; i < 10; i++) {
		helper_nodes_ask(&n, 0, &call, &key, &op, 1);
		for (int turn = 0; turn < 20 && n.letter_count > 0; turn++) {
			helper_nodes_repeat(&n, n.letter_count - 1);
			helper_nodes_repeat(&n, 0);
			helper_nodes_deliver(&n, n.letter_count / 2);
		}
		helper_nodes_finish(&n, &call);
		ck_assert_int_eq(call.results[0].number, i + 1);
		helper_call_end(&n, &call);
	}
	close_idle();
}
END_TEST

/* ---- Shortages ------------------------------------------------------------------------- */

START_TEST(a_call_waits_for_a_higher_ceiling)
{
	open_nodes(3);
	for (unsigned i = 0; i < 40; i++) {
		struct counter *counter = &helper_nodes_node(&n, 0)->counter;
		uint64_t near = atomic_load(&counter->ceiling) - 1 - i % 4;
		if (counter_raise(counter, ballot_make(0, near, 0)) != 0)
			continue;
		ck_assert_int_eq(status_of(0, incr(1)), 0);
	}
	ck_assert_uint_gt(n.members[0].h.repeats, 0);
	require_value(1, "40");
	close_idle();
}
END_TEST

START_TEST(a_full_log_refuses_what_nobody_has_heard_of)
{
	enum { LARGE = 100000 };
	static char value[LARGE + 1];
	memset(value, 'v', LARGE);
	open_nodes(3);
	ck_assert_int_eq(status_of(0, put("1")), 0);
	helper_nodes_settle(&n);
	helper_disk_set_capacity(&n.members[0].h.disk, 5 << 20);
	struct store_key first = key;
	unsigned from = 100000;
	int status = 0;
	for (int i = 0; i < 200 && status == 0; i++) {
		key = helper_node_key(&n.members[0].h,
				      helper_node_text_in(&n.members[0].h, BLOCK, &from));
		forget_counts();
		status = status_of(0, put(value));
		helper_nodes_settle(&n);
	}
	ck_assert_int_eq(status, DHT_ENOSPC);
	ck_assert_uint_eq(n.sent[MESSAGE_ACCEPT], 0);
	require_value(1, NULL);
	/* Reads and deletions go on. */
	key = first;
	require_value(0, "1");
	ck_assert_int_eq(status_of(0, del()), 0);
	require_value(2, NULL);
	close_idle();
}
END_TEST

/* Fills the log of a node with other keys, until not even a short value finds room. */
static void fill(unsigned at)
{
	static char value[100001];
	const struct store_key kept = key;
	struct helper_node *h = &n.members[at].h;
	unsigned from = 200000;
	memset(value, 'v', sizeof(value) - 1);
	helper_disk_set_capacity(&h->disk, 5 << 20);
	for (size_t len = sizeof(value) - 1; len > 0; len /= 10) {
		int status = 0;
		for (int i = 0; i < 20000 && status == 0; i++) {
			key = helper_node_key(h, helper_node_text_in(h, BLOCK, &from));
			value[len] = '\0';
			status = status_of(at, put(value));
			helper_nodes_settle(&n);
		}
		ck_assert_int_eq(status, DHT_ENOSPC);
	}
	key = kept;
}

/* What is proposed again, unchanged, goes out although there is no room for it here: then the
 * ballot that was reserved is used up all the same. */
START_TEST(a_reserved_ballot_is_used_once_also_without_room)
{
	struct call call;
	open_nodes(3);
	ck_assert_int_eq(status_of(0, put("1")), 0);
	helper_nodes_settle(&n);
	fill(0);
	ck_assert(entry_of(0).acceptor.hot);
	helper_nodes_node(&n, 0)->times.round_us = 100 * T;
	const struct op op = put_if_absent("2");
	helper_nodes_ask(&n, 0, &call, &key, &op, 1);
	ck_assert_uint_eq(helper_nodes_deliver_all(&n, MESSAGE_ACCEPT, 0, 1), 1);
	ck_assert_uint_eq(helper_nodes_lose_all(&n, MESSAGE_ACCEPT, 0, 2), 1);
	ck_assert_uint_eq(helper_nodes_lose_all(&n, MESSAGE_OK, 1, 0), 1);
	helper_nodes_pass(&n, 6 * T);
	ck_assert(call.is_done);
	ck_assert_int_eq(call.task.whole.status, DHT_ENOQUORUM);
	helper_call_end(&n, &call);

	helper_disk_set_capacity(&n.members[0].h.disk, UINT64_MAX);
	helper_node_commit(&n.members[0].h);
	ck_assert_int_eq(status_of(0, put("3")), 0);
	helper_nodes_lose_all(&n, MESSAGE_ACCEPT, 0, 2);
	helper_nodes_settle(&n);
	/* Without node 0 it is there still. */
	helper_nodes_ask(&n, 1, &call, &key, &(struct op){.kind = OP_GET}, 1);
	helper_nodes_lose_all(&n, MESSAGE_READ, 1, 0);
	helper_nodes_finish(&n, &call);
	ck_assert(bytes_equal(call.results[0].value, bytes_of_text("3")));
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

static void cool_down(struct helper_node *h, uint64_t memory_bytes)
{
	bool changed;
	h->memory_bytes = memory_bytes;
	helper_node_restart(h, HELPER_DISK_KEEP, n.map);
	h->node.times = (struct node_times){.round_us = 1000, .back_off_us = 200};
	do {
		helper_node_commit(h);
		ck_assert_int_eq(store_balance(h->store, &changed), 0);
	} while (changed);
}

START_TEST(cold_records_are_fetched)
{
	enum { LARGE = 100000 };
	static char value[LARGE + 1];
	memset(value, 'v', LARGE);
	open_nodes(3);
	struct store_key cold = key, other;
	ck_assert_int_eq(status_of(0, put("cold")), 0);
	other = helper_nodes_key(&n, 3);
	key = other;
	for (int i = 0; i < 60; i++) {
		ck_assert_int_eq(status_of(0, put(value)), 0);
		helper_nodes_settle(&n);
	}
	for (unsigned i = 0; i < 3; i++) {
		cool_down(&n.members[i].h, 2 * HELPER_NODE_SEGMENT);
		n.members[i].h.repeats = 0;
	}
	key = cold;
	require_value(0, "cold");
	ck_assert_uint_gt(n.members[0].h.repeats, 0);
	ck_assert_int_eq(
	    status_of(0,
		      (struct op){.kind = OP_APPEND, .value = bytes_of_text("!"), .value_max = 99}),
	    0);
	require_value(1, "cold!");
	close_idle();
}
END_TEST

/* ---- Versions -------------------------------------------------------------------------- */

static struct ring_block block_now(void)
{
	struct ring_block block;
	ring_map_get_block(n.map, BLOCK, &block);
	return block;
}

/* From the replicas 0, 1, 2 to 1, 2, 3. */
static struct ring_block joint(void)
{
	struct ring_block block = block_now();
	block.phase = RING_JOINT;
	block.version++;
	block.start = block.version;
	block.next = (struct ring_replicas){.count = 3, .members = {1, 2, 3}};
	for (int i = 0; i < 3; i++)
		block.next_since[i] = block.version;
	return block;
}

static struct ring_block moved(void)
{
	struct ring_block block = joint();
	block.phase = RING_STABLE;
	block.version++;
	block.old = block.next;
	memcpy(block.old_since, block.next_since, sizeof(block.old_since));
	block.next.count = 0;
	return block;
}

static void move_all(struct ring_block to)
{
	for (unsigned i = 0; i < n.count; i++)
		helper_nodes_move(&n, i, BLOCK, &to);
}

START_TEST(a_round_goes_on_in_the_new_version)
{
	struct call writes, reads;
	open_nodes(4);
	struct op op = put("1");
	ck_assert_int_eq(status_of(0, op), 0);
	helper_nodes_settle(&n);
	helper_nodes_ask(&n, 0, &writes, &key, &op, 1);
	op = get();
	helper_nodes_ask(&n, 1, &reads, &key, &op, 1);
	unsigned old = n.letter_count;
	move_all(joint());
	while (old-- > 0)
		helper_nodes_lose(&n, 0);
	helper_nodes_finish(&n, &writes);
	helper_nodes_finish(&n, &reads);
	ck_assert_int_eq(writes.task.whole.status, 0);
	ck_assert_int_eq(reads.task.whole.status, 0);
	helper_call_end(&n, &writes);
	helper_call_end(&n, &reads);
	helper_nodes_settle(&n);
	ck_assert_uint_eq(entry_of(3).acceptor.record.acc.version, joint().version);
	require_value(3, "1");
	close_idle();
}
END_TEST

START_TEST(who_is_no_replica_any_more_lets_others_go_on)
{
	struct call call;
	open_nodes(4);
	struct op op = incr(1);
	helper_nodes_ask(&n, 0, &call, &key, &op, 1);
	move_all(joint());
	while (n.letter_count > 0)
		helper_nodes_lose(&n, 0);
	move_all(moved());
	ck_assert_int_ge(helper_nodes_find(&n, MESSAGE_FORWARD, 0, 1), 0);
	helper_nodes_finish(&n, &call);
	ck_assert_int_eq(call.task.whole.status, 0);
	ck_assert_int_eq(call.results[0].number, 1);
	helper_call_end(&n, &call);
	require_value(3, "1");
	close_idle();
}
END_TEST

START_TEST(who_is_no_replica_any_more_does_not_repeat_what_it_sent)
{
	struct call call;
	open_nodes(4);
	ck_assert_int_eq(status_of(0, incr(1)), 0);
	helper_nodes_settle(&n);
	struct op op = incr(1);
	helper_nodes_ask(&n, 0, &call, &key, &op, 1);
	move_all(joint());
	move_all(moved());
	ck_assert(call.is_done);
	ck_assert_int_eq(call.task.whole.status, DHT_EUNCERTAIN);
	ck_assert_uint_eq(n.sent[MESSAGE_FORWARD], 0);
	helper_call_end(&n, &call);
	close_idle();
}
END_TEST

START_TEST(an_identity_round_makes_votes_of_the_current_version)
{
	open_nodes(4);
	ck_assert_int_eq(status_of(0, put("1")), 0);
	helper_nodes_settle(&n);
	move_all(joint());
	struct helper_node *h = &n.members[1].h;
	h->step.now_us = n.now_us;
	ck_assert_int_eq(coordinator_identity(&h->node, &h->step, &key), 0);
	forget_counts();
	/* The key is busy. */
	ck_assert_int_eq(coordinator_identity(&h->node, &h->step, &key), 0);
	ck_assert_uint_eq(total_sent(), 0);
	helper_nodes_settle(&n);
	for (unsigned i = 0; i < 4; i++) {
		struct entry entry = entry_of(i);
		ck_assert_uint_eq(entry.acceptor.record.acc.version, joint().version);
		ck_assert(bytes_equal(entry.acceptor.record.value, bytes_of_text("1")));
	}
	close_idle();
}
END_TEST

UNIT_MAIN("node_coordinator", 120, a_first_write_takes_two_round_trips_and_the_next_one,
	  a_read_takes_one_round_trip_and_no_append, a_write_that_changes_nothing_is_a_read,
	  a_conditional_write_that_must_change_something_prepares_at_once,
	  a_write_that_began_with_a_read_takes_three_round_trips,
	  a_block_with_one_replica_sends_nothing, every_operation_has_its_result,
	  a_result_shows_the_value_that_was_replaced, a_transaction_is_one_change,
	  a_transaction_that_leaves_nothing_tells_no_version_of_its_own,
	  a_transaction_that_leaves_nothing_tells_no_version_of_its_own,
	  a_watched_version_that_is_another_one_changes_nothing,
	  values_that_the_asker_has_are_omitted,
	  an_omitted_value_is_that_of_the_time_when_it_was_named,
	  a_replica_that_missed_a_write_reads_the_value_of_others, large_values_arrive,
	  an_expired_record_is_a_tombstone_before_anybody_is_told,
	  a_change_that_took_effect_is_not_made_twice,
	  a_change_that_never_took_effect_is_made_again,
	  a_change_whose_traces_are_overwritten_is_uncertain, each_attempt_keeps_its_result,
	  without_a_quorum_nothing_is_done, without_answers_to_accept_the_outcome_is_uncertain,
	  a_deadline_ends_the_task_also_in_the_queue, two_coordinators_get_out_of_each_others_way,
	  a_late_refusal_lets_the_key_cool, a_read_does_not_wait_for_a_replica_that_is_gone,
	  what_one_that_is_gone_has_written_is_prepared_once_more,
	  two_coordinators_that_are_cut_off_from_each_other_take_turns,
	  repeated_and_old_letters_change_nothing, a_call_waits_for_a_higher_ceiling,
	  a_full_log_refuses_what_nobody_has_heard_of,
	  a_reserved_ballot_is_used_once_also_without_room, cold_records_are_fetched,
	  a_round_goes_on_in_the_new_version, who_is_no_replica_any_more_lets_others_go_on,
	  who_is_no_replica_any_more_does_not_repeat_what_it_sent,
	  an_identity_round_makes_votes_of_the_current_version)
