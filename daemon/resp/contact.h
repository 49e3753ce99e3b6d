/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/contact - whom a client is told to talk to: the members of the map and their addresses.
 *
 * Why     CLUSTER and MOVED must name the same nodes by the same addresses: client libraries
 *         compare them. What is said follows from the published map and from which members
 *         answer, so it is as new as those.
 * Owns    Nothing; hosts point into the map, or into the contact.
 * Thread  the worker that owns the session, within one call of a handler.
 */
#ifndef DHT_RESP_CONTACT_H
#define DHT_RESP_CONTACT_H

#include "io/endpoint.h"
#include "resp/command.h"

/* What a client is told of a member. */
struct resp_contact {
	const char *host; /* never empty: clients would wait for a node that they cannot name */
	uint16_t port;
	uint16_t peer_port;
	char id[RESP_ID_SIZE];
	char local[ENDPOINT_HOST_MAX]; /* what host points to, if it is this connection's */
};

/* Finds what is told of a member of the map. */
void resp_contact_find(const struct resp_call *call, const struct ring_map *map, uint16_t member,
		       struct resp_contact *contact);

/* Whether a member answers, as far as this node knows. */
bool resp_contact_answers(const struct worker *w, uint16_t member);

/* The replicas of a list in the order in which clients are to try them: as in the map, but those
 * that do not answer last. */
struct ring_replicas resp_contact_order(const struct worker *w,
					const struct ring_replicas *replicas);

/* The member whose slots clients take the block's for: the first of that order. */
uint16_t resp_contact_owner(const struct worker *w, const struct ring_map *map, uint32_t block);

/* True if that is this node: for struct scan and tallies, which count what a client of each node
 * is to find there. ctx is not used. */
bool resp_contact_covers(const void *ctx, struct worker *w, uint32_t block);

/* True if requests for keys of others are answered with MOVED (clients.redirect). */
static inline bool resp_redirects(const struct resp_call *call)
{
	return atomic_load_explicit(&call->port->redirects, memory_order_relaxed);
}

/* True for a request whose client is to send it to another node. */
bool resp_contact_is_elsewhere(const struct resp_call *call);

/* Answers MOVED to a request whose first key this node has no replica of, if that is how it is
 * set, and the request has not begun yet. True: it has replied. */
bool resp_contact_moves(struct resp_call *call) DHT_MUST_CHECK;

#endif
