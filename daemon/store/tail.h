/* SPDX-License-Identifier: Apache-2.0
 *
 * store/tail - the end of the log, where records are appended.
 *
 * Why     All workers append to one log, so that one write and one sync commit for all
 *         of them. An appender reserves its bytes by one compare-and-swap of the tail's
 *         position and copies afterwards, while others do the same.
 * Owns    Which segment is the log's last, and the one prepared to follow it.
 * Thread  tail_append: any, with an appender number that is its own meanwhile.
 *         tail_position, tail_complete: any.
 * Errors  DHT_ENOSPC: no segment to go on with. DHT_ETOOBIG: larger than a segment.
 *         DHT_EAGAIN, with files: the committer has not prepared the next one yet.
 *
 * The position is segment sequence << 26 | offset; it only grows, so that a swap that
 * succeeds proves that nothing happened in between. When a record does not fit, the
 * swap leads right behind it in the following segment: that seals the old one and
 * reserves in the new one in one step.
 *
 * In memory the appenders prepare the following segment themselves. With files that takes
 * calls of the disk, so the committer does it (store/files.h), and never before it has
 * written all segments but the last: so it finds both that it writes in `open`.
 *
 * Complete prefix: before it reserves, an appender publishes a position that it read
 * (`copying`), and takes it back when its copy is done. tail_complete reads the position
 * first, then every `copying`, and takes the least. Say an append reserved p, and the
 * position was read as more than p: then its `copying`, published earlier, is at most p
 * and is seen, or it was taken back already, and then the copy is seen to be done. All
 * these accesses but the taking back are sequentially consistent: with less, the read of
 * `copying` could miss a store that the swap of the position came after. Sealing happens
 * before the taking back too: when the prefix has reached a segment, where the one
 * before ends is known.
 */
#ifndef DHT_STORE_TAIL_H
#define DHT_STORE_TAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/record.h"
#include "store/segment.h"
#include "store/store.h"

enum {
	/* Segments by sequence modulo this: the last, the following one, and no more. */
	TAIL_OPEN_MAX = 2,
};

#define TAIL_UNDECIDED (1ull << 62) /* far above any sequence */

struct tail_appender {
	_Alignas(DHT_CACHE_LINE) _Atomic uint64_t copying; /* 0: no append under way */
};

struct tail {
	struct segments *segs;
	_Atomic uint64_t open[TAIL_OPEN_MAX]; /* sequence << 16 | slot; 0: none */
	_Atomic uint32_t appenders;           /* numbers from here on were never used */
	_Atomic bool is_full;                 /* with files: there is none to prepare */
	/* With files: VALUE records stay out of segments from this sequence on; UINT64_MAX: of
	 * none. With TAIL_UNDECIDED they wait: whether there will be more segments shows soon. */
	_Atomic uint64_t reserved_from;
	_Alignas(DHT_CACHE_LINE) _Atomic uint64_t position;
	struct tail_appender appender[STORE_APPENDERS_MAX];
};

/* Starts the log with the segment of this sequence, 1 or more. segs outlives the tail. */
int tail_init(struct tail *tail, struct segments *segs, uint64_t sequence) DHT_MUST_CHECK;

/* The same with the segment of a slot, prepared in a log with files. */
void tail_init_at(struct tail *tail, struct segments *segs, uint64_t sequence, uint32_t slot);

/* True if a segment follows that of this sequence. While the latter is the last one this
 * stays false until tail_publish. */
bool tail_has_next(const struct tail *tail, uint64_t sequence);

/* Makes the segment of a slot the one that follows the last one, which has the sequence
 * before; with files, the committer alone. */
void tail_publish(struct tail *tail, uint64_t sequence, uint32_t slot);

/* The slot of a segment that is the last one, or the one before it and not yet replaced. */
uint32_t tail_slot(const struct tail *tail, uint64_t sequence);

/* The same for who does not know that it is one of these: false if it is not. */
bool tail_find_slot(const struct tail *tail, uint64_t sequence, uint32_t *slot);

static inline uint64_t tail_sequence_of(uint64_t position)
{
	return position >> STORE_OFFSET_BITS;
}

/* The position at which the records of a segment begin. */
static inline uint64_t tail_begin_of(uint64_t sequence)
{
	return sequence << STORE_OFFSET_BITS | SEGMENT_HEADER_SIZE;
}

/* How much of what is left on a full disk an append may take. */
enum tail_claim {
	TAIL_CLAIM_VALUE, /* nothing of the reserve */
	TAIL_CLAIM_ERASE, /* all but the last segment: tombstones, erasures */
	TAIL_CLAIM_MOVE,  /* all: what compaction copies gives more back than it takes; maps */
	/* The same. The record counts as dead as soon as it is there: nothing needs it. */
	TAIL_CLAIM_CEILING,
};

/* True while values wait for what shows soon. */
static inline bool tail_is_undecided(const struct tail *tail)
{
	uint64_t reserved = atomic_load(&tail->reserved_from);
	return reserved != UINT64_MAX && (reserved & TAIL_UNDECIDED) != 0;
}

/* While values wait: true if there is a good rest left in front of where they do. */
bool tail_has_rest(const struct tail *tail);

/* Appends rec. *location and *end are set: where it lies, and the position behind it. On
 * an error nothing has changed. */
int tail_append(struct tail *tail, unsigned appender, const struct record *rec,
		enum tail_claim claim, uint64_t *location, uint64_t *end) DHT_MUST_CHECK;

/* The end of the log, copies under way included. */
static inline uint64_t tail_position(const struct tail *tail)
{
	return atomic_load(&tail->position);
}

/* Returns a position before which every record is copied; all of the log when no append
 * is under way. */
uint64_t tail_complete(const struct tail *tail);

#endif
