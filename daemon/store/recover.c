/* SPDX-License-Identifier: Apache-2.0 */
#include "store/recover.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "store/catalog.h"
#include "store/hint.h"
#include "store/replay.h"
#include "store/state.h"

struct recovery {
	struct store *store;
	const struct store_options *options;
	struct store_report *report;
	struct catalog catalog;
	struct catalog_walk *walks; /* by place in the catalog */
	uint64_t last_sequence;     /* of the log, as the manifest names it */
	struct hint_maker maker;
	struct replay replay;
	_Atomic uint64_t done_bytes;

	/* The batch: segments from this place on, their lists, and how that went. */
	uint32_t batch;
	struct replay_list lists[REPLAY_LISTS_MAX];
	struct load {
		int rc;
		struct store_report report; /* of a damage */
	} loads[REPLAY_LISTS_MAX];
};

/* ---- Lists of records ----------------------------------------------------------------- */

static bool read_hint(const struct recovery *recovery, const struct catalog_segment *segment,
		      struct hint *hint)
{
	static const char *const reasons[] = {"of another segment", "damaged"};
	uint64_t size = recovery->catalog.hint_size[segment->slot];
	if (size == 0)
		return false;
	int rc = hint_read(&recovery->maker, segment, size, recovery->store->segs.size, hint);
	if (rc != 0)
		LOG_DEBUG("store", "msg=\"hint file not used\" slot=%08x reason=\"%s\"",
			  segment->slot,
			  rc == DHT_ENOTFOUND  ? reasons[0]
			  : rc == DHT_ECORRUPT ? reasons[1]
					       : dht_error_text(rc));
	return rc == 0;
}

/* A hint is used where the end mark stands in the segment: then it was sealed. */
static bool use_hint(const struct recovery *recovery, uint32_t slot, const uint8_t *data,
		     const struct hint *hint, struct catalog_walk *walk)
{
	if (!segment_end_matches(data + hint->end, hint->sequence, hint->end))
		return false;
	*walk = (struct catalog_walk){.end = hint->end, .records = hint->count, .has_mark = true};
	segment_set_state(&recovery->store->segs, slot, SEGMENT_UNVERIFIED | SEGMENT_COLD, true);
	return true;
}

static int load_segment(struct recovery *recovery, uint32_t place, struct hint *hint,
			struct store_report *report)
{
	struct segments *segs = &recovery->store->segs;
	const struct catalog_segment *segment = &recovery->catalog.segments[place];
	struct catalog_walk *walk = &recovery->walks[place];
	bool has_hint = read_hint(recovery, segment, hint);
	int rc = segment_load(segs, segment->slot, segment->sequence,
			      has_hint ? STORE_OS_MAP_LAZY : STORE_OS_MAP_READ);
	if (rc != 0)
		return rc;
	const uint8_t *data = segment_memory(segs, segment->slot);
	rc = catalog_check_header(data, segs->size, segment, report);
	if (rc != 0 || (has_hint && use_hint(recovery, segment->slot, data, hint, walk)))
		return rc;
	hint_free(&recovery->maker, hint);
	return hint_build(&recovery->maker, data, segs->size, segment, walk, hint, report);
}

static void load_task(void *arg, uint32_t task)
{
	struct recovery *recovery = arg;
	const struct store_options *options = recovery->options;
	struct load *load = &recovery->loads[task];
	size_t size = recovery->store->segs.size;
	load->rc = load_segment(recovery, recovery->batch + task, &recovery->lists[task].hint,
				&load->report);
	uint64_t done = atomic_fetch_add(&recovery->done_bytes, size) + size;
	if (options->progress != NULL)
		options->progress(options->ctx, done,
				  (uint64_t)recovery->catalog.manifest.count * size);
}

/* ---- Batches ------------------------------------------------------------------------- */

/* The first error of the tasks. */
static int loads_result(const struct recovery *recovery, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct load *load = &recovery->loads[i];
		if (load->rc == 0)
			continue;
		memcpy(recovery->report->why, load->report.why, sizeof(load->report.why));
		return load->rc;
	}
	return 0;
}

static int load_batch(struct recovery *recovery, uint32_t count)
{
	struct store *store = recovery->store;
	const struct store_os *os = store->os;
	for (uint32_t i = 0; i < count; i++) {
		const struct catalog_segment *segment =
		    &recovery->catalog.segments[recovery->batch + i];
		files_add_segment(&store->files, segment->slot, segment->sequence);
		recovery->lists[i] = (struct replay_list){.slot = segment->slot};
		recovery->loads[i] = (struct load){0};
	}
	os->parallel(os->ctx, count, load_task, recovery);
	int rc = loads_result(recovery, count);
	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		const struct hint *hint = &recovery->lists[i].hint;
		catalog_report_walk(recovery->report, &recovery->walks[recovery->batch + i]);
		if (hint->highest_counter > recovery->report->highest_counter)
			recovery->report->highest_counter = hint->highest_counter;
		segment_add_expiring(&store->segs, recovery->lists[i].slot, 0,
				     hint->latest_expiry_ms);
		if (segment_is_unverified(&store->segs, recovery->lists[i].slot))
			scrub_note_hinted(&store->scrub, recovery->lists[i].slot, hint->sequence);
	}
	return rc;
}

typedef int (*batch_fn)(struct recovery *recovery, uint32_t count);

/* All segments, in the order of the log. */
static int for_batches(struct recovery *recovery, batch_fn run)
{
	uint32_t total = recovery->catalog.manifest.count;
	int rc = 0;
	for (uint32_t i = 0; rc == 0 && i < total; i += REPLAY_LISTS_MAX) {
		uint32_t count = total - i < REPLAY_LISTS_MAX ? total - i : REPLAY_LISTS_MAX;
		recovery->batch = i;
		rc = run(recovery, count);
		for (uint32_t k = 0; k < count; k++)
			hint_free(&recovery->maker, &recovery->lists[k].hint);
	}
	return rc;
}

static int replay_next(struct recovery *recovery, uint32_t count)
{
	int rc = load_batch(recovery, count);
	if (rc == 0)
		rc = replay_batch(&recovery->replay, recovery->lists, count, recovery->report);
	return rc;
}

/* ---- What a DROP hides ---------------------------------------------------------------- */

/* Makes the list of a segment that is loaded once more. */
static void list_task(void *arg, uint32_t task)
{
	struct recovery *recovery = arg;
	const struct segments *segs = &recovery->store->segs;
	const struct catalog_segment *segment = &recovery->catalog.segments[recovery->batch + task];
	struct hint *hint = &recovery->lists[task].hint;
	struct load *load = &recovery->loads[task];
	struct catalog_walk ignored;
	if (segment_is_unverified(segs, segment->slot) && read_hint(recovery, segment, hint))
		return;
	load->rc = hint_build(&recovery->maker, segment_memory(segs, segment->slot), segs->size,
			      segment, &ignored, hint, &load->report);
}

static int hide_next(struct recovery *recovery, uint32_t count)
{
	const struct store_os *os = recovery->store->os;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t slot = recovery->catalog.segments[recovery->batch + i].slot;
		recovery->lists[i] = (struct replay_list){.slot = slot};
		recovery->loads[i] = (struct load){0};
	}
	os->parallel(os->ctx, count, list_task, recovery);
	int rc = loads_result(recovery, count);
	if (rc == 0)
		rc = replay_hide(&recovery->replay, recovery->lists, count, recovery->report);
	return rc;
}

/* A recovery that finds DROPs without their MAP record says so before anything else is
 * appended (store/notes.h). */
static int put_mark(struct store *store)
{
	uint8_t value[RECORD_EPOCH_SIZE];
	uint64_t location, end, epoch = notes_map_epoch(&store->notes);
	struct record rec = {.kind = RECORD_DROP, .value = bytes_of(value, sizeof(value))};
	put_u64(value, epoch);
	int rc = tail_append(&store->tail, 0, &rec, TAIL_CLAIM_MOVE, &location, &end);
	if (rc != 0)
		return rc;
	segment_keep(&store->segs, location, (uint32_t)record_size(&rec));
	struct note_mark mark = {.position = store_position_of(store, location), .epoch = epoch};
	LOG_INFO("store",
		 "msg=\"dropped blocks are kept: the map that drops them was not "
		 "written\" epoch=%llu",
		 (unsigned long long)epoch);
	return notes_add_mark(&store->notes, mark);
}

/* ---- After the last segment ------------------------------------------------------------ */

/* The first of the segments that need not have been synced: before the last one is provided,
 * in which nothing may have been written yet, all are synced but two (store/files.h). */
static uint32_t first_unsynced(uint32_t count)
{
	enum { UNSYNCED_MAX = 3 };
	return count > UNSYNCED_MAX ? count - UNSYNCED_MAX : 0;
}

/* Makes what was read durable, also what a lazy store had not synced when its process ended,
 * and gives a segment that was open its end. One without a record leaves the log. */
static int finish_open(struct recovery *recovery)
{
	const struct store_os *os = recovery->store->os;
	uint32_t count = recovery->catalog.manifest.count;
	for (uint32_t i = first_unsynced(count); i < count; i++) {
		const struct catalog_segment *segment = &recovery->catalog.segments[i];
		const struct catalog_walk *walk = &recovery->walks[i];
		uint8_t mark[SEGMENT_END_SIZE];
		int rc = 0;
		if (walk->records == 0)
			continue;
		segment_end_encode(mark, segment->sequence, walk->end);
		if (!walk->has_mark)
			rc = os->write(os->ctx, segment->slot, walk->end, mark, sizeof(mark));
		if (rc == 0)
			rc = os->sync(os->ctx, segment->slot);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Of a lazy store (store/files.h) the segment before the last one need not have been synced
 * when the last one was begun: so it may be torn although records follow in another. They
 * were not durable either, and what they tell rests on what is lost: they are given up. */
static int cut_behind_torn(struct recovery *recovery)
{
	struct catalog *catalog = &recovery->catalog;
	uint32_t total = catalog->manifest.count, cut = total;
	for (uint32_t i = first_unsynced(total); i < total; i++) {
		struct store_report ignored = {0};
		struct catalog_walk walk;
		struct hint hint = {0};
		int rc = hint_build_from_file(&recovery->maker, &catalog->segments[i],
					      recovery->store->segs.size, &walk, &hint, &ignored);
		hint_free(&recovery->maker, &hint);
		if (rc != 0 && rc != DHT_ECORRUPT)
			return rc;
		if (i > cut)
			recovery->report->cut_bytes += walk.end - SEGMENT_HEADER_SIZE;
		else if (!walk.has_mark)
			cut = i;
	}
	/* Their files are spare ones. */
	if (cut < total)
		catalog->manifest.count = cut + 1;
	return 0;
}

static int replay_log(struct recovery *recovery)
{
	struct store *store = recovery->store;
	const struct catalog *catalog = &recovery->catalog;
	bool hides = false;
	int rc = for_batches(recovery, replay_next);
	if (rc == 0)
		rc = catalog_check_ends(catalog, recovery->walks, recovery->report);
	if (rc == 0)
		catalog_report_torn(catalog, recovery->walks, recovery->report);
	if (rc == 0)
		rc = finish_open(recovery);
	if (rc == 0)
		rc = replay_decide(&recovery->replay, &hides);
	if (rc == 0 && hides)
		rc = for_batches(recovery, hide_next);
	if (rc != 0)
		return rc;
	replay_finish(&recovery->replay);
	files_note_map(&store->files, notes_map_epoch(&store->notes));
	for (uint32_t i = 0; i < catalog->manifest.count; i++)
		segment_loaded(&store->segs, catalog->segments[i].slot, recovery->walks[i].end);
	/* Never again that of a segment that was given up: its old bytes would parse. */
	rc = files_start(&store->files, recovery->last_sequence + 1);
	return rc == 0 && recovery->replay.wants_mark ? put_mark(store) : rc;
}

/* Hint files of slots without a segment only take room. */
static void remove_hints(const struct recovery *recovery)
{
	const struct store_os *os = recovery->store->os;
	const struct catalog *catalog = &recovery->catalog;
	char name[HINT_NAME_SIZE];
	for (uint32_t i = 0; i < catalog->manifest.count; i++)
		catalog->hint_size[catalog->segments[i].slot] = 0;
	for (uint32_t slot = 0; slot < STORE_SEGMENTS_MAX; slot++) {
		if (catalog->hint_size[slot] == 0)
			continue;
		hint_name(slot, name);
		int rc = os->file_remove(os->ctx, name);
		if (rc != 0)
			LOG_DEBUG("store", "msg=\"hint file not removed\" file=%s error=\"%s\"",
				  name, dht_error_text(rc));
	}
}

/* ---- Begin and end --------------------------------------------------------------------- */

static int init(struct recovery *recovery)
{
	struct store *store = recovery->store;
	const struct manifest *manifest = &recovery->catalog.manifest;
	bool is_new = manifest->blocks == 0;
	if (!is_new && manifest->blocks != store->block_count) {
		snprintf(recovery->report->why, sizeof(recovery->report->why),
			 "%s, offset 0: the store was made with %u blocks, not %u", MANIFEST_NAME,
			 manifest->blocks, store->block_count);
		return DHT_ECORRUPT;
	}
	recovery->walks = calloc((size_t)manifest->count + 1, sizeof(*recovery->walks));
	if (recovery->walks == NULL)
		return DHT_ENOMEM;
	int rc = segments_init(&store->segs, store->os,
			       is_new ? recovery->options->segment_size_bytes
				      : manifest->segment_size_bytes);
	if (rc == 0)
		rc = files_init(&store->files, &store->segs, &store->tail, store->block_count);
	if (rc == 0)
		rc = scrub_init(&store->scrub, &recovery->maker);
	if (rc == 0)
		rc = replay_init(&recovery->replay, store, recovery->catalog.slots_used);
	if (rc != 0)
		return rc;
	store->files.is_lazy = recovery->options->is_lazy;
	store->files.has_housekeeper = recovery->options->has_housekeeper;
	files_note_ceiling(&store->files, manifest->ceiling);
	return is_new ? files_write_manifest(&store->files) : 0;
}

/* Files that the manifest does not name hold nothing. */
static void add_spares(struct recovery *recovery)
{
	const struct catalog *catalog = &recovery->catalog;
	uint32_t count = catalog->manifest.count;
	for (uint32_t i = 0; i < count; i++)
		catalog->file_size[catalog->segments[i].slot] = 0;
	for (uint32_t i = 0; i < catalog->slots_used; i++) {
		if (catalog->file_size[i] != 0)
			files_add_spare(&recovery->store->files, i);
	}
}

static void finish_report(const struct recovery *recovery)
{
	const struct store *store = recovery->store;
	recovery->report->ceiling = atomic_load(&store->files.ceiling);
	for (uint32_t i = 0; i < store->block_count; i++)
		recovery->report->keys += atomic_load(&store->blocks[i].keys);
}

int recover_store(struct store *store, const struct store_options *options)
{
	struct store_report own = {0};
	struct recovery *recovery = calloc(1, sizeof(*recovery));
	DHT_ASSERT(options->locate != NULL);
	if (options->report != NULL)
		*options->report = own;
	if (recovery == NULL)
		return DHT_ENOMEM;
	recovery->store = store;
	recovery->options = options;
	recovery->report = options->report != NULL ? options->report : &own;
	recovery->maker = (struct hint_maker){.os = store->os,
					      .locate = options->locate,
					      .ctx = options->ctx,
					      .hash_id = options->hash_id,
					      .blocks = store->block_count};
	int rc = catalog_read(&recovery->catalog, store->os, recovery->report);
	if (rc == 0)
		rc = init(recovery);
	if (rc == 0 && recovery->catalog.manifest.count > 0)
		recovery->last_sequence =
		    recovery->catalog.segments[recovery->catalog.manifest.count - 1].sequence;
	if (rc == 0 && options->may_be_torn)
		rc = cut_behind_torn(recovery);
	if (rc == 0) {
		add_spares(recovery);
		rc = replay_log(recovery);
	}
	if (rc == 0) {
		finish_report(recovery);
		remove_hints(recovery);
	}
	replay_fini(&recovery->replay);
	free(recovery->walks);
	catalog_free(&recovery->catalog);
	free(recovery);
	return rc;
}
