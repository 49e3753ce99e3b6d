/* SPDX-License-Identifier: Apache-2.0
 *
 * From memory to the disk: writing, syncing, and the committer's turn.
 */
#include "base/error.h"
#include "store/files.h"

/* ---- Writing ------------------------------------------------------------------------ */

/* While the committer syncs what is open, the writer may end that segment, sync it and be
 * ahead. */
static int sync_slot(struct files *files, uint32_t slot, uint64_t position)
{
	int rc = files->os->sync(files->os->ctx, slot);
	uint64_t durable = files_durable(files);
	while (rc == 0 && durable < position &&
	       !atomic_compare_exchange_weak(&files->durable, &durable, position))
		continue;
	return rc;
}

static int write_part(struct files *files, uint32_t slot, uint32_t from, uint32_t to)
{
	return files->os->write(files->os->ctx, slot, from,
				segment_memory(files->segs, slot) + from, to - from);
}

/* Writes more of the segment that is open. */
static int write_open(struct files *files, uint32_t slot, uint32_t from, uint32_t to)
{
	static const uint8_t stop[FILES_STOP_SIZE];
	size_t room = files->segs->size - to;
	int rc = 0;
	if (!files->file[slot].is_zero)
		rc = files->os->write(files->os->ctx, slot, to, stop,
				      room < FILES_STOP_SIZE ? room : FILES_STOP_SIZE);
	return rc == 0 ? write_part(files, slot, from, to) : rc;
}

/* Writes the rest of a sealed segment. Nothing is written behind it before it is synced,
 * unless the store is lazy: then that is left to the next turn. */
static int finish_segment(struct files *files, uint32_t slot, uint64_t written)
{
	struct segments *segs = files->segs;
	uint64_t following = tail_begin_of(tail_sequence_of(written) + 1);
	uint32_t used = atomic_load_explicit(&segs->slots[slot].used, memory_order_relaxed);
	int rc = write_part(files, slot, segment_offset_of(written), used + SEGMENT_END_SIZE);
	if (rc == 0 && !files->is_lazy)
		rc = sync_slot(files, slot, following);
	if (rc != 0)
		return rc;
	atomic_store_explicit(&files->file[slot].is_finished, true, memory_order_release);
	atomic_fetch_add_explicit(&files->finished, 1, memory_order_release);
	atomic_store_explicit(&files->written, following, memory_order_release);
	return 0;
}

static int write_to(struct files *files, uint64_t complete)
{
	uint64_t written;
	while ((written = files_written(files)) < complete) {
		uint64_t sequence = tail_sequence_of(written);
		uint32_t slot = tail_slot(files->tail, sequence);
		int rc;
		if (sequence < tail_sequence_of(complete)) {
			rc = finish_segment(files, slot, written);
		} else {
			rc = write_open(files, slot, segment_offset_of(written),
					segment_offset_of(complete));
			if (rc == 0)
				atomic_store_explicit(&files->written, complete,
						      memory_order_release);
		}
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* The first error is the answer to every later call; want of memory or descriptors is none:
 * nothing was done then that cannot be done again. */
static int note_failure(struct files *files, int rc)
{
	int none = 0;
	if (rc != 0 && rc != DHT_ENOMEM)
		atomic_compare_exchange_strong(&files->failed, &none, rc);
	return rc;
}

int files_write(struct files *files)
{
	int rc = atomic_load(&files->failed);
	return rc != 0 ? rc : note_failure(files, write_to(files, tail_complete(files->tail)));
}

/* ---- Syncing ------------------------------------------------------------------------ */

/* Finds the finished segment of lowest sequence. */
static bool first_finished(const struct files *files, uint32_t *slot)
{
	uint64_t least = UINT64_MAX;
	if (atomic_load_explicit(&files->finished, memory_order_acquire) == 0)
		return false;
	for (uint32_t i = 0; i < files_slots_used(files); i++) {
		const struct file *file = &files->file[i];
		if (!atomic_load_explicit(&file->is_finished, memory_order_acquire) ||
		    file->sequence >= least)
			continue;
		least = file->sequence;
		*slot = i;
	}
	return least != UINT64_MAX;
}

/* The pages of the file of a finished segment, which are the same bytes, take the place of
 * its memory. Short of memory maps that stays as it is. */
static int settle(struct files *files, uint32_t slot)
{
	struct segments *segs = files->segs;
	uint64_t following = tail_begin_of(files->file[slot].sequence + 1);
	int rc = files_durable(files) < following ? sync_slot(files, slot, following) : 0;
	if (rc == 0)
		rc = files->os->map(files->os->ctx, slot, segment_memory(segs, slot), segs->size,
				    STORE_OS_MAP_READ);
	if (rc != 0 && rc != DHT_ENOMEM)
		return rc;
	atomic_store_explicit(&files->file[slot].is_finished, false, memory_order_relaxed);
	atomic_fetch_sub_explicit(&files->finished, 1, memory_order_relaxed);
	atomic_store_explicit(&files->file[slot].is_settled, true, memory_order_release);
	segment_release_committer(segs, slot);
	return 0;
}

static int settle_finished(struct files *files)
{
	uint32_t slot = 0;
	int rc = 0;
	while (rc == 0 && first_finished(files, &slot))
		rc = settle(files, slot);
	return rc;
}

/* What was written before is durable first, so that the mark stands for all before it. */
static int sync_written(struct files *files)
{
	uint64_t written = files_written(files);
	int rc = files->is_lazy ? settle_finished(files) : 0;
	if (rc == 0 && files_durable(files) < written)
		rc = sync_slot(files, tail_slot(files->tail, tail_sequence_of(written)), written);
	return rc;
}

int files_sync(struct files *files)
{
	int rc = atomic_load(&files->failed);
	return rc != 0 ? rc : note_failure(files, sync_written(files));
}

bool files_wants_sync(const struct files *files)
{
	return atomic_load(&files->drained_at) != UINT64_MAX;
}

/* More files drain than will be kept as spare ones. */
static bool are_many_waiting(const struct files *files)
{
	uint32_t waiting = atomic_load_explicit(&files->waiting, memory_order_relaxed);
	return waiting > 0 && waiting + atomic_load(&files->spares) > FILES_SPARE_MAX;
}

/* A file that drains may wait for a sync which nobody else asks for. */
static bool wants_sync(const struct files *files)
{
	return files->drained_at != UINT64_MAX &&
	       (atomic_load(&files->spares) < FILES_SPARE || are_many_waiting(files));
}

/* Values wait although there are spare files: of two threads that noted it the later one knew
 * less. */
static bool is_outdated(const struct files *files)
{
	return tail_is_undecided(files->tail) && atomic_load(&files->spares) >= FILES_SPARE;
}

bool files_wants_turn(const struct files *files)
{
	uint64_t sequence = tail_sequence_of(tail_position(files->tail));
	return is_outdated(files) || !tail_has_next(files->tail, sequence) ||
	       atomic_load(&files->is_unwritten) ||
	       atomic_load(&files->drained_at) <= files_durable(files) ||
	       atomic_load(&files->segs->drained) != atomic_load(&files->drained_seen) ||
	       are_many_waiting(files) ||
	       atomic_load_explicit(&files->finished, memory_order_relaxed) != 0;
}

int files_turn(struct files *files)
{
	int rc = atomic_load(&files->failed);
	if (rc == 0)
		rc = settle_finished(files);
	if (rc == 0 && wants_sync(files))
		rc = sync_written(files);
	if (rc == 0)
		rc = files_turn_over(files);
	return note_failure(files, rc);
}

int files_commit(struct files *files, enum store_sync how)
{
	int rc = files_write(files);
	if (rc == 0 && how == STORE_SYNC)
		rc = files_sync(files);
	if (rc == 0 && (files_wants_turn(files) || wants_sync(files)))
		rc = files_turn(files);
	return rc;
}
