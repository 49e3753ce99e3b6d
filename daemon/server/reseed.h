/* SPDX-License-Identifier: Apache-2.0
 *
 * server/reseed - writes the seed of a cluster that the node joins into the identity, aside.
 *
 * Why     It ends with a sync, and the dispatcher, which has links to serve and status to
 *         answer, waits for no disk.
 * Owns    A thread while it writes, with a copy of the identity.
 * Thread  All functions: the dispatcher, or under its lock.
 * Errors  As identity_set_seed, with its sentence in why; and DHT_E* if no thread is to be had.
 */
#ifndef DHT_SERVER_RESEED_H
#define DHT_SERVER_RESEED_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/identity.h"

struct wake;

struct reseed {
	pthread_t thread;
	bool is_running;
	_Atomic bool is_over; /* the thread's last word: all below is the owner's again */
	const struct store_os *os;
	struct wake *wake; /* of who waits */
	struct identity identity;
	uint64_t seed;
	int rc;
	char why[IDENTITY_WHY_MAX];
};

/* Goes on until the identity has this seed, durably: 0 then, and DHT_EAGAIN while it is being
 * written, whose end `wake` tells. After an error the next call tries again. */
int reseed_go_on(struct reseed *r, const struct store_os *os, struct identity *identity,
		 uint64_t seed, struct wake *wake, char why[IDENTITY_WHY_MAX]) DHT_MUST_CHECK;

/* Waits for a write that is under way, and forgets it. */
void reseed_stop(struct reseed *r);

#endif
