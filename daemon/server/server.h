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
#include "resp/port.h"
#include "server/control.h"
#include "server/datadir.h"
#include "server/dispatcher.h"
#include "server/identity.h"
#include "server/published.h"
#include "worker/background.h"
#include "worker/committer.h"
#include "worker/exec.h"
#include "worker/housekeeper.h"
#include "worker/peers.h"
#include "worker/readers.h"
#include "worker/worker.h"

/* Where the configuration came from, to read it again, and what else the command line said. */
struct server_source {
	const char *path; /* NULL: no file */
	const char *const *sets;
	size_t set_count;
	const char *host_name;
	bool accepts_loss; /* --accept-loss */
};

/* What status says while the node is to join a cluster. */
#define SERVER_JOINING_TEXT "joining the cluster"

/* How far the start has come; what is built in a phase is there from the next one on. */
enum server_phase {
	SERVER_RECOVERING, /* a thread of its own opens the store */
	SERVER_RECOVERED,  /* it has ended, well or not */
	SERVER_JOINING,    /* everything runs; the client port opens when it has joined */
	SERVER_SERVING,
	SERVER_STOPPING,
};

enum { SERVER_WHY_MAX = 512 };

/* A ceiling of the counter that was appended to the log, and is not durable yet. */
struct server_ceiling {
	uint64_t ceiling; /* 0: none */
	uint64_t end;     /* behind its record */
	uint64_t value;   /* of the counter, at sampled_ns */
	uint64_t sampled_ns;
	uint64_t rate; /* draws a second, lately */
};

struct server {
	struct conf conf;
	pthread_mutex_t conf_lock; /* the reloadable settings of conf */
	struct server_source source;
	struct datadir datadir;
	struct store_os_posix *disk;
	struct identity identity;
	struct store *store; /* the opener's until SERVER_RECOVERED */
	struct store_report recovered;
	pthread_t opener;
	int open_result;
	char open_why[SERVER_WHY_MAX];
	_Atomic uint64_t open_done, open_total; /* bytes of the log that were replayed */
	struct ring_map *map;                   /* that the node begins with */
	struct node node;
	struct exec exec;
	bool is_built; /* node, committer, housekeeper and groups are initialised */
	struct committer committer;
	struct server_ceiling ceiling; /* the committer's */
	struct background background;
	struct housekeeper housekeeper;
	struct readers readers;
	struct sessions sessions;
	struct worker_shared shared;
	struct published published;
	struct control control;
	struct peers_opening opening;
	struct resolver *resolver;
	struct peers peers;
	struct worker *workers;
	unsigned worker_count;
	unsigned workers_running;
	struct dispatcher dispatcher;
	struct admin admin;
	struct resp_port port;
	uint64_t started_ns;
	uint64_t stop_ns;              /* when it was told to stop; 0 before */
	_Atomic unsigned phase;        /* enum server_phase */
	int result;                    /* what ended the service */
	uint64_t watchdog_ns;          /* systemd's bound between two signs of life; 0: none */
	uint64_t sampled_ns;           /* when the busy shares were computed last */
	_Atomic uint64_t *busy_before; /* per worker: busy time at sampled_ns */
	uint64_t compact_before;       /* bytes copied at the tick before */
	_Atomic uint64_t compact_rate; /* bytes a second, lately */
	bool is_full;                  /* so was said in the log; the committer's */
	_Atomic uint64_t stalled_ns;   /* for how long some worker has not run its probe */
	_Atomic unsigned stalled_worker;
};

/* Runs the daemon with a loaded configuration, which it takes over, until it is told
 * to stop. Returns the exit code of the process: 0 after a clean stop, 1 otherwise;
 * the cause was logged. */
int server_run(struct conf *conf, const struct server_source *source);

/* server/open.c: begins to open the store in a thread of its own, which wakes the
 * dispatcher when it has ended; then server_open_end returns how, after logging it. Returns
 * 0 or an error. */
int server_open_begin(struct server *server) DHT_MUST_CHECK;
int server_open_end(struct server *server) DHT_MUST_CHECK;

/* Tells the log and systemd how far the opening has come. */
void server_open_tell(struct server *server);

/* Writes one sentence about that. */
void server_open_describe(const struct server *server, char *out, size_t size);

/* server/commit.c: prepares the committer; then commits the counter's first ceiling, which
 * every write of this run rests on, before any thread runs. Returns 0 or an error. */
void server_commit_init(struct server *server);
int server_commit_first(struct server *server) DHT_MUST_CHECK;

/* server/port.c: tells the client port of the node, once the store is open and the workers are
 * made. DHT_ENOMEM. */
int server_port_tell(struct server *server) DHT_MUST_CHECK;

/* server/settings.c: puts the reloadable settings where they work; reads the configuration
 * again and does that, telling the log what has changed and what is wrong. */
void server_apply_settings(struct server *server);
void server_reload(struct server *server);

/* server/view.c: what the admin commands show. */
void server_view_init(struct server *server, struct admin_view *view);

#endif
