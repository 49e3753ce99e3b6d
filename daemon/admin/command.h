/* SPDX-License-Identifier: Apache-2.0
 *
 * admin/command - one request on its way through the handler of its command.
 *
 * Thread  the thread that serves the session.
 */
#ifndef DHT_ADMIN_COMMAND_H
#define DHT_ADMIN_COMMAND_H

#include "admin/admin.h"
#include "wire/admin.h"
#include "worker/scan.h"

/* A request that takes more than one slice: the session owns it while it streams. */
struct admin_stream {
	struct admin_request request;
	struct scan scan;            /* scan, dump */
	struct exec_entries entries; /* scan, dump */
	size_t loaded, kept;         /* load */
};

struct admin_session {
	struct admin_stream *stream;     /* NULL: none runs */
	struct whereabouts *whereabouts; /* that a locate waits for; NULL: none does */
};

struct admin_call {
	const struct admin *admin;
	struct worker *worker; /* NULL on the dispatcher */
	struct session *session;
	struct admin_request request;
	struct buffer *out;
	char why[WIRE_WHY_MAX]; /* the handler's sentence when it fails; may stay empty */
};

/* A handler writes the response and returns 0; or starts a stream; or returns a
 * DHT_E*, which is answered with call->why or the code's own text. DHT_EAGAIN with
 * session->waits: the request comes again. */
#define ADMIN_COMMAND(id, ID, name, place, arguments, summary, details)                            \
	int admin_run_##id(struct admin_call *call) DHT_MUST_CHECK;
#include "proto/commands.def"

/* Says what DHT_ENOQUORUM or DHT_EUNCERTAIN, which the worker has just met, is about. */
void admin_explain_no_quorum(const struct worker *w, int status, char why[WIRE_WHY_MAX]);

/* Starts a stream with call's request, which it takes over. DHT_ENOMEM. */
int admin_stream_start(struct admin_call *call) DHT_MUST_CHECK;

/* Runs one slice. Returns 0, or an error that ends the stream, unless that is DHT_EAGAIN
 * with session->waits. *done is set at its end. */
int admin_stream_slice(struct worker *w, struct session *s, struct admin_stream *stream,
		       const struct wire_limits *limits, bool *done,
		       char why[WIRE_WHY_MAX]) DHT_MUST_CHECK;

/* Frees the stream, finished or not. */
void admin_stream_end(struct admin_stream *stream);

static inline struct admin_session *admin_session_of(struct session *s)
{
	return (struct admin_session *)(void *)s->state;
}

#endif
