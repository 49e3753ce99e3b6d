/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands on the values of keys.
 */
#include "resp/many.h"
#include "resp/options.h"

void resp_run_get(struct resp_call *call)
{
	struct op op = {.kind = OP_GET, .key.key = call->args[1]};
	resp_answer_op(call, &op, resp_answer_value);
}

void resp_run_getdel(struct resp_call *call)
{
	struct op op = {.kind = OP_DEL, .key.key = call->args[1], .wants_value = true};
	resp_answer_op(call, &op, resp_answer_value);
}

void resp_run_strlen(struct resp_call *call)
{
	struct op op = {.kind = OP_TTL, .key.key = call->args[1]};
	resp_answer_op(call, &op, resp_answer_size);
}

void resp_run_append(struct resp_call *call)
{
	struct op op = {
	    .kind = OP_APPEND,
	    .key.key = call->args[1],
	    .value = call->args[2],
	    .value_max = exec_of(call->worker)->value_max,
	};
	resp_answer_op(call, &op, resp_answer_size);
}

/* ---- Parts of a value ------------------------------------------------------------- */

/* The bytes from first to last; negative ones count from the end. */
static struct bytes range_of(struct bytes value, int64_t first, int64_t last)
{
	int64_t len = (int64_t)value.len;
	if (first < 0 && last < 0 && first > last)
		return bytes_of(NULL, 0);
	first = first < 0 ? first + len : first;
	last = last < 0 ? last + len : last;
	first = first < 0 ? 0 : first;
	last = last < 0 ? 0 : last;
	last = last >= len ? len - 1 : last;
	if (first > last)
		return bytes_of(NULL, 0);
	return bytes_of(value.data + first, (size_t)(last - first + 1));
}

static bool answer_range(struct resp_call *call, struct op_result *result)
{
	int64_t first, last;
	if (!resp_is_settled(result))
		return false;
	if (resp_read_integer(call, call->args[2], &first) &&
	    resp_read_integer(call, call->args[3], &last))
		resp_write_bulk(call->out, range_of(result->value, first, last));
	return true;
}

void resp_run_getrange(struct resp_call *call)
{
	struct op op = {.kind = OP_GET, .key.key = call->args[1]};
	int64_t first, last;
	if (resp_read_integer(call, call->args[2], &first) &&
	    resp_read_integer(call, call->args[3], &last))
		resp_answer_op(call, &op, answer_range);
}

void resp_run_substr(struct resp_call *call)
{
	resp_run_getrange(call);
}

/* ---- Values of several keys ---------------------------------------------------------- */

/* The header goes out with the first value: until then the request may have to wait, and
 * come again. */
static bool take_value(struct resp_call *call, struct op_result *result)
{
	if (call->state->progress.done == 0)
		resp_write_array(call->out, call->argc - 1);
	if (!resp_answer_value(call, result))
		resp_reply_status(call, result->status);
	return true;
}

void resp_run_mget(struct resp_call *call)
{
	static const struct resp_many mget = {.kind = OP_GET, .take = take_value};
	resp_run_many(call, &mget);
}

static bool take_stored(struct resp_call *call, struct op_result *result)
{
	(void)call;
	return result->status == 0;
}

static void end_stored(struct resp_call *call)
{
	resp_write_ok(call->out);
}

void resp_run_mset(struct resp_call *call)
{
	static const struct resp_many mset = {OP_PUT, take_stored, end_stored};
	if (call->argc % 2 == 0)
		resp_reply_arity(call);
	else
		resp_run_many(call, &mset);
}
