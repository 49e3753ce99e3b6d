/* SPDX-License-Identifier: Apache-2.0
 *
 * server/acceptor - accepts connections, and refuses those that there is no room for.
 *
 * Why     What cannot be accepted stays in the backlog, and the listening socket stays
 *         readable: the poller would report it without end. So a client is accepted and
 *         told why it is refused wherever that is possible - a reserve descriptor is
 *         given up for it - and where it is not, all listeners rest until the next tick.
 *         What may come often is logged by episodes (server/episode).
 * Owns    The listeners, the reserve descriptor. An accepted session is parked at the
 *         dispatcher's poller.
 * Thread  The dispatcher; the counters and clients_max: any.
 * Errors  Set-up: DHT_E* with a sentence in why. While it runs: logged, counted, and
 *         answered to the client.
 */
#ifndef DHT_SERVER_ACCEPTOR_H
#define DHT_SERVER_ACCEPTOR_H

#include <stdatomic.h>

#include "conf/conf.h"
#include "io/listener.h"
#include "server/episode.h"
#include "worker/session.h"

/* Why a connection is refused, or has to wait. */
enum trouble {
	TROUBLE_CROWDED,     /* there are clients.max of them */
	TROUBLE_DESCRIPTORS, /* the process or the system is out of them */
	TROUBLE_MEMORY,      /* the kernel's or our own */
	TROUBLE_WATCHES,     /* the user's epoll registrations are used up */
	TROUBLE_COUNT,
};

/* Written by the dispatcher, read by anybody. */
struct acceptor_stats {
	_Atomic uint64_t accepted;
	_Atomic uint64_t clients; /* of these: on the client port */
	_Atomic uint64_t refused; /* for whatever trouble */
};

struct acceptor {
	struct poller *poller;
	struct sessions *sessions;
	const struct protocol *client_protocol;
	const struct protocol *admin_protocol;
	struct listener clients[CONF_LIST_MAX];
	size_t client_count;
	struct listener admin;
	int reserve_fd; /* -1: given up, and no descriptor was free since */
	bool is_resting;
	struct episode episodes[TROUBLE_COUNT];
	uint64_t lost_seen;  /* of sessions->lost: those that were told of */
	int descriptors_max; /* clients' descriptors are below; the store needs the rest */
	_Atomic uint64_t clients_max;
	struct acceptor_stats stats;
};

/* Nothing listens yet. The caller sets sessions and the protocols before it does. */
void acceptor_init(struct acceptor *a, struct poller *poller);

/* Closes the ports, without a look at who waits there. */
void acceptor_fini(struct acceptor *a);

/* Opens the admin socket, and the client port. */
int acceptor_listen_admin(struct acceptor *a, const char *path,
			  char why[LISTENER_WHY_MAX]) DHT_MUST_CHECK;
int acceptor_listen_clients(struct acceptor *a, const struct conf_addr_list *addresses,
			    char why[LISTENER_WHY_MAX]) DHT_MUST_CHECK;

/* A listener is readable: accepts some of who waits there and parks them. */
void acceptor_take(struct acceptor *a, struct listener *l, uint64_t now_ns);

/* Once a period: lets resting listeners try again, reports episodes that are over. */
void acceptor_tick(struct acceptor *a, uint64_t now_ns);

/* Accepts who has connected by now, then closes the ports. */
void acceptor_close_ports(struct acceptor *a, uint64_t now_ns);

#endif
