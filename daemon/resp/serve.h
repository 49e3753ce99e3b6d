/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/serve - the client port's protocol: requests in, replies out.
 *
 * Thread  resp_scratch_*: set-up. The rest: the worker that owns the session.
 */
#ifndef DHT_RESP_SERVE_H
#define DHT_RESP_SERVE_H

#include "resp/parser.h"
#include "resp/writer.h"
#include "worker/worker.h"

/* How far a command on several keys has come when it has to wait. */
struct resp_progress {
	uint32_t done;  /* keys */
	uint32_t count; /* what the command counts */
};

/* The state of a client connection. */
struct resp_session {
	struct resp_progress progress; /* zeros between two requests */
	struct resp_parser parser;
	enum resp_version version; /* 0 until the first request: RESP2 */
};

/* One request on its way through a command's handler. */
struct resp_call {
	struct worker *worker;
	struct session *session;
	struct resp_session *state;
	const struct bytes *args; /* args[0] is the command's name */
	size_t argc;
	struct resp_out *out; /* the handler writes exactly one reply, unless the session waits */
};

extern const struct protocol resp_protocol;

/* A worker's scratch for this protocol: worker->resp. NULL: out of memory. */
void *resp_scratch_create(void);
void resp_scratch_destroy(void *scratch);

#endif
