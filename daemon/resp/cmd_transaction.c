/* SPDX-License-Identifier: Apache-2.0
 *
 * Transactions on one key: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
 */
#include "base/error.h"
#include "resp/command.h"
#include "resp/replay.h"
#include "resp/transaction.h"

void resp_run_multi(struct resp_call *call)
{
	if (resp_transaction_is_open(call->state)) {
		resp_write_error(call->out, "ERR MULTI calls can not be nested");
		return;
	}
	int rc = resp_transaction_open(call->state);
	if (rc == 0)
		resp_write_ok(call->out);
	else
		resp_reply_status(call, rc);
}

void resp_run_exec(struct resp_call *call)
{
	if (!resp_transaction_is_open(call->state)) {
		resp_write_error(call->out, "ERR EXEC without MULTI");
	} else if (call->state->transaction->is_spoiled) {
		resp_transaction_drop(call->state);
		resp_write_error(call->out,
				 "EXECABORT Transaction discarded because of previous errors.");
	} else {
		resp_replay_exec(call);
	}
}

void resp_run_discard(struct resp_call *call)
{
	if (!resp_transaction_is_open(call->state)) {
		resp_write_error(call->out, "ERR DISCARD without MULTI");
		return;
	}
	resp_transaction_drop(call->state);
	resp_write_ok(call->out);
}

static void refuse_more(struct resp_call *call)
{
	resp_write_errorf(call->out, "ERR at most %d keys can be watched", RESP_WATCHED_MAX);
}

/* Notes the version of one key. False: the session waits, or replied. */
static bool watch(struct resp_call *call, struct bytes key)
{
	struct op op = {.kind = OP_TTL, .key.key = key};
	struct op_result result;
	if (!resp_run_op(call, &op, &result))
		return false;
	resp_op_done(call, &result);
	int rc = result.status == DHT_ENOTFOUND ? 0 : result.status;
	if (rc == 0)
		rc = resp_transaction_watch(call->state, key, result.version);
	if (rc == 0)
		return true;
	if (rc == DHT_EFULL)
		refuse_more(call);
	else
		resp_reply_status(call, rc);
	call->state->progress = (struct resp_progress){0};
	return false;
}

void resp_run_watch(struct resp_call *call)
{
	struct resp_progress *progress = &call->state->progress;
	if (resp_transaction_is_open(call->state)) {
		resp_write_error(call->out, "ERR WATCH inside MULTI is not allowed");
		return;
	}
	/* So many may be watched already, too: each of these is looked for among them. */
	if (call->argc - 1 > RESP_WATCHED_MAX) {
		refuse_more(call);
		return;
	}
	for (size_t i = 1; i < call->argc; i++) {
		if (!resp_check_key(call, call->args[i]))
			return;
	}
	for (; progress->done + 1 < call->argc; progress->done++) {
		struct bytes key = call->args[progress->done + 1];
		if (progress->done > 0 && resp_yields(call))
			return;
		if (!resp_transaction_watches(call->state, key) && !watch(call, key))
			return;
	}
	resp_write_ok(call->out);
	*progress = (struct resp_progress){0};
}

void resp_run_unwatch(struct resp_call *call)
{
	resp_transaction_unwatch(call->state);
	resp_write_ok(call->out);
}
