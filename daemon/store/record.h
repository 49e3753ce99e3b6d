/* SPDX-License-Identifier: Apache-2.0
 *
 * store/record - the one format of everything in the log.
 *
 *     offset size
 *      0     4   checksum: low 32 bits of XXH3 over the rest of the record, seeded
 *                with the segment's sequence number, so that the old bytes of a
 *                recycled file never parse
 *      4     1   flags:  bits 0-2 kind | 3 copy | 4 has ver | 5-6 form of pver |
 *                        7 has expiry
 *      5     2   key length
 *      7     4   value length
 *     11    12   acc: the ballot at which it was accepted (paxos/ballot.h)
 *     23         optional, in this order:
 *                pver   form 0: absent; 1: 8 bytes, the order part, version of acc;
 *                       2: 12 bytes
 *                ver    12 bytes, only where it differs from acc
 *                expiry 8 bytes, milliseconds since 1970-01-01 UTC
 *                then key, then value; no padding. Integers are little endian.
 *
 * Why     A value that was written once costs 23 bytes beyond key and value.
 * Thread  any; pure functions over the caller's bytes.
 */
#ifndef DHT_STORE_RECORD_H
#define DHT_STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "paxos/ballot.h"

enum {
	RECORD_FIXED = 23,
	RECORD_OVERHEAD_MAX = RECORD_FIXED + BALLOT_SIZE + BALLOT_SIZE + 8,
	RECORD_KEY_MAX = 65535,
	RECORD_VALUE_MAX = 16 * 1024 * 1024,
};

/* X(NAME): the numbers are on disk; never reorder. */
#define RECORD_KINDS(X)                                                                            \
	X(VALUE)                                                                                   \
	X(TOMBSTONE)                                                                               \
	X(ERASE)                                                                                   \
	X(DROP)                                                                                    \
	X(CEILING)                                                                                 \
	X(MAP)                                                                                     \
	X(VOTE)                                                                                    \
	X(FIN)

enum record_kind {
#define X(name) RECORD_##name,
	RECORD_KINDS(X)
#undef X
};

/* A decoded record; key and value point into the bytes it was decoded from. */
struct record {
	enum record_kind kind;
	bool copy; /* not a vote (the register protocol, section 1) */
	struct ballot acc;
	struct ballot ver;   /* wrote this value */
	struct ballot pver;  /* ver of the value it replaced; absent if none */
	uint64_t expires_ms; /* 0: never */
	struct bytes key;
	struct bytes value;
};

/* Returns the bytes that record_encode writes. */
size_t record_size(const struct record *record);

/* Writes the record for a segment with this sequence number. Key and value are within
 * RECORD_KEY_MAX and RECORD_VALUE_MAX (asserted). */
void record_encode(const struct record *record, uint64_t sequence, uint8_t *out);

/* Reads a record from at most len bytes that may be anything. *size is its length.
 * DHT_ECORRUPT: there is none. */
int record_decode(const uint8_t *data, size_t len, uint64_t sequence, struct record *record,
		  size_t *size) DHT_MUST_CHECK;

/* Reads a record that is known to be good. */
void record_load(const uint8_t *data, struct record *record);

enum {
	RECORD_FLAG_COPY = 1 << 3,
	RECORD_FLAG_VER = 1 << 4,
	RECORD_PVER_SHIFT = 5,
	RECORD_FLAG_EXPIRY = 1 << 7,
};

/* Where the key of a good record begins. */
static inline size_t record_key_offset(const uint8_t *data)
{
	static const uint8_t pver_size[4] = {0, 8, BALLOT_SIZE, 0};
	uint8_t flags = data[4];
	return RECORD_FIXED + pver_size[flags >> RECORD_PVER_SHIFT & 3] +
	       (flags & RECORD_FLAG_VER ? BALLOT_SIZE : 0) + (flags & RECORD_FLAG_EXPIRY ? 8 : 0);
}

/* True if a good record is about this key. */
static inline bool record_has_key(const uint8_t *data, struct bytes key)
{
	return get_u16(data + 5) == key.len &&
	       (key.len == 0 || memcmp(data + record_key_offset(data), key.data, key.len) == 0);
}

/* The length of a good record. */
static inline size_t record_length(const uint8_t *data)
{
	return record_key_offset(data) + get_u16(data + 5) + get_u32(data + 7);
}

#endif
