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

/* A task, and what it may change: the blocks from first on, below end. */
struct replay_range {
	struct replay *replay;
	uint32_t first;
	uint32_t end;
	struct replay_live *live; /* by slot */
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

static struct ballot acc_at(const uint8_t *data)
{
	return ballot_decode(data + RECORD_AT_ACC);
}

static bool wins(const uint8_t *data, const uint8_t *other)
{
	int order = ballot_compare(acc_at(data), acc_at(other));
	return order > 0 || (order == 0 && (data[RECORD_AT_FLAGS] & RECORD_FLAG_COPY) == 0 &&
			     (other[RECORD_AT_FLAGS] & RECORD_FLAG_COPY) != 0);
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

/* Decides against what is there: *place is set to the entry to replace, if there is one;
 * *stays says that nothing is to be done. */
static int decide(struct replay_range *range, uint32_t slot, const struct hint_entry *entry,
		  bool *stays, bool *replaces, uint32_t *place)
{
	struct block *block = block_at(range, entry->block);
	const uint8_t *data, *other;
	uint32_t erase_place;
	*stays = true;
	*replaces = false;
	int rc = read_listed(range, slot, entry, &data);
	if (rc != 0)
		return rc;
	if (ballot_compare(acc_at(data), range->replay->dropped[entry->block]) <= 0)
		return 0;
	struct bytes key = record_view_key(data);
	rc = find(range, &range->replay->erases[entry->block], entry->hash, key, &erase_place,
		  &other);
	if (rc != 0 || (other != NULL && ballot_compare(acc_at(data), acc_at(other)) <= 0))
		return rc;
	rc = find(range, &block->index, entry->hash, key, place, &other);
	if (rc != 0 || (other != NULL && !wins(data, other)))
		return rc;
	*stays = false;
	*replaces = other != NULL;
	if (*replaces)
		supersede(range, block, *place, other);
	return 0;
}

static int replay_latest(struct replay_range *range, uint32_t slot, const struct hint_entry *entry)
{
	struct replay *replay = range->replay;
	struct block *block = block_at(range, entry->block);
	uint64_t location = (uint64_t)slot << STORE_OFFSET_BITS | entry->offset;
	bool stays = false, replaces = false;
	uint32_t place = 0;
	int rc = 0;
	if (has_hash(&block->index, entry->hash) ||
	    has_hash(&replay->erases[entry->block], entry->hash) ||
	    !ballot_is_absent(replay->dropped[entry->block]))
		rc = decide(range, slot, entry, &stays, &replaces, &place);
	if (rc == 0 && !stays && !replaces)
		rc = index_reserve(&block->index, replay->store->os);
	if (rc != 0 || stays)
		return rc;
	if (replaces)
		index_replace(&block->index, place, location);
	else
		index_insert(&block->index, entry->hash, location);
	store_count_sizes(block, entry->flags, entry->bytes, entry->size, 1);
	count_live(range, slot, entry->flags, entry->size, 1);
	return 0;
}

static int replay_erase(struct replay_range *range, uint32_t slot, const struct hint_entry *entry)
{
	const struct store_os *os = range->replay->store->os;
	struct block *block = block_at(range, entry->block);
	struct index *erases = &range->replay->erases[entry->block];
	uint64_t location = (uint64_t)slot << STORE_OFFSET_BITS | entry->offset;
	const uint8_t *data, *other;
	uint32_t place;
	int rc = read_listed(range, slot, entry, &data);
	if (rc != 0)
		return rc;
	struct bytes key = record_view_key(data);
	rc = find(range, &block->index, entry->hash, key, &place, &other);
	if (rc != 0)
		return rc;
	if (other != NULL && ballot_compare(acc_at(other), acc_at(data)) <= 0) {
		supersede(range, block, place, other);
		index_remove(&block->index, place, os);
	}
	rc = find(range, erases, entry->hash, key, &place, &other);
	if (rc != 0)
		return rc;
	if (other != NULL) {
		if (ballot_compare(acc_at(data), acc_at(other)) > 0)
			index_replace(erases, place, location);
		return 0;
	}
	rc = index_reserve(erases, os);
	if (rc == 0)
		index_insert(erases, entry->hash, location);
	return rc;
}

static int replay_entry(struct replay_range *range, uint32_t slot, const struct hint_entry *entry)
{
	struct replay *replay = range->replay;
	struct segments *segs = &replay->store->segs;
	uint64_t location = (uint64_t)slot << STORE_OFFSET_BITS | entry->offset;
	const uint8_t *data;
	int rc = 0;

	switch ((enum record_kind)(entry->flags & RECORD_FLAGS_KIND)) {
	case RECORD_VALUE:
	case RECORD_TOMBSTONE:
		return replay_latest(range, slot, entry);
	case RECORD_ERASE:
		rc = replay_erase(range, slot, entry);
		break;
	case RECORD_DROP:
		rc = read_listed(range, slot, entry, &data);
		if (rc == 0 && get_u32(record_view_key(data).data) != entry->block)
			return contradicts(range, slot, entry);
		if (rc == 0)
			replay->dropped[entry->block] =
			    ballot_max(replay->dropped[entry->block], acc_at(data));
		break;
	case RECORD_CEILING:
		rc = read_listed(range, slot, entry, &data);
		if (rc == 0 && record_view_value(data).len != RECORD_CEILING_SIZE)
			return contradicts(range, slot, entry);
		if (rc == 0)
			files_note_ceiling(&replay->store->files,
					   get_u64(record_view_value(data).data));
		return rc;
	case RECORD_MAP:
	case RECORD_VOTE:
	case RECORD_FIN:
		/* What they mean is not the store's to know: they stay. */
		rc = read_listed(range, slot, entry, &data);
		range->live[slot].bytes += entry->size;
		return rc;
	}
	range->live[slot].bytes += entry->size;
	segment_keep(segs, location, entry->size);
	return rc;
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

/* Removes the first entry that a DROP hides, from place *from on; *from is set to
 * UINT32_MAX: there is none. Removing may lay out the index anew, then *from is 0. */
static int remove_dropped(struct replay_range *range, uint32_t number, uint32_t *from)
{
	const struct replay *replay = range->replay;
	struct block *block = block_at(range, number);
	struct index *ix = &block->index;
	for (uint32_t place = *from; place < index_places(ix); place++) {
		const uint8_t *data;
		if (index_entries(ix)[place] == 0)
			continue;
		int rc = read_record(range, index_entry_location(index_entries(ix)[place]), &data);
		if (rc != 0)
			return rc;
		if (ballot_compare(acc_at(data), replay->dropped[number]) > 0)
			continue;
		uint32_t capacity = index_capacity(ix);
		supersede(range, block, place, data);
		index_remove(ix, place, replay->store->os);
		*from = index_capacity(ix) == capacity ? place : 0;
		return 0;
	}
	*from = UINT32_MAX;
	return 0;
}

static void drop_task(void *arg, uint32_t task)
{
	const struct replay *replay = arg;
	struct replay_range *range = &replay->ranges[task];
	for (uint32_t block = range->first; block < range->end; block++) {
		uint32_t from = ballot_is_absent(replay->dropped[block]) ? UINT32_MAX : 0;
		while (range->rc == 0 && from != UINT32_MAX)
			range->rc = remove_dropped(range, block, &from);
	}
}

int replay_finish(struct replay *replay, struct store_report *report)
{
	int rc = run(replay, drop_task, report);
	for (uint32_t slot = 0; rc == 0 && slot < replay->slots; slot++) {
		struct segments *segs = &replay->store->segs;
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
	return rc;
}

/* ---- Begin and end --------------------------------------------------------------------- */

int replay_init(struct replay *replay, struct store *store, uint32_t slots)
{
	uint32_t blocks = store->block_count;
	*replay = (struct replay){.store = store, .slots = slots};
	replay->ranges = calloc(RANGES_MAX, sizeof(*replay->ranges));
	replay->erases = calloc(blocks, sizeof(*replay->erases));
	replay->dropped = calloc(blocks, sizeof(*replay->dropped));
	if (replay->ranges == NULL || replay->erases == NULL || replay->dropped == NULL)
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
	for (uint32_t i = 0; i < replay->range_count; i++)
		free(replay->ranges[i].live);
	for (uint32_t i = 0; replay->erases != NULL && i < replay->store->block_count; i++)
		index_fini(&replay->erases[i], replay->store->os);
	free(replay->dropped);
	free(replay->erases);
	free(replay->ranges);
}
