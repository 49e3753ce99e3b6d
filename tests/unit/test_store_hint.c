/* SPDX-License-Identifier: Apache-2.0
 *
 * Hint files: with them, without, damaged or stale, a recovery opens the store that the
 * records make, which a model says; whatever byte is damaged, nothing is lost or wrong
 * unnoticed; and store_background writes them and finds what the disk has lost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "helper_disk.h"
#include "helper_log.h"
#include "store/hint.h"
#include "store/state.h"
#include "store/store.h"
#include "unit.h"

enum { GROUPS = 4, KEYS_PER_GROUP = 8, KEYS = GROUPS * KEYS_PER_GROUP, COUNTERS = 30, HASH_ID = 7 };

static struct helper_disk disk;
static struct helper_disk copy;
static struct store *store;
static struct store_report report;
static uint64_t random_state;
static uint64_t hash_id;
static _Atomic uint64_t progress_done, progress_total;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(random_state >> 33) % below;
}

/* Keys of three bytes: the block, what is left of the hash, and what makes the key. */
static const char *key_text(uint32_t id)
{
	static char text[KEYS][4];
	text[id][0] = (char)(1 + id % GROUPS);
	text[id][1] = (char)('a' + id / GROUPS % 3);
	text[id][2] = (char)('A' + id / GROUPS);
	return text[id];
}

/* A bad hash on purpose: many keys of a block share one. */
static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	(void)ctx;
	key->block = key->key.len > 0 ? key->key.data[0] % blocks : 0;
	key->hash = key->key.len > 1 ? (uint64_t)key->key.data[1] << 56 : 0;
}

/* ---- Model -------------------------------------------------------------------------- */

static struct model {
	uint64_t counter; /* of the latest record; 0: none, or it was erased */
	bool is_vote;
	uint64_t time; /* of the record */
} model[KEYS];
static uint64_t model_time;
static uint64_t model_ceiling;
static uint64_t model_epoch;

/* The epochs grow, and some DROPs are ahead of the last MAP. */
enum { DROPS_MAX = 256 };
static struct model_drop {
	uint64_t time, epoch;
	uint32_t group;
} model_drops[DROPS_MAX];
static uint32_t model_drop_count;

/* A record of one acc is the same wherever it is, but for being a vote. */
static struct record record_of(uint32_t id, uint64_t counter, bool is_copy)
{
	static char text[16];
	snprintf(text, sizeof(text), "%u.%u", id, (unsigned)counter);
	struct record rec = helper_log_value(key_text(id), counter, text);
	if ((id + counter) % 4 == 0) {
		rec.kind = RECORD_TOMBSTONE;
		rec.value.len = 0;
	}
	if (counter % 3 == 0)
		rec.expires_ms = counter;
	if (counter % 5 == 0)
		rec.pver = ballot_make(1, counter - 1, 1);
	rec.copy = is_copy;
	return rec;
}

static void add_drop(void)
{
	struct model_drop drop = {
	    .time = model_time, .epoch = model_epoch + draw(3), .group = draw(GROUPS)};
	UNIT_REQUIRE(model_drop_count < DROPS_MAX);
	helper_log_add(helper_log_drop(1 + drop.group, drop.epoch));
	model_drops[model_drop_count++] = drop;
}

static void add_other(uint32_t choice)
{
	static uint8_t bytes[8];
	put_u64(bytes, 10 + draw(100));
	if (choice == 0) {
		helper_log_add(
		    (struct record){.kind = RECORD_CEILING, .value = bytes_of(bytes, 8)});
		if (get_u64(bytes) > model_ceiling)
			model_ceiling = get_u64(bytes);
	} else if (choice == 1) {
		add_drop();
	} else {
		model_epoch += draw(2);
		helper_log_add(helper_log_map(model_epoch, "map"));
	}
}

static void add_random(void)
{
	uint32_t id = draw(KEYS), choice = draw(20);
	uint64_t counter = 1 + draw(COUNTERS);
	model_time++;
	if (choice < 3) {
		add_other(choice);
	} else if (choice < 6) {
		helper_log_add(helper_log_erasure(key_text(id)));
		model[id].counter = 0;
	} else {
		bool is_copy = choice < 11;
		helper_log_add(record_of(id, counter, is_copy));
		model[id] =
		    (struct model){.counter = counter, .is_vote = !is_copy, .time = model_time};
	}
}

/* The segments are sealed but for the last one. */
static void write_log(uint32_t segments, uint32_t records)
{
	memset(model, 0, sizeof(model));
	model_ceiling = HELPER_LOG_CEILING;
	model_epoch = model_time = model_drop_count = 0;
	helper_log_clear();
	for (uint32_t i = 0; i < segments; i++) {
		helper_log_begin_segment(3 + 2 * i);
		/* It keeps the segment in the log. */
		helper_log_add(helper_log_fin(i, 1, 1));
		for (uint32_t k = 0; k < records; k++)
			add_random();
		if (i + 1 < segments)
			helper_log_end_segment();
	}
	helper_log_write(&disk);
}

static bool is_there(uint32_t id)
{
	for (uint32_t i = 0; i < model_drop_count; i++) {
		const struct model_drop *drop = &model_drops[i];
		if (drop->group == id % GROUPS && drop->epoch <= model_epoch &&
		    drop->time > model[id].time)
			return false;
	}
	return model[id].counter != 0;
}

/* ---- The store ------------------------------------------------------------------------ */

static void note_progress(void *ctx, uint64_t done, uint64_t total)
{
	UNIT_REQUIRE(ctx == &disk && done <= total);
	progress_done = done;
	progress_total = total;
}

static int open_store(struct helper_disk *from)
{
	struct store_options options = {
	    .blocks = HELPER_LOG_BLOCKS,
	    .segment_size_bytes = HELPER_LOG_SEGMENT,
	    .locate = locate,
	    .hash_id = hash_id,
	    .report = &report,
	    .progress = note_progress,
	    .ctx = &disk,
	};
	int rc = store_open(&options, &from->os, &store);
	/* What was not read is cold until the housekeeper comes to it. */
	for (bool changed = rc == 0; changed;)
		UNIT_REQUIRE(store_balance(store, &changed) == 0);
	return rc;
}

static void close_store(void)
{
	store_close(store);
	store = NULL;
}

static void damage(void *ctx, const char *why)
{
	unsigned *count = ctx;
	UNIT_REQUIRE(why[0] != '\0');
	*count += 1;
}

static int check_store(const struct helper_disk *from, unsigned *damages)
{
	struct store_options options = {.locate = locate, .hash_id = hash_id, .report = &report};
	*damages = 0;
	return store_check(&options, &from->os, damage, damages);
}

static int do_background(void)
{
	struct store_report found;
	while (store_wants_background(store)) {
		int rc = store_background(store, &found);
		if (rc == DHT_ECORRUPT)
			report = found;
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* True if a record that a look-up of the key reads is damaged. */
static bool is_noticed(uint32_t id)
{
	struct store_key key = {.key = bytes_of(key_text(id), 3)};
	struct store_hit hit;
	locate(NULL, &key, HELPER_LOG_BLOCKS);
	return store_find(store, &key, NULL, &hit) == STORE_DAMAGED;
}

static bool is_as_model(uint32_t id)
{
	struct store_key key = {.key = bytes_of(key_text(id), 3)};
	struct store_hit hit;
	locate(NULL, &key, HELPER_LOG_BLOCKS);
	if (store_find(store, &key, NULL, &hit) == STORE_ABSENT)
		return !is_there(id);
	struct record rec = record_of(id, model[id].counter, !model[id].is_vote);
	return is_there(id) && ballot_equal(hit.record.acc, rec.acc) &&
	       ballot_equal(hit.record.pver, rec.pver) && hit.record.copy == rec.copy &&
	       hit.record.kind == rec.kind && hit.record.expires_ms == rec.expires_ms &&
	       bytes_equal(hit.record.value, rec.value);
}

/* The store is that of the model. What is counted agrees with what is there. */
static void check_model(void)
{
	struct store_counts counts;
	uint64_t keys = 0, entries = 0, live_bytes = 0;
	for (uint32_t id = 0; id < KEYS; id++) {
		UNIT_REQUIRE(is_as_model(id));
		if (!is_there(id))
			continue;
		struct record rec = record_of(id, model[id].counter, !model[id].is_vote);
		if (ballot_is_absent(rec.ver))
			rec.ver = rec.acc;
		keys += rec.kind == RECORD_VALUE;
		entries++;
		live_bytes += record_size(&rec);
	}
	store_count(store, &counts);
	UNIT_REQUIRE(counts.keys == keys && report.keys == keys);
	UNIT_REQUIRE(counts.keys + counts.tombstones == entries);
	UNIT_REQUIRE(counts.live_bytes == live_bytes);
	UNIT_REQUIRE(report.ceiling == model_ceiling);
	UNIT_REQUIRE(progress_done == progress_total);
}

static void setup(void)
{
	random_state = 4;
	hash_id = HASH_ID;
	helper_disk_init(&disk, 3);
	disk.os.table_resize = store_os_memory()->table_resize;
}

static void teardown(void)
{
	close_store();
	helper_disk_fini(&disk);
}

static void begin_copy(uint64_t seed)
{
	helper_disk_copy(&copy, &disk, seed);
	copy.os.table_resize = store_os_memory()->table_resize;
}

static void end_copy(void)
{
	close_store();
	helper_disk_fini(&copy);
}

/* Makes a log and the hint files of all its segments. */
static void write_log_with_hints(uint32_t segments, uint32_t records)
{
	char name[HINT_NAME_SIZE];
	write_log(segments, records);
	ck_assert_int_eq(open_store(&disk), 0);
	check_model();
	ck_assert_int_eq(do_background(), 0);
	close_store();
	for (uint32_t i = 0; i < segments; i++) {
		hint_name(i, name);
		ck_assert_int_gt(helper_disk_file_size(&disk, name), 0);
	}
}

/* ---- Any mixture of hint files ---------------------------------------------------------- */

enum hint_state { PRESENT, MISSING, DAMAGED, STALE, HINT_STATES };

static void make_state(uint32_t slot, enum hint_state state)
{
	char name[HINT_NAME_SIZE], other[HINT_NAME_SIZE];
	static uint8_t bytes[1 << 16];
	size_t len;
	hint_name(slot, name);
	hint_name(slot == 0 ? 1 : slot - 1, other);
	switch (state) {
	case MISSING:
		UNIT_REQUIRE(copy.os.file_remove(&copy, name) == 0);
		break;
	case DAMAGED:
		len = (size_t)helper_disk_file_size(&copy, name);
		if (draw(3) == 0)
			helper_disk_cut(&copy, name, draw((uint32_t)len));
		else
			helper_disk_flip(&copy, name, draw((uint32_t)len * 8));
		break;
	case STALE:
		UNIT_REQUIRE(disk.os.file_read(&disk, other, bytes, sizeof(bytes), &len) == 0);
		UNIT_REQUIRE(copy.os.file_replace(&copy, name, bytes, len) == 0);
		break;
	case PRESENT:
	case HINT_STATES:
		break;
	}
}

START_TEST(any_mixture_of_hints_opens_the_same_store)
{
	enum { SEGMENTS = 4, MIXTURES = HINT_STATES * HINT_STATES * HINT_STATES * HINT_STATES };
	random_state = 100 + (uint64_t)_i;
	write_log_with_hints(SEGMENTS, 40);
	for (uint32_t mixture = (uint32_t)_i; mixture < MIXTURES; mixture += 4) {
		begin_copy(mixture);
		for (uint32_t slot = 0, left = mixture; slot < SEGMENTS;
		     slot++, left /= HINT_STATES)
			make_state(slot, (enum hint_state)(left % HINT_STATES));
		UNIT_REQUIRE(open_store(&copy) == 0);
		check_model();
		for (uint32_t slot = 0, left = mixture; slot < SEGMENTS;
		     slot++, left /= HINT_STATES)
			UNIT_REQUIRE(segment_is_drained(&store->segs, slot) ||
				     segment_is_unverified(&store->segs, slot) ==
					 (left % HINT_STATES == PRESENT));
		end_copy();
	}
}
END_TEST

START_TEST(hints_of_other_hashes_are_not_used)
{
	write_log_with_hints(3, 40);
	hash_id++;
	ck_assert_int_eq(open_store(&disk), 0);
	check_model();
	for (uint32_t slot = 0; slot < 3; slot++)
		ck_assert(!segment_is_unverified(&store->segs, slot));
}
END_TEST

START_TEST(a_hint_that_cannot_be_read_is_not_missed)
{
	write_log_with_hints(3, 40);
	for (uint64_t n = 1; n <= 5; n++) {
		begin_copy(n);
		/* The manifest is read in two calls. */
		helper_disk_fail(&copy, HELPER_DISK_FILE_READ, n, DHT_EIO);
		int rc = open_store(&copy);
		ck_assert_int_eq(rc, n <= 2 ? DHT_EIO : 0);
		if (rc == 0)
			check_model();
		end_copy();
	}
}
END_TEST

START_TEST(hints_without_a_segment_are_removed)
{
	char name[HINT_NAME_SIZE];
	write_log(2, 20);
	hint_name(9, name);
	ck_assert_int_eq(disk.os.file_replace(&disk, name, "old", 3), 0);
	ck_assert_int_eq(open_store(&disk), 0);
	ck_assert_int_eq(helper_disk_file_size(&disk, name), -1);
}
END_TEST

/* ---- Damage ------------------------------------------------------------------------------ */

START_TEST(every_damaged_byte_of_a_hint_is_harmless)
{
	char name[HINT_NAME_SIZE];
	unsigned damages;
	write_log_with_hints(2, 7);
	ck_assert_int_eq(check_store(&disk, &damages), 0);
	for (uint32_t slot = 0; slot < 2; slot++) {
		hint_name(slot, name);
		uint64_t size = (uint64_t)helper_disk_file_size(&disk, name);
		for (uint64_t at = 0; at < size; at++) {
			begin_copy(at);
			helper_disk_flip(&copy, name, at * 8 + at % 8);
			UNIT_REQUIRE(check_store(&copy, &damages) == DHT_ECORRUPT && damages == 1);
			UNIT_REQUIRE(strstr(report.why, ".hint, offset") != NULL);
			UNIT_REQUIRE(open_store(&copy) == 0);
			check_model();
			end_copy();
		}
	}
}
END_TEST

/* A segment of which a hint is used is not read: what is damaged there is found by the
 * recovery, or by the look-up that reads it, or by the check, or by the background. */
START_TEST(every_damaged_byte_behind_a_hint_is_noticed)
{
	char name[HELPER_DISK_NAME_MAX];
	unsigned damages, refused = 0, noticed = 0;
	write_log_with_hints(2, 7);
	for (uint32_t slot = 0; slot < 2; slot++) {
		uint32_t end = helper_log.images[slot].end + SEGMENT_END_SIZE;
		helper_disk_segment_name(slot, name);
		for (uint32_t at = 0; at < end; at++) {
			begin_copy(at);
			helper_disk_flip(&copy, name, at * UINT64_C(8) + at % 8);
			int rc = check_store(&copy, &damages);
			/* Behind the second one there is no record: its end may be torn. */
			if (slot == 1 && at >= helper_log.images[slot].end)
				UNIT_REQUIRE(rc == 0 && report.cut_bytes > 0);
			else
				UNIT_REQUIRE(rc == DHT_ECORRUPT && damages > 0);
			rc = open_store(&copy);
			UNIT_REQUIRE(rc == 0 || (rc == DHT_ECORRUPT &&
						 strstr(report.why, ", offset ") != NULL));
			/* Header and end mark are read in any case. */
			if (at < SEGMENT_HEADER_SIZE ||
			    (slot == 0 && at >= helper_log.images[slot].end))
				UNIT_REQUIRE(rc == DHT_ECORRUPT);
			refused += rc != 0;
			for (uint32_t id = 0; rc == 0 && id < KEYS; id++) {
				bool is_found = is_noticed(id);
				noticed += is_found;
				UNIT_REQUIRE(is_found || is_as_model(id));
			}
			if (rc == 0 && segment_is_unverified(&store->segs, slot))
				UNIT_REQUIRE(segment_is_drained(&store->segs, slot) ||
					     do_background() == DHT_ECORRUPT);
			end_copy();
		}
	}
	ck_assert_uint_gt(refused, 0);
	ck_assert_uint_gt(noticed, 0);
}
END_TEST

/* What is known of when the values of a segment expire is the same, whether it was read or its
 * hint file: times are from 1 to COUNTERS, and those of dead values bound them, too. */
START_TEST(hints_tell_what_expires)
{
	enum { SEGMENTS = 4 };
	static uint32_t expired[SEGMENTS][COUNTERS + 1];
	unsigned known = 0;
	write_log_with_hints(SEGMENTS, 40);
	for (int with_hints = 0; with_hints < 2; with_hints++) {
		begin_copy(1);
		for (uint32_t slot = 0; with_hints == 0 && slot < SEGMENTS; slot++)
			make_state(slot, MISSING);
		UNIT_REQUIRE(open_store(&copy) == 0);
		for (uint32_t slot = 0; slot < SEGMENTS; slot++) {
			for (uint64_t now_ms = 0; now_ms <= COUNTERS; now_ms++) {
				uint32_t now = segment_expired(&store->segs, slot, now_ms);
				if (with_hints == 0)
					expired[slot][now_ms] = now;
				UNIT_REQUIRE(expired[slot][now_ms] == now);
				known += now > 0 && now_ms < COUNTERS;
			}
		}
		end_copy();
	}
	ck_assert_uint_gt(known, 0);
}
END_TEST

/* Gives a hint file other bytes, with a checksum that is right. */
static void forge(const char *name, size_t at, uint8_t with)
{
	static uint8_t bytes[1 << 16];
	size_t len;
	UNIT_REQUIRE(copy.os.file_read(&copy, name, bytes, sizeof(bytes), &len) == 0);
	bytes[at] ^= with;
	put_u64(bytes + len - HINT_CHECKSUM_SIZE, hash_bytes(bytes, len - HINT_CHECKSUM_SIZE));
	UNIT_REQUIRE(copy.os.file_replace(&copy, name, bytes, len) == 0);
}

/* One of the same slot and length, from when the file was another segment's. */
START_TEST(a_stale_hint_is_not_used)
{
	enum { AT_SEQUENCE = 8, AT_HASH = HINT_HEADER_SIZE + HINT_HASH_SHIFT / 8 };
	char name[HINT_NAME_SIZE];
	write_log_with_hints(2, 7);
	for (uint32_t slot = 0; slot < 2; slot++) {
		begin_copy(slot);
		hint_name(slot, name);
		forge(name, AT_SEQUENCE, 1);
		forge(name, AT_HASH, 0x80);
		ck_assert_int_eq(open_store(&copy), 0);
		ck_assert(!segment_is_unverified(&store->segs, slot));
		check_model();
		end_copy();
	}
}
END_TEST

/* One of another daemon, before or after this one. */
START_TEST(a_hint_of_another_version_is_not_used)
{
	enum { AT_VERSION = 4 };
	char name[HINT_NAME_SIZE];
	write_log_with_hints(2, 7);
	hint_name(0, name);
	for (uint8_t version = HINT_FORMAT_VERSION - 1; version <= HINT_FORMAT_VERSION + 1;
	     version += 2) {
		begin_copy(version);
		forge(name, AT_VERSION, HINT_FORMAT_VERSION ^ version);
		ck_assert_int_eq(open_store(&copy), 0);
		ck_assert(!segment_is_unverified(&store->segs, 0));
		check_model();
		end_copy();
	}
}
END_TEST

/* Not even one that is wrong and verifies leads out of the segment or the store. */
START_TEST(a_forged_hint_is_found_by_the_check)
{
	char name[HINT_NAME_SIZE];
	unsigned damages;
	write_log_with_hints(2, 7);
	hint_name(0, name);
	size_t size = (size_t)helper_disk_file_size(&disk, name);
	for (size_t at = HINT_HEADER_SIZE; at < size - HINT_CHECKSUM_SIZE; at++) {
		begin_copy(at);
		forge(name, at, (uint8_t)(1u << at % 8));
		UNIT_REQUIRE(check_store(&copy, &damages) == DHT_ECORRUPT && damages == 1);
		UNIT_REQUIRE(strstr(report.why, "00000000.hint, offset ") != NULL);
		int rc = open_store(&copy);
		UNIT_REQUIRE(rc == 0 || rc == DHT_ECORRUPT);
		end_copy();
	}
}
END_TEST

/* ---- The background ----------------------------------------------------------------------- */

START_TEST(background_verifies_what_was_not_read)
{
	write_log_with_hints(3, 40);
	ck_assert_int_eq(open_store(&disk), 0);
	ck_assert(segment_is_unverified(&store->segs, 1));
	ck_assert(store_wants_background(store));
	uint64_t replaced = disk.calls[HELPER_DISK_FILE_REPLACE];
	ck_assert_int_eq(do_background(), 0);
	ck_assert(!segment_is_unverified(&store->segs, 1));
	/* Their hint files are there. The one of the last start is empty, and has left. */
	ck_assert_uint_eq(disk.calls[HELPER_DISK_FILE_REPLACE], replaced);
	ck_assert(!store_wants_background(store));
	check_model();
}
END_TEST

START_TEST(background_finds_what_the_disk_has_lost)
{
	char name[HELPER_DISK_NAME_MAX], hint[HINT_NAME_SIZE];
	write_log(3, 40);
	ck_assert_int_eq(open_store(&disk), 0);
	helper_disk_segment_name(1, name);
	hint_name(1, hint);
	helper_disk_flip(&disk, name, (helper_log.images[1].end - 3) * UINT64_C(8));
	ck_assert_int_eq(do_background(), DHT_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(report.why, "00000001.seg, offset "));
	ck_assert_int_eq(helper_disk_file_size(&disk, hint), -1);
}
END_TEST

START_TEST(background_does_without_hints_on_a_full_disk)
{
	write_log(3, 40);
	ck_assert_int_eq(open_store(&disk), 0);
	helper_disk_set_capacity(&disk, 0);
	ck_assert_int_eq(do_background(), 0);
	ck_assert(!store_wants_background(store));
	close_store();
	helper_disk_set_capacity(&disk, UINT64_MAX);
	ck_assert_int_eq(open_store(&disk), 0);
	check_model();
}
END_TEST

/* In slot 0 next to nothing is alive, in slot 1 all, and slot 3 is the latest. */
static void write_log_with_dead_segment(void)
{
	helper_log_clear();
	for (uint32_t slot = 0; slot < 4; slot++) {
		helper_log_begin_segment(3 + slot);
		helper_log_add(helper_log_fin(slot, 1, 1));
		for (uint32_t id = 1; id < KEYS / 2; id++)
			helper_log_add(record_of(slot == 1 ? id : 0, 1 + slot, true));
		if (slot < 3)
			helper_log_end_segment();
	}
	helper_log_write(&disk);
}

START_TEST(background_leaves_alone_what_is_about_to_die)
{
	write_log_with_dead_segment();
	ck_assert_int_eq(open_store(&disk), 0);
	for (uint32_t slot = 0; slot < 4; slot++)
		segment_set_unverified(&store->segs, slot, true);
	store_tick(store);
	ck_assert(store_wants_background(store));
	ck_assert_int_eq(do_background(), 0);
	ck_assert(segment_is_unverified(&store->segs, 0));
	ck_assert(!segment_is_unverified(&store->segs, 1));
	ck_assert(segment_is_unverified(&store->segs, 3));
	/* The log has stopped growing. */
	store_tick(store);
	ck_assert(store_wants_background(store));
	ck_assert_int_eq(do_background(), 0);
	for (uint32_t slot = 0; slot < 4; slot++)
		ck_assert(!segment_is_unverified(&store->segs, slot));
}
END_TEST

START_TEST(any_failed_call_of_the_background_loses_nothing)
{
	bool is_done = false;
	write_log(3, 20);
	for (uint64_t n = 1; !is_done; n++) {
		begin_copy(n);
		UNIT_REQUIRE(open_store(&copy) == 0);
		uint64_t before = copy.calls[HELPER_DISK_ANY];
		helper_disk_fail(&copy, HELPER_DISK_ANY, n, DHT_EIO);
		int rc = do_background();
		UNIT_REQUIRE(rc == 0 || rc == DHT_EIO);
		is_done = copy.calls[HELPER_DISK_ANY] < before + n;
		check_model();
		close_store();
		helper_disk_power_back(&copy, HELPER_DISK_TEAR);
		UNIT_REQUIRE(open_store(&copy) == 0);
		check_model();
		end_copy();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_hint");
	TCase *tcase = tcase_create("store_hint");
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, any_mixture_of_hints_opens_the_same_store, 0, 4);
	tcase_add_test(tcase, hints_of_other_hashes_are_not_used);
	tcase_add_test(tcase, a_hint_that_cannot_be_read_is_not_missed);
	tcase_add_test(tcase, hints_without_a_segment_are_removed);
	tcase_add_test(tcase, every_damaged_byte_of_a_hint_is_harmless);
	tcase_add_test(tcase, every_damaged_byte_behind_a_hint_is_noticed);
	tcase_add_test(tcase, hints_tell_what_expires);
	tcase_add_test(tcase, a_stale_hint_is_not_used);
	tcase_add_test(tcase, a_hint_of_another_version_is_not_used);
	tcase_add_test(tcase, a_forged_hint_is_found_by_the_check);
	tcase_add_test(tcase, background_verifies_what_was_not_read);
	tcase_add_test(tcase, background_finds_what_the_disk_has_lost);
	tcase_add_test(tcase, background_does_without_hints_on_a_full_disk);
	tcase_add_test(tcase, background_leaves_alone_what_is_about_to_die);
	tcase_add_test(tcase, any_failed_call_of_the_background_loses_nothing);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
