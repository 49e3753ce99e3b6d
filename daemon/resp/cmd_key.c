/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands on keys, whatever their values.
 */
#include "base/error.h"
#include "resp/command.h"

/* Keys are deleted one after the other: several are not one atomic step. */
void resp_run_del(struct resp_call *call)
{
	struct resp_progress *progress = &call->state->progress;
	for (size_t i = 1; i < call->argc; i++) {
		if (!resp_check_key(call, call->args[i]))
			return;
	}
	while (progress->done + 1 < call->argc) {
		struct op op = {.kind = OP_DEL, .key.key = call->args[progress->done + 1]};
		struct op_result result;
		if (progress->done > 0 && resp_yields(call))
			return;
		if (!resp_run_op(call, &op, &result))
			return;
		resp_op_done(call, &result);
		if (result.status != 0 && result.status != DHT_ENOTFOUND) {
			resp_reply_status(call, result.status);
			*progress = (struct resp_progress){0};
			return;
		}
		progress->done++;
		progress->count += result.status == 0;
	}
	resp_write_integer(call->out, progress->count);
	*progress = (struct resp_progress){0};
}
