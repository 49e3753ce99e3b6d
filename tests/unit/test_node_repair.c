/* SPDX-License-Identifier: Apache-2.0
 *
 * node/repair: what a replica has missed it is told, and nothing else is sent.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "helper_map.h"
#include "helper_node.h"
#include "node/adopt.h"
#include "node/range.h"
#include "node/repair.h"
#include "node/replica.h"
#include "ring/phase.h"
#include "unit.h"

/* All keys are in block 0, whose replicas are the members 0 to 2. */
enum { NODES = 3, KEYS = 1500 };

static struct helper_node h[NODES];
static struct helper_node *nodes[NODES];
static struct ring_map *map;
static char (*texts)[16];
static struct repair repair;

static void begin(void)
{
	map = helper_map(HELPER_NODE_BLOCKS, 4);
	for (uint16_t i = 0; i < NODES; i++) {
		nodes[i] = &h[i];
		helper_node_open(&h[i], i, map);
	}
	unsigned from = 0;
	texts = calloc(KEYS, sizeof(*texts));
	for (unsigned k = 0; k < KEYS; k++)
		snprintf(texts[k], sizeof(texts[k]), "%s", helper_node_text_in(&h[0], 0, &from));
}

static void end(void)
{
	for (unsigned i = 0; i < NODES; i++)
		helper_node_close(&h[i]);
	ring_map_destroy(map);
	free(texts);
}

static struct entry load(unsigned node, unsigned key)
{
	struct store_key k = helper_node_key(&h[node], texts[key]);
	struct entry entry;
	ck_assert_int_eq(entry_load(&h[node].node, &h[node].step, &k, &entry), 0);
	return entry;
}

static void store(unsigned node, unsigned key, struct ballot b, struct bytes value)
{
	struct store_key k = helper_node_key(&h[node], texts[key]);
	struct paxos_record record = {.acc = b, .ver = b, .value = value};
	struct acceptor_answer answer;
	struct entry entry;
	int rc;
	do {
		rc = entry_load(&h[node].node, &h[node].step, &k, &entry);
		if (rc == 0)
			rc = replica_accept(&h[node].node, &h[node].step, &entry, &record,
					    ballot_successor(b), &answer);
	} while (rc == DHT_EAGAIN && helper_node_provide(&h[node]));
	UNIT_REQUIRE(rc == 0 && answer.is_ok);
	helper_node_done(&h[node]);
}

static struct ballot ballot(uint64_t counter)
{
	return ballot_make(0, counter, 0);
}

static void store_all(unsigned first, unsigned count)
{
	for (unsigned k = 0; k < KEYS; k++) {
		for (unsigned i = first; i < first + count; i++)
			store(i, k, ballot(5 + k), bytes_of_text(texts[k]));
	}
}

/* A whole pass. Returns the number of messages. */
static unsigned pass(unsigned node, uint16_t with)
{
	unsigned messages = 0;
	repair_begin(&h[node].node, &repair, 0, with);
	for (int i = 0; i < 3000 && !repair.is_done; i++) {
		int rc;
		h[node].step.now_us += 10 * HELPER_NODE_ROUND_US;
		do
			rc = repair_step(&h[node].node, &h[node].step, &repair);
		while (rc == DHT_EAGAIN && helper_node_provide(&h[node]));
		ck_assert_int_eq(rc, 0);
		helper_node_done(&h[node]);
		messages += helper_node_exchange(nodes, NODES);
	}
	ck_assert(repair.is_done);
	repair_end(&h[node].node, &repair);
	return messages;
}

START_TEST(equal_replicas_compare_digests_alone)
{
	begin();
	store_all(0, 2);
	unsigned messages = pass(0, 1);
	ck_assert_uint_eq(messages % 2, 0);
	ck_assert_uint_le(messages, 2 * (KEYS / RANGE_DIGEST_MAX + 1));
	ck_assert_uint_eq(repair.differed, 0);
	ck_assert_uint_eq(repair.told, 0);
	end();
}
END_TEST

START_TEST(what_the_other_lacks_is_told)
{
	begin();
	store_all(0, 2);
	store(0, 3, ballot(9000), bytes_of_text("newer"));
	struct entry entry = load(1, 4);
	/* One is lost there altogether. */
	uint64_t position;
	ck_assert_int_eq(store_erase(h[1].store, 0, &entry.key, &entry.hit, &position), 0);
	pass(0, 1);
	ck_assert_uint_eq(repair.told, 2);
	ck_assert_uint_ge(repair.differed, 1);
	entry = load(1, 3);
	ck_assert(bytes_equal(entry.acceptor.record.value, bytes_of_text("newer")));
	ck_assert(!entry.acceptor.record.is_copy);
	ck_assert(ballot_equal(load(1, 4).acceptor.record.acc, ballot(5 + 4)));
	pass(0, 1);
	ck_assert_uint_eq(repair.differed, 0);
	end();
}
END_TEST

START_TEST(what_the_other_has_is_its_to_tell)
{
	begin();
	store_all(0, 2);
	store(1, 3, ballot(9000), bytes_of_text("newer"));
	pass(0, 1);
	ck_assert_uint_eq(repair.told, 0);
	ck_assert(ballot_equal(load(0, 3).acceptor.record.acc, ballot(8)));
	pass(1, 0);
	ck_assert_uint_eq(repair.told, 1);
	ck_assert(ballot_equal(load(0, 3).acceptor.record.acc, ballot(9000)));
	end();
}
END_TEST

START_TEST(a_replica_with_nothing_gets_all)
{
	begin();
	store_all(0, 1);
	pass(0, 1);
	ck_assert_uint_eq(repair.told, KEYS);
	pass(1, 0);
	ck_assert_uint_eq(repair.differed, 0);
	/* And the other way: it has more in each range than is named at once. */
	pass(2, 0);
	ck_assert_uint_eq(repair.told, 0);
	pass(0, 2);
	ck_assert_uint_eq(repair.told, KEYS);
	pass(2, 1);
	ck_assert_uint_eq(repair.differed, 0);
	end();
}
END_TEST

START_TEST(large_values_are_told_in_bounded_steps)
{
	enum { LARGE = 40 };
	begin();
	size_t len = HELPER_NODE_SEGMENT / 8;
	char *value = calloc(1, len + 1);
	memset(value, 'v', len);
	for (unsigned k = 0; k < LARGE; k++)
		store(0, k, ballot(5 + k), bytes_of(value, len));
	repair_begin(&h[0].node, &repair, 0, 1);
	uint64_t before = 0;
	for (int i = 0; i < 1000 && !repair.is_done; i++) {
		ck_assert_int_eq(repair_step(&h[0].node, &h[0].step, &repair), 0);
		helper_node_exchange(nodes, NODES);
		ck_assert_uint_le((repair.told - before) * len, RANGE_BYTES_MAX + 2 * len);
		before = repair.told;
	}
	repair_end(&h[0].node, &repair);
	ck_assert_uint_eq(repair.told, LARGE);
	free(value);
	end();
}
END_TEST

/* Repairs a cold block with one other, and returns the most records that one step has read. */
static unsigned pass_over_cold(unsigned node, uint16_t with)
{
	unsigned most = 0;
	repair_begin(&h[node].node, &repair, 0, with);
	while (!repair.is_done) {
		unsigned before = h[node].repeats;
		int rc;
		do
			rc = repair_step(&h[node].node, &h[node].step, &repair);
		while (rc == DHT_EAGAIN && helper_node_provide(&h[node]));
		ck_assert_int_eq(rc, 0);
		helper_node_done(&h[node]);
		most = h[node].repeats - before > most ? h[node].repeats - before : most;
		before = h[with].repeats;
		helper_node_exchange(nodes, NODES);
		most = h[with].repeats - before > most ? h[with].repeats - before : most;
	}
	repair_end(&h[node].node, &repair);
	return most;
}

START_TEST(a_step_holds_few_records_that_were_cold)
{
	enum { LARGE = 150 };
	begin();
	size_t len = HELPER_NODE_SEGMENT / 16;
	char *value = calloc(1, len + 1);
	memset(value, 'v', len);
	for (unsigned k = 0; k < LARGE; k++) {
		for (unsigned i = 0; i < 2; i++)
			store(i, k, ballot(5 + k), bytes_of(value, len));
	}
	for (unsigned i = 0; i < 2; i++) {
		h[i].memory_bytes = 2 * HELPER_NODE_SEGMENT;
		helper_node_commit(&h[i]);
		helper_node_restart(&h[i], HELPER_DISK_KEEP, map);
	}
	unsigned most = pass_over_cold(0, 1);
	ck_assert_uint_gt(most, 0);
	ck_assert_uint_le(most, RANGE_COLD_MIN + 4);
	ck_assert_uint_eq(repair.differed, 0);
	free(value);
	end();
}
END_TEST

/* Joint and back: LEARN would be refused. */
START_TEST(what_is_of_an_older_version_is_settled_by_identity_rounds)
{
	begin();
	store(0, 0, ballot(5), bytes_of_text("one"));
	store(1, 0, ballot(6), bytes_of_text("two"));
	for (int i = 0; i < 2; i++) {
		struct ring_map *next = helper_next(map);
		struct ring_replicas list = {.count = 3, .members = {1, 2, 3}};
		ck_assert_int_eq(
		    i == 0 ? ring_phase_begin(next, 0, &list) : ring_phase_cancel(next, 0), 0);
		ring_map_destroy(map);
		map = next;
	}
	for (unsigned i = 0; i < NODES; i++)
		helper_node_adopt(&h[i], map);
	repair_begin(&h[1].node, &repair, 0, 0);
	ck_assert_int_eq(repair_step(&h[1].node, &h[1].step, &repair), 0);
	struct message compare = h[1].sent[0].message;
	ck_assert_int_eq(helper_node_handle(&h[0], &compare), 0);
	const struct message *differ = helper_node_sent(&h[0], MESSAGE_DIFFER);
	ck_assert_uint_eq(differ->item_count, 1);
	ck_assert_uint_eq(differ->items[0].record.value.len, 0);
	ck_assert_int_eq(helper_node_handle(&h[1], differ), 0);
	ck_assert_uint_eq(repair.settled, 1);
	ck_assert_uint_eq(repair.told, 0);
	helper_node_sent(&h[1], MESSAGE_PREPARE);
	repair_end(&h[1].node, &repair);
	helper_node_exchange(nodes, NODES);
	for (unsigned i = 0; i < NODES; i++) {
		struct entry entry = load(i, 0);
		ck_assert(bytes_equal(entry.acceptor.record.value, bytes_of_text("two")));
		ck_assert(acceptor_is_vote(&entry.block->acceptor, &entry.acceptor.record));
	}
	end();
}
END_TEST

/* Who has to read what differs, record after record, has not lost the answer. */
START_TEST(an_answer_is_taken_however_long_own_records_need)
{
	enum { LARGE = 60 };
	begin();
	size_t len = HELPER_NODE_SEGMENT / 16;
	char *value = calloc(1, len + 1);
	memset(value, 'v', len);
	for (unsigned k = 0; k < LARGE; k++)
		store(0, k, ballot(5 + k), bytes_of(value, len));
	free(value);
	h[0].memory_bytes = 2 * HELPER_NODE_SEGMENT;
	helper_node_commit(&h[0]);
	helper_node_restart(&h[0], HELPER_DISK_KEEP, map);
	repair_begin(&h[0].node, &repair, 0, 1);
	int rc;
	do
		rc = repair_step(&h[0].node, &h[0].step, &repair);
	while (rc == DHT_EAGAIN && helper_node_provide(&h[0]));
	helper_node_done(&h[0]);
	const struct message *compare = helper_node_sent(&h[0], MESSAGE_COMPARE);
	ck_assert_int_eq(helper_node_handle(&h[1], compare), 0);
	const struct message *differ = helper_node_sent(&h[1], MESSAGE_DIFFER);
	unsigned reads = 0;
	while (node_handle(&h[0].node, &h[0].step, differ) == DHT_EAGAIN) {
		struct node_step other = h[0].step;
		h[0].step.now_us += HELPER_NODE_ROUND_US;
		other.fetched = NULL;
		other.now_us = h[0].step.now_us;
		ck_assert_int_eq(repair_step(&h[0].node, &other, &repair), 0);
		ck_assert(helper_node_provide(&h[0]));
		reads++;
	}
	helper_node_done(&h[0]);
	ck_assert_uint_gt(reads, 8);
	ck_assert_uint_eq(repair.differed, 1);
	ck_assert_uint_gt(repair.told, 0);
	repair_end(&h[0].node, &repair);
	end();
}
END_TEST

START_TEST(ranges_without_an_answer_are_left_out)
{
	begin();
	store_all(0, 2);
	nodes[1] = NULL;
	pass(0, 1);
	ck_assert_uint_eq(repair.told, 0);
	ck_assert_uint_gt(repair.unanswered, 0);
	/* One that is no replica is not asked. */
	ck_assert_uint_eq(pass(0, 3), 0);
	end();
}
END_TEST

START_TEST(only_the_answer_to_the_question_counts)
{
	begin();
	store_all(0, 1);
	repair_begin(&h[0].node, &repair, 0, 1);
	ck_assert_int_eq(repair_step(&h[0].node, &h[0].step, &repair), 0);
	ck_assert_int_eq(repair_step(&h[0].node, &h[0].step, &repair), 0);
	ck_assert_uint_eq(h[0].sent_count, 1);
	struct message compare = h[0].sent[0].message;
	ck_assert_int_eq(helper_node_handle(&h[1], &compare), 0);
	struct message differ = *helper_node_sent(&h[1], MESSAGE_DIFFER), other = differ;
	other.tag++;
	ck_assert_int_eq(helper_node_handle(&h[0], &other), 0);
	other = differ;
	other.from = 2;
	ck_assert_int_eq(helper_node_handle(&h[0], &other), 0);
	other = differ;
	other.from_hash++;
	ck_assert_int_eq(helper_node_handle(&h[0], &other), 0);
	other = differ;
	other.until_hash = STORE_HASH_END;
	ck_assert_int_eq(helper_node_handle(&h[0], &other), 0);
	ck_assert_uint_eq(h[0].sent_count, 1);
	ck_assert_int_eq(helper_node_handle(&h[0], &differ), 0);
	ck_assert_uint_gt(h[0].sent_count, 1);
	unsigned sent = h[0].sent_count;
	ck_assert_int_eq(helper_node_handle(&h[0], &differ), 0);
	ck_assert_uint_eq(h[0].sent_count, sent);
	/* After its end nothing is looked for any more. */
	repair_end(&h[0].node, &repair);
	ck_assert_int_eq(helper_node_handle(&h[0], &differ), 0);
	ck_assert_uint_eq(h[0].sent_count, sent);
	end();
}
END_TEST

UNIT_MAIN("node_repair", 120, equal_replicas_compare_digests_alone, what_the_other_lacks_is_told,
	  what_the_other_has_is_its_to_tell, a_replica_with_nothing_gets_all,
	  large_values_are_told_in_bounded_steps, a_step_holds_few_records_that_were_cold,
	  what_is_of_an_older_version_is_settled_by_identity_rounds,
	  an_answer_is_taken_however_long_own_records_need, ranges_without_an_answer_are_left_out,
	  only_the_answer_to_the_question_counts)
