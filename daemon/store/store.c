/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "store/recover.h"
#include "store/state.h"

static void *alloc_lines(size_t size)
{
	size = (size + DHT_CACHE_LINE - 1) / DHT_CACHE_LINE * DHT_CACHE_LINE;
	void *memory = aligned_alloc(DHT_CACHE_LINE, size);
	if (memory != NULL)
		memset(memory, 0, size);
	return memory;
}

int store_open(const struct store_options *options, const struct store_os *os, struct store **out)
{
	uint32_t blocks = options->blocks;
	DHT_ASSERT(blocks >= STORE_BLOCKS_MIN && blocks <= STORE_BLOCKS_MAX &&
		   (blocks & (blocks - 1)) == 0);
	DHT_ASSERT(options->segment_size_bytes >= STORE_SEGMENT_SIZE_MIN &&
		   options->segment_size_bytes <= STORE_SEGMENT_SIZE_MAX);
	int rc = DHT_ENOMEM;
	struct store *store = alloc_lines(sizeof(*store));
	if (store == NULL)
		return rc;
	store->os = os;
	store->blocks = alloc_lines(blocks * sizeof(*store->blocks));
	if (store->blocks == NULL)
		goto out;
	store->block_count = blocks;
	rc = notes_init(&store->notes, blocks);
	if (rc != 0)
		goto out;
	store->locate = options->locate;
	store->ctx = options->ctx;
	store->memory_bytes = options->memory_bytes;
	if (os->list != NULL) {
		rc = recover_store(store, options);
		if (rc == 0)
			rc = store_cool_all(store);
		if (rc == 0)
			ahead_init(&store->ahead, &store->tail);
		goto out;
	}
	rc = segments_init(&store->segs, os, options->segment_size_bytes);
	if (rc == 0)
		rc = tail_init(&store->tail, &store->segs, 1);
out:
	if (rc == 0)
		*out = store;
	else
		store_close(store);
	return rc;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	for (uint32_t i = 0; i < store->block_count; i++)
		index_fini(&store->blocks[i].index, store->os);
	notes_fini(&store->notes, store->block_count);
	compact_fini(store);
	scrub_fini(&store->scrub);
	files_fini(&store->files);
	segments_fini(&store->segs);
	free(store->blocks);
	free(store);
}

uint32_t store_blocks(const struct store *store)
{
	return store->block_count;
}
void store_pin(struct store *store, uint64_t location)
{
	segment_pin(&store->segs, location);
}

void store_unpin(struct store *store, uint64_t location)
{
	segment_unpin(&store->segs, location);
}
int store_put_ceiling(struct store *store, unsigned appender, uint64_t ceiling, uint64_t *end)
{
	uint8_t value[RECORD_CEILING_SIZE] = {0};
	struct record rec = {.kind = RECORD_CEILING, .value = bytes_of(value, sizeof(value))};
	uint64_t location;
	put_u64(value, ceiling);
	/* Known before it is appended, so that it outlives the segment that has it. */
	if (store->segs.has_files)
		files_note_ceiling(&store->files, ceiling);
	/* Few and small, and without one nothing at all can be written, not even erasures. */
	return tail_append(&store->tail, appender, &rec, TAIL_CLAIM_CEILING, &location, end);
}

uint64_t store_durable(const struct store *store)
{
	return store->segs.has_files ? files_durable(&store->files) : tail_position(&store->tail);
}

uint64_t store_written(const struct store *store)
{
	return store->segs.has_files ? files_written(&store->files) : tail_position(&store->tail);
}

uint64_t store_end(const struct store *store)
{
	return tail_position(&store->tail);
}

int store_write(struct store *store)
{
	return store->segs.has_files ? files_write(&store->files) : 0;
}

int store_sync(struct store *store)
{
	return store->segs.has_files ? files_sync(&store->files) : 0;
}

bool store_wants_sync(const struct store *store)
{
	return store->segs.has_files && files_wants_sync(&store->files);
}

bool store_wants_turn(const struct store *store)
{
	return store->segs.has_files && files_wants_turn(&store->files);
}

int store_turn(struct store *store)
{
	return store->segs.has_files ? files_turn(&store->files) : 0;
}

int store_commit(struct store *store, enum store_sync how)
{
	return store->segs.has_files ? files_commit(&store->files, how) : 0;
}

bool store_has_room(const struct store *store)
{
	const struct tail *tail = &store->tail;
	uint64_t sequence = tail_sequence_of(tail_position(tail));
	if (!store->segs.has_files || atomic_load(&tail->is_full))
		return true;
	if (tail_is_undecided(tail) && !tail_has_rest(tail))
		return false;
	return tail_has_next(tail, sequence);
}

bool store_is_full(const struct store *store)
{
	return store->segs.has_files && files_is_full(&store->files);
}

bool store_wants_segment(const struct store *store)
{
	return store->segs.has_files && files_wants_segment(&store->files);
}

int store_prepare(struct store *store)
{
	return store->segs.has_files ? files_prepare(&store->files) : 0;
}

void store_tick(struct store *store)
{
	if (store->segs.has_files)
		scrub_tick(&store->scrub, &store->files);
}

bool store_wants_background(const struct store *store)
{
	return store->segs.has_files && scrub_wants(&store->scrub, &store->files);
}

int store_background(struct store *store, struct store_report *report)
{
	*report = (struct store_report){0};
	if (!store->segs.has_files)
		return 0;
	return scrub_next(&store->scrub, &store->segs, &store->files, report);
}

bool store_wants_memory(const struct store *store)
{
	return store->segs.has_files && store->os->segment_touch != NULL &&
	       ahead_wants(&store->ahead, &store->tail);
}

void store_touch_memory(struct store *store)
{
	ahead_touch(&store->ahead, &store->tail, &store->segs);
}

enum store_pressure store_pressure(const struct store *store, uint64_t now_ms)
{
	return store->segs.has_files ? compact_pressure(store, now_ms) : STORE_PRESSURE_NONE;
}

int store_compact_begin(struct store *store, uint64_t now_ms)
{
	return store->segs.has_files ? compact_begin(store, now_ms) : DHT_ENOTFOUND;
}

bool store_is_compacting(const struct store *store)
{
	return atomic_load_explicit(&store->compactor.has_victim, memory_order_acquire);
}

int store_compact(struct store *store, unsigned appender, const struct store_caller *caller,
		  size_t max_bytes, size_t *done_bytes)
{
	return compact_step(store, appender, caller, max_bytes, done_bytes);
}
