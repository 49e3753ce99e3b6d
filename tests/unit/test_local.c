/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "helper_store_os.h"
#include "node/local.h"
#include "store/segment.h"
#include "store/state.h"
#include "unit.h"

enum { BLOCKS = 64, SEGMENT = 1 << 20 };

static struct heap_os heap;
static struct store *store;
static struct node node;

static void open_node(long segments_max)
{
	struct store_options options = {.blocks = BLOCKS, .segment_size_bytes = SEGMENT};
	heap_os_init(&heap);
	atomic_store(&heap.segments_max, segments_max);
	ck_assert_int_eq(store_open(&options, &heap.os, &store), 0);
	ck_assert_int_eq(node_init(&node, store, 0, 42, 0, 1), 0);
	counter_ceiling_durable(&node.counter, BALLOT_COUNTER_MAX);
}

static void close_node(void)
{
	node_fini(&node);
	store_close(store);
	heap_os_fini(&heap);
}

static struct op_result run(struct op op, const char *key)
{
	struct op_result result = {0};
	op.key = node_key(&node, bytes_of(key, strlen(key)));
	local_run(&node, 0, &op, &result);
	return result;
}

static struct op put(const char *value)
{
	return (struct op){.kind = OP_PUT, .value = bytes_of(value, strlen(value))};
}

static struct op get(void)
{
	return (struct op){.kind = OP_GET};
}

static struct record stored(const char *key)
{
	struct store_key k = node_key(&node, bytes_of(key, strlen(key)));
	struct store_hit hit;
	ck_assert_int_eq(store_find(store, &k, NULL, &hit), STORE_FOUND);
	return hit.record;
}

START_TEST(a_write_draws_a_ballot_of_version_0_and_number_0)
{
	open_node(10);
	struct op_result first = run(put("1"), "a");
	ck_assert_int_eq(first.status, 0);
	ck_assert(ballot_equal(first.version, ballot_make(0, 1, 0)));
	struct record r = stored("a");
	ck_assert(ballot_equal(r.acc, first.version) && ballot_equal(r.ver, first.version));
	ck_assert(ballot_is_absent(r.pver) && !r.copy);

	struct op_result second = run(put("2"), "a");
	ck_assert_int_gt(ballot_compare(second.version, first.version), 0);
	r = stored("a");
	ck_assert(ballot_equal(r.ver, second.version) && ballot_equal(r.pver, first.version));
	close_node();
}
END_TEST

START_TEST(a_read_gives_the_version_that_was_written_and_changes_nothing)
{
	open_node(10);
	struct op_result written = run(put("value"), "a"), read = run(get(), "a");
	ck_assert_int_eq(read.status, 0);
	ck_assert(ballot_equal(read.version, written.version));
	ck_assert(bytes_equal(read.value, bytes_of("value", 5)));
	ck_assert_uint_ne(read.location, 0);
	ck_assert_int_eq(run(get(), "b").status, DHT_ENOTFOUND);
	ck_assert_uint_eq(counter_value(&node.counter), 1);
	close_node();
}
END_TEST

/* What is erased stays below the floor: the history of a key that comes back begins
 * above all that was there (the register protocol, sections 3 and 4). */
START_TEST(a_deleted_key_is_erased_and_comes_back_above_the_floor)
{
	open_node(10);
	run(put("1"), "a");
	struct op_result deleted = run((struct op){.kind = OP_DEL}, "a");
	ck_assert_int_eq(deleted.status, 0);
	struct store_counts counts;
	store_count(store, &counts);
	ck_assert_uint_eq(counts.keys, 0);
	ck_assert_uint_eq(counts.tombstones, 0);
	struct store_key k = node_key(&node, bytes_of("a", 1));
	struct ballot floor = node.blocks[k.block].acceptor.floor;
	ck_assert(ballot_is_absent(deleted.version));
	ck_assert(ballot_equal(floor, ballot_top(ballot_make(0, 2, 0))));

	struct op_result again = run(put("2"), "a");
	struct record r = stored("a");
	ck_assert_int_gt(ballot_compare(again.version, floor), 0);
	ck_assert(ballot_equal(r.pver, floor));
	close_node();
}
END_TEST

START_TEST(an_operation_that_found_no_room_changed_nothing)
{
	static char value[60000];
	memset(value, 'x', sizeof(value) - 1);
	open_node(1);
	char key[16];
	int stored_count = 0;
	struct op_result result;
	do {
		snprintf(key, sizeof(key), "k%d", stored_count);
		result = run(put(value), key);
		stored_count += result.status == 0;
	} while (result.status == 0);
	ck_assert_int_eq(result.status, DHT_ENOSPC);
	ck_assert_int_gt(stored_count, 10);
	ck_assert_int_eq(run(get(), key).status, DHT_ENOTFOUND);
	struct op_result before = run(get(), "k0");
	ck_assert_int_eq(run(put(value), "k0").status, DHT_ENOSPC);
	ck_assert(ballot_equal(run(get(), "k0").version, before.version));
	close_node();
}
END_TEST

/* A log with room for the tombstone alone: 32 bytes with the ballot of the value before,
 * and an erasure of 24 behind it. */
START_TEST(a_tombstone_that_could_not_be_erased_goes_when_the_key_is_met_again)
{
	enum { ROOM = SEGMENT - SEGMENT_HEADER_SIZE - 1, LEFT = 40 };
	static char value[ROOM];
	struct store_counts counts;
	open_node(1);
	run(put("1"), "a");
	struct op filler = put("");
	filler.value = bytes_of(value, ROOM - (RECORD_FIXED + 2) - (RECORD_FIXED + 1) - LEFT);
	ck_assert_int_eq(run(filler, "f").status, 0);
	ck_assert_int_eq(run((struct op){.kind = OP_DEL}, "a").status, 0);
	store_count(store, &counts);
	ck_assert_uint_eq(counts.tombstones, 1);
	ck_assert_int_eq(run(get(), "a").status, DHT_ENOTFOUND);
	store_count(store, &counts);
	ck_assert_uint_eq(counts.tombstones, 1);
	atomic_fetch_add(&heap.segments_max, 1);
	ck_assert_int_eq(run(get(), "a").status, DHT_ENOTFOUND);
	store_count(store, &counts);
	ck_assert_uint_eq(counts.tombstones, 0);
	close_node();
}
END_TEST

START_TEST(a_write_that_needs_a_higher_ceiling_is_not_done)
{
	open_node(10);
	counter_init(&node.counter, 100, 0);
	counter_ceiling_durable(&node.counter, 103);
	ck_assert_int_eq(run(put("1"), "a").status, 0);
	ck_assert_int_eq(run(put("2"), "a").status, 0);
	struct op_result refused = run(put("3"), "a");
	ck_assert_int_eq(refused.status, DHT_EAGAIN);
	ck_assert_uint_eq(refused.end, 0);
	ck_assert_int_eq(run((struct op){.kind = OP_DEL}, "a").status, DHT_EAGAIN);
	struct op_result read = run(get(), "a");
	ck_assert_int_eq(read.status, 0);
	ck_assert(bytes_equal(read.value, bytes_of("2", 1)));
	ck_assert(ballot_equal(read.version, ballot_make(0, 102, 0)));
	/* What changes nothing needs no ballot. */
	ck_assert_int_eq(run((struct op){.kind = OP_DEL}, "b").status, DHT_ENOTFOUND);

	counter_ceiling_durable(&node.counter, 200);
	struct op_result again = run(put("3"), "a");
	ck_assert_int_eq(again.status, 0);
	ck_assert(ballot_equal(again.version, ballot_make(0, 103, 0)));
	close_node();
}
END_TEST

/* ---- Expiry ---------------------------------------------------------------------- */

enum { T = 1000 }; /* the time at which the tests put */

static struct op put_until(const char *value, uint64_t expires_ms)
{
	struct op op = put(value);
	op.expiry = OP_EXPIRY_AT;
	op.expires_ms = expires_ms;
	op.now_ms = T;
	return op;
}

static struct op_result get_at(const char *key, uint64_t now_ms)
{
	return run((struct op){.kind = OP_GET, .now_ms = now_ms}, key);
}

static struct store_counts counted(void)
{
	struct store_counts counts;
	store_count(store, &counts);
	return counts;
}

START_TEST(an_expired_key_is_erased_by_the_first_look_at_it)
{
	open_node(10);
	run(put_until("1", T + 5), "a");
	ck_assert_uint_eq(stored("a").expires_ms, T + 5);
	ck_assert_uint_eq(counted().expiring, 1);
	struct op_result read = get_at("a", T + 4);
	ck_assert(read.status == 0 && read.expires_ms == T + 5);
	read = get_at("a", T + 5);
	ck_assert_int_eq(read.status, DHT_ENOTFOUND);
	ck_assert(read.location == 0 && ballot_is_absent(read.version) && read.expires_ms == 0);
	ck_assert_uint_ne(read.end, 0); /* the tombstone is durable before the answer goes */
	struct store_counts counts = counted();
	ck_assert(counts.keys == 0 && counts.tombstones == 0 && counts.expiring == 0);
	/* A clock that is behind does not bring it back. */
	ck_assert_int_eq(get_at("a", T).status, DHT_ENOTFOUND);
	/* Put, tombstone, put: the history goes on above the floor of the tombstone. */
	struct op_result again = run(put("2"), "a");
	ck_assert(ballot_equal(again.version, ballot_make(0, 3, 0)));
	ck_assert(ballot_equal(stored("a").pver, ballot_top(ballot_make(0, 2, 0))));
	close_node();
}
END_TEST

START_TEST(a_write_over_an_expired_key_replaces_it_in_one_step)
{
	open_node(10);
	struct op_result first = run(put_until("1", T + 5), "a");
	struct op op = put("2");
	op.now_ms = T + 5;
	op.conditions = OP_IF_ABSENT;
	ck_assert_int_eq(run(op, "a").status, 0);
	struct record r = stored("a");
	ck_assert(ballot_equal(r.pver, first.version) && r.expires_ms == 0);
	ck_assert_uint_eq(counter_value(&node.counter), 2);
	ck_assert_uint_eq(counted().expiring, 0);
	close_node();
}
END_TEST

START_TEST(a_put_whose_time_has_come_leaves_nothing)
{
	open_node(10);
	ck_assert_int_eq(run(put_until("1", T), "a").status, 0);
	ck_assert_uint_eq(counter_value(&node.counter), 0);
	run(put("1"), "a");
	struct op_result result = run(put_until("2", T - 1), "a");
	ck_assert(result.status == 0 && ballot_is_absent(result.version) && result.end != 0);
	ck_assert_int_eq(get_at("a", 0).status, DHT_ENOTFOUND);
	ck_assert(counted().keys == 0 && counted().tombstones == 0);
	close_node();
}
END_TEST

START_TEST(expire_and_persist_write_the_value_anew)
{
	open_node(10);
	struct op_result first = run(put("value"), "a");
	struct op op = {
	    .kind = OP_EXPIRE, .expiry = OP_EXPIRY_AT, .expires_ms = T + 9, .now_ms = T};
	struct op_result result = run(op, "a");
	ck_assert(result.status == 0 && result.expires_ms == T + 9);
	ck_assert_int_gt(ballot_compare(result.version, first.version), 0);
	struct op_result ttl = run((struct op){.kind = OP_TTL, .now_ms = T}, "a");
	ck_assert(ttl.status == 0 && ttl.expires_ms == T + 9 && ttl.location == 0);
	ck_assert(ballot_equal(ttl.version, result.version));
	op.expiry = OP_EXPIRY_CLEAR;
	result = run(op, "a");
	ck_assert(result.status == 0 && result.expires_ms == 0);
	struct op_result read = get_at("a", UINT64_MAX);
	ck_assert(read.status == 0 && bytes_equal(read.value, bytes_of("value", 5)));
	/* Nothing to change: no new version. */
	ck_assert(ballot_equal(run(op, "a").version, result.version));
	op.expiry = OP_EXPIRY_AT;
	op.expires_ms = T;
	ck_assert_int_eq(run(op, "a").status, 0);
	ck_assert_int_eq(get_at("a", 0).status, DHT_ENOTFOUND);
	close_node();
}
END_TEST

/* A log with no room at all: what has expired is absent all the same, as soon as the record
 * that says so is durable. */
START_TEST(an_expired_key_is_absent_on_a_full_log)
{
	enum { ROOM = SEGMENT - SEGMENT_HEADER_SIZE - 1, LEFT = 8 };
	static char value[ROOM];
	open_node(1);
	uint64_t end = run(put_until("1", T + 5), "a").end;
	struct op filler = put("");
	filler.value = bytes_of(value, ROOM - (RECORD_FIXED + RECORD_EXPIRY_SIZE + 2) -
					   (RECORD_FIXED + 1) - LEFT);
	ck_assert_int_eq(run(filler, "f").status, 0);
	struct op_result read = get_at("a", T + 5);
	ck_assert_int_eq(read.status, DHT_ENOTFOUND);
	ck_assert(ballot_is_absent(read.version) && read.location == 0);
	ck_assert_uint_eq(read.end, end);
	ck_assert_uint_eq(counted().keys, 2);
	struct op op = {.kind = OP_DEL, .now_ms = T + 5};
	read = run(op, "a");
	ck_assert(read.status == DHT_ENOTFOUND && read.end == end);
	struct store_key k = node_key(&node, bytes_of("a", 1));
	struct local_expiry expiry = {0};
	ck_assert_int_eq(local_expire_block(&node, 0, k.block, T + 5, 1, &expiry), DHT_ENOSPC);
	ck_assert(expiry.hash == 0 && expiry.expired == 0 && expiry.end == 0);
	atomic_fetch_add(&heap.segments_max, 1);
	ck_assert_int_eq(local_expire_block(&node, 0, k.block, T + 5, 1, &expiry), 0);
	ck_assert(expiry.expired == 1 && expiry.end != 0);
	ck_assert_uint_eq(counted().keys, 1);
	close_node();
}
END_TEST

/* Scans all blocks in steps, returns how many it took; *expired are the keys removed. */
static unsigned expire_all(uint64_t now_ms, unsigned max, uint64_t *expired)
{
	unsigned steps = 0;
	*expired = 0;
	for (uint32_t block = 0; block < BLOCKS; block++) {
		struct local_expiry expiry = {0};
		while (expiry.hash != STORE_HASH_END) {
			uint64_t before = expiry.expired;
			int rc = local_expire_block(&node, 0, block, now_ms, max, &expiry);
			UNIT_REQUIRE(rc == 0 && expiry.expired - before <= LOCAL_EXPIRE_MAX);
			steps++;
		}
		*expired += expiry.expired;
	}
	return steps;
}

START_TEST(the_scan_removes_what_has_expired_and_nothing_else)
{
	enum { KEYS = 6000 };
	char key[16];
	uint64_t expired;
	open_node(20);
	/* A third each: never expires, expires at T + 5, at T + 10. */
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		struct op op = i % 3 == 0 ? put("v") : put_until("v", T + (uint64_t)(i % 3) * 5);
		UNIT_REQUIRE(run(op, key).status == 0);
	}
	ck_assert_uint_eq(counted().expiring, KEYS / 3 * 2);
	unsigned steps = expire_all(T + 4, 10, &expired);
	ck_assert_uint_eq(expired, 0);
	ck_assert_uint_ge(steps, KEYS / 10 / 2); /* bounded steps */
	expire_all(T + 5, 10, &expired);
	ck_assert_uint_eq(expired, KEYS / 3);
	expire_all(T + 10, LOCAL_EXPIRE_MAX, &expired);
	ck_assert_uint_eq(expired, KEYS / 3);
	struct store_counts counts = counted();
	ck_assert(counts.keys == KEYS / 3 && counts.tombstones == 0 && counts.expiring == 0);
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		UNIT_REQUIRE(get_at(key, 0).status == (i % 3 == 0 ? 0 : DHT_ENOTFOUND));
	}
	/* No key can expire any more: one look at each block. */
	ck_assert_uint_eq(expire_all(UINT64_MAX, 1, &expired), BLOCKS);
	close_node();
}
END_TEST

/* Hash tags put all keys into one block, so that among its 2^20 hashes some are shared:
 * entries of one hash are visited together, and a full step may see more than it holds. */
START_TEST(the_scan_misses_none_of_the_keys_that_share_a_hash)
{
	enum { KEYS = 40000 };
	char key[24];
	uint64_t expired;
	open_node(20);
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "{t}%d", i);
		UNIT_REQUIRE(run(put_until("", T + 1), key).status == 0);
	}
	expire_all(T + 1, LOCAL_EXPIRE_MAX, &expired);
	ck_assert_uint_eq(expired, KEYS);
	ck_assert_uint_eq(counted().keys, 0);
	close_node();
}
END_TEST

START_TEST(the_scan_tells_of_a_damaged_record)
{
	open_node(1);
	UNIT_REQUIRE(run(put_until("value", T + 1), "a").status == 0);
	struct record r = stored("a");
	struct store_key k = node_key(&node, bytes_of("a", 1));
	struct local_expiry expiry = {0};
	segment_set_unverified(&store->segs, 0, true);
	ck_assert_int_eq(local_expire_block(&node, 0, k.block, T, 1, &expiry), 0);
	((uint8_t *)(uintptr_t)r.value.data)[0] ^= 1;
	expiry = (struct local_expiry){0};
	ck_assert_int_eq(local_expire_block(&node, 0, k.block, T, 1, &expiry), DHT_EDAMAGED);
	ck_assert(expiry.expired == 0 && expiry.hash == 0);
	close_node();
}
END_TEST

/* ---- Values that are results of writes ------------------------------------------- */

static uint64_t pins_of(uint64_t location)
{
	return atomic_load(&store->segs.slots[segment_slot_of(location)].holds) >> 32;
}

static void assert_holds(const struct op_result *result, const char *value)
{
	ck_assert_int_eq(result->status, 0);
	ck_assert(bytes_equal(result->value, bytes_of(value, strlen(value))));
	ck_assert(result->location != 0 && result->is_pinned);
	ck_assert_uint_eq(pins_of(result->location), 1);
	store_unpin(store, result->location);
}

START_TEST(the_value_before_is_pinned_where_it_is_replaced)
{
	open_node(10);
	struct op op = put("2");
	op.wants_value = true;
	struct op_result result = run(op, "a");
	ck_assert(result.status == 0 && !result.existed && result.location == 0);
	op = put("33");
	op.wants_value = true;
	result = run(op, "a");
	assert_holds(&result, "2");
	ck_assert_uint_eq(result.size, 2);
	op = (struct op){
	    .kind = OP_EXPIRE, .wants_value = true, .expiry = OP_EXPIRY_AT, .expires_ms = 9};
	result = run(op, "a");
	assert_holds(&result, "33");
	ck_assert(result.expires_ms == 9 && result.size == 2);
	/* Where nothing is written it is still the latest: the caller pins it, as for GET. */
	result = run(op, "a");
	ck_assert(result.status == 0 && result.location != 0 && !result.is_pinned);
	op = put("4");
	op.wants_value = true;
	op.conditions = OP_IF_ABSENT;
	result = run(op, "a");
	ck_assert(result.status == DHT_EPRECOND && result.location != 0 && !result.is_pinned);
	ck_assert(bytes_equal(result.value, bytes_of("33", 2)));
	op = (struct op){.kind = OP_DEL, .wants_value = true};
	result = run(op, "a");
	assert_holds(&result, "33");
	ck_assert_int_eq(run(get(), "a").status, DHT_ENOTFOUND);
	close_node();
}
END_TEST

START_TEST(a_write_that_is_not_done_has_no_value_and_no_pin)
{
	open_node(10);
	counter_init(&node.counter, 100, 0);
	counter_ceiling_durable(&node.counter, 102);
	struct op_result first = run(put("1"), "a");
	ck_assert_int_eq(first.status, 0);
	uint64_t location = run(get(), "a").location;
	struct op op = put("2");
	op.wants_value = true;
	struct op_result refused = run(op, "a");
	ck_assert_int_eq(refused.status, DHT_EAGAIN);
	ck_assert(refused.location == 0 && !refused.is_pinned && refused.value.len == 0);
	ck_assert_uint_eq(pins_of(location), 0);
	close_node();
}
END_TEST

/* A record that was fetched is kept by whoever fetched it. */
START_TEST(the_value_of_a_cold_record_lies_in_what_was_fetched)
{
	open_node(10);
	run(put("cold"), "a");
	struct op_result read = run(get(), "a");
	uint8_t data[64];
	memcpy(data, segment_at(&store->segs, read.location), sizeof(data));
	segment_set_state(&store->segs, segment_slot_of(read.location), SEGMENT_COLD, true);
	struct op op = put("new");
	op.wants_value = true;
	struct op_result result = run(op, "a");
	ck_assert(result.status == DHT_EAGAIN && result.cold == read.location);
	struct store_fetched fetched = {.location = read.location, .data = data};
	op.fetched = &fetched;
	result = run(op, "a");
	ck_assert(result.status == 0 && result.location == 0 && !result.is_pinned);
	ck_assert(bytes_equal(result.value, bytes_of("cold", 4)));
	ck_assert_uint_eq(pins_of(read.location), 0);
	close_node();
}
END_TEST

START_TEST(derived_values_lie_in_the_new_record)
{
	open_node(10);
	struct op op = {.kind = OP_INCR_FLOAT, .delta_float = 10.5L};
	run(op, "f");
	struct op_result result = run(op, "f");
	ck_assert(result.status == 0 && bytes_equal(result.value, bytes_of("21", 2)));
	ck_assert(result.size == 2 && !result.is_pinned);
	ck_assert_uint_eq(result.location, run(get(), "f").location);
	ck_assert_ptr_eq(result.value.data, stored("f").value.data);
	op = (struct op){.kind = OP_APPEND, .value = bytes_of("0", 1), .value_max = 4};
	result = run(op, "f");
	ck_assert(result.status == 0 && result.size == 3 && result.location == 0);
	ck_assert(bytes_equal(stored("f").value, bytes_of("210", 3)));
	run(op, "f");
	result = run(op, "f");
	ck_assert(result.status == DHT_ETOOBIG && result.size == 4);
	close_node();
}
END_TEST

START_TEST(keys_of_one_hash_tag_share_a_block)
{
	open_node(2);
	struct store_key a = node_key(&node, bytes_of("{user7}:a", 9));
	struct store_key b = node_key(&node, bytes_of("{user7}:b", 9));
	ck_assert_uint_eq(a.block, b.block);
	ck_assert_uint_ne(a.hash, b.hash);
	node.hash_seed++;
	ck_assert_uint_ne(node_key(&node, a.key).hash, a.hash);
	ck_assert_uint_eq(node_key(&node, a.key).block, a.block);
	close_node();
}
END_TEST

/* An entry goes with what was promised of it: what is absent is below the floor. */
START_TEST(an_erased_key_leaves_no_promise_and_the_floor_above_it)
{
	open_node(10);
	run(put("1"), "a");
	struct store_key k = node_key(&node, bytes_of("a", 1));
	struct node_block *block = &node.blocks[k.block];
	struct ballot promised = ballot_make(0, 7, 3);
	ck_assert_int_eq(promises_set(&block->promises, k.key, k.hash, promised), 0);
	ck_assert_int_eq(run((struct op){.kind = OP_DEL}, "a").status, 0);
	ck_assert(ballot_is_absent(promises_find(&block->promises, k.key, k.hash)));
	ck_assert(ballot_equal(block->acceptor.floor, ballot_top(promised)));
	close_node();
}
END_TEST

/* Who decides alone is said by a map, which may be on its way to the disk still. */
START_TEST(a_result_rests_on_the_map)
{
	static const uint64_t ends[] = {1ull << 40, NODE_RESTS_ON_MAP};
	struct op_result results[1], whole = {0};
	open_node(10);
	for (unsigned i = 0; i < DHT_ARRAY_LEN(ends); i++) {
		atomic_store(&node.map_end, ends[i]);
		ck_assert_uint_eq(run(put("1"), "a").end, ends[i]);
		ck_assert_uint_eq(run(get(), "a").end, ends[i]);
		ck_assert_uint_eq(run((struct op){.kind = OP_DEL}, "a").end, ends[i]);
		ck_assert_uint_eq(run(get(), "a").end, ends[i]);
		struct op op = put("2");
		struct series series;
		series_init(&series);
		series.key = op.key = node_key(&node, bytes_of("a", 1));
		series.ops = &op;
		series.results = results;
		series.count = 1;
		local_run_series(&node, 0, &series, &whole);
		ck_assert_uint_eq(whole.end, ends[i]);
		if (whole.is_pinned)
			store_unpin(store, whole.location);
		whole = (struct op_result){0};
		series_fini(&series);
	}
	close_node();
}
END_TEST

/* An erasure has no version: it must not be in the log before the map that allows it. */
START_TEST(a_tombstone_stays_while_a_map_is_adopted)
{
	open_node(10);
	run(put("1"), "a");
	atomic_store(&node.map_end, NODE_RESTS_ON_MAP);
	ck_assert_int_eq(run((struct op){.kind = OP_DEL}, "a").status, 0);
	ck_assert_int_eq(run(get(), "a").status, DHT_ENOTFOUND);
	ck_assert_int_eq(stored("a").kind, RECORD_TOMBSTONE);
	atomic_store(&node.map_end, 1ull << 40);
	ck_assert_int_eq(run(get(), "a").status, DHT_ENOTFOUND);
	struct store_key k = node_key(&node, bytes_of("a", 1));
	struct store_hit hit;
	ck_assert_int_eq(store_find(store, &k, NULL, &hit), STORE_ABSENT);
	close_node();
}
END_TEST

/* Elsewhere a key that has expired goes by a round. */
START_TEST(a_block_with_more_replicas_expires_nothing_alone)
{
	const struct ring_block shared = {
	    .phase = RING_STABLE, .version = 1, .old = {.members = {0, 1, 2}, .count = 3}};
	struct local_expiry expiry = {0};
	struct store_hit hit;
	uint64_t end;
	open_node(10);
	struct op op = put("1");
	op.expiry = OP_EXPIRY_AT;
	op.expires_ms = 10;
	run(op, "a");
	struct store_key k = node_key(&node, bytes_of("a", 1));
	node_block_set(&node.blocks[k.block], &shared, 0);
	ck_assert_int_eq(local_expire_block(&node, 0, k.block, 20, 10, &expiry), 0);
	ck_assert(expiry.hash == STORE_HASH_END && expiry.expired == 0);
	ck_assert_int_eq(store_find(store, &k, NULL, &hit), STORE_FOUND);
	ck_assert_int_eq(local_expire(&node, 0, &k, &hit, &end), DHT_ENOSPC);
	ck_assert_int_eq(stored("a").kind, RECORD_VALUE);
	close_node();
}
END_TEST

UNIT_MAIN("node", 30, a_write_draws_a_ballot_of_version_0_and_number_0,
	  a_read_gives_the_version_that_was_written_and_changes_nothing,
	  a_deleted_key_is_erased_and_comes_back_above_the_floor,
	  an_operation_that_found_no_room_changed_nothing,
	  a_tombstone_that_could_not_be_erased_goes_when_the_key_is_met_again,
	  a_write_that_needs_a_higher_ceiling_is_not_done,
	  an_expired_key_is_erased_by_the_first_look_at_it,
	  a_write_over_an_expired_key_replaces_it_in_one_step,
	  a_put_whose_time_has_come_leaves_nothing, expire_and_persist_write_the_value_anew,
	  an_expired_key_is_absent_on_a_full_log,
	  the_scan_removes_what_has_expired_and_nothing_else,
	  the_scan_misses_none_of_the_keys_that_share_a_hash, the_scan_tells_of_a_damaged_record,
	  the_value_before_is_pinned_where_it_is_replaced,
	  a_write_that_is_not_done_has_no_value_and_no_pin,
	  the_value_of_a_cold_record_lies_in_what_was_fetched, derived_values_lie_in_the_new_record,
	  keys_of_one_hash_tag_share_a_block,
	  an_erased_key_leaves_no_promise_and_the_floor_above_it, a_result_rests_on_the_map,
	  a_tombstone_stays_while_a_map_is_adopted,
	  a_block_with_more_replicas_expires_nothing_alone)
