/* SPDX-License-Identifier: Apache-2.0
 *
 * How links for data begin: the workers' own, which they shake hands on through here, and those
 * that members open, which are given away once it is known who is at the other end.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.h"
#include "server/control.h"

/* ---- Own links ----------------------------------------------------------------------- */

static int greet(struct control *c, struct handshake *shake, uint16_t member, struct buffer *out)
{
	uint8_t nonce[HANDSHAKE_NONCE_SIZE];
	const struct ring_member *of = ring_map_member(c->node_map, member);
	struct handshake_self self = control_self(c);
	if (of == NULL)
		return DHT_ENOTFOUND;
	ssize_t n = getrandom(nonce, sizeof(nonce), 0);
	DHT_ASSERT(n == (ssize_t)sizeof(nonce));
	return handshake_open(shake, &self, HANDSHAKE_DATA, of->id, nonce, out);
}

int control_data_begin(void *ctx, void *state, uint16_t member, struct buffer *out)
{
	struct control *c = ctx;
	pthread_mutex_lock(&c->lock);
	int rc = c->is_on ? greet(c, state, member, out) : DHT_ESTOPPING;
	pthread_mutex_unlock(&c->lock);
	return rc;
}

int control_data_take(void *ctx, void *state, uint16_t member, const struct peer_frame *frame,
		      struct buffer *out)
{
	struct control *c = ctx;
	size_t size = PEER_FRAME_HEADER + frame->message.len + frame->payload.len, taken;
	(void)member;
	pthread_mutex_lock(&c->lock);
	struct handshake_self self = control_self(c);
	int rc = c->is_on ? handshake_take(state, &self,
					   bytes_of(frame->message.data - PEER_FRAME_HEADER, size),
					   &taken, out)
			  : DHT_ESTOPPING;
	pthread_mutex_unlock(&c->lock);
	return rc;
}

/* ---- Links of members ---------------------------------------------------------------- */

int control_data_accept(struct control *c, struct control_link *l)
{
	uint16_t number = founding_number(c->node_map, l->shake.peer.id);
	/* The proof goes out before anything that the worker has to say. */
	if (conn_flush(&l->conn) != 0 || output_len(&l->conn.out) > 0 || number == RING_MEMBERS_MAX)
		return DHT_ECLOSED;
	int fd = fcntl(l->conn.watch.fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return DHT_EFULL;
	poller_remove(c->given.poller, &l->conn.watch);
	int rc = c->given.accept_data(c->given.ctx, fd, number,
				      bytes_of(buffer_head(&l->conn.in), l->conn.in.len));
	if (rc != 0)
		close(fd);
	return rc;
}
