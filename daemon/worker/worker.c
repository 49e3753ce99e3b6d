/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "io/clock.h"
#include "worker/background.h"
#include "worker/committer.h"
#include "worker/exec.h"
#include "worker/pending.h"
#include "worker/slice.h"
#include "worker/turn.h"

/* Sessions bring the kind that the dispatcher gave them; this one is none of those. */
enum { WATCH_WAKE = UINT16_MAX };

enum { PARK_BATCH_MAX = 256 }; /* sessions parked in one round of the loop */
#define PARK_NEVER UINT64_MAX

_Static_assert((int)WORKER_MAX <= (int)COMMITTER_CONTROL_APPENDER,
	       "every appender has a number of its own");

/* One writer: no locked instruction. */
static void count(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

/* ---- Sessions: hot, parked, closed ----------------------------------------------- */

static void session_bury(struct worker *w, struct session *s)
{
	if (s->hot) {
		list_remove(&s->hot_link);
		poller_remove(&w->poller, &s->conn.watch);
		s->hot = false;
		count(&w->stats.hot, (uint64_t)-1);
	}
	list_remove(&s->ready_link);
	turn_forget(w, s);
	outbox_drop(s);
	pending_drop_all(w, s);
	pending_rest(s);
	fetch_drop(w, &s->fetches);
	/* An event of this round may still point to it, or the protocol. */
	s->conn.broken = true;
	list_push_tail(&w->graveyard, &s->ready_link);
}

static void graveyard_empty(struct worker *w)
{
	LIST_FOREACH_SAFE(link, next, &w->graveyard)
	{
		list_remove(link);
		session_destroy(LIST_ENTRY(link, struct session, ready_link));
	}
}

/* Makes the session this worker's own until it parks. */
static int session_heat(struct worker *w, struct session *s)
{
	int rc = poller_add_hot(&w->poller, &s->conn.watch);
	if (rc != 0) {
		/* The dispatcher tells of the shortage (fs.epoll.max_user_watches, memory). */
		atomic_fetch_add_explicit(&s->sessions->lost, 1, memory_order_relaxed);
		return rc;
	}
	s->hot = true;
	list_push_tail(&w->hot, &s->hot_link);
	count(&w->stats.hot, 1);
	return 0;
}

int worker_keep(struct worker *w, struct session *s)
{
	return session_heat(w, s);
}

/* Gives the session to the dispatcher. It must not be touched afterwards. */
static void session_park(struct worker *w, struct session *s)
{
	DHT_ASSERT(turn_is_parkable(s));
	conn_rest(&s->conn);
	pending_rest(s);
	if (s->hot) {
		list_remove(&s->hot_link);
		poller_remove(&w->poller, &s->conn.watch);
		s->hot = false;
		count(&w->stats.hot, (uint64_t)-1);
	}
	struct sessions *all = s->sessions;
	atomic_fetch_add_explicit(&all->parked, 1, memory_order_relaxed);
	if (poller_rearm_parked(w->shared->dispatcher_poller, &s->conn.watch) != 0) {
		atomic_fetch_sub_explicit(&all->parked, 1, memory_order_relaxed);
		session_bury(w, s);
	}
}

/* After how much silence sessions are parked: 0 at once. */
static uint64_t park_after_ns(const struct worker *w)
{
	if (atomic_load_explicit(&w->keeps, memory_order_relaxed))
		return PARK_NEVER;
	return atomic_load_explicit(&w->shared->park_after_ns, memory_order_relaxed);
}

void worker_make_ready(struct worker *w, struct session *s)
{
	list_move_tail(s->streaming ? &w->streams : &w->ready, &s->ready_link);
}

/* What follows a turn. */
static void session_settle(struct worker *w, struct session *s, enum turn_result result)
{
	uint64_t park_after = park_after_ns(w);
	session_tell_size(s);
	switch (result) {
	case TURN_CLOSE:
		session_bury(w, s);
		return;
	case TURN_AGAIN:
		if (!s->hot && session_heat(w, s) != 0) {
			session_bury(w, s);
			return;
		}
		worker_make_ready(w, s);
		return;
	case TURN_LINGER:
		if (!s->hot && session_heat(w, s) != 0) {
			session_bury(w, s);
			return;
		}
		list_move_tail(&w->lingering, &s->hot_link);
		worker_make_ready(w, s);
		return;
	case TURN_IDLE:
		break;
	}
	if (park_after == 0 && outbox_holds(s))
		return; /* it comes here again when its replies are out */
	if (w->draining && turn_is_parkable(s) && s->conn.in.len == 0)
		session_bury(w, s);
	else if (park_after == 0 && turn_is_parkable(s))
		session_park(w, s);
	else if (!s->hot && session_heat(w, s) != 0)
		session_bury(w, s);
}

void worker_released(struct worker *w, struct session *s)
{
	/* What has come meanwhile is answered, too; nobody told of it unless it is hot. */
	if (w->draining)
		s->readable = true;
	if (conn_flush(&s->conn) == 0 && !s->readable && !s->paused && !s->streaming &&
	    !s->closing && !s->conn.input_ended)
		session_settle(w, s, TURN_IDLE);
	else
		worker_make_ready(w, s);
}

/* Serves one session; kind is what the turn is counted as. */
static void serve(struct worker *w, struct session *s, enum job_kind kind, uint64_t ready_ns)
{
	uint64_t started = w->now_ns;
	histogram_record(&w->stats.wait, started > ready_ns ? started - ready_ns : 0);
	session_set_active(s, started);
	if (s->hot && !s->lingering)
		list_move_tail(&w->hot, &s->hot_link);
	enum turn_result result = turn_serve(w, s);
	session_settle(w, s, result);
	count(&w->stats.kinds[kind], 1);
	w->now_ns = clock_monotonic_ns();
	histogram_record(&w->stats.run, w->now_ns - started);
}

/* ---- Jobs ------------------------------------------------------------------------ */

static void run_session(struct worker *w, struct job *job)
{
	struct session *s = session_of_job(job);
	s->readable = true;
	/* Hot first, then served: an edge between the two is not lost. */
	if (park_after_ns(w) != 0 && session_heat(w, s) != 0) {
		session_bury(w, s);
		return;
	}
	session_settle(w, s, turn_serve(w, s));
}

int worker_push(struct worker *w, struct job *job, uint64_t now_ns)
{
	bool wake;
	int rc = queue_push(&w->queue, job, now_ns, &wake);
	if (rc == 0 && wake)
		wake_signal(&w->wake);
	return rc;
}

void worker_push_beyond(struct worker *w, struct job *job, uint64_t now_ns)
{
	bool wake;
	queue_push_beyond(&w->queue, job, now_ns, &wake);
	if (wake)
		wake_signal(&w->wake);
}

static void prepare_hand_over(struct session *s, uint64_t now_ns)
{
	s->job.kind = s->protocol->handed_kind;
	s->job.run = run_session;
	session_set_active(s, now_ns);
}

int worker_hand_over(struct worker *w, struct session *s, uint64_t now_ns)
{
	prepare_hand_over(s, now_ns);
	return worker_push(w, &s->job, now_ns);
}

void worker_hand_over_last(struct worker *w, struct session *s, uint64_t now_ns)
{
	prepare_hand_over(s, now_ns);
	worker_push_beyond(w, &s->job, now_ns);
}

static void run_jobs(struct worker *w)
{
	for (struct job *job = queue_take(&w->queue), *next; job != NULL; job = next) {
		next = job->next;
		enum job_kind kind = job->kind;
		uint64_t started = w->now_ns;
		queue_started(&w->queue);
		histogram_record(&w->stats.wait,
				 started > job->queued_ns ? started - job->queued_ns : 0);
		job->run(w, job);
		count(&w->stats.kinds[kind], 1);
		w->now_ns = clock_monotonic_ns();
		histogram_record(&w->stats.run, w->now_ns - started);
	}
	/* Sequentially consistent, as is queue_started: either the dispatcher finds the room
	 * that was made, or this thread its flag. */
	if (atomic_load(&w->shared->dispatcher_waits) &&
	    atomic_exchange(&w->shared->dispatcher_waits, false))
		wake_signal(w->shared->dispatcher_wake);
}

/* ---- The loop -------------------------------------------------------------------- */

/* Notes what an event says and puts its session on the ready list. */
static void take_event(struct worker *w, const struct epoll_event *event)
{
	struct watch *watch = event->data.ptr;
	if (watch->kind == WATCH_WAKE)
		return;
	struct session *s = session_of_watch(watch);
	bool input = (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	if (input)
		s->readable = true;
	if (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		s->peer_closing = true;
	/* Output alone matters only to somebody who waits for it. */
	if ((input || output_len(&s->conn.out) > 0) && list_is_empty(&s->ready_link))
		worker_make_ready(w, s);
}

/* Of what is asked for here, the one has the time until the session before it was served to
 * come, and so has the other. */
static void look_ahead(struct worker *w, struct list *sessions)
{
	unsigned ahead = 0;
	LIST_FOREACH_SAFE(link, next, sessions)
	{
		turn_look_ahead(w, LIST_ENTRY(link, struct session, ready_link));
		if (++ahead == WORKER_AHEAD)
			break;
	}
	if (ahead > 0)
		turn_approach(w, LIST_ENTRY(list_first(sessions), struct session, ready_link));
}

static void serve_first(struct worker *w, struct list *sessions, uint64_t ready_ns)
{
	struct session *s = LIST_ENTRY(list_first(sessions), struct session, ready_link);
	list_remove(&s->ready_link);
	look_ahead(w, sessions);
	serve(w, s, s->streaming ? JOB_background : s->protocol->hot_kind, ready_ns);
}

/* Gives every session that is ready now one turn, and one of the streams a slice; those
 * with more to do come again in the next round, behind new jobs and events. */
static void serve_ready(struct worker *w, uint64_t ready_ns)
{
	struct list round;
	list_init(&round);
	list_splice_tail(&round, &w->ready);
	while (!list_is_empty(&round))
		serve_first(w, &round, ready_ns);
	if (!list_is_empty(&w->streams))
		serve_first(w, &w->streams, ready_ns);
	for (unsigned i = 0; i <= WORKER_AHEAD; i++)
		DHT_ASSERT(w->in[i].session == NULL);
}

/* Parks what was silent for park_after, oldest first. Returns when to look again. */
static uint64_t park_silent(struct worker *w)
{
	uint64_t park_after = park_after_ns(w);
	unsigned budget = PARK_BATCH_MAX;
	if (park_after == PARK_NEVER)
		return UINT64_MAX;
	LIST_FOREACH_SAFE(link, next, &w->hot)
	{
		struct session *s = LIST_ENTRY(link, struct session, hot_link);
		uint64_t due = session_active_ns(s) + park_after;
		if (due > w->now_ns)
			return due - w->now_ns;
		if (budget-- == 0)
			return 0;
		if (turn_is_parkable(s)) {
			session_park(w, s);
		} else {
			/* A client that neither takes its replies nor goes: it holds no
			 * segment of the store any longer, and is looked at again after
			 * another park_after, at least a second. */
			output_detach(&s->conn.out);
			uint64_t extra = park_after < NS_PER_S ? NS_PER_S - park_after : 0;
			session_set_active(s, w->now_ns + extra);
			list_move_tail(&w->hot, link);
		}
	}
	return UINT64_MAX;
}

/* How long the first of the lingering sessions may linger yet. */
static uint64_t linger_left(const struct worker *w)
{
	const struct list *first = list_first(&w->lingering);
	if (first == NULL)
		return UINT64_MAX;
	uint64_t until = LIST_ENTRY(first, const struct session, hot_link)->linger_until_ns;
	return until > w->now_ns ? until - w->now_ns : 0;
}

static void close_lingering(struct worker *w)
{
	while (linger_left(w) == 0)
		session_bury(w, LIST_ENTRY(list_first(&w->lingering), struct session, hot_link));
}

/* Another worker is less busy: gives it one connection that is in use. */
static void shed_one(struct worker *w)
{
	if (!atomic_exchange_explicit(&w->shed, false, memory_order_relaxed) ||
	    park_after_ns(w) == PARK_NEVER)
		return;
	for (struct list *link = w->hot.prev; link != &w->hot; link = link->prev) {
		struct session *s = LIST_ENTRY(link, struct session, hot_link);
		if (turn_is_parkable(s)) {
			session_park(w, s);
			return;
		}
	}
}

/* Tells the dispatcher, after the last session that was parked. */
static void keep_begin(struct worker *w)
{
	atomic_store_explicit(&w->keeps, true, memory_order_release);
	wake_signal(w->shared->dispatcher_wake);
}

/* Every session gets one more look at its socket. */
static void drain_begin(struct worker *w)
{
	w->draining = true;
	LIST_FOREACH_SAFE(link, next, &w->hot)
	{
		struct session *s = LIST_ENTRY(link, struct session, hot_link);
		s->readable = true;
		worker_make_ready(w, s);
	}
}

/* The two steps of a stop. */
static void take_orders(struct worker *w)
{
	if (!atomic_load_explicit(&w->keeps, memory_order_relaxed) &&
	    atomic_load_explicit(&w->shall_keep, memory_order_relaxed))
		keep_begin(w);
	if (!w->draining && worker_is_stopping(w))
		drain_begin(w);
}

static bool is_late(const struct worker *w)
{
	return w->now_ns >= atomic_load_explicit(&w->drain_until_ns, memory_order_relaxed);
}

/* The links that this worker has opened. */
static void bury_kept(struct worker *w)
{
	LIST_FOREACH_SAFE(link, next, &w->hot)
	{
		struct session *s = LIST_ENTRY(link, struct session, hot_link);
		if (s->is_kept)
			session_bury(w, s);
	}
}

/* Ends every session once its replies are out, at the latest at the deadline; those
 * that linger end by themselves before it, if they began in time.
 * Returns true when none is left. */
static bool drain(struct worker *w)
{
	bool late = is_late(w);
	while (late && !list_is_empty(&w->lingering))
		session_bury(w, LIST_ENTRY(list_first(&w->lingering), struct session, hot_link));
	unsigned others = 0;
	LIST_FOREACH_SAFE(link, next, &w->hot)
	{
		struct session *s = LIST_ENTRY(link, struct session, hot_link);
		if (late || (turn_is_parkable(s) && !s->readable))
			session_bury(w, s);
		else
			others += !s->is_kept;
	}
	/* What they may need until the end, others may as well. */
	if (others == 0 && list_is_empty(&w->lingering) && list_is_empty(&w->outbox.held))
		bury_kept(w);
	while (late && !list_is_empty(&w->outbox.held))
		session_bury(w, LIST_ENTRY(list_first(&w->outbox.held), struct session, held_link));
	/* Released just now, and not hot. */
	while (late && !list_is_empty(&w->ready))
		session_bury(w, LIST_ENTRY(list_first(&w->ready), struct session, ready_link));
	return list_is_empty(&w->hot) && list_is_empty(&w->lingering) &&
	       list_is_empty(&w->outbox.held) && queue_depth(&w->queue) == 0;
}

static uint64_t loop_timeout(struct worker *w)
{
	/* Also while others keep the worker busy. */
	uint64_t timeout = park_silent(w), linger = linger_left(w);
	if (!list_is_empty(&w->ready) || !list_is_empty(&w->streams) ||
	    !list_is_empty(&w->graveyard))
		return 0;
	timeout = linger < timeout ? linger : timeout;
	uint64_t cluster = cluster_timeout_ns(w), links = links_timeout_ns(w);
	timeout = cluster < timeout ? cluster : timeout;
	timeout = links < timeout ? links : timeout;
	if (w->draining) {
		uint64_t until = atomic_load_explicit(&w->drain_until_ns, memory_order_relaxed);
		uint64_t left = until > w->now_ns ? until - w->now_ns : 0;
		timeout = left < timeout ? left : timeout;
	}
	return timeout;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct epoll_event events[WORKER_EVENTS_MAX];
	char name[16];
	snprintf(name, sizeof(name), "dhtd/w%u", w->index);
	pthread_setname_np(pthread_self(), name);
	slice_set(SLICE_SHORT_NS);

	w->now_ns = clock_monotonic_ns();
	busy_begin(&w->busy, w->now_ns);
	for (;;) {
		close_lingering(w);
		take_orders(w);
		if (w->draining && (is_late(w) || list_is_empty(&w->ready)) && drain(w))
			break;
		/* What ends with a session may let others go on: before it is known how long is
		 * slept. */
		graveyard_empty(w);
		uint64_t timeout = loop_timeout(w);
		if (timeout != 0 && (!outbox_sleep(w) || !queue_sleep(&w->queue)))
			timeout = 0;
		if (timeout != 0)
			busy_end(&w->busy, w->now_ns);
		int n = poller_wait(&w->poller, events, WORKER_EVENTS_MAX, timeout);
		w->now_ns = clock_monotonic_ns();
		if (timeout != 0) {
			queue_awake(&w->queue);
			busy_begin(&w->busy, w->now_ns);
		}
		uint64_t ready_ns = w->now_ns;
		for (int i = 0; i < n; i++)
			take_event(w, &events[i]);
		/* Behind the events: it may park sessions, which are not this worker's then. */
		outbox_release(w);
		run_jobs(w);
		serve_ready(w, ready_ns);
		cluster_run(w);
		links_tick(w);
		if (w->has_written)
			background_assist(w->shared->background, w);
		w->has_written = false;
		links_hold(w);
		outbox_settle(w);
		links_flush(w);
		shed_one(w);
	}
	graveyard_empty(w);
	cluster_end(w);
	return NULL;
}

/* ---- Set-up ---------------------------------------------------------------------- */

int worker_init(struct worker *w, unsigned index, uint32_t queue_max, struct worker_shared *shared)
{
	*w = (struct worker){
	    .index = index, .shared = shared, .poller = {.fd = -1}, .wake = {.watch = {.fd = -1}}};
	list_init(&w->hot);
	list_init(&w->lingering);
	list_init(&w->ready);
	list_init(&w->streams);
	list_init(&w->graveyard);
	outbox_init(&w->outbox);
	cluster_init(w);
	links_init(w);
	list_init(&w->pending);
	histogram_init(&w->stats.wait);
	histogram_init(&w->stats.run);
	queue_init(&w->queue, queue_max);
	int rc = 0;
	for (unsigned i = 0; i <= WORKER_AHEAD; i++) {
		w->in[i].data = malloc(WORKER_READ_MAX);
		rc = w->in[i].data != NULL ? rc : DHT_ENOMEM;
	}
	if (rc == 0)
		rc = poller_open(&w->poller);
	if (rc == 0)
		rc = wake_open(&w->wake, &w->poller, WATCH_WAKE);
	if (rc != 0)
		worker_fini(w);
	return rc;
}

int worker_start(struct worker *w)
{
	int rc = pthread_create(&w->thread, NULL, worker_main, w);
	return rc == 0 ? 0 : dht_error_from_errno(rc);
}

void worker_end_parking(struct worker *w)
{
	atomic_store_explicit(&w->shall_keep, true, memory_order_relaxed);
	wake_signal(&w->wake);
}

void worker_stop(struct worker *w, uint64_t until_ns)
{
	/* Released: who sees it sees the jobs that were queued before it, and does not end
	 * without them. */
	atomic_store_explicit(&w->drain_until_ns, until_ns, memory_order_release);
	wake_signal(&w->wake);
}

static void run_probe(struct worker *w, struct job *job)
{
	atomic_store_explicit(&w->probe_since, 0, memory_order_release);
}

uint64_t worker_probe(struct worker *w, uint64_t now_ns)
{
	uint64_t since = atomic_load_explicit(&w->probe_since, memory_order_acquire);
	if (since != 0)
		return now_ns > since ? now_ns - since : 0;
	w->probe = (struct job){.kind = JOB_noop, .run = run_probe};
	atomic_store_explicit(&w->probe_since, now_ns, memory_order_relaxed);
	/* Also into a full queue: a worker that hangs behind one must be noticed, and
	 * one that is overloaded must not look as if it did. */
	worker_push_beyond(w, &w->probe, now_ns);
	return 0;
}

uint64_t worker_busy_ns(struct worker *w, uint64_t now_ns)
{
	return busy_read(&w->busy, now_ns);
}

bool worker_join(struct worker *w, uint64_t until_ns)
{
	/* ThreadSanitizer knows the join by wall-clock time, not the one by the monotonic
	 * clock; a jump of the clock meanwhile makes the wait longer or shorter, once. */
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
	uint64_t wall_ns = clock_wall_ms() * NS_PER_MS + left_ns;
	struct timespec until = {
	    .tv_sec = (time_t)(wall_ns / NS_PER_S),
	    .tv_nsec = (long)(wall_ns % NS_PER_S),
	};
	return pthread_timedjoin_np(w->thread, NULL, &until) == 0;
}

void worker_run_leftovers(struct worker *w)
{
	for (struct job *job = queue_take(&w->queue), *next; job != NULL; job = next) {
		next = job->next;
		queue_started(&w->queue);
		job->run(w, job);
	}
}

void worker_fini(struct worker *w)
{
	links_fini(w);
	cluster_fini(w);
	pending_forget(w);
	wake_close(&w->wake);
	poller_close(&w->poller);
	queue_fini(&w->queue);
	output_reset(&w->out);
	for (unsigned i = 0; i <= WORKER_AHEAD; i++) {
		free(w->in[i].data);
		w->in[i].data = NULL;
	}
}
