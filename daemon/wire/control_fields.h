/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/control_fields - the numbers of ControlMessage and its parts in proto/peer.proto, and
 * what a message of a kind has.
 *
 * Why     What encodes and what decodes write and read the same fields. That they are those of
 *         the schema is tested (tests/unit/test_wire_control.c).
 */
#ifndef DHT_WIRE_CONTROL_FIELDS_H
#define DHT_WIRE_CONTROL_FIELDS_H

#include "node/member_message.h"

/* X(NAME, name, number) */
#define CONTROL_FIELDS(X)                                                                          \
	X(KIND, kind, 1)                                                                           \
	X(FROM, from, 2)                                                                           \
	X(LINEAGE, lineage, 3)                                                                     \
	X(EPOCH, epoch, 4)                                                                         \
	X(FLAGS, flags, 5)                                                                         \
	X(BEAT, beat, 6)                                                                           \
	X(COUNTER, counter, 7)                                                                     \
	X(CLOCK_MS, clock_ms, 8)                                                                   \
	X(PROGRESS, progress, 9)                                                                   \
	X(FINS, fins, 10)                                                                          \
	X(NEWS, news, 11)                                                                          \
	X(TAG, tag, 12)                                                                            \
	X(BALLOT, ballot, 13)                                                                      \
	X(ACCEPTED, accepted, 14)                                                                  \
	X(REACH, reach, 15)                                                                        \
	X(LINEAGE_BEFORE, lineage_before, 16)                                                      \
	X(REQUEST, request, 17)                                                                    \
	X(ANSWER, answer, 18)                                                                      \
	X(HELD_BYTES, held_bytes, 19)                                                              \
	X(AHEAD_MS, ahead_ms, 20)

#define CONTROL_REQUEST_FIELDS(X)                                                                  \
	X(KIND, kind, 1)                                                                           \
	X(NUMBER, number, 2)                                                                       \
	X(JOB, job, 3)                                                                             \
	X(MEMBER, member, 4)                                                                       \
	X(LINEAGE, lineage, 5)                                                                     \
	X(FLAGS, flags, 6)

#define CONTROL_ANSWER_FIELDS(X)                                                                   \
	X(STATUS, status, 1)                                                                       \
	X(JOB, job, 2)                                                                             \
	X(TEXT, text, 3)

#define CONTROL_MEMBER_FIELDS(X)                                                                   \
	X(NUMBER, number, 1)                                                                       \
	X(STANDING, standing, 2)                                                                   \
	X(NODE_ID, node_id, 3)                                                                     \
	X(NAME, name, 4)                                                                           \
	X(ZONE, zone, 5)                                                                           \
	X(WEIGHT, weight, 6)                                                                       \
	X(CLIENTS, clients, 7)                                                                     \
	X(PEERS, peers, 8)

/* CONTROL_KIND ..., REQUEST_KIND ..., ANSWER_STATUS ..., MEMBER_FIELD_NUMBER ... */
enum control_field {
#define X(NAME, name, number) CONTROL_##NAME = number,
	CONTROL_FIELDS(X)
#undef X
};

enum control_request_field {
#define X(NAME, name, number) REQUEST_##NAME = number,
	CONTROL_REQUEST_FIELDS(X)
#undef X
};

enum control_answer_field {
#define X(NAME, name, number) ANSWER_##NAME = number,
	CONTROL_ANSWER_FIELDS(X)
#undef X
};

enum control_member_field {
#define X(NAME, name, number) MEMBER_FIELD_##NAME = number,
	CONTROL_MEMBER_FIELDS(X)
#undef X
};

enum control_flag {
	CONTROL_FLAG_IS_OK = 1,
	CONTROL_FLAG_IS_FULL = 2,
	CONTROL_FLAGS_ALL = CONTROL_FLAG_IS_OK | CONTROL_FLAG_IS_FULL,
};

enum control_request_flag {
	REQUEST_FLAG_HAS_DATA = 1,
	REQUEST_FLAG_IS_FORCED = 2,
	REQUEST_FLAGS_ALL = REQUEST_FLAG_HAS_DATA | REQUEST_FLAG_IS_FORCED,
};

/* A ballot is one number: the round in the upper 32 of 44 bits, the member in the lower 12. */
enum { CONTROL_MEMBER_BITS = 12 };
#define CONTROL_BALLOT_MAX ((UINT64_C(1) << (32 + CONTROL_MEMBER_BITS)) - 1)
_Static_assert(MEMBER_NOBODY < 1 << CONTROL_MEMBER_BITS, "nobody fits, too");

static inline bool control_has_map(enum member_message_kind kind)
{
	return kind == MEMBER_PROMISE || kind == MEMBER_ACCEPT || kind == MEMBER_MAP;
}

static inline bool control_has_member(enum member_request_kind kind)
{
	return kind == MEMBER_REQUEST_JOIN || kind == MEMBER_REQUEST_REPLACE ||
	       kind == MEMBER_REQUEST_ADJUST;
}

#endif
