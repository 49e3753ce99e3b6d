/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands on many keys: scan, dump, load. They run as streams, in slices of at most
 * WORKER_SLICE_NS, so that other clients of the worker wait no longer than that.
 */
#include "admin/command.h"

#include <stdlib.h>

#include "base/error.h"
#include "io/clock.h"

enum {
	SCAN_BATCH = 64,          /* entries in one response */
	BATCH_BYTES = 256 * 1024, /* of keys and values in one response, about */
	LOAD_STEP = 16,           /* entries stored between two looks at the clock */
};

int admin_stream_start(struct admin_call *call)
{
	struct admin_stream *stream = calloc(1, sizeof(*stream));
	if (stream == NULL)
		return DHT_ENOMEM;
	stream->request = call->request;
	call->request.message = NULL;
	scan_init(&stream->scan, &(struct exec_cursor){0});
	stream->scan.wants_values = stream->request.command == ADMIN_dump;
	admin_session_of(call->session)->stream = stream;
	call->session->streaming = true;
	return 0;
}

int admin_run_scan(struct admin_call *call)
{
	return admin_stream_start(call);
}

int admin_run_dump(struct admin_call *call)
{
	return admin_stream_start(call);
}

int admin_run_load(struct admin_call *call)
{
	return admin_stream_start(call);
}

/* Encodes what was collected, response by response, while the client takes them; an
 * entry larger than a batch goes alone. *all tells whether everything went. */
static int send_entries(struct worker *w, struct session *s, struct admin_stream *stream,
			uint64_t until_ns, bool *all)
{
	struct exec_entries *entries = &stream->entries;
	int rc = 0;
	while (rc == 0 && entries->count > 0 && !worker_should_pause(w, s)) {
		struct admin_entry batch[SCAN_BATCH];
		size_t n = 0, bytes = 0;
		for (; n < SCAN_BATCH && entries->taken + n < entries->count; n++) {
			const struct exec_entry *e = &entries->items[entries->taken + n];
			bytes += e->key.len + e->value.len;
			if (n > 0 && bytes > BATCH_BYTES)
				break;
			batch[n] = (struct admin_entry){e->key, e->value, e->expires_ms};
		}
		rc = wire_admin_entries(worker_out(w), stream->request.call_id,
					stream->request.command, batch, n, false);
		exec_entries_take(entries, n);
		if (clock_monotonic_ns() >= until_ns)
			break;
	}
	*all = entries->count == 0;
	return rc;
}

/* Reads the value of an entry. DHT_EAGAIN: the session waits. */
static int read_value(struct worker *w, struct session *s, struct exec_entries *entries,
		      struct exec_entry *entry)
{
	struct op op = {.kind = OP_GET, .key = exec_key(w, entry->key)};
	struct op_result result;
	int rc = exec_run(w, s, &op, &result);
	if (rc != 0)
		return rc;
	rc = result.status;
	if (rc == 0)
		rc = exec_held_copy(&entries->held, result.value, &entry->value);
	entry->expires_ms = result.expires_ms;
	exec_done(w, s, &result);
	return rc;
}

static bool has_bare(const struct exec_entries *entries)
{
	for (size_t i = entries->taken; i < entries->count; i++) {
		if (entries->items[i].is_bare)
			return true;
	}
	return false;
}

/* Reads the values that the replicas do not agree on. A key that is gone meanwhile is left out. */
static int read_values(struct worker *w, struct session *s, struct exec_entries *entries)
{
	for (size_t i = entries->taken; i < entries->count;) {
		struct exec_entry *entry = &entries->items[i];
		int rc = entry->is_bare ? read_value(w, s, entries, entry) : 0;
		if (rc != 0 && rc != DHT_ENOTFOUND)
			return rc;
		entry->is_bare = false;
		if (rc == 0)
			i++;
		else
			*entry = entries->items[--entries->count];
	}
	exec_entries_take(entries, 0);
	return 0;
}

static int scan_slice(struct worker *w, struct session *s, struct admin_stream *stream,
		      uint64_t until_ns, bool *done)
{
	struct exec_entries *entries = &stream->entries;
	bool more = stream->entries.count == 0, all;
	int rc = 0;
	while (more && entries->bytes < BATCH_BYTES) {
		rc = scan_step(w, s, &stream->scan, stream->request.prefix, SCAN_STEP_MAX, entries);
		if (rc != 0)
			break; /* or it goes on when others, or the disk, have answered */
		more = !scan_is_over(w, &stream->scan) && clock_monotonic_ns() < until_ns;
	}
	/* One thing is waited for at a time. */
	if (rc == DHT_EAGAIN && has_bare(entries))
		return rc;
	if (rc == 0)
		rc = read_values(w, s, entries);
	if (rc != 0 && !(rc == DHT_EAGAIN && !has_bare(entries)))
		return rc;
	rc = send_entries(w, s, stream, until_ns, &all);
	*done = rc == 0 && all && !s->waits && scan_is_over(w, &stream->scan);
	if (*done)
		rc = wire_admin_entries(worker_out(w), stream->request.call_id,
					stream->request.command, NULL, 0, true);
	return rc;
}

/* Stores an entry, unless its time has come already, or it is to keep what is there. */
static int load_entry(struct worker *w, struct session *s, struct admin_stream *stream,
		      struct op *op)
{
	struct op_result result;
	if (op->expiry == OP_EXPIRY_AT && op->expires_ms <= clock_expiry_ms()) {
		exec_end_request(w, s); /* it may have been under way */
		return 0;
	}
	op->key = exec_key(w, op->key.key);
	int rc = exec_run(w, s, op, &result);
	if (rc != 0)
		return rc;
	exec_done(w, s, &result);
	if (result.status != DHT_EPRECOND)
		return result.status;
	stream->kept++;
	return 0;
}

static int load_slice(struct worker *w, struct session *s, struct admin_stream *stream,
		      const struct wire_limits *limits, uint64_t until_ns, bool *done,
		      char why[WIRE_WHY_MAX])
{
	do {
		for (int i = 0; i < LOAD_STEP && stream->loaded < stream->request.load_count; i++) {
			struct op op;
			int rc = wire_admin_load_entry(&stream->request, stream->loaded, limits,
						       &op, why);
			if (rc == 0)
				rc = load_entry(w, s, stream, &op);
			if (rc != 0)
				return rc;
			stream->loaded++;
		}
	} while (stream->loaded < stream->request.load_count && clock_monotonic_ns() < until_ns);
	*done = stream->loaded == stream->request.load_count;
	return *done ? wire_admin_loaded(worker_out(w), stream->request.call_id, stream->loaded,
					 stream->kept)
		     : 0;
}

int admin_stream_slice(struct worker *w, struct session *s, struct admin_stream *stream,
		       const struct wire_limits *limits, bool *done, char why[WIRE_WHY_MAX])
{
	uint64_t until_ns = clock_monotonic_ns() + WORKER_SLICE_NS;
	*done = false;
	if (stream->request.command == ADMIN_load)
		return load_slice(w, s, stream, limits, until_ns, done, why);
	int rc = scan_slice(w, s, stream, until_ns, done);
	if (rc == DHT_ENOQUORUM)
		admin_explain_no_quorum(w, rc, why);
	return rc;
}

void admin_stream_end(struct admin_stream *stream)
{
	scan_fini(&stream->scan);
	exec_entries_fini(&stream->entries);
	wire_admin_release(&stream->request);
	free(stream);
}
