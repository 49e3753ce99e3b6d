/* SPDX-License-Identifier: Apache-2.0 */
#include "io/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "io/conn.h"

static ssize_t plain_result(ssize_t n)
{
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return DHT_EAGAIN;
	return DHT_ECLOSED;
}

static ssize_t plain_read(struct conn *c, void *data, size_t len)
{
	return plain_result(recv(c->watch.fd, data, len, 0));
}

static ssize_t plain_writev(struct conn *c, const struct iovec *iov, int count)
{
	if (count == 1)
		return plain_result(send(c->watch.fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL));
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov,
			     .msg_iovlen = (size_t)count};
	return plain_result(sendmsg(c->watch.fd, &msg, MSG_NOSIGNAL));
}

static void plain_end_output(struct conn *c)
{
	/* It fails only if the peer is gone: the next read says so. */
	(void)shutdown(c->watch.fd, SHUT_WR);
}

static void plain_close(struct conn *c)
{
	close(c->watch.fd);
	c->watch.fd = -1;
}

const struct transport transport_plain = {
    .name = "plain",
    .read = plain_read,
    .writev = plain_writev,
    .end_output = plain_end_output,
    .close = plain_close,
};
