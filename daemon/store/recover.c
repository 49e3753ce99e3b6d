/* SPDX-License-Identifier: Apache-2.0 */
#include "store/recover.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "store/catalog.h"
#include "store/state.h"

/* What is known while the log is replayed: besides the store, the records that hide
 * others, because an older record may follow them in the log. */
struct replay {
	struct store *store;
	store_locate_fn locate;
	void *ctx;
	struct store_report *report;
	struct catalog catalog;
	struct catalog_walk *walks; /* by place in the catalog */
	struct index *erases;       /* by block: the ERASE record of highest floor of a key */
	struct ballot *dropped;     /* by block: the highest floor of a DROP */
	uint32_t slot;              /* of the segment that is replayed */
};

/* ---- One record ---------------------------------------------------------------------- */

static const uint8_t *entry_data(const struct replay *replay, const struct index *ix,
				 uint32_t place)
{
	return segment_at(&replay->store->segs, index_entry_location(index_entries(ix)[place]));
}

static bool find(const struct replay *replay, const struct index *ix, const struct store_key *key,
		 uint32_t *place)
{
	uint32_t hash = store_hash_of(key);
	if (ix->count == 0)
		return false;
	const uint64_t *entries = index_entries(ix);
	for (*place = index_seek(ix, hash);
	     entries[*place] != 0 && index_entry_hash(entries[*place]) == hash; ++*place) {
		if (bytes_equal(record_view_key(entry_data(replay, ix, *place)), key->key))
			return true;
	}
	return false;
}

static struct ballot acc_at(const uint8_t *data)
{
	return ballot_decode(data + RECORD_AT_ACC);
}

/* The record at place is not the latest of its key. */
static void supersede(struct replay *replay, struct block *block, uint32_t place)
{
	uint64_t location = index_entry_location(index_entries(&block->index)[place]);
	const uint8_t *data = segment_at(&replay->store->segs, location);
	store_count_record(block, data, -1);
	segment_kill(&replay->store->segs, location, record_view_size(data));
}

static bool wins(const struct record *rec, const uint8_t *other)
{
	int order = ballot_compare(rec->acc, acc_at(other));
	return order > 0 ||
	       (order == 0 && !rec->copy && (other[RECORD_AT_FLAGS] & RECORD_FLAG_COPY) != 0);
}

static bool is_hidden(const struct replay *replay, const struct store_key *key,
		      const struct record *rec)
{
	const struct index *erases = &replay->erases[key->block];
	uint32_t place;
	return ballot_compare(rec->acc, replay->dropped[key->block]) <= 0 ||
	       (find(replay, erases, key, &place) &&
		ballot_compare(rec->acc, acc_at(entry_data(replay, erases, place))) <= 0);
}

static int replay_latest(struct replay *replay, const struct store_key *key,
			 const struct record *rec, uint64_t location, size_t size)
{
	struct store *store = replay->store;
	struct block *block = &store->blocks[key->block];
	uint32_t place;
	if (is_hidden(replay, key, rec))
		return 0;
	if (find(replay, &block->index, key, &place)) {
		if (!wins(rec, entry_data(replay, &block->index, place)))
			return 0;
		supersede(replay, block, place);
		index_replace(&block->index, place, location);
	} else {
		int rc = index_reserve(&block->index, store->os);
		if (rc != 0)
			return rc;
		index_insert(&block->index, store_hash_of(key), location);
	}
	segment_add_live(&store->segs, location, size);
	store_count_record(block, segment_at(&store->segs, location), 1);
	return 0;
}

static int replay_erase(struct replay *replay, const struct store_key *key,
			const struct record *rec, uint64_t location)
{
	struct store *store = replay->store;
	struct block *block = &store->blocks[key->block];
	struct index *erases = &replay->erases[key->block];
	uint32_t place;
	if (find(replay, &block->index, key, &place) &&
	    ballot_compare(acc_at(entry_data(replay, &block->index, place)), rec->acc) <= 0) {
		supersede(replay, block, place);
		index_remove(&block->index, place, store->os);
	}
	if (find(replay, erases, key, &place)) {
		if (ballot_compare(rec->acc, acc_at(entry_data(replay, erases, place))) > 0)
			index_replace(erases, place, location);
		return 0;
	}
	int rc = index_reserve(erases, store->os);
	if (rc == 0)
		index_insert(erases, store_hash_of(key), location);
	return rc;
}

static int replay_record(void *ctx, const uint8_t *data, uint32_t offset, const struct record *rec,
			 size_t size)
{
	struct replay *replay = ctx;
	struct store *store = replay->store;
	uint64_t location = (uint64_t)replay->slot << STORE_OFFSET_BITS | offset;
	struct store_key key = {.key = rec->key};
	int rc = 0;

	(void)data;
	if (ballot_counter(rec->acc) > replay->report->highest_counter)
		replay->report->highest_counter = ballot_counter(rec->acc);
	switch (rec->kind) {
	case RECORD_VALUE:
	case RECORD_TOMBSTONE:
		replay->locate(replay->ctx, &key, store->block_count);
		DHT_ASSERT(key.block < store->block_count);
		return replay_latest(replay, &key, rec, location, size);
	case RECORD_ERASE:
		replay->locate(replay->ctx, &key, store->block_count);
		DHT_ASSERT(key.block < store->block_count);
		rc = replay_erase(replay, &key, rec, location);
		break;
	case RECORD_DROP:
		if (rec->key.len != RECORD_DROP_KEY_SIZE ||
		    get_u32(rec->key.data) >= store->block_count)
			return catalog_damage(replay->report, replay->slot, offset,
					      "DROP of an impossible block");
		key.block = get_u32(rec->key.data);
		replay->dropped[key.block] = ballot_max(replay->dropped[key.block], rec->acc);
		break;
	case RECORD_CEILING:
		if (rec->value.len != RECORD_CEILING_SIZE)
			return catalog_damage(replay->report, replay->slot, offset,
					      "CEILING of an impossible size");
		files_note_ceiling(&store->files, get_u64(rec->value.data));
		return 0;
	case RECORD_MAP:
	case RECORD_VOTE:
	case RECORD_FIN:
		/* What they mean is not the store's to know: they stay. */
		segment_add_live(&store->segs, location, size);
		return 0;
	}
	segment_add_live(&store->segs, location, size);
	segment_keep(&store->segs, location, (uint32_t)size);
	return rc;
}

/* ---- Segments ------------------------------------------------------------------------ */

static int check_header(const uint8_t *data, size_t size, const struct catalog_segment *segment,
			struct store_report *report)
{
	uint64_t sequence;
	if (segment_header_decode(data, size, &sequence) != 0 || sequence != segment->sequence)
		return catalog_damage(report, segment->slot, 0,
				      "the header is not that of the manifest's segment");
	return 0;
}

static void report_walk(struct store_report *report, const uint8_t *data, size_t size,
			const struct catalog_walk *walk)
{
	report->segments++;
	report->records += walk->records;
	report->segment_bytes += walk->end;
	if (!walk->has_mark)
		report->cut_bytes += catalog_torn_bytes(data, size, walk->end);
}

static int replay_segment(struct replay *replay, uint32_t i)
{
	struct store *store = replay->store;
	const struct catalog_segment *segment = &replay->catalog.segments[i];
	size_t size = store->segs.size;
	int rc = segment_load(&store->segs, segment->slot, segment->sequence, STORE_OS_MAP_READ);
	if (rc != 0)
		return rc;
	files_add_segment(&store->files, segment->slot, segment->sequence);
	const uint8_t *data = segment_memory(&store->segs, segment->slot);
	rc = check_header(data, size, segment, replay->report);
	if (rc != 0)
		return rc;
	replay->slot = segment->slot;
	rc = catalog_walk(data, size, segment->sequence, replay_record, replay, &replay->walks[i]);
	if (rc == 0)
		report_walk(replay->report, data, size, &replay->walks[i]);
	return rc;
}

/* The first segment that may be torn. */
static uint32_t first_open(const struct catalog_walk *walks, uint32_t count)
{
	if (count < 2)
		return 0;
	return walks[count - 1].records == 0 ? count - 2 : count - 1;
}

static int check_ends(const struct catalog *catalog, const struct catalog_walk *walks,
		      struct store_report *report)
{
	uint32_t count = catalog->manifest.count, open = first_open(walks, count);
	for (uint32_t i = 0; i < open; i++) {
		if (!walks[i].has_mark)
			return catalog_damage(report, catalog->segments[i].slot, walks[i].end,
					      "neither a record nor the end mark verifies");
	}
	return 0;
}

/* Makes what was read durable, and gives a segment that was open its end. One without a
 * record leaves the log. */
static int finish_open(struct replay *replay)
{
	const struct store_os *os = replay->store->os;
	uint32_t count = replay->catalog.manifest.count;
	for (uint32_t i = first_open(replay->walks, count); i < count; i++) {
		const struct catalog_segment *segment = &replay->catalog.segments[i];
		const struct catalog_walk *walk = &replay->walks[i];
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

/* ---- After the last record ------------------------------------------------------------ */

/* Removes the first entry that a DROP hides, from place *from on; false: there is none.
 * Removing may lay out the index anew, then *from is 0. */
static bool remove_dropped(struct replay *replay, uint32_t number, uint32_t *from)
{
	struct block *block = &replay->store->blocks[number];
	struct index *ix = &block->index;
	for (uint32_t place = *from; place < index_places(ix); place++) {
		if (index_entries(ix)[place] == 0 ||
		    ballot_compare(acc_at(entry_data(replay, ix, place)), replay->dropped[number]) >
			0)
			continue;
		uint32_t capacity = index_capacity(ix);
		supersede(replay, block, place);
		index_remove(ix, place, replay->store->os);
		*from = index_capacity(ix) == capacity ? place : 0;
		return true;
	}
	return false;
}

static void apply_drops(struct replay *replay)
{
	for (uint32_t i = 0; i < replay->store->block_count; i++) {
		uint32_t from = 0;
		if (ballot_is_absent(replay->dropped[i]))
			continue;
		while (remove_dropped(replay, i, &from))
			continue;
	}
}

static int replay_log(struct replay *replay)
{
	struct store *store = replay->store;
	uint32_t count = replay->catalog.manifest.count;
	uint64_t last = 0;
	for (uint32_t i = 0; i < count; i++) {
		int rc = replay_segment(replay, i);
		if (rc != 0)
			return rc;
		last = replay->catalog.segments[i].sequence;
	}
	int rc = check_ends(&replay->catalog, replay->walks, replay->report);
	if (rc == 0)
		rc = finish_open(replay);
	if (rc != 0)
		return rc;
	apply_drops(replay);
	for (uint32_t i = 0; i < count; i++)
		segment_loaded(&store->segs, replay->catalog.segments[i].slot,
			       replay->walks[i].end);
	return files_start(&store->files, last + 1);
}

static int init(struct replay *replay, const struct store_options *options)
{
	struct store *store = replay->store;
	const struct manifest *manifest = &replay->catalog.manifest;
	bool is_new = manifest->blocks == 0;
	if (!is_new && manifest->blocks != store->block_count) {
		snprintf(replay->report->why, sizeof(replay->report->why),
			 "%s, offset 0: the store was made with %u blocks, not %u", MANIFEST_NAME,
			 manifest->blocks, store->block_count);
		return DHT_ECORRUPT;
	}
	replay->walks = calloc((size_t)manifest->count + 1, sizeof(*replay->walks));
	replay->erases = calloc(store->block_count, sizeof(*replay->erases));
	replay->dropped = calloc(store->block_count, sizeof(*replay->dropped));
	if (replay->walks == NULL || replay->erases == NULL || replay->dropped == NULL)
		return DHT_ENOMEM;
	int rc = segments_init(&store->segs, store->os,
			       is_new ? options->segment_size_bytes : manifest->segment_size_bytes);
	if (rc == 0)
		rc = files_init(&store->files, &store->segs, &store->tail, store->block_count);
	if (rc != 0)
		return rc;
	store->files.is_lazy = options->is_lazy;
	files_note_ceiling(&store->files, manifest->ceiling);
	return is_new ? files_write_manifest(&store->files) : 0;
}

/* Files that the manifest does not name hold nothing. */
static void add_spares(struct replay *replay)
{
	const struct catalog *catalog = &replay->catalog;
	uint32_t count = catalog->manifest.count;
	for (uint32_t i = 0; i < count; i++)
		catalog->file_size[catalog->segments[i].slot] = 0;
	for (uint32_t i = 0; i < catalog->slots_used; i++) {
		if (catalog->file_size[i] != 0)
			files_add_spare(&replay->store->files, i);
	}
}

static void fini(struct replay *replay)
{
	for (uint32_t i = 0; replay->erases != NULL && i < replay->store->block_count; i++)
		index_fini(&replay->erases[i], replay->store->os);
	free(replay->dropped);
	free(replay->erases);
	free(replay->walks);
	catalog_free(&replay->catalog);
}

int recover_store(struct store *store, const struct store_options *options)
{
	struct store_report own = {0};
	struct replay replay = {
	    .store = store,
	    .locate = options->locate,
	    .ctx = options->ctx,
	    .report = options->report != NULL ? options->report : &own,
	};
	DHT_ASSERT(options->locate != NULL);
	*replay.report = own;
	int rc = catalog_read(&replay.catalog, store->os, replay.report);
	if (rc == 0)
		rc = init(&replay, options);
	if (rc == 0) {
		add_spares(&replay);
		rc = replay_log(&replay);
	}
	if (rc == 0) {
		replay.report->ceiling = atomic_load(&store->files.ceiling);
		for (uint32_t i = 0; i < store->block_count; i++)
			replay.report->keys += atomic_load(&store->blocks[i].keys);
	}
	fini(&replay);
	return rc;
}

/* ---- Verifying ------------------------------------------------------------------------ */

static int check_record(void *ctx, const uint8_t *data, uint32_t offset, const struct record *rec,
			size_t size)
{
	struct store_report *report = ctx;
	(void)data;
	(void)offset;
	(void)size;
	if (ballot_counter(rec->acc) > report->highest_counter)
		report->highest_counter = ballot_counter(rec->acc);
	if (rec->kind == RECORD_CEILING && rec->value.len == RECORD_CEILING_SIZE &&
	    get_u64(rec->value.data) > report->ceiling)
		report->ceiling = get_u64(rec->value.data);
	return 0;
}

/* A header that is damaged does not keep the records from being looked at. */
static int check_segment(const struct store_os *os, size_t size,
			 const struct catalog_segment *segment, struct catalog_walk *walk,
			 struct store_report *report)
{
	uint8_t *memory = os->segment_alloc(os->ctx, size);
	if (memory == NULL)
		return DHT_ENOMEM;
	int rc = os->map(os->ctx, segment->slot, memory, size, STORE_OS_MAP_READ);
	if (rc == 0)
		rc = catalog_walk(memory, size, segment->sequence, check_record, report, walk);
	if (rc == 0) {
		report_walk(report, memory, size, walk);
		rc = check_header(memory, size, segment, report);
	}
	os->segment_free(os->ctx, memory, size);
	return rc;
}

/* What stops the check, and what is damage that it goes on after. */
static int note_damage(int rc, const struct store_report *report, char *first, size_t first_size,
		       store_damage_fn found, void *ctx)
{
	if (rc != DHT_ECORRUPT)
		return rc;
	if (first[0] == '\0')
		snprintf(first, first_size, "%s", report->why);
	found(ctx, report->why);
	return 0;
}

int store_check(const struct store_os *os, struct store_report *report, store_damage_fn found,
		void *ctx)
{
	struct catalog catalog;
	struct catalog_walk *walks = NULL;
	char first[sizeof(report->why)] = "";
	*report = (struct store_report){0};
	int rc = catalog_read(&catalog, os, report);
	bool is_readable = rc == 0;
	rc = note_damage(rc, report, first, sizeof(first), found, ctx);
	uint32_t count = is_readable ? catalog.manifest.count : 0;
	if (rc == 0)
		walks = calloc((size_t)count + 1, sizeof(*walks));
	if (rc == 0 && walks == NULL)
		rc = DHT_ENOMEM;
	if (rc == 0)
		report->ceiling = catalog.manifest.ceiling;
	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		rc = check_segment(os, catalog.manifest.segment_size_bytes, &catalog.segments[i],
				   &walks[i], report);
		rc = note_damage(rc, report, first, sizeof(first), found, ctx);
	}
	if (rc == 0 && count > 0)
		rc = note_damage(check_ends(&catalog, walks, report), report, first, sizeof(first),
				 found, ctx);
	if (rc == 0 && first[0] != '\0')
		rc = DHT_ECORRUPT;
	snprintf(report->why, sizeof(report->why), "%s", first);
	free(walks);
	catalog_free(&catalog);
	return rc;
}
