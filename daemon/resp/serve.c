/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/serve.h"

#include <stdlib.h>

#include "base/error.h"
#include "io/clock.h"
#include "resp/ahead.h"
#include "resp/run.h"
#include "resp/search.h"
#include "resp/table.h"
#include "resp/transaction.h"
#include "worker/tally.h"

enum {
	BATCH_REQUESTS = 32, /* looked up before the first of them runs */
	BATCH_ARGS = 160,    /* of all of them */
	SHORT_MAX = 4096,    /* bytes of a request that is not measured on its own */
	PARK_MIN = 512,      /* words of a request that is not parsed again in each turn */
};

/* Of one turn: requests that take long each have the rest of the input wait for the others. */
#define TURN_NS (5 * WORKER_SLICE_NS)

static const struct resp_limits limits = {
    .args_max = RESP_ARGS_MAX,
    .arg_bytes_max = RESP_REQUEST_MAX,
    .request_bytes_max = RESP_REQUEST_MAX,
};

/* A request that waits for its turn in a batch. */
struct batched {
	const struct resp_command *command;
	const struct bytes *args;
	size_t argc;
	size_t size; /* bytes of input */
	struct store_key key;
};

/* A request of many words that comes again. To parse it anew in each of its turns, of which one
 * with many keys on the disk has as many, would take longer than all that is done in them. */
struct resp_parked {
	const uint8_t *data;    /* where the input stood that begins with it */
	struct batched request; /* args: its own */
};

struct batch {
	const uint8_t *foreseen; /* the input of a later turn that it is of; NULL: none */
	size_t len;
	struct batched requests[BATCH_REQUESTS];
	struct bytes args[BATCH_ARGS];
};

struct resp_scratch {
	struct resp_stats *stats;
	struct resp_request request; /* one that does not go into a batch */
	struct resp_out out;
	struct batch batches[WORKER_AHEAD + 1];
};

/* One call of resp_input. */
struct input {
	struct worker *worker;
	struct session *session;
	struct resp_session *state;
	struct resp_scratch *scratch;
	const uint8_t *data;
	size_t len, used;
	uint64_t requests;
	uint64_t began_ns;                          /* when the turn began */
	uint64_t clock_ns;                          /* up to here time was accounted for */
	uint32_t counted;                           /* requests since then, all of one command */
	const struct resp_command *counted_command; /* that one, which may be a subcommand */
};

void *resp_scratch_create(struct resp_port *port)
{
	struct resp_scratch *scratch = calloc(1, sizeof(*scratch));
	if (scratch == NULL)
		return NULL;
	scratch->stats = resp_stats_create(&port->stats);
	if (scratch->stats == NULL) {
		free(scratch);
		return NULL;
	}
	resp_request_init(&scratch->request);
	resp_out_init(&scratch->out, WORKER_REPLY_MAX);
	return scratch;
}

void resp_scratch_destroy(void *opaque)
{
	struct resp_scratch *scratch = opaque;
	if (scratch == NULL)
		return;
	resp_request_fini(&scratch->request);
	resp_out_fini(&scratch->out);
	resp_stats_destroy(scratch->stats);
	free(scratch);
}

const struct resp_stats *resp_scratch_stats(const void *scratch)
{
	return ((const struct resp_scratch *)scratch)->stats;
}

/* ---- Output: written where the worker sends from ----------------------------------- */

static void open_out(struct input *in)
{
	struct buffer *buffer = worker_out(in->worker);
	struct resp_out *out = &in->scratch->out;
	DHT_ASSERT(buffer->head == 0);
	out->data = buffer->data;
	out->len = buffer->len;
	out->size = out->cap = buffer->cap;
	out->error = 0;
	out->version = in->state->version == RESP_VERSION_3 ? RESP_VERSION_3 : RESP_VERSION_2;
	*buffer = BUFFER_EMPTY;
}

static void close_out(struct input *in)
{
	struct resp_out *out = &in->scratch->out;
	if (out->error != 0)
		in->session->conn.broken = true;
	*worker_out(in->worker) =
	    (struct buffer){.data = out->data, .len = out->len, .cap = out->size};
	out->data = NULL;
	out->len = out->size = out->cap = 0;
}

/* ---- Counting and timing ------------------------------------------------------------ */

/* Accounts for the time since the last call: it went to the requests that were counted, all
 * of one command, and to reading and parsing them. Returns that time. */
static uint64_t stop_clock(struct input *in)
{
	uint64_t now_ns = clock_monotonic_ns(), ns = now_ns - in->clock_ns;
	if (in->counted > 0)
		resp_stats_ran(in->scratch->stats, in->counted_command, in->counted, ns);
	in->counted = 0;
	in->clock_ns = now_ns;
	return ns;
}

/* True if the request is one of many that take next to no time each: neighbours of one
 * command are measured together then. Should that take long, it is something else that was
 * slow, and the last of them stands in the slow log for it. */
static bool is_short(const struct batched *request)
{
	const struct resp_command *command = request->command;
	if (command == NULL || request->size > SHORT_MAX)
		return false;
	return command->first_key != 0 ? command->first_key == command->last_key
				       : (command->flags & RESP_CMD_FAST) != 0;
}

/* Counts a request that ran. next is the one that runs behind it at once, or NULL. */
static void count_run(struct input *in, const struct resp_call *call, const struct batched *request,
		      const struct batched *next)
{
	if (in->counted_command != call->command && in->counted > 0)
		stop_clock(in); /* what came between was rejected */
	in->counted_command = call->command;
	in->counted++;
	if (in->state->spent_ns == 0 && next != NULL && next->command == request->command &&
	    is_short(request) && is_short(next))
		return;
	in->clock_ns -= in->state->spent_ns;
	in->state->spent_ns = 0;
	uint64_t ns = stop_clock(in);
	if (resp_stats_is_slow(in->scratch->stats, ns))
		resp_stats_slow(in->scratch->stats, call, ns);
}

/* Notes the time of a request that comes again, unless it is that of its neighbours, too. */
static void count_turn(struct input *in)
{
	bool is_its_own = in->counted == 0;
	uint64_t ns = stop_clock(in);
	if (is_its_own)
		in->state->spent_ns += ns;
}

/* ---- Requests that come again -------------------------------------------------------- */

static void forget_parked(struct resp_session *state)
{
	if (state->parked == NULL)
		return;
	free((void *)(uintptr_t)state->parked->request.args);
	free(state->parked);
	state->parked = NULL;
}

/* Keeps the words of a long request. They are in the connection's input, not in the worker's,
 * nor were they unquoted. Without memory it is parsed again. */
static void park(struct input *in, const struct batched *request)
{
	struct resp_request *parsed = &in->scratch->request;
	if (in->state->parked != NULL || request->argc < PARK_MIN ||
	    request->args != parsed->args || parsed->scratch != NULL ||
	    in->data != buffer_head(&in->session->conn.in))
		return;
	struct resp_parked *parked = malloc(sizeof(*parked));
	if (parked == NULL)
		return;
	*parked = (struct resp_parked){.data = in->data + in->used, .request = *request};
	parked->request.args = resp_request_take_args(parsed);
	in->state->parked = parked;
}

/* ---- Requests ------------------------------------------------------------------------ */

static struct bytes rest_of(const struct input *in)
{
	return bytes_of(in->data + in->used, in->len - in->used);
}

/* Sends when much was collected. True: the client does not take it, or is broken, or it is
 * the turn of others. */
static bool should_pause(struct input *in)
{
	if (in->clock_ns - in->began_ns >= TURN_NS)
		return true;
	if (in->scratch->out.len + in->worker->out.piece_bytes < WORKER_OUT_FLUSH)
		return false;
	stop_clock(in);
	close_out(in);
	bool pauses = worker_should_pause(in->worker, in->session);
	open_out(in);
	in->clock_ns = clock_monotonic_ns();
	return pauses;
}

static struct resp_call call_of(struct input *in, const struct batched *request)
{
	return (struct resp_call){
	    .worker = in->worker,
	    .session = in->session,
	    .state = in->state,
	    .port = resp_port_of(in->session),
	    .stats = in->scratch->stats,
	    .command = request->command,
	    .args = request->args,
	    .argc = request->argc,
	    .key = request->key,
	    .out = &in->scratch->out,
	};
}

/* Begins what the requests from the one on that has to wait until `end` do, as far as that can be
 * under way together. */
static void run_ahead(struct input *in, const struct batched *waiting, const struct batched *end)
{
	struct resp_ahead ahead;
	if (!exec_is_under_way(in->session) || resp_transaction_is_open(in->state))
		return;
	resp_ahead_begin(&ahead, in->session);
	for (const struct batched *request = waiting; request < end; request++) {
		struct resp_call call = call_of(in, request);
		if (!resp_ahead_run(&ahead, &call))
			return;
	}
}

/* Runs a request; next is the one that is to run behind it, if that is known. False: nothing
 * more is to be run in this turn. */
static bool run(struct input *in, const struct batched *request, const struct batched *next)
{
	struct session *s = in->session;
	if (should_pause(in)) {
		s->paused = true;
		return false;
	}
	struct resp_call call = call_of(in, request);
	size_t reply_at = call.out->len;
	resp_run(&call);
	bool comes_again = s->waits || call.yields;
	if (!comes_again)
		resp_count_error(&call, reply_at);
	if (resp_client_flags(&in->state->client) & RESP_CLIENT_MUTED)
		resp_client_mute(&call, reply_at);
	if (comes_again) {
		count_turn(in);
		park(in, request);
		s->paused = true;
		return false;
	}
	if (call.has_run)
		count_run(in, &call, request, next);
	exec_end_request(in->worker, s);
	in->used += request->size;
	in->requests++;
	return !s->closing;
}

/* Parses what is there of requests in their usual form, and asks for the memory that their
 * keys will need. */
static void collect(struct worker *w, struct bytes rest, struct batch *batch)
{
	size_t args = 0, n = 0;
	for (; n < BATCH_REQUESTS && rest.len > 0; n++) {
		struct batched *request = &batch->requests[n];
		request->args = batch->args + args;
		request->size = resp_parser_walk(rest, &limits, batch->args + args,
						 BATCH_ARGS - args, &request->argc);
		if (request->size == 0)
			break;
		rest = bytes_of(rest.data + request->size, rest.len - request->size);
		args += request->argc;
		/* What stands in one batch is often one command. */
		bool is_same = n > 0 && bytes_equal(request->args[0], request[-1].args[0]);
		request->command =
		    is_same ? request[-1].command : resp_table_find(request->args[0]);
		request->key = (struct store_key){0};
		size_t first = request->command != NULL ? (size_t)request->command->first_key : 0;
		if (first == 0 || first >= request->argc)
			continue;
		request->key = exec_key(w, request->args[first]);
		exec_prefetch_index(w, &request->key);
	}
	batch->len = n;
}

/* Asks for the records, now that the places in the index have come. */
static void prefetch_records(struct worker *w, const struct batch *batch)
{
	for (size_t i = 0; i < batch->len; i++) {
		if (batch->requests[i].key.key.data != NULL)
			exec_prefetch_record(w, &batch->requests[i].key);
	}
}

/* The batch of an input that was foreseen, or NULL; without input: one that is free. */
static struct batch *batch_of(struct resp_scratch *scratch, const uint8_t *data)
{
	for (size_t i = 0; i <= WORKER_AHEAD; i++) {
		if (scratch->batches[i].foreseen == data)
			return &scratch->batches[i];
	}
	return NULL;
}

static struct batch *free_batch(struct resp_scratch *scratch)
{
	struct batch *batch = batch_of(scratch, NULL);
	DHT_ASSERT(batch != NULL);
	return batch;
}

/* Returns the next requests, as far as there are some in their usual form. */
static const struct batch *next_batch(struct input *in)
{
	struct batch *batch = batch_of(in->scratch, in->data + in->used);
	if (batch == NULL) {
		batch = free_batch(in->scratch);
		batch->len = 0;
		if (in->state->parser.need == 0)
			collect(in->worker, rest_of(in), batch);
	}
	batch->foreseen = NULL;
	/* That of a single one is needed at once, or was asked for before. */
	if (batch->len > 1)
		prefetch_records(in->worker, batch);
	return batch;
}

static bool run_batch(struct input *in, const struct batch *batch)
{
	for (size_t i = 0; i < batch->len; i++) {
		const struct batched *request = &batch->requests[i];
		if (run(in, request, i + 1 < batch->len ? request + 1 : NULL))
			continue;
		run_ahead(in, request, batch->requests + batch->len);
		return false;
	}
	return true;
}

/* ---- Before its turn ------------------------------------------------------------------ */

static void resp_foresee(struct worker *w, struct session *s, const uint8_t *data, size_t len)
{
	const struct resp_session *state = (const struct resp_session *)(const void *)s->state;
	struct batch *batch = free_batch(w->resp);
	if (state->parser.need != 0 || state->parked != NULL)
		return;
	collect(w, bytes_of(data, len), batch);
	batch->foreseen = data;
}

static void resp_approach(struct worker *w, const uint8_t *data)
{
	const struct batch *batch = batch_of(w->resp, data);
	/* Several have enough to do with each other to wait for none. */
	if (batch != NULL && batch->len == 1)
		prefetch_records(w, batch);
}

static void resp_forget(struct worker *w, const uint8_t *data)
{
	struct batch *batch = batch_of(w->resp, data);
	if (batch != NULL)
		batch->foreseen = NULL;
}

/* Takes whatever comes next, whole or not. */
static bool run_one(struct input *in)
{
	struct resp_request *request = &in->scratch->request;
	struct resp_out *out = &in->scratch->out;
	int rc = resp_parser_next(&in->state->parser, rest_of(in), &limits, request);
	if (rc != 0) {
		in->used += request->consumed;
		if (rc == DHT_EAGAIN) {
			in->session->want = in->state->parser.need;
			return false;
		}
		resp_write_error(out, rc == DHT_EPROTO ? request->error : "ERR out of memory");
		in->session->closing = true;
		return false;
	}
	struct batched one = {
	    .command = resp_table_find(request->args[0]),
	    .args = request->args,
	    .argc = request->argc,
	    .size = request->consumed,
	};
	bool goes_on = run(in, &one, NULL);
	run_ahead(in, &one, &one + 1);
	return goes_on;
}

/* Goes on with a request that was parked. The bytes at the head of the input are the same, but
 * may have moved: then it is parsed again. */
static bool run_parked(struct input *in)
{
	bool goes_on = true;
	struct batched request = in->state->parked->request;
	/* It may have waited while the node joined a cluster: keys lie elsewhere then. */
	request.key = (struct store_key){0};
	if (in->state->parked->data == in->data) {
		DHT_ASSERT(request.size <= in->len);
		goes_on = run(in, &request, NULL);
		run_ahead(in, &request, &request + 1);
		if (in->used == 0)
			return false;
	}
	forget_parked(in->state);
	return goes_on;
}

static size_t resp_input(struct worker *w, struct session *s, const uint8_t *data, size_t len)
{
	struct input in = {
	    .worker = w,
	    .session = s,
	    .state = (struct resp_session *)(void *)s->state,
	    .scratch = w->resp,
	    .data = data,
	    .len = len,
	};
	bool goes_on = true;
	in.began_ns = in.clock_ns = clock_monotonic_ns();
	resp_stats_begin(in.scratch->stats);
	open_out(&in);
	if (in.state->parked != NULL)
		goes_on = run_parked(&in);
	while (goes_on && in.used < len) {
		const struct batch *batch = next_batch(&in);
		goes_on = batch->len > 0 ? run_batch(&in, batch) : run_one(&in);
	}
	if (in.counted > 0)
		stop_clock(&in);
	close_out(&in);
	resp_request_trim(&in.scratch->request);
	worker_count_requests(w, in.requests);
	return in.used;
}

static void resp_closed(struct session *s)
{
	struct resp_session *state = (struct resp_session *)(void *)s->state;
	forget_parked(state);
	resp_search_end(state);
	tally_destroy(state->tally);
	resp_transaction_drop(state);
	resp_client_closed(s);
}

const struct protocol resp_serve_protocol = {
    .name = "client",
    .handed_kind = JOB_client,
    .hot_kind = JOB_hot_client,
    .state_size = sizeof(struct resp_session),
    .in_max = RESP_REQUEST_MAX + WORKER_READ_MAX,
    .input = resp_input,
    .foresee = resp_foresee,
    .approach = resp_approach,
    .forget = resp_forget,
    .closed = resp_closed,
};
