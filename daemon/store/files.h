/* SPDX-License-Identifier: Apache-2.0
 *
 * store/files - the files under the log's tail: what is written, synced, used again.
 *
 * Why     Appenders only touch memory. One committer thread brings it to the disk, for
 *         all of them at once, and provides the next segment from a file that is ready.
 * Owns    The state of every slot's file, the manifest (store/manifest.h), the marks.
 * Thread  files_commit: one thread, the committer. files_prepare: one background job.
 *         The marks and files_wants_segment: any.
 * Errors  Those of store/os.h. One from files_commit is final: the disk failed.
 *
 *          files_prepare          files_commit
 *     NONE -----------> SPARE -----------------> IN_USE --> DRAINING --> SPARE
 *          <-----------
 *
 * Order on disk, on which recovery (store/recover.h) relies:
 * - A segment is written only after the one before it is written and synced with its end
 *   mark: so only the last one that holds records can be torn, in any mode of sync.
 * - A file joins the log in this order: header written, header synced, named by the
 *   manifest, records.
 * - A file leaves the log (by the manifest) once nothing in it is needed and everything
 *   that was appended until then is durable: what made its records dead is.
 * - A segment with records that hide others leaves with or after all of lower sequence.
 */
#ifndef DHT_STORE_FILES_H
#define DHT_STORE_FILES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/os.h"
#include "store/segment.h"
#include "store/store.h"
#include "store/tail.h"

enum {
	FILES_SPARE = 2,     /* kept ready beyond the next segment */
	FILES_SPARE_MAX = 4, /* what is more is removed */
};

enum file_state { FILE_NONE, FILE_SPARE, FILE_IN_USE, FILE_DRAINING };

struct file {
	_Atomic uint32_t state; /* enum file_state */
	bool is_zero;           /* a spare that was never written to */
	uint64_t sequence;      /* in use or draining; the committer's, as the next one is */
	uint64_t drained_at;    /* free once this position is durable */
};

struct files {
	const struct store_os *os;
	struct segments *segs;
	struct tail *tail;
	uint32_t blocks;
	struct file *file;           /* by slot */
	_Atomic uint32_t slots_used; /* slots from here on never had a file */
	_Atomic uint32_t spares;
	_Atomic bool is_full; /* the disk had no room for another file */
	_Atomic uint64_t written;
	_Atomic uint64_t durable;
	_Atomic uint64_t ceiling; /* the highest one that was appended */

	/* The committer's. */
	uint8_t *manifest;
	size_t manifest_room;
	uint32_t drained_seen;
	uint64_t drained_at; /* the least of the draining files; UINT64_MAX: none drain */
	int failed;
};

/* Prepares for segs, which has files; nothing is read yet. tail is started by files_start.
 * Returns 0 or DHT_ENOMEM. */
int files_init(struct files *files, struct segments *segs, struct tail *tail,
	       uint32_t blocks) DHT_MUST_CHECK;
void files_fini(struct files *files);

/* Says what a slot holds, before files_start: a spare file, or a segment in use. */
void files_add_spare(struct files *files, uint32_t slot);
void files_add_segment(struct files *files, uint32_t slot, uint64_t sequence);

/* Writes a manifest that names the segments in use. */
int files_write_manifest(struct files *files) DHT_MUST_CHECK;

/* Lets the log begin, or go on, with a new segment of this sequence. Everything in the
 * segments that were added is durable. */
int files_start(struct files *files, uint64_t sequence) DHT_MUST_CHECK;

/* As store_commit, store_wants_segment and store_prepare. */
int files_commit(struct files *files, enum store_sync how) DHT_MUST_CHECK;
bool files_wants_segment(const struct files *files);
int files_prepare(struct files *files) DHT_MUST_CHECK;

/* Every manifest from now on has this ceiling or a higher one. */
void files_note_ceiling(struct files *files, uint64_t ceiling);

static inline uint64_t files_durable(const struct files *files)
{
	return atomic_load_explicit(&files->durable, memory_order_acquire);
}

static inline uint64_t files_written(const struct files *files)
{
	return atomic_load_explicit(&files->written, memory_order_acquire);
}

#endif
