/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_log.h"

#include <check.h>
#include <string.h>

#include "base/hash.h"
#include "store/manifest.h"
#include "store/segment.h"

struct helper_log helper_log;

void helper_log_locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	key->hash = hash_bytes(key->key.data, key->key.len);
	key->block = key->key.len > 0 ? key->key.data[0] % blocks : 0;
}

void helper_log_clear(void)
{
	helper_log.count = 0;
}

void helper_log_begin_segment(uint64_t sequence)
{
	struct helper_log_image *image = &helper_log.images[helper_log.count++];
	memset(image->data, 0, HELPER_LOG_SEGMENT);
	image->sequence = sequence;
	image->end = SEGMENT_HEADER_SIZE;
	segment_header_encode(image->data, sequence, HELPER_LOG_SEGMENT);
}

void helper_log_add(struct record rec)
{
	struct helper_log_image *image = &helper_log.images[helper_log.count - 1];
	if (ballot_is_absent(rec.ver))
		rec.ver = rec.acc;
	record_encode(&rec, image->sequence, image->data + image->end);
	image->end += (uint32_t)record_size(&rec);
}

struct record helper_log_value(const char *key, uint64_t counter, const char *text)
{
	return (struct record){.kind = RECORD_VALUE,
			       .acc = ballot_make(1, counter, 1),
			       .key = bytes_of(key, strlen(key)),
			       .value = bytes_of(text, strlen(text))};
}

struct record helper_log_copy_of(struct record rec)
{
	rec.copy = true;
	return rec;
}

struct record helper_log_erasure(const char *key)
{
	return (struct record){.kind = RECORD_ERASE, .key = bytes_of(key, strlen(key))};
}

uint64_t helper_log_position(void)
{
	const struct helper_log_image *image = &helper_log.images[helper_log.count - 1];
	return image->sequence << STORE_OFFSET_BITS | image->end;
}

/* A record of a block, if it has one, and an epoch. */
static struct record note(enum record_kind kind, const uint32_t *block, uint64_t epoch,
			  const void *bytes, size_t len)
{
	static uint8_t key[RECORD_BLOCK_KEY_SIZE], value[256];
	ck_assert_uint_le(RECORD_EPOCH_SIZE + len, sizeof(value));
	put_u32(key, block != NULL ? *block : 0);
	put_u64(value, epoch);
	if (len > 0)
		memcpy(value + RECORD_EPOCH_SIZE, bytes, len);
	return (struct record){.kind = kind,
			       .key = bytes_of(key, block != NULL ? sizeof(key) : 0),
			       .value = bytes_of(value, RECORD_EPOCH_SIZE + len)};
}

struct record helper_log_drop(uint32_t block, uint64_t epoch)
{
	return note(RECORD_DROP, &block, epoch, NULL, 0);
}

struct record helper_log_mark(uint64_t epoch)
{
	return note(RECORD_DROP, NULL, epoch, NULL, 0);
}

struct record helper_log_map(uint64_t epoch, const char *text)
{
	return note(RECORD_MAP, NULL, epoch, text, strlen(text));
}

struct record helper_log_vote(uint64_t epoch, const char *text)
{
	return note(RECORD_VOTE, NULL, epoch, text, strlen(text));
}

struct record helper_log_fin(uint32_t block, uint64_t epoch, uint32_t version)
{
	uint8_t bytes[RECORD_FIN_VERSION_SIZE];
	put_u32(bytes, version);
	return note(RECORD_FIN, &block, epoch, bytes, sizeof(bytes));
}

struct record helper_log_moved(struct record rec, uint64_t position)
{
	rec.acc.order = position;
	return rec;
}

void helper_log_end_segment(void)
{
	struct helper_log_image *image = &helper_log.images[helper_log.count - 1];
	segment_end_encode(image->data + image->end, image->sequence, image->end);
}

void helper_log_write(struct helper_disk *disk)
{
	uint8_t bytes[4096];
	struct manifest manifest = {.segment_size_bytes = HELPER_LOG_SEGMENT,
				    .blocks = HELPER_LOG_BLOCKS,
				    .count = helper_log.count,
				    .ceiling = HELPER_LOG_CEILING};
	for (uint32_t i = 0; i < helper_log.count; i++) {
		ck_assert_int_eq(disk->os.create(disk, i, HELPER_LOG_SEGMENT), 0);
		ck_assert_int_eq(
		    disk->os.write(disk, i, 0, helper_log.images[i].data, HELPER_LOG_SEGMENT), 0);
		ck_assert_int_eq(disk->os.sync(disk, i), 0);
		manifest_encode_entry(bytes, i, i, helper_log.images[i].sequence);
	}
	manifest_encode(bytes, &manifest);
	ck_assert_int_eq(
	    disk->os.file_replace(disk, MANIFEST_NAME, bytes, manifest_size(helper_log.count)), 0);
}
