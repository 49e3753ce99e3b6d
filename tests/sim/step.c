/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of a host's node: done, put by while a record is read, a commit or a map is awaited,
 * and done again.
 */
#include <stdlib.h>

#include "base/error.h"
#include "cluster.h"
#include "node/forward.h"
#include "upkeep.h"

struct work *host_work_create(enum work_kind kind)
{
	struct work *work = calloc(1, sizeof(*work));
	DHT_ASSERT(work != NULL);
	work->kind = kind;
	list_init(&work->link);
	return work;
}

void host_work_destroy(struct host *h, struct work *work)
{
	for (unsigned i = 0; i < work->fetched_count; i++)
		free((void *)(uintptr_t)work->fetched[i].data);
	free(work->fetched);
	if (work->parcel != NULL)
		parcel_destroy(work->parcel);
	if (!list_is_empty(&work->link)) {
		list_remove(&work->link);
		h->waiting_count--;
	}
	free(work);
}

/* ---- What a step tells --------------------------------------------------------------- */

struct letter {
	struct list link;
	struct parcel *parcel;
	uint64_t rests_on;
};

static uint64_t rests_on_of(const struct host *h, const struct message *m, uint64_t rests_on)
{
	if (PAXOS_BROKEN(READ_DIRTY) && m->kind == MESSAGE_VALUE)
		return 0;
	(void)h;
	return rests_on;
}

static void on_send(void *ctx, const uint16_t *to, unsigned count, const struct message *m,
		    uint64_t rests_on)
{
	struct host *h = ctx;
	for (unsigned i = 0; i < count; i++) {
		DHT_ASSERT(to[i] != h->number && to[i] < SIM_HOSTS);
		struct letter *letter = malloc(sizeof(*letter));
		DHT_ASSERT(letter != NULL);
		struct message sent = *m;
		sent.from = h->number;
		letter->parcel = parcel_create(&sent, to[i]);
		letter->rests_on = rests_on_of(h, m, rests_on);
		list_push_tail(&h->outbox, &letter->link);
	}
	if (m->kind == MESSAGE_ACCEPT)
		cluster_proposed(h->cluster, h, m);
	h->cluster->count.erasures += m->kind == MESSAGE_ERASE;
	h->cluster->count.forwards += m->kind == MESSAGE_FORWARD;
}

static void on_done(void *ctx, struct task *task)
{
	struct host *h = ctx;
	struct request *request = task->owner;
	DHT_ASSERT(request != NULL && !request->is_done);
	request->is_done = true;
	list_move_tail(&h->answers, &request->link);
}

static void on_timer(void *ctx, const struct node_timer *timer, uint64_t delay_us)
{
	struct host *h = ctx;
	struct cluster *c = h->cluster;
	if (c->is_scripted) {
		cluster_script_timer(c, h, timer);
		return;
	}
	events_push(&c->events, (struct event){.at_us = c->now_us + 1 + delay_us,
					       .kind = EVENT_TIMER,
					       .host = h->number,
					       .incarnation = h->incarnation,
					       .timer = *timer});
}

static void on_wants_map(void *ctx, uint16_t from)
{
	struct host *h = ctx;
	cluster_wants_map(h->cluster, h, from);
}

/* ---- One step ------------------------------------------------------------------------ */

static uint64_t wall_ms(struct host *h)
{
	return (uint64_t)((int64_t)cluster_true_ms(h->cluster) + cluster_clock_ms(h));
}

static int run(struct host *h, struct node_step *step, struct work *work)
{
	struct node *node = &h->node;
	switch (work->kind) {
	case WORK_MESSAGE:
		return node_handle(node, step, &work->parcel->m);
	case WORK_SUBMIT:
		work->request->task.series.fetched = step->fetched;
		return node_submit(node, step, &work->request->task);
	case WORK_TIMER:
		return node_on_timer(node, step, &work->timer);
	case WORK_NOT_SENT:
		return forward_failed(node, step, work->timer.block, work->timer.tag);
	case WORK_PEER_LOST:
		return forward_peer_lost(node, step, work->block, work->peer);
	case WORK_PEER_SLOW:
		return forward_peer_slow(node, step, work->block, work->peer);
	case WORK_ADOPT:
		return upkeep_adopt(h, step, work);
	case WORK_UPKEEP:
		return upkeep_run(h, step, work);
	}
	DHT_UNREACHABLE();
}

static void fetch_later(struct host *h, struct work *work, uint64_t cold)
{
	struct cluster *c = h->cluster;
	if (work->fetched_count == work->fetched_room) {
		work->fetched_room = 2 * work->fetched_room + 4;
		work->fetched = realloc(work->fetched, work->fetched_room * sizeof(*work->fetched));
		DHT_ASSERT(work->fetched != NULL);
	}
	struct store_fetched *fetched = &work->fetched[work->fetched_count];
	*fetched = (struct store_fetched){.location = cold};
	store_pin(h->store, cold);
	c->count.cold++;
	uint64_t delay_us = 1 + random_below(&c->random, c->options.fsync_us / 4 + 1);
	events_push(&c->events, (struct event){.at_us = c->now_us + delay_us,
					       .kind = EVENT_FETCHED,
					       .host = h->number,
					       .incarnation = h->incarnation,
					       .work = work});
}

/* A message of a newer map may be dropped, unless its link promises to deliver it. */
static bool is_dropped(const struct host *h, const struct work *work, const struct node_step *step)
{
	return step->waits_for == NODE_WAITS_FOR_MAP && work->parcel != NULL &&
	       !h->cluster->is_healing && !h->cluster->is_scripted &&
	       !network_is_reliable(work->parcel->m.kind) &&
	       random_chance(&h->cluster->random, 200);
}

static void put_by(struct host *h, struct work *work, const struct node_step *step)
{
	if (is_dropped(h, work, step)) {
		host_work_destroy(h, work);
		return;
	}
	work->waits_for = step->waits_for;
	if (list_is_empty(&work->link)) {
		h->waiting_count++;
		list_push_tail(&h->waiting, &work->link);
	}
	switch (step->waits_for) {
	case NODE_WAITS_FOR_RECORD:
		fetch_later(h, work, step->cold);
		return;
	case NODE_WAITS_FOR_COMMIT:
		h->wants_commit = true;
		return;
	case NODE_WAITS_FOR_MAP:
		return;
	}
	DHT_UNREACHABLE();
}

/* A request that cannot be begun was not done. */
static void end_work(struct host *h, struct work *work, int rc)
{
	if (rc == DHT_EDAMAGED || rc == DHT_ECORRUPT)
		cluster_fail(h->cluster, -1, "a store says that its disk has lied");
	else if (rc != 0 && rc != DHT_ENOSPC && rc != DHT_ENOMEM)
		cluster_fail(h->cluster, -1, "a step ends with an error that it does not have");
	host_work_destroy(h, work);
}

void host_work(struct host *h, struct work *work)
{
	struct cluster *c = h->cluster;
	struct node_effects effects = {.ctx = h,
				       .send = on_send,
				       .done = on_done,
				       .timer = on_timer,
				       .wants_map = on_wants_map};
	struct node_step step = {
	    .appender = 0,
	    .now_us = c->now_us,
	    .now_ms = wall_ms(h),
	    .random = random_next(&c->random),
	    .effects = &effects,
	};
	for (unsigned i = 0; i < work->fetched_count; i++)
		work->fetched[i].next = i + 1 < work->fetched_count ? &work->fetched[i + 1] : NULL;
	step.fetched = work->fetched_count > 0 ? work->fetched : NULL;
	c->count.steps++;
	host_set_stepping(h);
	int rc = run(h, &step, work);
	host_set_stepping(NULL);
	if (rc == DHT_EAGAIN)
		put_by(h, work, &step);
	else
		end_work(h, work, rc);
	host_after(h);
}

void host_fetched(struct host *h, struct work *work)
{
	struct store_fetched *fetched = &work->fetched[work->fetched_count];
	uint8_t *data;
	int rc = store_fetch(h->store, fetched->location, &data);
	store_unpin(h->store, fetched->location);
	if (rc != 0) {
		cluster_fail(h->cluster, -1, "a cold record cannot be read");
		return;
	}
	fetched->data = data;
	work->fetched_count++;
	host_work(h, work);
}

/* Works that are put by again while this goes on are behind its end. */
void host_resume(struct host *h, enum node_wait waits_for)
{
	struct list again;
	list_init(&again);
	LIST_FOREACH_SAFE(link, following, &h->waiting)
	{
		struct work *work = LIST_ENTRY(link, struct work, link);
		if (work->waits_for == waits_for)
			list_move_tail(&again, link);
	}
	while (!list_is_empty(&again)) {
		struct work *work = LIST_ENTRY(list_first(&again), struct work, link);
		list_move_tail(&h->waiting, &work->link);
		host_work(h, work);
	}
}

/* ---- What goes out ------------------------------------------------------------------- */

/* Something a map's adoption has to complete is not durable before that. */
static bool is_durable(const struct host *h, uint64_t rests_on)
{
	if (rests_on == NODE_RESTS_ON_MAP)
		rests_on = node_map_end(&h->node);
	return rests_on != NODE_RESTS_ON_MAP && rests_on <= host_mark(h);
}

void host_flush(struct host *h)
{
	struct cluster *c = h->cluster;
	cluster_acknowledge(c, h);
	LIST_FOREACH_SAFE(link, following, &h->outbox)
	{
		struct letter *letter = LIST_ENTRY(link, struct letter, link);
		if (!is_durable(h, letter->rests_on)) {
			h->wants_commit = true;
			continue;
		}
		network_send(c, &letter->parcel->m, letter->parcel->to);
		parcel_destroy(letter->parcel);
		list_remove(&letter->link);
		free(letter);
	}
	LIST_FOREACH_SAFE(next, follower, &h->answers)
	{
		struct request *request = LIST_ENTRY(next, struct request, link);
		if (!is_durable(h, request->task.whole.end)) {
			h->wants_commit = true;
			continue;
		}
		uint64_t pinned = request->task.whole.is_pinned ? request->task.whole.location : 0;
		cluster_answer(c, request);
		if (pinned != 0)
			store_unpin(h->store, pinned);
	}
}

/* The end of a process. */
void host_free_waiting(struct host *h)
{
	LIST_FOREACH_SAFE(link, following, &h->outbox)
	{
		struct letter *letter = LIST_ENTRY(link, struct letter, link);
		parcel_destroy(letter->parcel);
		free(letter);
	}
	list_init(&h->outbox);
	LIST_FOREACH_SAFE(next, follower, &h->waiting)
	host_work_destroy(h, LIST_ENTRY(next, struct work, link));
}
