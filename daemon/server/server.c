/* SPDX-License-Identifier: Apache-2.0 */
#include "server/server.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "io/clock.h"
#include "io/resolver.h"
#include "node/adopt.h"
#include "resp/serve.h"
#include "server/founding.h"
#include "server/notify.h"
#include "server/sigbus.h"
#include "server/watch.h"
#include "store/os_posix.h"
#include "worker/links.h"

enum {
	DESCRIPTORS_RESERVED = 128, /* of these, at most a quarter of all */
	DESCRIPTORS_SPARE = 512,    /* beyond the clients': listeners, epoll, files */
};
#define TICK_NS  NS_PER_S
#define STALL_NS (2 * NS_PER_S) /* a probe that waited longer is worth a warning */
/* Of the five seconds that a stop may take, from the signal on. A worker that hangs must not
 * cost the others all of their time. */
#define PARKING_NS        (2 * NS_PER_S)
#define DRAIN_NS          (4 * NS_PER_S)
#define STOP_NS           (4900 * NS_PER_MS)
#define BUSY_GAP_PERMILLE 300 /* a worker that much busier than another sheds */

/* ---- The dispatcher's events ----------------------------------------------------- */

static bool on_signal(void *ctx, int number)
{
	struct server *server = ctx;
	if (number == SIGHUP) {
		server_reload(server);
		return true;
	}
	LOG_INFO("server", "msg=\"stopping\" signal=%s", number == SIGTERM ? "SIGTERM" : "SIGINT");
	return false;
}

/* Computes the workers' busy shares and lets those that are much busier than the
 * least busy one shed a connection. */
static void balance(struct server *server, uint64_t now_ns)
{
	uint64_t elapsed = now_ns - server->sampled_ns;
	if (elapsed < TICK_NS / 2)
		return;
	server->sampled_ns = now_ns;
	uint32_t least = 1000;
	for (unsigned i = 0; i < server->worker_count; i++) {
		struct worker *w = &server->workers[i];
		uint64_t busy = worker_busy_ns(w, now_ns);
		uint64_t permille = (busy - server->busy_before[i]) * 1000 / elapsed;
		if (busy < server->busy_before[i])
			permille = 0;
		server->busy_before[i] = busy;
		uint32_t share = permille > 1000 ? 1000 : (uint32_t)permille;
		atomic_store_explicit(&w->busy_permille, share, memory_order_relaxed);
		least = share < least ? share : least;
	}
	for (unsigned i = 0; i < server->worker_count; i++) {
		struct worker *w = &server->workers[i];
		uint32_t share = atomic_load_explicit(&w->busy_permille, memory_order_relaxed);
		if (share > least + BUSY_GAP_PERMILLE)
			atomic_store_explicit(&w->shed, true, memory_order_relaxed);
	}
}

/* Probes every worker; tells systemd that the daemon lives only while all answer. */
static void probe(struct server *server, uint64_t now_ns)
{
	uint64_t longest = 0;
	unsigned which = 0;
	for (unsigned i = 0; i < server->worker_count; i++) {
		uint64_t waiting = worker_probe(&server->workers[i], now_ns);
		if (waiting > longest) {
			longest = waiting;
			which = i;
		}
	}
	if (longest == 0)
		published_probed(&server->published);
	bool was_stalled = atomic_load_explicit(&server->stalled_ns, memory_order_relaxed) > 0;
	bool is_stalled = longest >= STALL_NS;
	atomic_store_explicit(&server->stalled_worker, which, memory_order_relaxed);
	atomic_store_explicit(&server->stalled_ns, is_stalled ? longest : 0, memory_order_relaxed);
	if (is_stalled && !was_stalled)
		LOG_ERROR("server", "msg=\"a worker does not run its jobs\" worker=%u", which);
	if (was_stalled && !is_stalled)
		LOG_INFO("server", "msg=\"all workers run their jobs again\"");
	if (server->watchdog_ns > 0 && longest < server->watchdog_ns / 2)
		notify_alive();
}

/* Samples what compaction does. */
static void watch_store(struct server *server, uint64_t elapsed_ns)
{
	struct store_counts counts;
	store_count(server->store, &counts);
	uint64_t copied = counts.compact_copied_bytes - server->compact_before;
	server->compact_before = counts.compact_copied_bytes;
	if (elapsed_ns > 0)
		atomic_store_explicit(&server->compact_rate, copied * NS_PER_S / elapsed_ns,
				      memory_order_relaxed);
}

static void on_tick(void *ctx, uint64_t now_ns)
{
	struct server *server = ctx;
	if (atomic_load(&server->phase) == SERVER_RECOVERING)
		server_open_tell(server);
	if (atomic_load(&server->phase) == SERVER_JOINING)
		notify_starting(SERVER_JOINING_TEXT);
	if (server->is_built)
		watch_store(server, now_ns - server->sampled_ns);
	if (atomic_load(&server->phase) == SERVER_SERVING)
		resp_port_sample(&server->port, now_ns);
	balance(server, now_ns);
	probe(server, now_ns);
}

/* ---- Start ----------------------------------------------------------------------- */

/* As many descriptors as the clients may need, if the system lets us; some of them stay
 * reserved for the store. */
static void raise_descriptors(struct server *server)
{
	struct rlimit limit;
	uint64_t clients_max = server->conf.clients_max;
	rlim_t wanted = clients_max + DESCRIPTORS_SPARE;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	if (limit.rlim_cur < wanted) {
		limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
			LOG_WARN("server",
				 "msg=\"the limit of file descriptors is below clients.max: raise "
				 "LimitNOFILE (ulimit -n) or lower clients.max\" limit=%llu "
				 "clients_max=%llu",
				 (unsigned long long)limit.rlim_cur,
				 (unsigned long long)clients_max);
	}
	rlim_t reserved =
	    limit.rlim_cur / 4 < DESCRIPTORS_RESERVED ? limit.rlim_cur / 4 : DESCRIPTORS_RESERVED;
	rlim_t max = limit.rlim_cur - reserved;
	server->dispatcher.acceptor.descriptors_max = max < INT_MAX ? (int)max : INT_MAX;
}

static unsigned count_workers(const struct conf *conf)
{
	if (conf->workers_count > 0)
		return (unsigned)conf->workers_count;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	long workers = cores > 2 ? cores - 1 : 1;
	return workers < WORKER_MAX ? (unsigned)workers : WORKER_MAX;
}

static int make_workers(struct server *server)
{
	unsigned n = count_workers(&server->conf);
	server->workers = aligned_alloc(_Alignof(struct worker), n * sizeof(*server->workers));
	server->busy_before = calloc(n, sizeof(*server->busy_before));
	if (server->workers == NULL || server->busy_before == NULL)
		return DHT_ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		struct worker *w = &server->workers[i];
		int rc =
		    worker_init(w, i, (uint32_t)server->conf.workers_queue_max, &server->shared);
		if (rc != 0)
			return rc;
		server->worker_count = i + 1;
		w->resp = resp_scratch_create(&server->port);
		if (w->resp == NULL)
			return DHT_ENOMEM;
	}
	return 0;
}

static int start_workers(struct server *server)
{
	for (unsigned i = 0; i < server->worker_count; i++) {
		int rc = worker_start(&server->workers[i]);
		if (rc != 0)
			return rc;
		server->workers_running = i + 1;
	}
	return 0;
}

/* The node, with the map that it begins with. What was founded becomes durable with the first
 * commit. */
static int make_node(struct server *server, char why[FOUNDING_WHY_MAX])
{
	const struct identity *identity = &server->identity;
	bool founded;
	int rc = founding_load(server->store, &server->conf, identity, &server->map, &founded, why);
	if (rc != 0)
		return rc;
	uint16_t self = founding_number(server->map, identity->id);
	uint64_t ceiling = identity_ceiling(identity, server->recovered.ceiling,
					    server->recovered.highest_counter);
	rc = node_init(&server->node, server->store, self, identity->hash_seed, ceiling,
		       (uint32_t)identity->starts);
	if (rc != 0)
		return rc;
	node_restore(&server->node, server->map, ceiling);
	if (founded)
		LOG_INFO("server", "msg=\"founded a cluster\" cluster=%s blocks=%u replicas=%u",
			 server->conf.cluster_name, server->map->blocks, server->map->replicas);
	published_init(&server->published, &server->shared);
	return published_set(&server->published, server->map, self);
}

/* A member has opened a link for data. It is handed over like any session that is readable; what
 * has come already is, even if nothing more comes: the socket is writable. */
static int accept_data(void *ctx, int fd, uint16_t member, struct bytes arrived)
{
	struct server *server = ctx;
	struct session *s = links_accept(&server->sessions, fd, WATCH_DATA, member);
	if (s == NULL)
		return DHT_ENOMEM;
	int rc = buffer_append(&s->conn.in, arrived.data, arrived.len, s->protocol->in_max);
	if (rc == 0) {
		s->paused = arrived.len > 0;
		atomic_fetch_add_explicit(&server->sessions.parked, 1, memory_order_relaxed);
		rc = poller_add(&server->dispatcher.poller, &s->conn.watch,
				EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLONESHOT);
		if (rc == 0)
			return 0;
		atomic_fetch_sub_explicit(&server->sessions.parked, 1, memory_order_relaxed);
	}
	/* The descriptor stays the caller's. */
	s->conn.watch.fd = -1;
	session_destroy(s);
	return rc;
}

static int make_control(struct server *server, char why[CONTROL_WHY_MAX])
{
	struct control_given given = {
	    .conf = &server->conf,
	    .identity = &server->identity,
	    .os = store_os_posix_view(server->disk),
	    .exec = &server->exec,
	    .committer = &server->committer,
	    .shared = &server->shared,
	    .workers = server->workers,
	    .worker_count = server->worker_count,
	    .published = &server->published,
	    .poller = &server->dispatcher.poller,
	    .wake = &server->dispatcher.wake,
	    .descriptors_max = server->dispatcher.acceptor.descriptors_max,
	    .resolver = server->resolver,
	    .accept_data = accept_data,
	    .ctx = server,
	};
	return control_init(&server->control, &given, server->map, why);
}

/* The parts that need the store. Returns 0 or logs the cause. */
static int build(struct server *server)
{
	char why[FOUNDING_WHY_MAX] = "";
	_Static_assert((int)CONTROL_WHY_MAX <= (int)FOUNDING_WHY_MAX, "room for either");
	const struct conf *conf = &server->conf;
	server->exec.node = &server->node;
	server->exec.store = server->store;
	server->exec.value_max = conf->store_max_value_size_bytes;
	groups_init(&server->exec.groups);
	server_commit_init(server);
	housekeeper_init(&server->housekeeper, &server->committer, &server->background);
	readers_init(&server->readers, server->store);
	server->is_built = true;
	server->shared.readers = &server->readers;
	server->shared.background = &server->background;
	server->shared.committer = &server->committer;
	server->opening = (struct peers_opening){
	    .ctx = &server->control,
	    .state_size = sizeof(struct handshake),
	    .begin = control_data_begin,
	    .take_frame = control_data_take,
	};
	peers_init(&server->peers, &server->opening);
	server->peers.resolver = server->resolver;
	server->peers.suspect_after_us = conf->peers_suspect_after_ms * 1000;
	server->shared.peers = &server->peers;
	int rc = make_node(server, why);
	if (rc == 0)
		rc = server_commit_first(server);
	if (rc == 0)
		rc = make_workers(server);
	if (rc == 0)
		rc = server_port_tell(server);
	if (rc == 0)
		rc = make_control(server, why);
	background_init(&server->background, &server->exec, &server->committer, server->workers,
			server->worker_count);
	if (rc == 0)
		rc = committer_start(&server->committer, server->workers, server->worker_count);
	if (rc == 0)
		rc = readers_start(&server->readers);
	if (rc == 0)
		rc = housekeeper_start(&server->housekeeper);
	if (rc == 0)
		rc = start_workers(server);
	if (rc != 0)
		LOG_ERROR("server", "msg=\"cannot start\" error=\"%s\"",
			  why[0] != '\0' ? why : dht_error_text(rc));
	return rc;
}

static void wire_dispatcher(struct server *server)
{
	struct dispatcher *d = &server->dispatcher;
	struct admin_view view;
	server_view_init(server, &view);
	admin_init(&server->admin, &view, server->conf.store_max_value_size_bytes);
	d->acceptor.sessions = &server->sessions;
	d->acceptor.client_protocol = &server->port.protocol;
	d->acceptor.admin_protocol = &server->admin.protocol;
	d->admin = &server->admin;
	d->shared = &server->shared;
}

/* Takes the data directory, opens the admin socket, and lets a thread of its own open the
 * store meanwhile: `dhtctl status` answers from here on. Returns 0 or logs the cause. */
static int start(struct server *server)
{
	char why[DATADIR_WHY_MAX] = "";
	_Static_assert((int)CONTROL_WHY_MAX <= (int)DATADIR_WHY_MAX, "room for either");
	const char *hint = "";
	int rc = control_prepare(&server->control, &server->conf, why);
	if (rc == 0)
		rc = datadir_open(&server->datadir, server->conf.node_data_dir, why);
	if (rc == 0) {
		wire_dispatcher(server);
		rc = acceptor_listen_admin(&server->dispatcher.acceptor, server->conf.listen_admin,
					   why);
		if (rc != 0)
			hint = "; listen.admin in the configuration, or --set listen.admin=PATH, "
			       "names another socket";
	}
	if (rc == 0)
		rc = server_open_begin(server);
	if (rc != 0)
		LOG_ERROR("server", "msg=\"cannot start\" error=\"%s%s\"",
			  why[0] != '\0' ? why : dht_error_text(rc), hint);
	return rc;
}

static void log_no_start(int rc, const char *why)
{
	LOG_ERROR("server", "msg=\"cannot start\" error=\"%s\"",
		  why[0] != '\0' ? why : dht_error_text(rc));
}

/* The end of the start: from here on the node serves. */
static int open_clients(struct server *server)
{
	char why[LISTENER_WHY_MAX] = "";
	int rc =
	    acceptor_listen_clients(&server->dispatcher.acceptor, &server->conf.listen_client, why);
	if (rc != 0) {
		log_no_start(rc, why);
		return rc;
	}
	atomic_store(&server->phase, SERVER_SERVING);
	LOG_INFO(
	    "server",
	    "msg=\"serving\" version=%s pid=%d id=%s starts=%llu workers=%u fsync=%s client=%s "
	    "admin=%s",
	    DHT_VERSION, (int)getpid(), server->identity.id,
	    (unsigned long long)server->identity.starts, server->worker_count,
	    conf_fsync_name(server->conf.store_fsync), server->conf.listen_client.items[0].text,
	    server->conf.listen_admin);
	notify_ready("serving");
	return 0;
}

/* The store is open: the rest of the start. Where the node is to join a cluster first, the
 * client port opens when it has. */
static int serve(struct server *server)
{
	char why[CONTROL_WHY_MAX] = "";
	struct dispatcher *d = &server->dispatcher;
	int rc = server_open_end(server);
	if (rc == 0)
		rc = build(server);
	if (rc != 0)
		return rc;
	d->workers = server->workers;
	d->worker_count = server->worker_count;
	rc = control_start(&server->control, why);
	if (rc != 0) {
		log_no_start(rc, why);
		return rc;
	}
	atomic_store(&server->admin.serves, true);
	atomic_store(&server->phase, SERVER_JOINING);
	return control_is_joining(&server->control) ? 0 : open_clients(server);
}

static void on_control(void *ctx, struct watch *watch, uint32_t events, uint64_t now_ns)
{
	struct server *server = ctx;
	control_event(&server->control, watch, events, now_ns);
}

/* The dispatcher has ended a round. */
static bool on_settle(void *ctx)
{
	struct server *server = ctx;
	uint32_t wanted = atomic_exchange(&server->peers.wants_map, 0);
	if (wanted != 0)
		control_want_map(&server->control, (uint16_t)(wanted - 1));
	control_doubt(&server->control);
	control_settle(&server->control);
	if (atomic_load(&server->phase) != SERVER_JOINING || control_is_joining(&server->control))
		return true;
	server->result = open_clients(server);
	return server->result == 0;
}

static bool on_wake(void *ctx)
{
	struct server *server = ctx;
	if (atomic_load(&server->phase) != SERVER_RECOVERED)
		return true;
	server->result = serve(server);
	return server->result == 0;
}

/* ---- Stop ------------------------------------------------------------------------ */

/* Lets the workers answer what has arrived. Returns false if one did not end in time:
 * then nothing that it may still touch can be freed. */
static bool stop_workers(struct server *server)
{
	uint64_t stop_ns = server->stop_ns != 0 ? server->stop_ns : clock_monotonic_ns();
	for (unsigned i = 0; i < server->workers_running; i++)
		worker_stop(&server->workers[i], stop_ns + DRAIN_NS);
	bool all = true;
	for (unsigned i = 0; i < server->workers_running; i++) {
		if (!worker_join(&server->workers[i], stop_ns + STOP_NS)) {
			LOG_ERROR("server", "msg=\"a worker does not stop\" worker=%u", i);
			all = false;
		}
	}
	return all;
}

/* Makes everything durable and says so in the identity. The workers have ended. */
static int stop_store(struct server *server)
{
	char why[IDENTITY_WHY_MAX] = "";
	if (!server->is_built)
		return 0;
	housekeeper_stop(&server->housekeeper);
	readers_stop(&server->readers);
	for (unsigned i = 0; i < server->worker_count; i++)
		worker_run_leftovers(&server->workers[i]);
	int rc = committer_stop(&server->committer);
	if (rc == 0)
		rc = identity_stop(store_os_posix_view(server->disk), &server->identity,
				   counter_value(&server->node.counter), why);
	if (rc != 0)
		LOG_ERROR("server", "msg=\"the stop is not clean\" error=\"%s\"",
			  why[0] != '\0' ? why : dht_error_text(rc));
	return rc;
}

static void tear_down(struct server *server)
{
	LIST_FOREACH_SAFE(link, next, &server->dispatcher.kept_back)
	list_remove(link);
	LIST_FOREACH_SAFE(link, next, &server->sessions.all)
	session_destroy(LIST_ENTRY(link, struct session, link));
	dispatcher_fini(&server->dispatcher);
	/* It lets go of tasks that workers have made. */
	node_fini(&server->node);
	for (unsigned i = 0; i < server->worker_count; i++) {
		resp_scratch_destroy(server->workers[i].resp);
		worker_fini(&server->workers[i]);
	}
	free(server->workers);
	free(server->busy_before);
	resp_port_fini(&server->port);
	control_fini(&server->control);
	resolver_destroy(server->resolver);
	published_fini(&server->published);
	ring_map_destroy(server->map);
	if (server->is_built) {
		housekeeper_fini(&server->housekeeper);
		readers_fini(&server->readers);
		background_fini(&server->background);
		committer_fini(&server->committer);
		groups_fini(&server->exec.groups);
	}
	sigbus_watch(NULL);
	store_close(server->store);
	store_os_posix_close(server->disk);
	sessions_fini(&server->sessions);
	datadir_close(&server->datadir);
	pthread_mutex_destroy(&server->conf_lock);
	conf_fini(&server->conf);
}

/* Ends a start that a signal interrupts. What the opener has done so far changes nothing of
 * what the log holds, so it need not be waited for; it may be about to wake the
 * dispatcher, whose descriptors stay open for that. */
static _Noreturn void abandon_start(struct server *server)
{
	LOG_INFO("server", "msg=\"stopped while starting\"");
	acceptor_fini(&server->dispatcher.acceptor);
	_exit(0);
}

/* Also true if the opener has ended, and nobody was told yet. */
static bool is_starting(const struct server *server)
{
	unsigned phase = atomic_load(&server->phase);
	return phase == SERVER_RECOVERING || (phase == SERVER_RECOVERED && server->result == 0);
}

static void run(struct server *server)
{
	dispatcher_run(&server->dispatcher);
	notify_stopping();
	if (is_starting(server))
		abandon_start(server);
	atomic_store(&server->phase, SERVER_STOPPING);
	server->stop_ns = clock_monotonic_ns();
	control_stop(&server->control);
	if (server->workers_running > 0)
		dispatcher_drain(&server->dispatcher, server->stop_ns + PARKING_NS);
}

int server_run(struct conf *conf, const struct server_source *source)
{
	struct server *server = calloc(1, sizeof(*server));
	if (server == NULL) {
		conf_fini(conf);
		return 1;
	}
	server->conf = *conf;
	server->source = *source;
	server->datadir.lock_fd = -1;
	server->started_ns = clock_monotonic_ns();
	server->sampled_ns = server->started_ns;
	server->watchdog_ns = notify_watchdog_ns();
	pthread_mutex_init(&server->conf_lock, NULL);
	sessions_init(&server->sessions);
	/* Index tables above this size get a mapping of their own, which grows in place
	 * and leaves no holes. */
	mallopt(M_MMAP_THRESHOLD, 64 * 1024);

	dispatcher_block_signals();
	sigbus_install();
	uint64_t tick_ns = TICK_NS;
	if (server->watchdog_ns > 0 && server->watchdog_ns / 4 < tick_ns)
		tick_ns = server->watchdog_ns / 4;
	struct dispatcher_events events = {
	    .ctx = server,
	    .signal = on_signal,
	    .wake = on_wake,
	    .tick = on_tick,
	    .control = on_control,
	    .settle = on_settle,
	};
	int rc = dispatcher_init(&server->dispatcher, tick_ns, &events);
	server->shared = (struct worker_shared){
	    .dispatcher_poller = &server->dispatcher.poller,
	    .dispatcher_wake = &server->dispatcher.wake,
	    .sessions = &server->sessions,
	    .exec = &server->exec,
	};
	if (rc == 0)
		rc = resolver_create(&server->resolver);
	resp_port_init(&server->port);
	server_apply_settings(server);
	raise_descriptors(server);
	if (rc == 0)
		rc = start(server);
	if (rc == 0) {
		run(server);
		rc = server->result;
	}
	if (!stop_workers(server))
		_exit(1);
	int stopped = stop_store(server);
	if (rc == 0)
		rc = stopped;
	LOG_INFO("server", "msg=\"stopped\"");
	tear_down(server);
	free(server);
	return rc == 0 ? 0 : 1;
}
