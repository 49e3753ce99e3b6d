/* SPDX-License-Identifier: Apache-2.0 */
#include "io/conn.h"

#include "base/error.h"

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
	buffer_reset(&c->out);
}

/* Returns how many bytes the socket took, or DHT_ECLOSED. */
static ssize_t offer(struct conn *c, const void *data, size_t len)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	ssize_t n = c->transport->writev(c, &iov, 1);
	if (n == DHT_EAGAIN)
		n = 0;
	if (n < 0) {
		c->broken = true;
		return n;
	}
	c->out_blocked = (size_t)n < len;
	return n;
}

int conn_flush(struct conn *c)
{
	if (c->out.len == 0)
		return 0;
	ssize_t n = offer(c, buffer_head(&c->out), c->out.len);
	if (n < 0)
		return (int)n;
	buffer_consume(&c->out, (size_t)n);
	buffer_trim(&c->out);
	return 0;
}

int conn_write(struct conn *c, const void *data, size_t len, size_t max)
{
	ssize_t n = 0;
	if (c->out.len == 0 && len > 0) {
		n = offer(c, data, len);
		if (n < 0)
			return (int)n;
	}
	if ((size_t)n == len)
		return 0;
	return buffer_append(&c->out, (const uint8_t *)data + n, len - (size_t)n, max);
}
