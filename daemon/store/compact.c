/* SPDX-License-Identifier: Apache-2.0 */
#include "store/compact.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "store/lookup.h"

/* ---- When, and what -------------------------------------------------------------- */

/* Disk use at which something is done, as parts of a hundred of the live data, and what
 * may come on top of that in segments. */
static const struct {
	unsigned percent, segments;
} limits[] = {
    [STORE_PRESSURE_SOME] = {150, 3},
    [STORE_PRESSURE_HIGH] = {180, 3},
    [STORE_PRESSURE_SEVERE] = {250, 4},
};

static uint64_t live_bytes(const struct store *store)
{
	uint64_t live = 0;
	for (uint32_t i = 0; i < store->block_count; i++)
		live += atomic_load_explicit(&store->blocks[i].live_bytes, memory_order_relaxed);
	return live;
}

/* Of the live bytes of a segment, those that compacting it at now_ms would not copy. The scan
 * for expired keys (node/local.h) finds those in memory. */
static uint32_t expired_bytes(const struct store *store, uint32_t slot, uint64_t now_ms)
{
	if (!segment_is_cold(&store->segs, slot) ||
	    atomic_load_explicit(&store->compactor.is_copying_expired, memory_order_relaxed))
		return 0;
	return segment_expired(&store->segs, slot, now_ms);
}

static uint64_t all_expired_bytes(const struct store *store, uint64_t now_ms)
{
	uint64_t expired = 0;
	uint32_t slots = files_slots_used(&store->files);
	for (uint32_t i = 0; i < slots; i++) {
		uint64_t sequence;
		if (files_is_compactable(&store->files, i, &sequence))
			expired += expired_bytes(store, i, now_ms);
	}
	return expired;
}

static enum store_pressure pressure_by_use(const struct store *store, uint64_t now_ms)
{
	uint64_t expired = all_expired_bytes(store, now_ms);
	uint64_t live = live_bytes(store), used = files_sealed_bytes(&store->files);
	/* They are counted while others run. */
	live -= expired < live ? expired : live;
	for (unsigned p = STORE_PRESSURE_SEVERE; p > STORE_PRESSURE_NONE; p--) {
		uint64_t most = live / 100 * limits[p].percent +
				limits[p].segments * (uint64_t)store->segs.size;
		if (used > most)
			return (enum store_pressure)p;
	}
	return STORE_PRESSURE_NONE;
}

enum store_pressure compact_pressure(const struct store *store, uint64_t now_ms)
{
	enum store_pressure pressure = pressure_by_use(store, now_ms);
	/* On a full disk it is worth while before the limits are reached. */
	if (pressure < STORE_PRESSURE_HIGH && files_is_full(&store->files))
		return STORE_PRESSURE_HIGH;
	return pressure;
}

/* A sealed segment that could be emptied. */
struct candidate {
	uint32_t slot;
	uint64_t sequence;
	uint32_t used;
	uint32_t live; /* what is to be copied */
	uint32_t gain; /* what its file gives back, also where the log left it short; 0: none */
	bool is_dirty; /* it has dead records */
};

struct choice {
	uint64_t now_ms;
	uint64_t barrier; /* what hides others before it hides nothing */
	struct candidate emptiest, oldest;
	uint32_t older_dirty; /* segments with dead records before the last blocked one */
	uint64_t blocked;     /* bytes of files that wait for older ones to leave */
	uint64_t last_blocked;
};

static bool measure(const struct store *store, uint32_t slot, const struct choice *choice,
		    struct candidate *out)
{
	out->slot = slot;
	if (!files_is_compactable(&store->files, slot, &out->sequence) ||
	    !segment_measure(&store->segs, slot, &out->used, &out->live))
		return false;
	/* What hides nothing any more is not copied: as good as dead. */
	uint32_t kept = segment_kept(&store->segs, slot);
	if (out->sequence <= choice->barrier)
		out->live -= kept < out->live ? kept : out->live;
	uint32_t whole = out->used - SEGMENT_HEADER_SIZE;
	out->is_dirty = whole >= out->live + RECORD_FIXED;
	uint32_t expired = expired_bytes(store, slot, choice->now_ms);
	out->live -= expired < out->live ? expired : out->live;
	out->gain = (uint32_t)store->segs.size - SEGMENT_HEADER_SIZE - out->live;
	/* A start ends a segment wherever it is. */
	return out->is_dirty || expired != 0 || out->used < store->segs.size / 2;
}

static void look(const struct store *store, struct choice *choice)
{
	const struct files *files = &store->files;
	uint32_t slots = files_slots_used(files);
	for (uint32_t i = 0; i < slots; i++) {
		uint64_t sequence;
		if (!files_is_blocked(files, i, &sequence))
			continue;
		choice->blocked += store->segs.size;
		if (sequence > choice->last_blocked)
			choice->last_blocked = sequence;
	}
	for (uint32_t i = 0; i < slots; i++) {
		struct candidate c;
		if (!measure(store, i, choice, &c))
			continue;
		if (c.gain > choice->emptiest.gain)
			choice->emptiest = c;
		if (!c.is_dirty)
			continue;
		if (choice->oldest.gain == 0 || c.sequence < choice->oldest.sequence)
			choice->oldest = c;
		choice->older_dirty += c.sequence < choice->last_blocked;
	}
}

/* The segment that gives most back for what is to be copied. Emptying the oldest ones, one
 * after the other, also frees those that only hide what may be in them: each has its share
 * in that. */
static const struct candidate *choose(const struct choice *choice)
{
	const struct candidate *e = &choice->emptiest, *o = &choice->oldest;
	if (choice->older_dirty == 0)
		return e;
	double gain_oldest = (double)o->gain + (double)choice->blocked / choice->older_dirty;
	double oldest = gain_oldest / ((double)o->live + 1);
	double emptiest = (double)e->gain / ((double)e->live + 1);
	return oldest > emptiest ? o : e;
}

/* True if a segment before this one has dead records, which may be hidden by records that
 * stand in this one. */
static bool has_older_dirt(const struct store *store, uint64_t sequence)
{
	return files_barrier(&store->files) < sequence;
}

static int read_victim(struct store *store, struct compactor *compactor)
{
	const struct store_os *os = store->os;
	compactor->copy = malloc(compactor->used);
	if (compactor->copy == NULL)
		return DHT_ENOMEM;
	compactor->data = compactor->copy;
	compactor->verifies = false;
	int rc = os->read(os->ctx, compactor->slot, 0, compactor->copy, compactor->used);
	if (rc == 0)
		return 0;
	free(compactor->copy);
	compactor->copy = NULL;
	return rc;
}

/* A full disk on which next to nothing is dead is not to be copied round and round. */
static bool is_worth_it(const struct store *store, const struct choice *choice,
			const struct candidate *victim)
{
	enum { LEAST = 16 }; /* one part in so many */
	return pressure_by_use(store, choice->now_ms) != STORE_PRESSURE_NONE ||
	       !files_is_full(&store->files) ||
	       (uint64_t)victim->gain * LEAST >= store->segs.size ||
	       (victim == &choice->oldest && choice->blocked > 0);
}

int compact_begin(struct store *store, uint64_t now_ms)
{
	struct compactor *compactor = &store->compactor;
	struct choice choice = {.now_ms = now_ms, .barrier = files_barrier(&store->files)};
	if (atomic_load_explicit(&compactor->has_victim, memory_order_acquire))
		return 0;
	if (!files_is_full(&store->files))
		atomic_store_explicit(&compactor->is_copying_expired, false, memory_order_relaxed);
	look(store, &choice);
	const struct candidate *victim = choose(&choice);
	if (victim->gain == 0 || !is_worth_it(store, &choice, victim) ||
	    !segment_try_pin(&store->segs, victim->slot, victim->sequence))
		return DHT_ENOTFOUND;
	unsigned state = segment_state(&store->segs, victim->slot);
	compactor->slot = victim->slot;
	compactor->sequence = victim->sequence;
	compactor->used = victim->used;
	compactor->now_ms = now_ms;
	compactor->data = segment_memory(&store->segs, victim->slot);
	compactor->copy = NULL;
	compactor->verifies = (state & SEGMENT_UNVERIFIED) == 0;
	compactor->must_keep = has_older_dirt(store, victim->sequence);
	int rc = (state & SEGMENT_COLD) != 0 ? read_victim(store, compactor) : 0;
	if (rc != 0) {
		segment_unpin_slot(&store->segs, victim->slot);
		return rc;
	}
	atomic_store_explicit(&compactor->offset, SEGMENT_HEADER_SIZE, memory_order_relaxed);
	atomic_store_explicit(&compactor->has_victim, true, memory_order_release);
	return 0;
}

/* ---- One record ------------------------------------------------------------------ */

static bool is_expired(const struct compactor *compactor, const struct record *rec)
{
	return rec->kind == RECORD_VALUE && rec->expires_ms != 0 &&
	       rec->expires_ms <= compactor->now_ms;
}

/* Has the caller remove the key of an expired record, to which the entry at place points. */
static int expire_record(struct store *store, unsigned appender, const struct store_caller *caller,
			 const struct store_key *key, uint32_t place, const struct record *rec)
{
	struct compactor *compactor = &store->compactor;
	uint64_t entry = index_entries(&store->blocks[key->block].index)[place];
	struct store_hit hit;
	lookup_hit_set(&hit, place, entry, NULL);
	hit.record = *rec;
	hit.is_fetched = compactor->copy != NULL;
	int rc = caller->expire(caller->ctx, appender, key, &hit);
	if (rc == DHT_ENOSPC)
		atomic_store_explicit(&compactor->is_copying_expired, true, memory_order_relaxed);
	return rc;
}

/* Copies a record that an entry points to, or removes its key if it has expired. On a disk so
 * full that only copies find room it is copied, as the segment may give some back. */
static int move_record(struct store *store, unsigned appender, const struct store_caller *caller,
		       const struct store_key *key, uint64_t location, const struct record *rec,
		       bool *moved)
{
	struct index *ix = &store->blocks[key->block].index;
	uint32_t place;
	uint64_t to, end;
	if (!index_find_location(ix, store_hash_of(key), location, &place))
		return 0;
	int rc = DHT_ENOSPC;
	if (caller->expire != NULL && is_expired(&store->compactor, rec))
		rc = expire_record(store, appender, caller, key, place, rec);
	if (rc != DHT_ENOSPC)
		return rc;
	rc = tail_append(&store->tail, appender, rec, TAIL_CLAIM_MOVE, &to, &end);
	if (rc != 0)
		return rc;
	*moved = true;
	store_note_live(store, to, rec);
	index_move(ix, place, to);
	store_kill(store, location, rec);
	return 0;
}

/* Copies a record that hides others. What was appended after the original stays unhidden. */
static int move_hiding(struct store *store, unsigned appender, uint64_t location,
		       const struct record *rec, bool *moved)
{
	struct record copy = *rec;
	uint64_t to, end;
	uint64_t position = store_first_position(store, location, rec->acc);
	if (!store->compactor.must_keep ||
	    (rec->kind == RECORD_DROP &&
	     notes_is_void(&store->notes, position, get_u64(rec->value.data))))
		return 0;
	copy.acc.order = position;
	copy.ver = copy.acc;
	int rc = tail_append(&store->tail, appender, &copy, TAIL_CLAIM_MOVE, &to, &end);
	if (rc == 0)
		segment_keep(&store->segs, to, (uint32_t)record_size(&copy));
	*moved = rc == 0;
	return rc;
}

/* Copies a note, if it is the latest of its kind and id. */
static int move_note(struct store *store, unsigned appender, uint64_t location,
		     const struct record *rec, bool *moved)
{
	struct note *note = notes_of_key(&store->notes, rec->kind, rec->key);
	uint64_t to, end;
	if (note->location != location)
		return 0;
	int rc = tail_append(&store->tail, appender, rec, TAIL_CLAIM_MOVE, &to, &end);
	if (rc != 0)
		return rc;
	note->location = to;
	segment_kill(&store->segs, location, note->size);
	*moved = true;
	return 0;
}

/* Notes the block under whose lock a record was appended. */
static void find_block(const struct store *store, struct store_key *key, const struct record *rec)
{
	if (record_is_latest(rec->kind) || rec->kind == RECORD_ERASE)
		store->locate(store->ctx, key, store->block_count);
	else
		key->block = rec->key.len == RECORD_BLOCK_KEY_SIZE ? get_u32(rec->key.data) : 0;
	DHT_ASSERT(key->block < store->block_count);
}

static int move(struct store *store, unsigned appender, const struct store_caller *caller,
		const struct store_key *key, uint64_t location, const struct record *rec,
		bool *moved)
{
	switch (rec->kind) {
	case RECORD_VALUE:
	case RECORD_TOMBSTONE:
		return move_record(store, appender, caller, key, location, rec, moved);
	case RECORD_ERASE:
	case RECORD_DROP:
		return move_hiding(store, appender, location, rec, moved);
	case RECORD_CEILING:
		return 0; /* the manifest has it, or a higher one */
	case RECORD_MAP:
	case RECORD_VOTE:
	case RECORD_FIN:
		return move_note(store, appender, location, rec, moved);
	}
	DHT_UNREACHABLE();
}

/* ---- Steps ----------------------------------------------------------------------- */

/* Reads the record at an offset of the victim. */
static int read_record(const struct compactor *compactor, uint32_t offset, struct record *rec,
		       size_t *size)
{
	const uint8_t *data = compactor->data + offset;
	if (compactor->verifies) {
		record_view(data, rec);
		*size = record_view_size(data);
		return 0;
	}
	int rc = record_decode(data, compactor->used - offset, compactor->sequence, rec, size);
	if (rc != 0)
		LOG_ERROR("store",
			  "msg=\"stored data is damaged\" file=%08x.seg offset=%u reason=\"the "
			  "record does not verify\"",
			  compactor->slot, offset);
	return rc;
}

enum { COMPACT_BATCH = 16 };

/* A record of the victim. */
struct victim_record {
	struct record rec;
	struct store_key key;
	uint64_t location;
	uint32_t size;
};

/* Reads the next records, and has the processor fetch what the index has of them: nothing
 * else is far away. A record that does not verify is told of once it is the first. */
static int read_batch(struct store *store, uint32_t offset, struct victim_record *batch,
		      uint32_t *count)
{
	const struct compactor *compactor = &store->compactor;
	*count = 0;
	while (*count < COMPACT_BATCH && offset < compactor->used) {
		struct victim_record *v = &batch[*count];
		size_t size = 0;
		int rc = read_record(compactor, offset, &v->rec, &size);
		if (rc != 0)
			return *count == 0 ? rc : 0;
		v->key = (struct store_key){.key = v->rec.key};
		v->location = (uint64_t)compactor->slot << STORE_OFFSET_BITS | offset;
		v->size = (uint32_t)size;
		find_block(store, &v->key, &v->rec);
		if (record_is_latest(v->rec.kind))
			store_prefetch_index(store, &v->key);
		offset += v->size;
		*count += 1;
	}
	return 0;
}

/* Whoever appended the record has told all about it when the lock is given. */
static int compact_record(struct store *store, unsigned appender, const struct store_caller *caller,
			  const struct victim_record *v)
{
	bool moved = false;
	caller->lock(caller->ctx, v->key.block);
	int rc = move(store, appender, caller, &v->key, v->location, &v->rec, &moved);
	caller->unlock(caller->ctx, v->key.block);
	if (moved)
		atomic_fetch_add_explicit(&store->compactor.copied_bytes, v->size,
					  memory_order_relaxed);
	return rc;
}

/* Compacts a batch at offset, no record of it that begins at `until`, and moves the offset on
 * behind what is done. */
static int compact_batch(struct store *store, unsigned appender, const struct store_caller *caller,
			 uint32_t *offset, uint32_t until)
{
	struct victim_record batch[COMPACT_BATCH];
	uint32_t count;
	int rc = read_batch(store, *offset, batch, &count);
	for (uint32_t i = 0; rc == 0 && i < count && *offset < until; i++) {
		rc = compact_record(store, appender, caller, &batch[i]);
		if (rc == 0)
			*offset += batch[i].size;
	}
	return rc;
}

/* Nothing in the victim is needed any more: what it hides is hidden by copies, or there is
 * nothing left to hide. The pin keeps it from being noticed half-way. */
static void finish(struct store *store)
{
	struct compactor *compactor = &store->compactor;
	uint32_t slot = compactor->slot;
	segment_release_kept(&store->segs, slot);
	segment_release_lost(&store->segs, slot);
	free(compactor->copy);
	compactor->copy = NULL;
	atomic_fetch_add_explicit(&compactor->segments, 1, memory_order_relaxed);
	atomic_store_explicit(&compactor->has_victim, false, memory_order_release);
	segment_unpin_slot(&store->segs, slot);
}

int compact_step(struct store *store, unsigned appender, const struct store_caller *caller,
		 size_t max_bytes, size_t *done_bytes)
{
	struct compactor *compactor = &store->compactor;
	*done_bytes = 0;
	if (!atomic_load_explicit(&compactor->has_victim, memory_order_acquire))
		return DHT_ENOTFOUND;
	uint32_t begin = atomic_load_explicit(&compactor->offset, memory_order_relaxed);
	uint32_t offset = begin, until = compactor->used;
	int rc = 0;
	if (max_bytes < until - begin)
		until = begin + (uint32_t)max_bytes;
	while (rc == 0 && offset < until)
		rc = compact_batch(store, appender, caller, &offset, until);
	*done_bytes = offset - begin;
	atomic_store_explicit(&compactor->offset, offset, memory_order_relaxed);
	if (rc == 0 && offset >= compactor->used)
		finish(store);
	return rc;
}

void compact_fini(struct store *store)
{
	free(store->compactor.copy);
	store->compactor.copy = NULL;
}
