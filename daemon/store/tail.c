/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tail.h"

#include <string.h>

#include "base/error.h"

enum { SLOT_BITS = STORE_LOCATION_BITS - STORE_OFFSET_BITS };

static uint32_t slot_of(uint64_t open)
{
	return (uint32_t)(open & ((UINT64_C(1) << SLOT_BITS) - 1));
}

enum { REST_PART = 4 }; /* of a segment: whoever needs more waits */

static _Atomic uint64_t *open_of(struct tail *tail, uint64_t sequence)
{
	return &tail->open[sequence % TAIL_OPEN_MAX];
}

/* Makes the segment of this sequence, which follows the last one, ready unless it is.
 * Several appenders may try at once: one publishes its segment, the others give theirs
 * back. So one that finds no room left may be told so although another is about to
 * publish the very last segment: the log is full but for that one. An appender that was
 * overtaken publishes nothing, because what stands in the place has changed. */
static int prepare(struct tail *tail, uint64_t sequence)
{
	_Atomic uint64_t *open = open_of(tail, sequence);
	uint64_t before = atomic_load(open);
	uint32_t slot;

	if (before >> SLOT_BITS >= sequence)
		return 0;
	if (tail->segs->has_files)
		return atomic_load(&tail->is_full) ? DHT_ENOSPC : DHT_EAGAIN;
	int rc = segment_open(tail->segs, sequence, &slot);
	if (rc != 0)
		return atomic_load(open) != before ? 0 : rc; /* somebody else got the last one */
	if (!atomic_compare_exchange_strong(open, &before, sequence << SLOT_BITS | slot))
		segment_discard(tail->segs, slot);
	return 0;
}

/* The first segment that is not for a record, and what its append is told there. */
struct bound {
	uint64_t sequence;
	int error;
};

/* Takes size bytes of the log. *at is set to their position, *slot to the segment's. */
static int reserve(struct tail *tail, uint32_t size, struct bound bound, uint64_t *at,
		   uint32_t *slot)
{
	uint32_t limit = segment_limit(tail->segs);
	uint64_t now = atomic_load(&tail->position);

	/* Whenever a turn fails to end this, another appender has moved the position or
	 * published a segment. */
	for (;;) {
		uint64_t sequence = tail_sequence_of(now);
		uint32_t offset = segment_offset_of(now);
		uint64_t open = atomic_load(open_of(tail, sequence));
		bool fits = size <= limit - offset;
		if (sequence + (fits ? 0 : 1) >= bound.sequence)
			return bound.error;
		if (fits) {
			if (!atomic_compare_exchange_weak(&tail->position, &now, now + size))
				continue;
			*at = now;
			*slot = slot_of(open);
			return 0;
		}
		uint64_t following = atomic_load(open_of(tail, sequence + 1));
		if (following >> SLOT_BITS != sequence + 1) {
			int rc = prepare(tail, sequence + 1);
			uint64_t later = atomic_load(&tail->position);
			if (rc != 0 && later == now)
				return rc;
			now = later;
			continue;
		}
		uint64_t begin = tail_begin_of(sequence + 1);
		if (!atomic_compare_exchange_weak(&tail->position, &now, begin + size))
			continue;
		segment_seal(tail->segs, slot_of(open), offset);
		*at = begin;
		*slot = slot_of(following);
		return 0;
	}
}

/* The appender that passes the middle of a segment prepares the following one. A failure
 * is none yet: it is tried again when the segment is full. */
static void prepare_ahead(struct tail *tail, uint64_t at, uint32_t size)
{
	if (tail->segs->has_files)
		return;
	uint32_t middle = (uint32_t)tail->segs->size / 2, offset = segment_offset_of(at);
	if (offset < middle && offset + size >= middle)
		prepare(tail, tail_sequence_of(at) + 1);
}

static void init(struct tail *tail, struct segments *segs, uint64_t sequence)
{
	DHT_ASSERT(sequence > 0);
	memset(tail, 0, sizeof(*tail));
	tail->segs = segs;
	atomic_store(&tail->reserved_from, UINT64_MAX);
}

void tail_init_at(struct tail *tail, struct segments *segs, uint64_t sequence, uint32_t slot)
{
	init(tail, segs, sequence);
	tail_publish(tail, sequence, slot);
	atomic_store(&tail->position, tail_begin_of(sequence));
}

bool tail_has_next(const struct tail *tail, uint64_t sequence)
{
	const _Atomic uint64_t *open = &tail->open[(sequence + 1) % TAIL_OPEN_MAX];
	return atomic_load(open) >> SLOT_BITS > sequence;
}

void tail_publish(struct tail *tail, uint64_t sequence, uint32_t slot)
{
	atomic_store(open_of(tail, sequence), sequence << SLOT_BITS | slot);
}

bool tail_find_slot(const struct tail *tail, uint64_t sequence, uint32_t *slot)
{
	uint64_t open = atomic_load(&tail->open[sequence % TAIL_OPEN_MAX]);
	*slot = slot_of(open);
	return open >> SLOT_BITS == sequence;
}

uint32_t tail_slot(const struct tail *tail, uint64_t sequence)
{
	uint32_t slot;
	bool is_open = tail_find_slot(tail, sequence, &slot);
	DHT_ASSERT(is_open);
	return slot;
}

int tail_init(struct tail *tail, struct segments *segs, uint64_t sequence)
{
	init(tail, segs, sequence);
	int rc = prepare(tail, sequence);
	if (rc == 0)
		atomic_store(&tail->position, tail_begin_of(sequence));
	return rc;
}

static void appender_enter(struct tail *tail, unsigned appender)
{
	uint32_t appenders = atomic_load_explicit(&tail->appenders, memory_order_relaxed);
	DHT_ASSERT(appender < STORE_APPENDERS_MAX);
	while (appenders <= appender &&
	       !atomic_compare_exchange_weak(&tail->appenders, &appenders, appender + 1))
		continue;
	_Atomic uint64_t *copying = &tail->appender[appender].copying;
	DHT_ASSERT(atomic_load_explicit(copying, memory_order_relaxed) == 0);
	atomic_store(copying, atomic_load(&tail->position));
}

static void appender_leave(struct tail *tail, unsigned appender)
{
	atomic_store_explicit(&tail->appender[appender].copying, 0, memory_order_release);
}

static struct bound bound_of_claim(const struct tail *tail, enum tail_claim claim)
{
	uint64_t reserved = atomic_load(&tail->reserved_from);
	struct bound bound = {.sequence = UINT64_MAX, .error = DHT_ENOSPC};
	if (reserved == UINT64_MAX || claim == TAIL_CLAIM_MOVE || claim == TAIL_CLAIM_CEILING)
		return bound;
	if ((reserved & TAIL_UNDECIDED) == 0)
		bound.sequence = claim == TAIL_CLAIM_VALUE ? reserved : reserved + 1;
	else if (claim == TAIL_CLAIM_VALUE)
		bound = (struct bound){reserved & ~TAIL_UNDECIDED, DHT_EAGAIN};
	return bound;
}

bool tail_has_rest(const struct tail *tail)
{
	uint64_t position = atomic_load(&tail->position);
	uint64_t bound = atomic_load(&tail->reserved_from) & ~TAIL_UNDECIDED;
	uint64_t sequence = tail_sequence_of(position);
	uint32_t rest = segment_limit(tail->segs) - segment_offset_of(position);
	return sequence + 1 < bound || (sequence < bound && rest > tail->segs->size / REST_PART);
}

int tail_append(struct tail *tail, unsigned appender, const struct record *rec,
		enum tail_claim claim, uint64_t *location, uint64_t *end)
{
	if (rec->key.len > RECORD_KEY_MAX || rec->value.len > RECORD_VALUE_MAX)
		return DHT_ETOOBIG;
	size_t size = record_size(rec);
	if (size > segment_limit(tail->segs) - SEGMENT_HEADER_SIZE)
		return DHT_ETOOBIG;

	uint64_t at;
	uint32_t slot;
	struct bound bound = bound_of_claim(tail, claim);
	appender_enter(tail, appender);
	int rc = reserve(tail, (uint32_t)size, bound, &at, &slot);
	if (rc == 0) {
		record_encode(rec, tail_sequence_of(at),
			      segment_memory(tail->segs, slot) + segment_offset_of(at));
		*location = (uint64_t)slot << STORE_OFFSET_BITS | segment_offset_of(at);
		*end = at + size;
		/* Before anybody can think that all of the segment is there. */
		if (claim == TAIL_CLAIM_CEILING)
			segment_kill(tail->segs, *location, size);
	}
	appender_leave(tail, appender);
	if (rc == 0)
		prepare_ahead(tail, at, (uint32_t)size);
	return rc;
}

uint64_t tail_complete(const struct tail *tail)
{
	uint64_t complete = atomic_load(&tail->position);
	uint32_t appenders = atomic_load(&tail->appenders);
	for (uint32_t i = 0; i < appenders; i++) {
		uint64_t copying = atomic_load(&tail->appender[i].copying);
		if (copying != 0 && copying < complete)
			complete = copying;
	}
	return complete;
}
