/* SPDX-License-Identifier: Apache-2.0
 *
 * store/scrub - reads segments again, while nobody waits for it.
 *
 * Why     A segment that is written does not change any more: read once from the file, its
 *         records are known to be on disk as they should be, and what a recovery needs to
 *         know of it is noted in a hint file. Both are wasted on a segment that is about to
 *         die, as all do of a small store that is overwritten: while the log grows, it leaves
 *         alone the latest ones and those that are mostly dead.
 * Owns    Which segments have a hint file.
 * Thread  scrub_next, scrub_tick: one background job. scrub_wants: any. The rest: nobody
 *         else.
 * Errors  As store_background says.
 */
#ifndef DHT_STORE_SCRUB_H
#define DHT_STORE_SCRUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "store/files.h"
#include "store/hint.h"
#include "store/segment.h"
#include "store/store.h"

struct scrub {
	struct hint_maker maker;
	uint64_t *hinted;       /* by slot: sequence of the segment that was dealt with */
	_Atomic uint64_t until; /* nothing is to be done below this sequence, */
	_Atomic bool has_left;  /* but for what was left alone */
	_Atomic bool is_busy;   /* the log grows: */
	uint64_t ticked_end;    /* its end at the last tick was in this segment */
};

/* Returns 0 or DHT_ENOMEM. All zero is enough for scrub_fini. */
int scrub_init(struct scrub *scrub, const struct hint_maker *maker) DHT_MUST_CHECK;
void scrub_fini(struct scrub *scrub);

/* Says that a segment has its hint file. */
void scrub_note_hinted(struct scrub *scrub, uint32_t slot, uint64_t sequence);

/* The log counts as growing from one tick to the next if a segment became full between the
 * two before; until the first it does not. */
void scrub_tick(struct scrub *scrub, const struct files *files);

bool scrub_wants(const struct scrub *scrub, const struct files *files);

/* Looks for a segment that wants it, and reads that. */
int scrub_next(struct scrub *scrub, struct segments *segs, const struct files *files,
	       struct store_report *report) DHT_MUST_CHECK;

#endif
