/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks of a round: which, what they make of the record, and what they are told.
 */
#include "base/error.h"
#include "node/active.h"

struct task *active_take(struct active *a)
{
	struct list *link = list_first(&a->queue);
	if (link == NULL)
		return NULL;
	list_move_tail(&a->batch, link);
	a->batch_count++;
	return LIST_ENTRY(link, struct task, link);
}

void active_give_back(struct active *a, unsigned keep)
{
	struct list back;
	list_init(&back);
	unsigned at = 0;
	LIST_FOREACH_SAFE(link, following, &a->batch)
	{
		if (at++ < keep)
			continue;
		list_move_tail(&back, link);
		a->batch_count--;
	}
	list_splice_tail(&back, &a->queue);
	list_splice_tail(&a->queue, &back);
}

/* ---- What they make of the record -------------------------------------------------------- */

static void apply(const struct active *a, struct chain *chain, struct task *task, uint64_t now_ms)
{
	/* What earlier attempts have derived is still to be told if one of them took effect. */
	if (a->round.attempt_count == 0)
		arena_fini(&task->series.derived);
	series_set_time(&task->series, now_ms);
	task->whole = (struct op_result){0};
	chain_apply(chain, &task->series, &task->whole);
}

/* Bytes that a task writes, and that it may get a copy of: what is there before it, unless that
 * lies in the own store still. */
static size_t bytes_of_task(const struct active *a, const struct task *task,
			    const struct chain *chain)
{
	bool is_stored = a->own.location != 0 && chain->now.value.data == a->own.bytes.data;
	size_t bytes = is_stored ? 0 : chain->now.value.len;
	for (size_t i = 0; i < task->series.count; i++)
		bytes += task->series.ops[i].value.len;
	return bytes;
}

/* Takes the next task that waits, if there is room for it. */
static struct task *take_within(struct active *a, const struct chain *chain, size_t *bytes)
{
	struct list *link = list_first(&a->queue);
	if (link == NULL || a->batch_count >= ACTIVE_BATCH_MAX)
		return NULL;
	*bytes += bytes_of_task(a, LIST_ENTRY(link, struct task, link), chain);
	return *bytes <= ACTIVE_BATCH_BYTES_MAX ? active_take(a) : NULL;
}

static void apply_waiting(struct active *a, struct chain *chain, size_t bytes, uint64_t now_ms)
{
	struct task *task;
	while ((task = take_within(a, chain, &bytes)) != NULL)
		apply(a, chain, task, now_ms);
}

bool active_compose(struct active *a, uint64_t now_ms, struct paxos_record *made)
{
	struct record base = entry_record(&a->round.base, a->key.key);
	struct chain chain;
	struct change change;
	size_t bytes = 0;
	chain_begin(&chain, &base);
	for (struct list *link = a->batch.next; link != &a->batch; link = link->next) {
		struct task *task = LIST_ENTRY(link, struct task, link);
		bytes += bytes_of_task(a, task, &chain);
		apply(a, &chain, task, now_ms);
	}
	if (a->round.attempt_count == 0 && !a->is_single)
		apply_waiting(a, &chain, bytes, now_ms);
	for (struct list *link = a->batch.next; link != &a->batch; link = link->next) {
		struct task *task = LIST_ENTRY(link, struct task, link);
		chain_written(&chain, &task->series, &task->whole, a->round.b);
	}
	chain_end(&chain, &change);
	*made = (struct paxos_record){.is_tombstone = change.kind == RECORD_TOMBSTONE,
				      .expires_ms = change.expires_ms,
				      .value = change.value};
	return change.changes;
}

/* ---- What they are told -------------------------------------------------------------------- */

static bool is_shown(const struct bytes *value, struct bytes was)
{
	return value->len > 0 && value->data == was.data;
}

/* The results that show the value that was there before the task now show it at `kept`. */
static bool show(struct task *task, struct bytes was, struct bytes kept)
{
	bool any = false;
	for (size_t i = 0; i < task->series.count; i++) {
		struct bytes *value = &task->series.results[i].value;
		if (!is_shown(value, was))
			continue;
		value->data = kept.data;
		any = true;
	}
	return any;
}

static bool pin_for(struct node *node, const struct active_value *value, struct task *task)
{
	if (value->location == 0 || !is_shown(&task->whole.value, value->bytes))
		return false;
	store_pin(node->store, value->location);
	task->whole.location = value->location;
	task->whole.is_pinned = true;
	return true;
}

static bool pin_any(struct node *node, struct active *a, struct task *task)
{
	if (pin_for(node, &a->own, task))
		return true;
	for (unsigned i = 0; i < a->attempts_kept; i++) {
		if (pin_for(node, &a->attempts[i].own, task))
			return true;
	}
	return false;
}

int active_copy_value(struct task *task)
{
	struct bytes was = task->whole.value, kept = {0};
	task->whole.value = bytes_of(NULL, 0);
	if (was.len == 0 || !show(task, was, was))
		return 0;
	int rc = arena_copy(&task->held, was, &kept);
	task->whole.value = kept;
	show(task, was, kept);
	return rc;
}

/* A value that the task's own operations wrote or derived is its owner's or the series's. What
 * was there before it is of a round that ends now, or of another task. */
void active_keep_value(struct node *node, struct active *a, struct task *task)
{
	struct bytes was = task->whole.value;
	if (was.len > 0 && show(task, was, was) && pin_any(node, a, task))
		return;
	if (active_copy_value(task) != 0)
		task->whole.status = a->round.attempt_count > 0 ? DHT_EUNCERTAIN : DHT_ENOMEM;
}
