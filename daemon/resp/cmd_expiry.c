/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands on when keys expire.
 */
#include "io/clock.h"
#include "resp/answer.h"
#include "resp/expiry.h"

/* ---- Looking at it ---------------------------------------------------------------- */

enum { NO_KEY = -2, NO_EXPIRY = -1 };

/* Replies with what is left of it, or with the point in time: in milliseconds, or in seconds
 * to the nearest. */
static bool answer_expiry(struct resp_call *call, struct op_result *result, uint64_t since_ms,
			  uint64_t unit_ms)
{
	if (!resp_is_settled(result))
		return false;
	int64_t reply = NO_EXPIRY;
	if (result->status == DHT_ENOTFOUND) {
		reply = NO_KEY;
	} else if (result->expires_ms != 0) {
		uint64_t at_ms = result->expires_ms;
		uint64_t left_ms = at_ms > since_ms ? at_ms - since_ms : 0;
		reply = (int64_t)((left_ms + unit_ms / 2) / unit_ms);
	}
	resp_write_integer(call->out, reply);
	return true;
}

static bool answer_ttl(struct resp_call *call, struct op_result *result)
{
	return answer_expiry(call, result, clock_expiry_ms(), 1000);
}

static bool answer_pttl(struct resp_call *call, struct op_result *result)
{
	return answer_expiry(call, result, clock_expiry_ms(), 1);
}

static bool answer_expiretime(struct resp_call *call, struct op_result *result)
{
	return answer_expiry(call, result, 0, 1000);
}

static bool answer_pexpiretime(struct resp_call *call, struct op_result *result)
{
	return answer_expiry(call, result, 0, 1);
}

static void look(struct resp_call *call, resp_answer_fn answer)
{
	struct op op = {.kind = OP_TTL, .key.key = call->args[1]};
	resp_answer_op(call, &op, answer);
}

void resp_run_ttl(struct resp_call *call)
{
	look(call, answer_ttl);
}

void resp_run_pttl(struct resp_call *call)
{
	look(call, answer_pttl);
}

void resp_run_expiretime(struct resp_call *call)
{
	look(call, answer_expiretime);
}

void resp_run_pexpiretime(struct resp_call *call)
{
	look(call, answer_pexpiretime);
}

/* ---- Setting it -------------------------------------------------------------------- */

enum { EXPIRE_NX, EXPIRE_XX, EXPIRE_GT, EXPIRE_LT };

static const struct resp_option expire_rows[] = {
    [EXPIRE_NX] = {"NX"},
    [EXPIRE_XX] = {"XX"},
    [EXPIRE_GT] = {"GT"},
    [EXPIRE_LT] = {"LT"},
};
static const struct resp_option_table expire_options = {expire_rows, DHT_ARRAY_LEN(expire_rows),
							"Unsupported option"};

static const unsigned expire_conditions[] = {
    [EXPIRE_NX] = OP_IF_NOT_EXPIRING,
    [EXPIRE_XX] = OP_IF_EXPIRING,
    [EXPIRE_GT] = OP_IF_LATER,
    [EXPIRE_LT] = OP_IF_EARLIER,
};

/* The conditions of a request; conflicts among them are told apart behind all of them. */
static bool read_conditions(struct resp_call *call, unsigned *conditions)
{
	struct resp_options options;
	if (!resp_options_read(call, 3, &expire_options, &options))
		return false;
	if (resp_has_option(&options, EXPIRE_NX) && options.given != RESP_OPTION(EXPIRE_NX)) {
		resp_write_error(call->out, "ERR NX and XX, GT or LT options at the same time are "
					    "not compatible");
		return false;
	}
	if (resp_has_option(&options, EXPIRE_GT) && resp_has_option(&options, EXPIRE_LT)) {
		resp_write_error(call->out,
				 "ERR GT and LT options at the same time are not compatible");
		return false;
	}
	*conditions = 0;
	for (unsigned i = 0; i < DHT_ARRAY_LEN(expire_conditions); i++)
		*conditions |= resp_has_option(&options, i) ? expire_conditions[i] : 0;
	return true;
}

/* Any number is a time: one in the past removes the key. */
static void expire(struct resp_call *call, enum resp_time kind)
{
	struct op op = {.kind = OP_EXPIRE, .key.key = call->args[1]};
	int64_t amount, at_ms;
	if (!read_conditions(call, &op.conditions) ||
	    !resp_read_integer(call, call->args[2], &amount))
		return;
	int rc = resp_time_convert(kind, amount, &at_ms);
	if (rc != 0) {
		resp_time_refuse(call, rc);
		return;
	}
	resp_expire_at(&op, at_ms);
	resp_answer_op(call, &op, resp_answer_whether);
}

void resp_run_expire(struct resp_call *call)
{
	expire(call, RESP_TIME_EX);
}

void resp_run_pexpire(struct resp_call *call)
{
	expire(call, RESP_TIME_PX);
}

void resp_run_expireat(struct resp_call *call)
{
	expire(call, RESP_TIME_EXAT);
}

void resp_run_pexpireat(struct resp_call *call)
{
	expire(call, RESP_TIME_PXAT);
}

void resp_run_persist(struct resp_call *call)
{
	struct op op = {
	    .kind = OP_EXPIRE,
	    .key.key = call->args[1],
	    .conditions = OP_IF_EXPIRING,
	    .expiry = OP_EXPIRY_CLEAR,
	};
	resp_answer_op(call, &op, resp_answer_whether);
}
