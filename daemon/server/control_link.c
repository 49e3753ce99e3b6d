/* SPDX-License-Identifier: Apache-2.0 */
#include "server/control_link.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/error.h"
#include "io/dial.h"

enum {
	READ_MAX = 64 * 1024,        /* bytes of one read */
	READS_MAX = 8,               /* of one link before others have a turn */
	IN_MAX = 2 * PEER_FRAME_MAX, /* bytes that wait for the rest of a frame */
	SLICES_MAX = 4,
};

/* ---- Life ---------------------------------------------------------------------------- */

int control_link_create(int fd, uint32_t watch_kind, struct poller *poller,
			struct peer_budget *budget, bool is_opener, uint64_t now_ns,
			struct control_link **out)
{
	struct control_link *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return DHT_ENOMEM;
	conn_init(&l->conn, fd, watch_kind, &transport_plain);
	if (!is_opener)
		dial_prepare(fd);
	list_init(&l->link);
	l->peer = CONTROL_LINK_NOBODY;
	l->is_opener = l->is_armed = is_opener;
	l->state = is_opener ? CONTROL_LINK_CONNECTS : CONTROL_LINK_SHAKES;
	l->opened_ns = now_ns;
	peer_parts_init(&l->parts, budget);
	endpoint_peer(fd, l->text);
	if (!is_opener) {
		uint8_t nonce[HANDSHAKE_NONCE_SIZE];
		ssize_t n = getrandom(nonce, sizeof(nonce), 0);
		DHT_ASSERT(n == (ssize_t)sizeof(nonce));
		handshake_accept(&l->shake, nonce);
	}
	int rc = poller_add(poller, &l->conn.watch, is_opener ? EPOLLOUT : EPOLLIN);
	if (rc != 0) {
		peer_parts_fini(&l->parts);
		free(l);
		return rc;
	}
	*out = l;
	return 0;
}

void control_link_close(struct control_link *l)
{
	if (l->state == CONTROL_LINK_CLOSED)
		return;
	l->state = CONTROL_LINK_CLOSED;
	conn_fini(&l->conn);
	buffer_reset(&l->waiting);
	peer_parts_fini(&l->parts);
}

void control_link_free(struct control_link *l)
{
	control_link_close(l);
	free(l);
}

/* ---- Reading ------------------------------------------------------------------------- */

/* Returns 0 when the input has no whole frame any more. */
static int take_frames(struct control_link *l, control_link_frame_fn take, void *ctx)
{
	struct buffer *in = &l->conn.in;
	while (in->len > 0) {
		struct peer_frame frame;
		struct peer_whole whole = {0};
		size_t size;
		int rc = peer_frame_parse(bytes_of(buffer_head(in), in->len), &frame, &size);
		if (rc <= 0)
			return rc;
		if (frame.type == PEER_PART) {
			rc = peer_parts_add(&l->parts, &frame, &whole);
			if (rc == 1)
				rc = take(ctx, l, &whole.frame);
			if (whole.memory != NULL)
				peer_whole_release(&whole);
		} else {
			rc = take(ctx, l, &frame);
		}
		/* Whoever took it may have closed the link. */
		if (rc < 0 || l->state == CONTROL_LINK_CLOSED)
			return rc < 0 ? rc : DHT_ECLOSED;
		buffer_consume(in, size);
	}
	return 0;
}

static int shake_hands(struct control_link *l, const struct handshake_self *self)
{
	struct buffer *in = &l->conn.in;
	size_t taken = 0;
	int rc = handshake_take(&l->shake, self, bytes_of(buffer_head(in), in->len), &taken,
				&l->conn.out.bytes);
	buffer_consume(in, taken);
	if (rc != 1)
		return rc;
	l->state = CONTROL_LINK_OPEN;
	rc = buffer_append(&l->conn.out.bytes, buffer_head(&l->waiting), l->waiting.len,
			   CONTROL_LINK_OUT_MAX);
	buffer_reset(&l->waiting);
	return rc;
}

/* Returns 1 if something was read, 0 if nothing waits. */
static int fill(struct control_link *l)
{
	struct buffer *in = &l->conn.in;
	int rc = buffer_reserve(in, READ_MAX, IN_MAX);
	if (rc != 0)
		return rc;
	ssize_t n = l->conn.transport->read(&l->conn, buffer_tail(in), READ_MAX);
	if (n == DHT_EAGAIN)
		return 0;
	if (n <= 0)
		return DHT_ECLOSED;
	in->len += (size_t)n;
	return 1;
}

int control_link_read(struct control_link *l, const struct handshake_self *self,
		      control_link_frame_fn take, void *ctx)
{
	int rc = 1;
	for (int i = 0; rc == 1 && i < READS_MAX; i++) {
		rc = fill(l);
		if (rc != 1)
			break;
		if (l->state == CONTROL_LINK_SHAKES)
			rc = shake_hands(l, self);
		if (rc >= 0 && l->state == CONTROL_LINK_OPEN)
			rc = take_frames(l, take, ctx);
		rc = rc >= 0 ? 1 : rc;
	}
	if (l->state != CONTROL_LINK_CLOSED && l->conn.in.len == 0)
		buffer_reset(&l->conn.in);
	return rc < 0 ? rc : 0;
}

/* ---- Writing ------------------------------------------------------------------------- */

int control_link_greet(struct control_link *l, const struct handshake_self *self,
		       enum handshake_purpose purpose, const char *expected)
{
	uint8_t nonce[HANDSHAKE_NONCE_SIZE];
	int error = 0;
	socklen_t len = sizeof(error);
	if (getsockopt(l->conn.watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)
		return DHT_EUNAVAIL;
	endpoint_peer(l->conn.watch.fd, l->text);
	ssize_t n = getrandom(nonce, sizeof(nonce), 0);
	DHT_ASSERT(n == (ssize_t)sizeof(nonce));
	l->state = CONTROL_LINK_SHAKES;
	return handshake_open(&l->shake, self, purpose, expected, nonce, &l->conn.out.bytes);
}

static int append_cut(struct control_link *l, struct buffer *out, struct bytes whole)
{
	struct peer_cut cut;
	uint8_t header[PEER_FRAME_HEADER];
	struct bytes slices[SLICES_MAX];
	size_t before = out->len;
	unsigned count;
	int rc = 0;
	peer_cut_begin(&cut, ++l->streams, &whole, 1);
	while (rc == 0 && (count = peer_cut_next(&cut, header, slices, SLICES_MAX)) > 0) {
		rc = buffer_append(out, header, sizeof(header), CONTROL_LINK_OUT_MAX);
		for (unsigned i = 0; rc == 0 && i < count; i++)
			rc =
			    buffer_append(out, slices[i].data, slices[i].len, CONTROL_LINK_OUT_MAX);
	}
	if (rc != 0)
		out->len = before;
	return rc;
}

int control_link_queue(struct control_link *l, struct bytes frame)
{
	struct buffer *out = l->state == CONTROL_LINK_OPEN ? &l->conn.out.bytes : &l->waiting;
	if (frame.len > PEER_FRAME_MAX)
		return append_cut(l, out, frame);
	return buffer_append(out, frame.data, frame.len, CONTROL_LINK_OUT_MAX);
}

int control_link_flush(struct control_link *l, struct poller *poller)
{
	if (l->state == CONTROL_LINK_CONNECTS || l->state == CONTROL_LINK_CLOSED)
		return 0;
	int rc = conn_flush(&l->conn);
	bool wants_output = output_len(&l->conn.out) > 0;
	if (rc == 0 && wants_output != l->is_armed) {
		l->is_armed = wants_output;
		poller_change(poller, &l->conn.watch, EPOLLIN | (wants_output ? EPOLLOUT : 0u));
	}
	return rc;
}
