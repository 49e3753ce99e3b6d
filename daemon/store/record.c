/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record.h"

#include "base/error.h"
#include "base/hash.h"

enum { CHECKSUM_SIZE = 4 };

/* Index: expiry, two bits of pver's form, ver. */
#define WITH_PVER(size) (size), (size) + BALLOT_SIZE
#define WITH_EXPIRY(more)                                                                          \
	WITH_PVER(more), WITH_PVER((more) + RECORD_PVER_SHORT_SIZE),                               \
	    WITH_PVER((more) + BALLOT_SIZE), WITH_PVER(more)
const uint8_t record_optional_size[16] = {WITH_EXPIRY(0), WITH_EXPIRY(RECORD_EXPIRY_SIZE)};

static enum record_pver_form pver_form(const struct record *rec)
{
	if (ballot_is_absent(rec->pver))
		return RECORD_PVER_ABSENT;
	return rec->pver.version == rec->acc.version ? RECORD_PVER_SHORT : RECORD_PVER_FULL;
}

static uint8_t flags_of(const struct record *rec)
{
	unsigned flags = (unsigned)rec->kind | (unsigned)pver_form(rec) << RECORD_FLAGS_PVER_SHIFT;
	if (rec->copy)
		flags |= RECORD_FLAG_COPY;
	if (!ballot_equal(rec->ver, rec->acc))
		flags |= RECORD_FLAG_VER;
	if (rec->expires_ms != 0)
		flags |= RECORD_FLAG_EXPIRY;
	return (uint8_t)flags;
}

static uint32_t checksum(const uint8_t *data, size_t size, uint64_t sequence)
{
	return (uint32_t)hash_bytes_seeded(data + CHECKSUM_SIZE, size - CHECKSUM_SIZE, sequence);
}

size_t record_size(const struct record *rec)
{
	DHT_ASSERT(rec->key.len <= RECORD_KEY_MAX && rec->value.len <= RECORD_VALUE_MAX);
	return RECORD_FIXED +
	       (size_t)record_optional_size[flags_of(rec) >> RECORD_FLAGS_OPTIONAL_SHIFT] +
	       rec->key.len + rec->value.len;
}

/* memcpy must not be given the NULL that empty bytes may have. */
static uint8_t *put_bytes(uint8_t *p, struct bytes bytes)
{
	if (bytes.len > 0)
		memcpy(p, bytes.data, bytes.len);
	return p + bytes.len;
}

void record_encode(const struct record *rec, uint64_t sequence, uint8_t *out)
{
	uint8_t *p = out + RECORD_FIXED;

	DHT_ASSERT(rec->key.len <= RECORD_KEY_MAX && rec->value.len <= RECORD_VALUE_MAX);
	out[RECORD_AT_FLAGS] = flags_of(rec);
	put_u16(out + RECORD_AT_KEY_LEN, (uint16_t)rec->key.len);
	put_u32(out + RECORD_AT_VALUE_LEN, (uint32_t)rec->value.len);
	ballot_encode(out + RECORD_AT_ACC, rec->acc);
	switch (pver_form(rec)) {
	case RECORD_PVER_SHORT:
		put_u64(p, rec->pver.order);
		p += RECORD_PVER_SHORT_SIZE;
		break;
	case RECORD_PVER_FULL:
		ballot_encode(p, rec->pver);
		p += BALLOT_SIZE;
		break;
	case RECORD_PVER_ABSENT:
	case RECORD_PVER_INVALID:
		break;
	}
	if (!ballot_equal(rec->ver, rec->acc)) {
		ballot_encode(p, rec->ver);
		p += BALLOT_SIZE;
	}
	if (rec->expires_ms != 0) {
		put_u64(p, rec->expires_ms);
		p += RECORD_EXPIRY_SIZE;
	}
	p = put_bytes(p, rec->key);
	p = put_bytes(p, rec->value);
	put_u32(out, checksum(out, (size_t)(p - out), sequence));
}

int record_decode(const uint8_t *data, size_t len, uint64_t sequence, struct record *out,
		  size_t *size)
{
	if (len < RECORD_FIXED || get_u32(data + RECORD_AT_VALUE_LEN) > RECORD_VALUE_MAX)
		return DHT_ECORRUPT;
	/* The lengths are bounded now: their sum cannot overflow. */
	size_t whole =
	    RECORD_FIXED +
	    (size_t)record_optional_size[data[RECORD_AT_FLAGS] >> RECORD_FLAGS_OPTIONAL_SHIFT] +
	    get_u16(data + RECORD_AT_KEY_LEN) + get_u32(data + RECORD_AT_VALUE_LEN);
	if (whole > len || checksum(data, whole, sequence) != get_u32(data))
		return DHT_ECORRUPT;
	struct record rec;
	record_view(data, &rec);
	if (flags_of(&rec) != data[RECORD_AT_FLAGS])
		return DHT_ECORRUPT;
	*out = rec;
	*size = whole;
	return 0;
}
