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
 * The kinds that are not about the latest value of a key:
 *
 *     kind      acc       key        value
 *     ERASE     position  the key    none
 *     DROP      position  block 4    epoch 8: of the map that has it dropped
 *     DROP      position  none       epoch 8: a mark (store/notes.h)
 *     CEILING   absent    none       counter 8
 *     MAP       absent    none       epoch 8, then the map
 *     VOTE      absent    none       epoch 8, then a voter's state
 *     FIN       absent    block 4    epoch 8, version of the block 4
 *
 * position: the order part of acc is the position in the log where the record was first
 * appended (the version is 0); 0 stands for the very place where it is. What hides others
 * hides what lies before that position, also where compaction has moved it.
 *
 * Why     A value that was written once costs 23 bytes beyond key and value.
 * Thread  any; pure functions over the caller's bytes.
 * Errors  DHT_ECORRUPT: record_decode met bytes that are no record. What was decoded
 *         once is read again with record_view, which checks nothing: the hot path.
 *
 * A record has one encoding only: an optional field is there exactly if it is needed,
 * and pver takes the shorter form where it can. Any other bytes do not decode.
 */
#ifndef DHT_STORE_RECORD_H
#define DHT_STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "paxos/ballot.h"

enum {
	RECORD_FIXED = 23,
	RECORD_OVERHEAD_MAX = RECORD_FIXED + BALLOT_SIZE + BALLOT_SIZE + 8,
	RECORD_KEY_MAX = 65535,
	RECORD_VALUE_MAX = 16 * 1024 * 1024,
	RECORD_CEILING_SIZE = 8,   /* the value of CEILING: the counter */
	RECORD_BLOCK_KEY_SIZE = 4, /* the key of DROP and FIN */
	RECORD_EPOCH_SIZE = 8,     /* at the start of the value of DROP, MAP, VOTE, FIN */
	RECORD_FIN_VERSION_SIZE = 4,
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

/* Returns the bytes that rec takes in the log. Its key and value are within
 * RECORD_KEY_MAX and RECORD_VALUE_MAX (asserted). */
size_t record_size(const struct record *rec);

/* Writes the record_size(rec) bytes of rec to out. sequence is that of the segment. */
void record_encode(const struct record *rec, uint64_t sequence, uint8_t *out);

/* Decodes the record at the start of the len bytes at data, which come from disk: every
 * length and the checksum are checked. *size is set to the bytes it takes. Returns 0,
 * or DHT_ECORRUPT: cut short, damaged, or of another sequence; nothing is set then. */
int record_decode(const uint8_t *data, size_t len, uint64_t sequence, struct record *out,
		  size_t *size) DHT_MUST_CHECK;

/* What follows reads a record that is known to be whole. */

enum {
	RECORD_AT_FLAGS = 4,
	RECORD_AT_KEY_LEN = 5,
	RECORD_AT_VALUE_LEN = 7,
	RECORD_AT_ACC = 11,
	RECORD_PVER_SHORT_SIZE = 8,
	RECORD_EXPIRY_SIZE = 8,

	RECORD_FLAGS_KIND = 0x07,
	RECORD_FLAG_COPY = 0x08,
	RECORD_FLAG_VER = 0x10,
	RECORD_FLAGS_PVER_SHIFT = 5, /* two bits: enum record_pver_form */
	RECORD_FLAG_EXPIRY = 0x80,
	RECORD_FLAGS_OPTIONAL_SHIFT = 4, /* above: which optional fields there are */
};

enum record_pver_form {
	RECORD_PVER_ABSENT,
	RECORD_PVER_SHORT, /* the version is that of acc */
	RECORD_PVER_FULL,
	RECORD_PVER_INVALID,
};

/* Bytes of the optional fields, by the upper four bits of the flags. */
extern const uint8_t record_optional_size[16];

static inline enum record_kind record_view_kind(const uint8_t *data)
{
	return (enum record_kind)(data[RECORD_AT_FLAGS] & RECORD_FLAGS_KIND);
}

static inline struct bytes record_view_key(const uint8_t *data)
{
	uint8_t flags = data[RECORD_AT_FLAGS];
	return bytes_of(data + RECORD_FIXED +
			    record_optional_size[flags >> RECORD_FLAGS_OPTIONAL_SHIFT],
			get_u16(data + RECORD_AT_KEY_LEN));
}

static inline struct bytes record_view_value(const uint8_t *data)
{
	struct bytes key = record_view_key(data);
	return bytes_of(key.data + key.len, get_u32(data + RECORD_AT_VALUE_LEN));
}

/* True for the kinds that an index has: the others are not about the value of a key. */
static inline bool record_is_latest(unsigned flags)
{
	enum record_kind kind = (enum record_kind)(flags & RECORD_FLAGS_KIND);
	return kind == RECORD_VALUE || kind == RECORD_TOMBSTONE;
}

static inline size_t record_view_size(const uint8_t *data)
{
	struct bytes value = record_view_value(data);
	return (size_t)(value.data - data) + value.len;
}

/* Decodes without a check. */
static inline void record_view(const uint8_t *data, struct record *out)
{
	uint8_t flags = data[RECORD_AT_FLAGS];
	const uint8_t *p = data + RECORD_FIXED;

	out->kind = record_view_kind(data);
	out->copy = (flags & RECORD_FLAG_COPY) != 0;
	out->acc = ballot_decode(data + RECORD_AT_ACC);
	out->pver = BALLOT_ABSENT;
	switch ((enum record_pver_form)(flags >> RECORD_FLAGS_PVER_SHIFT & 3)) {
	case RECORD_PVER_SHORT:
		out->pver = (struct ballot){.order = get_u64(p), .version = out->acc.version};
		p += RECORD_PVER_SHORT_SIZE;
		break;
	case RECORD_PVER_FULL:
		out->pver = ballot_decode(p);
		p += BALLOT_SIZE;
		break;
	case RECORD_PVER_ABSENT:
	case RECORD_PVER_INVALID:
		break;
	}
	out->ver = out->acc;
	if (flags & RECORD_FLAG_VER) {
		out->ver = ballot_decode(p);
		p += BALLOT_SIZE;
	}
	out->expires_ms = 0;
	if (flags & RECORD_FLAG_EXPIRY) {
		out->expires_ms = get_u64(p);
		p += RECORD_EXPIRY_SIZE;
	}
	out->key = bytes_of(p, get_u16(data + RECORD_AT_KEY_LEN));
	out->value = bytes_of(p + out->key.len, get_u32(data + RECORD_AT_VALUE_LEN));
}

#endif
