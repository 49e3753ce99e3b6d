/* SPDX-License-Identifier: Apache-2.0
 *
 * store/files - the files under the log's tail: what is written, synced, used again.
 *
 * Why     Appenders only touch memory. One thread at a time brings it to the disk, for
 *         all of them at once; the committer syncs, maps what is sealed, and provides the
 *         next segment from a file that is ready.
 * Owns    The state of every slot's file, the manifest (store/manifest.h), the marks.
 * Thread  files_write: one thread at a time. files_sync, files_turn, files_commit: one
 *         thread, the committer, the first two also beside files_write. files_prepare: one
 *         background job. The marks and the files_wants_: any.
 * Errors  Those of store/os.h. One from the committer's calls is final: the disk failed. But
 *         a manifest that the disk has no room for is none: what it was to say, that files
 *         leave the log or that the next segment is there, waits for a later turn.
 *
 *          files_prepare          files_turn
 *     NONE -----------> SPARE -----------------> IN_USE --> DRAINING --> SPARE
 *          <-----------
 *
 * Order on disk, on which recovery (store/recover.h) relies:
 * - A segment is written only after the one before it is written and synced with its end
 *   mark: so only the last one that holds records can be torn. A lazy store does not wait
 *   for that sync: its end can be torn in the last segments, if the machine stops.
 * - A file joins the log in this order: header written, header synced, named by the
 *   manifest, records.
 * - A file leaves the log (by the manifest) once nothing in it is needed and everything
 *   that was appended until then is durable: what made its records dead is.
 * - While a DROP waits for the MAP record that makes it count, no file is found to be done
 *   with: what the DROP made dead may be needed again.
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
	/* Zeros written behind the records in a recycled file, so that a recovery sees their end
	 * and not old bytes. */
	FILES_STOP_SIZE = 32,
};

enum file_state { FILE_NONE, FILE_SPARE, FILE_IN_USE, FILE_DRAINING };

struct file {
	_Atomic uint32_t state;    /* enum file_state */
	_Atomic bool is_finished;  /* written whole; a turn of the committer maps it */
	_Atomic bool is_settled;   /* that was done: its memory is what the file holds */
	bool is_zero;              /* a spare that was never written to */
	_Atomic uint64_t sequence; /* in use or draining; the committer sets it */
	uint64_t drained_at;       /* free once this position is durable */
};

struct files {
	const struct store_os *os;
	struct segments *segs;
	struct tail *tail;
	uint32_t blocks;
	struct file *file;           /* by slot */
	_Atomic uint32_t slots_used; /* slots from here on never had a file */
	_Atomic uint32_t spares;
	_Atomic uint64_t last;     /* the segment of highest sequence that was published */
	_Atomic bool is_full;      /* the disk had no room for another file */
	_Atomic bool had_reserve;  /* there were FILES_SPARE spare files, in this life */
	_Atomic bool is_unwritten; /* nor for the manifest */
	_Atomic uint64_t written;
	_Atomic uint64_t durable;
	_Atomic uint64_t ceiling; /* the highest one that was appended */
	/* DROPs under way, the highest epoch of any in this life, and that of the latest MAP. */
	_Atomic uint32_t dropping;
	_Atomic uint64_t drop_epoch;
	_Atomic uint64_t map_epoch;
	_Atomic uint32_t finished; /* segments that wait for the committer's turn */
	_Atomic int failed;        /* the first error of the disk */
	bool is_lazy;              /* segments are written before the one before is synced */
	bool has_housekeeper;      /* as in struct store_options */

	/* The committer's; files_wants_turn looks at the last three. */
	uint8_t *manifest;
	size_t manifest_room;
	uint64_t opened; /* the segment that was opened last; published once it is named */
	uint32_t opened_slot;
	bool has_header; /* its header is on disk */
	_Atomic uint32_t drained_seen;
	_Atomic uint64_t drained_at; /* the least of the draining; UINT64_MAX: none drain */
	_Atomic uint32_t waiting;    /* files that drain until something is durable */
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

/* The committer's turn beyond writing: frees what is drained, provides the next segment,
 * where it can with one manifest for both. */
int files_turn_over(struct files *files) DHT_MUST_CHECK;

/* As the functions of store/store.h of these names. */
int files_write(struct files *files) DHT_MUST_CHECK;
int files_sync(struct files *files) DHT_MUST_CHECK;
bool files_wants_sync(const struct files *files);
bool files_wants_turn(const struct files *files);
int files_turn(struct files *files) DHT_MUST_CHECK;
int files_commit(struct files *files, enum store_sync how) DHT_MUST_CHECK;
bool files_wants_segment(const struct files *files);
int files_prepare(struct files *files) DHT_MUST_CHECK;

/* Every manifest from now on has this ceiling or a higher one. */
void files_note_ceiling(struct files *files, uint64_t ceiling);

/* Around the append of a DROP and the killing of what it drops; epoch 0: there was none. */
void files_begin_drop(struct files *files);
void files_end_drop(struct files *files, uint64_t epoch);

/* After a MAP record was appended. */
void files_note_map(struct files *files, uint64_t epoch);

static inline uint32_t files_slots_used(const struct files *files)
{
	return atomic_load_explicit(&files->slots_used, memory_order_acquire);
}

static inline bool files_is_full(const struct files *files)
{
	return atomic_load_explicit(&files->is_full, memory_order_relaxed) ||
	       atomic_load_explicit(&files->is_unwritten, memory_order_relaxed);
}

/* What all files take on disk. */
uint64_t files_disk_bytes(const struct files *files);

/* What the sealed segments of the log take on disk. */
uint64_t files_sealed_bytes(const struct files *files);

/* True for a sealed segment in use that is written whole and mapped. */
bool files_is_compactable(const struct files *files, uint32_t slot, uint64_t *sequence);

/* True for a segment that nothing is needed of but what hides older records. */
bool files_is_blocked(const struct files *files, uint32_t slot, uint64_t *sequence);

/* The lowest sequence of a segment that may hold hidden records; UINT64_MAX: there is
 * none. For the housekeeper's use as well as the committer's. */
uint64_t files_barrier(const struct files *files);

static inline uint64_t files_durable(const struct files *files)
{
	return atomic_load_explicit(&files->durable, memory_order_acquire);
}

static inline uint64_t files_written(const struct files *files)
{
	return atomic_load_explicit(&files->written, memory_order_acquire);
}

#endif
