/* SPDX-License-Identifier: Apache-2.0
 *
 * SET in all its forms, and the other commands that depend on the value that is there.
 */
#include "resp/answer.h"
#include "resp/expiry.h"

static bool answer_ok(struct resp_call *call, struct op_result *result)
{
	if (result->status == 0)
		resp_write_ok(call->out);
	else if (result->status == DHT_EPRECOND)
		resp_write_null(call->out);
	else
		return false;
	return true;
}

static void put(struct resp_call *call, struct op *op, resp_answer_fn answer)
{
	op->kind = OP_PUT;
	op->key.key = call->args[1];
	if (resp_check_value(call, op->value.len))
		resp_answer_op(call, op, answer);
}

/* ---- SET ------------------------------------------------------------------------- */

enum { SET_KEEPTTL = RESP_TIME_COUNT, SET_NX, SET_XX, SET_IFEQ, SET_GET };

#define SET_CONDITIONS (RESP_OPTION(SET_NX) | RESP_OPTION(SET_XX) | RESP_OPTION(SET_IFEQ))

static const struct resp_option set_rows[] = {
    RESP_TIME_ROW(EX, RESP_OPTION(SET_KEEPTTL)),
    RESP_TIME_ROW(PX, RESP_OPTION(SET_KEEPTTL)),
    RESP_TIME_ROW(EXAT, RESP_OPTION(SET_KEEPTTL)),
    RESP_TIME_ROW(PXAT, RESP_OPTION(SET_KEEPTTL)),
    [SET_KEEPTTL] = {"KEEPTTL", .excludes = RESP_TIME_OPTIONS},
    [SET_NX] = {"NX", .excludes = SET_CONDITIONS & ~RESP_OPTION(SET_NX)},
    [SET_XX] = {"XX", .excludes = SET_CONDITIONS & ~RESP_OPTION(SET_XX)},
    [SET_IFEQ] = {"IFEQ", .has_value = true, .excludes = SET_CONDITIONS},
    [SET_GET] = {"GET"},
};
static const struct resp_option_table set_options = {set_rows, DHT_ARRAY_LEN(set_rows), NULL};

static unsigned conditions_of(const struct resp_options *options)
{
	return (resp_has_option(options, SET_NX) ? OP_IF_ABSENT : 0u) |
	       (resp_has_option(options, SET_XX) ? OP_IF_PRESENT : 0u) |
	       (resp_has_option(options, SET_IFEQ) ? OP_IF_EQUAL : 0u);
}

static void set_with_options(struct resp_call *call, struct op *op)
{
	struct resp_options options;
	if (!resp_options_read(call, 3, &set_options, &options))
		return;
	if (resp_has_option(&options, SET_KEEPTTL))
		op->expiry = OP_EXPIRY_KEEP;
	int rc = resp_time_of_options(&options, op);
	if (rc != 0) {
		resp_time_refuse(call, rc);
		return;
	}
	op->conditions = conditions_of(&options);
	op->expected = options.values[SET_IFEQ];
	op->wants_value = resp_has_option(&options, SET_GET);
	put(call, op, op->wants_value ? resp_answer_value : answer_ok);
}

void resp_run_set(struct resp_call *call)
{
	struct op op = {.value = call->args[2]};
	if (call->argc == 3)
		put(call, &op, answer_ok);
	else
		set_with_options(call, &op);
}

/* ---- Its older forms --------------------------------------------------------------- */

void resp_run_setnx(struct resp_call *call)
{
	struct op op = {.value = call->args[2], .conditions = OP_IF_ABSENT};
	put(call, &op, resp_answer_whether);
}

void resp_run_getset(struct resp_call *call)
{
	struct op op = {.value = call->args[2], .wants_value = true};
	put(call, &op, resp_answer_value);
}

static void set_expiring(struct resp_call *call, enum resp_time kind)
{
	struct op op = {.value = call->args[3]};
	int64_t at_ms;
	int rc = resp_time_parse(kind, call->args[2], &at_ms);
	if (rc != 0) {
		resp_time_refuse(call, rc);
		return;
	}
	resp_expire_at(&op, at_ms);
	put(call, &op, answer_ok);
}

void resp_run_setex(struct resp_call *call)
{
	set_expiring(call, RESP_TIME_EX);
}

void resp_run_psetex(struct resp_call *call)
{
	set_expiring(call, RESP_TIME_PX);
}

/* ---- DELIFEQ ----------------------------------------------------------------------- */

void resp_run_delifeq(struct resp_call *call)
{
	struct op op = {
	    .kind = OP_DEL,
	    .key.key = call->args[1],
	    .conditions = OP_IF_EQUAL,
	    .expected = call->args[2],
	};
	resp_answer_op(call, &op, resp_answer_whether);
}

/* ---- GETEX ------------------------------------------------------------------------- */

enum { GETEX_PERSIST = RESP_TIME_COUNT };

static const struct resp_option getex_rows[] = {
    RESP_TIME_ROW(EX, RESP_OPTION(GETEX_PERSIST)),
    RESP_TIME_ROW(PX, RESP_OPTION(GETEX_PERSIST)),
    RESP_TIME_ROW(EXAT, RESP_OPTION(GETEX_PERSIST)),
    RESP_TIME_ROW(PXAT, RESP_OPTION(GETEX_PERSIST)),
    [GETEX_PERSIST] = {"PERSIST", .excludes = RESP_TIME_OPTIONS},
};
static const struct resp_option_table getex_options = {getex_rows, DHT_ARRAY_LEN(getex_rows), NULL};

/* A key that is not there comes before a time that is none. */
static void refuse_time_if_there(struct resp_call *call, int error)
{
	struct op op = {.kind = OP_TTL, .key.key = call->args[1]};
	struct op_result result;
	if (!resp_check_key(call, call->args[1]) || !resp_run_op(call, &op, &result))
		return;
	if (result.status == DHT_ENOTFOUND)
		resp_write_null(call->out);
	else if (result.status == 0)
		resp_time_refuse(call, error);
	else
		resp_reply_status(call, result.status);
	resp_op_done(call, &result);
}

void resp_run_getex(struct resp_call *call)
{
	struct op op = {.kind = OP_GET, .key.key = call->args[1]};
	struct resp_options options;
	if (!resp_options_read(call, 2, &getex_options, &options))
		return;
	int rc = resp_time_of_options(&options, &op);
	if (rc != 0) {
		refuse_time_if_there(call, rc);
		return;
	}
	if (options.given != 0) {
		op.kind = OP_EXPIRE;
		op.wants_value = true;
	}
	resp_answer_op(call, &op, resp_answer_value);
}
