/* SPDX-License-Identifier: Apache-2.0
 *
 * io/dial - connections that this process opens.
 *
 * Thread  any; nothing is waited for.
 * Errors  DHT_EINVAL: the host is not a numeric address, or none that can be connected to;
 *         DHT_EFULL: out of descriptors; DHT_EUNAVAIL: refused at once; DHT_EIO.
 */
#ifndef DHT_IO_DIAL_H
#define DHT_IO_DIAL_H

#include <stdint.h>

#include "base/assert.h"

/* A connection to another node whose other end takes nothing for so long is dead, and one on which
 * nothing is said is tried now and then: a machine that is gone does not say so. */
enum { DIAL_UNACKNOWLEDGED_MS = 3000, DIAL_IDLE_S = 15, DIAL_TRY_S = 1 };

/* Prepares the socket of a connection between nodes, whoever opens it: small messages go at once,
 * and an end that is gone is noticed. What is not allowed is met later. */
void dial_prepare(int fd);

struct resolver;

/* Begins to connect to a host, a name or a numeric address: as dial_tcp, to the first of its
 * addresses, from the turn-th on, that does not fail at once. Also DHT_EAGAIN and DHT_ENOTFOUND of
 * io/resolver.h. Without a resolver the address is numeric. */
int dial_host(struct resolver *resolver, const char *host, uint16_t port,
	      unsigned turn) DHT_MUST_CHECK;

/* Begins to connect to a numeric address. Returns the non-blocking descriptor: it becomes
 * writable when the connection is there, and an error is met by the first read or write. */
int dial_tcp(const char *host, uint16_t port) DHT_MUST_CHECK;

#endif
