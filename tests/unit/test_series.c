/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "helper_store_os.h"
#include "node/local.h"
#include "store/segment.h"
#include "store/state.h"
#include "unit.h"

enum { BLOCKS = 64, SEGMENT = 1 << 20, T = 1000 };

/* A node with a store of its own. */
struct world {
	struct heap_os heap;
	struct store *store;
	struct node node;
};

static void open_world(struct world *world, long segments_max)
{
	struct store_options options = {.blocks = BLOCKS, .segment_size_bytes = SEGMENT};
	heap_os_init(&world->heap);
	atomic_store(&world->heap.segments_max, segments_max);
	ck_assert_int_eq(store_open(&options, &world->heap.os, &world->store), 0);
	ck_assert_int_eq(node_init(&world->node, world->store, 0, 42, 0, 1), 0);
	counter_ceiling_durable(&world->node.counter, BALLOT_COUNTER_MAX);
}

static void close_world(struct world *world)
{
	node_fini(&world->node);
	store_close(world->store);
	heap_os_fini(&world->heap);
}

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

static struct op_result run(struct world *world, struct op op, const char *key)
{
	struct op_result result = {0};
	op.key = node_key(&world->node, text(key));
	local_run(&world->node, 0, &op, &result);
	return result;
}

static struct op_result run_series(struct world *world, struct series *series, struct op *ops,
				   struct op_result *results, size_t count, const char *key)
{
	struct op_result whole = {0};
	series->key = node_key(&world->node, text(key));
	series->ops = ops;
	series->results = results;
	series->count = count;
	for (size_t i = 0; i < count; i++) {
		ops[i].key = series->key;
		ops[i].now_ms = series->now_ms;
	}
	local_run_series(&world->node, 0, series, &whole);
	return whole;
}

static struct op put(const char *value)
{
	return (struct op){.kind = OP_PUT, .value = text(value)};
}

static struct op get_at(uint64_t now_ms)
{
	return (struct op){.kind = OP_GET, .now_ms = now_ms};
}

static uint64_t pins_of(struct world *world, uint64_t location)
{
	return atomic_load(&world->store->segs.slots[segment_slot_of(location)].holds) >> 32;
}

START_TEST(each_operation_sees_what_the_ones_before_made)
{
	struct world world;
	struct series series;
	struct op_result results[8];
	open_world(&world, 10);
	struct op_result before = run(&world, put("41"), "a");
	struct op ops[] = {
	    {.kind = OP_INCR, .delta = 1},
	    {.kind = OP_GET},
	    {.kind = OP_APPEND, .value = text("x"), .value_max = 100},
	    {.kind = OP_INCR, .delta = 1},
	    {.kind = OP_APPEND, .value = text("y"), .value_max = 100},
	    {.kind = OP_GET},
	    {.kind = OP_PUT, .value = text("7"), .wants_value = true},
	    {.kind = OP_INCR_FLOAT, .delta_float = 0.5L},
	};
	series_init(&series);
	uint64_t drawn = counter_value(&world.node.counter);
	struct op_result whole = run_series(&world, &series, ops, results, 8, "a");
	ck_assert_int_eq(whole.status, 0);
	ck_assert_uint_eq(counter_value(&world.node.counter), drawn + 1);
	ck_assert_int_eq(results[0].number, 42);
	ck_assert(bytes_equal(results[1].value, text("42")));
	ck_assert_uint_eq(results[2].size, 3);
	ck_assert_int_eq(results[3].status, DHT_ETYPE);
	ck_assert(bytes_equal(results[5].value, text("42xy")));
	ck_assert(bytes_equal(results[6].value, text("42xy")));
	ck_assert(bytes_equal(results[7].value, text("7.5")));
	/* What was there before is pinned, as a result might lie in it. */
	ck_assert(bytes_equal(whole.value, text("41")) && whole.is_pinned);
	ck_assert_uint_eq(pins_of(&world, whole.location), 1);
	store_unpin(world.store, whole.location);
	struct op_result read = run(&world, get_at(T), "a");
	ck_assert(bytes_equal(read.value, text("7.5")));
	ck_assert(ballot_equal(read.version, whole.version));
	ck_assert(ballot_equal(results[0].version, whole.version));
	ck_assert_int_gt(ballot_compare(whole.version, before.version), 0);
	series_fini(&series);
	close_world(&world);
}
END_TEST

START_TEST(a_watched_version_must_be_there_still)
{
	struct world world;
	struct series series;
	struct op_result results[1];
	struct op ops[] = {put("new")};
	open_world(&world, 10);
	series_init(&series);
	series.is_watched = true;
	series.watched = BALLOT_ABSENT;
	ck_assert_int_eq(run_series(&world, &series, ops, results, 1, "a").status, 0);
	struct op_result whole = run_series(&world, &series, ops, results, 1, "a");
	ck_assert(whole.status == DHT_EPRECOND && !whole.is_pinned && whole.end != 0);
	series.watched = whole.version;
	/* No operation: a look. */
	whole = run_series(&world, &series, ops, results, 0, "a");
	ck_assert(whole.status == 0 && ballot_equal(whole.version, series.watched));
	ck_assert_uint_eq(counter_value(&world.node.counter), 1);
	struct op until = {.kind = OP_EXPIRE, .expiry = OP_EXPIRY_AT, .expires_ms = T + 1};
	series.watched = run(&world, until, "a").version;
	ck_assert_int_eq(run_series(&world, &series, ops, results, 0, "a").status, 0);
	/* What has expired is another state, and stays so for a clock that is behind. */
	series.now_ms = T + 1;
	ck_assert_int_eq(run_series(&world, &series, ops, results, 1, "a").status, DHT_EPRECOND);
	ck_assert_int_eq(run(&world, get_at(T), "a").status, DHT_ENOTFOUND);
	series_fini(&series);
	close_world(&world);
}
END_TEST

/* Three clients: the first one's version is gone when the second one writes, and the third one
 * watches a version that is not there any more. */
START_TEST(a_chain_gives_each_series_results_of_its_own)
{
	struct series series[3];
	struct op_result results[3], wholes[3] = {{0}};
	struct op ops[] = {put("1"), put("2"), put("3")};
	struct record base = {.kind = RECORD_TOMBSTONE};
	struct ballot at = ballot_make(3, 9, 1);
	struct chain chain;
	struct change change;
	chain_begin(&chain, &base);
	for (int i = 0; i < 3; i++) {
		series_init(&series[i]);
		series[i].ops = &ops[i];
		series[i].results = &results[i];
		series[i].count = 1;
		series[i].is_watched = i == 2;
		series_set_time(&series[i], T);
		chain_apply(&chain, &series[i], &wholes[i]);
	}
	chain_end(&chain, &change);
	ck_assert(change.changes && bytes_equal(change.value, text("2")));
	for (int i = 0; i < 3; i++)
		chain_written(&chain, &series[i], &wholes[i], at);
	ck_assert_int_eq(wholes[2].status, DHT_EPRECOND);
	ck_assert(ballot_equal(wholes[2].version, at) && ballot_equal(results[1].version, at));
	ck_assert(bytes_equal(wholes[1].value, text("1")));
	ck_assert(ballot_equal(wholes[1].version, results[0].version));
	ck_assert_int_lt(ballot_compare(results[0].version, at), 0);
	ck_assert_uint_eq(ballot_member(results[0].version), BALLOT_MEMBER_TOP);
	for (int i = 0; i < 3; i++)
		series_fini(&series[i]);
}
END_TEST

START_TEST(a_key_that_comes_and_goes_leaves_nothing)
{
	struct world world;
	struct series series;
	struct op_result results[3];
	struct op ops[] = {put("1"), {.kind = OP_DEL, .wants_value = true}, {.kind = OP_GET}};
	open_world(&world, 10);
	series_init(&series);
	uint64_t end = store_durable(world.store);
	struct op_result whole = run_series(&world, &series, ops, results, 3, "a");
	ck_assert(whole.status == 0 && !whole.existed && ballot_is_absent(whole.version));
	ck_assert(results[1].status == 0 && bytes_equal(results[1].value, text("1")));
	ck_assert_int_eq(results[2].status, DHT_ENOTFOUND);
	ck_assert_uint_eq(store_durable(world.store), end);
	run(&world, put("0"), "a");
	whole = run_series(&world, &series, ops, results, 3, "a");
	ck_assert(whole.status == 0 && whole.existed && ballot_is_absent(whole.version));
	store_unpin(world.store, whole.location);
	ck_assert_int_eq(run(&world, get_at(T), "a").status, DHT_ENOTFOUND);
	series_fini(&series);
	close_world(&world);
}
END_TEST

START_TEST(a_series_that_cannot_be_written_has_not_been)
{
	struct world world;
	struct series series;
	struct op_result results[2];
	struct op ops[] = {put("2"), {.kind = OP_GET}};
	open_world(&world, 10);
	run(&world, put("1"), "a");
	struct op_result read = run(&world, get_at(T), "a");
	counter_init(&world.node.counter, 100, 0);
	counter_ceiling_durable(&world.node.counter, 101);
	series_init(&series);
	struct op_result whole = run_series(&world, &series, ops, results, 2, "a");
	ck_assert(whole.status == DHT_EAGAIN && whole.cold == 0 && !whole.is_pinned);
	ck_assert_uint_eq(pins_of(&world, read.location), 0);
	ck_assert(bytes_equal(run(&world, get_at(T), "a").value, text("1")));
	/* Nothing needs a ballot that changes nothing. */
	ck_assert_int_eq(run_series(&world, &series, ops + 1, results, 1, "a").status, 0);
	counter_ceiling_durable(&world.node.counter, 200);

	/* A cold record comes first. */
	uint8_t data[64];
	memcpy(data, segment_at(&world.store->segs, read.location), sizeof(data));
	segment_set_state(&world.store->segs, segment_slot_of(read.location), SEGMENT_COLD, true);
	whole = run_series(&world, &series, ops, results, 2, "a");
	ck_assert(whole.status == DHT_EAGAIN && whole.cold == read.location);
	struct store_fetched fetched = {.location = read.location, .data = data};
	series.fetched = &fetched;
	whole = run_series(&world, &series, ops, results, 2, "a");
	ck_assert(whole.status == 0 && whole.location == 0 && !whole.is_pinned);
	ck_assert(bytes_equal(whole.value, text("1")));
	ck_assert(bytes_equal(results[1].value, text("2")));
	series_fini(&series);
	close_world(&world);
}
END_TEST

/* ---- Any series is as good as its operations one by one --------------------------- */

enum { OPS_MAX = 12, KEYS = 5, TIMES = 40 };

static const char *const words[] = {"", "a", "7", "-3", "2.5", "x y", "inf", "9223372036854775807"};

static struct bytes any_word(void)
{
	return text(words[(size_t)rand() % DHT_ARRAY_LEN(words)]);
}

static struct op any_op(uint64_t now_ms)
{
	static const enum op_kind kinds[] = {OP_GET,         OP_PUT,  OP_DEL,        OP_CAS_VALUE,
					     OP_CAS_VERSION, OP_INCR, OP_INCR_FLOAT, OP_APPEND,
					     OP_EXPIRE,      OP_TTL};
	struct op op = {
	    .kind = kinds[(size_t)rand() % DHT_ARRAY_LEN(kinds)],
	    .value = any_word(),
	    .expected = any_word(),
	    .expected_version = BALLOT_ABSENT,
	    .delta = rand() % 7 - 3,
	    .delta_float = (rand() % 9 - 4) / 4.0L,
	    .value_max = 12,
	    .expiry = (enum op_expiry)(rand() % 3),
	    .expires_ms = now_ms + (uint64_t)(rand() % TIMES) - 3,
	    .now_ms = now_ms,
	};
	if (op.kind == OP_PUT || op.kind == OP_DEL || op.kind == OP_EXPIRE) {
		op.conditions = rand() % 3 != 0 ? 0 : 1u << rand() % 7;
		op.wants_value = rand() % 2 == 0;
	}
	return op;
}

static void assert_same(const struct op_result *a, const struct op_result *b)
{
	UNIT_REQUIRE(a->status == b->status && a->existed == b->existed);
	UNIT_REQUIRE(bytes_equal(a->value, b->value));
	UNIT_REQUIRE(a->expires_ms == b->expires_ms && a->size == b->size);
	UNIT_REQUIRE(a->number == b->number);
	UNIT_REQUIRE(b->location == 0);
}

/* Runs one series on `together` and its operations on `single`, and compares. */
static void compare_once(struct world *single, struct world *together, uint64_t now_ms)
{
	struct op ops[OPS_MAX];
	struct op_result results[OPS_MAX];
	struct series series;
	char key[8];
	size_t count = (size_t)rand() % (OPS_MAX + 1);
	snprintf(key, sizeof(key), "k%d", rand() % KEYS);
	for (size_t i = 0; i < count; i++)
		ops[i] = any_op(now_ms);
	series_init(&series);
	series.now_ms = now_ms;
	uint64_t drawn = counter_value(&together->node.counter);
	struct op_result whole = run_series(together, &series, ops, results, count, key);
	UNIT_REQUIRE(whole.status == 0);
	UNIT_REQUIRE(counter_value(&together->node.counter) <= drawn + 1);
	for (size_t i = 0; i < count; i++) {
		struct op_result result = run(single, ops[i], key);
		assert_same(&result, &results[i]);
		if (result.is_pinned)
			store_unpin(single->store, result.location);
	}
	if (whole.is_pinned)
		store_unpin(together->store, whole.location);
	series_fini(&series);
	struct op_result a = run(single, get_at(now_ms), key);
	struct op_result b = run(together, get_at(now_ms), key);
	b.location = 0;
	assert_same(&a, &b);
	UNIT_REQUIRE(ballot_is_absent(b.version) || count == 0 || whole.status != 0 ||
		     ballot_equal(b.version, whole.version));
}

START_TEST(a_series_equals_its_operations_one_by_one)
{
	for (unsigned seed = 1; seed <= 8; seed++) {
		struct world single, together;
		struct store_counts a, b;
		open_world(&single, 200);
		open_world(&together, 200);
		srand(seed);
		for (uint64_t round = 0; round < 3000; round++)
			compare_once(&single, &together, T + round);
		store_count(single.store, &a);
		store_count(together.store, &b);
		ck_assert_msg(a.bytes == b.bytes && b.tombstones == 0, "seed %u", seed);
		close_world(&single);
		close_world(&together);
	}
}
END_TEST

UNIT_MAIN("series", 60, each_operation_sees_what_the_ones_before_made,
	  a_watched_version_must_be_there_still, a_chain_gives_each_series_results_of_its_own,
	  a_key_that_comes_and_goes_leaves_nothing, a_series_that_cannot_be_written_has_not_been,
	  a_series_equals_its_operations_one_by_one)
