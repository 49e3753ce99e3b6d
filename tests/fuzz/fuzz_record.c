/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz/fuzz_record - decoding records from a damaged disk.
 *
 * An input is decoded as it is, and once more with the checksum that its bytes ought to
 * have, because no random input would pass it. What decodes is a record in its only
 * encoding: encoded again it gives the same bytes.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/record.h"

enum { SEQUENCE = 5, CHECKSUM_SIZE = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(struct bytes a, struct bytes b)
{
	DHT_ASSERT(bytes_equal(a, b));
}

static void decode(const uint8_t *data, size_t len)
{
	struct record rec;
	size_t size;
	int rc = record_decode(data, len, SEQUENCE, &rec, &size);
	if (rc != 0) {
		DHT_ASSERT(rc == DHT_ECORRUPT);
		return;
	}
	DHT_ASSERT(size <= len && size == record_size(&rec) && size == record_view_size(data));
	DHT_ASSERT(rec.kind == record_view_kind(data));
	check_same(rec.key, record_view_key(data));
	check_same(rec.value, record_view_value(data));
	uint8_t *again = malloc(size);
	DHT_ASSERT(again != NULL);
	record_encode(&rec, SEQUENCE, again);
	check_same(bytes_of(again, size), bytes_of(data, size));
	free(again);
}

/* The bytes that the record takes by its own account, if the input has as many. */
static size_t claimed_size(const uint8_t *data, size_t len)
{
	if (len < RECORD_FIXED)
		return 0;
	uint64_t size =
	    RECORD_FIXED +
	    (uint64_t)record_optional_size[data[RECORD_AT_FLAGS] >> RECORD_FLAGS_OPTIONAL_SHIFT] +
	    get_u16(data + RECORD_AT_KEY_LEN) + get_u32(data + RECORD_AT_VALUE_LEN);
	return size <= len ? (size_t)size : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	decode(data, len);
	size_t size = claimed_size(data, len);
	if (size == 0)
		return 0;
	uint8_t *sealed = malloc(len);
	DHT_ASSERT(sealed != NULL);
	memcpy(sealed, data, len);
	put_u32(sealed, (uint32_t)hash_bytes_seeded(sealed + CHECKSUM_SIZE, size - CHECKSUM_SIZE,
						    SEQUENCE));
	decode(sealed, len);
	free(sealed);
	return 0;
}
