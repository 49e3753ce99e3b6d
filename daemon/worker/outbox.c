/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/outbox.h"

#include "worker/committer.h"
#include "worker/worker.h"

void outbox_init(struct outbox *o)
{
	list_init(&o->held);
	list_init(&o->stalled);
	o->end = 0;
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
	if (s->held_end <= committer_mark(w->shared->committer)) {
		s->held_end = 0;
		return false;
	}
	list_push_tail(&w->outbox.held, &s->held_link);
	return true;
}

void outbox_stall(struct worker *w, struct session *s, enum outbox_reason reason)
{
	struct outbox *o = &w->outbox;
	s->waits = true;
	list_push_tail(&o->stalled, &s->wait_link);
	/* Then the committer's next round sees the flag, and so does every later one until
	 * there is room: so it is asked once. */
	atomic_store(&o->awaits_room, true);
	if (reason == OUTBOX_ROOM)
		committer_ask(w->shared->committer);
}

void outbox_drop(struct session *s)
{
	list_remove(&s->held_link);
	list_remove(&s->wait_link);
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

void outbox_release(struct worker *w)
{
	struct outbox *o = &w->outbox;
	if (!list_is_empty(&o->stalled) && !atomic_load(&o->awaits_room))
		resume_stalled(w);
	if (list_is_empty(&o->held))
		return;
	uint64_t mark = committer_mark(w->shared->committer);
	/* What one worker appends comes in order; a reply that rests on somebody else's
	 * record may wait a little longer than it has to. */
	struct list *link;
	while ((link = list_first(&o->held)) != NULL) {
		struct session *s = LIST_ENTRY(link, struct session, held_link);
		if (s->held_end > mark)
			return;
		release(w, s);
	}
}

void outbox_settle(struct worker *w)
{
	if (list_is_empty(&w->outbox.held))
		return;
	committer_advance(w->shared->committer);
	outbox_release(w);
}

bool outbox_sleep(struct worker *w)
{
	struct outbox *o = &w->outbox;
	struct committer *committer = w->shared->committer;
	if (list_is_empty(&o->held))
		return true;
	/* Sequentially consistent against the committer: either it sees that this worker
	 * waits, or this thread sees what it did. */
	atomic_store(&o->awaits, true);
	atomic_thread_fence(memory_order_seq_cst);
	outbox_release(w);
	if (!list_is_empty(&w->ready) || !list_is_empty(&w->streams))
		return false;
	/* A copy of another worker kept the mark from going as far as it had to, and that
	 * worker need not move it before it sleeps. */
	if (committer->mode != COMMITTER_ALWAYS && !list_is_empty(&o->held))
		committer_ask(committer);
	return true;
}
