/* SPDX-License-Identifier: Apache-2.0
 *
 * server/server - builds the daemon's parts in order, runs them, tears them down.
 *
 * Owns    Everything: store, node, workers, dispatcher, the data directory's lock.
 * Thread  The main thread calls; it becomes the dispatcher.
 */
#ifndef DHT_SERVER_SERVER_H
#define DHT_SERVER_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "admin/admin.h"
#include "conf/conf.h"
#include "node/node.h"
#include "server/datadir.h"
#include "server/dispatcher.h"
#include "worker/exec.h"
#include "worker/worker.h"

/* Where the configuration came from, to read it again. */
struct server_source {
	const char *path; /* NULL: no file */
	const char *const *sets;
	size_t set_count;
	const char *host_name;
};

enum { SERVER_ID_SIZE = 33 }; /* 32 hex digits and a NUL */

struct server {
	struct conf conf;
	pthread_mutex_t conf_lock; /* the reloadable settings of conf */
	struct server_source source;
	struct datadir datadir;
	struct store *store;
	struct node node;
	struct exec exec;
	struct sessions sessions;
	struct worker_shared shared;
	struct worker *workers;
	unsigned worker_count;
	unsigned workers_running;
	struct dispatcher dispatcher;
	struct admin admin;
	char id[SERVER_ID_SIZE];
	uint64_t started_ns;
	uint64_t stop_ns; /* when it was told to stop; 0 before */
	_Atomic bool serving;
	uint64_t watchdog_ns;          /* systemd's bound between two signs of life; 0: none */
	uint64_t sampled_ns;           /* when the busy shares were computed last */
	_Atomic uint64_t *busy_before; /* per worker: busy time at sampled_ns */
	_Atomic uint64_t stalled_ns;   /* for how long some worker has not run its probe */
	_Atomic unsigned stalled_worker;
};

/* Runs the daemon with a loaded configuration, which it takes over, until it is told
 * to stop. Returns the exit code of the process: 0 after a clean stop, 1 otherwise;
 * the cause was logged. */
int server_run(struct conf *conf, const struct server_source *source);

/* server/view.c: what the admin commands show. */
void server_view_init(struct server *server, struct admin_view *view);

#endif
