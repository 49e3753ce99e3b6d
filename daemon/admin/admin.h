/* SPDX-License-Identifier: Apache-2.0
 *
 * admin/admin - the admin socket's protocol and commands.
 *
 * Why     Commands of the table (proto/commands.def) that are marked DISPATCHER are
 *         answered from counters by the thread that reads the request, so that they
 *         work even if every worker hangs; the others run on a worker. A connection is
 *         answered in order: once it asked for something that needs a worker, all that
 *         it asks then, `status` too, waits for that worker until the connection parks
 *         again, so whoever looks for a worker that hangs uses a connection of its own.
 * Owns    A session's running stream (scan, dump, load) belongs to the session.
 * Thread  admin_serve_counters: the dispatcher, for sessions that it owns. The
 *         protocol: the worker that owns the session.
 * Errors  are answered to the client; a session that cannot be answered is closed.
 */
#ifndef DHT_ADMIN_ADMIN_H
#define DHT_ADMIN_ADMIN_H

#include "wire/admin.h"
#include "worker/whereabouts.h"
#include "worker/worker.h"

/* What the admin commands read of the daemon: the server's, callable from any thread. */
struct admin_view {
	void *ctx;
	/* Append the response to the call. */
	int (*status)(void *ctx, struct buffer *out, uint64_t call_id);
	int (*queues)(void *ctx, struct buffer *out, uint64_t call_id);
	int (*settings)(void *ctx, struct buffer *out, uint64_t call_id);
	int (*check)(void *ctx, struct buffer *out, uint64_t call_id, const char *file_name,
		     struct bytes content);
	/* About the members; the answer to a change is a ticket. */
	int (*change)(void *ctx, struct buffer *out, uint64_t call_id, enum admin_command command,
		      const struct admin_change *change, char why[WIRE_WHY_MAX]);
	int (*nodes)(void *ctx, struct buffer *out, uint64_t call_id,
		     const struct admin_change *change, char why[WIRE_WHY_MAX]);
	int (*plan)(void *ctx, struct buffer *out, uint64_t call_id,
		    const struct admin_change *change, char why[WIRE_WHY_MAX]);
	int (*job)(void *ctx, struct buffer *out, uint64_t call_id,
		   const struct admin_change *change, char why[WIRE_WHY_MAX]);
	int (*verify)(void *ctx, struct buffer *out, uint64_t call_id, bool begins);
	int (*recover)(void *ctx, struct buffer *out, uint64_t call_id,
		       const struct admin_recovery *wanted, char why[WIRE_WHY_MAX]);
	int (*ok_to_stop)(void *ctx, struct buffer *out, uint64_t call_id,
			  const struct admin_change *change, char why[WIRE_WHY_MAX]);
	int (*place)(void *ctx, struct buffer *out, uint64_t call_id,
		     const struct whereabouts *key);
};

/* The protocol together with what it works on. */
struct admin {
	struct protocol protocol; /* first: a session points to it */
	struct admin_view view;
	struct wire_limits limits;
	_Atomic bool serves; /* there are workers; before, only counters are answered */
};

void admin_init(struct admin *admin, const struct admin_view *view, size_t value_max);

enum admin_verdict {
	ADMIN_WAITS,        /* everything that has come was answered into session->conn.out */
	ADMIN_NEEDS_WORKER, /* the next request is one for a worker, or a large one */
	ADMIN_ENDS,         /* answered as far as possible: flush, then close */
};

/* Answers the complete requests at the head of session->conn.in that need no worker;
 * the responses are appended to session->conn.out. */
enum admin_verdict admin_serve_counters(struct admin *admin, struct session *s);

/* A frame longer than this is never one for the dispatcher. */
enum { ADMIN_COUNTERS_FRAME_MAX = 4096 };

#endif
