/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/pending.h"

#include <stdlib.h>
#include <string.h>

#include "worker/background.h"
#include "worker/exec.h"
#include "worker/worker.h"

enum { PENDING_AHEAD_BYTES_MAX = 1024 * 1024 }; /* that a session has in PENDING_AHEAD_MAX */

static size_t bytes_in(const struct op *op)
{
	return op->value.len + op->expected.len;
}

static struct bytes copy_bytes(uint8_t **at, struct bytes from)
{
	struct bytes copy = bytes_of(*at, from.len);
	if (from.len > 0)
		memcpy(*at, from.data, from.len);
	*at += from.len;
	return copy;
}

static void copy_ops(struct pending *p, const struct series *from)
{
	struct series *series = &p->task.series;
	series->ops = (struct op *)(void *)p->memory;
	series->results = (struct op_result *)(void *)(series->ops + from->count);
	uint8_t *at = (uint8_t *)(series->results + from->count);
	series->count = from->count;
	series->is_watched = from->is_watched;
	series->watched = from->watched;
	series->key = from->key;
	series->key.key = copy_bytes(&at, from->key.key);
	memset(series->results, 0, from->count * sizeof(*series->results));
	for (size_t i = 0; i < from->count; i++) {
		struct op *op = &series->ops[i];
		*op = from->ops[i];
		op->key = series->key;
		op->fetched = NULL;
		op->value = copy_bytes(&at, from->ops[i].value);
		op->expected = copy_bytes(&at, from->ops[i].expected);
	}
}

static void run_told(struct worker *w, struct job *job)
{
	pending_end(w, DHT_CONTAINER_OF(job, struct pending, job));
}

static bool has_room(struct session *s)
{
	if (s->under_way != NULL)
		return true;
	s->under_way = calloc(1, sizeof(*s->under_way));
	if (s->under_way == NULL)
		return false;
	list_init(&s->under_way->all);
	return true;
}

void pending_rest(struct session *s)
{
	DHT_ASSERT(pending_is_empty(s));
	free(s->under_way);
	s->under_way = NULL;
}

bool pending_is_empty(const struct session *s)
{
	return s->under_way == NULL || list_is_empty(&s->under_way->all);
}

struct pending *pending_create(struct worker *w, struct session *s, const struct series *series)
{
	size_t size = sizeof(struct pending) + series->key.key.len;
	size += series->count * (sizeof(struct op) + sizeof(struct op_result));
	for (size_t i = 0; i < series->count; i++)
		size += bytes_in(&series->ops[i]);
	if (s != NULL && !has_room(s))
		return NULL;
	struct pending *p =
	    aligned_alloc(_Alignof(struct pending),
			  (size + _Alignof(struct pending) - 1) & ~(_Alignof(struct pending) - 1));
	if (p == NULL)
		return NULL;
	task_init(&p->task, TASK_OPERATIONS);
	p->task.owner = p;
	p->task.worker = w->index;
	p->job = (struct job){.run = run_told, .kind = JOB_done};
	p->session = s;
	p->which = s != NULL ? s->under_way->next : (struct session_op){0};
	p->bytes = size;
	p->is_done = false;
	list_init(&p->of_session);
	if (s != NULL)
		list_push_tail(&s->under_way->all, &p->of_session);
	copy_ops(p, series);
	list_push_tail(&w->pending, &p->link);
	return p;
}

void pending_destroy(struct worker *w, struct pending *p)
{
	const struct op_result *whole = &p->task.whole;
	if (whole->location != 0 && whole->is_pinned)
		store_unpin(exec_of(w)->store, whole->location);
	list_remove(&p->link);
	list_remove(&p->of_session);
	task_fini(&p->task);
	free(p);
}

bool pending_is_of(const struct pending *p, const struct op *ops, size_t count)
{
	const struct series *series = &p->task.series;
	if (series->count != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (series->ops[i].kind != ops[i].kind ||
		    !bytes_equal(series->key.key, ops[i].key.key))
			return false;
	}
	return true;
}

struct pending *pending_find(const struct session *s, struct session_op which)
{
	if (pending_is_empty(s))
		return NULL;
	const struct list *all = &s->under_way->all;
	for (struct list *at = all->next; at != all; at = at->next) {
		struct pending *p = LIST_ENTRY(at, struct pending, of_session);
		if (p->which.request == which.request && p->which.at == which.at)
			return p;
	}
	return NULL;
}

struct pending *pending_next(const struct session *s)
{
	return s->under_way != NULL ? pending_find(s, s->under_way->next) : NULL;
}

enum pending_room pending_room(const struct session *s, const struct op *op)
{
	size_t count = 1, bytes = op->key.key.len + bytes_in(op);
	const struct list *all = &s->under_way->all;
	for (const struct list *at = all->next; at != all; at = at->next) {
		const struct pending *p = LIST_ENTRY(at, const struct pending, of_session);
		if (bytes_equal(p->task.series.key.key, op->key.key))
			return PENDING_ROOM_KEY_TAKEN;
		count++;
		bytes += p->bytes;
	}
	return count <= PENDING_AHEAD_MAX && bytes <= PENDING_AHEAD_BYTES_MAX ? PENDING_ROOM
									      : PENDING_ROOM_NONE;
}

void pending_end(struct worker *w, struct pending *p)
{
	struct session *s = p->session;
	p->is_done = true;
	if (s == NULL) {
		pending_destroy(w, p);
		return;
	}
	/* It does not wait yet where the task was over at once, or for another one first. */
	if (s->under_way->awaited != p)
		return;
	s->under_way->awaited = NULL;
	s->waits = false;
	worker_make_ready(w, s);
}

void pending_tell(struct worker *w, struct pending *p)
{
	struct worker *owner = &w->shared->background->workers[p->task.worker];
	if (owner == w)
		pending_end(w, p);
	else /* at most PENDING_AHEAD_MAX for each session, and what the upkeep has under way */
		worker_push_beyond(owner, &p->job, w->now_ns);
}

void pending_drop(struct worker *w, struct pending *p)
{
	struct under_way *u = p->session->under_way;
	list_remove(&p->of_session);
	if (u->awaited == p)
		u->awaited = NULL;
	if (u->met == p)
		u->met = NULL;
	p->session = NULL;
	if (p->is_done)
		pending_destroy(w, p);
}

static void drop_before(struct worker *w, struct session *s, uint64_t request)
{
	if (pending_is_empty(s))
		return;
	LIST_FOREACH_SAFE(link, next, &s->under_way->all)
	{
		struct pending *p = LIST_ENTRY(link, struct pending, of_session);
		if (p->which.request < request)
			pending_drop(w, p);
	}
}

void pending_pass(struct worker *w, struct session *s)
{
	struct under_way *u = s->under_way;
	if (u->met != NULL)
		pending_drop(w, u->met);
	u->next.at++;
}

void pending_pass_request(struct worker *w, struct session *s)
{
	struct under_way *u = s->under_way;
	u->next = (struct session_op){.request = u->next.request + 1};
	drop_before(w, s, u->next.request);
}

void pending_drop_all(struct worker *w, struct session *s)
{
	drop_before(w, s, UINT64_MAX);
}

void pending_forget(struct worker *w)
{
	LIST_FOREACH_SAFE(link, next, &w->pending)
	{
		struct pending *p = LIST_ENTRY(link, struct pending, link);
		pending_destroy(w, p);
	}
}
