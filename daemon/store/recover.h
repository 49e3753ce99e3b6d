/* SPDX-License-Identifier: Apache-2.0
 *
 * store/recover - from files to a store.
 *
 * Why     After a stop, clean or not, the log is all there is. All of it is replayed, in
 *         batches of segments, which bound what is in memory: first each segment gives
 *         the list of its records, from its hint file (store/hint.h) or, without, from
 *         the segment itself, every record verified; then the lists are replayed by range
 *         of blocks (store/replay.h). Both are tasks that run in parallel.
 * Thread  one, before anybody else knows of the store, and those of store_os.parallel.
 * Errors  As store_open says.
 *
 * What may be torn follows from the order in which store/files.h writes: the last segment
 * of the manifest, and if that holds no record the one before, too. There the log is cut
 * where the records end; an end mark is written at the cut, so that a segment which is
 * not the last one always has one. Everything that was read is durable before any file
 * is given up because of it.
 *
 * A segment of which a hint file was used has its end mark, and its records were not read:
 * it is marked as unverified.
 */
#ifndef DHT_STORE_RECOVER_H
#define DHT_STORE_RECOVER_H

#include "base/assert.h"
#include "store/store.h"

/* Fills in segs, files, tail and blocks of a store that has blocks and nothing else; what
 * is there after an error store_close gives back. */
int recover_store(struct store *store, const struct store_options *options) DHT_MUST_CHECK;

#endif
