/* SPDX-License-Identifier: Apache-2.0
 *
 * store/log - the segments, and the tail to which every record is appended.
 *
 *     segment:  0                  32
 *               +------------------+--------+--------+----------
 *               | header           | record | record | ...
 *               +------------------+--------+--------+----------
 *     header:   magic 8 | sequence 8 | size 4 | format 4 | zeros 4 | checksum 4
 *
 * Why     Appends of different threads reserve room with one compare-and-swap of the
 *         tail position (sequence << 26 | offset) and copy side by side. When the
 *         active segment is full, the tail moves to the next one, which was prepared
 *         ahead; that is the same compare-and-swap.
 * Owns    The memory of all segments.
 * Thread  any; an appender number belongs to one thread at a time.
 * Errors  DHT_ENOSPC: no segment could be prepared; nothing has changed.
 *
 * Completeness. An appender publishes a lower bound of its reservation before it
 * reserves and takes it back when its copy is complete; log_complete() takes the
 * tail first and then the lowest bound. All of these are sequentially consistent: a
 * bound that log_complete() does not see was published after it read the tail, so
 * that reservation lies at or beyond the tail it read.
 *
 * Release. A segment's memory is given back when it is sealed, complete, holds no
 * live record and is not pinned. A pin is taken under the lock of a block whose
 * index points into the segment, so while the segment has live bytes; what ends the
 * record's life runs under the same lock later. So live bytes are read before pins.
 */
#ifndef DHT_STORE_LOG_H
#define DHT_STORE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

#include "store/os.h"
#include "store/store.h"

enum {
	LOG_HEADER = 32,
	LOG_RECENT = 64, /* sequence numbers whose slot is remembered; a power of two */
};

enum segment_state {
	SEGMENT_FREE,
	SEGMENT_PREPARED,
	SEGMENT_ACTIVE,
	SEGMENT_SEALED,
};

struct segment {
	uint8_t *data;
	uint64_t sequence;
	uint32_t used; /* bytes, header included; set when it is sealed */
	_Atomic uint32_t state;
	_Atomic uint64_t live_bytes;
	_Atomic uint32_t pins;
};

struct log_appender {
	_Alignas(DHT_CACHE_LINE) _Atomic uint64_t bound; /* UINT64_MAX: copies nothing */
};

struct log {
	const struct store_os *os;
	uint32_t segment_size;
	uint32_t appender_count;
	struct log_appender *appenders;
	struct segment *segments; /* STORE_SEGMENTS_MAX; untouched ones cost no memory */
	_Alignas(DHT_CACHE_LINE) _Atomic uint64_t tail; /* sequence << 26 | offset */
	_Atomic uint64_t prepared; /* the last sequence that was prepared: tail's or one more */
	_Atomic bool preparing;
	_Atomic uint64_t segment_count;      /* that have memory */
	_Atomic uint16_t recent[LOG_RECENT]; /* sequence % LOG_RECENT -> slot */
};

/* Opens an empty log. os outlives it. */
int log_open(struct log *log, const struct store_os *os, uint32_t segment_size,
	     uint32_t appender_count) DHT_MUST_CHECK;
void log_close(struct log *log);

/* Where an appended record lies. */
struct log_place {
	uint64_t location;
	uint64_t end; /* position behind the record */
	uint32_t size;
};

/* Appends a record and counts it as live. Its size is at most log_record_max(). */
int log_append(struct log *log, unsigned appender, const struct record *record,
	       struct log_place *place) DHT_MUST_CHECK;

/* Counts the record at a location as dead. */
void log_bury(struct log *log, uint64_t location);

/* Everything before this position is copied completely. */
uint64_t log_complete(const struct log *log);

/* The largest record that fits a segment. */
static inline uint32_t log_record_max(const struct log *log)
{
	return log->segment_size - LOG_HEADER - 1;
}

static inline struct segment *log_segment(const struct log *log, uint64_t location)
{
	return &log->segments[location >> STORE_OFFSET_BITS];
}

/* The bytes at a location that the caller keeps alive. */
static inline const uint8_t *log_data(const struct log *log, uint64_t location)
{
	return log_segment(log, location)->data + (location & (STORE_SEGMENT_SIZE_MAX - 1));
}

/* Bytes that records take up, dead or alive. */
uint64_t log_used_bytes(const struct log *log);
uint64_t log_live_bytes(const struct log *log);

#endif
