/* SPDX-License-Identifier: Apache-2.0 */
#include "store/hint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "store/segment.h"

enum {
	AT_MAGIC = 0,
	AT_FORMAT = 4,
	AT_SEQUENCE = 8,
	AT_HASH_ID = 16,
	AT_COUNTER = 24,
	AT_BLOCKS = 32,
	AT_END = 36,
	AT_COUNT = 40,
	AT_ZERO = 44,
	AT_EXPIRY = 48,
	ENTRY_AT_SIZE = 8,
	/* Entries are sorted by this many bits of block and hash. */
	SORT_BITS = 14,
	BUCKETS = 1 << SORT_BITS,
};

#define MAGIC UINT32_C(0x4b544844) /* "DHTK" */

_Static_assert((int)STORE_BLOCKS_MAX <= (int)BUCKETS, "a bucket is of one block only");
_Static_assert(HINT_BLOCK_SHIFT + SORT_BITS == 64, "a place is full");

void hint_name(uint32_t slot, char name[HINT_NAME_SIZE])
{
	snprintf(name, HINT_NAME_SIZE, "segments/%08x.hint", slot);
}

void hint_free(const struct hint_maker *maker, struct hint *hint)
{
	if (hint->data != NULL)
		maker->os->segment_free(maker->os->ctx, hint->data, hint->room);
	*hint = (struct hint){0};
}

static size_t size_of(uint64_t count)
{
	return HINT_HEADER_SIZE + count * HINT_ENTRY_SIZE + HINT_CHECKSUM_SIZE;
}

static uint32_t entries_max(size_t segment_size)
{
	return (uint32_t)(segment_size / RECORD_FIXED);
}

static int allocate(const struct hint_maker *maker, struct hint *hint, size_t len)
{
	*hint = (struct hint){.len = len, .room = len};
	hint->data = maker->os->segment_alloc(maker->os->ctx, len);
	return hint->data != NULL ? 0 : DHT_ENOMEM;
}

/* ---- Making it ------------------------------------------------------------------------ */

/* A list under construction: entries in the order of the records. */
struct draft {
	const struct hint_maker *maker;
	struct store_report *report;
	uint32_t slot;
	unsigned bucket_shift; /* from block and hash to the bucket */
	uint8_t *entries;
	uint32_t count;
	uint64_t highest_counter;
	uint64_t latest_expiry_ms;
	uint64_t ceiling;
	uint32_t *buckets; /* how many entries there are in each */
};

static uint32_t bucket_of(const struct draft *draft, uint64_t place)
{
	return (uint32_t)(place >> HINT_HASH_SHIFT >> draft->bucket_shift);
}

bool hint_block_of(const struct record *rec, uint32_t blocks, uint32_t *block)
{
	bool names_block = rec->key.len == RECORD_BLOCK_KEY_SIZE;
	*block = names_block ? get_u32(rec->key.data) : 0;
	if (*block >= blocks || (!names_block && rec->key.len != 0))
		return false;
	switch (rec->kind) {
	case RECORD_DROP: /* without a block: a mark */
		return rec->value.len == RECORD_EPOCH_SIZE;
	case RECORD_CEILING:
		return !names_block && rec->value.len == RECORD_CEILING_SIZE;
	case RECORD_MAP:
	case RECORD_VOTE:
		return !names_block && rec->value.len >= RECORD_EPOCH_SIZE;
	case RECORD_FIN:
		return names_block && rec->value.len == RECORD_EPOCH_SIZE + RECORD_FIN_VERSION_SIZE;
	case RECORD_VALUE:
	case RECORD_TOMBSTONE:
	case RECORD_ERASE:
		break;
	}
	DHT_UNREACHABLE();
}

/* Finds where a record belongs. */
static int locate_record(struct draft *draft, const struct record *rec, uint32_t offset,
			 uint32_t *block, uint32_t *hash)
{
	struct store_key key = {.key = rec->key};
	if (record_is_latest(rec->kind) || rec->kind == RECORD_ERASE) {
		draft->maker->locate(draft->maker->ctx, &key, draft->maker->blocks);
		DHT_ASSERT(key.block < draft->maker->blocks);
		*block = key.block;
		*hash = (uint32_t)(key.hash >> (64 - STORE_HASH_BITS));
		return 0;
	}
	*hash = 0;
	if (!hint_block_of(rec, draft->maker->blocks, block))
		return catalog_damage(draft->report, draft->slot, offset,
				      "a record of impossible contents");
	return 0;
}

/* What is to be known of the segment as a whole. */
static void note_record(struct draft *draft, const struct record *rec)
{
	if (record_is_latest(rec->kind) && ballot_counter(rec->acc) > draft->highest_counter)
		draft->highest_counter = ballot_counter(rec->acc);
	if (rec->kind == RECORD_VALUE && rec->expires_ms > draft->latest_expiry_ms)
		draft->latest_expiry_ms = rec->expires_ms;
	if (rec->kind == RECORD_CEILING && get_u64(rec->value.data) > draft->ceiling)
		draft->ceiling = get_u64(rec->value.data);
}

static int add_record(void *ctx, const uint8_t *data, uint32_t offset, const struct record *rec,
		      size_t size)
{
	struct draft *draft = ctx;
	uint8_t *entry = draft->entries + (size_t)draft->count * HINT_ENTRY_SIZE;
	uint8_t flags = data[RECORD_AT_FLAGS];
	uint32_t block, hash;
	int rc = locate_record(draft, rec, offset, &block, &hash);
	if (rc != 0)
		return rc;
	note_record(draft, rec);
	uint64_t place = (uint64_t)block << HINT_BLOCK_SHIFT | (uint64_t)hash << HINT_HASH_SHIFT |
			 (uint64_t)offset << HINT_FLAGS_BITS | (flags & 15);
	put_u64(entry, place);
	put_u32(entry + ENTRY_AT_SIZE,
		(uint32_t)size | (uint32_t)(flags >> RECORD_FLAGS_OPTIONAL_SHIFT)
				     << STORE_OFFSET_BITS);
	draft->buckets[bucket_of(draft, place)]++;
	draft->count++;
	return 0;
}

/* Distributes the entries, which keep their order within a bucket. */
static void sort_into(const struct draft *draft, uint8_t *out)
{
	uint32_t begin = 0;
	for (uint32_t i = 0; i < BUCKETS; i++) {
		uint32_t size = draft->buckets[i];
		draft->buckets[i] = begin;
		begin += size;
	}
	for (uint32_t i = 0; i < draft->count; i++) {
		const uint8_t *entry = draft->entries + (size_t)i * HINT_ENTRY_SIZE;
		uint32_t at = draft->buckets[bucket_of(draft, get_u64(entry))]++;
		memcpy(out + (size_t)at * HINT_ENTRY_SIZE, entry, HINT_ENTRY_SIZE);
	}
}

static void write_header(const struct hint_maker *maker, struct hint *hint)
{
	uint8_t *out = hint->data;
	put_u32(out + AT_MAGIC, MAGIC);
	put_u32(out + AT_FORMAT, HINT_FORMAT_VERSION);
	put_u64(out + AT_SEQUENCE, hint->sequence);
	put_u64(out + AT_HASH_ID, maker->hash_id);
	put_u64(out + AT_COUNTER, hint->highest_counter);
	put_u32(out + AT_BLOCKS, maker->blocks);
	put_u32(out + AT_END, hint->end);
	put_u32(out + AT_COUNT, hint->count);
	put_u32(out + AT_ZERO, 0);
	put_u64(out + AT_EXPIRY, hint->latest_expiry_ms);
}

void hint_seal(struct hint *hint)
{
	size_t at = hint->len - HINT_CHECKSUM_SIZE;
	put_u64(hint->data + at, hash_bytes(hint->data, at));
}

static unsigned bits_of(uint32_t blocks)
{
	unsigned bits = 0;
	while (UINT32_C(1) << bits < blocks)
		bits++;
	return bits;
}

int hint_build(const struct hint_maker *maker, const uint8_t *data, size_t size,
	       const struct catalog_segment *segment, struct catalog_walk *walk, struct hint *hint,
	       struct store_report *report)
{
	const struct store_os *os = maker->os;
	size_t room = (size_t)entries_max(size) * HINT_ENTRY_SIZE;
	struct draft draft = {
	    .maker = maker,
	    .report = report,
	    .slot = segment->slot,
	    .bucket_shift = STORE_HASH_BITS + bits_of(maker->blocks) - SORT_BITS,
	    .entries = os->segment_alloc(os->ctx, room),
	    .buckets = calloc(BUCKETS, sizeof(*draft.buckets)),
	};
	int rc = draft.entries != NULL && draft.buckets != NULL ? 0 : DHT_ENOMEM;
	if (rc == 0)
		rc = catalog_walk(data, size, segment->sequence, add_record, &draft, walk);
	if (rc == 0)
		rc = allocate(maker, hint, size_of(draft.count));
	if (rc == 0) {
		hint->sequence = segment->sequence;
		hint->highest_counter = draft.highest_counter;
		hint->latest_expiry_ms = draft.latest_expiry_ms;
		hint->ceiling = draft.ceiling;
		hint->end = walk->end;
		hint->count = draft.count;
		write_header(maker, hint);
		sort_into(&draft, hint->data + HINT_HEADER_SIZE);
	}
	free(draft.buckets);
	if (draft.entries != NULL)
		os->segment_free(os->ctx, draft.entries, room);
	return rc;
}

int hint_build_from_file(const struct hint_maker *maker, const struct catalog_segment *segment,
			 size_t size, struct catalog_walk *walk, struct hint *hint,
			 struct store_report *report)
{
	const struct store_os *os = maker->os;
	uint8_t *memory = os->segment_alloc(os->ctx, size);
	*walk = (struct catalog_walk){0};
	if (memory == NULL)
		return DHT_ENOMEM;
	int rc = os->map(os->ctx, segment->slot, memory, size, STORE_OS_MAP_LAZY);
	if (rc == 0)
		rc = hint_build(maker, memory, size, segment, walk, hint, report);
	if (rc == 0) {
		rc = catalog_check_header(memory, size, segment, report);
		if (rc != 0)
			hint_free(maker, hint);
	}
	os->segment_free(os->ctx, memory, size);
	return rc;
}

/* ---- Reading it ------------------------------------------------------------------------ */

/* Nothing that follows from an entry leads out of the segment or of the store. */
static bool are_possible(const struct hint *hint, uint32_t blocks)
{
	uint32_t last = 0;
	for (uint32_t i = 0; i < hint->count; i++) {
		struct hint_entry entry = hint_entry_decode(hint_entry_at(hint, i));
		uint32_t least =
		    RECORD_FIXED + record_optional_size[entry.flags >> RECORD_FLAGS_OPTIONAL_SHIFT];
		if (entry.block >= blocks || entry.block < last ||
		    entry.offset < SEGMENT_HEADER_SIZE || entry.offset > hint->end ||
		    entry.size < least || entry.size > hint->end - entry.offset)
			return false;
		last = entry.block;
	}
	return true;
}

static int decode(const struct hint_maker *maker, const struct catalog_segment *segment,
		  size_t segment_size, struct hint *hint)
{
	const uint8_t *in = hint->data;
	hint->count = get_u32(in + AT_COUNT);
	hint->end = get_u32(in + AT_END);
	hint->sequence = get_u64(in + AT_SEQUENCE);
	hint->highest_counter = get_u64(in + AT_COUNTER);
	hint->latest_expiry_ms = get_u64(in + AT_EXPIRY);
	size_t checksum_at = hint->len - HINT_CHECKSUM_SIZE;
	if (get_u32(in + AT_MAGIC) != MAGIC || get_u32(in + AT_FORMAT) != HINT_FORMAT_VERSION ||
	    size_of(hint->count) != hint->len ||
	    get_u64(in + checksum_at) != hash_bytes(in, checksum_at))
		return DHT_ECORRUPT;
	if (hint->sequence != segment->sequence || get_u64(in + AT_HASH_ID) != maker->hash_id ||
	    get_u32(in + AT_BLOCKS) != maker->blocks)
		return DHT_ENOTFOUND;
	if (hint->end < SEGMENT_HEADER_SIZE || hint->end > segment_size - SEGMENT_END_SIZE ||
	    !are_possible(hint, maker->blocks))
		return DHT_ECORRUPT;
	return 0;
}

int hint_read(const struct hint_maker *maker, const struct catalog_segment *segment,
	      uint64_t file_size, size_t segment_size, struct hint *hint)
{
	const struct store_os *os = maker->os;
	char name[HINT_NAME_SIZE];
	size_t len;
	*hint = (struct hint){0};
	if (file_size < size_of(0) || file_size > size_of(entries_max(segment_size)))
		return DHT_ECORRUPT;
	hint_name(segment->slot, name);
	int rc = allocate(maker, hint, (size_t)file_size);
	if (rc == 0)
		rc = os->file_read(os->ctx, name, hint->data, hint->room, &len);
	if (rc == 0 && len != hint->room)
		rc = DHT_ECORRUPT;
	if (rc == 0)
		rc = decode(maker, segment, segment_size, hint);
	if (rc != 0)
		hint_free(maker, hint);
	return rc;
}

uint32_t hint_seek(const struct hint *hint, uint32_t block)
{
	uint32_t low = 0, high = hint->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (hint_block_at(hint, middle) < block)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
