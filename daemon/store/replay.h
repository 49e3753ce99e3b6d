/* SPDX-License-Identifier: Apache-2.0
 *
 * store/replay - from lists of records to indexes.
 *
 * Why     Which record of a key is the latest follows from the records alone, not from
 *         their order (store_open says how), and no two blocks have a key in common: so
 *         the records of any number of segments are replayed by range of blocks, in
 *         parallel, without a lock.
 * Owns    What is only needed meanwhile: the records that hide others.
 * Thread  one; inside of replay_batch and replay_finish the tasks of store_os.parallel.
 * Errors  DHT_ENOMEM; DHT_ECORRUPT: a record that had to be read is damaged, or not what
 *         the list says; the report names it.
 *
 * A record is read only to decide: when the key of another one has the same hash, when
 * something hides records of its block or hash, and when it is none of a key. One of a
 * segment that is unverified is verified then.
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
	uint32_t slots;                  /* every segment is in a slot below */
	struct index *erases;            /* by block: the ERASE record of highest floor of a key */
	struct ballot *dropped;          /* by block: the highest floor of a DROP */
	const struct replay_list *lists; /* those of the batch */
	uint32_t list_count;
};

/* Prepares for a store that has blocks and segments. Replay_fini follows in any case. */
int replay_init(struct replay *replay, struct store *store, uint32_t slots) DHT_MUST_CHECK;
void replay_fini(struct replay *replay);

/* Replays at most REPLAY_LISTS_MAX lists of segments that are in memory. */
int replay_batch(struct replay *replay, const struct replay_list *lists, uint32_t count,
		 struct store_report *report) DHT_MUST_CHECK;

/* After the last batch: removes what a DROP hides, and counts the segments' live bytes. */
int replay_finish(struct replay *replay, struct store_report *report) DHT_MUST_CHECK;

#endif
