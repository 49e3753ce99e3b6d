/* SPDX-License-Identifier: Apache-2.0 */
#include "store/replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/catalog.h"

enum {
	RANGES_MAX = 32, /* a few for every thread */
	AHEAD = 8,       /* entries whose records are asked for before they are replayed */
};

/* Bytes of a segment that became live, less those that ceased to be. */
struct replay_live {
	int64_t bytes;
	int64_t expiring; /* of these: of values that can expire */
};

/* A DROP, or a mark. */
struct replay_drop {
	uint64_t position; /* where it was first appended */
	uint64_t epoch;
	uint32_t block; /* MARK: none */
	uint32_t slot;
	uint32_t size;
};

#define MARK UINT32_MAX

/* A task, and what it may change: the blocks from first on, below end. */
struct replay_range {
	struct replay *replay;
	uint32_t first;
	uint32_t end;
	struct replay_live *live; /* by slot */
	struct replay_drop *drops;
	uint32_t drop_count;
	int rc;
	struct store_report report; /* of a damage */
};

/* ---- Reading records ------------------------------------------------------------------ */

static struct block *block_at(const struct replay_range *range, uint32_t number)
{
	return &range->replay->store->blocks[number];
}

/* Reads the record at a location. */
static int read_record(struct replay_range *range, uint64_t location, const uint8_t **data)
{
	struct segments *segs = &range->replay->store->segs;
	uint32_t slot = segment_slot_of(location), offset = segment_offset_of(location);
	struct record rec;
	size_t size;
	*data = segment_at(segs, location);
	if (!segment_is_unverified(segs, slot))
		return 0;
	uint64_t sequence = atomic_load_explicit(&segs->slots[slot].sequence, memory_order_relaxed);
	if (record_decode(*data, segment_limit(segs) - offset, sequence, &rec, &size) != 0)
		return catalog_damage(&range->report, slot, offset, "the record does not verify");
	return 0;
}

static int contradicts(struct replay_range *range, uint32_t slot, const struct hint_entry *entry)
{
	return catalog_damage(&range->report, slot, entry->offset,
			      "the record is not what the hint file says; without that file the "
			      "segment is read");
}

/* The same for a record of a list, which may have been read from a file. */
static int read_listed(struct replay_range *range, uint32_t slot, const struct hint_entry *entry,
		       const uint8_t **data)
{
	int rc = read_record(range, (uint64_t)slot << STORE_OFFSET_BITS | entry->offset, data);
	if (rc == 0 &&
	    ((*data)[RECORD_AT_FLAGS] != entry->flags || record_view_size(*data) != entry->size))
		return contradicts(range, slot, entry);
	return rc;
}

static bool has_hash(const struct index *ix, uint32_t hash)
{
	if (ix->count == 0)
		return false;
	uint64_t entry = index_entries(ix)[index_seek(ix, hash)];
	return entry != 0 && index_entry_hash(entry) == hash;
}

/* Finds the entry of a key: *found is set to its record, or to NULL. */
static int find(struct replay_range *range, const struct index *ix, uint32_t hash, struct bytes key,
		uint32_t *place, const uint8_t **found)
{
	*found = NULL;
	if (ix->count == 0)
		return 0;
	const uint64_t *entries = index_entries(ix);
	for (*place = index_seek(ix, hash);
	     entries[*place] != 0 && index_entry_hash(entries[*place]) == hash; ++*place) {
		const uint8_t *data;
		int rc = read_record(range, index_entry_location(entries[*place]), &data);
		if (rc != 0)
			return rc;
		if (bytes_equal(record_view_key(data), key)) {
			*found = data;
			return 0;
		}
	}
	return 0;
}

/* ---- One record ---------------------------------------------------------------------- */

/* Counts a record of an entry of an index (sign 1), or of none any more (-1). */
static void count_live(struct replay_range *range, uint32_t slot, unsigned flags, uint32_t size,
		       int sign)
{
	struct replay_live *live = &range->live[slot];
	live->bytes += sign * (int64_t)size;
	if ((flags & RECORD_FLAGS_KIND) == RECORD_VALUE && (flags & RECORD_FLAG_EXPIRY) != 0)
		live->expiring += sign * (int64_t)size;
}

/* The record at place, which is data, is not the latest of its key. */
static void supersede(struct replay_range *range, struct block *block, uint32_t place,
		      const uint8_t *data)
{
	uint64_t location = index_entry_location(index_entries(&block->index)[place]);
	store_count_record(block, data, -1);
	count_live(range, segment_slot_of(location), data[RECORD_AT_FLAGS],
		   (uint32_t)record_view_size(data), -1);
}

/* A value or tombstone is the latest of its key until another one comes. */
static int replay_latest(struct replay_range *range, uint32_t slot, const struct hint_entry *entry)
{
	struct block *block = block_at(range, entry->block);
	uint64_t location = (uint64_t)slot << STORE_OFFSET_BITS | entry->offset;
	const uint8_t *data, *other = NULL;
	uint32_t place = 0;
	int rc = 0;
	if (has_hash(&block->index, entry->hash)) {
		rc = read_listed(range, slot, entry, &data);
		if (rc == 0)
			rc = find(range, &block->index, entry->hash, record_view_key(data), &place,
				  &other);
	}
	if (rc == 0 && other == NULL)
		rc = index_reserve(&block->index, range->replay->store->os);
	if (rc != 0)
		return rc;
	if (other != NULL) {
		supersede(range, block, place, other);
		index_replace(&block->index, place, location);
	} else {
		index_insert(&block->index, entry->hash, location);
	}
	store_count_sizes(block, entry->flags, entry->bytes, entry->size, 1);
	count_live(range, slot, entry->flags, entry->size, 1);
	return 0;
}

/* What hides others is live as long as it may do so. */
static void keep(struct replay_range *range, uint32_t slot, uint32_t size)
{
	range->live[slot].bytes += size;
	segment_keep(&range->replay->store->segs, (uint64_t)slot << STORE_OFFSET_BITS, size);
}

/* One that was moved stands behind records that it does not hide. */
static int replay_erase(struct replay_range *range, uint32_t slot, const struct hint_entry *entry)
{
	const struct store *store = range->replay->store;
	struct block *block = block_at(range, entry->block);
	uint64_t location = (uint64_t)slot << STORE_OFFSET_BITS | entry->offset;
	const uint8_t *data, *other;
	struct record rec;
	uint32_t place;
	int rc = read_listed(range, slot, entry, &data);
	if (rc != 0)
		return rc;
	record_view(data, &rec);
	keep(range, slot, entry->size);
	rc = find(range, &block->index, entry->hash, rec.key, &place, &other);
	if (rc != 0 || other == NULL)
		return rc;
	uint64_t found = index_entry_location(index_entries(&block->index)[place]);
	if (store_position_of(store, found) < store_first_position(store, location, rec.acc)) {
		supersede(range, block, place, other);
		index_remove(&block->index, place, store->os);
	}
	return 0;
}

static int replay_drop(struct replay_range *range, uint32_t slot, uint64_t location,
		       const struct record *rec)
{
	struct replay_drop *drops =
	    realloc(range->drops, (range->drop_count + 1) * sizeof(*range->drops));
	if (drops == NULL)
		return DHT_ENOMEM;
	range->drops = drops;
	drops[range->drop_count++] = (struct replay_drop){
	    .position = store_first_position(range->replay->store, location, rec->acc),
	    .epoch = get_u64(rec->value.data),
	    .block = rec->key.len > 0 ? get_u32(rec->key.data) : MARK,
	    .slot = slot,
	    .size = (uint32_t)record_size(rec),
	};
	return 0;
}

static int replay_note(struct replay_range *range, uint32_t slot, uint64_t location,
		       const struct record *rec)
{
	struct note *note = notes_of_key(&range->replay->store->notes, rec->kind, rec->key);
	if (note->location != 0)
		range->live[segment_slot_of(note->location)].bytes -= note->size;
	note->location = 0;
	int rc = notes_set(note, location, rec);
	if (rc == 0)
		range->live[slot].bytes += note->size;
	return rc;
}

/* A record that is about no key. */
static int replay_other(struct replay_range *range, uint32_t slot, const struct hint_entry *entry)
{
	struct store *store = range->replay->store;
	uint64_t location = (uint64_t)slot << STORE_OFFSET_BITS | entry->offset;
	const uint8_t *data;
	struct record rec;
	uint32_t block;
	int rc = read_listed(range, slot, entry, &data);
	if (rc != 0)
		return rc;
	record_view(data, &rec);
	if (!hint_block_of(&rec, store->block_count, &block) || block != entry->block)
		return contradicts(range, slot, entry);
	if (rec.kind == RECORD_DROP)
		return replay_drop(range, slot, location, &rec);
	if (rec.kind == RECORD_CEILING) {
		files_note_ceiling(&store->files, get_u64(rec.value.data));
		return 0;
	}
	return replay_note(range, slot, location, &rec);
}

static int replay_entry(struct replay_range *range, uint32_t slot, const struct hint_entry *entry)
{
	if (record_is_latest(entry->flags))
		return replay_latest(range, slot, entry);
	if ((entry->flags & RECORD_FLAGS_KIND) == RECORD_ERASE)
		return replay_erase(range, slot, entry);
	return replay_other(range, slot, entry);
}

/* ---- A batch -------------------------------------------------------------------------- */

/* Asks for the records that the entry will be compared with, and for its own. */
static void prefetch(const struct replay_range *range, uint32_t slot, uint32_t block,
		     const uint8_t *in)
{
	const struct segments *segs = &range->replay->store->segs;
	struct hint_entry entry = hint_entry_decode(in);
	const struct index *ix = &block_at(range, block)->index;
	/* The index of another block may be another task's. */
	if (entry.block != block || !has_hash(ix, entry.hash))
		return;
	const uint8_t *other =
	    segment_at(segs, index_entry_location(index_entries(ix)[index_seek(ix, entry.hash)]));
	const uint8_t *own = segment_memory(segs, slot) + entry.offset;
	__builtin_prefetch(other);
	__builtin_prefetch(other + DHT_CACHE_LINE - 1);
	__builtin_prefetch(own);
	__builtin_prefetch(own + DHT_CACHE_LINE - 1);
}

/* Replays the entries of a block in one list, from *at on. */
static int replay_run(struct replay_range *range, const struct replay_list *list, uint32_t block,
		      uint32_t *at)
{
	const struct hint *hint = &list->hint;
	for (; *at < hint->count; ++*at) {
		struct hint_entry entry = hint_entry_decode(hint_entry_at(hint, *at));
		if (entry.block != block)
			break;
		if (hint->count - *at > AHEAD)
			prefetch(range, list->slot, block, hint_entry_at(hint, *at + AHEAD));
		int rc = replay_entry(range, list->slot, &entry);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Block after block, of all lists, so that its index stays in the cache. */
static void replay_task(void *arg, uint32_t task)
{
	const struct replay *replay = arg;
	struct replay_range *range = &replay->ranges[task];
	uint32_t at[REPLAY_LISTS_MAX];
	for (uint32_t i = 0; i < replay->list_count; i++)
		at[i] = hint_seek(&replay->lists[i].hint, range->first);
	for (uint32_t block = range->first; block < range->end; block++) {
		for (uint32_t i = 0; range->rc == 0 && i < replay->list_count; i++)
			range->rc = replay_run(range, &replay->lists[i], block, &at[i]);
	}
}

static int run(struct replay *replay, store_os_task_fn task, struct store_report *report)
{
	const struct store_os *os = replay->store->os;
	os->parallel(os->ctx, replay->range_count, task, replay);
	for (uint32_t i = 0; i < replay->range_count; i++) {
		const struct replay_range *range = &replay->ranges[i];
		if (range->rc == 0)
			continue;
		memcpy(report->why, range->report.why, sizeof(report->why));
		return range->rc;
	}
	return 0;
}

int replay_batch(struct replay *replay, const struct replay_list *lists, uint32_t count,
		 struct store_report *report)
{
	DHT_ASSERT(count <= REPLAY_LISTS_MAX);
	replay->lists = lists;
	replay->list_count = count;
	return run(replay, replay_task, report);
}

/* ---- After the last record ------------------------------------------------------------ */

static int take_marks(struct replay *replay)
{
	int rc = 0;
	for (uint32_t i = 0; i < replay->range_count; i++) {
		struct replay_range *range = &replay->ranges[i];
		for (uint32_t k = 0; rc == 0 && k < range->drop_count; k++) {
			const struct replay_drop *drop = &range->drops[k];
			struct note_mark mark = {.position = drop->position, .epoch = drop->epoch};
			if (drop->block != MARK)
				continue;
			keep(range, drop->slot, drop->size);
			rc = notes_add_mark(&replay->store->notes, mark);
		}
	}
	return rc;
}

/* The rule of store/notes.h. */
static void decide_drop(struct replay_range *range, const struct replay_drop *drop)
{
	struct replay *replay = range->replay;
	const struct notes *notes = &replay->store->notes;
	if (drop->block == MARK || notes_is_void(notes, drop->position, drop->epoch))
		return;
	if (drop->epoch > notes_map_epoch(notes)) {
		replay->wants_mark = true;
		return;
	}
	keep(range, drop->slot, drop->size);
	if (drop->position > replay->dropped[drop->block])
		replay->dropped[drop->block] = drop->position;
}

static bool hides_any(const struct replay *replay, uint32_t block)
{
	const struct index *ix = &replay->store->blocks[block].index;
	for (uint32_t place = 0; replay->dropped[block] != 0 && place < index_places(ix); place++) {
		uint64_t entry = index_entries(ix)[place];
		if (entry != 0 && store_position_of(replay->store, index_entry_location(entry)) <
				      replay->dropped[block])
			return true;
	}
	return false;
}

int replay_decide(struct replay *replay, bool *hides)
{
	*hides = false;
	int rc = take_marks(replay);
	for (uint32_t i = 0; rc == 0 && i < replay->range_count; i++) {
		struct replay_range *range = &replay->ranges[i];
		for (uint32_t k = 0; k < range->drop_count; k++)
			decide_drop(range, &range->drops[k]);
	}
	for (uint32_t block = 0; rc == 0 && !*hides && block < replay->store->block_count; block++)
		*hides = hides_any(replay, block);
	return rc;
}

static void hide_entry(struct replay_range *range, uint32_t slot, const struct hint_entry *entry)
{
	const struct store *store = range->replay->store;
	struct block *block = block_at(range, entry->block);
	uint64_t location = (uint64_t)slot << STORE_OFFSET_BITS | entry->offset;
	uint32_t place;
	if (!record_is_latest(entry->flags) ||
	    store_position_of(store, location) >= range->replay->dropped[entry->block] ||
	    !index_find_location(&block->index, entry->hash, location, &place))
		return;
	store_count_sizes(block, entry->flags, entry->bytes, entry->size, -1);
	count_live(range, slot, entry->flags, entry->size, -1);
	index_remove(&block->index, place, store->os);
}

static void hide_task(void *arg, uint32_t task)
{
	const struct replay *replay = arg;
	struct replay_range *range = &replay->ranges[task];
	for (uint32_t block = range->first; block < range->end; block++) {
		for (uint32_t i = 0; replay->dropped[block] != 0 && i < replay->list_count; i++) {
			const struct replay_list *list = &replay->lists[i];
			const struct hint *hint = &list->hint;
			for (uint32_t at = hint_seek(hint, block);
			     at < hint->count && hint_block_at(hint, at) == block; at++) {
				struct hint_entry entry =
				    hint_entry_decode(hint_entry_at(hint, at));
				hide_entry(range, list->slot, &entry);
			}
		}
	}
}

int replay_hide(struct replay *replay, const struct replay_list *lists, uint32_t count,
		struct store_report *report)
{
	replay->lists = lists;
	replay->list_count = count;
	return run(replay, hide_task, report);
}

void replay_finish(struct replay *replay)
{
	struct segments *segs = &replay->store->segs;
	for (uint32_t slot = 0; slot < replay->slots; slot++) {
		struct replay_live live = {0};
		for (uint32_t i = 0; i < replay->range_count; i++) {
			live.bytes += replay->ranges[i].live[slot].bytes;
			live.expiring += replay->ranges[i].live[slot].expiring;
		}
		DHT_ASSERT(live.bytes >= 0);
		if (live.bytes == 0)
			continue;
		segment_add_live(segs, (uint64_t)slot << STORE_OFFSET_BITS, (size_t)live.bytes);
		if (live.expiring > 0)
			segment_add_expiring(segs, slot, (uint32_t)live.expiring, 0);
	}
}

/* ---- Begin and end --------------------------------------------------------------------- */

int replay_init(struct replay *replay, struct store *store, uint32_t slots)
{
	uint32_t blocks = store->block_count;
	*replay = (struct replay){.store = store, .slots = slots};
	replay->ranges = calloc(RANGES_MAX, sizeof(*replay->ranges));
	replay->dropped = calloc(blocks, sizeof(*replay->dropped));
	if (replay->ranges == NULL || replay->dropped == NULL)
		return DHT_ENOMEM;
	replay->range_count = RANGES_MAX;
	for (uint32_t i = 0; i < RANGES_MAX; i++) {
		struct replay_range *range = &replay->ranges[i];
		range->replay = replay;
		range->first = blocks / RANGES_MAX * i;
		range->end = blocks / RANGES_MAX * (i + 1);
		range->live = calloc((size_t)slots + 1, sizeof(*range->live));
		if (range->live == NULL)
			return DHT_ENOMEM;
	}
	return 0;
}

void replay_fini(struct replay *replay)
{
	for (uint32_t i = 0; i < replay->range_count; i++) {
		free(replay->ranges[i].live);
		free(replay->ranges[i].drops);
	}
	free(replay->dropped);
	free(replay->ranges);
}
