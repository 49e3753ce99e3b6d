/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/pending.h"

#include <stdlib.h>
#include <string.h>

#include "worker/background.h"
#include "worker/exec.h"
#include "worker/worker.h"

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

struct pending *pending_create(struct worker *w, struct session *s, const struct series *series)
{
	size_t size = sizeof(struct pending) + series->key.key.len;
	size += series->count * (sizeof(struct op) + sizeof(struct op_result));
	for (size_t i = 0; i < series->count; i++)
		size += bytes_in(&series->ops[i]);
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
	p->is_done = false;
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

void pending_end(struct worker *w, struct pending *p)
{
	struct session *s = p->session;
	p->is_done = true;
	if (s == NULL) {
		pending_destroy(w, p);
		return;
	}
	/* It does not wait yet where the task was over at once. */
	if (!s->waits)
		return;
	s->waits = false;
	worker_make_ready(w, s);
}

void pending_tell(struct worker *w, struct pending *p)
{
	struct worker *owner = &w->shared->background->workers[p->task.worker];
	if (owner == w)
		pending_end(w, p);
	else /* at most one for each session, and what the upkeep has under way */
		worker_push_beyond(owner, &p->job, w->now_ns);
}

void pending_drop(struct worker *w, struct session *s)
{
	struct pending *p = s->pending;
	s->pending = NULL;
	if (p == NULL)
		return;
	p->session = NULL;
	if (p->is_done)
		pending_destroy(w, p);
}

void pending_forget(struct worker *w)
{
	LIST_FOREACH_SAFE(link, next, &w->pending)
	{
		struct pending *p = LIST_ENTRY(link, struct pending, link);
		pending_destroy(w, p);
	}
}
