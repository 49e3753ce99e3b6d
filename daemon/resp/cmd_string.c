/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands on the values of keys.
 */
#include "base/error.h"
#include "resp/table.h"
#include "worker/exec.h"

/* Redis's own text where it has one: client libraries show it to people. */
static void reply_status(struct resp_call *call, int status)
{
	switch (status) {
	case DHT_ENOMEM:
		resp_write_error(call->out, "OOM command not allowed: out of memory");
		return;
	case DHT_ENOSPC:
		resp_write_error(call->out,
				 "ERR no space left for writes; reads and deletes go on");
		return;
	default:
		resp_write_errorf(call->out, "ERR %s", dht_error_text(status));
		return;
	}
}

/* True if the key can be one; replies otherwise. */
static bool is_key(struct resp_call *call, struct bytes key)
{
	if (key.len <= RECORD_KEY_MAX)
		return true;
	resp_write_errorf(call->out, "ERR a key has at most %d bytes", RECORD_KEY_MAX);
	return false;
}

/* Runs an operation. False: it cannot run yet; the request will come again. */
static bool resp_run_op(struct resp_call *call, struct op *op, struct op_result *result)
{
	return exec_run(call->worker, call->session, op, result) == 0;
}

void resp_run_get(struct resp_call *call)
{
	struct op op = {.kind = OP_GET, .key.key = call->args[1]};
	struct op_result result;
	if (!is_key(call, call->args[1]))
		return;
	if (!resp_run_op(call, &op, &result))
		return;
	if (result.status == 0)
		resp_write_bulk(call->out, result.value);
	else if (result.status == DHT_ENOTFOUND)
		resp_write_null(call->out);
	else
		reply_status(call, result.status);
	exec_done(call->worker, call->session, &result);
}

void resp_run_set(struct resp_call *call)
{
	struct op op = {.kind = OP_PUT, .key.key = call->args[1], .value = call->args[2]};
	struct op_result result;
	if (call->argc > 3) {
		resp_write_error(call->out, "ERR syntax error");
		return;
	}
	if (!is_key(call, call->args[1]))
		return;
	if (op.value.len > exec_of(call->worker)->value_max) {
		resp_write_error(call->out,
				 "ERR string exceeds maximum allowed size (store.max_value_size)");
		return;
	}
	if (!resp_run_op(call, &op, &result))
		return;
	if (result.status == 0)
		resp_write_ok(call->out);
	else
		reply_status(call, result.status);
	exec_done(call->worker, call->session, &result);
}

/* Keys are deleted one after the other: several are not one atomic step. */
void resp_run_del(struct resp_call *call)
{
	struct resp_progress *progress = &call->state->progress;
	for (size_t i = 1; i < call->argc; i++) {
		if (!is_key(call, call->args[i]))
			return;
	}
	while (progress->done + 1 < call->argc) {
		struct op op = {.kind = OP_DEL, .key.key = call->args[progress->done + 1]};
		struct op_result result;
		if (!resp_run_op(call, &op, &result))
			return;
		exec_done(call->worker, call->session, &result);
		if (result.status != 0 && result.status != DHT_ENOTFOUND) {
			reply_status(call, result.status);
			*progress = (struct resp_progress){0};
			return;
		}
		progress->done++;
		progress->count += result.status == 0;
	}
	resp_write_integer(call->out, progress->count);
	*progress = (struct resp_progress){0};
}
