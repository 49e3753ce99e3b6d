/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/serve.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "resp/table.h"

enum {
	UNKNOWN_ARGS_SHOWN = 128, /* bytes of the arguments in an unknown command's error */
};

static const struct resp_limits limits = {
    .args_max = RESP_ARGS_MAX,
    .arg_bytes_max = RESP_REQUEST_MAX,
    .request_bytes_max = RESP_REQUEST_MAX,
};

struct resp_scratch {
	struct resp_request request;
	struct resp_out out;
};

void *resp_scratch_create(void)
{
	struct resp_scratch *scratch = calloc(1, sizeof(*scratch));
	if (scratch == NULL)
		return NULL;
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
	free(scratch);
}

/* Redis's text, which client libraries look for: the name, then the beginnings of
 * the arguments up to a bound. */
static void reply_unknown(struct resp_call *call)
{
	char shown[UNKNOWN_ARGS_SHOWN + 8];
	size_t used = 0;
	for (size_t i = 1; i < call->argc && used < UNKNOWN_ARGS_SHOWN; i++) {
		size_t len = call->args[i].len, room = UNKNOWN_ARGS_SHOWN - used;
		used += (size_t)snprintf(shown + used, sizeof(shown) - used, "'%.*s' ",
					 (int)(len < room ? len : room),
					 (const char *)call->args[i].data);
		if (used >= sizeof(shown))
			used = sizeof(shown) - 1;
	}
	shown[used] = '\0';
	size_t name_len =
	    call->args[0].len < UNKNOWN_ARGS_SHOWN ? call->args[0].len : UNKNOWN_ARGS_SHOWN;
	resp_write_errorf(call->out, "ERR unknown command '%.*s', with args beginning with: %s",
			  (int)name_len, (const char *)call->args[0].data, shown);
}

static void run(struct resp_call *call)
{
	const struct resp_command *command = resp_table_find(call->args[0]);
	if (command == NULL) {
		reply_unknown(call);
		return;
	}
	size_t least = (size_t)abs(command->arity);
	if (call->argc < least || (command->arity > 0 && call->argc > least)) {
		char name[32];
		size_t i = 0;
		for (; i < command->name_len && i < sizeof(name) - 1; i++)
			name[i] = (char)(command->name[i] | 0x20);
		name[i] = '\0';
		resp_write_errorf(call->out, "ERR wrong number of arguments for '%s' command",
				  name);
		return;
	}
	command->run(call);
}

/* Moves the collected replies to where the worker sends from. */
static void hand_out(struct worker *w, struct session *s, struct resp_out *out)
{
	if (out->error != 0 || buffer_append(worker_out(w), out->data, out->len, SIZE_MAX / 2) != 0)
		s->conn.broken = true;
	resp_out_clear(out);
}

static size_t resp_input(struct worker *w, struct session *s, const uint8_t *data, size_t len)
{
	struct resp_scratch *scratch = w->resp;
	struct resp_session *state = (struct resp_session *)(void *)s->state;
	struct resp_call call = {.worker = w, .session = s, .state = state, .out = &scratch->out};
	size_t used = 0;
	uint64_t requests = 0;
	scratch->out.version = state->version == RESP_VERSION_3 ? RESP_VERSION_3 : RESP_VERSION_2;
	while (used < len && !s->closing) {
		if (scratch->out.len >= WORKER_OUT_FLUSH) {
			hand_out(w, s, &scratch->out);
			if (worker_should_pause(w, s)) {
				s->paused = true;
				break;
			}
		}
		size_t begin = used;
		int rc = resp_parser_next(&state->parser, bytes_of(data + used, len - used),
					  &limits, &scratch->request);
		used += scratch->request.consumed;
		if (rc == DHT_EAGAIN) {
			s->want = state->parser.need;
			break;
		}
		if (rc != 0) {
			resp_write_error(&scratch->out, rc == DHT_EPROTO ? scratch->request.error
									 : "ERR out of memory");
			s->closing = true;
			break;
		}
		call.args = scratch->request.args;
		call.argc = scratch->request.argc;
		run(&call);
		if (s->waits) {
			s->paused = true;
			used = begin;
			break;
		}
		requests++;
	}
	hand_out(w, s, &scratch->out);
	resp_request_trim(&scratch->request);
	worker_count_requests(w, requests);
	return used;
}

const struct protocol resp_protocol = {
    .name = "client",
    .handed_kind = JOB_client,
    .hot_kind = JOB_hot_client,
    .state_size = sizeof(struct resp_session),
    .in_max = RESP_REQUEST_MAX + WORKER_READ_MAX,
    .input = resp_input,
};
