/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands on one key: get, put, del, cas, incr, ttl.
 */
#include "admin/command.h"

#include <stdio.h>

#include "base/error.h"
#include "io/clock.h"

static void explain(const struct op *op, int status, char why[WIRE_WHY_MAX])
{
	const char *text = NULL;
	switch (op->kind) {
	case OP_PUT:
		if (status == DHT_EPRECOND)
			text = op->conditions == OP_IF_ABSENT ? "the key exists"
							      : "the key does not exist";
		break;
	case OP_CAS_VALUE:
		if (status == DHT_EPRECOND)
			text = "the value is not as expected";
		break;
	case OP_CAS_VERSION:
		if (status == DHT_EPRECOND)
			text = "the version is not as expected";
		break;
	case OP_GET:
	case OP_DEL:
	case OP_INCR:
	case OP_INCR_FLOAT:
	case OP_APPEND:
	case OP_EXPIRE:
	case OP_TTL:
		break;
	}
	if (text != NULL)
		snprintf(why, WIRE_WHY_MAX, "%s", text);
}

void admin_explain_no_quorum(const struct worker *w, int status, char why[WIRE_WHY_MAX])
{
	const struct worker_failure *failure = &w->failure;
	snprintf(why, WIRE_WHY_MAX, "%s slot %u (%u of %u replicas answered)",
		 status == DHT_ENOQUORUM
		     ? "nothing was done: there is no quorum for"
		     : "it is not known whether the change was made: no quorum has answered for",
		 (unsigned)failure->slot, failure->answered, failure->asked);
}

/* The answer is to be there before the client gives up: nine tenths of its time. */
static uint64_t patience_us(uint64_t timeout_ms)
{
	return timeout_ms < WIRE_TTL_MAX_MS ? timeout_ms * 900 : 0;
}

static int run_op(struct admin_call *call)
{
	struct admin_request *request = &call->request;
	struct op *op = &request->op;
	struct op_result result;
	if (op->expiry == OP_EXPIRY_AT)
		op->expires_ms = clock_expiry_ms() + request->ttl_ms;
	op->key = exec_key(call->worker, op->key.key);
	call->worker->patience_us = patience_us(request->timeout_ms);
	int rc = exec_run(call->worker, call->session, op, &result);
	call->worker->patience_us = 0;
	if (rc != 0)
		return rc;
	rc = result.status;
	if (rc == DHT_ENOQUORUM || rc == DHT_EUNCERTAIN)
		admin_explain_no_quorum(call->worker, rc, call->why);
	else if (rc != 0)
		explain(op, rc, call->why);
	else if (request->command == ADMIN_ttl)
		rc = wire_admin_ttl(call->out, request->call_id, &result, op->now_ms);
	else
		rc = wire_admin_result(call->out, request->call_id, request->command, &result);
	exec_done(call->worker, call->session, &result);
	return rc;
}

int admin_run_get(struct admin_call *call)
{
	return run_op(call);
}

int admin_run_put(struct admin_call *call)
{
	return run_op(call);
}

int admin_run_del(struct admin_call *call)
{
	return run_op(call);
}

int admin_run_cas(struct admin_call *call)
{
	return run_op(call);
}

int admin_run_incr(struct admin_call *call)
{
	return run_op(call);
}

int admin_run_ttl(struct admin_call *call)
{
	return run_op(call);
}
