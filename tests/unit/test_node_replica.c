/* SPDX-License-Identifier: Apache-2.0
 *
 * node/handle and node/replica: what a node answers to messages about a key, over a store.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "helper_map.h"
#include "helper_node.h"
#include "node/coordinator.h"
#include "node/replica.h"
#include "unit.h"

static struct helper_node h;
static struct ring_map *map;

/* Members 0 to 3; node 1. Block b has the replicas b mod 4 and the two that follow. */
static void begin(void)
{
	map = helper_map(HELPER_NODE_BLOCKS, 4);
	helper_node_open(&h, 1, map);
}

static void end(void)
{
	helper_node_close(&h);
	ring_map_destroy(map);
}

/* Gives the key's block a version, and what goes with it; the replicas stay. */
static struct node_block *set_version(const char *key, uint32_t version, uint32_t start)
{
	struct node_block *block = &h.node.blocks[helper_node_key(&h, key).block];
	block->acceptor.version = version;
	block->acceptor.start = start;
	return block;
}

/* The first key from number *from on whose block has this node as a replica, or has not. */
static const char *key_where(bool is_replica, unsigned *from)
{
	static char text[16];
	for (;; ++*from) {
		snprintf(text, sizeof(text), "k%u", *from);
		uint32_t block = helper_node_key(&h, text).block;
		if (node_block_is_replica(&h.node.blocks[block]) == is_replica)
			return text;
	}
}

static const char *own_key(void)
{
	unsigned from = 0;
	return key_where(true, &from);
}

/* A member that is a replica of the key's block beside node 1. */
static uint16_t other(const char *key)
{
	const struct node_block *block = &h.node.blocks[helper_node_key(&h, key).block];
	return block->members[block->self == 0 ? 1 : 0];
}

static struct ballot drawn(const char *key, uint64_t counter)
{
	uint32_t version = h.node.blocks[helper_node_key(&h, key).block].acceptor.version;
	return ballot_make(version, counter, other(key));
}

static struct message message(enum message_kind kind, const char *key)
{
	struct store_key k = helper_node_key(&h, key);
	return (struct message){.kind = kind,
				.from = other(key),
				.block = k.block,
				.version = h.node.blocks[k.block].acceptor.version,
				.tag = 77,
				.key = k.key};
}

static struct message prepare(const char *key, uint64_t counter)
{
	struct message m = message(MESSAGE_PREPARE, key);
	m.b = drawn(key, counter);
	return m;
}

static struct paxos_record value_at(struct ballot b, const char *value)
{
	return (struct paxos_record){.acc = b, .ver = b, .value = bytes_of_text(value)};
}

static struct message accept_value(const char *key, uint64_t counter, const char *value)
{
	struct message m = message(MESSAGE_ACCEPT, key);
	m.b = drawn(key, counter);
	m.next = ballot_successor(m.b);
	m.record = value_at(m.b, value);
	return m;
}

static struct message accept_tombstone(const char *key, uint64_t counter)
{
	struct message m = accept_value(key, counter, "");
	m.record.is_tombstone = true;
	return m;
}

static struct message about(enum message_kind kind, const char *key, struct ballot b)
{
	struct message m = message(kind, key);
	m.b = b;
	return m;
}

/* Handles m, which is answered by one message of that kind. */
static const struct message *ask(struct message m, enum message_kind kind)
{
	helper_node_forget(&h);
	ck_assert_int_eq(helper_node_handle(&h, &m), 0);
	ck_assert_uint_eq(h.sent_count, 1);
	const struct message *answer = helper_node_sent(&h, kind);
	ck_assert_uint_eq(h.sent[0].to, m.from);
	ck_assert_uint_eq(answer->tag, m.tag);
	ck_assert_uint_eq(answer->block, m.block);
	ck_assert_uint_eq(answer->version, h.node.blocks[m.block].acceptor.version);
	return answer;
}

/* Handles m, which is not answered. */
static void tell(struct message m)
{
	helper_node_forget(&h);
	ck_assert_int_eq(helper_node_handle(&h, &m), 0);
	ck_assert_uint_eq(h.sent_count, 0);
}

static struct entry load(const char *key)
{
	struct store_key k = helper_node_key(&h, key);
	struct entry entry;
	ck_assert_int_eq(entry_load(&h.node, &h.step, &k, &entry), 0);
	return entry;
}

/* ---- The acceptor's messages ------------------------------------------------------- */

START_TEST(a_prepare_is_promised_once_and_lower_ones_are_refused)
{
	begin();
	const char *key = own_key();
	const struct message *m = ask(prepare(key, 5), MESSAGE_PROMISE);
	ck_assert(m->is_ok && !paxos_record_is_there(&m->record));
	ck_assert(ballot_equal(m->b, drawn(key, 5)) && ballot_is_absent(m->bound));
	m = ask(prepare(key, 4), MESSAGE_PROMISE);
	ck_assert(!m->is_ok && ballot_equal(m->bound, drawn(key, 5)));
	ck_assert(ask(prepare(key, 5), MESSAGE_PROMISE)->is_ok);
	ck_assert(ballot_equal(load(key).acceptor.promised, drawn(key, 5)));
	end();
}
END_TEST

START_TEST(an_accept_is_stored_and_reserves_the_next_ballot)
{
	begin();
	const char *key = own_key();
	const struct message *m = ask(accept_value(key, 5, "one"), MESSAGE_OK);
	ck_assert(m->is_ok && ballot_equal(m->bound, ballot_successor(drawn(key, 5))));
	m = ask(accept_value(key, 5, "one"), MESSAGE_OK);
	ck_assert(m->is_ok);
	m = ask(accept_value(key, 4, "two"), MESSAGE_OK);
	ck_assert(!m->is_ok && ballot_equal(m->bound, ballot_successor(drawn(key, 5))));
	struct entry entry = load(key);
	ck_assert(bytes_equal(entry.acceptor.record.value, bytes_of_text("one")));
	ck_assert(entry.hit.promised && !entry.acceptor.hot);

	m = ask(prepare(key, 9), MESSAGE_PROMISE);
	ck_assert(m->is_ok && bytes_equal(m->record.value, bytes_of_text("one")));
	ck_assert_uint_eq(m->location, load(key).hit.location);
	/* The duplicate's reservation is below what was promised meanwhile. */
	m = ask(accept_value(key, 5, "one"), MESSAGE_OK);
	ck_assert(m->is_ok && ballot_equal(m->bound, drawn(key, 9)));
	end();
}
END_TEST

START_TEST(a_value_is_omitted_if_its_ballot_is_named)
{
	begin();
	const char *key = own_key();
	const struct message *m = ask(message(MESSAGE_READ, key), MESSAGE_VALUE);
	ck_assert(!paxos_record_is_there(&m->record) && !m->is_omitted);
	ask(accept_value(key, 5, "one"), MESSAGE_OK);
	struct message read = message(MESSAGE_READ, key);
	read.named = drawn(key, 4);
	m = ask(read, MESSAGE_VALUE);
	ck_assert(!m->is_omitted && bytes_equal(m->record.value, bytes_of_text("one")));
	read.named = drawn(key, 5);
	m = ask(read, MESSAGE_VALUE);
	ck_assert(m->is_omitted && m->record.value.len == 0 && m->location == 0);
	ck_assert(ballot_equal(m->record.acc, drawn(key, 5)));
	struct message again = prepare(key, 6);
	again.named = drawn(key, 5);
	ck_assert(ask(again, MESSAGE_PROMISE)->is_omitted);
	end();
}
END_TEST

START_TEST(an_answer_rests_on_the_record_and_on_the_map)
{
	begin();
	const char *key = own_key();
	helper_node_commit(&h);
	ask(accept_value(key, 5, "one"), MESSAGE_OK);
	ck_assert_uint_gt(h.sent[0].rests_on, store_durable(h.store));
	/* A duplicate writes nothing, and rests on it all the same. */
	ask(accept_value(key, 5, "one"), MESSAGE_OK);
	ck_assert_uint_gt(h.sent[0].rests_on, store_durable(h.store));
	ask(message(MESSAGE_READ, key), MESSAGE_VALUE);
	ck_assert_uint_gt(h.sent[0].rests_on, store_durable(h.store));
	helper_node_commit(&h);
	ask(message(MESSAGE_READ, key), MESSAGE_VALUE);
	ck_assert_uint_le(h.sent[0].rests_on, store_durable(h.store));
	atomic_store(&h.node.map_end, NODE_RESTS_ON_MAP);
	ask(message(MESSAGE_READ, key), MESSAGE_VALUE);
	ck_assert_uint_eq(h.sent[0].rests_on, NODE_RESTS_ON_MAP);
	end();
}
END_TEST

START_TEST(a_record_told_again_is_a_vote_a_copy_or_refused)
{
	begin();
	const char *key = own_key();
	set_version(key, 6, 5);
	struct message learn = message(MESSAGE_LEARN, key);
	learn.record = value_at(ballot_make(6, 5, 0), "one");
	tell(learn);
	ck_assert(!load(key).acceptor.record.is_copy);
	ck_assert(ballot_equal(load(key).acceptor.promised, learn.record.acc));

	ask(prepare(key, 9), MESSAGE_PROMISE);
	learn.record = value_at(ballot_make(6, 8, 0), "two");
	tell(learn);
	struct entry entry = load(key);
	ck_assert(entry.acceptor.record.is_copy && entry.hit.record.copy);
	ck_assert(ballot_equal(entry.acceptor.promised, drawn(key, 9)));

	/* Of an older version than start: refused, and settled by an identity round. */
	learn.record = value_at(ballot_make(4, 50, 0), "old");
	unsigned from = 100;
	learn.key = bytes_of_text(helper_node_text_in(&h, learn.block, &from));
	h.step.random = 999;
	tell(learn);
	h.step.random = 0;
	ck_assert_int_eq(helper_node_handle(&h, &learn), 0);
	ck_assert_uint_eq(h.sent_count, 2);
	ck_assert(bytes_equal(helper_node_sent(&h, MESSAGE_PREPARE)->key, learn.key));
	end();
}
END_TEST

START_TEST(a_tombstone_is_held_and_erased_into_the_floor)
{
	begin();
	const char *key = own_key();
	struct ballot t = drawn(key, 5);
	ck_assert_int_eq(ask(about(MESSAGE_HOLDS, key, t), MESSAGE_HELD)->holding, ACCEPTOR_BEHIND);
	ask(accept_tombstone(key, 5), MESSAGE_OK);
	const struct message *m = ask(about(MESSAGE_HOLDS, key, t), MESSAGE_HELD);
	ck_assert_int_eq(m->holding, ACCEPTOR_HOLDS);
	ck_assert(ballot_equal(m->b, t));
	m = ask(about(MESSAGE_HOLDS, key, drawn(key, 4)), MESSAGE_HELD);
	ck_assert_int_eq(m->holding, ACCEPTOR_GONE);

	tell(about(MESSAGE_ERASE, key, drawn(key, 4)));
	ck_assert(load(key).acceptor.has_entry);
	ask(prepare(key, 9), MESSAGE_PROMISE);
	tell(about(MESSAGE_ERASE, key, t));
	ck_assert(!load(key).acceptor.has_entry);
	/* The floor covers what was promised. */
	m = ask(prepare(key, 8), MESSAGE_PROMISE);
	ck_assert(!m->is_ok && ballot_equal(m->bound, ballot_top(drawn(key, 9))));
	m = ask(prepare(key, 10), MESSAGE_PROMISE);
	ck_assert(m->is_ok && ballot_equal(m->bound, ballot_top(drawn(key, 9))));
	ck_assert_int_eq(ask(about(MESSAGE_HOLDS, key, t), MESSAGE_HELD)->holding, ACCEPTOR_HOLDS);
	/* What tells of the absence waits for the erasure. */
	ck_assert_uint_gt(h.sent[0].rests_on, store_durable(h.store));
	end();
}
END_TEST

START_TEST(a_value_is_not_erased)
{
	begin();
	const char *key = own_key();
	ask(accept_value(key, 5, "one"), MESSAGE_OK);
	tell(about(MESSAGE_ERASE, key, drawn(key, 5)));
	ck_assert(!ballot_is_absent(load(key).acceptor.record.acc));
	end();
}
END_TEST

START_TEST(the_own_seat_is_asked_by_calls)
{
	begin();
	const char *key = own_key();
	struct entry entry = load(key);
	struct ballot b = ballot_make(0, 5, 1);
	struct acceptor_answer answer = replica_prepare(&h.node, &entry, b);
	ck_assert(answer.is_ok && ballot_equal(load(key).acceptor.promised, b));
	char value[] = "one";
	struct paxos_record record = value_at(b, value);
	ck_assert_int_eq(
	    replica_accept(&h.node, &h.step, &entry, &record, ballot_successor(b), &answer), 0);
	memset(value, 'x', sizeof(value) - 1);
	ck_assert(answer.is_ok && ballot_equal(entry.acceptor.promised, ballot_successor(b)));
	ck_assert(bytes_equal(entry.acceptor.record.value, bytes_of_text("one")));
	ck_assert(!replica_prepare(&h.node, &entry, b).is_ok);
	end();
}
END_TEST

START_TEST(hot_is_over_in_a_new_version)
{
	begin();
	const char *key = own_key();
	ask(accept_value(key, 5, "one"), MESSAGE_OK);
	struct entry entry = load(key);
	entry.acceptor.hot = true;
	entry_save_promise(&h.node, &entry);
	ck_assert(load(key).acceptor.hot);
	set_version(key, 1, 1);
	entry = load(key);
	ck_assert(!entry.acceptor.hot && entry.hit.hot);
	/* The promise is not. */
	ck_assert(ballot_equal(entry.acceptor.promised, ballot_make(0, 6, other(key))));
	set_version(key, 0, 0);
	ask(prepare(key, 9), MESSAGE_PROMISE);
	ck_assert(!load(key).acceptor.hot);
	end();
}
END_TEST

/* ---- Versions, members, nonsense --------------------------------------------------- */

START_TEST(an_older_version_is_answered_stale_or_dropped)
{
	begin();
	const char *key = own_key();
	set_version(key, 3, 3);
	static const enum message_kind asked[] = {MESSAGE_PREPARE, MESSAGE_ACCEPT, MESSAGE_READ,
						  MESSAGE_HOLDS,   MESSAGE_PULL,   MESSAGE_COMPARE};
	static const enum message_kind told[] = {MESSAGE_LEARN, MESSAGE_ERASE,  MESSAGE_CHUNK,
						 MESSAGE_HELD,  MESSAGE_DIFFER, MESSAGE_VALUE};
	atomic_store(&h.node.epoch, 12);
	struct message m = accept_value(key, 5, "one");
	m.version = m.b.version = m.record.acc.version = m.next.version = 2;
	for (size_t i = 0; i < 6; i++) {
		m.kind = asked[i];
		helper_node_forget(&h);
		ck_assert_int_eq(helper_node_handle(&h, &m), 0);
		ck_assert_uint_eq(h.sent_count, 1);
		const struct message *stale = helper_node_sent(&h, MESSAGE_STALE);
		ck_assert_uint_eq(stale->epoch, 12);
		m.kind = told[i];
		tell(m);
	}
	ck_assert(!load(key).acceptor.has_entry);
	ck_assert_uint_eq(counter_value(&h.node.counter), 0);
	end();
}
END_TEST

START_TEST(a_newer_version_waits_for_its_map)
{
	begin();
	const char *key = own_key();
	set_version(key, 3, 3);
	struct message m = accept_value(key, 5, "one");
	m.version = m.b.version = m.record.acc.version = m.next.version = 4;
	ck_assert_int_eq(helper_node_handle(&h, &m), DHT_EAGAIN);
	ck_assert_int_eq(h.step.waits_for, NODE_WAITS_FOR_MAP);
	ck_assert_uint_eq(h.wants_map_count, 1);
	ck_assert_uint_eq(h.wants_map_from, m.from);
	ck_assert_uint_eq(h.sent_count, 0);
	ck_assert(!load(key).acceptor.has_entry);
	set_version(key, 4, 3);
	ck_assert(ask(m, MESSAGE_OK)->is_ok);
	end();
}
END_TEST

START_TEST(stale_asks_for_a_map_that_is_newer)
{
	begin();
	const char *key = own_key();
	struct message m = message(MESSAGE_STALE, key);
	atomic_store(&h.node.epoch, 12);
	m.epoch = 12;
	tell(m);
	ck_assert_uint_eq(h.wants_map_count, 0);
	m.epoch = 13;
	tell(m);
	ck_assert_uint_eq(h.wants_map_count, 1);
	end();
}
END_TEST

START_TEST(only_replicas_answer_and_are_answered)
{
	begin();
	unsigned from = 0;
	const char *key = key_where(false, &from);
	struct message m = message(MESSAGE_READ, key);
	m.from = h.node.blocks[m.block].members[0];
	tell(m);
	m = message(MESSAGE_READ, own_key());
	for (m.from = 0; node_block_seat(&h.node.blocks[m.block], m.from) != NODE_NO_SEAT;)
		m.from++;
	tell(m);
	end();
}
END_TEST

START_TEST(a_block_that_recovers_answers_no_operation)
{
	begin();
	const char *key = own_key();
	struct node_block *block = set_version(key, 1, 1);
	block->phase = RING_RECOVER;
	tell(message(MESSAGE_READ, key));
	tell(prepare(key, 5));
	tell(accept_value(key, 5, "one"));
	ck_assert(!load(key).acceptor.has_entry);
	end();
}
END_TEST

START_TEST(nonsense_is_dropped)
{
	begin();
	const char *key = own_key();
	struct message good = accept_value(key, 5, "one"), m;
	struct message_item item = {.key = good.key, .record = good.record};

#define TELL_WITH(change)                                                                          \
	do {                                                                                       \
		m = good;                                                                          \
		change;                                                                            \
		tell(m);                                                                           \
	} while (0)
	TELL_WITH(m.kind = MESSAGE_KIND_COUNT);
	TELL_WITH(m.from = h.node.number);
	TELL_WITH(m.from = RING_MEMBERS_MAX);
	TELL_WITH(m.block = HELPER_NODE_BLOCKS);
	TELL_WITH(m.block ^= 4);
	TELL_WITH(m.b = BALLOT_ABSENT);
	TELL_WITH(m.b.order++; m.record.acc = m.b; m.next = ballot_successor(m.b));
	TELL_WITH(m.record.acc.order += 4096);
	TELL_WITH(m.next = ballot_make(0, 4, m.from));
	TELL_WITH(m.next = ballot_make(0, BALLOT_COUNTER_MAX, m.from));
	TELL_WITH(m.record.pver = ballot_make(0, BALLOT_COUNTER_MAX, m.from));
	TELL_WITH(m.b = m.record.acc = m.next = ballot_make(0, BALLOT_COUNTER_MAX, m.from));
	TELL_WITH(m.b.version = m.record.acc.version = m.next.version = 1);
	TELL_WITH(m.is_omitted = true);
	TELL_WITH(m.record.is_tombstone = true);
	TELL_WITH(m.record.value.len = RECORD_VALUE_MAX + 1u);
	TELL_WITH(m.key.len = RECORD_KEY_MAX + 1u; m.kind = MESSAGE_READ; m.block = 0);
	TELL_WITH(m.kind = MESSAGE_PREPARE; m.b.order++);
	TELL_WITH(m.kind = MESSAGE_LEARN; m.record = (struct paxos_record){0});
	TELL_WITH(m.kind = MESSAGE_LEARN; m.is_omitted = true);
	TELL_WITH(m.kind = MESSAGE_HOLDS; m.b = BALLOT_ABSENT);
	TELL_WITH(m.kind = MESSAGE_ERASE; m.b = BALLOT_ABSENT);
	TELL_WITH(m.kind = MESSAGE_HELD; m.holding = (enum acceptor_holding)(ACCEPTOR_BEHIND + 1));
	TELL_WITH(m.kind = MESSAGE_PULL; m.from_hash = 2; m.until_hash = 1);
	TELL_WITH(m.kind = MESSAGE_PULL; m.until_hash = STORE_HASH_END + 1);
	TELL_WITH(m.kind = MESSAGE_CHUNK; m.items = &item; m.item_count = MESSAGE_ITEMS_MAX + 1);
	TELL_WITH(m.kind = MESSAGE_CHUNK; m.items = &item; m.item_count = 1;
		  item.record.acc = BALLOT_ABSENT);
#undef TELL_WITH
	ck_assert_uint_eq(counter_value(&h.node.counter), 0);
	ck_assert(!load(key).acceptor.has_entry);
	ck_assert(ask(good, MESSAGE_OK)->is_ok);
	end();
}
END_TEST

static struct ballot any_ballot(uint16_t from)
{
	static const uint64_t counters[] = {
	    0, 1, 2, 5, 70, BALLOT_COUNTER_MAX / 2, BALLOT_COUNTER_MAX};
	uint64_t counter = counters[rand() % 7];
	if (rand() % 4 == 0)
		return BALLOT_ABSENT;
	return ballot_make((uint32_t)(rand() % 4), counter, rand() % 3 != 0 ? from : 4095);
}

static struct paxos_record any_record(uint16_t from)
{
	struct paxos_record record = {.acc = any_ballot(from),
				      .ver = any_ballot(from),
				      .pver = any_ballot(from),
				      .is_tombstone = rand() % 2 == 0,
				      .is_copy = rand() % 2 == 0};
	if (rand() % 2 == 0)
		record.value = bytes_of_text("value");
	return record;
}

static struct message any_message(const char *key, struct message_item *items, size_t count)
{
	struct message m = message((enum message_kind)(rand() % (MESSAGE_KIND_COUNT + 1)), key);
	if (m.kind == MESSAGE_FORWARD || m.kind == MESSAGE_RESULT)
		m.kind = MESSAGE_PULL;
	for (size_t i = 0; i < count; i++)
		items[i] = (struct message_item){.key = m.key, .record = any_record(m.from)};
	if (rand() % 8 == 0)
		m.from = (uint16_t)(rand() % 6);
	m.version = (uint32_t)(rand() % 4);
	m.tag = (uint64_t)(rand() % 3);
	m.is_ok = rand() % 2 == 0;
	m.is_omitted = rand() % 4 == 0;
	m.is_same = rand() % 4 == 0;
	m.holding = (enum acceptor_holding)(rand() % 4);
	m.b = any_ballot(m.from);
	m.next = rand() % 2 == 0 ? ballot_max(m.b, any_ballot(m.from)) : any_ballot(m.from);
	m.bound = any_ballot(m.from);
	m.named = any_ballot(m.from);
	m.record = any_record(m.from);
	if (rand() % 2 == 0) {
		m.b.version = m.version;
		m.record.acc = m.b;
	}
	m.from_hash = (uint32_t)rand() % (STORE_HASH_END + 2);
	m.until_hash = rand() % 2 == 0 ? STORE_HASH_END : (uint32_t)rand() % (STORE_HASH_END + 2);
	m.count = (uint32_t)(rand() % 3);
	m.items = items;
	m.item_count = (size_t)rand() % (count + 1);
	return m;
}

/* Whatever peers say, it is answered, waits or is dropped; and the node goes on after that. */
START_TEST(no_message_breaks_it)
{
	struct message_item items[3];
	char keys[4][16];
	unsigned from = 0;
	begin();
	srand((unsigned)_i + 1);
	for (unsigned i = 0; i < 4; i++, from++) {
		snprintf(keys[i], sizeof(keys[i]), "%s", key_where(true, &from));
		set_version(keys[i], 1 + i % 2, i % 2)->phase = i == 3 ? RING_RECOVER : RING_STABLE;
	}
	unsigned answers = 0;
	for (int i = 0; i < 100000; i++) {
		struct message m = any_message(keys[rand() % 4], items, DHT_ARRAY_LEN(items));
		int rc = node_handle(&h.node, &h.step, &m);
		UNIT_REQUIRE(rc == 0 || rc == DHT_EAGAIN);
		if (rc == DHT_EAGAIN && h.step.waits_for == NODE_WAITS_FOR_COMMIT)
			helper_node_commit(&h);
		h.step.random++;
		answers += h.sent_count;
		helper_node_forget(&h);
	}
	ck_assert_uint_gt(answers, 1000);
	ck_assert(ask(message(MESSAGE_READ, keys[0]), MESSAGE_VALUE) != NULL);
	end();
}
END_TEST

/* ---- What has to be there first ---------------------------------------------------- */

START_TEST(every_ballot_of_a_message_raises_the_counter)
{
	begin();
	const char *key = own_key();
	struct message m = message(MESSAGE_READ, key);
	m.named = ballot_make(9, 10, 3);
	ask(m, MESSAGE_VALUE);
	ck_assert_uint_eq(counter_value(&h.node.counter), 10);
	m = accept_value(key, 20, "one");
	ask(m, MESSAGE_OK);
	ck_assert_uint_eq(counter_value(&h.node.counter), 21);
	m = message(MESSAGE_PROMISE, key);
	m.bound = ballot_make(0, 30, 4095); /* a refusal: the next ballot is to be well above */
	tell(m);
	ck_assert_uint_gt(counter_value(&h.node.counter), 30);
	m = message(MESSAGE_LEARN, key);
	m.record = value_at(ballot_make(0, 1, 0), "old");
	m.record.pver = ballot_make(0, 400, 0);
	tell(m);
	ck_assert_uint_eq(counter_value(&h.node.counter), 400);
	struct message_item item = {.key = m.key, .record = value_at(ballot_make(0, 500, 0), "x")};
	m = message(MESSAGE_CHUNK, key);
	m.items = &item;
	m.item_count = 1;
	tell(m);
	ck_assert_uint_eq(counter_value(&h.node.counter), 500);
	end();
}
END_TEST

START_TEST(a_ballot_beyond_the_ceiling_waits_for_a_higher_one)
{
	begin();
	const char *key = own_key();
	uint64_t ceiling = 2 * COUNTER_AHEAD_MIN;
	struct message m = prepare(key, ceiling);
	ck_assert_int_eq(node_handle(&h.node, &h.step, &m), DHT_EAGAIN);
	ck_assert_int_eq(h.step.waits_for, NODE_WAITS_FOR_COMMIT);
	ck_assert(!load(key).acceptor.has_entry && h.sent_count == 0);
	counter_ceiling_durable(&h.node.counter, ceiling + 1);
	ck_assert(ask(m, MESSAGE_PROMISE)->is_ok);
	end();
}
END_TEST

/* A large value; the caller frees it. */
static char *large(void)
{
	size_t len = HELPER_NODE_SEGMENT / 8;
	char *value = calloc(1, len + 1);
	ck_assert_ptr_nonnull(value);
	memset(value, 'v', len);
	return value;
}

/* One that is stored under the next key of the same block as `key`; the answer. */
static const struct message *store_large(const char *key, unsigned *from, const char *value)
{
	char next[16];
	uint32_t block = helper_node_key(&h, key).block;
	do
		snprintf(next, sizeof(next), "%s", helper_node_text_in(&h, block, from));
	while (strcmp(next, key) == 0);
	return ask(accept_value(next, 5, value), MESSAGE_OK);
}

START_TEST(nothing_is_done_while_the_log_is_out_of_room)
{
	begin();
	const char *key = own_key();
	char *value = large();
	unsigned from = 0;
	while (store_has_room(h.store))
		store_large(key, &from, value);
	free(value);
	helper_node_forget(&h);
	struct message m = accept_value(key, 9, "last");
	ck_assert_int_eq(node_handle(&h.node, &h.step, &m), DHT_EAGAIN);
	ck_assert_int_eq(h.step.waits_for, NODE_WAITS_FOR_COMMIT);
	ck_assert_uint_eq(h.sent_count, 0);
	ck_assert(ask(m, MESSAGE_OK)->is_ok);
	end();
}
END_TEST

START_TEST(an_accept_that_finds_a_full_disk_is_refused)
{
	begin();
	const char *key = own_key();
	bool was_refused = false;
	char *value = large();
	unsigned from = 0;
	ask(accept_value(key, 5, "one"), MESSAGE_OK);
	helper_disk_set_capacity(&h.disk, 8 * HELPER_NODE_SEGMENT);
	for (int i = 0; i < 200 && !was_refused; i++) {
		const struct message *m = store_large(key, &from, value);
		was_refused = !m->is_ok;
		ck_assert(m->is_ok || ballot_is_absent(m->bound));
	}
	free(value);
	ck_assert(was_refused);
	const struct message *m = ask(accept_value(key, 8, "two"), MESSAGE_OK);
	ck_assert(!m->is_ok && ballot_equal(load(key).acceptor.record.acc, drawn(key, 5)));
	/* Others are still answered, and tombstones have room. */
	ck_assert(ask(prepare(key, 9), MESSAGE_PROMISE)->is_ok);
	ck_assert(ask(accept_tombstone(key, 9), MESSAGE_OK)->is_ok);
	end();
}
END_TEST

START_TEST(a_cold_record_is_fetched)
{
	begin();
	const char *key = own_key();
	char *value = large();
	unsigned from = 0;
	ask(accept_value(key, 5, "one"), MESSAGE_OK);
	for (int i = 0; i < 80; i++)
		store_large(key, &from, value);
	free(value);
	h.memory_bytes = 4 * HELPER_NODE_SEGMENT;
	helper_node_commit(&h);
	helper_node_restart(&h, HELPER_DISK_KEEP, map);
	unsigned repeats = h.repeats;
	const struct message *m = ask(message(MESSAGE_READ, key), MESSAGE_VALUE);
	ck_assert_uint_gt(h.repeats, repeats);
	ck_assert(bytes_equal(m->record.value, bytes_of_text("one")));
	ck_assert_uint_eq(m->location, 0);
	end();
}
END_TEST

/* ---- Restarts, and what is forgotten ----------------------------------------------- */

START_TEST(after_a_restart_low_stands_for_what_was_promised)
{
	begin();
	const char *key = own_key();
	unsigned from = 1000;
	ask(prepare(key, 7), MESSAGE_PROMISE);
	helper_node_restart(&h, HELPER_DISK_DROP, map);
	key = own_key();
	struct ballot low = ballot_make(0, 2 * COUNTER_AHEAD_MIN, BALLOT_MEMBER_TOP);
	const struct message *m = ask(prepare(key, 7), MESSAGE_PROMISE);
	ck_assert(!m->is_ok && ballot_equal(m->bound, low));
	m = ask(prepare(key_where(true, &from), 2 * COUNTER_AHEAD_MIN), MESSAGE_PROMISE);
	ck_assert(!m->is_ok);
	m = ask(prepare(own_key(), 2 * COUNTER_AHEAD_MIN + 1), MESSAGE_PROMISE);
	ck_assert(m->is_ok && ballot_equal(m->bound, low));
	end();
}
END_TEST

static void forget_at(uint32_t block, uint64_t now_us)
{
	h.step.now_us = now_us;
	ck_assert_int_eq(replica_forget_promises(&h.node, &h.step, block), 0);
}

START_TEST(a_promise_without_a_record_is_dropped_when_nobody_can_need_it)
{
	begin();
	char absent[16], there[16];
	unsigned from = 0;
	snprintf(there, sizeof(there), "%s", own_key());
	uint32_t number = helper_node_key(&h, there).block;
	struct node_block *block = &h.node.blocks[number];
	do
		snprintf(absent, sizeof(absent), "%s", helper_node_text_in(&h, number, &from));
	while (strcmp(absent, there) == 0);
	uint64_t begun = 3 * TASK_DEADLINE_MAX_US;
	ask(accept_value(there, 5, "one"), MESSAGE_OK);
	ask(prepare(there, 8), MESSAGE_PROMISE);
	ask(prepare(absent, 9), MESSAGE_PROMISE);
	forget_at(number, begun);
	forget_at(number, begun + TASK_DEADLINE_MAX_US - 1);
	ck_assert_uint_eq(block->promises.count, 2);
	/* One that was given since is not old. */
	ask(prepare(absent, 10), MESSAGE_PROMISE);
	forget_at(number, begun + TASK_DEADLINE_MAX_US);
	ck_assert_uint_eq(block->promises.count, 2);
	ck_assert(ballot_is_absent(block->acceptor.floor));
	forget_at(number, begun + 2 * TASK_DEADLINE_MAX_US);
	ck_assert_uint_eq(block->promises.count, 1);
	ck_assert(!load(absent).acceptor.has_entry);
	ck_assert(ballot_equal(load(there).acceptor.promised, drawn(there, 8)));
	ck_assert(ballot_equal(block->acceptor.floor, ballot_top(drawn(absent, 10))));
	ck_assert(!ask(prepare(absent, 10), MESSAGE_PROMISE)->is_ok);
	end();
}
END_TEST

START_TEST(all_old_promises_are_found)
{
	begin();
	uint32_t number = helper_node_key(&h, own_key()).block;
	struct node_block *block = &h.node.blocks[number];
	unsigned from = 0;
	for (uint64_t i = 0; i < 500; i++) {
		const char *key = helper_node_text_in(&h, number, &from);
		struct message m = prepare(key, 5 + i);
		ck_assert_int_eq(node_handle(&h.node, &h.step, &m), 0);
		helper_node_forget(&h);
	}
	ck_assert_uint_eq(block->promises.count, 500);
	for (unsigned i = 1; i < 5 && block->promises.count > 0; i++)
		forget_at(number, i * TASK_DEADLINE_MAX_US);
	ck_assert_uint_eq(block->promises.count, 0);
	end();
}
END_TEST

UNIT_MAIN("node_replica", 60, a_prepare_is_promised_once_and_lower_ones_are_refused,
	  an_accept_is_stored_and_reserves_the_next_ballot,
	  a_value_is_omitted_if_its_ballot_is_named, an_answer_rests_on_the_record_and_on_the_map,
	  a_record_told_again_is_a_vote_a_copy_or_refused,
	  a_tombstone_is_held_and_erased_into_the_floor, a_value_is_not_erased,
	  the_own_seat_is_asked_by_calls, hot_is_over_in_a_new_version,
	  an_older_version_is_answered_stale_or_dropped, a_newer_version_waits_for_its_map,
	  stale_asks_for_a_map_that_is_newer, only_replicas_answer_and_are_answered,
	  a_block_that_recovers_answers_no_operation, nonsense_is_dropped, no_message_breaks_it,
	  every_ballot_of_a_message_raises_the_counter,
	  a_ballot_beyond_the_ceiling_waits_for_a_higher_one,
	  nothing_is_done_while_the_log_is_out_of_room, an_accept_that_finds_a_full_disk_is_refused,
	  a_cold_record_is_fetched, after_a_restart_low_stands_for_what_was_promised,
	  a_promise_without_a_record_is_dropped_when_nobody_can_need_it, all_old_promises_are_found)
