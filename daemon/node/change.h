/* SPDX-License-Identifier: Apache-2.0
 *
 * node/change - what an operation makes of the value that is there.
 *
 * Why     The `change` of the register protocol (section 3): a pure function from
 *         the decided record to the result and, where something changes, the new
 *         one. Every way to run an operation goes through here. A record whose time
 *         has come counts as absent, and an operation that would leave it there writes
 *         a tombstone instead, so that clocks cannot make a key come and go.
 * Thread  any; pure.
 */
#ifndef DHT_NODE_CHANGE_H
#define DHT_NODE_CHANGE_H

#include <stdbool.h>

#include "node/op.h"

struct change {
	bool changes;          /* a new record is to be written */
	bool is_expiry;        /* it is the expired record's tombstone, not the operation's wish */
	enum record_kind kind; /* VALUE or TOMBSTONE, if it changes */
	struct bytes value;    /* may point to digits */
	uint64_t expires_ms;
	char digits[OP_NUMBER_MAX]; /* INCR's new value */
};

/* Applies op to base, the latest record of its key (a tombstone where there is
 * none). Fills status, value, version and number of result (version: that of base;
 * the caller replaces it when the change is written) and change. change must not
 * move afterwards: its value may point into it. */
void change_apply(const struct op *op, const struct record *base, struct change *change,
		  struct op_result *result);

/* True if record is a value whose time has come. */
static inline bool change_is_expired(const struct record *record, uint64_t now_ms)
{
	return record->expires_ms != 0 && record->expires_ms <= now_ms &&
	       record->kind == RECORD_VALUE;
}

/* The change that a record makes of itself once it has expired. */
void change_expire(struct change *change);

/* Parses a decimal int64_t as Redis does: no spaces, no plus sign, no leading zeros.
 * False if the bytes are none. */
bool change_parse_integer(struct bytes text, int64_t *number);

#endif
