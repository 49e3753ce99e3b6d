/* SPDX-License-Identifier: Apache-2.0
 *
 * The events that tasks are made of: they begin, and time passes.
 */
#include "base/error.h"
#include "node/coordinator.h"
#include "node/forward.h"

int node_submit(struct node *node, struct node_step *step, struct task *task)
{
	uint64_t latest_us = step->now_us + TASK_DEADLINE_MAX_US;
	if (task->deadline_us > latest_us)
		task->deadline_us = latest_us;
	return forward_route(node, step, task);
}

int node_on_timer(struct node *node, struct node_step *step, const struct node_timer *timer)
{
	int rc = 0;
	if (!coordinator_on_timer(node, step, timer, &rc) && !forward_on_timer(node, step, timer))
		return 0; /* nobody waits for it any more */
	return rc;
}
