/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin.h"

#include <stdio.h>

#include "admin/command.h"
#include "base/error.h"
#include "proto/frame.h"

enum admin_place { DISPATCHER, WORKER };

struct admin_row {
	enum admin_place place;
	int (*run)(struct admin_call *call);
};

static const struct admin_row rows[ADMIN_COMMAND_COUNT] = {
#define ADMIN_COMMAND(id, ID, name, place, arguments, summary, details) {place, admin_run_##id},
#include "proto/commands.def"
};

static void answer_error(struct buffer *out, struct session *s, uint64_t call_id, int error,
			 const char *why)
{
	if (wire_admin_error(out, call_id, error, why[0] != '\0' ? why : dht_error_text(error)) !=
	    0)
		s->conn.broken = true;
}

static void run(struct admin_call *call)
{
	uint64_t call_id = call->request.call_id;
	int rc = rows[call->request.command].run(call);
	if (rc != 0 && !call->session->waits)
		answer_error(call->out, call->session, call_id, rc, call->why);
	wire_admin_release(&call->request);
}

static void refuse_starting(struct admin_call *call)
{
	answer_error(call->out, call->session, call->request.call_id, DHT_ESTARTING,
		     dht_error_text(DHT_ESTARTING));
	wire_admin_release(&call->request);
}

/* Decodes the frame's message. False: it was answered with an error. */
static bool decode(struct admin_call *call, const uint8_t *message, size_t len)
{
	call->why[0] = '\0';
	int rc = wire_admin_decode(message, len, &call->admin->limits, &call->request, call->why);
	if (rc == 0)
		return true;
	answer_error(call->out, call->session, call->request.call_id, rc, call->why);
	/* What follows garbage is garbage too. */
	if (rc == DHT_EPROTO)
		call->session->closing = true;
	return false;
}

/* Looks at the header of the next frame. Returns the whole frame's length, 0 when it
 * is incomplete (session->want is its length, if that is known), a negative error
 * after answering it. */
static int64_t next_frame(struct session *s, struct buffer *out, const uint8_t *data, size_t len)
{
	char why[WIRE_WHY_MAX];
	size_t message = 0;
	s->want = 0; /* that of the frame before must not hold this one up */
	int rc = admin_frame_get_header(data, len, &message);
	if (rc == 0)
		return 0;
	if (rc < 0) {
		snprintf(why, sizeof(why), "a frame's length is 1 to %d bytes", ADMIN_FRAME_MAX);
		answer_error(out, s, 0, rc, why);
		s->closing = true;
		return rc;
	}
	s->want = ADMIN_FRAME_HEADER + message;
	return len >= s->want ? (int64_t)s->want : 0;
}

static size_t admin_input(struct worker *w, struct session *s, const uint8_t *data, size_t len)
{
	struct admin_call call = {
	    .admin = DHT_CONTAINER_OF(s->protocol, const struct admin, protocol),
	    .worker = w,
	    .session = s,
	    .out = worker_out(w),
	};
	size_t used = 0;
	while (used < len && !s->closing) {
		if (worker_should_pause(w, s)) {
			s->paused = true;
			break;
		}
		int64_t frame = next_frame(s, call.out, data + used, len - used);
		if (frame <= 0)
			break;
		if (decode(&call, data + used + ADMIN_FRAME_HEADER,
			   (size_t)frame - ADMIN_FRAME_HEADER))
			run(&call);
		if (s->waits) {
			s->paused = true;
			break;
		}
		exec_end_request(w, s);
		used += (size_t)frame;
		worker_count_requests(w, 1);
		if (s->streaming) {
			s->paused = used < len;
			break;
		}
	}
	return used;
}

static void admin_resume(struct worker *w, struct session *s)
{
	const struct admin *admin = DHT_CONTAINER_OF(s->protocol, const struct admin, protocol);
	struct admin_session *state = admin_session_of(s);
	char why[WIRE_WHY_MAX] = "";
	bool done = false;
	int rc = admin_stream_slice(w, s, state->stream, &admin->limits, &done, why);
	if (rc == DHT_EAGAIN && s->waits)
		return;
	if (rc != 0)
		answer_error(worker_out(w), s, state->stream->request.call_id, rc, why);
	if (rc != 0 || done) {
		exec_end_request(w, s);
		admin_stream_end(state->stream);
		state->stream = NULL;
		s->streaming = false;
	}
}

static void admin_cut(struct session *s, struct buffer *out)
{
	answer_error(out, s, 0, DHT_EPROTO, "the stream ended inside a frame");
}

static void admin_closed(struct session *s)
{
	struct admin_session *state = admin_session_of(s);
	if (state->stream != NULL)
		admin_stream_end(state->stream);
	state->stream = NULL;
	whereabouts_destroy(state->whereabouts);
}

enum admin_verdict admin_serve_counters(struct admin *admin, struct session *s)
{
	struct buffer *in = &s->conn.in;
	struct admin_call call = {.admin = admin, .session = s, .out = &s->conn.out.bytes};
	enum admin_verdict verdict = ADMIN_WAITS;
	bool serves = atomic_load(&admin->serves);
	while (in->len > 0 && !s->closing) {
		int64_t frame = next_frame(s, call.out, buffer_head(in), in->len);
		if (frame >= 0 && s->want > ADMIN_COUNTERS_FRAME_MAX) {
			verdict = ADMIN_NEEDS_WORKER;
			if (serves)
				break;
			/* Nobody reads the rest of it. */
			answer_error(call.out, s, 0, DHT_ESTARTING, dht_error_text(DHT_ESTARTING));
			s->closing = true;
			break;
		}
		if (frame <= 0)
			break;
		if (decode(&call, buffer_head(in) + ADMIN_FRAME_HEADER,
			   (size_t)frame - ADMIN_FRAME_HEADER)) {
			bool needs_worker = rows[call.request.command].place == WORKER;
			if (needs_worker && serves) {
				wire_admin_release(&call.request);
				verdict = ADMIN_NEEDS_WORKER;
				break;
			}
			if (needs_worker)
				refuse_starting(&call);
			else
				run(&call);
		}
		buffer_consume(in, (size_t)frame);
	}
	s->want = 0;
	if (in->len == 0)
		buffer_reset(in);
	return s->closing || s->conn.broken ? ADMIN_ENDS : verdict;
}

void admin_init(struct admin *admin, const struct admin_view *view, size_t value_max)
{
	*admin = (struct admin){
	    .protocol =
		{
		    .name = "admin",
		    .handed_kind = JOB_admin,
		    .hot_kind = JOB_hot_admin,
		    .state_size = sizeof(struct admin_session),
		    .in_max = ADMIN_FRAME_HEADER + ADMIN_FRAME_MAX + WORKER_READ_MAX,
		    .input = admin_input,
		    .resume = admin_resume,
		    .cut = admin_cut,
		    .closed = admin_closed,
		},
	    .view = *view,
	    .limits = {.value_max = value_max},
	};
}
