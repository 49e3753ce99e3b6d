/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/many.h"

#include "base/error.h"

/* Words of the request for each key. */
static size_t words_of(const struct resp_many *many)
{
	return many->kind == OP_PUT ? 2 : 1;
}

/* True if all keys and values are within their bounds, before anything is done. */
static bool check_all(struct resp_call *call, const struct resp_many *many)
{
	size_t words = words_of(many);
	for (size_t i = 1; i < call->argc; i += words) {
		if (!resp_check_key(call, call->args[i]))
			return false;
		if (many->kind == OP_PUT && !resp_check_value(call, call->args[i + 1].len))
			return false;
	}
	return true;
}

/* What is said of the whole command: with keys before this one something was done, and may be with
 * keys behind it. */
static int status_of_all(const struct resp_call *call, const struct resp_many *many, int status)
{
	bool is_half_done = call->state->progress.done > 0 || exec_has_more(call->session);
	return status == DHT_ENOQUORUM && is_half_done && op_writes(many->kind) ? DHT_EUNCERTAIN
										: status;
}

/* Runs the operation on one key. False: it has to wait, or the command ends here. */
static bool run_key(struct resp_call *call, const struct resp_many *many, size_t at)
{
	struct resp_progress *progress = &call->state->progress;
	struct op op = {.kind = many->kind, .key.key = call->args[at]};
	struct op_result result;
	if (many->kind == OP_PUT)
		op.value = call->args[at + 1];
	if (!resp_run_op(call, &op, &result))
		return false;
	bool taken = many->take(call, &result);
	if (!taken) {
		resp_reply_status(call, status_of_all(call, many, result.status));
		*progress = (struct resp_progress){0};
	}
	resp_op_done(call, &result);
	return taken;
}

void resp_run_many(struct resp_call *call, const struct resp_many *many)
{
	struct resp_progress *progress = &call->state->progress;
	size_t words = words_of(many);
	if (progress->done == 0 && !check_all(call, many))
		return;
	for (size_t at; (at = 1 + progress->done * words) < call->argc; progress->done++) {
		if (progress->done > 0 && resp_yields(call))
			return;
		if (!run_key(call, many, at))
			return;
	}
	if (many->end != NULL)
		many->end(call);
	*progress = (struct resp_progress){0};
}
