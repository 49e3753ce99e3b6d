/* SPDX-License-Identifier: Apache-2.0
 *
 * io/transport - how bytes get into and out of a connection's descriptor.
 *
 * Why     Plain sockets now; TLS takes the same calls later.
 * Thread  the connection's owner.
 */
#ifndef DHT_IO_TRANSPORT_H
#define DHT_IO_TRANSPORT_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct conn;

struct transport {
	const char *name;
	/* read and writev return the bytes moved (> 0), DHT_EAGAIN when the socket has none or
	 * takes none now, DHT_ECLOSED when the peer is gone; read returns 0 at the
	 * end of the peer's stream. */
	ssize_t (*read)(struct conn *c, void *data, size_t len);
	ssize_t (*writev)(struct conn *c, const struct iovec *iov, int count);
	/* Says that nothing more will be written; reading goes on. */
	void (*end_output)(struct conn *c);
	/* Releases what the transport holds; closes the descriptor. */
	void (*close)(struct conn *c);
};

extern const struct transport transport_plain;

#endif
