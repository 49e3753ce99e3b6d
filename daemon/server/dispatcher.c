/* SPDX-License-Identifier: Apache-2.0 */
#include "server/dispatcher.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "io/clock.h"

enum watch_kind {
	WATCH_WAKE,
	WATCH_SIGNAL,
	WATCH_TIMER,
	WATCH_CLIENT_LISTENER,
	WATCH_ADMIN_LISTENER,
	WATCH_CLIENT, /* parked sessions */
	WATCH_ADMIN,
};

enum {
	EVENTS_MAX = 256,
	ACCEPT_MAX = 64, /* connections accepted from one listener in a row */
	ADMIN_SOCKET_MODE = 0660,
};

static const char refusal_full[] = "-ERR max number of clients reached\r\n";
static const char refusal_starved[] = "-ERR the server is out of file descriptors\r\n";

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

/* ---- Handing over ---------------------------------------------------------------- */

/* Least waiting jobs; among equals least busy, in tenths; then fewest connections. */
static uint64_t load_of(const struct worker *w)
{
	uint64_t depth = queue_depth(&w->queue);
	uint64_t busy = atomic_load_explicit(&w->busy_permille, memory_order_relaxed) / 100;
	uint64_t hot = atomic_load_explicit(&w->stats.hot, memory_order_relaxed);
	return depth << 32 | busy << 24 | (hot < 0xffffff ? hot : 0xffffff);
}

/* Offers the session to the workers, the least loaded first. False: all are full. */
static bool offer(struct dispatcher *d, struct session *s, uint64_t now_ns)
{
	unsigned best = d->turn++ % d->worker_count;
	uint64_t least = load_of(&d->workers[best]);
	for (unsigned i = 1; i < d->worker_count; i++) {
		unsigned candidate = (best + i) % d->worker_count;
		uint64_t load = load_of(&d->workers[candidate]);
		if (load < least) {
			least = load;
			best = candidate;
			i = 0;
		}
	}
	for (unsigned i = 0; i < d->worker_count; i++) {
		struct worker *w = &d->workers[(best + i) % d->worker_count];
		if (worker_hand_over(w, s, now_ns) == 0) {
			count(&d->stats.dispatched, 1);
			return true;
		}
	}
	return false;
}

/* Hands over those that were kept back, in their order, until the queues are full
 * again. */
static void offer_kept_back(struct dispatcher *d)
{
	uint64_t now_ns = clock_monotonic_ns();
	struct list *link;
	while ((link = list_first(&d->kept_back)) != NULL) {
		struct session *s = LIST_ENTRY(link, struct session, ready_link);
		list_remove(link);
		if (!offer(d, s, now_ns)) {
			list_push_tail(d->kept_back.next, &s->ready_link);
			return;
		}
		count(&d->stats.waiting, (uint64_t)-1);
	}
}

/* Keeps the order of arrival: while somebody is kept back, everybody queues behind.
 * A session is parked or kept back or with a worker, so the list is bounded by the
 * number of sessions. */
static void hand_over(struct dispatcher *d, struct session *s, uint64_t now_ns)
{
	if (list_is_empty(&d->kept_back) && offer(d, s, now_ns))
		return;
	list_push_tail(&d->kept_back, &s->ready_link);
	count(&d->stats.waiting, 1);
	atomic_store(&d->shared->dispatcher_waits, true);
	/* A worker may have emptied its queue before it could see the flag. */
	offer_kept_back(d);
}

/* ---- Parked sessions ------------------------------------------------------------- */

static void park_again(struct dispatcher *d, struct session *s)
{
	atomic_fetch_add_explicit(&d->sessions->parked, 1, memory_order_relaxed);
	if (poller_rearm_parked(&d->poller, &s->conn.watch) != 0) {
		atomic_fetch_sub_explicit(&d->sessions->parked, 1, memory_order_relaxed);
		session_destroy(s);
	}
}

/* Reads a small piece itself: status, queues and log-level need no worker. */
static void admin_event(struct dispatcher *d, struct session *s, uint64_t now_ns)
{
	struct conn *c = &s->conn;
	ssize_t n = DHT_ENOMEM;
	if (buffer_reserve(&c->in, ADMIN_COUNTERS_FRAME_MAX, s->protocol->in_max) == 0)
		n = c->transport->read(c, buffer_tail(&c->in), ADMIN_COUNTERS_FRAME_MAX);
	if (n > 0)
		c->in.len += (size_t)n;
	if (n == 0)
		c->input_ended = true;
	if (n < 0 && n != DHT_EAGAIN) {
		session_destroy(s);
		return;
	}
	enum admin_verdict verdict = admin_serve_counters(d->admin, s);
	if (verdict == ADMIN_WAITS && c->input_ended && c->in.len > 0) {
		s->protocol->cut(s, &c->out);
		buffer_reset(&c->in);
	}
	if (conn_flush(c) != 0 || (verdict == ADMIN_ENDS && c->out.len == 0) ||
	    (verdict == ADMIN_WAITS && c->input_ended && c->out.len == 0)) {
		session_destroy(s);
		return;
	}
	if (verdict == ADMIN_WAITS && c->out.len == 0) {
		park_again(d, s);
		return;
	}
	/* Complete requests may be in the buffer already, and unsent responses. */
	s->paused = c->in.len > 0;
	hand_over(d, s, now_ns);
}

static void parked_event(struct dispatcher *d, struct session *s, uint32_t events, uint64_t now_ns)
{
	atomic_fetch_sub_explicit(&d->sessions->parked, 1, memory_order_relaxed);
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		s->peer_closing = true;
	if (s->conn.watch.kind == WATCH_ADMIN)
		admin_event(d, s, now_ns);
	else
		hand_over(d, s, now_ns);
}

/* ---- Accepting ------------------------------------------------------------------- */

static void refuse(struct dispatcher *d, int fd, const void *answer, size_t len)
{
	count(&d->stats.refused, 1);
	/* A fresh socket takes a line; if not, closing says enough. */
	ssize_t n = send(fd, answer, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)n;
	close(fd);
}

/* Each protocol has an answer of its own. */
static void refuse_starved(struct dispatcher *d, const struct listener *l, int fd)
{
	if (l->watch.kind == WATCH_CLIENT_LISTENER) {
		refuse(d, fd, refusal_starved, sizeof(refusal_starved) - 1);
		return;
	}
	struct buffer answer = BUFFER_EMPTY;
	if (wire_admin_error(&answer, 0, DHT_EFULL, "the daemon is out of file descriptors") == 0)
		refuse(d, fd, buffer_head(&answer), answer.len);
	else
		refuse(d, fd, NULL, 0);
	buffer_reset(&answer);
}

/* Out of descriptors: gives up the reserve to tell the next client so, instead of
 * letting it wait in the backlog; the connections that are open go on. */
static bool accept_starved(struct dispatcher *d, struct listener *l)
{
	if (!d->is_starved)
		LOG_ERROR("dispatcher",
			  "msg=\"out of file descriptors, refusing connections\" open=%llu",
			  (unsigned long long)atomic_load(&d->sessions->clients));
	d->is_starved = true;
	if (d->reserve_fd >= 0)
		close(d->reserve_fd);
	int fd = listener_accept(l);
	if (fd >= 0)
		refuse_starved(d, l, fd);
	d->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

/* True when the client has to be refused because there are clients.max of them. */
static bool is_full(struct dispatcher *d)
{
	uint64_t max = atomic_load_explicit(&d->clients_max, memory_order_relaxed);
	bool full = atomic_load_explicit(&d->sessions->clients, memory_order_relaxed) >= max;
	if (full && !d->is_crowded)
		LOG_WARN("dispatcher", "msg=\"clients.max reached, refusing connections\" max=%llu",
			 (unsigned long long)max);
	d->is_crowded = full;
	return full;
}

static void accept_one(struct dispatcher *d, const struct listener *l, int fd)
{
	bool is_admin = l->watch.kind == WATCH_ADMIN_LISTENER;
	if (!is_admin && is_full(d)) {
		refuse(d, fd, refusal_full, sizeof(refusal_full) - 1);
		return;
	}
	const struct protocol *protocol = is_admin ? &d->admin->protocol : d->client_protocol;
	struct session *s =
	    session_create(d->sessions, fd, is_admin ? WATCH_ADMIN : WATCH_CLIENT, protocol);
	if (s == NULL) {
		count(&d->stats.refused, 1);
		close(fd);
		return;
	}
	count(&d->stats.accepted, 1);
	atomic_fetch_add_explicit(&d->sessions->parked, 1, memory_order_relaxed);
	if (poller_add_parked(&d->poller, &s->conn.watch) != 0) {
		atomic_fetch_sub_explicit(&d->sessions->parked, 1, memory_order_relaxed);
		session_destroy(s);
	}
}

static void accept_some(struct dispatcher *d, struct listener *l)
{
	for (int i = 0; i < ACCEPT_MAX; i++) {
		int fd = listener_accept(l);
		if (fd == DHT_EFULL) {
			if (!accept_starved(d, l))
				return;
			continue;
		}
		if (fd < 0)
			return;
		if (d->is_starved)
			LOG_INFO("dispatcher", "msg=\"file descriptors are available again\"");
		d->is_starved = false;
		accept_one(d, l, fd);
	}
}

/* ---- The loop -------------------------------------------------------------------- */

static bool take_signals(struct dispatcher *d)
{
	struct signalfd_siginfo info;
	bool go_on = true;
	while (read(d->signals.fd, &info, sizeof(info)) == sizeof(info))
		go_on = d->events.signal(d->events.ctx, (int)info.ssi_signo) && go_on;
	return go_on;
}

/* Returns false when a signal asks to end. */
static bool take_event(struct dispatcher *d, const struct epoll_event *event, uint64_t now_ns)
{
	struct watch *watch = event->data.ptr;
	switch ((enum watch_kind)watch->kind) {
	case WATCH_WAKE:
		/* That a queue has room again is looked at after every round. */
		return d->events.wake(d->events.ctx);
	case WATCH_SIGNAL:
		return take_signals(d);
	case WATCH_TIMER:
		timer_take(&d->timer);
		d->events.tick(d->events.ctx, now_ns);
		break;
	case WATCH_CLIENT_LISTENER:
	case WATCH_ADMIN_LISTENER:
		accept_some(d, DHT_CONTAINER_OF(watch, struct listener, watch));
		break;
	case WATCH_CLIENT:
	case WATCH_ADMIN:
		parked_event(d, session_of_watch(watch), event->events, now_ns);
		break;
	}
	return true;
}

static bool run_round(struct dispatcher *d, uint64_t timeout_ns)
{
	struct epoll_event events[EVENTS_MAX];
	bool go_on = true;
	int n = poller_wait(&d->poller, events, EVENTS_MAX, timeout_ns);
	uint64_t now_ns = clock_monotonic_ns();
	for (int i = 0; i < n; i++)
		go_on = take_event(d, &events[i], now_ns) && go_on;
	if (!list_is_empty(&d->kept_back)) {
		atomic_store(&d->shared->dispatcher_waits, true);
		offer_kept_back(d);
	}
	return go_on;
}

void dispatcher_run(struct dispatcher *d)
{
	while (run_round(d, UINT64_MAX))
		;
}

/* Accepts who has connected by now. */
static void accept_backlog(struct dispatcher *d, struct listener *l)
{
	for (int i = 0; i < LISTENER_BACKLOG / ACCEPT_MAX; i++)
		accept_some(d, l);
}

void dispatcher_close_ports(struct dispatcher *d)
{
	for (size_t i = 0; i < d->client_count; i++) {
		accept_backlog(d, &d->clients[i]);
		listener_close(&d->clients[i]);
	}
	d->client_count = 0;
	accept_backlog(d, &d->admin_listener);
	listener_close(&d->admin_listener);

	/* The kernel lists what is readable in the order of arrival: after as many events
	 * as there are parked sessions, all that has arrived by now was seen, even if
	 * clients go on sending. */
	uint64_t parked = atomic_load_explicit(&d->sessions->parked, memory_order_relaxed);
	for (uint64_t rounds = parked / EVENTS_MAX + 2; rounds > 0; rounds--)
		run_round(d, 0);

	uint64_t now_ns = clock_monotonic_ns();
	struct list *link;
	while ((link = list_first(&d->kept_back)) != NULL) {
		list_remove(link);
		count(&d->stats.waiting, (uint64_t)-1);
		count(&d->stats.dispatched, 1);
		worker_hand_over_last(&d->workers[d->turn++ % d->worker_count],
				      LIST_ENTRY(link, struct session, ready_link), now_ns);
	}
}

/* ---- Set-up ---------------------------------------------------------------------- */

static void fill_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

void dispatcher_block_signals(void)
{
	/* One that was inherited as ignored (nohup, a shell's background job) would never
	 * become pending. */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigset_t set;
	fill_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int dispatcher_init(struct dispatcher *d, uint64_t tick_ns, const struct dispatcher_events *events)
{
	*d = (struct dispatcher){
	    .poller = {.fd = -1},
	    .wake = {.watch = {.fd = -1}},
	    .timer = {.watch = {.fd = -1}},
	    .signals = {.fd = -1, .kind = WATCH_SIGNAL},
	    .admin_listener = {.watch = {.fd = -1}},
	    .events = *events,
	};
	list_init(&d->kept_back);
	d->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int rc = poller_open(&d->poller);
	if (rc == 0)
		rc = wake_open(&d->wake, &d->poller, WATCH_WAKE);
	if (rc == 0)
		rc = timer_open(&d->timer, &d->poller, WATCH_TIMER, tick_ns);
	if (rc == 0) {
		sigset_t set;
		fill_signals(&set);
		d->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
		rc = d->signals.fd >= 0 ? poller_add(&d->poller, &d->signals, EPOLLIN)
					: dht_error_from_errno(errno);
	}
	if (rc != 0)
		dispatcher_fini(d);
	return rc;
}

void dispatcher_fini(struct dispatcher *d)
{
	for (size_t i = 0; i < d->client_count; i++)
		listener_close(&d->clients[i]);
	listener_close(&d->admin_listener);
	if (d->signals.fd >= 0)
		close(d->signals.fd);
	d->signals.fd = -1;
	timer_close(&d->timer);
	wake_close(&d->wake);
	poller_close(&d->poller);
	if (d->reserve_fd >= 0)
		close(d->reserve_fd);
	d->reserve_fd = -1;
}

int dispatcher_listen_admin(struct dispatcher *d, const char *path, char why[LISTENER_WHY_MAX])
{
	int rc = listener_open_unix(&d->admin_listener, path, ADMIN_SOCKET_MODE,
				    WATCH_ADMIN_LISTENER, why);
	if (rc == 0)
		rc = poller_add(&d->poller, &d->admin_listener.watch, EPOLLIN);
	return rc;
}

int dispatcher_listen_clients(struct dispatcher *d, const struct conf_addr_list *addresses,
			      char why[LISTENER_WHY_MAX])
{
	for (size_t i = 0; i < addresses->count; i++) {
		const struct conf_addr *a = &addresses->items[i];
		int rc =
		    listener_open_tcp(&d->clients[i], a->host, a->port, WATCH_CLIENT_LISTENER, why);
		if (rc != 0)
			return rc;
		d->client_count = i + 1;
		rc = poller_add(&d->poller, &d->clients[i].watch, EPOLLIN);
		if (rc != 0)
			return rc;
	}
	return 0;
}
