/* SPDX-License-Identifier: Apache-2.0
 *
 * node/list: what a replica says to whoever lists or counts keys.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "helper_map.h"
#include "helper_node.h"
#include "node/adopt.h"
#include "node/list.h"
#include "node/replica.h"
#include "ring/phase.h"
#include "unit.h"

/* All keys are in block 0, whose replicas are the members 0 to 2; member 3 is none of it. */
enum { KEYS = 1500, ASKER = 3 };

static struct helper_node h;
static struct ring_map *map;
static char (*texts)[16];

static void begin(void)
{
	unsigned from = 0;
	map = helper_map(HELPER_NODE_BLOCKS, 4);
	helper_node_open(&h, 0, map);
	texts = calloc(KEYS, sizeof(*texts));
	for (unsigned k = 0; k < KEYS; k++)
		snprintf(texts[k], sizeof(texts[k]), "%s", helper_node_text_in(&h, 0, &from));
}

static void end(void)
{
	helper_node_close(&h);
	ring_map_destroy(map);
	free(texts);
}

static void store(unsigned key, struct ballot b, const struct paxos_record *as)
{
	struct store_key k = helper_node_key(&h, texts[key]);
	struct paxos_record record = *as;
	struct acceptor_answer answer;
	struct entry entry;
	int rc;
	record.acc = record.ver = b;
	do {
		rc = entry_load(&h.node, &h.step, &k, &entry);
		if (rc == 0)
			rc = replica_accept(&h.node, &h.step, &entry, &record, ballot_successor(b),
					    &answer);
	} while (rc == DHT_EAGAIN && helper_node_provide(&h));
	UNIT_REQUIRE(rc == 0 && answer.is_ok);
	helper_node_done(&h);
}

static void store_values(unsigned count, struct bytes value)
{
	for (unsigned k = 0; k < count; k++)
		store(k, ballot_make(0, 5 + k, 0), &(struct paxos_record){.value = value});
}

static struct message list(uint32_t from, uint32_t limit)
{
	return (struct message){.kind = MESSAGE_LIST,
				.from = ASKER,
				.tag = 77,
				.from_hash = from,
				.until_hash = STORE_HASH_END,
				.limit = limit,
				.is_omitted = true};
}

/* Its answer, until the next question. */
static const struct message *ask(const struct message *question)
{
	helper_node_forget(&h);
	ck_assert_int_eq(helper_node_handle(&h, question), 0);
	ck_assert_uint_eq(h.sent_count, 1);
	const struct message *m = helper_node_sent(&h, MESSAGE_LISTED);
	ck_assert_uint_eq(h.sent[0].to, question->from);
	ck_assert_uint_eq(m->tag, 77);
	ck_assert_uint_eq(m->from_hash, question->from_hash);
	return m;
}

START_TEST(all_keys_are_named_once_in_bounded_answers)
{
	bool is_named[KEYS] = {false};
	unsigned answers = 0, named = 0;
	uint32_t hash = 0;
	begin();
	store_values(KEYS, bytes_of_text("value"));
	while (hash < STORE_HASH_END) {
		struct message question = list(hash, 100);
		const struct message *m = ask(&question);
		ck_assert(m->until_hash > hash && !m->is_same && m->is_omitted);
		ck_assert_uint_eq(m->count, m->item_count);
		for (size_t i = 0; i < m->item_count; i++) {
			unsigned k = 0;
			while (!bytes_equal(m->items[i].key, bytes_of_text(texts[k])))
				k++;
			ck_assert(!is_named[k]);
			is_named[k] = true;
			named++;
			ck_assert_uint_eq(m->items[i].record.value.len, 0);
			ck_assert_uint_eq(ballot_counter(m->items[i].record.acc), 5 + k);
		}
		ck_assert_uint_le(m->item_count, 102);
		hash = m->until_hash;
		answers++;
	}
	ck_assert_uint_eq(named, KEYS);
	ck_assert_uint_ge(answers, KEYS / 102);
	ck_assert_uint_le(answers, KEYS / 100 + 1);
	end();
}
END_TEST

START_TEST(a_range_that_is_the_same_is_not_named)
{
	begin();
	store_values(50, bytes_of_text("value"));
	struct message question = list(0, 30);
	const struct message *m = ask(&question);
	struct message compare = list(0, MESSAGE_ITEMS_MAX);
	compare.until_hash = m->until_hash;
	compare.is_same = true;
	compare.digest = m->digest;
	compare.count = m->count;
	m = ask(&compare);
	ck_assert(m->is_same && m->item_count == 0);
	ck_assert_uint_eq(m->until_hash, compare.until_hash);
	compare.digest++;
	m = ask(&compare);
	ck_assert(!m->is_same && m->item_count == compare.count);
	ck_assert_uint_eq(m->until_hash, compare.until_hash);
	/* An asker without any has no digest. */
	compare.is_same = false;
	compare.digest = compare.count = 0;
	ck_assert_uint_ge(ask(&compare)->item_count, 30);
	end();
}
END_TEST

START_TEST(values_tombstones_and_times_are_told)
{
	begin();
	store(0, ballot_make(0, 9, 0),
	      &(struct paxos_record){.value = bytes_of_text("value"), .expires_ms = 4711});
	store(1, ballot_make(0, 9, 0), &(struct paxos_record){.is_tombstone = true});
	struct message question = list(0, 10);
	question.is_omitted = false;
	const struct message *m = ask(&question);
	ck_assert(m->item_count == 2 && !m->is_omitted && m->until_hash == STORE_HASH_END);
	for (unsigned i = 0; i < 2; i++) {
		const struct paxos_record *record = &m->items[i].record;
		bool is_value = bytes_equal(m->items[i].key, bytes_of_text(texts[0]));
		ck_assert(record->is_tombstone == !is_value);
		ck_assert(bytes_equal(record->value, bytes_of_text(is_value ? "value" : "")));
		ck_assert_uint_eq(record->expires_ms, is_value ? 4711 : 0);
	}
	end();
}
END_TEST

START_TEST(large_values_are_told_in_bounded_answers)
{
	enum { SIZE = 100 * 1024 };
	uint8_t *value = calloc(1, SIZE);
	begin();
	store_values(8, bytes_of(value, SIZE));
	struct message question = list(0, 100);
	question.is_omitted = false;
	ck_assert_uint_le(ask(&question)->item_count, RANGE_BYTES_MAX / SIZE + 1);
	question.is_omitted = true;
	ck_assert_uint_eq(ask(&question)->item_count, 8);
	free(value);
	end();
}
END_TEST

START_TEST(cold_records_are_read)
{
	enum { LARGE = 150, SIZE = HELPER_NODE_SEGMENT / 16 };
	uint8_t *value = calloc(1, SIZE);
	uint32_t hash = 0;
	size_t named = 0;
	begin();
	store_values(LARGE, bytes_of(value, SIZE));
	h.memory_bytes = 2 * HELPER_NODE_SEGMENT;
	helper_node_commit(&h);
	helper_node_restart(&h, HELPER_DISK_KEEP, map);
	h.repeats = 0;
	while (hash < STORE_HASH_END) {
		struct message question = list(hash, MESSAGE_ITEMS_MAX);
		const struct message *m = ask(&question);
		named += m->item_count;
		hash = m->until_hash;
	}
	ck_assert_uint_eq(named, LARGE);
	ck_assert_uint_gt(h.repeats, LARGE / 2);
	free(value);
	end();
}
END_TEST

START_TEST(only_a_replica_of_this_version_answers)
{
	struct ring_map *next;
	begin();
	store_values(3, bytes_of_text("value"));
	struct message question = list(0, 10);
	question.block = 1; /* replicas 1 to 3 */
	ck_assert_int_eq(helper_node_handle(&h, &question), 0);
	ck_assert_uint_eq(h.sent_count, 0);
	question.block = 0;
	question.until_hash = 0;
	ck_assert_int_eq(helper_node_handle(&h, &question), 0);
	ck_assert_uint_eq(h.sent_count, 0);
	question.until_hash = STORE_HASH_END;
	question.version = 1;
	ck_assert_int_eq(helper_node_handle(&h, &question), DHT_EAGAIN);
	ck_assert_uint_eq(h.wants_map_count, 1);
	next = helper_next(map);
	struct ring_replicas other = {3, {0, 1, 3}};
	ck_assert_int_eq(ring_phase_begin(next, 0, &other), 0);
	helper_node_adopt(&h, next);
	ck_assert_uint_eq(ask(&question)->item_count, 3);
	helper_node_forget(&h);
	question.version = 0;
	ck_assert_int_eq(helper_node_handle(&h, &question), 0);
	helper_node_sent(&h, MESSAGE_STALE);
	ring_map_destroy(next);
	end();
}
END_TEST

START_TEST(keys_are_counted)
{
	struct message question = {.kind = MESSAGE_COUNT, .from = ASKER, .tag = 78, .version = 99};
	begin();
	ck_assert_int_eq(helper_node_handle(&h, &question), 0);
	ck_assert_uint_eq(helper_node_sent(&h, MESSAGE_COUNTED)->count_count, 0);
	store_values(7, bytes_of_text("value"));
	store(0, ballot_make(0, 99, 0), &(struct paxos_record){.is_tombstone = true});
	ck_assert_int_eq(helper_node_handle(&h, &question), 0);
	const struct message *m = helper_node_sent(&h, MESSAGE_COUNTED);
	ck_assert_uint_eq(m->tag, 78);
	ck_assert_uint_eq(m->count_count, 1);
	ck_assert_uint_eq(m->counts[0].block, 0);
	ck_assert_uint_eq(m->counts[0].keys, 6);
	end();
}
END_TEST

START_TEST(answers_are_for_whoever_has_asked)
{
	struct message_item item = {.key = bytes_of_text("a"),
				    .record = {.acc = ballot_make(0, 3, 1)}};
	struct message listed = {.kind = MESSAGE_LISTED,
				 .from = 1,
				 .block = 1, /* this node is no replica of it */
				 .tag = 79,
				 .until_hash = 5,
				 .items = &item,
				 .item_count = 1};
	struct message counted = {.kind = MESSAGE_COUNTED, .from = 2, .tag = 80, .version = 99};
	begin();
	ck_assert_int_eq(helper_node_handle(&h, &listed), 0);
	ck_assert(h.answered_count == 1 && h.answered.tag == 79 && h.answered.item_count == 1);
	ck_assert_int_eq(helper_node_handle(&h, &counted), 0);
	ck_assert(h.answered_count == 2 && h.answered.tag == 80);
	/* What no node says is nobody's. */
	item.key.len = RECORD_KEY_MAX + 1;
	ck_assert_int_eq(helper_node_handle(&h, &listed), 0);
	ck_assert_uint_eq(h.answered_count, 2);
	ck_assert_uint_eq(h.sent_count, 0);
	end();
}
END_TEST

UNIT_MAIN("node_list", 60, all_keys_are_named_once_in_bounded_answers,
	  a_range_that_is_the_same_is_not_named, values_tombstones_and_times_are_told,
	  large_values_are_told_in_bounded_answers, cold_records_are_read,
	  only_a_replica_of_this_version_answers, keys_are_counted,
	  answers_are_for_whoever_has_asked)
