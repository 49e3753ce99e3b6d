/* SPDX-License-Identifier: Apache-2.0
 *
 * store/replay - from lists of records to indexes.
 *
 * Why     Of one key the latest record wins, and the lists have those of a key in the
 *         order of the log. No two blocks have a key in common: so the records of any
 *         number of segments are replayed by range of blocks, in parallel, without a lock.
 * Owns    What is only needed meanwhile: the DROPs.
 * Thread  one; inside of replay_batch and replay_hide the tasks of store_os.parallel.
 * Errors  DHT_ENOMEM; DHT_ECORRUPT: a record that had to be read is damaged, or not what
 *         the list says; the report names it.
 *
 * A record is read only to decide: when the key of another one has the same hash, when it is
 * an ERASE, and when it is none of a key. One of a segment that is unverified is verified
 * then. Which DROP counts is known when the last MAP is: after the last batch. What such a
 * DROP hides is in the indexes by then, and is found in the lists once more, so that none
 * of these records, which may be many, is read.
 */
#ifndef DHT_STORE_REPLAY_H
#define DHT_STORE_REPLAY_H

#include <stdint.h>

#include "base/assert.h"
#include "store/hint.h"
#include "store/index.h"
#include "store/state.h"
#include "store/store.h"

enum { REPLAY_LISTS_MAX = 16 };

struct replay_list {
	struct hint hint;
	uint32_t slot;
};

struct replay_range;

struct replay {
	struct store *store;
	struct replay_range *ranges;
	uint32_t range_count;
	uint32_t slots;    /* every segment is in a slot below */
	uint64_t *dropped; /* by block: what lies before this position is hidden; 0: nothing */
	bool wants_mark;   /* a DROP is void, and no mark says so yet */
	const struct replay_list *lists; /* those of the batch */
	uint32_t list_count;
};

/* Prepares for a store that has blocks and segments. Replay_fini follows in any case. */
int replay_init(struct replay *replay, struct store *store, uint32_t slots) DHT_MUST_CHECK;
void replay_fini(struct replay *replay);

/* Replays at most REPLAY_LISTS_MAX lists of segments that are in memory; the batches come in
 * the order of the log, and so do the lists in each. */
int replay_batch(struct replay *replay, const struct replay_list *lists, uint32_t count,
		 struct store_report *report) DHT_MUST_CHECK;

/* After the last batch: decides which DROPs count. *hides is set if any of them hides what is
 * in an index: then all lists are needed once more, for replay_hide. */
int replay_decide(struct replay *replay, bool *hides) DHT_MUST_CHECK;

/* Removes what is hidden of a batch of lists. */
int replay_hide(struct replay *replay, const struct replay_list *lists, uint32_t count,
		struct store_report *report) DHT_MUST_CHECK;

/* At the end: tells the segments what is live in them. */
void replay_finish(struct replay *replay);

#endif
