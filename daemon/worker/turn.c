/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/turn.h"

#include "base/error.h"
#include "worker/groups.h"
#include "worker/pending.h"

enum {
	IN_STEP_MAX = 256 * 1024,   /* room made at once for the rest of a large request */
	OUT_KEEP_MAX = 1024 * 1024, /* larger scratch is given back after the turn */
};

/* The client does not read its replies: until it does, nothing more is read from it
 * or produced for it. A stream stops at the first unsent byte. */
static bool output_is_full(const struct worker *w, const struct session *s)
{
	size_t unsent = output_len(&s->conn.out);
	if (s->protocol->bounds_output)
		return false;
	if (s->streaming || outbox_holds(s))
		return unsent > 0;
	return unsent >= atomic_load_explicit(&w->shared->output_max, memory_order_relaxed);
}

bool worker_flush(struct worker *w, struct session *s)
{
	groups_assert_none();
	bool holds = outbox_must_hold(w, s);
	if (output_len(&w->out) > 0 && !s->conn.broken) {
		size_t max = atomic_load_explicit(&w->shared->output_max, memory_order_relaxed);
		max += WORKER_REPLY_MAX;
		int rc = holds ? output_move(&s->conn.out, &w->out, max)
			       : conn_write(&s->conn, &w->out, max);
		if (rc != 0)
			s->conn.broken = true;
	}
	output_clear(&w->out);
	if (w->out.bytes.cap > OUT_KEEP_MAX)
		output_reset(&w->out);
	return !s->conn.broken;
}

bool worker_should_pause(struct worker *w, struct session *s)
{
	bool is_much = output_len(&w->out) >= WORKER_OUT_FLUSH;
	if (!is_much && output_len(&s->conn.out) == 0)
		return s->conn.broken;
	if (is_much && !worker_flush(w, s))
		return true;
	return s->conn.broken || output_is_full(w, s);
}

/* Gives what is in conn.in, or what was just read into the scratch, to the protocol
 * and keeps what it leaves. */
static void feed(struct worker *w, struct session *s, const uint8_t *scratch, size_t scratch_len)
{
	struct buffer *in = &s->conn.in;
	s->want = 0;
	s->paused = false;
	if (scratch == NULL) {
		size_t used = s->protocol->input(w, s, buffer_head(in), in->len);
		buffer_consume(in, used);
		buffer_trim(in);
		return;
	}
	size_t used = s->protocol->input(w, s, scratch, scratch_len);
	DHT_ASSERT(used <= scratch_len);
	if (used < scratch_len && !s->closing &&
	    buffer_append(in, scratch + used, scratch_len - used, s->protocol->in_max) != 0)
		s->conn.broken = true;
}

/* Takes note of the result of a read that had room for more. Returns the bytes read. */
static size_t received(struct session *s, ssize_t n, size_t room)
{
	if (n <= 0) {
		s->readable = false;
		if (n == 0)
			s->conn.input_ended = true;
		else if (n != DHT_EAGAIN)
			s->conn.broken = true;
		return 0;
	}
	/* A short read emptied the socket, and what comes later is a new edge; the end
	 * of the stream is not, if it was there before the last edge. */
	if ((size_t)n < room && !s->peer_closing)
		s->readable = false;
	return (size_t)n;
}

/* ---- Reading ahead ------------------------------------------------------------------ */

/* What was read for the session before its turn, or NULL; for no session: one that is free. */
static struct worker_scratch *scratch_of(struct worker *w, const struct session *s)
{
	for (unsigned i = 0; i <= WORKER_AHEAD; i++) {
		if (w->in[i].session == s)
			return &w->in[i];
	}
	return NULL;
}

static struct worker_scratch *free_scratch(struct worker *w)
{
	struct worker_scratch *in = scratch_of(w, NULL);
	DHT_ASSERT(in != NULL);
	return in;
}

/* Its turn surely is to read, into the scratch, and to run what was read: but for being
 * killed before. */
static bool will_read(const struct session *s)
{
	return s->readable && !s->conn.input_ended && !s->conn.broken && !s->paused && !s->waits &&
	       !s->streaming && !s->closing && s->conn.in.len == 0 &&
	       output_len(&s->conn.out) == 0 && !outbox_holds(s) && !session_is_killed(s);
}

void turn_look_ahead(struct worker *w, struct session *s)
{
	if (s->protocol->foresee == NULL || scratch_of(w, s) != NULL || !will_read(s))
		return;
	struct worker_scratch *in = free_scratch(w);
	ssize_t n = s->conn.transport->read(&s->conn, in->data, WORKER_READ_MAX);
	in->len = received(s, n, WORKER_READ_MAX);
	if (in->len == 0)
		return;
	in->session = s;
	s->protocol->foresee(w, s, in->data, in->len);
}

void turn_approach(struct worker *w, struct session *s)
{
	struct worker_scratch *in = scratch_of(w, s);
	if (in != NULL)
		s->protocol->approach(w, in->data);
}

void turn_forget(struct worker *w, struct session *s)
{
	struct worker_scratch *in = scratch_of(w, s);
	if (in == NULL)
		return;
	in->session = NULL;
	s->protocol->forget(w, in->data);
}

/* ---- A turn -------------------------------------------------------------------------- */

/* Reads once. Returns the bytes read, 0 when there is nothing or the peer ended. */
static size_t read_once(struct worker *w, struct session *s, uint8_t **scratch)
{
	struct buffer *in = &s->conn.in;
	uint8_t *to = free_scratch(w)->data;
	size_t room = WORKER_READ_MAX;
	if (in->len > 0) {
		/* Never so little that the last bytes of a request cost a read of their own. */
		size_t more = s->want > in->len ? s->want - in->len : 0;
		if (more < WORKER_READ_MAX)
			more = WORKER_READ_MAX;
		if (more > IN_STEP_MAX)
			more = IN_STEP_MAX;
		if (buffer_reserve(in, more, s->protocol->in_max) != 0) {
			s->conn.broken = true;
			return 0;
		}
		to = buffer_tail(in);
		room = buffer_room(in) < IN_STEP_MAX ? buffer_room(in) : IN_STEP_MAX;
	}
	*scratch = in->len > 0 ? NULL : to;

	size_t n = received(s, s->conn.transport->read(&s->conn, to, room), room);
	if (*scratch == NULL)
		in->len += n;
	return n;
}

static void take_input(struct worker *w, struct session *s)
{
	if (s->paused) {
		feed(w, s, NULL, 0);
		if (s->paused || s->streaming || s->closing)
			return;
	}
	struct worker_scratch *ahead = scratch_of(w, s);
	if (ahead != NULL) {
		ahead->session = NULL;
		feed(w, s, ahead->data, ahead->len);
		return;
	}
	if (!s->readable || s->conn.input_ended || s->conn.broken)
		return;
	uint8_t *scratch = NULL;
	size_t n = read_once(w, s, &scratch);
	if (n > 0 && (scratch != NULL || s->conn.in.len >= s->want))
		feed(w, s, scratch, n);
}

static bool may_discard(const struct session *s)
{
	return s->readable && !s->conn.input_ended && s->discarded < TURN_DISCARD_MAX;
}

/* Reads once what nobody will answer; already while replies are unsent, as a peer that
 * cannot send may not come to read them. */
static void discard(struct worker *w, struct session *s)
{
	if (may_discard(s))
		s->discarded += (uint32_t)received(
		    s, s->conn.transport->read(&s->conn, free_scratch(w)->data, WORKER_READ_MAX),
		    WORKER_READ_MAX);
}

/* What becomes of a session that has nothing more to say than what is in conn.out. */
static enum turn_result finish(struct worker *w, struct session *s)
{
	enum turn_result more = s->closing && may_discard(s) ? TURN_AGAIN : TURN_IDLE;
	if (output_len(&s->conn.out) > 0)
		return more;
	if (s->conn.input_ended || s->discarded >= TURN_DISCARD_MAX)
		return TURN_CLOSE;
	if (s->lingering)
		return more;
	s->lingering = true;
	s->linger_until_ns = w->now_ns + TURN_LINGER_NS;
	buffer_reset(&s->conn.in);
	s->conn.transport->end_output(&s->conn);
	return TURN_LINGER;
}

enum turn_result turn_serve(struct worker *w, struct session *s)
{
	groups_assert_none();
	if (session_is_killed(s))
		return TURN_CLOSE;
	if (outbox_holds(s) && !s->conn.broken)
		return TURN_IDLE;
	if (conn_flush(&s->conn) != 0)
		return TURN_CLOSE;
	if (s->protocol->flushed != NULL)
		s->protocol->flushed(s);
	if (s->closing) {
		discard(w, s);
	} else if (!s->waits && !output_is_full(w, s)) {
		if (s->streaming)
			s->protocol->resume(w, s);
		else
			take_input(w, s);
	}
	if (s->conn.input_ended && s->conn.in.len > 0 && !s->streaming && !s->paused &&
	    !s->closing) {
		if (s->protocol->cut != NULL)
			s->protocol->cut(s, worker_out(w));
		buffer_reset(&s->conn.in);
	}
	if (!worker_flush(w, s))
		return TURN_CLOSE;

	bool has_work = s->streaming || s->paused;
	if (outbox_holds(s) || s->waits)
		return TURN_IDLE;
	if (s->closing || (s->conn.input_ended && !has_work))
		return finish(w, s);
	if (output_is_full(w, s))
		return TURN_IDLE;
	return has_work || (s->readable && !s->conn.input_ended) ? TURN_AGAIN : TURN_IDLE;
}

bool turn_is_parkable(const struct session *s)
{
	return output_len(&s->conn.out) == 0 && !outbox_holds(s) && !s->waits && !s->paused &&
	       !s->streaming && !s->closing && !s->conn.input_ended && !s->is_kept &&
	       pending_is_empty(s) && list_is_empty(&s->ready_link);
}
