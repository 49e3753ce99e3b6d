/* SPDX-License-Identifier: Apache-2.0
 *
 * When the tasks of a key have to be looked at again, at the latest.
 */
#include "base/error.h"
#include "node/rounds.h"

void rounds_alarm_by(struct node *node, struct node_step *step, struct active *a, uint64_t at_us)
{
	if (a->alarm != 0 && a->alarm_us <= at_us)
		return;
	a->alarm = node_tag(node);
	a->alarm_us = at_us;
	struct node_timer timer = {.block = a->key.block, .hash = a->key.hash, .tag = a->alarm};
	step->effects->timer(step->effects->ctx, &timer,
			     at_us > step->now_us ? at_us - step->now_us : 0);
}

static uint64_t earliest_deadline(const struct list *tasks, uint64_t at_us)
{
	for (struct list *link = tasks->next; link != tasks; link = link->next) {
		uint64_t deadline_us = LIST_ENTRY(link, struct task, link)->deadline_us;
		at_us = deadline_us < at_us ? deadline_us : at_us;
	}
	return at_us;
}

void rounds_set_alarm(struct node *node, struct node_step *step, struct active *a, uint64_t at_us)
{
	if (a->alarm != 0 && a->alarm_us <= at_us)
		return;
	at_us = earliest_deadline(&a->queue, earliest_deadline(&a->batch, at_us));
	rounds_alarm_by(node, step, a, at_us);
}

static bool has_late_task(const struct node_step *step, const struct active *a)
{
	return earliest_deadline(&a->batch, UINT64_MAX) <= step->now_us;
}

static void expire_tasks(struct node *node, struct node_step *step, struct active *a,
			 struct list *tasks)
{
	LIST_FOREACH_SAFE(link, following, tasks)
	{
		struct task *task = LIST_ENTRY(link, struct task, link);
		if (task->deadline_us > step->now_us)
			continue;
		list_remove(link);
		a->batch_count -= tasks == &a->batch;
		rounds_fail_task(node, step, a, task, DHT_ENOQUORUM);
	}
}

/* True once an ACCEPT was sent: what its tasks are told rests on each other, even where all of
 * them together change nothing. */
static bool is_proposed(const struct active *a)
{
	return a->round.attempt_count > 0 ||
	       (a->state == ACTIVE_ASKS && a->round.phase == ROUND_ACCEPTING);
}

/* A batch that is proposed stands or falls as a whole. */
void rounds_expire(struct node *node, struct node_step *step, struct active *a)
{
	expire_tasks(node, step, a, &a->queue);
	if (!is_proposed(a))
		expire_tasks(node, step, a, &a->batch);
	else if (has_late_task(step, a))
		rounds_fail_for(node, step, a, DHT_ENOQUORUM);
	if (a->batch_count == 0)
		a->state = ACTIVE_IDLE;
}
