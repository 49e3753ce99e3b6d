/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/operation - what clients ask of a key, and what it does to a record.
 *
 * Why     Values are numbers, 0 where there is none; an append makes a number that tells
 *         all appends before it, so that a lost one or one too many shows.
 * Thread  pure; values live in the arena of the run.
 */
#ifndef DHT_SIM_OPERATION_H
#define DHT_SIM_OPERATION_H

#include "paxos/register.h"

/* X(NAME) */
#define OPERATION_KINDS(X)                                                                         \
	X(GET)                                                                                     \
	X(PUT)                                                                                     \
	X(APPEND)                                                                                  \
	X(DELETE)                                                                                  \
	X(SET_IF_ABSENT)                                                                           \
	X(COMPARE_AND_SET)                                                                         \
	X(IDENTITY) /* no client's: makes a record a vote of the current version */

enum operation_kind {
#define X(name) OPERATION_##name,
	OPERATION_KINDS(X)
#undef X
};

struct operation {
	enum operation_kind kind;
	uint32_t history;            /* index there, or OPERATION_OF_NOBODY */
	uint64_t argument, expected; /* expected: of COMPARE_AND_SET */
	uint64_t deadline_us;
	uint16_t decided_before; /* for sim/lineage: what a read must not miss */
};
enum { OPERATION_OF_NOBODY = UINT32_MAX };

enum { VALUES_MAX = 8192 };

struct values {
	uint32_t count;
	uint64_t numbers[VALUES_MAX];
};

const char *operation_name(enum operation_kind kind);

/* The number in a record: 0 if there is none or a tombstone. */
uint64_t operation_number(const struct paxos_record *record);

/* What the kind does to a number: returns whether anything changes, sets the number that
 * is left and the result. The checker of histories uses it, too. */
bool operation_apply(enum operation_kind kind, uint64_t argument, uint64_t expected,
		     uint64_t *number, uint64_t *result);

/* The same to a record: `made` is what to propose. */
bool operation_change(const struct operation *op, const struct paxos_record *base,
		      struct values *values, struct paxos_record *made, uint64_t *result);

#endif
