/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/clock.h"
#include "node/forward.h"
#include "worker/committer.h"
#include "worker/exec.h"
#include "worker/links.h"
#include "worker/peers.h"
#include "worker/pending.h"
#include "worker/upkeep.h"
#include "worker/worker.h"

enum {
	TIMERS_IN_A_ROUND = 1024,
	MAP_WAIT_US = 1000000, /* for which a message of a newer map is kept */
	MAP_LOOK_US = 2000,    /* how often is looked whether it was adopted */
};

/* ---- Effects: under the lock, they only note ---------------------------------------- */

static void on_send(void *ctx, const uint16_t *to, unsigned count, const struct message *m,
		    uint64_t rests_on)
{
	struct worker *w = ctx;
	for (unsigned i = 0; i < count; i++)
		links_send(w, w->cluster.answering, to[i], m, rests_on, w->cluster.now_us);
}

static void on_done(void *ctx, struct task *task)
{
	struct worker *w = ctx;
	list_push_tail(&w->cluster.done, &task->link);
}

static void on_timer(void *ctx, const struct node_timer *timer, uint64_t delay_us)
{
	struct worker *w = ctx;
	/* Not now_us: the step may be one that was not prepared here (exec_effects). */
	timers_add(&w->cluster.timers, timer, clock_monotonic_ns() / NS_PER_US + delay_us);
}

static void on_answer(void *ctx, const struct message *m)
{
	inquiries_take(ctx, m);
}

static void on_wants_map(void *ctx, uint16_t from)
{
	struct worker *w = ctx;
	w->cluster.wants_map = from + 1u;
}

/* ---- Steps ---------------------------------------------------------------------------- */

static uint64_t next_random(struct cluster *c)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return c->random;
}

void cluster_begin(struct worker *w, struct node_step *step, const struct store_fetched *fetched)
{
	struct cluster *c = &w->cluster;
	c->now_us = clock_monotonic_ns() / NS_PER_US;
	*step = (struct node_step){
	    .appender = w->index,
	    .now_us = c->now_us,
	    .now_ms = clock_expiry_ms(),
	    .random = next_random(c),
	    .fetched = fetched,
	    .effects = &c->effects,
	};
}

static void tell_of_map(struct worker *w)
{
	uint32_t from = w->cluster.wants_map;
	w->cluster.wants_map = 0;
	if (atomic_exchange(&w->shared->peers->wants_map, from) == 0)
		wake_signal(w->shared->dispatcher_wake);
}

void cluster_settle(struct worker *w)
{
	struct list *link;
	while ((link = list_first(&w->cluster.done)) != NULL) {
		list_remove(link);
		struct task *task = LIST_ENTRY(link, struct task, link);
		pending_tell(w, DHT_CONTAINER_OF(task, struct pending, task));
	}
	inquiries_settle(w);
	if (w->cluster.wants_map != 0)
		tell_of_map(w);
}

/* ---- Events that wait ----------------------------------------------------------------- */

static bool is_message(const struct event *e)
{
	return e->frame.type == PEER_MESSAGE;
}

static void free_event(struct event *e)
{
	struct cluster *c = &e->worker->cluster;
	if (is_message(e)) {
		c->waiting--;
		c->waiting_bytes -= e->size;
	}
	if (e->answering != NULL)
		link_await_end(e->answering);
	list_remove(&e->link);
	fetch_drop(e->worker, &e->fetches);
	free(e);
}

static struct event *copy_event(struct worker *w, const struct event *from)
{
	struct cluster *c = &w->cluster;
	size_t size = is_message(from) ? from->frame.message.len + from->frame.payload.len : 0;
	if (is_message(from) && (c->waiting >= CLUSTER_EVENTS_MAX ||
				 c->waiting_bytes + size > CLUSTER_EVENTS_BYTES_MAX))
		return NULL;
	struct event *e = malloc(sizeof(*e) + size);
	if (e == NULL)
		return NULL;
	memcpy(e, from, sizeof(*e));
	e->worker = w;
	e->message = NULL;
	e->size = size;
	e->until_us = 0;
	list_init(&e->link);
	fetch_init(&e->fetches);
	if (e->answering != NULL)
		link_await(e->answering);
	if (!is_message(from))
		return e;
	size_t message = from->frame.message.len, payload = from->frame.payload.len;
	if (message > 0)
		memcpy(e->bytes, from->frame.message.data, message);
	if (payload > 0)
		memcpy(e->bytes + message, from->frame.payload.data, payload);
	e->frame.message = bytes_of(e->bytes, message);
	e->frame.payload = bytes_of(e->bytes + message, payload);
	c->waiting++;
	c->waiting_bytes += size;
	return e;
}

static void tell_again(struct worker *w, struct event *e);

static void on_fetched(struct worker *w, struct fetches *owner, int rc)
{
	struct event *e = DHT_CONTAINER_OF(owner, struct event, fetches);
	if (rc == 0) {
		tell_again(w, e);
		return;
	}
	list_move_tail(&w->cluster.for_room, &e->link);
	outbox_await_room(w, OUTBOX_LATER);
}

static void wait_for_map(struct worker *w, struct event *e)
{
	e->epoch = w->cluster.epoch;
	if (e->until_us == 0)
		e->until_us = w->cluster.now_us + MAP_WAIT_US;
	list_push_tail(&w->cluster.for_map, &e->link);
}

/* Lets an event wait for what its step has said; cold is pinned. */
static void wait_for(struct worker *w, struct event *e, const struct node_step *step)
{
	switch (step->waits_for) {
	case NODE_WAITS_FOR_RECORD:
		if (fetch_start(w, &e->fetches, step->cold, on_fetched) == 0) {
			list_push_tail(&w->cluster.for_record, &e->link);
			return;
		}
		store_unpin(exec_of(w)->store, step->cold);
		list_push_tail(&w->cluster.for_room, &e->link);
		outbox_await_room(w, OUTBOX_LATER);
		return;
	case NODE_WAITS_FOR_COMMIT:
		list_push_tail(&w->cluster.for_room, &e->link);
		outbox_await_room(w, OUTBOX_ROOM);
		return;
	case NODE_WAITS_FOR_MAP:
		wait_for_map(w, e);
		return;
	}
	DHT_UNREACHABLE();
}

/* ---- Telling --------------------------------------------------------------------------- */

static int run_step(struct worker *w, const struct event *e, struct fetches *fetches,
		    struct node_step *step)
{
	struct exec *exec = exec_of(w);
	cluster_begin(w, step, fetches != NULL ? fetch_list(fetches) : NULL);
	/* Before the step: a map that is adopted right behind it is another one. */
	w->cluster.epoch = atomic_load_explicit(&exec->node->epoch, memory_order_acquire);
	w->cluster.answering = e->answering;
	groups_lock(&exec->groups, e->block);
	int rc = e->step(w, step, e);
	if (rc == DHT_EAGAIN && step->waits_for == NODE_WAITS_FOR_RECORD)
		store_pin(exec->store, step->cold);
	groups_unlock(&exec->groups, e->block);
	w->cluster.answering = NULL;
	cluster_settle(w);
	if (!e->is_copying)
		w->cluster.has_stepped = true;
	w->has_written = true;
	if (rc == DHT_EDAMAGED)
		committer_fail(w->shared->committer, rc);
	return rc;
}

/* Nobody keeps the event: what its step was pinned for is let go. */
static void drop(struct worker *w, const struct node_step *step)
{
	struct cluster *c = &w->cluster;
	if (step->waits_for == NODE_WAITS_FOR_RECORD)
		store_unpin(exec_of(w)->store, step->cold);
	atomic_fetch_add_explicit(&c->dropped, 1, memory_order_relaxed);
}

int cluster_tell(struct worker *w, const struct event *e)
{
	struct node_step step;
	int rc = run_step(w, e, NULL, &step);
	if (rc != DHT_EAGAIN)
		return rc;
	struct event *kept = copy_event(w, e);
	if (kept != NULL)
		wait_for(w, kept, &step);
	else
		drop(w, &step);
	return rc;
}

static void tell_again(struct worker *w, struct event *e)
{
	struct cluster *c = &w->cluster;
	struct node_step step;
	struct message m;
	list_remove(&e->link);
	/* It could be decoded before, but memory may be short now. */
	if (is_message(e) && wire_peer_decode(&c->decoder, &e->frame, e->member, &m) != 0) {
		free_event(e);
		return;
	}
	e->message = &m;
	int rc = run_step(w, e, &e->fetches, &step);
	e->message = NULL;
	if (rc == DHT_EAGAIN)
		wait_for(w, e, &step);
	else
		free_event(e);
}

/* ---- Messages -------------------------------------------------------------------------- */

static int step_message(struct worker *w, struct node_step *step, const struct event *e)
{
	return node_handle(exec_of(w)->node, step, e->message);
}

/* True for what the node has asked for and asks on after; one that makes no sense is dropped
 * without another word. */
static bool is_answer_to_upkeep(const struct worker *w, const struct message *m)
{
	return (m->kind == MESSAGE_CHUNK || m->kind == MESSAGE_DIFFER) &&
	       m->block < store_blocks(exec_of(w)->store);
}

/* Nothing rests on copies before the block has all of them: to commit each CHUNK by itself would
 * take the disk from those who wait for it. Not too many, which a commit would take long for. */
static void commit_copies(struct worker *w)
{
	const struct committer *committer = w->shared->committer;
	if (store_end(exec_of(w)->store) > committer_mark(committer) + CLUSTER_COPIES_MAX)
		w->cluster.has_stepped = true;
}

int cluster_receive(struct worker *w, struct link *link, const struct peer_frame *frame,
		    const char **why)
{
	struct cluster *c = &w->cluster;
	struct message m;
	int rc = wire_peer_decode(&c->decoder, frame, link->member, &m);
	*why = c->decoder.why;
	if (rc != 0)
		return rc == DHT_EPROTO ? rc : 0;
	const struct event e = {.step = step_message,
				.block = m.block,
				.is_copying = m.kind == MESSAGE_CHUNK,
				.member = link->member,
				.message = &m,
				.answering = link,
				.frame = *frame};
	rc = cluster_tell(w, &e);
	if (e.is_copying)
		commit_copies(w);
	links_note_answer(w, &m, c->now_us);
	if (rc == 0 && is_answer_to_upkeep(w, &m))
		upkeep_go_on(w, m.block, frame->payload.len);
	return 0;
}

static void forget_link_in(struct list *events, const struct link *link)
{
	for (struct list *at = events->next; at != events; at = at->next) {
		struct event *e = LIST_ENTRY(at, struct event, link);
		if (e->answering == link)
			e->answering = NULL;
	}
}

void cluster_forget_link(struct worker *w, struct link *link)
{
	struct cluster *c = &w->cluster;
	if (link->awaited == 0)
		return;
	forget_link_in(&c->for_record, link);
	forget_link_in(&c->for_room, link);
	forget_link_in(&c->for_map, link);
	link->awaited = 0;
}

/* ---- Forwarded operations --------------------------------------------------------------- */

static int step_lost(struct worker *w, struct node_step *step, const struct event *e)
{
	return forward_peer_lost(exec_of(w)->node, step, e->block, e->member);
}

static int step_slow(struct worker *w, struct node_step *step, const struct event *e)
{
	return forward_peer_slow(exec_of(w)->node, step, e->block, e->member);
}

static void tell_blocks(struct worker *w, uint16_t member, event_step_fn step)
{
	uint32_t blocks = store_blocks(exec_of(w)->store);
	for (uint32_t block = 0; block < blocks; block++) {
		const struct event e = {.step = step, .block = block, .member = member};
		(void)cluster_tell(w, &e);
	}
}

void cluster_lose(struct worker *w, uint16_t member)
{
	tell_blocks(w, member, step_lost);
}

void cluster_bypass(struct worker *w, uint16_t member)
{
	tell_blocks(w, member, step_slow);
}

static int step_failed(struct worker *w, struct node_step *step, const struct event *e)
{
	return forward_failed(exec_of(w)->node, step, e->block, e->tag);
}

void cluster_fail_forward(struct worker *w, uint32_t block, uint64_t tag)
{
	const struct event e = {.step = step_failed, .block = block, .tag = tag};
	(void)cluster_tell(w, &e);
}

/* ---- The round --------------------------------------------------------------------------- */

static int step_timer(struct worker *w, struct node_step *step, const struct event *e)
{
	return node_on_timer(exec_of(w)->node, step, &e->timer);
}

static void run_timers(struct worker *w, uint64_t now_us)
{
	struct node_timer timer;
	for (unsigned i = 0;
	     i < TIMERS_IN_A_ROUND && timers_take(&w->cluster.timers, now_us, &timer); i++) {
		const struct event e = {.step = step_timer, .block = timer.block, .timer = timer};
		(void)cluster_tell(w, &e);
	}
}

/* Each of the list once: those that have to wait again come behind. */
static void tell_all_again(struct worker *w, struct list *events)
{
	struct list round;
	list_init(&round);
	list_splice_tail(&round, events);
	struct list *link;
	while ((link = list_first(&round)) != NULL)
		tell_again(w, LIST_ENTRY(link, struct event, link));
}

static void look_for_map(struct worker *w, uint64_t now_us)
{
	uint64_t epoch = atomic_load_explicit(&exec_of(w)->node->epoch, memory_order_acquire);
	struct list round;
	list_init(&round);
	list_splice_tail(&round, &w->cluster.for_map);
	struct list *link;
	while ((link = list_first(&round)) != NULL) {
		struct event *e = LIST_ENTRY(link, struct event, link);
		/* A map of this epoch may be being adopted, block by block: so it is tried anew
		 * at each look once there is one. */
		if (e->epoch != epoch || node_map_end(exec_of(w)->node) == NODE_RESTS_ON_MAP)
			tell_again(w, e);
		else if (now_us >= e->until_us)
			free_event(e);
		else
			list_move_tail(&w->cluster.for_map, link);
	}
}

void cluster_run(struct worker *w)
{
	struct cluster *c = &w->cluster;
	uint64_t now_us = w->now_ns / NS_PER_US;
	cluster_settle(w);
	inquiries_run(w, now_us);
	if (c->timers.count == 0 && list_is_empty(&c->for_room) && list_is_empty(&c->for_map))
		return;
	run_timers(w, now_us);
	if (!list_is_empty(&c->for_room) && !outbox_awaits_room(w))
		tell_all_again(w, &c->for_room);
	if (!list_is_empty(&c->for_map))
		look_for_map(w, now_us);
}

uint64_t cluster_timeout_ns(const struct worker *w)
{
	const struct cluster *c = &w->cluster;
	uint64_t next_us = timers_next_us(&c->timers), now_us = w->now_ns / NS_PER_US;
	uint64_t inquiry_us = inquiries_next_us(&c->inquiries);
	next_us = inquiry_us < next_us ? inquiry_us : next_us;
	if (!list_is_empty(&c->for_map) && now_us + MAP_LOOK_US < next_us)
		next_us = now_us + MAP_LOOK_US;
	if (!list_is_empty(&c->for_room) && !outbox_awaits_room(w))
		return 0;
	if (next_us == UINT64_MAX)
		return UINT64_MAX;
	return next_us > now_us ? (next_us - now_us) * NS_PER_US : 0;
}

/* ---- Set-up ------------------------------------------------------------------------------- */

void cluster_init(struct worker *w)
{
	struct cluster *c = &w->cluster;
	*c = (struct cluster){
	    .effects = {w, on_send, on_done, on_timer, on_wants_map, on_answer},
	    .random = clock_monotonic_ns() * 0x9E3779B97F4A7C15ull ^ (w->index + 1),
	};
	inquiries_init(&c->inquiries);
	list_init(&c->done);
	list_init(&c->for_record);
	list_init(&c->for_room);
	list_init(&c->for_map);
}

static void free_all(struct list *events)
{
	struct list *link;
	while ((link = list_first(events)) != NULL)
		free_event(LIST_ENTRY(link, struct event, link));
}

void cluster_end(struct worker *w)
{
	struct cluster *c = &w->cluster;
	free_all(&c->for_record);
	free_all(&c->for_room);
	free_all(&c->for_map);
}

void cluster_fini(struct worker *w)
{
	struct cluster *c = &w->cluster;
	inquiries_fini(&c->inquiries);
	timers_fini(&c->timers);
	wire_peer_decoder_fini(&c->decoder);
}
