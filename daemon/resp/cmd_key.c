/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands on keys, whatever their values.
 */
#include "resp/many.h"

static bool count_key(struct resp_call *call, struct op_result *result)
{
	if (!resp_is_settled(result))
		return false;
	call->state->progress.count += result->status == 0;
	return true;
}

static void reply_count(struct resp_call *call)
{
	resp_write_integer(call->out, call->state->progress.count);
}

void resp_run_del(struct resp_call *call)
{
	static const struct resp_many del = {OP_DEL, count_key, reply_count};
	resp_run_many(call, &del);
}

void resp_run_unlink(struct resp_call *call)
{
	resp_run_del(call);
}

void resp_run_exists(struct resp_call *call)
{
	static const struct resp_many exists = {OP_TTL, count_key, reply_count};
	resp_run_many(call, &exists);
}

void resp_run_touch(struct resp_call *call)
{
	resp_run_exists(call);
}

static bool answer_type(struct resp_call *call, struct op_result *result)
{
	if (!resp_is_settled(result))
		return false;
	resp_write_simple(call->out, result->status == 0 ? "string" : "none");
	return true;
}

void resp_run_type(struct resp_call *call)
{
	struct op op = {.kind = OP_TTL, .key.key = call->args[1]};
	resp_answer_op(call, &op, answer_type);
}
