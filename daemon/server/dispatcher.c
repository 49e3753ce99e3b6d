/* SPDX-License-Identifier: Apache-2.0 */
#include "server/dispatcher.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "io/clock.h"
#include "server/watch.h"

enum { EVENTS_MAX = 256 };

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
	atomic_fetch_add_explicit(&d->acceptor.sessions->parked, 1, memory_order_relaxed);
	if (poller_rearm_parked(&d->poller, &s->conn.watch) != 0) {
		atomic_fetch_sub_explicit(&d->acceptor.sessions->parked, 1, memory_order_relaxed);
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
		s->protocol->cut(s, &c->out.bytes);
		buffer_reset(&c->in);
	}
	if (conn_flush(c) != 0 || (verdict == ADMIN_ENDS && output_len(&c->out) == 0) ||
	    (verdict == ADMIN_WAITS && c->input_ended && output_len(&c->out) == 0)) {
		session_destroy(s);
		return;
	}
	if (verdict == ADMIN_WAITS && output_len(&c->out) == 0 && !d->parks_no_more) {
		park_again(d, s);
		return;
	}
	/* Complete requests may be in the buffer already, and unsent responses. */
	s->paused = c->in.len > 0;
	hand_over(d, s, now_ns);
}

static void parked_event(struct dispatcher *d, struct session *s, uint32_t events, uint64_t now_ns)
{
	atomic_fetch_sub_explicit(&d->acceptor.sessions->parked, 1, memory_order_relaxed);
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		s->peer_closing = true;
	if (s->conn.watch.kind == WATCH_ADMIN)
		admin_event(d, s, now_ns);
	else
		hand_over(d, s, now_ns);
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
		acceptor_tick(&d->acceptor, now_ns);
		d->events.tick(d->events.ctx, now_ns);
		break;
	case WATCH_CLIENT_LISTENER:
	case WATCH_ADMIN_LISTENER:
		acceptor_take(&d->acceptor, DHT_CONTAINER_OF(watch, struct listener, watch),
			      now_ns);
		break;
	case WATCH_CLIENT:
	case WATCH_DATA:
	case WATCH_ADMIN:
		parked_event(d, session_of_watch(watch), event->events, now_ns);
		break;
	case WATCH_PEER_LISTENER:
	case WATCH_CONTROL_LINK:
	case WATCH_CONTROL_TIMER:
		d->events.control(d->events.ctx, watch, event->events, now_ns);
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
	return d->events.settle(d->events.ctx) && go_on;
}

void dispatcher_run(struct dispatcher *d)
{
	while (run_round(d, UINT64_MAX))
		;
}

static bool is_any_parking(const struct dispatcher *d)
{
	for (unsigned i = 0; i < d->worker_count; i++) {
		if (worker_parks(&d->workers[i]))
			return true;
	}
	return false;
}

/* What a worker parks after the last round would never be looked at. */
static void end_parking(struct dispatcher *d, uint64_t until_ns)
{
	for (unsigned i = 0; i < d->worker_count; i++)
		worker_end_parking(&d->workers[i]);
	uint64_t now_ns = clock_monotonic_ns();
	while (is_any_parking(d) && now_ns < until_ns) {
		run_round(d, until_ns - now_ns);
		now_ns = clock_monotonic_ns();
	}
}

void dispatcher_drain(struct dispatcher *d, uint64_t until_ns)
{
	acceptor_close_ports(&d->acceptor, clock_monotonic_ns());
	end_parking(d, until_ns);
	d->parks_no_more = true;

	/* The kernel lists what is readable in the order of arrival: after as many events
	 * as there are parked sessions, all that has arrived by now was seen, even if
	 * clients go on sending. */
	uint64_t parked = atomic_load_explicit(&d->acceptor.sessions->parked, memory_order_relaxed);
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
	    .events = *events,
	};
	list_init(&d->kept_back);
	acceptor_init(&d->acceptor, &d->poller);
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
	acceptor_fini(&d->acceptor);
	if (d->signals.fd >= 0)
		close(d->signals.fd);
	d->signals.fd = -1;
	timer_close(&d->timer);
	wake_close(&d->wake);
	poller_close(&d->poller);
}
