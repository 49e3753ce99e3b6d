/* SPDX-License-Identifier: Apache-2.0 */
#include "store/files.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "store/manifest.h"

static enum file_state state_of(const struct files *files, uint32_t slot)
{
	return (enum file_state)atomic_load_explicit(&files->file[slot].state,
						     memory_order_acquire);
}

static void set_state(struct files *files, uint32_t slot, enum file_state state)
{
	atomic_store_explicit(&files->file[slot].state, state, memory_order_release);
}

static uint32_t slots_used(const struct files *files)
{
	return atomic_load_explicit(&files->slots_used, memory_order_acquire);
}

int files_init(struct files *files, struct segments *segs, struct tail *tail, uint32_t blocks)
{
	*files = (struct files){
	    .os = segs->os, .segs = segs, .tail = tail, .blocks = blocks, .drained_at = UINT64_MAX};
	files->file = calloc(STORE_SEGMENTS_MAX, sizeof(*files->file));
	return files->file != NULL ? 0 : DHT_ENOMEM;
}

void files_fini(struct files *files)
{
	free(files->manifest);
	free(files->file);
}

static void use_slot(struct files *files, uint32_t slot)
{
	if (slot >= slots_used(files))
		atomic_store_explicit(&files->slots_used, slot + 1, memory_order_release);
}

void files_add_spare(struct files *files, uint32_t slot)
{
	use_slot(files, slot);
	files->file[slot].is_zero = false;
	atomic_store_explicit(&files->file[slot].is_settled, false, memory_order_relaxed);
	set_state(files, slot, FILE_SPARE);
	atomic_fetch_add(&files->spares, 1);
}

void files_add_segment(struct files *files, uint32_t slot, uint64_t sequence)
{
	use_slot(files, slot);
	files->file[slot].sequence = sequence;
	atomic_store_explicit(&files->file[slot].is_settled, true, memory_order_relaxed);
	set_state(files, slot, FILE_IN_USE);
}

void files_note_ceiling(struct files *files, uint64_t ceiling)
{
	uint64_t highest = atomic_load(&files->ceiling);
	while (highest < ceiling &&
	       !atomic_compare_exchange_weak(&files->ceiling, &highest, ceiling))
		continue;
}

/* ---- Drops ------------------------------------------------------------------------- */

void files_begin_drop(struct files *files)
{
	atomic_fetch_add(&files->dropping, 1);
}

void files_end_drop(struct files *files, uint64_t epoch)
{
	uint64_t highest = atomic_load(&files->drop_epoch);
	while (highest < epoch &&
	       !atomic_compare_exchange_weak(&files->drop_epoch, &highest, epoch))
		continue;
	atomic_fetch_sub(&files->dropping, 1);
}

void files_note_map(struct files *files, uint64_t epoch)
{
	atomic_store(&files->map_epoch, epoch);
	/* A turn looks again at what it had to leave. */
	atomic_fetch_add_explicit(&files->segs->drained, 1, memory_order_release);
}

/* True while something may be dead because of a DROP without its MAP record. Whoever has seen
 * that it is dead sees the DROP; whoever sees the MAP sees how far the log has got. */
static bool has_open_drop(const struct files *files)
{
	return atomic_load(&files->dropping) > 0 ||
	       atomic_load(&files->drop_epoch) > atomic_load(&files->map_epoch);
}

/* ---- Manifest ---------------------------------------------------------------------- */

static int reserve_manifest(struct files *files, size_t size)
{
	if (size <= files->manifest_room)
		return 0;
	uint8_t *larger = realloc(files->manifest, size * 2);
	if (larger == NULL)
		return DHT_ENOMEM;
	files->manifest = larger;
	files->manifest_room = size * 2;
	return 0;
}

/* True if a file leaves the log: nothing in it is needed but, at most, what hides older
 * records, and of those there are none: all segments below `barrier` leave as well. */
static bool leaves(const struct files *files, uint32_t slot, uint64_t durable, uint64_t barrier)
{
	const struct file *file = &files->file[slot];
	return state_of(files, slot) == FILE_DRAINING && file->drained_at <= durable &&
	       (file->sequence < barrier || !segment_has_kept(files->segs, slot));
}

static bool is_named(enum file_state state)
{
	return state == FILE_IN_USE || state == FILE_DRAINING;
}

/* A segment in which everything is alive hides nothing, and is hidden by nothing that is
 * there already. */
static bool has_dead_records(const struct files *files, uint32_t slot)
{
	uint32_t used, live;
	if (!segment_measure(files->segs, slot, &used, &live))
		return true;
	return used - SEGMENT_HEADER_SIZE >= (uint64_t)live + RECORD_FIXED;
}

/* The lowest sequence of a segment that must stay and may hold hidden records; UINT64_MAX:
 * there is none. */
static uint64_t barrier_of(const struct files *files, uint64_t durable)
{
	uint64_t barrier = UINT64_MAX;
	for (uint32_t i = 0; i < slots_used(files); i++) {
		const struct file *file = &files->file[i];
		enum file_state state = state_of(files, i);
		if (((state == FILE_IN_USE && has_dead_records(files, i)) ||
		     (state == FILE_DRAINING && file->drained_at > durable)) &&
		    file->sequence < barrier)
			barrier = file->sequence;
	}
	return barrier;
}

uint64_t files_barrier(const struct files *files)
{
	uint64_t barrier = UINT64_MAX;
	for (uint32_t i = 0; i < slots_used(files); i++) {
		enum file_state state = state_of(files, i);
		if ((state == FILE_DRAINING ||
		     (state == FILE_IN_USE && has_dead_records(files, i))) &&
		    files->file[i].sequence < barrier)
			barrier = files->file[i].sequence;
	}
	return barrier;
}

uint64_t files_disk_bytes(const struct files *files)
{
	uint64_t count = 0;
	for (uint32_t i = 0; i < slots_used(files); i++)
		count += state_of(files, i) != FILE_NONE;
	return count * files->segs->size;
}

uint64_t files_sealed_bytes(const struct files *files)
{
	uint64_t sealed = 0;
	for (uint32_t i = 0; i < slots_used(files); i++) {
		uint32_t used =
		    atomic_load_explicit(&files->segs->slots[i].used, memory_order_relaxed);
		sealed += is_named(state_of(files, i)) && used != 0;
	}
	return sealed * files->segs->size;
}

bool files_is_compactable(const struct files *files, uint32_t slot, uint64_t *sequence)
{
	const struct file *file = &files->file[slot];
	*sequence = file->sequence;
	return state_of(files, slot) == FILE_IN_USE &&
	       atomic_load_explicit(&file->is_settled, memory_order_acquire);
}

bool files_is_blocked(const struct files *files, uint32_t slot, uint64_t *sequence)
{
	*sequence = files->file[slot].sequence;
	return state_of(files, slot) == FILE_DRAINING && segment_has_kept(files->segs, slot);
}

/* Names the segments of the log but for those that leave it. */
static int write_manifest(struct files *files, uint64_t durable, uint64_t barrier)
{
	struct manifest manifest = {
	    .segment_size_bytes = files->segs->size,
	    .ceiling = atomic_load(&files->ceiling),
	    .blocks = files->blocks,
	};
	int rc = reserve_manifest(files, manifest_size(slots_used(files)));
	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < slots_used(files); i++) {
		if (is_named(state_of(files, i)) && !leaves(files, i, durable, barrier))
			manifest_encode_entry(files->manifest, manifest.count++, i,
					      files->file[i].sequence);
	}
	manifest_encode(files->manifest, &manifest);
	return files->os->file_replace(files->os->ctx, MANIFEST_NAME, files->manifest,
				       manifest_size(manifest.count));
}

int files_write_manifest(struct files *files)
{
	return write_manifest(files, 0, 0);
}

/* ---- Files that leave the log ------------------------------------------------------- */

/* Writes go on when there is room again; without it VALUE records are kept from the last two
 * files that appends may come to, published or spare, so that what gives room back has room
 * itself: erasures one of them, compaction both. Both threads come here: one may undo what
 * the other noted just now, until the next time; the disk stays marked as full, so there is
 * one.
 *
 * Whether another file can be made shows only when it is made, and until then the disk may be
 * full: so VALUE records wait in front of the same two files, once there were as many. */
static void note_space(struct files *files)
{
	uint32_t spares = atomic_load(&files->spares);
	if (spares >= FILES_SPARE) {
		atomic_store(&files->is_full, false);
		atomic_store(&files->had_reserve, files->has_housekeeper);
	}
	bool is_unwritten = atomic_load(&files->is_unwritten);
	bool is_full = is_unwritten || atomic_load(&files->is_full);
	bool is_open = !is_full && spares < FILES_SPARE && atomic_load(&files->had_reserve);
	_Atomic uint64_t *reserved = &files->tail->reserved_from;
	if (!is_full && !is_open)
		atomic_store(reserved, UINT64_MAX);
	else if (is_unwritten)
		atomic_store(reserved, tail_sequence_of(tail_position(files->tail)));
	else
		atomic_store(reserved, (atomic_load(&files->last) + spares - 1) |
					   (is_open ? TAIL_UNDECIDED : 0));
	atomic_store(&files->tail->is_full, is_unwritten || (is_full && spares == 0));
}

/* Notices the segments below a sequence in which nothing is needed any more but what hides
 * older records: everything that made that so lies before the end of the log. */
static void notice_drained(struct files *files, uint64_t below)
{
	files->drained_seen = atomic_load_explicit(&files->segs->drained, memory_order_acquire);
	for (uint32_t i = 0; i < slots_used(files); i++) {
		struct file *file = &files->file[i];
		if (state_of(files, i) != FILE_IN_USE || file->sequence >= below ||
		    !segment_is_dead(files->segs, i) || has_open_drop(files))
			continue;
		file->drained_at = tail_position(files->tail);
		set_state(files, i, FILE_DRAINING);
	}
}

static bool has_leaving(const struct files *files, uint64_t durable, uint64_t barrier)
{
	for (uint32_t i = 0; i < slots_used(files); i++) {
		if (leaves(files, i, durable, barrier))
			return true;
	}
	return false;
}

/* The manifest that was written does not name them any more. */
static void free_leaving(struct files *files, uint64_t durable, uint64_t barrier)
{
	for (uint32_t i = 0; i < slots_used(files); i++) {
		if (!leaves(files, i, durable, barrier))
			continue;
		segment_release_kept(files->segs, i);
		DHT_ASSERT(segment_is_drained(files->segs, i));
		segment_free_slot(files->segs, i);
		files_add_spare(files, i);
	}
}

/* Notes what will let the next file go, if it is a position that must become durable. */
static void note_waiting(struct files *files, uint64_t durable)
{
	uint32_t waiting = 0;
	files->drained_at = UINT64_MAX;
	for (uint32_t i = 0; i < slots_used(files); i++) {
		const struct file *file = &files->file[i];
		if (state_of(files, i) != FILE_DRAINING || file->drained_at <= durable)
			continue;
		waiting++;
		if (file->drained_at < files->drained_at)
			files->drained_at = file->drained_at;
	}
	atomic_store_explicit(&files->waiting, waiting, memory_order_relaxed);
}

/* Puts on disk which segments there are from now on. DHT_ENOSPC: all is as before. */
static int commit_manifest(struct files *files)
{
	uint64_t durable = files_durable(files), barrier = barrier_of(files, durable);
	int rc = write_manifest(files, durable, barrier);
	if (rc == 0)
		free_leaving(files, durable, barrier);
	atomic_store(&files->is_unwritten, rc == DHT_ENOSPC);
	return rc;
}

/* ---- The next segment --------------------------------------------------------------- */

/* Takes the lowest spare, which files_prepare may be about to remove. */
static bool take_spare(struct files *files, uint32_t *slot)
{
	for (uint32_t i = 0; i < slots_used(files); i++) {
		uint32_t spare = FILE_SPARE;
		if (!atomic_compare_exchange_strong(&files->file[i].state, &spare, FILE_IN_USE))
			continue;
		atomic_fetch_sub(&files->spares, 1);
		*slot = i;
		return true;
	}
	return false;
}

static void give_spare(struct files *files, uint32_t slot)
{
	set_state(files, slot, FILE_SPARE);
	atomic_fetch_add(&files->spares, 1);
}

static int write_header(struct files *files)
{
	const struct store_os *os = files->os;
	uint32_t slot = files->opened_slot;
	uint8_t header[SEGMENT_HEADER_SIZE + FILES_STOP_SIZE] = {0};
	size_t size = files->file[slot].is_zero ? SEGMENT_HEADER_SIZE : sizeof(header);
	segment_header_encode(header, files->opened, files->segs->size);
	int rc = os->write(os->ctx, slot, 0, header, size);
	if (rc == 0)
		rc = os->sync(os->ctx, slot);
	files->has_header = rc == 0;
	return rc;
}

/* Opens a segment in a spare file, unless it is open since a turn that could not write the
 * manifest. DHT_EAGAIN: there is no spare, or no memory, now. */
static int open_segment(struct files *files, uint64_t sequence)
{
	uint32_t slot;
	if (files->opened == sequence)
		return files->has_header ? 0 : write_header(files);
	if (!take_spare(files, &slot))
		return DHT_EAGAIN;
	if (segment_open_at(files->segs, slot, sequence) != 0) {
		give_spare(files, slot);
		LOG_WARN("store", "msg=\"no memory for a segment\" sequence=%llu",
			 (unsigned long long)sequence);
		return DHT_EAGAIN;
	}
	files->file[slot].sequence = sequence;
	files->opened = sequence;
	files->opened_slot = slot;
	files->has_header = false;
	return write_header(files);
}

/* Opens the segment and lets the log go on in it, as soon as the manifest names it. */
static int provide_next(struct files *files, uint64_t sequence)
{
	int rc = open_segment(files, sequence);
	if (rc != 0)
		return rc == DHT_EAGAIN ? 0 : rc;
	rc = commit_manifest(files);
	if (rc == 0) {
		tail_publish(files->tail, sequence, files->opened_slot);
		atomic_store(&files->last, sequence);
	}
	return rc == DHT_ENOSPC ? 0 : rc;
}

int files_turn_over(struct files *files)
{
	uint64_t sequence = tail_sequence_of(tail_position(files->tail));
	bool wants_next = !tail_has_next(files->tail, sequence) &&
			  tail_sequence_of(files_written(files)) == sequence;
	int rc;

	notice_drained(files, UINT64_MAX);
	uint64_t durable = files_durable(files);
	bool frees = has_leaving(files, durable, barrier_of(files, durable));
	if (atomic_load(&files->is_unwritten) ||
	    (frees && (!wants_next || atomic_load(&files->spares) == 0))) {
		rc = commit_manifest(files);
		if (rc != 0 && rc != DHT_ENOSPC)
			return rc;
	}
	/* What the manifest had no room for is not worth opening a segment. */
	if (wants_next && !atomic_load(&files->is_unwritten)) {
		rc = provide_next(files, sequence + 1);
		if (rc != 0)
			return rc;
	}
	note_waiting(files, durable);
	note_space(files);
	return 0;
}

/* Provides the file for the first segment. On a full disk it is one that leaves the log, if
 * any does; but the manifest must go on naming the last segment of all: its sequence must
 * not be used again. */
static int make_spare(struct files *files, uint64_t sequence)
{
	int rc = files_prepare(files);
	if (rc != DHT_ENOSPC)
		return rc;
	notice_drained(files, sequence - 1);
	rc = commit_manifest(files);
	if (rc == 0 && atomic_load(&files->spares) == 0)
		rc = DHT_ENOSPC;
	return rc;
}

int files_start(struct files *files, uint64_t sequence)
{
	atomic_store(&files->written, tail_begin_of(sequence));
	atomic_store(&files->durable, tail_begin_of(sequence));
	int rc = atomic_load(&files->spares) == 0 ? make_spare(files, sequence) : 0;
	if (rc == 0)
		rc = open_segment(files, sequence);
	if (rc == DHT_EAGAIN)
		rc = DHT_ENOMEM;
	if (rc != 0)
		return rc;
	tail_init_at(files->tail, files->segs, sequence, files->opened_slot);
	atomic_store(&files->last, sequence);
	notice_drained(files, UINT64_MAX);
	rc = commit_manifest(files);
	return rc == 0 ? files_turn_over(files) : rc;
}

/* ---- Background --------------------------------------------------------------------- */

bool files_wants_segment(const struct files *files)
{
	uint32_t spares = atomic_load(&files->spares);
	return spares < FILES_SPARE || spares > FILES_SPARE_MAX || atomic_load(&files->is_full);
}

static int remove_spare(struct files *files)
{
	uint32_t slot;
	for (slot = slots_used(files); slot-- > 0;) {
		uint32_t spare = FILE_SPARE;
		if (!atomic_compare_exchange_strong(&files->file[slot].state, &spare, FILE_NONE))
			continue;
		atomic_fetch_sub(&files->spares, 1);
		return files->os->remove(files->os->ctx, slot);
	}
	return 0;
}

int files_prepare(struct files *files)
{
	if (atomic_load(&files->spares) > FILES_SPARE_MAX)
		return remove_spare(files);
	int rc = 0;
	if (atomic_load(&files->spares) < FILES_SPARE) {
		uint32_t slot = 0;
		while (slot < STORE_SEGMENTS_MAX && state_of(files, slot) != FILE_NONE)
			slot++;
		rc = DHT_ENOSPC;
		if (slot < STORE_SEGMENTS_MAX)
			rc = files->os->create(files->os->ctx, slot, files->segs->size);
		if (rc == 0) {
			use_slot(files, slot);
			files->file[slot].is_zero = true;
			give_spare(files, slot);
		} else if (rc == DHT_ENOSPC) {
			atomic_store(&files->is_full, true);
		}
	}
	note_space(files);
	return rc;
}
