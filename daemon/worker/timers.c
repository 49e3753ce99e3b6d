/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/timers.h"

#include <stdlib.h>

enum { CAP_MIN = 256 };

static bool has_room(struct timers *t)
{
	if (t->count < t->cap)
		return true;
	size_t cap = t->cap == 0 ? CAP_MIN : 2 * t->cap;
	struct timers_item *items = realloc(t->items, cap * sizeof(*items));
	if (items == NULL)
		return false;
	t->items = items;
	t->cap = cap;
	return true;
}

void timers_add(struct timers *t, const struct node_timer *timer, uint64_t at_us)
{
	if (!has_room(t)) {
		t->lost++;
		return;
	}
	size_t at = t->count++;
	while (at > 0 && t->items[(at - 1) / 2].at_us > at_us) {
		t->items[at] = t->items[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	t->items[at] = (struct timers_item){at_us, *timer};
}

/* The earlier child of a place, which has one. */
static size_t earlier_child(const struct timers *t, size_t at)
{
	size_t child = 2 * at + 1;
	if (child + 1 < t->count && t->items[child + 1].at_us < t->items[child].at_us)
		child++;
	return child;
}

bool timers_take(struct timers *t, uint64_t now_us, struct node_timer *timer)
{
	if (t->count == 0 || t->items[0].at_us > now_us)
		return false;
	*timer = t->items[0].timer;
	struct timers_item last = t->items[--t->count];
	size_t at = 0;
	while (2 * at + 1 < t->count) {
		size_t child = earlier_child(t, at);
		if (t->items[child].at_us >= last.at_us)
			break;
		t->items[at] = t->items[child];
		at = child;
	}
	if (t->count > 0)
		t->items[at] = last;
	return true;
}

void timers_fini(struct timers *t)
{
	free(t->items);
	*t = TIMERS_NONE;
}
