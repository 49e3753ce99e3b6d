/* SPDX-License-Identifier: Apache-2.0 */
#include "io/conn.h"

#include <sys/socket.h>

#include "base/error.h"

enum {
	LIST_MAX = 64,       /* entries of one write */
	OUT_KEEP_MAX = 1024, /* bytes that an empty output keeps: replies are often held back */
};

void conn_init(struct conn *c, int fd, uint32_t watch_kind, const struct transport *transport)
{
	*c = (struct conn){
	    .watch = {.fd = fd, .kind = watch_kind},
	    .transport = transport,
	};
}

void conn_fini(struct conn *c)
{
	c->transport->close(c);
	buffer_reset(&c->in);
	output_reset(&c->out);
}

void conn_cut(struct conn *c)
{
	/* It fails only if the peer is gone already. */
	(void)shutdown(c->watch.fd, SHUT_RDWR);
}

/* Writes from the head of o until the socket takes no more. Returns 0 or DHT_ECLOSED. */
static int offer(struct conn *c, struct output *o)
{
	c->out_blocked = false;
	while (output_len(o) > 0 && !c->out_blocked) {
		struct iovec iov[LIST_MAX];
		size_t offered = 0;
		int count = output_list(o, iov, LIST_MAX);
		for (int i = 0; i < count; i++)
			offered += iov[i].iov_len;
		ssize_t n = c->transport->writev(c, iov, count);
		if (n == DHT_EAGAIN)
			n = 0;
		if (n < 0) {
			c->broken = true;
			return (int)n;
		}
		c->out_blocked = (size_t)n < offered;
		output_consume(o, (size_t)n);
	}
	return 0;
}

int conn_flush(struct conn *c)
{
	if (output_len(&c->out) == 0)
		return 0;
	int rc = offer(c, &c->out);
	if (rc != 0)
		return rc;
	if (output_len(&c->out) > 0 || c->out.bytes.cap > OUT_KEEP_MAX)
		buffer_trim(&c->out.bytes);
	return 0;
}

int conn_write(struct conn *c, struct output *more, size_t max)
{
	if (output_len(&c->out) == 0) {
		int rc = offer(c, more);
		if (rc != 0)
			return rc;
	}
	return output_len(more) == 0 ? 0 : output_move(&c->out, more, max);
}

void conn_rest(struct conn *c)
{
	if (c->in.len == 0)
		buffer_reset(&c->in);
	if (output_len(&c->out) == 0)
		output_reset(&c->out);
}
