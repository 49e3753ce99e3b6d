/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/ahead.h"

#include "resp/contact.h"
#include "resp/table.h"

void resp_ahead_begin(struct resp_ahead *ahead, const struct session *s)
{
	ahead->next = s->under_way->next;
	ahead->waiting_count = 0;
	ahead->is_full = false;
}

/* True for a command that does nothing but operations on keys, and that this node answers. */
static bool stands_alone(const struct resp_call *call)
{
	const struct resp_command *command = call->command;
	return command != NULL && command->run != NULL && command->first_key != 0 &&
	       (command->flags & (RESP_CMD_READONLY | RESP_CMD_WRITE)) != 0 &&
	       (command->flags & RESP_CMD_NO_MULTI) == 0 && !resp_table_is_parent(command) &&
	       resp_table_fits_arity(command, call->argc) && !resp_contact_is_elsewhere(call);
}

static bool has_one_key(const struct resp_command *command)
{
	return command->first_key == command->last_key;
}

/* Runs the handler for what it asks for alone. A command on several keys may be half done. */
static void run_handler(struct resp_ahead *ahead, struct resp_call *call)
{
	struct resp_out *out = call->out;
	struct resp_progress progress = call->state->progress;
	size_t reply_at = out->len;
	if (ahead->next.request != call->session->under_way->next.request)
		call->state->progress = (struct resp_progress){0};
	call->ahead = ahead;
	call->command->run(call);
	call->state->progress = progress;
	if (out->error == 0)
		out->len = reply_at;
}

bool resp_ahead_run(struct resp_ahead *ahead, struct resp_call *call)
{
	uint64_t *begun = &call->session->under_way->begun;
	if (!stands_alone(call))
		return false;
	bool is_next = ahead->next.request == call->session->under_way->next.request;
	if (ahead->next.request >= *begun && !(is_next && has_one_key(call->command)))
		run_handler(ahead, call);
	ahead->next = (struct session_op){.request = ahead->next.request + 1};
	if (ahead->next.request > *begun && ahead->waiting_count == 0 && !ahead->is_full)
		*begun = ahead->next.request;
	return !ahead->is_full;
}

/* Behind an operation that waits, those on the same key do; two keys of one hash are rare. */
static bool waits(const struct resp_ahead *ahead, uint64_t hash)
{
	for (unsigned i = 0; i < ahead->waiting_count; i++) {
		if (ahead->hashes[i] == hash)
			return true;
	}
	return false;
}

static void note_waiting(struct resp_ahead *ahead, uint64_t hash)
{
	if (ahead->waiting_count == RESP_AHEAD_WAITING_MAX)
		ahead->is_full = true;
	else
		ahead->hashes[ahead->waiting_count++] = hash;
}

bool resp_ahead_op(struct resp_call *call, struct op *op, struct op_result *result)
{
	struct resp_ahead *ahead = call->ahead;
	*result = (struct op_result){0};
	if (ahead->is_full)
		return false;
	const struct session_op which = ahead->next;
	ahead->next.at++;
	if (waits(ahead, op->key.hash))
		return !has_one_key(call->command);
	switch (exec_run_ahead(call->worker, call->session, which, op)) {
	case EXEC_AHEAD_BEGUN:
		break;
	case EXEC_AHEAD_WAITS:
		note_waiting(ahead, op->key.hash);
		break;
	case EXEC_AHEAD_FULL:
		ahead->is_full = true;
		break;
	}
	return !ahead->is_full && !has_one_key(call->command);
}
