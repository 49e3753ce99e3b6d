/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/answer.h"

void resp_answer_op(struct resp_call *call, struct op *op, resp_answer_fn answer)
{
	struct op_result result;
	if (!resp_check_key(call, op->key.key) || !resp_run_op(call, op, &result))
		return;
	if (!answer(call, &result))
		resp_reply_status(call, result.status);
	resp_op_done(call, &result);
}

bool resp_answer_value(struct resp_call *call, struct op_result *result)
{
	if (!resp_is_settled(result))
		return false;
	if (result->existed)
		resp_write_value(call, result);
	else
		resp_write_null(call->out);
	return true;
}

bool resp_answer_whether(struct resp_call *call, struct op_result *result)
{
	if (!resp_is_settled(result))
		return false;
	resp_write_integer(call->out, result->status == 0);
	return true;
}

bool resp_answer_size(struct resp_call *call, struct op_result *result)
{
	if (!resp_is_settled(result))
		return false;
	resp_write_integer(call->out, (int64_t)result->size);
	return true;
}
