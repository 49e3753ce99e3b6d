/* SPDX-License-Identifier: Apache-2.0
 *
 * server/view_members - what the admin commands show of the members, and ask of them.
 *
 * Thread  any: the map is the one that workers read (server/published.h), so what is shown of it
 *         is written before the call returns.
 */
#ifndef DHT_SERVER_VIEW_MEMBERS_H
#define DHT_SERVER_VIEW_MEMBERS_H

#include "server/server.h"

/* All members; before the map is known this node alone, as the configuration describes it. */
struct view_nodes {
	struct admin_node_status *items;
	size_t count;
	struct buffer *texts;      /* addresses, two for each */
	struct founding_self self; /* while there is no map */
};

/* DHT_ENOMEM: view_nodes_free is to be called then, too. */
int view_nodes_fill(const struct server *server, const struct store_counts *counts,
		    struct view_nodes *nodes) DHT_MUST_CHECK;
void view_nodes_free(struct view_nodes *nodes);

/* Sets the calls of commands about members; ctx is the server. */
void view_members_init(struct admin_view *view);

#endif
