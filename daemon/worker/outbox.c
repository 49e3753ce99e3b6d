/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/outbox.h"

#include "worker/committer.h"
#include "worker/exec.h"
#include "worker/links.h"
#include "worker/worker.h"

void outbox_init(struct outbox *o)
{
	list_init(&o->held);
	list_init(&o->parcels);
	list_init(&o->stalled);
	o->end = 0;
	o->has_resolved = false;
	atomic_init(&o->awaits, false);
}

void outbox_rest_on(struct worker *w, uint64_t end)
{
	if (end > w->outbox.end)
		w->outbox.end = end;
}

bool outbox_holds(const struct session *s)
{
	return !list_is_empty(&s->held_link);
}

bool outbox_must_hold(struct worker *w, struct session *s)
{
	uint64_t end = w->outbox.end;
	w->outbox.end = 0;
	if (end > s->held_end)
		s->held_end = end;
	if (outbox_holds(s))
		return true;
	/* A request that was begun and has to wait has no reply yet, but what it did. */
	if (output_len(&w->out) == 0)
		return false;
	if (outbox_may_go(w, s->held_end)) {
		s->held_end = 0;
		return false;
	}
	list_push_tail(&w->outbox.held, &s->held_link);
	return true;
}

bool outbox_may_go(const struct worker *w, uint64_t end)
{
	return end <= committer_mark(w->shared->committer);
}

void outbox_hold(struct worker *w, struct parcel *parcel, uint64_t end)
{
	parcel->end = end;
	list_push_tail(&w->outbox.parcels, &parcel->link);
}

bool outbox_awaits_room(const struct worker *w)
{
	return atomic_load(&w->outbox.awaits_room);
}

void outbox_stall(struct worker *w, struct session *s, enum outbox_reason reason)
{
	s->waits = true;
	list_push_tail(&w->outbox.stalled, &s->wait_link);
	outbox_await_room(w, reason);
}

void outbox_await_room(struct worker *w, enum outbox_reason reason)
{
	/* Then the committer's next round sees the flag, and so does every later one until
	 * there is room: so it is asked once. */
	atomic_store(&w->outbox.awaits_room, true);
	if (reason == OUTBOX_ROOM)
		committer_ask(w->shared->committer);
}

void outbox_drop(struct session *s)
{
	list_remove(&s->held_link);
	list_remove(&s->wait_link);
}

/* What rests on a map rests, when that was adopted, on its record and on what was appended before
 * it or meanwhile: so on all there is. */
static uint64_t resolve(struct worker *w, uint64_t end)
{
	const struct exec *exec = exec_of(w);
	if (end != NODE_RESTS_ON_MAP || node_map_end(exec->node) == NODE_RESTS_ON_MAP)
		return end;
	w->outbox.has_resolved = true;
	return store_end(exec->store);
}

static void release(struct worker *w, struct session *s)
{
	list_remove(&s->held_link);
	s->held_end = 0;
	worker_released(w, s);
}

static void resume_stalled(struct worker *w)
{
	struct list *link;
	while ((link = list_first(&w->outbox.stalled)) != NULL) {
		struct session *s = LIST_ENTRY(link, struct session, wait_link);
		list_remove(link);
		s->waits = false;
		worker_make_ready(w, s);
	}
}

static void release_parcels(struct worker *w)
{
	LIST_FOREACH_SAFE(link, next, &w->outbox.parcels)
	{
		struct parcel *parcel = LIST_ENTRY(link, struct parcel, link);
		parcel->end = resolve(w, parcel->end);
		if (!outbox_may_go(w, parcel->end))
			continue;
		list_remove(link);
		parcel->release(w, parcel);
	}
}

static bool holds_any(const struct outbox *o)
{
	return !list_is_empty(&o->held) || !list_is_empty(&o->parcels);
}

/* True if a commit would let something go: what waits for a map is not among that. */
static bool waits_for_log(const struct outbox *o)
{
	for (struct list *link = o->parcels.next; link != &o->parcels; link = link->next) {
		if (LIST_ENTRY(link, struct parcel, link)->end != NODE_RESTS_ON_MAP)
			return true;
	}
	for (struct list *link = o->held.next; link != &o->held; link = link->next) {
		if (LIST_ENTRY(link, struct session, held_link)->held_end != NODE_RESTS_ON_MAP)
			return true;
	}
	return false;
}

void outbox_release(struct worker *w)
{
	struct outbox *o = &w->outbox;
	if (!list_is_empty(&o->stalled) && !atomic_load(&o->awaits_room))
		resume_stalled(w);
	if (!list_is_empty(&o->parcels))
		release_parcels(w);
	/* What one worker appends comes in order; a reply that rests on somebody else's
	 * record may wait a little longer than it has to. */
	struct list *link;
	while ((link = list_first(&o->held)) != NULL) {
		struct session *s = LIST_ENTRY(link, struct session, held_link);
		s->held_end = resolve(w, s->held_end);
		if (!outbox_may_go(w, s->held_end))
			return;
		release(w, s);
	}
}

/* True if a step has appended what nobody may be waiting for yet, but will. */
static bool has_appended(struct worker *w)
{
	bool has_stepped = w->cluster.has_stepped;
	w->cluster.has_stepped = false;
	return has_stepped && !outbox_may_go(w, store_end(exec_of(w)->store));
}

void outbox_settle(struct worker *w)
{
	bool is_more = has_appended(w);
	w->outbox.has_resolved = false;
	if (!is_more && !holds_any(&w->outbox))
		return;
	if (is_more || waits_for_log(&w->outbox))
		committer_advance(w->shared->committer);
	outbox_release(w);
}

bool outbox_sleep(struct worker *w)
{
	struct outbox *o = &w->outbox;
	struct committer *committer = w->shared->committer;
	if (!holds_any(o))
		return true;
	/* Sequentially consistent against the committer: either it sees that this worker
	 * waits, or this thread sees what it did. */
	atomic_store(&o->awaits, true);
	atomic_thread_fence(memory_order_seq_cst);
	outbox_release(w);
	if (!list_is_empty(&w->ready) || !list_is_empty(&w->streams) || links_are_dirty(w))
		return false;
	/* A copy of another worker kept the mark from going as far as it had to, and that
	 * worker need not move it before it sleeps; or a map was adopted just now. */
	bool is_asked = committer->mode == COMMITTER_ALWAYS && !o->has_resolved;
	o->has_resolved = false;
	if (!is_asked && waits_for_log(o))
		committer_ask(committer);
	return true;
}
