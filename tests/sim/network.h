/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/network - links between members that lose, repeat, delay and are cut one way.
 *
 * Owns    Messages in flight, and those that nodes have ready until something is durable.
 * Thread  one owner.
 */
#ifndef DHT_SIM_NETWORK_H
#define DHT_SIM_NETWORK_H

#include "limits.h"
#include "message.h"

struct cluster;

enum { MESSAGES_MAX = 8192 };

struct link {
	uint64_t cut_us, slow_us; /* until then */
};

struct network {
	struct link links[SIM_NODES][SIM_NODES]; /* from, to */
	uint32_t free_count;
	uint16_t free[MESSAGES_MAX];
	uint32_t held_count; /* only in a scripted run, in the order in which they were sent */
	uint16_t held[MESSAGES_MAX];
	struct message messages[MESSAGES_MAX];
};

void network_init(struct network *w);

/* All links are as they should be from now on. */
void network_heal(struct network *w);

/* Takes a message over, unsent. Returns its index; MESSAGES_MAX: there is no room, and it is lost.
 */
uint16_t network_keep(struct network *w, const struct message *m);
void network_free(struct network *w, uint16_t index);

/* Sends a message that was kept. */
void network_send(struct cluster *c, uint16_t index);

#endif
