/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_life.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "unit.h"

enum {
	STILL_KEYS = 6, /* the first ones: rarely touched, they keep old segments */
	KEY_SIZE = 8,
	VALUE_MAX = 60000,
	OPS_MAX = 1 << 16,
	HISTORY_MAX = 4096,
	WORKERS = 3,         /* appenders of operations */
	COMPACTOR = WORKERS, /* the appender of compaction */
	PINS = 2,
	FETCHED_MAX = 8,
	RETRIES_MAX = 100,
	/* Notes have histories, too, behind those of the keys. */
	NOTE_MAP = LIFE_KEYS,
	NOTE_VOTE,
	NOTE_FINS,
	NOTES_END = NOTE_FINS + LIFE_BLOCKS_USED,
};

enum kind { ABSENT, VALUE, TOMBSTONE };

/* What an operation left of a key. */
struct state {
	uint64_t op; /* its number, and the counter of the record's ver */
	uint64_t expires_ms;
	size_t len;
	enum kind kind;
};

struct history {
	struct state states[HISTORY_MAX];
	unsigned count;
	bool promised, hot; /* of the last one */
};

/* A value that somebody still sends. */
struct pin {
	uint64_t location; /* 0: none */
	struct state state;
	const uint8_t *data;
};

struct life life;

static struct history model[NOTES_END];
static struct pin pins[PINS];
static uint64_t ends[OPS_MAX]; /* position that makes an operation durable; 0: none */
static uint64_t ceilings[OPS_MAX];
static uint64_t ops;   /* number of the last operation */
static uint64_t acked; /* the last one that must be there */
static uint64_t random_state;
static uint32_t locked;  /* block + 1 while compaction holds its lock */
static bool is_adopting; /* there are DROPs whose map is not written */
static bool is_running;  /* in life_run: anything may happen at any time */
static unsigned explore_every, explore_at;
static uint8_t value_bytes[LIFE_VALUE_MAX];

static uint32_t next_random(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33);
}

static bool chance(unsigned one_in)
{
	return next_random() % one_in == 0;
}

/* Neighbours have the same hash: a look-up has to tell them apart. */
void life_locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	(void)ctx;
	uint64_t id = get_u64(key->key.data);
	uint8_t pair[KEY_SIZE];
	put_u64(pair, id / 2);
	key->hash = hash_bytes(pair, sizeof(pair));
	key->block = (uint32_t)(id / 2 % LIFE_BLOCKS_USED);
	UNIT_REQUIRE(key->block < blocks);
}

static struct store_key key_of(uint32_t id, uint8_t name[KEY_SIZE])
{
	struct store_key key;
	put_u64(name, id);
	key.key = bytes_of(name, KEY_SIZE);
	life_locate(NULL, &key, LIFE_BLOCKS);
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
	for (unsigned i = model[id].count; i-- > 0;) {
		if (model[id].states[i].op <= op)
			return model[id].states[i];
	}
	return state;
}

static struct state state_now(uint32_t id)
{
	return state_at(id, UINT64_MAX);
}

static void note(uint32_t id, struct state state)
{
	struct history *history = &model[id];
	UNIT_REQUIRE(history->count < HISTORY_MAX);
	state.op = ops;
	history->states[history->count++] = state;
	history->promised = history->hot = false;
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
	for (uint32_t id = 0; id < NOTES_END; id++) {
		struct state state = state_at(id, op);
		model[id].states[0] = state;
		model[id].count = 1;
		model[id].promised = model[id].hot = false;
	}
	memset(pins, 0, sizeof(pins));
	memset(ends, 0, (ops + 1) * sizeof(ends[0]));
	for (uint64_t lost = op + 1; lost <= ops; lost++)
		ceilings[lost] = 0;
	acked = op;
}

/* ---- Reading ------------------------------------------------------------------------- */

struct reading {
	struct store_hit hit;
	struct store_fetched fetched[FETCHED_MAX];
	unsigned count;
};

/* Looks a key up, as often as something is to be fetched. */
static bool look_up(const struct store_key *key, struct reading *reading)
{
	reading->count = 0;
	for (;;) {
		const struct store_fetched *list =
		    reading->count > 0 ? &reading->fetched[reading->count - 1] : NULL;
		enum store_found found = store_find(life.store, key, list, &reading->hit);
		if (found == STORE_ABSENT || found == STORE_FOUND)
			return found == STORE_FOUND;
		UNIT_REQUIRE(found == STORE_COLD && reading->count < FETCHED_MAX);
		struct store_fetched *fetched = &reading->fetched[reading->count];
		uint8_t *data;
		store_pin(life.store, reading->hit.location);
		int rc = store_fetch(life.store, reading->hit.location, &data);
		store_unpin(life.store, reading->hit.location);
		UNIT_REQUIRE(rc == 0);
		*fetched = (struct store_fetched){
		    .location = reading->hit.location, .data = data, .next = list};
		reading->count++;
		life.cold_reads++;
	}
}

static void end_reading(struct reading *reading)
{
	while (reading->count > 0)
		free((void *)(uintptr_t)reading->fetched[--reading->count].data);
}

static void check_value(const uint8_t *data, struct state state)
{
	for (size_t i = 0; i < state.len; i++) {
		if (data[i] != byte_of(state.op, i))
			ck_abort_msg("a torn value");
	}
}

/* The operation that a key's record comes from; 0: it is absent. The record must be whole. */
static uint64_t operation_of(uint32_t id)
{
	uint8_t name[KEY_SIZE];
	struct store_key key = key_of(id, name);
	struct reading reading;
	uint64_t op = 0;
	if (look_up(&key, &reading)) {
		const struct record *rec = &reading.hit.record;
		op = ballot_counter(rec->ver);
		struct state state = state_at(id, op);
		UNIT_REQUIRE(state.op == op && state.kind != ABSENT);
		UNIT_REQUIRE((rec->kind == RECORD_VALUE) == (state.kind == VALUE));
		UNIT_REQUIRE(rec->value.len == state.len && rec->expires_ms == state.expires_ms);
		check_value(rec->value.data, state);
	}
	end_reading(&reading);
	return op;
}

/* The same of a note. It begins with its operation; a FIN has no room for more. */
static uint64_t operation_of_note(uint32_t id)
{
	enum record_kind kind = id == NOTE_MAP    ? RECORD_MAP
				: id == NOTE_VOTE ? RECORD_VOTE
						  : RECORD_FIN;
	struct bytes value;
	if (!store_note(life.store, kind, id < NOTE_FINS ? 0 : id - NOTE_FINS, &value))
		return 0;
	uint64_t op = id < NOTE_FINS ? get_u64(value.data) : get_u32(value.data);
	struct state state = state_at(id, op);
	UNIT_REQUIRE(state.op == op && value.len == state.len);
	for (size_t i = sizeof(op); i < value.len; i++)
		UNIT_REQUIRE(value.data[i] == byte_of(op, i));
	return op;
}

static uint64_t any_operation_of(uint32_t id)
{
	return id < LIFE_KEYS ? operation_of(id) : operation_of_note(id);
}

static void check_counts(void)
{
	struct store_counts counts;
	uint64_t keys = 0, tombstones = 0, expiring = 0, bytes = 0;
	for (uint32_t id = 0; id < LIFE_KEYS; id++) {
		struct state state = state_now(id);
		keys += state.kind == VALUE;
		tombstones += state.kind == TOMBSTONE;
		expiring += state.expires_ms != 0;
		bytes += state.kind == VALUE ? KEY_SIZE + state.len : 0;
	}
	store_count(life.store, &counts);
	UNIT_REQUIRE(counts.keys == keys && counts.tombstones == tombstones);
	UNIT_REQUIRE(counts.expiring == expiring && counts.bytes == bytes);
}

void life_check(void)
{
	for (uint32_t id = 0; id < LIFE_KEYS; id++) {
		uint8_t name[KEY_SIZE];
		struct store_key key = key_of(id, name);
		struct state state = state_now(id);
		struct reading reading;
		UNIT_REQUIRE(operation_of(id) == (state.kind != ABSENT ? state.op : 0));
		if (look_up(&key, &reading)) {
			UNIT_REQUIRE(reading.hit.promised == model[id].promised);
			UNIT_REQUIRE(reading.hit.hot == model[id].hot);
		}
		UNIT_REQUIRE(store_rests_on(life.store, key.block, &reading.hit) >= ends[state.op]);
		end_reading(&reading);
	}
	for (uint32_t id = NOTE_MAP; id < NOTES_END; id++)
		UNIT_REQUIRE(operation_of_note(id) == state_now(id).op);
	check_counts();
}

/* Finds the operation after which the store is as it is: acknowledged or later. */
static void check_recovered(void)
{
	uint64_t found[NOTES_END], ceiling = 0, op = acked;
	for (uint32_t id = 0; id < NOTES_END; id++)
		found[id] = any_operation_of(id);
	for (bool is_same = false; !is_same; op += !is_same) {
		UNIT_REQUIRE(op <= ops);
		is_same = true;
		for (uint32_t id = 0; is_same && id < NOTES_END; id++) {
			struct state state = state_at(id, op);
			is_same = found[id] == (state.kind != ABSENT ? state.op : 0);
		}
	}
	for (uint64_t i = 1; i <= acked; i++)
		ceiling = ceilings[i] > ceiling ? ceilings[i] : ceiling;
	UNIT_REQUIRE(life.report.ceiling >= ceiling && life.report.ceiling <= ops);
	UNIT_REQUIRE(life.report.highest_counter <= ops);
	settle_model(op);
	check_counts();
}

/* ---- Operations --------------------------------------------------------------------- */

static int put_at(uint32_t id, const struct store_key *key, struct store_hit *hit,
		  unsigned appender, struct state state)
{
	uint64_t end = 0;
	for (size_t i = 0; i < state.len; i++)
		value_bytes[i] = byte_of(ops, i);
	/* Order decides, whatever acc is. */
	struct ballot acc = ballot_make(next_random() % 4, next_random() % (ops + 1), 1);
	struct record rec = {.kind = state.kind == VALUE ? RECORD_VALUE : RECORD_TOMBSTONE,
			     .copy = chance(3),
			     .acc = acc,
			     .ver = ballot_make(1, ops, 1),
			     .expires_ms = state.expires_ms,
			     .key = key->key,
			     .value = bytes_of(value_bytes, state.len)};
	int rc = store_put(life.store, appender, key, hit, &rec, &end);
	if (rc == 0) {
		ends[ops] = end;
		note(id, state);
	}
	return rc;
}

static int put(uint32_t id, struct state state)
{
	uint8_t name[KEY_SIZE];
	struct store_key key = key_of(id, name);
	struct reading reading;
	look_up(&key, &reading);
	int rc = put_at(id, &key, &reading.hit, next_random() % WORKERS, state);
	end_reading(&reading);
	return rc;
}

static int erase_at(uint32_t id, const struct store_key *key, struct store_hit *hit,
		    unsigned appender)
{
	uint64_t end = 0;
	int rc = store_erase(life.store, appender, key, hit, &end);
	if (rc == 0) {
		ends[ops] = end;
		note(id, (struct state){.kind = ABSENT});
	}
	return rc;
}

static int erase(uint32_t id)
{
	uint8_t name[KEY_SIZE];
	struct store_key key = key_of(id, name);
	struct reading reading;
	int rc = 0;
	if (look_up(&key, &reading))
		rc = erase_at(id, &key, &reading.hit, next_random() % WORKERS);
	end_reading(&reading);
	return rc;
}

/* ---- Notes, and the adoption of maps ---------------------------------------------------- */

static int put_note(uint32_t id, size_t len)
{
	static const enum record_kind kinds[] = {RECORD_MAP, RECORD_VOTE, RECORD_FIN};
	uint32_t which = id < NOTE_FINS ? id - NOTE_MAP : 2;
	uint64_t end = 0;
	UNIT_REQUIRE(len >= sizeof(ops) || which == 2);
	for (size_t i = 0; i < len; i++)
		value_bytes[i] = byte_of(ops, i);
	if (which == 2)
		put_u32(value_bytes, (uint32_t)ops);
	else
		put_u64(value_bytes, ops);
	/* The number of the operation makes an epoch, too. */
	int rc =
	    store_put_note(life.store, next_random() % WORKERS, kinds[which],
			   which == 2 ? id - NOTE_FINS : 0, ops, bytes_of(value_bytes, len), &end);
	if (rc == 0) {
		ends[ops] = end;
		note(id, (struct state){.kind = VALUE, .len = len});
	}
	return rc;
}

static int put_any_note(void)
{
	uint32_t id = NOTE_VOTE + next_random() % (NOTES_END - NOTE_VOTE);
	return put_note(id, id < NOTE_FINS ? sizeof(ops) + next_random() % 500 : 4);
}

static int commit_somehow(void);

/* The blocks of the bits in `blocks` are dropped, and the map is written: one operation. What
 * was there must be there as long as the map is not. */
static int adopt(uint32_t blocks, size_t map_len)
{
	uint64_t end;
	int rc = 0;
	for (uint32_t block = 0; rc == 0 && block < LIFE_BLOCKS_USED; block++) {
		if ((blocks >> block & 1) == 0)
			continue;
		rc = store_drop(life.store, next_random() % WORKERS, block, ops, &end);
		if (rc == 0)
			is_adopting = true;
		if (rc == 0 && is_running && locked == 0 && chance(2))
			rc = commit_somehow();
	}
	if (rc == 0)
		rc = put_note(NOTE_MAP, map_len);
	if (rc != 0)
		return rc;
	is_adopting = false;
	life.drops++;
	for (uint32_t id = 0; id < LIFE_KEYS; id++) {
		uint8_t name[KEY_SIZE];
		if ((blocks >> key_of(id, name).block & 1) != 0 && state_now(id).kind != ABSENT)
			note(id, (struct state){.kind = ABSENT});
	}
	return 0;
}

/* Once begun, it is done. */
static int adopt_for_sure(uint32_t blocks, size_t map_len)
{
	int rc = adopt(blocks, map_len);
	for (int i = 0; rc == DHT_EAGAIN || (rc == DHT_ENOSPC && is_adopting); i++) {
		UNIT_REQUIRE(i < RETRIES_MAX);
		rc = life_provide();
		if (rc == 0)
			rc = adopt(blocks, map_len);
	}
	return rc;
}

static int put_ceiling(void)
{
	uint64_t end = 0;
	int rc = store_put_ceiling(life.store, next_random() % WORKERS, ops, &end);
	if (rc == 0) {
		ends[ops] = end;
		ceilings[ops] = ops;
	}
	return rc;
}

void life_set_flags(uint32_t id, bool promised, bool hot)
{
	uint8_t name[KEY_SIZE];
	struct store_key key = key_of(id, name);
	struct reading reading;
	if (look_up(&key, &reading)) {
		model[id].promised = promised;
		model[id].hot = hot;
		store_set_flags(life.store, &key, &reading.hit, promised, hot);
	}
	end_reading(&reading);
}

static void take_pin(struct pin *pin, uint32_t id)
{
	uint8_t name[KEY_SIZE];
	struct store_key key = key_of(id, name);
	struct reading reading;
	if (look_up(&key, &reading) && !reading.hit.is_fetched) {
		*pin = (struct pin){.location = reading.hit.location,
				    .state = state_now(id),
				    .data = reading.hit.record.value.data};
		store_pin(life.store, pin->location);
	}
	end_reading(&reading);
}

static void check_pin(struct pin *pin)
{
	if (pin->location == 0)
		return;
	check_value(pin->data, pin->state);
	store_unpin(life.store, pin->location);
	pin->location = 0;
}

static uint32_t draw_id(void)
{
	uint32_t id = next_random() % LIFE_KEYS;
	return id < STILL_KEYS && !chance(8) ? id + STILL_KEYS : id;
}

static int put_any(uint32_t id)
{
	struct state state = {.kind = VALUE};
	state.len = chance(3) ? next_random() % 200 : next_random() % VALUE_MAX;
	state.expires_ms = chance(2) ? 1 + next_random() : 0;
	return put(id, state);
}

static int operate(void)
{
	uint32_t id = draw_id(), choice = next_random() % 64;
	if (choice < 2)
		return put_ceiling();
	if (choice < 4)
		return put_any_note();
	if (choice < 6)
		return adopt_for_sure(next_random() & next_random(), 8 + next_random() % 5000);
	if (choice < 16)
		return erase(id);
	return choice < 26 ? put(id, (struct state){.kind = TOMBSTONE}) : put_any(id);
}

/* ---- What goes on in the background --------------------------------------------------- */

static int prepare(void)
{
	int rc = 0;
	while (rc == 0 && store_wants_segment(life.store))
		rc = store_prepare(life.store);
	return rc == DHT_ENOSPC ? 0 : rc;
}

static int commit_somehow(void)
{
	int rc;
	switch (next_random() % 6) {
	case 0:
		return store_commit(life.store, STORE_WRITE_ONLY);
	case 1:
		return store_commit(life.store, STORE_SYNC);
	case 2:
		return store_write(life.store);
	case 3:
		return store_sync(life.store);
	case 4:
		return store_wants_turn(life.store) ? store_turn(life.store) : 0;
	default:
		rc = store_write(life.store);
		return rc == 0 ? store_sync(life.store) : rc;
	}
}

/* The lock is about to be taken: what is not under it may be anything by now. */
static void take_lock(void *ctx, uint32_t block)
{
	(void)ctx;
	UNIT_REQUIRE(locked == 0 && block < LIFE_BLOCKS_USED);
	if (is_running && !is_adopting && chance(40)) {
		ops++;
		(void)operate();
	}
	bool changed;
	if (is_running && chance(20) && store_balance(life.store, &changed) != 0)
		UNIT_REQUIRE(life.disk.is_crashed);
	locked = block + 1;
}

static void give_lock(void *ctx, uint32_t block)
{
	(void)ctx;
	UNIT_REQUIRE(locked == block + 1);
	locked = 0;
}

/* As a node does: a tombstone, and its erasure. */
static int expire(void *ctx, unsigned appender, const struct store_key *key, struct store_hit *hit)
{
	(void)ctx;
	uint32_t id = (uint32_t)get_u64(key->key.data);
	struct state state = state_now(id);
	UNIT_REQUIRE(locked == key->block + 1 && appender == COMPACTOR);
	UNIT_REQUIRE(state.op == ballot_counter(hit->record.ver) && state.kind == VALUE);
	UNIT_REQUIRE(state.expires_ms != 0 && state.expires_ms <= life.now_ms);
	ops++;
	int rc = put_at(id, key, hit, appender, (struct state){.kind = TOMBSTONE});
	if (rc != 0)
		return rc;
	ops++;
	life.expired++;
	rc = erase_at(id, key, hit, appender);
	return rc == DHT_ENOSPC || rc == DHT_EAGAIN ? 0 : rc;
}

static const struct store_caller caller = {
    .lock = take_lock, .unlock = give_lock, .expire = expire};

static void explore_here(void);

static int compact(void)
{
	static const size_t steps[] = {1, 1000, 60000, LIFE_SEGMENT};
	size_t done_bytes;
	int rc = 0;
	if (!store_is_compacting(life.store)) {
		life.now_ms = next_random();
		rc = chance(6) ? store_compact_begin(life.store, life.now_ms) : DHT_ENOTFOUND;
		return rc == DHT_ENOTFOUND ? 0 : rc;
	}
	rc = store_compact(life.store, COMPACTOR, &caller, steps[next_random() % 4], &done_bytes);
	if (rc == 0)
		explore_here();
	if (rc == 0 && !store_is_compacting(life.store))
		life.compactions++;
	return rc == DHT_EAGAIN || rc == DHT_ENOSPC || rc == DHT_ENOTFOUND ? 0 : rc;
}

static int keep_house(void)
{
	struct store_report background;
	bool changed;
	int rc = 0;
	if (chance(3))
		rc = commit_somehow();
	if (rc == 0 && chance(2))
		rc = prepare();
	if (rc == 0 && life.plan.compacts)
		rc = compact();
	if (rc == 0 && chance(4) && store_wants_background(life.store))
		rc = store_background(life.store, &background);
	if (rc == 0 && chance(3))
		rc = store_balance(life.store, &changed);
	if (rc == 0 && chance(16))
		check_pin(&pins[next_random() % PINS]);
	if (rc == 0 && chance(16) && pins[0].location == 0)
		take_pin(&pins[0], draw_id());
	if (rc == 0 && chance(16) && pins[1].location == 0)
		take_pin(&pins[1], draw_id());
	if (rc == 0 && chance(3))
		life_set_flags(draw_id(), chance(2), chance(2));
	return rc;
}

int life_provide(void)
{
	int rc = prepare();
	return rc == 0 ? store_commit(life.store, STORE_WRITE_ONLY) : rc;
}

/* An operation that finds the disk full has not taken place. */
static int operate_for_sure(void)
{
	int rc = operate();
	for (int i = 0; rc == DHT_EAGAIN; i++) {
		UNIT_REQUIRE(i < RETRIES_MAX);
		rc = life_provide();
		if (rc == 0)
			rc = operate();
	}
	if (rc != DHT_ENOSPC)
		return rc;
	life.refused++;
	return 0;
}

/* ---- One by one ----------------------------------------------------------------------- */

static int put_for_sure(uint32_t id, struct state state)
{
	int rc = DHT_EAGAIN;
	ops++;
	for (int i = 0; rc == DHT_EAGAIN; i++) {
		UNIT_REQUIRE(i < RETRIES_MAX);
		rc = put(id, state);
		if (rc == DHT_EAGAIN && life_provide() != 0)
			return DHT_EIO;
	}
	return rc;
}

int life_put(uint32_t id, size_t len)
{
	UNIT_REQUIRE(id < LIFE_KEYS && len <= LIFE_VALUE_MAX);
	return put_for_sure(id, (struct state){.kind = VALUE, .len = len});
}

int life_put_expiring(uint32_t id, size_t len, uint64_t expires_ms)
{
	UNIT_REQUIRE(id < LIFE_KEYS && len <= LIFE_VALUE_MAX);
	return put_for_sure(id,
			    (struct state){.kind = VALUE, .len = len, .expires_ms = expires_ms});
}

int life_erase(uint32_t id)
{
	int rc = DHT_EAGAIN;
	ops++;
	for (int i = 0; rc == DHT_EAGAIN; i++) {
		UNIT_REQUIRE(i < RETRIES_MAX);
		rc = erase(id);
		if (rc == DHT_EAGAIN && life_provide() != 0)
			return DHT_EIO;
	}
	return rc;
}

int life_delete(uint32_t id)
{
	int rc = put_for_sure(id, (struct state){.kind = TOMBSTONE});
	return rc == 0 ? life_erase(id) : rc;
}

int life_drop(uint32_t block)
{
	ops++;
	return adopt_for_sure(1u << block, sizeof(ops));
}

static int put_note_for_sure(uint32_t id, size_t len)
{
	int rc = DHT_EAGAIN;
	ops++;
	for (int i = 0; rc == DHT_EAGAIN; i++) {
		UNIT_REQUIRE(i < RETRIES_MAX);
		rc = put_note(id, len);
		if (rc == DHT_EAGAIN && life_provide() != 0)
			return DHT_EIO;
	}
	return rc;
}

int life_vote(size_t len)
{
	return put_note_for_sure(NOTE_VOTE, len);
}

int life_fin(uint32_t block)
{
	return put_note_for_sure(NOTE_FINS + block, RECORD_FIN_VERSION_SIZE);
}

int life_compact(void)
{
	int rc = store_compact_begin(life.store, life.now_ms);
	while (rc == 0 && store_is_compacting(life.store)) {
		size_t done_bytes;
		rc = store_compact(life.store, COMPACTOR, &caller, 100000, &done_bytes);
		if (rc == DHT_EAGAIN)
			rc = life_provide();
	}
	return rc;
}

/* Nothing else happens while a test looks at what the housekeeper does. */
int life_keep_house(void)
{
	int rc = life_provide();
	while (rc == 0 && store_pressure(life.store, life.now_ms) != STORE_PRESSURE_NONE) {
		rc = life_compact();
		if (rc == DHT_ENOTFOUND)
			break;
		if (rc == 0)
			rc = store_commit(life.store, STORE_SYNC);
		if (rc == 0)
			rc = life_provide();
	}
	return rc == DHT_ENOTFOUND ? 0 : rc;
}

int life_balance(void)
{
	bool changed = true;
	int rc = 0;
	while (rc == 0 && changed)
		rc = store_balance(life.store, &changed);
	return rc;
}

static void acknowledge(void)
{
	note_acked(life.plan.loss == HELPER_DISK_KEEP ? store_written(life.store)
						      : store_durable(life.store));
}

int life_run(unsigned count)
{
	int rc = 0;
	is_running = true;
	for (unsigned i = 0; i < count && rc == 0; i++) {
		ops++;
		UNIT_REQUIRE(ops + 1 < OPS_MAX - RETRIES_MAX);
		rc = operate_for_sure();
		if (rc == 0)
			rc = keep_house();
		if (rc == 0 && i % 64 == 63)
			life_check();
	}
	is_running = false;
	acknowledge();
	return rc;
}

int life_commit(void)
{
	int rc = store_commit(life.store, STORE_SYNC);
	/* The first may have left something to do that the second does. */
	if (rc == 0)
		rc = store_commit(life.store, STORE_SYNC);
	acknowledge();
	return rc;
}

uint64_t life_operations(void)
{
	return ops;
}

uint64_t life_acknowledged(void)
{
	return acked;
}

/* ---- Crashes -------------------------------------------------------------------------- */

/* The moment at which the parent is: a child goes on from here, without a lock that the
 * disk may hold, and fails in the next change of the disk, or now. */
static bool fork_child(void)
{
	fflush(NULL);
	pid_t pid = fork();
	UNIT_REQUIRE(pid >= 0);
	life.explored++;
	if (pid == 0) {
		life.is_child = true;
		explore_every = 0;
		life.disk.before = NULL;
		helper_disk_seed(&life.disk, life.seed * 1000003 + life.explored);
		return true;
	}
	int status = 0;
	UNIT_REQUIRE(waitpid(pid, &status, 0) == pid);
	if (status != 0) {
		fprintf(stderr, "plan \"%s\", seed %llu, crash %llu: status %d\n", life.plan.name,
			(unsigned long long)life.seed, (unsigned long long)life.explored, status);
		ck_abort_msg("plan \"%s\", seed %llu, crash %llu", life.plan.name,
			     (unsigned long long)life.seed, (unsigned long long)life.explored);
	}
	return false;
}

static bool is_due(void)
{
	return explore_every != 0 && ++explore_at % explore_every == 0;
}

static void explore_here(void)
{
	if (is_due() && fork_child()) {
		acknowledge();
		life_end_child();
	}
}

static void before_call(void *arg, enum helper_disk_call kind)
{
	(void)arg;
	switch (kind) {
	case HELPER_DISK_CREATE:
	case HELPER_DISK_WRITE:
	case HELPER_DISK_SYNC:
	case HELPER_DISK_REMOVE:
	case HELPER_DISK_FILE_REPLACE:
	case HELPER_DISK_FILE_REMOVE:
		if (is_due() && fork_child())
			helper_disk_crash_at(&life.disk, 1);
		break;
	case HELPER_DISK_ALLOC:
	case HELPER_DISK_LIST:
	case HELPER_DISK_READ:
	case HELPER_DISK_MAP:
	case HELPER_DISK_FILE_READ:
	case HELPER_DISK_ANY:
	case HELPER_DISK_CALLS:
		break;
	}
}

void life_explore(unsigned every)
{
	explore_every = every;
	explore_at = 0;
	life.disk.before = every != 0 ? before_call : NULL;
}

/* What was pinned was not to be lost until now. */
static void close_store(void)
{
	for (unsigned i = 0; life.store != NULL && i < PINS; i++)
		check_pin(&pins[i]);
	store_close(life.store);
	life.store = NULL;
	is_adopting = false;
}

int life_reopen(void)
{
	close_store();
	return life_open();
}

int life_restart(void)
{
	uint64_t written = store_written(life.store), survived = acked;
	for (uint64_t op = acked + 1; op <= ops; op++) {
		if (ends[op] != 0 && ends[op] <= written)
			survived = op;
	}
	int rc = life_reopen();
	if (rc != 0 || life.disk.is_crashed)
		return DHT_EIO;
	acked = survived;
	check_recovered();
	return 0;
}

void life_recover(void)
{
	close_store();
	helper_disk_power_back(&life.disk, life.plan.loss);
	int rc = life_open();
	if (rc != 0)
		ck_abort_msg("plan \"%s\", seed %llu, open: %d %s", life.plan.name,
			     (unsigned long long)life.seed, rc, life.report.why);
	check_recovered();
}

void life_end_child(void)
{
	if (!life.is_child)
		return;
	life_recover();
	helper_disk_crash_at(&life.disk, 1 + next_random() % 40);
	(void)life_run(40);
	life_recover();
	UNIT_REQUIRE(life_run(15) == 0);
	life_check();
	UNIT_REQUIRE(life_commit() == 0);
	life_recover();
	_exit(0);
}

/* ---- Begin and end -------------------------------------------------------------------- */

int life_open(void)
{
	struct store_options options = {
	    .blocks = LIFE_BLOCKS,
	    .segment_size_bytes = LIFE_SEGMENT,
	    .is_lazy = life.plan.is_lazy,
	    .may_be_torn = life.plan.is_lazy,
	    .memory_bytes = life.plan.memory_bytes,
	    .locate = life_locate,
	    .report = &life.report,
	};
	life.store = NULL;
	return store_open(&options, &life.disk.os, &life.store);
}

void life_begin(const struct life_plan *plan, uint64_t seed)
{
	for (uint32_t id = 0; id < NOTES_END; id++)
		model[id] = (struct history){.count = 0};
	memset(pins, 0, sizeof(pins));
	is_adopting = false;
	memset(ends, 0, sizeof(ends));
	memset(ceilings, 0, sizeof(ceilings));
	ops = acked = 0;
	locked = 0;
	explore_every = 0;
	random_state = seed * 7919 + 17;
	life = (struct life){.plan = *plan, .seed = seed};
	helper_disk_init(&life.disk, seed);
	life.disk.os.table_resize = table_resize;
	if (plan->capacity != 0)
		helper_disk_set_capacity(&life.disk, plan->capacity);
}

void life_end(void)
{
	close_store();
	helper_disk_fini(&life.disk);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

uint64_t life_seeds(uint64_t normal)
{
	return normal * number_of("DHT_TEST_SCALE", 1);
}

uint64_t life_first_seed(void)
{
	return number_of("DHT_TEST_SEED", 0);
}
