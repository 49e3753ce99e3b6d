/* SPDX-License-Identifier: Apache-2.0 */
#include "server/founding.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "ring/code.h"
#include "store/store.h"
#include "worker/committer.h"

/* ---- This node ----------------------------------------------------------------------- */

/* True for an address to listen on that is none to connect to. */
static bool is_any(const char *host)
{
	static const struct in6_addr any6 = IN6ADDR_ANY_INIT;
	struct in_addr v4;
	struct in6_addr v6;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return memcmp(&v6, &any6, sizeof(v6)) == 0;
	return inet_aton(host, &v4) != 0 && v4.s_addr == INADDR_ANY;
}

/* The addresses to give out. */
static size_t choose_addresses(const struct conf_addr_list *advertise,
			       const struct conf_addr_list *listen, struct ring_address *out)
{
	const struct conf_addr_list *list = advertise->count > 0 ? advertise : listen;
	size_t count = 0;
	for (size_t i = 0; i < list->count; i++) {
		if (!is_any(list->items[i].host))
			out[count++] =
			    (struct ring_address){list->items[i].host, list->items[i].port};
	}
	return count;
}

void founding_describe(const struct conf *conf, const char id[IDENTITY_ID_SIZE],
		       struct founding_self *self)
{
	struct ring_member *member = &self->member;
	*member = (struct ring_member){
	    .name = conf->node_name,
	    .zone = conf->node_zone,
	    .weight = (uint32_t)conf->node_weight,
	    .state = RING_UP,
	    .clients = self->clients,
	    .peers = self->peers,
	};
	_Static_assert(sizeof(member->id) == IDENTITY_ID_SIZE, "one form of ids");
	memcpy(member->id, id, sizeof(member->id));
	member->client_count =
	    choose_addresses(&conf->advertise_client, &conf->listen_client, self->clients);
	member->peer_count =
	    choose_addresses(&conf->advertise_peer, &conf->listen_peer, self->peers);
}

uint16_t founding_number(const struct ring_map *map, const char id[RING_ID_SIZE])
{
	for (size_t i = 0; i < map->member_count; i++) {
		if (memcmp(map->members[i].id, id, RING_ID_SIZE) == 0)
			return map->members[i].number;
	}
	return RING_MEMBERS_MAX;
}

/* ---- The map ------------------------------------------------------------------------- */

static int append(struct store *store, const struct ring_map *map)
{
	struct buffer code = BUFFER_EMPTY;
	uint64_t end;
	int rc = ring_map_encode(map, NULL, &code);
	if (rc == 0)
		rc = store_put_note(store, COMMITTER_APPENDER, RECORD_MAP, 0, map->epoch,
				    bytes_of(buffer_head(&code), code.len), &end);
	buffer_reset(&code);
	return rc;
}

static int found(struct store *store, const struct conf *conf, const struct identity *identity,
		 struct ring_map **out)
{
	struct founding_self self;
	struct ring_map *map;
	founding_describe(conf, identity->id, &self);
	int rc = ring_map_create_alone(store_blocks(store), &self.member, &map);
	if (rc != 0)
		return rc;
	map->epoch = FOUNDING_EPOCH;
	map->hash_seed = identity->hash_seed;
	map->replicas = (uint16_t)conf->cluster_replicas;
	ssize_t n = getrandom(map->lineage, sizeof(map->lineage), 0);
	DHT_ASSERT(n == (ssize_t)sizeof(map->lineage));
	rc = append(store, map);
	if (rc != 0)
		ring_map_destroy(map);
	else
		*out = map;
	return rc;
}

static int check(const struct ring_map *map, struct store *store, const struct identity *identity,
		 char why[FOUNDING_WHY_MAX])
{
	if (map->blocks != store_blocks(store))
		snprintf(why, FOUNDING_WHY_MAX,
			 "this node's cluster has %" PRIu32
			 " blocks: set cluster.blocks to that number",
			 map->blocks);
	else if (map->hash_seed != identity->hash_seed)
		snprintf(why, FOUNDING_WHY_MAX,
			 "the file " IDENTITY_NAME " of node.data_dir is not that of this node's "
			 "cluster: restore the directory");
	else
		return 0;
	return DHT_EINVAL;
}

/* The map that the store holds, NULL if there is none. */
static int read_map(const struct store *store, struct ring_map **out, char why[FOUNDING_WHY_MAX])
{
	struct bytes note;
	*out = NULL;
	if (!store_note(store, RECORD_MAP, 0, &note))
		return 0;
	int rc = ring_map_decode(note, NULL, out);
	if (rc == 0)
		return 0;
	snprintf(why, FOUNDING_WHY_MAX, "the cluster's map in the store: %s", dht_error_text(rc));
	return rc == DHT_EPROTO ? DHT_ECORRUPT : rc;
}

/* A join did not get further than the seed, as far as the store knows. */
static bool is_left_behind(const struct ring_map *map, const struct identity *identity)
{
	return map->member_count == 1 && map->hash_seed != identity->hash_seed &&
	       founding_number(map, identity->id) != RING_MEMBERS_MAX;
}

int founding_check_memory(const struct store *store, const struct identity *identity,
			  char why[FOUNDING_WHY_MAX])
{
	struct ring_map *map;
	if (!identity->may_have_forgotten)
		return 0;
	int rc = read_map(store, &map, why);
	if (rc != 0)
		return rc;
	/* Of a node that has joined, the map may be what was forgotten; its seed is synced. */
	uint16_t self = map == NULL ? RING_MEMBERS_MAX : founding_number(map, identity->id);
	bool is_member = map != NULL && map->member_count > 1 && self != RING_MEMBERS_MAX;
	bool was_member = map == NULL ? identity->starts > 0 : is_left_behind(map, identity);
	if (is_member || was_member) {
		snprintf(
		    why, FOUNDING_WHY_MAX,
		    "the machine stopped while store.fsync was %s, so that this member may have "
		    "forgotten what it promised to the others: empty node.data_dir, start, and run "
		    "dhtctl replace %s; or accept that writes are lost with --accept-loss",
		    conf_fsync_name(identity->last_fsync),
		    is_member ? ring_map_member(map, self)->name : "NAME");
		rc = DHT_EUNSAFE;
	}
	ring_map_destroy(map);
	return rc;
}

int founding_load(struct store *store, const struct conf *conf, const struct identity *identity,
		  struct ring_map **out, bool *founded, char why[FOUNDING_WHY_MAX])
{
	struct ring_map *map;
	*founded = false;
	int rc = read_map(store, &map, why);
	if (rc != 0)
		return rc;
	if (map == NULL || is_left_behind(map, identity)) {
		ring_map_destroy(map);
		*founded = true;
		return found(store, conf, identity, out);
	}
	rc = check(map, store, identity, why);
	if (rc != 0)
		ring_map_destroy(map);
	else
		*out = map;
	return rc;
}
