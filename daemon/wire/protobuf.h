/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/protobuf - the encoding of protobuf, field by field.
 *
 * Why     Messages between nodes are written and read without a tree of structs in between
 *         (wire/peer_encode.c says why), and what is about to be unpacked is looked at first
 *         (wire/admin_decode.c).
 * Owns    Nothing.
 * Thread  any; pure.
 */
#ifndef DHT_WIRE_PROTOBUF_H
#define DHT_WIRE_PROTOBUF_H

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"

enum protobuf_type {
	PROTOBUF_VARINT = 0,
	PROTOBUF_64_BITS = 1,
	PROTOBUF_BYTES = 2,
	PROTOBUF_32_BITS = 5,
};

enum {
	PROTOBUF_VARINT_MAX = 10, /* bytes */
};

/* What stands in front of a field. */
#define PROTOBUF_TAG(number, type) ((uint32_t)(number) << 3 | (uint32_t)(type))

/* Signed numbers whose varints are short for small ones of either sign (sint32, sint64). */
static inline uint64_t protobuf_zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static inline int64_t protobuf_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ (v & 1 ? UINT64_MAX : 0));
}

/* ---- Writing: each returns the end of what it wrote; there is room ------------------- */

static inline uint8_t *protobuf_put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

static inline uint8_t *protobuf_put_number(uint8_t *p, uint32_t number, uint64_t v)
{
	p = protobuf_put_varint(p, PROTOBUF_TAG(number, PROTOBUF_VARINT));
	return protobuf_put_varint(p, v);
}

/* A field that is left out if it is 0. */
static inline uint8_t *protobuf_put_nonzero(uint8_t *p, uint32_t number, uint64_t v)
{
	return v != 0 ? protobuf_put_number(p, number, v) : p;
}

static inline uint8_t *protobuf_put_fixed64(uint8_t *p, uint32_t number, uint64_t v)
{
	p = protobuf_put_varint(p, PROTOBUF_TAG(number, PROTOBUF_64_BITS));
	put_u64(p, v);
	return p + 8;
}

static inline uint8_t *protobuf_put_raw(uint8_t *p, struct bytes b)
{
	if (b.len > 0)
		memcpy(p, b.data, b.len);
	return p + b.len;
}

static inline uint8_t *protobuf_put_bytes(uint8_t *p, uint32_t number, struct bytes b)
{
	p = protobuf_put_varint(p, PROTOBUF_TAG(number, PROTOBUF_BYTES));
	p = protobuf_put_varint(p, b.len);
	return protobuf_put_raw(p, b);
}

/* ---- Reading --------------------------------------------------------------------------- */

struct protobuf_field {
	uint64_t tag;   /* PROTOBUF_TAG; the number may be one that no schema can have */
	uint64_t value; /* of a number */
	struct bytes bytes;
};

/* Reads a varint; returns its length, 0 if there is none. */
static inline size_t protobuf_get_varint(struct bytes data, uint64_t *value)
{
	if (data.len > 0 && data.data[0] < 0x80) {
		*value = data.data[0];
		return 1;
	}
	*value = 0;
	for (size_t i = 0; i < data.len && i < PROTOBUF_VARINT_MAX; i++) {
		*value |= (uint64_t)(data.data[i] & 0x7f) << (7 * i);
		if (data.data[i] < 0x80)
			return i + 1;
	}
	return 0;
}

static inline void protobuf_skip(struct bytes *data, size_t len)
{
	data->data += len;
	data->len -= len;
}

/* Takes the next field off data, which is not empty. DHT_EPROTO: there is none. */
static inline int protobuf_next(struct bytes *data, struct protobuf_field *field)
{
	size_t n = protobuf_get_varint(*data, &field->tag);
	if (n == 0)
		return DHT_EPROTO;
	protobuf_skip(data, n);
	n = 0;
	switch (field->tag & 7) {
	case PROTOBUF_VARINT:
		n = protobuf_get_varint(*data, &field->value);
		break;
	case PROTOBUF_64_BITS:
		if (data->len >= 8)
			field->value = get_u64(data->data), n = 8;
		break;
	case PROTOBUF_32_BITS:
		if (data->len >= 4)
			field->value = get_u32(data->data), n = 4;
		break;
	case PROTOBUF_BYTES:
		n = protobuf_get_varint(*data, &field->value);
		if (n == 0 || field->value > data->len - n)
			return DHT_EPROTO;
		field->bytes = bytes_of(data->data + n, (size_t)field->value);
		n += field->bytes.len;
		break;
	default:
		break;
	}
	if (n == 0)
		return DHT_EPROTO;
	protobuf_skip(data, n);
	return 0;
}

#endif
