/* SPDX-License-Identifier: Apache-2.0
 *
 * io/resolver - host names to addresses, without a wait.
 *
 * Why     A look-up may take as long as a name server is silent. It is made by a thread of its own,
 *         which runs while there is something to look up; who asks gets what is known, or asks
 *         again. What is known is looked up again from time to time, and kept if that fails.
 * Owns    At most RESOLVER_NAMES names; the one that was asked for least lately makes room.
 * Thread  any.
 * Errors  DHT_EAGAIN: it is being looked up; DHT_ENOTFOUND: it has no address, as of the latest
 *         look-up; DHT_ENOMEM.
 */
#ifndef DHT_IO_RESOLVER_H
#define DHT_IO_RESOLVER_H

#include "base/assert.h"
#include "io/endpoint.h"

enum {
	RESOLVER_NAMES = 256,
	RESOLVER_ADDRESSES_MAX = 8, /* of a name that are used */
};

struct resolver;

int resolver_create(struct resolver **out) DHT_MUST_CHECK;

/* A look-up that is under way ends later, by itself. NULL is allowed. */
void resolver_destroy(struct resolver *r);

/* Writes a numeric address of host; a numeric host is its own. Of several addresses the turn-th,
 * modulo their number. */
int resolver_look(struct resolver *r, const char *host, unsigned turn,
		  char numeric[ENDPOINT_HOST_MAX]) DHT_MUST_CHECK;

#endif
