/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands on values that are numbers.
 */
#include "node/change.h"
#include "resp/answer.h"
#include "resp/options.h"

static bool answer_number(struct resp_call *call, struct op_result *result)
{
	if (result->status != 0)
		return false;
	resp_write_integer(call->out, result->number);
	return true;
}

static void add(struct resp_call *call, int64_t delta)
{
	struct op op = {.kind = OP_INCR, .key.key = call->args[1], .delta = delta};
	resp_answer_op(call, &op, answer_number);
}

void resp_run_incr(struct resp_call *call)
{
	add(call, 1);
}

void resp_run_decr(struct resp_call *call)
{
	add(call, -1);
}

void resp_run_incrby(struct resp_call *call)
{
	int64_t delta;
	if (resp_read_integer(call, call->args[2], &delta))
		add(call, delta);
}

void resp_run_decrby(struct resp_call *call)
{
	int64_t delta;
	if (!resp_read_integer(call, call->args[2], &delta))
		return;
	if (delta == INT64_MIN)
		resp_write_error(call->out, "ERR decrement would overflow");
	else
		add(call, -delta);
}

static void refuse_float(struct resp_call *call)
{
	resp_write_error(call->out, "ERR value is not a valid float");
}

static bool answer_float(struct resp_call *call, struct op_result *result)
{
	if (result->status == DHT_ETYPE)
		refuse_float(call);
	else if (result->status == DHT_EOVERFLOW)
		resp_write_error(call->out, "ERR increment would produce NaN or Infinity");
	else if (result->status == 0)
		resp_write_value(call, result);
	else
		return false;
	return true;
}

void resp_run_incrbyfloat(struct resp_call *call)
{
	struct op op = {.kind = OP_INCR_FLOAT, .key.key = call->args[1]};
	if (change_parse_float(call->args[2], &op.delta_float))
		resp_answer_op(call, &op, answer_float);
	else
		refuse_float(call);
}
