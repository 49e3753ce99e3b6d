/* SPDX-License-Identifier: Apache-2.0
 *
 * What the client port's commands about the node are told.
 */
#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.h"
#include "io/clock.h"
#include "server/server.h"

/* ---- The map of a cluster of one ----------------------------------------------------- */

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

/* The addresses to give out, whose texts stay the configuration's. */
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

static int make_map(const struct server *server, struct ring_map **out)
{
	const struct conf *conf = &server->conf;
	struct ring_address clients[CONF_LIST_MAX], peers[CONF_LIST_MAX];
	struct ring_member self = {
	    .name = conf->node_name,
	    .zone = conf->node_zone,
	    .weight = (uint32_t)conf->node_weight,
	    .state = RING_UP,
	    .clients = clients,
	    .peers = peers,
	};
	_Static_assert(sizeof(self.id) == sizeof(server->identity.id), "one form of ids");
	memcpy(self.id, server->identity.id, sizeof(self.id));
	self.client_count =
	    choose_addresses(&conf->advertise_client, &conf->listen_client, clients);
	self.peer_count = choose_addresses(&conf->advertise_peer, &conf->listen_peer, peers);
	return ring_map_create_alone(store_blocks(server->store), &self, out);
}

/* ---- The node ------------------------------------------------------------------------ */

static void draw_run_id(char id[RESP_ID_SIZE])
{
	uint8_t random[(RESP_ID_SIZE - 1) / 2];
	ssize_t n = getrandom(random, sizeof(random), 0);
	DHT_ASSERT(n == (ssize_t)sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(id + 2 * i, 3, "%02x", random[i]);
}

/* The path of the program; empty if the system does not tell. */
static char *find_executable(void)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path));
	return strndup(path, len < 0 ? 0 : (size_t)len);
}

static char *find_config_file(const struct server *server)
{
	char *path = server->source.path == NULL ? NULL : realpath(server->source.path, NULL);
	return path != NULL ? path : strdup("");
}

static char *get_setting(void *ctx, const struct conf_item *item)
{
	struct server *server = ctx;
	pthread_mutex_lock(&server->conf_lock);
	char *value = conf_item_value(&server->conf, item);
	pthread_mutex_unlock(&server->conf_lock);
	return value;
}

static struct resp_accepted get_accepted(void *ctx)
{
	const struct server *server = ctx;
	const struct acceptor_stats *stats = &server->dispatcher.acceptor.stats;
	return (struct resp_accepted){
	    .accepted = atomic_load_explicit(&stats->clients, memory_order_relaxed),
	    .refused = atomic_load_explicit(&stats->refused, memory_order_relaxed),
	};
}

int server_port_tell(struct server *server)
{
	struct resp_node *node = &server->port.node;
	uint64_t run_s = (clock_monotonic_ns() - server->started_ns) / NS_PER_S;
	*node = (struct resp_node){
	    .version = DHT_VERSION,
	    .name = server->conf.node_name,
	    .executable = find_executable(),
	    .config_file = find_config_file(server),
	    .started_ns = server->started_ns,
	    .started_unix_s = clock_wall_ms() / 1000 - run_s,
	    .conf = &server->conf,
	    .workers = server->workers,
	    .worker_count = server->worker_count,
	    .is_advertised = server->conf.advertise_client.count > 0,
	    .ctx = server,
	    .setting = get_setting,
	    .accepted = get_accepted,
	};
	snprintf(node->id, sizeof(node->id), "%s%08d", server->identity.id, 0);
	draw_run_id(node->run_id);
	if (node->executable == NULL || node->config_file == NULL)
		return DHT_ENOMEM;
	return make_map(server, &node->map);
}
