/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record.h"

#include "base/error.h"
#include "base/hash.h"

enum pver_form {
	PVER_ABSENT,
	PVER_ORDER, /* of acc's version */
	PVER_WHOLE,
	PVER_INVALID,
};

static enum pver_form pver_form_of(const struct record *r)
{
	if (ballot_is_absent(r->pver))
		return PVER_ABSENT;
	return r->pver.version == r->acc.version ? PVER_ORDER : PVER_WHOLE;
}

static size_t optional_size(uint8_t flags)
{
	uint8_t head[5] = {[4] = flags};
	return record_key_offset(head) - RECORD_FIXED;
}

static uint8_t flags_of(const struct record *r)
{
	return (uint8_t)((uint8_t)r->kind | (r->copy ? RECORD_FLAG_COPY : 0) |
			 (ballot_equal(r->ver, r->acc) ? 0 : RECORD_FLAG_VER) |
			 pver_form_of(r) << RECORD_PVER_SHIFT |
			 (r->expires_ms != 0 ? RECORD_FLAG_EXPIRY : 0));
}

size_t record_size(const struct record *record)
{
	return RECORD_FIXED + optional_size(flags_of(record)) + record->key.len + record->value.len;
}

static uint32_t checksum(const uint8_t *data, size_t size, uint64_t sequence)
{
	return (uint32_t)hash_bytes_seeded(data + 4, size - 4, sequence);
}

void record_encode(const struct record *record, uint64_t sequence, uint8_t *out)
{
	DHT_ASSERT(record->key.len <= RECORD_KEY_MAX && record->value.len <= RECORD_VALUE_MAX);
	out[4] = flags_of(record);
	put_u16(out + 5, (uint16_t)record->key.len);
	put_u32(out + 7, (uint32_t)record->value.len);
	ballot_encode(out + 11, record->acc);
	uint8_t *p = out + RECORD_FIXED;
	switch (pver_form_of(record)) {
	case PVER_ORDER:
		put_u64(p, record->pver.order);
		p += 8;
		break;
	case PVER_WHOLE:
		ballot_encode(p, record->pver);
		p += BALLOT_SIZE;
		break;
	case PVER_ABSENT:
	case PVER_INVALID:
		break;
	}
	if (out[4] & RECORD_FLAG_VER) {
		ballot_encode(p, record->ver);
		p += BALLOT_SIZE;
	}
	if (out[4] & RECORD_FLAG_EXPIRY) {
		put_u64(p, record->expires_ms);
		p += 8;
	}
	if (record->key.len > 0)
		memcpy(p, record->key.data, record->key.len);
	p += record->key.len;
	if (record->value.len > 0)
		memcpy(p, record->value.data, record->value.len);
	p += record->value.len;
	put_u32(out, checksum(out, (size_t)(p - out), sequence));
}

void record_load(const uint8_t *data, struct record *record)
{
	uint8_t flags = data[4];
	const uint8_t *p = data + RECORD_FIXED;
	record->kind = (enum record_kind)(flags & 7);
	record->copy = (flags & RECORD_FLAG_COPY) != 0;
	record->acc = ballot_decode(data + 11);
	record->ver = record->acc;
	record->pver = BALLOT_ABSENT;
	record->expires_ms = 0;
	switch ((enum pver_form)(flags >> RECORD_PVER_SHIFT & 3)) {
	case PVER_ORDER:
		record->pver = (struct ballot){get_u64(p), record->acc.version};
		p += 8;
		break;
	case PVER_WHOLE:
		record->pver = ballot_decode(p);
		p += BALLOT_SIZE;
		break;
	case PVER_ABSENT:
	case PVER_INVALID:
		break;
	}
	if (flags & RECORD_FLAG_VER) {
		record->ver = ballot_decode(p);
		p += BALLOT_SIZE;
	}
	if (flags & RECORD_FLAG_EXPIRY) {
		record->expires_ms = get_u64(p);
		p += 8;
	}
	record->key = bytes_of(p, get_u16(data + 5));
	record->value = bytes_of(p + record->key.len, get_u32(data + 7));
}

int record_decode(const uint8_t *data, size_t len, uint64_t sequence, struct record *record,
		  size_t *size)
{
	if (len < RECORD_FIXED)
		return DHT_ECORRUPT;
	if ((data[4] >> RECORD_PVER_SHIFT & 3) == PVER_INVALID)
		return DHT_ECORRUPT;
	size_t value_len = get_u32(data + 7);
	if (value_len > RECORD_VALUE_MAX)
		return DHT_ECORRUPT;
	size_t need = RECORD_FIXED + optional_size(data[4]) + get_u16(data + 5) + value_len;
	if (need > len || get_u32(data) != checksum(data, need, sequence))
		return DHT_ECORRUPT;
	record_load(data, record);
	*size = need;
	return 0;
}
