/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands on the values of keys.
 */
#include "base/error.h"
#include "resp/command.h"

void resp_run_get(struct resp_call *call)
{
	struct op op = {.kind = OP_GET, .key.key = call->args[1]};
	struct op_result result;
	if (!resp_check_key(call, call->args[1]))
		return;
	if (!resp_run_op(call, &op, &result))
		return;
	if (result.status == 0)
		resp_write_value(call, &result);
	else if (result.status == DHT_ENOTFOUND)
		resp_write_null(call->out);
	else
		resp_reply_status(call, result.status);
	resp_op_done(call, &result);
}

void resp_run_set(struct resp_call *call)
{
	struct op op = {.kind = OP_PUT, .key.key = call->args[1], .value = call->args[2]};
	struct op_result result;
	if (call->argc > 3) {
		resp_write_error(call->out, "ERR syntax error");
		return;
	}
	if (!resp_check_key(call, call->args[1]) || !resp_check_value(call, op.value.len))
		return;
	if (!resp_run_op(call, &op, &result))
		return;
	if (result.status == 0)
		resp_write_ok(call->out);
	else
		resp_reply_status(call, result.status);
	resp_op_done(call, &result);
}
