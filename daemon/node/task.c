/* SPDX-License-Identifier: Apache-2.0 */
#include "node/task.h"

void task_init(struct task *task, enum task_kind kind)
{
	*task = (struct task){.kind = kind};
	list_init(&task->link);
	series_init(&task->series);
	arena_init(&task->held);
}

void task_fini(struct task *task)
{
	series_fini(&task->series);
	arena_fini(&task->held);
}
