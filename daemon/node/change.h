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
 * Errors  DHT_ENOMEM is a result like others: the operation has changed nothing.
 */
#ifndef DHT_NODE_CHANGE_H
#define DHT_NODE_CHANGE_H

#include <stdbool.h>

#include "base/arena.h"
#include "node/op.h"

struct change {
	bool changes;          /* a new record is to be written */
	bool is_expiry;        /* it is the expired record's tombstone, not the operation's wish */
	enum record_kind kind; /* VALUE or TOMBSTONE, if it changes */
	struct bytes value;    /* of op or base, or derived */
	uint64_t expires_ms;
};

/* Applies op to base, the latest record of its key (a tombstone where there is
 * none). Fills change and of result all that an operation answers: version, expires_ms and
 * size are those of base, as long as the change is not written (change_written). What
 * change and result point to and neither op nor base has is made in arena. */
void change_apply(const struct op *op, const struct record *base, struct arena *arena,
		  struct change *change, struct op_result *result);

/* Says in result that change was written, at this ballot. */
void change_written(const struct change *change, struct ballot at, struct op_result *result);

/* Says in result what is there: base, or NULL if nothing is. Its value is the caller's to add. */
static inline void change_tell_base(const struct record *base, struct op_result *result)
{
	result->existed = base != NULL;
	result->version = base != NULL ? base->ver : BALLOT_ABSENT;
	result->expires_ms = base != NULL ? base->expires_ms : 0;
	result->size = base != NULL ? base->value.len : 0;
}

/* True if op's result has the value that was there before. */
static inline bool change_shows_old_value(const struct op *op, const struct op_result *result)
{
	return result->existed && (op->kind == OP_GET || op->wants_value);
}

/* True if record is a value whose time has come. */
static inline bool change_is_expired(const struct record *record, uint64_t now_ms)
{
	return record->expires_ms != 0 && record->expires_ms <= now_ms &&
	       record->kind == RECORD_VALUE;
}

/* True for the version of a value that was made and is not written yet (node/series.h). Nobody can
 * have been told it, so a version that is expected is never that one. */
static inline bool change_is_unwritten(struct ballot version)
{
	return version.version == UINT32_MAX;
}

/* The change that a record makes of itself once it has expired. */
void change_expire(struct change *change);

/* Parses a number as Redis's INCRBYFLOAT does: all that strtold takes, in the "C" locale, but
 * for spaces, NaN, and what is too large or too close to 0. Infinity is a number. */
bool change_parse_float(struct bytes text, long double *number);

#endif
