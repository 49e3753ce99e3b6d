/* SPDX-License-Identifier: Apache-2.0 */
#include "store/manifest.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/store.h"

enum {
	AT_MAGIC = 0,
	AT_FORMAT = 4,
	AT_SEGMENT_SIZE = 8,
	AT_BLOCKS = 16,
	AT_COUNT = 20,
	AT_CEILING = 24,
	ENTRY_AT_SEQUENCE = 4,
};

#define MAGIC UINT32_C(0x4d544844) /* "DHTM" */

static size_t entry_at(uint32_t i)
{
	return MANIFEST_HEADER_SIZE + (size_t)i * MANIFEST_ENTRY_SIZE;
}

void manifest_encode_entry(uint8_t *out, uint32_t i, uint32_t slot, uint64_t sequence)
{
	put_u32(out + entry_at(i), slot);
	put_u64(out + entry_at(i) + ENTRY_AT_SEQUENCE, sequence);
}

void manifest_encode(uint8_t *out, const struct manifest *manifest)
{
	size_t body = entry_at(manifest->count);
	put_u32(out + AT_MAGIC, MAGIC);
	put_u32(out + AT_FORMAT, MANIFEST_FORMAT_VERSION);
	put_u64(out + AT_SEGMENT_SIZE, manifest->segment_size_bytes);
	put_u32(out + AT_BLOCKS, manifest->blocks);
	put_u32(out + AT_COUNT, manifest->count);
	put_u64(out + AT_CEILING, manifest->ceiling);
	put_u64(out + body, hash_bytes(out, body));
}

static bool is_power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

int manifest_decode(const uint8_t *data, size_t len, struct manifest *out)
{
	if (len < manifest_size(0) || get_u32(data + AT_COUNT) > STORE_SEGMENTS_MAX ||
	    len != manifest_size(get_u32(data + AT_COUNT)))
		return DHT_ECORRUPT;
	struct manifest found = {
	    .segment_size_bytes = get_u64(data + AT_SEGMENT_SIZE),
	    .ceiling = get_u64(data + AT_CEILING),
	    .blocks = get_u32(data + AT_BLOCKS),
	    .count = get_u32(data + AT_COUNT),
	};
	size_t body = entry_at(found.count);
	if (get_u64(data + body) != hash_bytes(data, body) || get_u32(data + AT_MAGIC) != MAGIC ||
	    get_u32(data + AT_FORMAT) != MANIFEST_FORMAT_VERSION ||
	    found.segment_size_bytes < STORE_SEGMENT_SIZE_MIN ||
	    found.segment_size_bytes > STORE_SEGMENT_SIZE_MAX || found.blocks < STORE_BLOCKS_MIN ||
	    found.blocks > STORE_BLOCKS_MAX || !is_power_of_two(found.blocks))
		return DHT_ECORRUPT;
	*out = found;
	return 0;
}

void manifest_decode_entry(const uint8_t *data, uint32_t i, uint32_t *slot, uint64_t *sequence)
{
	*slot = get_u32(data + entry_at(i));
	*sequence = get_u64(data + entry_at(i) + ENTRY_AT_SEQUENCE);
}
