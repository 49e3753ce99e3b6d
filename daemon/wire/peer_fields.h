/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/peer_fields - the numbers of proto/peer.proto that no generated constant stands for,
 * and which ballots a message has.
 *
 * Why     What encodes and what decodes write and read the same fields. That they are those of
 *         the schema is tested (tests/unit/test_wire_peer.c).
 */
#ifndef DHT_WIRE_PEER_FIELDS_H
#define DHT_WIRE_PEER_FIELDS_H

#include "node/message.h"

/* X(NAME, name, number) */
#define PEER_MESSAGE_FIELDS(X)                                                                     \
	X(KIND, kind, 1)                                                                           \
	X(BLOCK, block, 2)                                                                         \
	X(VERSION, version, 3)                                                                     \
	X(TAG, tag, 4)                                                                             \
	X(KEY, key, 5)                                                                             \
	X(B, b, 6)                                                                                 \
	X(NEXT, next, 7)                                                                           \
	X(BOUND, bound, 8)                                                                         \
	X(NAMED, named, 9)                                                                         \
	X(ACC, acc, 10)                                                                            \
	X(VER, ver, 11)                                                                            \
	X(PVER, pver, 12)                                                                          \
	X(FLAGS, flags, 13)                                                                        \
	X(VALUE_SIZE, value_size, 14)                                                              \
	X(EXPIRES_MS, expires_ms, 15)                                                              \
	X(B_AGE, b_age, 16)                                                                        \
	X(NEXT_AGE, next_age, 17)                                                                  \
	X(BOUND_AGE, bound_age, 18)                                                                \
	X(NAMED_AGE, named_age, 19)                                                                \
	X(ACC_AGE, acc_age, 20)                                                                    \
	X(VER_AGE, ver_age, 21)                                                                    \
	X(PVER_AGE, pver_age, 22)                                                                  \
	X(HOLDING, holding, 23)                                                                    \
	X(FROM_HASH, from_hash, 24)                                                                \
	X(UNTIL_HASH, until_hash, 25)                                                              \
	X(DIGEST, digest, 26)                                                                      \
	X(COUNT, count, 27)                                                                        \
	X(ITEMS, items, 28)                                                                        \
	X(EPOCH, epoch, 29)                                                                        \
	X(OPS, ops, 30)                                                                            \
	X(WATCHED, watched, 31)                                                                    \
	X(WATCHED_AGE, watched_age, 32)                                                            \
	X(DEADLINE_US, deadline_us, 33)                                                            \
	X(WHOLE, whole, 34)                                                                        \
	X(RESULTS, results, 35)                                                                    \
	X(LIMIT, limit, 36)                                                                        \
	X(COUNTS, counts, 37)                                                                      \
	X(ASKED, asked, 38)                                                                        \
	X(ANSWERED, answered, 39)

#define PEER_ITEM_FIELDS(X)                                                                        \
	X(KEY, key, 1)                                                                             \
	X(ACC, acc, 2)                                                                             \
	X(VER, ver, 3)                                                                             \
	X(PVER, pver, 4)                                                                           \
	X(FLAGS, flags, 5)                                                                         \
	X(VALUE_SIZE, value_size, 6)                                                               \
	X(EXPIRES_MS, expires_ms, 7)                                                               \
	X(ACC_AGE, acc_age, 8)                                                                     \
	X(VER_AGE, ver_age, 9)                                                                     \
	X(PVER_AGE, pver_age, 10)

#define PEER_OP_FIELDS(X)                                                                          \
	X(KIND, kind, 1)                                                                           \
	X(FLAGS, flags, 2)                                                                         \
	X(CONDITIONS, conditions, 3)                                                               \
	X(VALUE_SIZE, value_size, 4)                                                               \
	X(EXPECTED_SIZE, expected_size, 5)                                                         \
	X(EXPECTED_VERSION, expected_version, 6)                                                   \
	X(EXPECTED_VERSION_AGE, expected_version_age, 7)                                           \
	X(DELTA, delta, 8)                                                                         \
	X(FLOAT_MANTISSA, float_mantissa, 9)                                                       \
	X(FLOAT_EXPONENT, float_exponent, 10)                                                      \
	X(VALUE_MAX, value_max, 11)                                                                \
	X(EXPIRY, expiry, 12)                                                                      \
	X(EXPIRES_MS, expires_ms, 13)

#define PEER_RESULT_FIELDS(X)                                                                      \
	X(STATUS, status, 1)                                                                       \
	X(FLAGS, flags, 2)                                                                         \
	X(VALUE_SIZE, value_size, 3)                                                               \
	X(VERSION, version, 4)                                                                     \
	X(VERSION_AGE, version_age, 5)                                                             \
	X(EXPIRES_MS, expires_ms, 6)                                                               \
	X(SIZE, size, 7)                                                                           \
	X(NUMBER, number, 8)

/* FIELD_KIND ..., ITEM_KEY ..., OP_FIELD_KIND ..., RESULT_STATUS ... */
enum peer_message_field {
#define X(NAME, name, number) FIELD_##NAME = number,
	PEER_MESSAGE_FIELDS(X)
#undef X
};

enum peer_item_field {
#define X(NAME, name, number) ITEM_##NAME = number,
	PEER_ITEM_FIELDS(X)
#undef X
};

enum peer_op_field {
#define X(NAME, name, number) OP_FIELD_##NAME = number,
	PEER_OP_FIELDS(X)
#undef X
};

enum peer_result_field {
#define X(NAME, name, number) RESULT_##NAME = number,
	PEER_RESULT_FIELDS(X)
#undef X
};

/* What a message of a kind carries besides ballots. */
static inline bool peer_has_key(enum message_kind kind)
{
	switch (kind) {
	case MESSAGE_PREPARE:
	case MESSAGE_PROMISE:
	case MESSAGE_ACCEPT:
	case MESSAGE_OK:
	case MESSAGE_READ:
	case MESSAGE_VALUE:
	case MESSAGE_LEARN:
	case MESSAGE_HOLDS:
	case MESSAGE_HELD:
	case MESSAGE_ERASE:
	case MESSAGE_FORWARD:
	case MESSAGE_RESULT:
		return true;
	case MESSAGE_PULL:
	case MESSAGE_CHUNK:
	case MESSAGE_COMPARE:
	case MESSAGE_DIFFER:
	case MESSAGE_STALE:
	case MESSAGE_LIST:
	case MESSAGE_LISTED:
	case MESSAGE_COUNT:
	case MESSAGE_COUNTED:
	case MESSAGE_KIND_COUNT:
		return false;
	}
	DHT_UNREACHABLE();
}

static inline bool peer_has_record(enum message_kind kind)
{
	return kind == MESSAGE_PROMISE || kind == MESSAGE_ACCEPT || kind == MESSAGE_VALUE ||
	       kind == MESSAGE_LEARN;
}

static inline bool peer_has_range(enum message_kind kind)
{
	return kind == MESSAGE_PULL || kind == MESSAGE_CHUNK || kind == MESSAGE_COMPARE ||
	       kind == MESSAGE_DIFFER || kind == MESSAGE_LIST || kind == MESSAGE_LISTED;
}

static inline bool peer_has_items(enum message_kind kind)
{
	return kind == MESSAGE_CHUNK || kind == MESSAGE_DIFFER || kind == MESSAGE_LISTED;
}

/* Whether the records of these are there as a whole. */
static inline bool peer_has_whole_items(enum message_kind kind)
{
	return kind == MESSAGE_CHUNK || kind == MESSAGE_LISTED;
}

/* What next and acc are where they are left out. */
static inline struct ballot peer_usual_next(const struct message *m)
{
	if (m->kind != MESSAGE_ACCEPT || ballot_counter(m->b) == BALLOT_COUNTER_MAX)
		return BALLOT_ABSENT;
	return ballot_successor(m->b);
}

static inline struct ballot peer_usual_acc(const struct message *m)
{
	return m->kind == MESSAGE_ACCEPT ? m->b : BALLOT_ABSENT;
}

#endif
