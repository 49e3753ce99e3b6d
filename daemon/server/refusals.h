/* SPDX-License-Identifier: Apache-2.0
 *
 * server/refusals - links that were refused at the peer port, told once for each reason and host.
 *
 * Why     Who is refused tries again, ten times a second perhaps and for days; whom an operator is
 *         to look for is told once, and how often that was once it is over.
 * Owns    REFUSALS_MAX episodes. What comes beyond them is told at debug level alone: a stranger
 *         with many addresses does not fill a log.
 * Thread  one owner.
 * Errors  none.
 */
#ifndef DHT_SERVER_REFUSALS_H
#define DHT_SERVER_REFUSALS_H

#include "io/endpoint.h"
#include "server/episode.h"
#include "wire/handshake.h"

enum { REFUSALS_MAX = 16 };

struct refusals {
	struct refusals_one {
		enum handshake_code code;
		char host[ENDPOINT_MAX]; /* without a port */
		struct episode episode;
	} items[REFUSALS_MAX];
};

/* True for what a node is refused for while the cluster gets to know it, which is over by itself:
 * nobody has to act. */
bool refusals_is_passing(enum handshake_code code);

/* Tells of a link from an address, host and port, that this side has refused. */
void refusals_note(struct refusals *r, const char *address, const struct handshake_refusal *refusal,
		   uint64_t now_ns);

/* Tells what is over. */
void refusals_tick(struct refusals *r, uint64_t now_ns);

#endif
