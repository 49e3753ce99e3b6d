/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/replay.h"

#include <stdlib.h>

#include "base/error.h"
#include "io/clock.h"
#include "resp/run.h"
#include "resp/transaction.h"

struct resp_replay {
	struct series series;
	bool is_recording;
	int error;      /* of the recording */
	struct op *ops; /* count of them; their bytes are those of the queue */
	struct op_result *results;
	size_t count, cap;
	size_t *first;          /* operation of each request; one more, behind the last */
	size_t next, end;       /* operations that are left for the request, in the second run */
	struct op_result whole; /* pinned as long as there are results */
};

static int init(struct resp_replay *replay, const struct resp_transaction *transaction)
{
	*replay = (struct resp_replay){.is_recording = true};
	series_init(&replay->series);
	replay->first = calloc(transaction->count + 1, sizeof(*replay->first));
	return replay->first != NULL ? 0 : DHT_ENOMEM;
}

static void fini(struct resp_replay *replay)
{
	series_fini(&replay->series);
	free(replay->ops);
	free(replay->results);
	free(replay->first);
}

/* A queued request as its handler sees it. */
static struct resp_call call_of(const struct resp_call *exec, struct resp_replay *replay,
				const struct resp_queued *queued, struct resp_out *out)
{
	struct resp_call call = *exec;
	call.command = queued->command;
	call.args = queued->args;
	call.argc = queued->argc;
	call.key = (struct store_key){0};
	call.out = out;
	call.replay = replay;
	return call;
}

/* ---- The first run --------------------------------------------------------------- */

static bool has_room(struct resp_replay *replay)
{
	if (replay->count < replay->cap)
		return true;
	size_t cap = replay->cap == 0 ? 16 : 2 * replay->cap;
	struct op *ops = realloc(replay->ops, cap * sizeof(*ops));
	if (ops == NULL)
		return false;
	replay->ops = ops;
	replay->cap = cap;
	return true;
}

static void record(struct resp_replay *replay, struct op *op, struct op_result *result)
{
	*result = (struct op_result){0};
	if (has_room(replay))
		replay->ops[replay->count++] = *op;
	else
		replay->error = DHT_ENOMEM;
}

/* Commands without keys have no operations, and run once. */
static int record_all(const struct resp_call *exec, struct resp_replay *replay,
		      const struct resp_transaction *transaction)
{
	struct resp_out discarded;
	size_t i = 0;
	resp_out_init(&discarded, WORKER_REPLY_MAX);
	discarded.version = exec->out->version;
	LIST_FOREACH_SAFE(link, next, &transaction->queue)
	{
		const struct resp_queued *queued = LIST_ENTRY(link, struct resp_queued, link);
		replay->first[i++] = replay->count;
		struct resp_call call = call_of(exec, replay, queued, &discarded);
		if (queued->command->first_key != 0)
			resp_run_handler(&call);
		resp_out_clear(&discarded);
	}
	resp_out_fini(&discarded);
	replay->first[i] = replay->count;
	replay->is_recording = false;
	replay->results = calloc(replay->count + 1, sizeof(*replay->results));
	return replay->results != NULL ? replay->error : DHT_ENOMEM;
}

/* Finds the one key of everything. False: there are several. key->data is NULL if there is
 * none at all. */
static bool find_key(const struct resp_replay *replay, const struct resp_transaction *transaction,
		     struct bytes *key)
{
	*key = bytes_of(NULL, 0);
	for (size_t i = 0; i < replay->count; i++) {
		if (i == 0)
			*key = replay->ops[i].key.key;
		else if (!bytes_equal(*key, replay->ops[i].key.key))
			return false;
	}
	LIST_FOREACH_SAFE(link, next, &transaction->watched)
	{
		struct bytes watched = LIST_ENTRY(link, struct resp_watched, link)->key;
		if (key->data == NULL)
			*key = watched;
		else if (!bytes_equal(*key, watched))
			return false;
	}
	return true;
}

/* Does what was recorded on key. DHT_EAGAIN: the session waits. */
static int run_series(const struct resp_call *exec, struct resp_replay *replay, struct bytes key)
{
	const struct resp_transaction *transaction = exec->state->transaction;
	struct series *series = &replay->series;
	series->key = exec_key(exec->worker, key);
	series->ops = replay->ops;
	series->results = replay->results;
	series->count = replay->count;
	/* Now, not earlier: a handler that means this very moment must not find it to come. */
	series->now_ms = clock_expiry_ms();
	for (size_t i = 0; i < replay->count; i++) {
		replay->ops[i].key = series->key;
		replay->ops[i].now_ms = series->now_ms;
	}
	LIST_FOREACH_SAFE(link, next, &transaction->watched)
	{
		series->is_watched = true;
		series->watched = LIST_ENTRY(link, struct resp_watched, link)->version;
	}
	return exec_run_series(exec->worker, exec->session, series, &replay->whole);
}

/* ---- The second run -------------------------------------------------------------- */

/* Values have no pin of their own: `whole` has one for all. A handler that wants more than
 * in the first run has looked at the clock, and that was set back. */
static void play(struct resp_replay *replay, struct op *op, struct op_result *result)
{
	if (replay->next == replay->end) {
		*result = (struct op_result){.status = DHT_EINVAL};
		return;
	}
	*op = replay->ops[replay->next];
	*result = replay->results[replay->next++];
}

/* It counts like one that stands alone; what was done for all of them is EXEC's. */
static void reply_to(struct resp_call *call)
{
	size_t reply_at = call->out->len;
	uint64_t started_ns = clock_monotonic_ns();
	resp_run_handler(call);
	resp_count_error(call, reply_at);
	resp_stats_ran(call->stats, call->command, 1, clock_monotonic_ns() - started_ns);
}

static void reply_all(const struct resp_call *exec, struct resp_replay *replay,
		      const struct resp_transaction *transaction)
{
	size_t i = 0;
	resp_write_array(exec->out, transaction->count);
	LIST_FOREACH_SAFE(link, next, &transaction->queue)
	{
		if (exec->out->error != 0)
			return; /* no reply reaches the client any more */
		const struct resp_queued *queued = LIST_ENTRY(link, struct resp_queued, link);
		struct resp_call call = call_of(exec, replay, queued, exec->out);
		replay->next = replay->first[i++];
		replay->end = replay->first[i];
		reply_to(&call);
	}
}

/* The transaction is not the session's any more: a request of it may change what is. */
static void finish(struct resp_call *exec, struct resp_replay *replay)
{
	struct resp_transaction *transaction = exec->state->transaction;
	int status = replay->whole.status;
	exec->state->transaction = NULL;
	resp_client_queues(&exec->state->client, -1);
	if (status == DHT_EPRECOND)
		resp_write_null_array(exec->out);
	else if (status != 0)
		resp_reply_status(exec, status);
	else
		reply_all(exec, replay, transaction);
	resp_transaction_destroy(transaction);
}

void resp_replay_exec(struct resp_call *call)
{
	struct resp_transaction *transaction = call->state->transaction;
	struct resp_replay replay;
	struct bytes key;
	int rc = init(&replay, transaction);
	if (rc == 0)
		rc = record_all(call, &replay, transaction);
	if (rc != 0) {
		resp_reply_status(call, rc);
		resp_transaction_drop(call->state);
	} else if (!find_key(&replay, transaction, &key)) {
		resp_write_error(call->out,
				 "EXECABORT Transaction discarded because its keys are not one "
				 "key: only commands on the same key are atomic together. Send "
				 "the commands without MULTI (pipeline(transaction=False) of "
				 "redis-py)");
		resp_transaction_drop(call->state);
	} else if (key.data == NULL) {
		finish(call, &replay);
	} else if (run_series(call, &replay, key) == 0) {
		finish(call, &replay);
		exec_done(call->worker, call->session, &replay.whole);
	}
	fini(&replay);
}

bool resp_replay_op(struct resp_call *call, struct op *op, struct op_result *result)
{
	struct resp_replay *replay = call->replay;
	if (replay->is_recording)
		record(replay, op, result);
	else
		play(replay, op, result);
	return !replay->is_recording;
}
