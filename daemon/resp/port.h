/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/port - the client port: its protocol together with what the commands about the
 * node read of the daemon.
 *
 * Thread  set up by the server before there are workers; any afterwards.
 */
#ifndef DHT_RESP_PORT_H
#define DHT_RESP_PORT_H

#include "worker/session.h"

struct resp_port {
	struct protocol protocol; /* first: a session points to it */
};

void resp_port_init(struct resp_port *port);

static inline struct resp_port *resp_port_of(const struct session *s)
{
	return DHT_CONTAINER_OF(s->protocol, struct resp_port, protocol);
}

#endif
