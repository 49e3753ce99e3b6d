/* SPDX-License-Identifier: Apache-2.0
 *
 * server/founding - the map that a node begins with, and what it says of itself.
 *
 * Why     A node goes on with the map that its store holds. A fresh one is a cluster of its
 *         own, until it joins another.
 * Owns    Nothing.
 * Thread  the main thread, before others run.
 */
#ifndef DHT_SERVER_FOUNDING_H
#define DHT_SERVER_FOUNDING_H

#include "conf/conf.h"
#include "ring/map.h"
#include "server/identity.h"

struct store;

enum {
	FOUNDING_WHY_MAX = 512,
	FOUNDING_EPOCH = 1, /* of a cluster that was founded */
};

/* What the configuration says of this node, as a member of a map. Its texts are the
 * configuration's; the number is 0. */
struct founding_self {
	struct ring_member member; /* points into the rest */
	struct ring_address clients[CONF_LIST_MAX], peers[CONF_LIST_MAX];
};
void founding_describe(const struct conf *conf, const char id[IDENTITY_ID_SIZE],
		       struct founding_self *self);

/* Makes the map that the store holds. Where it holds none, or one that was founded under another
 * seed of hashes and has no other member (a join that did not get further), a cluster of one is
 * founded and its map appended. *founded tells: it is to be durable before anybody is told of it.
 * DHT_ECORRUPT, DHT_EINVAL: the map does not fit this node; why says how. */
int founding_load(struct store *store, const struct conf *conf, const struct identity *identity,
		  struct ring_map **out, bool *founded, char why[FOUNDING_WHY_MAX]) DHT_MUST_CHECK;

/* Refuses a member of several that may have forgotten what it promised to the others: it would
 * promise it again otherwise (DESIGN.md section 5). To be asked before identity_begin, so that the
 * next start is refused as well. Returns 0 or DHT_EUNSAFE, with a sentence in why. */
int founding_check_memory(const struct store *store, const struct identity *identity,
			  char why[FOUNDING_WHY_MAX]) DHT_MUST_CHECK;

/* The number of the member of this id, RING_MEMBERS_MAX if there is none. */
uint16_t founding_number(const struct ring_map *map, const char id[RING_ID_SIZE]);

#endif
