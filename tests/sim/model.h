/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/model - what one key is to its clients: a value, a version, a time to go.
 *
 * Why     Written a second time, from what node/op.h says and not from what node/change does:
 *         the checker of histories believes no code that it checks.
 * Thread  pure, but for numbers of new values (sim/value).
 *
 * Clocks: an operation is applied at some time of its coordinator's wall clock between
 * earliest_ms and latest_ms. A value may count as expired if its time is at or before the
 * latest, and as there if its time is behind the earliest. Once an operation has counted it
 * as expired, it is absent for all that follow.
 */
#ifndef DHT_SIM_MODEL_H
#define DHT_SIM_MODEL_H

#include "node/op.h"
#include "value.h"

struct model_op {
	enum op_kind kind;
	unsigned conditions;
	bool wants_value;
	uint32_t value, expected; /* sim/value */
	struct ballot expected_version;
	int64_t delta;
	enum op_expiry expiry;
	uint64_t expires_ms;
};

struct model_state {
	uint32_t value; /* VALUE_NONE: absent */
	/* Absent though the value is there: nobody has been told. */
	struct ballot version;
	uint64_t expires_ms;
};

struct model_result {
	int status;
	bool existed;
	uint32_t value; /* of those that have one, VALUE_NONE otherwise */
	int64_t number;
	struct ballot version;
	uint64_t expires_ms, size;
};

/* Which way its coordinator's clock has decided. */
enum { MODEL_OLD_EXPIRED = 1, MODEL_NEW_EXPIRED = 2, MODEL_WAYS = 4 };

/* False: with these bounds it cannot have gone this way, or it makes no difference. */
bool model_is_possible(const struct model_op *op, const struct model_state *before, unsigned way,
		       uint64_t earliest_ms, uint64_t latest_ms);

/* Applies op. told is what the client has heard, NULL if it has heard nothing. False: it
 * would have heard something else. */
bool model_apply(const struct model_op *op, const struct model_state *before, unsigned way,
		 const struct model_result *told, struct model_state *after);

#endif
