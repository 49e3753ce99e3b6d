/* SPDX-License-Identifier: Apache-2.0
 *
 * A store over a disk that crashes in every single call that changes it, in turn: after
 * each recovery the store is what it was after some operation of the log's order, and
 * that is none before the last one which was acknowledged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "helper_disk.h"
#include "store/store.h"
#include "unit.h"

enum {
	BLOCKS = 64,
	SEGMENT = STORE_SEGMENT_SIZE_MIN,
	KEYS = 24,
	COLD_KEYS = 6, /* the first ones: rarely touched, they keep old segments */
	KEY_SIZE = 8,
	VALUE_MAX = 50000,
	OPS_MAX = 1 << 16,
	HISTORY_MAX = 1024,
};

enum kind { ABSENT, VALUE, TOMBSTONE };

/* What an operation left of a key. */
struct state {
	uint64_t op; /* its number, and the counter of the record's ballot */
	enum kind kind;
	size_t len;
};

static struct history {
	struct state states[HISTORY_MAX];
	unsigned count;
} model[KEYS];

static uint64_t ends[OPS_MAX]; /* position that makes an operation durable; 0: none */
static uint64_t ceilings[OPS_MAX];
static uint64_t ops;   /* number of the last operation */
static uint64_t acked; /* the last one that must be there */
static uint64_t random_state;
static struct helper_disk disk;
static struct store *store;
static struct store_report report;
static uint8_t value_bytes[VALUE_MAX];

static uint32_t next_random(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33);
}

static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	(void)ctx;
	key->hash = hash_bytes(key->key.data, key->key.len);
	key->block = (uint32_t)(key->hash % blocks);
}

static struct store_key key_of(const uint8_t *id)
{
	struct store_key key = {.key = bytes_of(id, KEY_SIZE)};
	locate(NULL, &key, BLOCKS);
	return key;
}

static void *table_resize(void *ctx, void *table, size_t old_size, size_t new_size)
{
	(void)ctx;
	(void)old_size;
	if (new_size == 0) {
		free(table);
		return NULL;
	}
	return realloc(table, new_size);
}

/* ---- Model ------------------------------------------------------------------------- */

static struct state state_at(uint32_t id, uint64_t op)
{
	struct state state = {0};
	for (unsigned i = 0; i < model[id].count && model[id].states[i].op <= op; i++)
		state = model[id].states[i];
	return state;
}

static void note(uint32_t id, enum kind kind, size_t len, uint64_t end)
{
	struct history *history = &model[id];
	UNIT_REQUIRE(history->count < HISTORY_MAX);
	history->states[history->count++] = (struct state){.op = ops, .kind = kind, .len = len};
	ends[ops] = end;
}

static uint8_t byte_of(uint64_t op, size_t i)
{
	return (uint8_t)(op * 131 + i * 7 + (i >> 9));
}

static void note_acked(uint64_t position)
{
	for (uint64_t op = acked + 1; op <= ops; op++) {
		if (ends[op] != 0 && ends[op] <= position)
			acked = op;
	}
}

/* Forgets what is lost, and what nothing needs to be compared with any more. */
static void settle_model(uint64_t op)
{
	for (uint32_t id = 0; id < KEYS; id++) {
		struct state state = state_at(id, op);
		model[id].states[0] = state;
		model[id].count = 1;
	}
	for (uint64_t lost = op + 1; lost <= ops; lost++)
		ends[lost] = ceilings[lost] = 0;
	acked = op;
}

/* ---- The store against the model --------------------------------------------------- */

static bool is_as(uint32_t id, struct state state)
{
	uint8_t name[KEY_SIZE];
	struct store_hit hit;
	put_u64(name, id);
	struct store_key key = key_of(name);
	if (store_find(store, &key, NULL, &hit) == STORE_ABSENT)
		return state.kind == ABSENT;
	if (state.kind == ABSENT || ballot_counter(hit.record.acc) != state.op)
		return false;
	/* The very record: now it must be whole. */
	UNIT_REQUIRE((hit.record.kind == RECORD_VALUE) == (state.kind == VALUE));
	UNIT_REQUIRE(hit.record.value.len == state.len);
	for (size_t i = 0; i < state.len; i++)
		UNIT_REQUIRE(hit.record.value.data[i] == byte_of(state.op, i));
	return true;
}

static bool is_after(uint64_t op)
{
	for (uint32_t id = 0; id < KEYS; id++) {
		if (!is_as(id, state_at(id, op)))
			return false;
	}
	return true;
}

/* Finds the operation after which the store is as it is: acknowledged or later. */
static void check_recovered(void)
{
	uint64_t op = acked, ceiling = 0;
	while (op <= ops && !is_after(op))
		op++;
	UNIT_REQUIRE(op <= ops);
	for (uint64_t i = 1; i <= acked; i++)
		ceiling = ceilings[i] > ceiling ? ceilings[i] : ceiling;
	UNIT_REQUIRE(report.ceiling >= ceiling && report.ceiling <= ops);
	UNIT_REQUIRE(report.highest_counter <= ops);
	settle_model(op);
}

/* ---- Operations --------------------------------------------------------------------- */

static int open_store(void)
{
	struct store_options options = {
	    .blocks = BLOCKS, .segment_size_bytes = SEGMENT, .locate = locate, .report = &report};
	store = NULL;
	int rc = store_open(&options, &disk.os, &store);
	/* What was not read is cold until the housekeeper comes to it. */
	for (bool changed = true; rc == 0 && changed;)
		rc = store_balance(store, &changed);
	return rc;
}

static int provide(void)
{
	int rc = 0;
	while (rc == 0 && store_wants_segment(store))
		rc = store_prepare(store);
	return rc == 0 ? store_commit(store, STORE_WRITE_ONLY) : rc;
}

static int put(uint32_t id, enum kind kind)
{
	uint8_t name[KEY_SIZE];
	struct store_hit hit;
	uint64_t end;
	put_u64(name, id);
	struct store_key key = key_of(name);
	size_t len = kind == VALUE ? next_random() % VALUE_MAX : 0;
	for (size_t i = 0; i < len; i++)
		value_bytes[i] = byte_of(ops, i);
	struct record rec = {.kind = kind == VALUE ? RECORD_VALUE : RECORD_TOMBSTONE,
			     .acc = ballot_make(1, ops, 1),
			     .ver = ballot_make(1, ops, 1),
			     .key = key.key,
			     .value = bytes_of(value_bytes, len)};
	store_find(store, &key, NULL, &hit);
	int rc = store_put(store, 0, &key, &hit, &rec, &end);
	if (rc == 0)
		note(id, kind, len, end);
	return rc;
}

static int erase(uint32_t id)
{
	uint8_t name[KEY_SIZE];
	struct store_hit hit;
	uint64_t end;
	put_u64(name, id);
	struct store_key key = key_of(name);
	if (store_find(store, &key, NULL, &hit) == STORE_ABSENT)
		return 0;
	int rc = store_erase(store, 0, &key, &hit, hit.record.acc, &end);
	if (rc == 0)
		note(id, ABSENT, 0, end);
	return rc;
}

static uint32_t draw_id(void)
{
	uint32_t id = next_random() % KEYS;
	return id < COLD_KEYS && next_random() % 8 != 0 ? id + COLD_KEYS : id;
}

static int operate(void)
{
	uint32_t id = draw_id(), choice = next_random() % 16;
	if (choice == 0) {
		uint64_t end;
		int rc = store_put_ceiling(store, 0, ops, &end);
		if (rc == 0) {
			ends[ops] = end;
			ceilings[ops] = ops;
		}
		return rc;
	}
	if (choice < 4)
		return erase(id);
	return put(id, choice < 6 ? TOMBSTONE : VALUE);
}

/* Runs operations until an error or the end; acknowledges what may be. */
static int run(unsigned count, enum helper_disk_loss loss)
{
	struct store_report background;
	int rc = 0;
	for (unsigned i = 0; i < count && rc == 0; i++) {
		ops++;
		UNIT_REQUIRE(ops < OPS_MAX);
		while ((rc = operate()) == DHT_EAGAIN) {
			rc = provide();
			if (rc != 0)
				break;
		}
		if (rc == 0 && next_random() % 3 == 0)
			rc = store_commit(store,
					  next_random() % 3 == 0 ? STORE_WRITE_ONLY : STORE_SYNC);
		if (rc == 0 && store_wants_segment(store))
			rc = store_prepare(store);
		if (rc == 0 && next_random() % 4 == 0 && store_wants_background(store))
			rc = store_background(store, &background);
	}
	note_acked(loss == HELPER_DISK_KEEP ? store_written(store) : store_durable(store));
	return rc;
}

static void setup(uint64_t seed)
{
	memset(model, 0, sizeof(model));
	memset(ends, 0, sizeof(ends));
	memset(ceilings, 0, sizeof(ceilings));
	ops = acked = 0;
	random_state = seed;
	helper_disk_init(&disk, seed);
	disk.os.table_resize = table_resize;
}

static void recover(enum helper_disk_loss loss)
{
	store_close(store);
	helper_disk_power_back(&disk, loss);
	int rc = open_store();
	if (rc != 0)
		fprintf(stderr, "open: %d %s\n", rc, report.why);
	UNIT_REQUIRE(rc == 0);
	check_recovered();
}

/* ---- Tests --------------------------------------------------------------------------- */

START_TEST(clean_stop_keeps_everything)
{
	setup(7);
	ck_assert_int_eq(open_store(), 0);
	for (int i = 0; i < 8; i++) {
		ck_assert_int_eq(run(60, HELPER_DISK_DROP), 0);
		ck_assert_int_eq(store_commit(store, STORE_SYNC), 0);
		note_acked(store_durable(store));
		uint64_t before = acked;
		recover(HELPER_DISK_DROP);
		ck_assert_uint_eq(acked, before);
		ck_assert_uint_eq(report.cut_bytes, 0);
	}
	store_close(store);
	helper_disk_fini(&disk);
}
END_TEST

/* Crashes in every call of a life from the beginning. */
static void crash_everywhere(enum helper_disk_loss loss, uint64_t seed)
{
	bool is_crashed = true;
	uint64_t n;
	for (n = 1; is_crashed; n++) {
		setup(seed);
		helper_disk_crash_at(&disk, n);
		int rc = open_store();
		if (rc == 0)
			rc = run(180, loss);
		is_crashed = disk.is_crashed;
		UNIT_REQUIRE((rc != 0) == is_crashed);
		helper_disk_seed(&disk, seed + n);
		recover(loss);
		UNIT_REQUIRE(run(10, loss) == 0);
		recover(loss);
		store_close(store);
		helper_disk_fini(&disk);
	}
	ck_assert_uint_gt(n, 90);
}

START_TEST(crash_in_every_call)
{
	crash_everywhere((enum helper_disk_loss)_i, 1000 + (uint64_t)_i);
}
END_TEST

/* One store that crashes again and again, later each time; in its recovery, too. */
static void crash_again_and_again(enum helper_disk_loss loss, uint64_t seed)
{
	setup(seed);
	for (uint64_t n = 1; n < 90; n++) {
		helper_disk_crash_at(&disk, n);
		if (open_store() == 0) {
			check_recovered();
			(void)run(400, loss);
		}
		UNIT_REQUIRE(disk.is_crashed);
		recover(loss);
		store_close(store);
	}
	helper_disk_fini(&disk);
}

START_TEST(crash_again)
{
	crash_again_and_again((enum helper_disk_loss)(_i % 3), 2000 + (uint64_t)_i);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_crash");
	TCase *tcase = tcase_create("store_crash");
	tcase_set_timeout(tcase, 200);
	tcase_add_test(tcase, clean_stop_keeps_everything);
	tcase_add_loop_test(tcase, crash_in_every_call, 0, 3);
	tcase_add_loop_test(tcase, crash_again, 0, 3);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
