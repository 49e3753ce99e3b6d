/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz/fuzz_recover - opening a store over damaged files.
 *
 * An input is the records of a segment, the last one of a log of two; the first is empty
 * of records but for one. Checksums are made right where the lengths allow it, because no
 * random input would pass them. The store opens, or says why not; what it opened is then
 * visited, and a check of the same files agrees with the open.
 *
 * Then the input is laid over the hint file of a segment (exclusive or), once as it is and
 * once with the checksum made right: the check tells a hint that contradicts its segment,
 * and without it the store is what it was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/hint.h"
#include "store/manifest.h"
#include "store/os.h"
#include "store/segment.h"
#include "store/store.h"

enum { HINT_MAX = 1024 };
enum { BLOCKS = 64, SIZE = STORE_SEGMENT_SIZE_MIN, FILES = 8, CHECKSUM_SIZE = 4, SEQUENCE = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	uint8_t *files[FILES]; /* by slot */
	uint8_t manifest[1024];
	size_t manifest_len;
	struct {
		uint8_t data[HINT_MAX];
		size_t len; /* 0: no file */
	} hints[FILES];
} disk;

/* ---- A disk that never fails ---------------------------------------------------------- */

static uint8_t *segment_alloc(void *ctx, size_t size)
{
	return calloc(1, size);
}

static void segment_free(void *ctx, uint8_t *memory, size_t size)
{
	free(memory);
}

static void *table_resize(void *ctx, void *table, size_t old_size, size_t new_size)
{
	if (new_size == 0) {
		free(table);
		return NULL;
	}
	return realloc(table, new_size);
}

static int list(void *ctx, store_os_found_fn found, void *arg)
{
	for (uint32_t i = 0; i < FILES; i++) {
		if (disk.files[i] != NULL)
			found(arg, STORE_OS_SEGMENT, i, SIZE);
		if (disk.hints[i].len > 0)
			found(arg, STORE_OS_HINT, i, disk.hints[i].len);
	}
	return 0;
}

static int create(void *ctx, uint32_t slot, size_t size)
{
	DHT_ASSERT(slot < FILES && disk.files[slot] == NULL && size == SIZE);
	disk.files[slot] = calloc(1, SIZE);
	DHT_ASSERT(disk.files[slot] != NULL);
	return 0;
}

static int write_at(void *ctx, uint32_t slot, size_t offset, const void *data, size_t len)
{
	DHT_ASSERT(slot < FILES && disk.files[slot] != NULL);
	DHT_ASSERT(offset <= SIZE && len <= SIZE - offset);
	memcpy(disk.files[slot] + offset, data, len);
	return 0;
}

static int map(void *ctx, uint32_t slot, uint8_t *memory, size_t size, enum store_os_map how)
{
	DHT_ASSERT(slot < FILES && disk.files[slot] != NULL && size == SIZE);
	memcpy(memory, disk.files[slot], size);
	return 0;
}

static void parallel(void *ctx, uint32_t tasks, store_os_task_fn run, void *arg)
{
	while (tasks-- > 0)
		run(arg, tasks);
}

static int sync_slot(void *ctx, uint32_t slot)
{
	DHT_ASSERT(slot < FILES && disk.files[slot] != NULL);
	return 0;
}

/* Finds a named file: its bytes, its length and the most that it may be. */
static void find_file(const char *name, uint8_t **data, size_t **len, size_t *max)
{
	unsigned slot;
	*data = disk.manifest;
	*len = &disk.manifest_len;
	*max = sizeof(disk.manifest);
	if (strcmp(name, MANIFEST_NAME) == 0)
		return;
	DHT_ASSERT(sscanf(name, "segments/%8x.hint", &slot) == 1 && slot < FILES);
	*data = disk.hints[slot].data;
	*len = &disk.hints[slot].len;
	*max = HINT_MAX;
}

static int file_read(void *ctx, const char *name, void *data, size_t max, size_t *len)
{
	uint8_t *bytes;
	size_t *size, room;
	find_file(name, &bytes, &size, &room);
	*len = *size;
	if (max < *size)
		return DHT_ETOOBIG;
	memcpy(data, bytes, *size);
	return 0;
}

static int file_replace(void *ctx, const char *name, const void *data, size_t len)
{
	uint8_t *bytes;
	size_t *size, room;
	find_file(name, &bytes, &size, &room);
	DHT_ASSERT(len <= room);
	memcpy(bytes, data, len);
	*size = len;
	return 0;
}

static int file_remove(void *ctx, const char *name)
{
	return file_replace(ctx, name, "", 0);
}

static const struct store_os os = {
    .segment_alloc = segment_alloc,
    .segment_free = segment_free,
    .table_resize = table_resize,
    .list = list,
    .create = create,
    .write = write_at,
    .map = map,
    .sync = sync_slot,
    .file_read = file_read,
    .file_replace = file_replace,
    .file_remove = file_remove,
    .parallel = parallel,
};

/* ---- The files ------------------------------------------------------------------------- */

/* Makes the checksums of what looks like a chain of records right. */
static void seal_records(uint8_t *data, size_t len)
{
	while (len >= RECORD_FIXED) {
		uint64_t size =
		    RECORD_FIXED +
		    (uint64_t)
			record_optional_size[data[RECORD_AT_FLAGS] >> RECORD_FLAGS_OPTIONAL_SHIFT] +
		    get_u16(data + RECORD_AT_KEY_LEN) + get_u32(data + RECORD_AT_VALUE_LEN);
		if (size > len)
			return;
		put_u32(data, (uint32_t)hash_bytes_seeded(data + CHECKSUM_SIZE,
							  size - CHECKSUM_SIZE, SEQUENCE));
		data += size;
		len -= size;
	}
}

static void make_files(const uint8_t *data, size_t len, bool is_sealed)
{
	struct manifest manifest = {.segment_size_bytes = SIZE, .blocks = BLOCKS, .count = 2};
	struct record rec = {.acc = ballot_make(1, 1, 1), .ver = ballot_make(1, 1, 1)};
	uint32_t end = (uint32_t)(SEGMENT_HEADER_SIZE + record_size(&rec));
	DHT_ASSERT(create(NULL, 0, SIZE) == 0 && create(NULL, 1, SIZE) == 0);
	segment_header_encode(disk.files[0], SEQUENCE - 1, SIZE);
	record_encode(&rec, SEQUENCE - 1, disk.files[0] + SEGMENT_HEADER_SIZE);
	segment_end_encode(disk.files[0] + end, SEQUENCE - 1, end);
	segment_header_encode(disk.files[1], SEQUENCE, SIZE);
	memcpy(disk.files[1] + SEGMENT_HEADER_SIZE, data, len);
	if (is_sealed)
		seal_records(disk.files[1] + SEGMENT_HEADER_SIZE, len);
	manifest_encode_entry(disk.manifest, 0, 0, SEQUENCE - 1);
	manifest_encode_entry(disk.manifest, 1, 1, SEQUENCE);
	manifest_encode(disk.manifest, &manifest);
	disk.manifest_len = manifest_size(2);
}

static void free_files(void)
{
	for (uint32_t i = 0; i < FILES; i++) {
		free(disk.files[i]);
		disk.files[i] = NULL;
		disk.hints[i].len = 0;
	}
}

/* ---- The store ------------------------------------------------------------------------- */

static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	(void)ctx;
	key->hash = hash_bytes(key->key.data, key->key.len);
	key->block = (uint32_t)(key->hash % blocks);
}

static void visit(void *ctx, uint32_t block, enum store_found found, const struct store_hit *hit)
{
	uint64_t *keys = ctx;
	DHT_ASSERT(found == STORE_FOUND && hit->location != 0);
	DHT_ASSERT(hit->record.kind == RECORD_VALUE || hit->record.kind == RECORD_TOMBSTONE);
	*keys += hit->record.kind == RECORD_VALUE;
}

static void damage(void *ctx, const char *why)
{
	DHT_ASSERT(why[0] != '\0');
}

static void open_store(struct store_report *report)
{
	struct store_options options = {
	    .blocks = BLOCKS, .segment_size_bytes = SIZE, .locate = locate, .report = report};
	struct store *store = NULL;
	uint64_t keys = 0;
	int rc = store_open(&options, &os, &store);
	DHT_ASSERT(rc == 0 || (rc == DHT_ECORRUPT && report->why[0] != '\0'));
	if (rc != 0)
		return;
	for (uint32_t i = 0; i < BLOCKS; i++)
		(void)store_scan(store, i, 0, UINT32_MAX, NULL, visit, &keys);
	DHT_ASSERT(keys == report->keys);
	store_close(store);
}

static void recover(const uint8_t *data, size_t len, bool is_sealed)
{
	struct store_report checked, first, second;
	make_files(data, len, is_sealed);
	/* The last segment may be torn anywhere: there is no damage that a check would see. */
	struct store_options options = {.locate = locate, .report = &checked};
	int rc = store_check(&options, &os, damage, NULL);
	DHT_ASSERT(rc == 0 || (rc == DHT_ECORRUPT && checked.why[0] != '\0'));
	open_store(&first);
	DHT_ASSERT((rc == 0) == (first.why[0] == '\0'));
	DHT_ASSERT(first.cut_bytes == checked.cut_bytes || first.why[0] != '\0');
	open_store(&second);
	if (first.why[0] == '\0')
		DHT_ASSERT(second.cut_bytes == 0 && second.keys == first.keys);
	free_files();
}

/* ---- Hints ----------------------------------------------------------------------------- */

/* What a record of its kind says. */
static void make_contents(struct record *rec, uint32_t i, struct bytes block, const uint8_t *bytes)
{
	switch (rec->kind) {
	case RECORD_VALUE:
		rec->value = rec->key;
		return;
	case RECORD_TOMBSTONE:
	case RECORD_ERASE:
		return;
	case RECORD_DROP: /* the last one is a mark */
		rec->key = i < 16 ? block : (struct bytes){0};
		rec->value = bytes_of(bytes, RECORD_EPOCH_SIZE);
		return;
	case RECORD_CEILING:
		rec->key = (struct bytes){0};
		rec->value = bytes_of(bytes, RECORD_CEILING_SIZE);
		return;
	case RECORD_MAP:
	case RECORD_VOTE:
		rec->key = (struct bytes){0};
		rec->value = bytes_of(bytes, RECORD_EPOCH_SIZE + i % 8);
		return;
	case RECORD_FIN:
		rec->key = block;
		rec->value = bytes_of(bytes, RECORD_EPOCH_SIZE + RECORD_FIN_VERSION_SIZE);
		return;
	}
}

/* A record of every kind; returns the bytes they take. */
static size_t make_records(uint8_t *out)
{
	static const uint8_t block[RECORD_BLOCK_KEY_SIZE], bytes[16] = {9};
	uint8_t *p = out;
	for (uint32_t i = 0; i < 24; i++) {
		struct record rec = {.kind = (enum record_kind)(i % 8),
				     .copy = i % 3 == 0,
				     .acc = ballot_make(1, i, 1),
				     .key = bytes_of("abcdefgh" + i % 3, 2)};
		rec.ver = rec.acc;
		make_contents(&rec, i, bytes_of(block, sizeof(block)), bytes);
		record_encode(&rec, SEQUENCE, p);
		p += record_size(&rec);
	}
	return (size_t)(p - out);
}

static struct store *open_quietly(struct store_report *report)
{
	struct store_options options = {
	    .blocks = BLOCKS, .segment_size_bytes = SIZE, .locate = locate, .report = report};
	struct store *store = NULL;
	int rc = store_open(&options, &os, &store);
	DHT_ASSERT(rc == 0 || (rc == DHT_ECORRUPT && report->why[0] != '\0'));
	return store;
}

static void damage_hint(const uint8_t *data, size_t len, bool is_sealed)
{
	static uint8_t records[4096];
	struct store_report before, report;
	struct store_options options = {.locate = locate, .report = &report};
	make_files(records, make_records(records), false);
	struct store *store = open_quietly(&before);
	DHT_ASSERT(store != NULL);
	while (store_wants_background(store))
		DHT_ASSERT(store_background(store, &report) == 0);
	store_close(store);
	DHT_ASSERT(disk.hints[1].len > HINT_HEADER_SIZE);

	uint8_t *hint = disk.hints[1].data;
	size_t at = disk.hints[1].len - HINT_CHECKSUM_SIZE;
	bool is_changed = false;
	for (size_t i = 0; i < len && i < at; i++) {
		hint[i] ^= data[i];
		is_changed |= data[i] != 0;
	}
	if (is_sealed)
		put_u64(hint + at, hash_bytes(hint, at));
	uint64_t sequence = get_u64(hint + 8), hash_id = get_u64(hint + 16);
	bool is_other =
	    is_sealed && (sequence != SEQUENCE || hash_id != 0 || get_u32(hint + 32) != BLOCKS);
	int rc = store_check(&options, &os, damage, NULL);
	DHT_ASSERT(is_changed ? rc == DHT_ECORRUPT || is_other : rc == 0);
	store = open_quietly(&report);
	/* One with a wrong checksum is not used. */
	DHT_ASSERT(is_sealed || (store != NULL && report.keys == before.keys));
	store_close(store);
	disk.hints[1].len = 0;
	store = open_quietly(&report);
	DHT_ASSERT(store != NULL && report.keys == before.keys);
	store_close(store);
	free_files();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len > SIZE / 2)
		return 0;
	recover(data, len, false);
	recover(data, len, true);
	damage_hint(data, len, false);
	damage_hint(data, len, true);
	return 0;
}
