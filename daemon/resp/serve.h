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

/* The state of a client connection. */
struct resp_session {
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
	struct resp_out *out; /* the handler writes exactly one reply */
};

extern const struct protocol resp_protocol;

/* A worker's scratch for this protocol: worker->resp. NULL: out of memory. */
void *resp_scratch_create(void);
void resp_scratch_destroy(void *scratch);

#endif
