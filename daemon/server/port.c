/* SPDX-License-Identifier: Apache-2.0
 *
 * What the client port's commands about the node are told.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.h"
#include "io/clock.h"
#include "server/server.h"

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
	return 0;
}
