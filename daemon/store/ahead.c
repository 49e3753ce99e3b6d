/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ahead.h"

enum { STEP = 2 << 20 }; /* that of the huge pages that there mostly are */

void ahead_init(struct ahead *ahead, const struct tail *tail)
{
	uint64_t position = tail_position(tail);
	ahead->first = tail_sequence_of(position);
	atomic_store_explicit(&ahead->touched, position, memory_order_relaxed);
}

/* The step that a position is in was touched by who appended there, or is about to be. */
static uint64_t behind_step(uint64_t position)
{
	return (position + STEP - 1) / STEP * STEP;
}

/* Where the next step begins: nothing is done for what the tail has passed. */
static uint64_t next_step(const struct ahead *ahead, uint64_t position)
{
	uint64_t touched = atomic_load_explicit(&ahead->touched, memory_order_relaxed);
	return behind_step(touched > position ? touched : position);
}

/* The position up to which the memory is to be there. */
static uint64_t goal(const struct ahead *ahead, const struct tail *tail, uint64_t position)
{
	size_t size = tail->segs->size;
	uint64_t sequence = tail_sequence_of(position);
	size_t steps = 2 * (size_t)segment_offset_of(position);
	if (sequence != ahead->first)
		steps = 2 * size;
	if (steps <= size)
		return (sequence << STORE_OFFSET_BITS) + steps;
	if (!tail_has_next(tail, sequence))
		return (sequence << STORE_OFFSET_BITS) + size;
	return ((sequence + 1) << STORE_OFFSET_BITS) + steps - size;
}

/* A segment may be smaller than its range of positions. */
static bool is_in_segment(const struct tail *tail, uint64_t position)
{
	return segment_offset_of(position) < tail->segs->size;
}

bool ahead_wants(const struct ahead *ahead, const struct tail *tail)
{
	uint64_t position = tail_position(tail);
	return next_step(ahead, position) < goal(ahead, tail, position);
}

/* The tail may leave the segment meanwhile, and the segment its memory: if it is still
 * there, it is pinned. */
static void touch(const struct tail *tail, struct segments *segs, uint64_t from)
{
	uint32_t slot, offset = segment_offset_of(from);
	uint64_t sequence = tail_sequence_of(from);
	size_t left = segs->size - offset;
	if (!tail_find_slot(tail, sequence, &slot) || !segment_try_pin(segs, slot, sequence))
		return;
	segs->os->segment_touch(segs->os->ctx, segment_memory(segs, slot) + offset,
				left < STEP ? left : STEP);
	segment_unpin_slot(segs, slot);
}

void ahead_touch(struct ahead *ahead, const struct tail *tail, struct segments *segs)
{
	uint64_t position = tail_position(tail), from = next_step(ahead, position);
	if (from >= goal(ahead, tail, position))
		return;
	if (is_in_segment(tail, from))
		touch(tail, segs, from);
	uint64_t behind = from + STEP;
	if (!is_in_segment(tail, behind))
		behind = (tail_sequence_of(from) + 1) << STORE_OFFSET_BITS;
	atomic_store_explicit(&ahead->touched, behind, memory_order_relaxed);
}
