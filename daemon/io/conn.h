/* SPDX-License-Identifier: Apache-2.0
 *
 * io/conn - a connected socket with the bytes that are on their way.
 *
 * Why     An idle connection must cost next to nothing: both buffers hold memory
 *         only while a request is incomplete or a reply is unsent.
 * Owns    The descriptor and the buffers.
 * Thread  one owner at a time.
 */
#ifndef DHT_IO_CONN_H
#define DHT_IO_CONN_H

#include <stdbool.h>

#include "io/output.h"
#include "io/poller.h"
#include "io/transport.h"

struct conn {
	struct watch watch;
	const struct transport *transport;
	struct buffer in;  /* the beginning of a request whose rest has not come */
	struct output out; /* replies that the socket did not take yet */
	bool input_ended;  /* the peer closed its sending side, and all was read */
	bool broken;       /* nothing can be sent any more */
	bool out_blocked;  /* the socket took less than offered; an edge will come */
};

/* Takes over a non-blocking socket. */
void conn_init(struct conn *c, int fd, uint32_t watch_kind, const struct transport *transport);

/* Closes the socket and frees the buffers. */
void conn_fini(struct conn *c);

/* Ends both directions at once: the owner gets an event. Any thread, before conn_fini. */
void conn_cut(struct conn *c);

/* Offers `more` behind what is in `out`; what the socket does not take is moved to
 * `out`, which then holds up to max bytes. Returns 0, DHT_EFULL or DHT_ENOMEM when
 * the rest cannot be kept (the connection is of no use any more), DHT_ECLOSED. */
int conn_write(struct conn *c, struct output *more, size_t max) DHT_MUST_CHECK;

/* Offers what is in `out` to the socket. Returns 0 also when part of it stays. */
int conn_flush(struct conn *c) DHT_MUST_CHECK;

/* Gives back the memory of buffers that are empty: for a connection that is silent. */
void conn_rest(struct conn *c);

#endif
