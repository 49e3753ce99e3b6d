/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/network - links between members that lose, repeat, delay and are cut one way.
 *
 * Why     The register protocol stands any of these. Forwarded operations rest on more: as
 *         long as a link lives they arrive once and in their order, and when it breaks both
 *         ends are told, after which nothing of its life arrives.
 * Owns    Messages in flight, and those that a script holds.
 * Thread  one owner.
 */
#ifndef DHT_SIM_NETWORK_H
#define DHT_SIM_NETWORK_H

#include "limits.h"
#include "parcel.h"

struct cluster;

struct link {
	uint64_t cut_us, slow_us; /* until then */
	uint64_t last_us;         /* when the latest message of its life arrives */
	uint32_t life;
};

struct network {
	struct link links[SIM_HOSTS][SIM_HOSTS]; /* from, to */
	struct list parcels;                     /* all in flight */
	struct list held; /* only in a scripted run, in the order in which they were sent */
};

void network_init(struct network *w);

/* Frees what is in flight. */
void network_fini(struct network *w);

/* All links are as they should be from now on. */
void network_heal(struct network *w);

/* Sends a message: a copy of it. */
void network_send(struct cluster *c, const struct message *m, uint16_t to);

/* The link from a to b is cut until then, which ends its life, and that of its way back. */
void network_cut(struct cluster *c, unsigned a, unsigned b, uint64_t until_us);

/* A host is gone: all its links have ended. */
void network_leave(struct cluster *c, unsigned host);

/* True for those that a link does not lose within its life. */
bool network_is_reliable(enum message_kind kind);

/* True if a parcel that arrives is of a life that has ended. */
bool network_is_stale(const struct network *w, const struct parcel *parcel);

#endif
