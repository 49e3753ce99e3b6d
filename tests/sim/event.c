/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include "base/assert.h"

void events_init(struct events *e)
{
	e->count = e->order = 0;
}

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void events_push(struct events *e, struct event event)
{
	DHT_ASSERT(e->count < EVENTS_MAX);
	event.order = e->order++;
	uint32_t i = e->count++;
	while (i > 0 && is_before(&event, &e->heap[(i - 1) / 2])) {
		e->heap[i] = e->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	e->heap[i] = event;
}

bool events_pop(struct events *e, struct event *event)
{
	if (e->count == 0)
		return false;
	*event = e->heap[0];
	struct event last = e->heap[--e->count];
	uint32_t i = 0;
	for (uint32_t child; (child = 2 * i + 1) < e->count; i = child) {
		if (child + 1 < e->count && is_before(&e->heap[child + 1], &e->heap[child]))
			child++;
		if (!is_before(&e->heap[child], &last))
			break;
		e->heap[i] = e->heap[child];
	}
	e->heap[i] = last;
	return true;
}
