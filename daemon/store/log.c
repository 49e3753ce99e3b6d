/* SPDX-License-Identifier: Apache-2.0 */
#include "store/log.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

#define LOG_MAGIC 0x3167657364746864ull /* "dhtdseg1" */
#define NO_BOUND  UINT64_MAX

enum {
	LOG_FORMAT = 1,
	OFFSET_MASK = STORE_SEGMENT_SIZE_MAX - 1,
	/* Attempts to reserve before giving up: each one that fails means that another
	 * thread reserved, or that another one is preparing the next segment. */
	RESERVE_TRIES = 100000000,
};

static uint64_t position(uint64_t sequence, uint32_t offset)
{
	return sequence << STORE_OFFSET_BITS | offset;
}

static void write_header(uint8_t *data, uint64_t sequence, uint32_t size)
{
	put_u64(data, LOG_MAGIC);
	put_u64(data + 8, sequence);
	put_u32(data + 16, size);
	put_u32(data + 20, LOG_FORMAT);
	put_u32(data + 24, 0);
	put_u32(data + 28, (uint32_t)hash_bytes(data, 28));
}

static bool is_releasable(const struct log *log, struct segment *segment, uint64_t complete)
{
	return atomic_load(&segment->state) == SEGMENT_SEALED &&
	       complete >= position(segment->sequence + 1, 0) &&
	       atomic_load(&segment->live_bytes) == 0 && atomic_load(&segment->pins) == 0;
}

/* Gives back what is empty and finds a free slot. Only by the thread that prepares. */
static uint32_t collect_slots(struct log *log)
{
	uint64_t complete = log_complete(log);
	uint32_t free_slot = STORE_SEGMENTS_MAX;
	uint64_t left = atomic_load(&log->segment_count);
	for (uint32_t slot = 0; slot < STORE_SEGMENTS_MAX; slot++) {
		struct segment *segment = &log->segments[slot];
		if (atomic_load(&segment->state) != SEGMENT_FREE) {
			left--;
			if (is_releasable(log, segment, complete)) {
				log->os->segment_free(log->os->ctx, segment->data,
						      log->segment_size);
				segment->data = NULL;
				atomic_store(&segment->state, SEGMENT_FREE);
				atomic_fetch_sub(&log->segment_count, 1);
			}
		}
		if (atomic_load(&segment->state) == SEGMENT_FREE && free_slot == STORE_SEGMENTS_MAX)
			free_slot = slot;
		if (left == 0 && free_slot != STORE_SEGMENTS_MAX)
			break;
	}
	return free_slot;
}

/* Prepares the segment behind the active one, unless that was done or is being done
 * by another thread. DHT_ENOSPC: there is none to be had. */
static int prepare_next(struct log *log)
{
	int rc = 0;
	uint64_t active = atomic_load(&log->tail) >> STORE_OFFSET_BITS;
	if (atomic_load(&log->prepared) > active || atomic_exchange(&log->preparing, true))
		return 0;
	active = atomic_load(&log->tail) >> STORE_OFFSET_BITS;
	uint64_t sequence = atomic_load(&log->prepared) + 1;
	if (sequence == active + 1) {
		uint32_t slot = collect_slots(log);
		uint8_t *data = NULL;
		if (slot < STORE_SEGMENTS_MAX)
			data = log->os->segment_alloc(log->os->ctx, log->segment_size);
		if (data != NULL) {
			struct segment *segment = &log->segments[slot];
			segment->data = data;
			segment->sequence = sequence;
			segment->used = 0;
			atomic_store(&segment->live_bytes, 0);
			atomic_store(&segment->state, SEGMENT_PREPARED);
			write_header(data, sequence, log->segment_size);
			atomic_store(&log->recent[sequence % LOG_RECENT], (uint16_t)slot);
			atomic_fetch_add(&log->segment_count, 1);
			atomic_store(&log->prepared, sequence);
		} else {
			rc = DHT_ENOSPC;
		}
	}
	atomic_store(&log->preparing, false);
	return rc;
}

static uint32_t slot_of(const struct log *log, uint64_t sequence)
{
	return atomic_load(&log->recent[sequence % LOG_RECENT]);
}

int log_open(struct log *log, const struct store_os *os, uint32_t segment_size,
	     uint32_t appender_count)
{
	*log =
	    (struct log){.os = os, .segment_size = segment_size, .appender_count = appender_count};
	log->segments = calloc(STORE_SEGMENTS_MAX, sizeof(*log->segments));
	log->appenders = aligned_alloc(DHT_CACHE_LINE, appender_count * sizeof(*log->appenders));
	if (log->segments == NULL || log->appenders == NULL) {
		log_close(log);
		return DHT_ENOMEM;
	}
	for (uint32_t i = 0; i < appender_count; i++)
		atomic_init(&log->appenders[i].bound, NO_BOUND);
	/* Sequence 0 stands for "before the first": nothing fits there. */
	atomic_init(&log->tail, position(0, OFFSET_MASK));
	if (prepare_next(log) != 0) {
		log_close(log);
		return DHT_ENOMEM;
	}
	atomic_store(&log->segments[slot_of(log, 1)].state, SEGMENT_ACTIVE);
	atomic_store(&log->tail, position(1, LOG_HEADER));
	return 0;
}

void log_close(struct log *log)
{
	uint64_t left = atomic_load(&log->segment_count);
	for (uint32_t slot = 0; slot < STORE_SEGMENTS_MAX && left > 0; slot++) {
		struct segment *segment = &log->segments[slot];
		if (segment->data == NULL)
			continue;
		DHT_ASSERT(atomic_load(&segment->pins) == 0);
		log->os->segment_free(log->os->ctx, segment->data, log->segment_size);
		left--;
	}
	free(log->segments);
	free(log->appenders);
	*log = (struct log){0};
}

/* The tail is in a segment that has no room: seals it and moves on to the next one,
 * unless another thread does. DHT_ENOSPC: there is no next one. */
static int roll(struct log *log, uint64_t tail)
{
	uint64_t sequence = tail >> STORE_OFFSET_BITS;
	if (atomic_load(&log->prepared) <= sequence) {
		int rc = prepare_next(log);
		if (rc != 0 || atomic_load(&log->prepared) <= sequence)
			return rc;
	}
	/* Read before the exchange: its success proves that they are still those. */
	struct segment *next = &log->segments[slot_of(log, sequence + 1)];
	struct segment *full = &log->segments[slot_of(log, sequence)];
	uint32_t used = (uint32_t)(tail & OFFSET_MASK), prepared = SEGMENT_PREPARED;
	if (!atomic_compare_exchange_strong(&log->tail, &tail, position(sequence + 1, LOG_HEADER)))
		return 0;
	full->used = used;
	atomic_store(&full->state, SEGMENT_SEALED);
	/* By now it may have been filled and sealed by others. */
	atomic_compare_exchange_strong(&next->state, &prepared, SEGMENT_ACTIVE);
	return 0;
}

/* Takes `size` bytes at the tail, in *slot. The appender's bound is set on return 0. */
static int reserve(struct log *log, struct log_appender *appender, uint32_t size, uint64_t *start,
		   uint32_t *slot)
{
	for (int tries = 0; tries < RESERVE_TRIES; tries++) {
		uint64_t tail = atomic_load(&log->tail);
		atomic_store(&appender->bound, tail);
		/* A tail that moved on since is fine: the bound is a lower one. */
		if ((tail & OFFSET_MASK) + size < log->segment_size) {
			/* Read before the exchange: its success proves that it is still
			 * this one. */
			*slot = slot_of(log, tail >> STORE_OFFSET_BITS);
			if (atomic_compare_exchange_weak(&log->tail, &tail, tail + size)) {
				*start = tail;
				return 0;
			}
			continue;
		}
		if (roll(log, tail) != 0)
			break;
	}
	atomic_store(&appender->bound, NO_BOUND);
	return DHT_ENOSPC;
}

int log_append(struct log *log, unsigned appender_number, const struct record *record,
	       struct log_place *place)
{
	DHT_ASSERT(appender_number < log->appender_count);
	struct log_appender *appender = &log->appenders[appender_number];
	size_t size = record_size(record);
	DHT_ASSERT(size <= log_record_max(log));
	DHT_ASSERT(atomic_load_explicit(&appender->bound, memory_order_relaxed) == NO_BOUND);

	uint64_t start;
	uint32_t slot;
	int rc = reserve(log, appender, (uint32_t)size, &start, &slot);
	if (rc != 0)
		return rc;
	uint64_t sequence = start >> STORE_OFFSET_BITS;
	struct segment *segment = &log->segments[slot];
	atomic_fetch_add_explicit(&segment->live_bytes, size, memory_order_relaxed);
	record_encode(record, sequence, segment->data + (start & OFFSET_MASK));
	atomic_store(&appender->bound, NO_BOUND);
	*place = (struct log_place){
	    .location = (uint64_t)slot << STORE_OFFSET_BITS | (start & OFFSET_MASK),
	    .end = start + size,
	    .size = (uint32_t)size,
	};
	return 0;
}

void log_bury(struct log *log, uint64_t location)
{
	struct segment *segment = log_segment(log, location);
	uint64_t size = record_length(log_data(log, location));
	uint64_t before = atomic_fetch_sub(&segment->live_bytes, size);
	DHT_ASSERT(before >= size);
}

uint64_t log_complete(const struct log *log)
{
	uint64_t complete = atomic_load(&log->tail);
	for (uint32_t i = 0; i < log->appender_count; i++) {
		uint64_t bound = atomic_load(&log->appenders[i].bound);
		complete = bound < complete ? bound : complete;
	}
	return complete;
}

/* Sums over the segments that have memory. */
static uint64_t sum_segments(const struct log *log,
			     uint64_t (*of)(const struct log *, struct segment *))
{
	uint64_t sum = 0, left = atomic_load(&log->segment_count);
	for (uint32_t slot = 0; slot < STORE_SEGMENTS_MAX && left > 0; slot++) {
		struct segment *segment = &log->segments[slot];
		if (atomic_load(&segment->state) == SEGMENT_FREE)
			continue;
		sum += of(log, segment);
		left--;
	}
	return sum;
}

static uint64_t live_of(const struct log *log, struct segment *segment)
{
	return atomic_load_explicit(&segment->live_bytes, memory_order_relaxed);
}

static uint64_t used_of(const struct log *log, struct segment *segment)
{
	switch ((enum segment_state)atomic_load(&segment->state)) {
	case SEGMENT_SEALED:
		return segment->used - LOG_HEADER;
	case SEGMENT_ACTIVE:
		return (atomic_load(&log->tail) & OFFSET_MASK) - LOG_HEADER;
	case SEGMENT_FREE:
	case SEGMENT_PREPARED:
		break;
	}
	return 0;
}

uint64_t log_used_bytes(const struct log *log)
{
	return sum_segments(log, used_of);
}

uint64_t log_live_bytes(const struct log *log)
{
	return sum_segments(log, live_of);
}
