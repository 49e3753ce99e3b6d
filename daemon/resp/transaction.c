/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/transaction.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* What acts on the transaction, or on the connection it belongs to. */
static const resp_run_fn at_once[] = {resp_run_exec,  resp_run_discard, resp_run_multi,
				      resp_run_watch, resp_run_quit,    resp_run_reset};

/* The session's, made on first use. NULL: out of memory. */
static struct resp_transaction *reserve(struct resp_session *state)
{
	if (state->transaction == NULL) {
		state->transaction = calloc(1, sizeof(*state->transaction));
		if (state->transaction == NULL)
			return NULL;
		list_init(&state->transaction->queue);
		list_init(&state->transaction->watched);
	}
	return state->transaction;
}

int resp_transaction_open(struct resp_session *state)
{
	struct resp_transaction *transaction = reserve(state);
	if (transaction == NULL)
		return DHT_ENOMEM;
	DHT_ASSERT(!transaction->is_open);
	transaction->is_open = true;
	resp_client_queues(&state->client, 0);
	return 0;
}

static void free_watched(struct resp_transaction *transaction)
{
	LIST_FOREACH_SAFE(link, next, &transaction->watched)
	{
		list_remove(link);
		free(LIST_ENTRY(link, struct resp_watched, link));
	}
	transaction->watched_count = 0;
}

void resp_transaction_destroy(struct resp_transaction *transaction)
{
	if (transaction == NULL)
		return;
	LIST_FOREACH_SAFE(link, next, &transaction->queue)
	{
		list_remove(link);
		free(LIST_ENTRY(link, struct resp_queued, link));
	}
	free_watched(transaction);
	free(transaction);
}

void resp_transaction_drop(struct resp_session *state)
{
	resp_transaction_destroy(state->transaction);
	state->transaction = NULL;
	resp_client_queues(&state->client, -1);
}

void resp_transaction_spoil(struct resp_session *state)
{
	if (resp_transaction_is_open(state))
		state->transaction->is_spoiled = true;
}

/* ---- The queue ------------------------------------------------------------------- */

bool resp_transaction_takes(const struct resp_call *call)
{
	if (!resp_transaction_is_open(call->state))
		return false;
	for (size_t i = 0; i < DHT_ARRAY_LEN(at_once); i++) {
		if (call->command->run == at_once[i])
			return false;
	}
	return true;
}

/* Bytes of a request as it is queued. */
static size_t queued_size(const struct resp_call *call)
{
	size_t size = sizeof(struct resp_queued) + call->argc * sizeof(struct bytes);
	for (size_t i = 0; i < call->argc; i++)
		size += call->args[i].len;
	return size;
}

static struct resp_queued *copy_request(const struct resp_call *call, size_t size)
{
	struct resp_queued *queued = malloc(size);
	if (queued == NULL)
		return NULL;
	queued->command = call->command;
	queued->argc = call->argc;
	uint8_t *to = (uint8_t *)&queued->args[call->argc];
	for (size_t i = 0; i < call->argc; i++) {
		memcpy(to, call->args[i].data, call->args[i].len);
		queued->args[i] = bytes_of(to, call->args[i].len);
		to += call->args[i].len;
	}
	return queued;
}

static int push_request(const struct resp_call *call)
{
	struct resp_transaction *transaction = call->state->transaction;
	size_t size = queued_size(call);
	if (call->argc > RESP_QUEUE_WORDS_MAX - transaction->words ||
	    size > RESP_QUEUE_BYTES_MAX - transaction->bytes)
		return DHT_EFULL;
	struct resp_queued *queued = copy_request(call, size);
	if (queued == NULL)
		return DHT_ENOMEM;
	list_push_tail(&transaction->queue, &queued->link);
	transaction->words += call->argc;
	transaction->bytes += size;
	transaction->count++;
	resp_client_queues(&call->state->client, (int32_t)transaction->count);
	return 0;
}

void resp_transaction_queue(struct resp_call *call)
{
	if ((call->command->flags & RESP_CMD_NO_MULTI) != 0) {
		resp_write_error(call->out, "ERR Command not allowed inside a transaction");
		resp_transaction_spoil(call->state);
		return;
	}
	int rc = push_request(call);
	if (rc == 0) {
		resp_write_simple(call->out, "QUEUED");
		return;
	}
	if (rc == DHT_EFULL)
		resp_write_errorf(call->out,
				  "ERR the transaction is too large: at most %d words and %d bytes "
				  "are queued",
				  RESP_QUEUE_WORDS_MAX, RESP_QUEUE_BYTES_MAX);
	else
		resp_reply_status(call, rc);
	resp_transaction_spoil(call->state);
}

/* ---- Watched keys ---------------------------------------------------------------- */

bool resp_transaction_watches(const struct resp_session *state, struct bytes key)
{
	if (state->transaction == NULL)
		return false;
	LIST_FOREACH_SAFE(link, next, &state->transaction->watched)
	{
		if (bytes_equal(LIST_ENTRY(link, struct resp_watched, link)->key, key))
			return true;
	}
	return false;
}

int resp_transaction_watch(struct resp_session *state, struct bytes key, struct ballot version)
{
	struct resp_transaction *transaction = reserve(state);
	if (transaction == NULL)
		return DHT_ENOMEM;
	if (transaction->watched_count == RESP_WATCHED_MAX)
		return DHT_EFULL;
	struct resp_watched *watched = malloc(sizeof(*watched) + key.len);
	if (watched == NULL)
		return DHT_ENOMEM;
	uint8_t *copy = (uint8_t *)(watched + 1);
	memcpy(copy, key.data, key.len);
	watched->key = bytes_of(copy, key.len);
	watched->version = version;
	list_push_tail(&transaction->watched, &watched->link);
	transaction->watched_count++;
	return 0;
}

void resp_transaction_unwatch(struct resp_session *state)
{
	if (state->transaction == NULL)
		return;
	free_watched(state->transaction);
	if (!state->transaction->is_open)
		resp_transaction_drop(state);
}
