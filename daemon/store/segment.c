/* SPDX-License-Identifier: Apache-2.0 */
#include "store/segment.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/record.h"

enum {
	AT_MAGIC = 0,
	AT_FORMAT = 4,
	AT_SEQUENCE = 8,
	AT_SIZE = 16,
	AT_CHECKSUM = 24,
};

enum {
	END_AT_FLAGS = 4,
	END_AT_OFFSET = 8,
	END_FLAGS = RECORD_PVER_INVALID << RECORD_FLAGS_PVER_SHIFT,
};

#define MAGIC     UINT32_C(0x53544844) /* "DHTS" */
#define ONE_PIN   (UINT64_C(1) << 32)
#define CLOSED    (UINT64_C(1) << 31) /* found dead with kept records: no pin any more */
#define LIVE_MASK (CLOSED - 1)

void segment_header_encode(uint8_t out[SEGMENT_HEADER_SIZE], uint64_t sequence, uint64_t size)
{
	put_u32(out + AT_MAGIC, MAGIC);
	put_u32(out + AT_FORMAT, SEGMENT_FORMAT_VERSION);
	put_u64(out + AT_SEQUENCE, sequence);
	put_u64(out + AT_SIZE, size);
	put_u64(out + AT_CHECKSUM, hash_bytes(out, AT_CHECKSUM));
}

int segment_header_decode(const uint8_t in[SEGMENT_HEADER_SIZE], uint64_t size, uint64_t *sequence)
{
	uint64_t found = get_u64(in + AT_SEQUENCE);
	if (get_u64(in + AT_CHECKSUM) != hash_bytes(in, AT_CHECKSUM) ||
	    get_u32(in + AT_MAGIC) != MAGIC || get_u32(in + AT_FORMAT) != SEGMENT_FORMAT_VERSION ||
	    get_u64(in + AT_SIZE) != size || found == 0)
		return DHT_ECORRUPT;
	*sequence = found;
	return 0;
}

/* The tables are large and mostly untouched: zeroed pages that the system need not
 * provide before a slot in them is taken. */
int segments_init(struct segments *segs, const struct store_os *os, size_t size)
{
	DHT_ASSERT(size > SEGMENT_HEADER_SIZE && size <= STORE_SEGMENT_SIZE_MAX);
	*segs = (struct segments){.os = os, .size = size, .has_files = os->list != NULL};
	segs->limit = (uint32_t)size - 1 - (segs->has_files ? SEGMENT_END_SIZE : 0);
	segs->memory = calloc(STORE_SEGMENTS_MAX, sizeof(*segs->memory));
	segs->slots = calloc(STORE_SEGMENTS_MAX, sizeof(*segs->slots));
	segs->state = calloc(STORE_SEGMENTS_MAX, sizeof(*segs->state));
	if (segs->memory != NULL && segs->slots != NULL && segs->state != NULL)
		return 0;
	segments_fini(segs);
	return DHT_ENOMEM;
}

static uint32_t slots_used(const struct segments *segs)
{
	return atomic_load_explicit(&segs->slots_used, memory_order_acquire);
}

void segments_fini(struct segments *segs)
{
	for (uint32_t i = 0; i < slots_used(segs); i++) {
		uint8_t *memory = segment_memory(segs, i);
		if (memory != NULL)
			segs->os->segment_free(segs->os->ctx, memory, segs->size);
	}
	free(segs->state);
	free(segs->slots);
	free(segs->memory);
	segs->state = NULL;
	segs->slots = NULL;
	segs->memory = NULL;
}

void segment_end_encode(uint8_t out[SEGMENT_END_SIZE], uint64_t sequence, uint32_t offset)
{
	memset(out, 0, SEGMENT_END_SIZE);
	out[END_AT_FLAGS] = END_FLAGS;
	put_u32(out + END_AT_OFFSET, offset);
	put_u32(out, (uint32_t)hash_bytes_seeded(out + END_AT_FLAGS,
						 SEGMENT_END_SIZE - END_AT_FLAGS, sequence));
}

bool segment_end_matches(const uint8_t in[SEGMENT_END_SIZE], uint64_t sequence, uint32_t offset)
{
	uint8_t mark[SEGMENT_END_SIZE];
	if (in[END_AT_FLAGS] != END_FLAGS)
		return false;
	segment_end_encode(mark, sequence, offset);
	return memcmp(in, mark, sizeof(mark)) == 0;
}

/* What an open segment holds: the room for records, and one for the tail. */
static uint32_t open_holds(const struct segments *segs)
{
	return segment_limit(segs) - SEGMENT_HEADER_SIZE + 1;
}

static void raise_slots_used(struct segments *segs, uint32_t slot)
{
	uint32_t used = slots_used(segs);
	while (used <= slot && !atomic_compare_exchange_weak(&segs->slots_used, &used, slot + 1))
		continue;
}

/* Takes the lowest free slot. */
static bool claim(struct segments *segs, uint64_t sequence, uint32_t *slot)
{
	for (uint32_t i = 0; i < STORE_SEGMENTS_MAX; i++) {
		uint64_t none = 0;
		if (atomic_load_explicit(&segs->slots[i].sequence, memory_order_relaxed) != 0 ||
		    !atomic_compare_exchange_strong(&segs->slots[i].sequence, &none, sequence))
			continue;
		raise_slots_used(segs, i);
		*slot = i;
		return true;
	}
	return false;
}

void segment_free_slot(struct segments *segs, uint32_t slot)
{
	atomic_store_explicit(&segs->slots[slot].used, 0, memory_order_relaxed);
	atomic_store_explicit(&segs->slots[slot].holds, 0, memory_order_relaxed);
	atomic_store_explicit(&segs->slots[slot].sequence, 0, memory_order_release);
}

/* The slot can be claimed again from the last store on. */
static void give_back(struct segments *segs, uint32_t slot)
{
	uint8_t *memory = segment_memory(segs, slot);
	atomic_store_explicit(&segs->memory[slot], NULL, memory_order_relaxed);
	if (memory != NULL)
		segs->os->segment_free(segs->os->ctx, memory, segs->size);
	if (!segs->has_files) {
		segment_free_slot(segs, slot);
		return;
	}
	atomic_store_explicit(&segs->slots[slot].used, SEGMENT_DRAINED, memory_order_release);
	atomic_fetch_add_explicit(&segs->drained, 1, memory_order_release);
}

static void reset_counts(struct segment *segment)
{
	atomic_store_explicit(&segment->lost, 0, memory_order_relaxed);
	atomic_store_explicit(&segment->expiring, 0, memory_order_relaxed);
	atomic_store_explicit(&segment->latest_expiry_ms, 0, memory_order_relaxed);
}

int segment_open(struct segments *segs, uint64_t sequence, uint32_t *slot)
{
	uint32_t i;
	if (!claim(segs, sequence, &i))
		return DHT_ENOSPC;
	uint8_t *memory = segs->os->segment_alloc(segs->os->ctx, segs->size);
	if (memory == NULL) {
		give_back(segs, i);
		return DHT_ENOSPC;
	}
	segment_header_encode(memory, sequence, segs->size);
	reset_counts(&segs->slots[i]);
	atomic_store_explicit(&segs->memory[i], memory, memory_order_release);
	atomic_store_explicit(&segs->slots[i].holds, open_holds(segs), memory_order_release);
	*slot = i;
	return 0;
}

static void lower(struct segments *segs, uint32_t slot, uint64_t by)
{
	uint64_t before =
	    atomic_fetch_sub_explicit(&segs->slots[slot].holds, by, memory_order_acq_rel);
	DHT_ASSERT(before >= by && (before & LIVE_MASK) >= (by & LIVE_MASK));
	if (before == by)
		give_back(segs, slot);
}

/* Memory for a segment with a file, which holds something. */
static uint8_t *occupy(struct segments *segs, uint32_t slot, uint64_t sequence, uint64_t holds)
{
	struct segment *segment = &segs->slots[slot];
	DHT_ASSERT(segs->has_files && slot < STORE_SEGMENTS_MAX);
	DHT_ASSERT(atomic_load_explicit(&segment->sequence, memory_order_relaxed) == 0);
	uint8_t *memory = segs->os->segment_alloc(segs->os->ctx, segs->size);
	if (memory == NULL)
		return NULL;
	atomic_store_explicit(&segment->sequence, sequence, memory_order_relaxed);
	atomic_store_explicit(&segment->used, 0, memory_order_relaxed);
	reset_counts(segment);
	atomic_store_explicit(&segs->state[slot], 0, memory_order_relaxed);
	atomic_store_explicit(&segs->memory[slot], memory, memory_order_release);
	/* Last: from here on segment_try_pin may succeed. */
	atomic_store_explicit(&segment->holds, holds, memory_order_release);
	raise_slots_used(segs, slot);
	return memory;
}

int segment_open_at(struct segments *segs, uint32_t slot, uint64_t sequence)
{
	uint8_t *memory = occupy(segs, slot, sequence, open_holds(segs) + 1);
	if (memory == NULL)
		return DHT_ENOMEM;
	segment_header_encode(memory, sequence, segs->size);
	return 0;
}

int segment_load(struct segments *segs, uint32_t slot, uint64_t sequence, enum store_os_map how)
{
	uint8_t *memory = occupy(segs, slot, sequence, 1);
	if (memory == NULL)
		return DHT_ENOMEM;
	return segs->os->map(segs->os->ctx, slot, memory, segs->size, how);
}

void segment_add_live(struct segments *segs, uint64_t location, size_t size)
{
	atomic_fetch_add_explicit(&segs->slots[segment_slot_of(location)].holds, size,
				  memory_order_relaxed);
}

void segment_loaded(struct segments *segs, uint32_t slot, uint32_t used)
{
	atomic_store_explicit(&segs->slots[slot].used, used, memory_order_relaxed);
	lower(segs, slot, 1);
}

void segment_discard(struct segments *segs, uint32_t slot)
{
	give_back(segs, slot);
}

void segment_seal(struct segments *segs, uint32_t slot, uint32_t used)
{
	DHT_ASSERT(used >= SEGMENT_HEADER_SIZE && used <= segment_limit(segs));
	if (segs->has_files)
		segment_end_encode(
		    segment_memory(segs, slot) + used,
		    atomic_load_explicit(&segs->slots[slot].sequence, memory_order_relaxed), used);
	atomic_store_explicit(&segs->slots[slot].used, used, memory_order_relaxed);
	lower(segs, slot, segment_limit(segs) - used + 1);
}

void segment_kill(struct segments *segs, uint64_t location, size_t size)
{
	lower(segs, segment_slot_of(location), size);
}

void segment_lose(struct segments *segs, uint32_t slot, uint32_t bytes)
{
	atomic_fetch_add_explicit(&segs->slots[slot].lost, bytes, memory_order_relaxed);
}

void segment_release_lost(struct segments *segs, uint32_t slot)
{
	struct segment *segment = &segs->slots[slot];
	if (atomic_exchange_explicit(&segment->lost, 0, memory_order_relaxed) == 0)
		return;
	uint64_t rest = atomic_load_explicit(&segment->holds, memory_order_acquire) & LIVE_MASK;
	if (rest != 0)
		lower(segs, slot, rest);
}

void segment_keep(struct segments *segs, uint64_t location, uint32_t size)
{
	atomic_fetch_add_explicit(&segs->slots[segment_slot_of(location)].kept, size,
				  memory_order_relaxed);
}

void segment_add_expiring(struct segments *segs, uint32_t slot, uint32_t size, uint64_t latest_ms)
{
	struct segment *segment = &segs->slots[slot];
	uint64_t latest = atomic_load_explicit(&segment->latest_expiry_ms, memory_order_relaxed);
	while (latest < latest_ms && !atomic_compare_exchange_weak_explicit(
					 &segment->latest_expiry_ms, &latest, latest_ms,
					 memory_order_relaxed, memory_order_relaxed))
		continue;
	/* Whoever sees these bytes sees when they expire. */
	atomic_fetch_add_explicit(&segment->expiring, size, memory_order_release);
}

void segment_sub_expiring(struct segments *segs, uint32_t slot, uint32_t size)
{
	uint32_t before =
	    atomic_fetch_sub_explicit(&segs->slots[slot].expiring, size, memory_order_relaxed);
	DHT_ASSERT(before >= size);
}

uint32_t segment_expired(const struct segments *segs, uint32_t slot, uint64_t now_ms)
{
	const struct segment *segment = &segs->slots[slot];
	uint32_t expiring = atomic_load_explicit(&segment->expiring, memory_order_acquire);
	return atomic_load_explicit(&segment->latest_expiry_ms, memory_order_relaxed) <= now_ms
		   ? expiring
		   : 0;
}

void segment_release_kept(struct segments *segs, uint32_t slot)
{
	uint32_t kept = atomic_exchange_explicit(&segs->slots[slot].kept, 0, memory_order_relaxed);
	if (kept == 0)
		return;
	uint64_t closed =
	    atomic_load_explicit(&segs->slots[slot].holds, memory_order_relaxed) & CLOSED;
	lower(segs, slot, kept | closed);
}

bool segment_is_dead(struct segments *segs, uint32_t slot)
{
	struct segment *segment = &segs->slots[slot];
	uint32_t kept = atomic_load_explicit(&segment->kept, memory_order_acquire);
	if (kept == 0)
		return segment_is_drained(segs, slot);
	uint64_t holds = kept;
	return atomic_compare_exchange_strong_explicit(&segment->holds, &holds, kept | CLOSED,
						       memory_order_acquire,
						       memory_order_acquire) ||
	       holds == (kept | CLOSED);
}

void segment_release_committer(struct segments *segs, uint32_t slot)
{
	lower(segs, slot, 1);
}

void segment_pin(struct segments *segs, uint64_t location)
{
	uint64_t before = atomic_fetch_add_explicit(&segs->slots[segment_slot_of(location)].holds,
						    ONE_PIN, memory_order_relaxed);
	/* One that nothing is alive in may still be pinned by somebody, and so again. */
	DHT_ASSERT(before != 0 && (before & CLOSED) == 0 && before < UINT64_MAX - ONE_PIN);
}

void segment_unpin(struct segments *segs, uint64_t location)
{
	lower(segs, segment_slot_of(location), ONE_PIN);
}

bool segment_try_pin(struct segments *segs, uint32_t slot, uint64_t sequence)
{
	struct segment *segment = &segs->slots[slot];
	uint64_t holds = atomic_load_explicit(&segment->holds, memory_order_relaxed);
	do {
		DHT_ASSERT(holds < UINT64_MAX - ONE_PIN);
		if ((holds & LIVE_MASK) == 0 || (holds & CLOSED) != 0)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
	    &segment->holds, &holds, holds + ONE_PIN, memory_order_acquire, memory_order_relaxed));
	/* It cannot change while the pin is there. */
	if (atomic_load_explicit(&segment->sequence, memory_order_relaxed) == sequence)
		return true;
	segment_unpin_slot(segs, slot);
	return false;
}

void segment_unpin_slot(struct segments *segs, uint32_t slot)
{
	lower(segs, slot, ONE_PIN);
}

void segment_set_state(struct segments *segs, uint32_t slot, unsigned flag, bool is_set)
{
	if (is_set)
		atomic_fetch_or_explicit(&segs->state[slot], (uint8_t)flag, memory_order_release);
	else
		atomic_fetch_and_explicit(&segs->state[slot], (uint8_t)~flag, memory_order_release);
}

/* The live bytes, less those that are lost; something is left of what is there. */
static uint32_t live_of(const struct segment *segment, uint64_t holds)
{
	uint32_t live = (uint32_t)(holds & LIVE_MASK);
	uint32_t lost = atomic_load_explicit(&segment->lost, memory_order_relaxed);
	if (lost == 0 || live == 0)
		return live;
	return lost < live ? live - lost : 1;
}

bool segment_measure(const struct segments *segs, uint32_t slot, uint32_t *used, uint32_t *live)
{
	const struct segment *segment = &segs->slots[slot];
	uint64_t holds = atomic_load_explicit(&segment->holds, memory_order_acquire);
	*used = atomic_load_explicit(&segment->used, memory_order_relaxed);
	*live = live_of(segment, holds);
	return *used != 0 && *used != SEGMENT_DRAINED && *live != 0;
}

void segments_count(const struct segments *segs, uint64_t *count, uint64_t *dead_bytes)
{
	*count = 0;
	*dead_bytes = 0;
	for (uint32_t i = 0; i < slots_used(segs); i++) {
		const struct segment *slot = &segs->slots[i];
		if (atomic_load_explicit(&segs->memory[i], memory_order_acquire) == NULL)
			continue;
		uint32_t used = atomic_load_explicit(&slot->used, memory_order_relaxed);
		uint64_t holds = atomic_load_explicit(&slot->holds, memory_order_relaxed);
		uint64_t live = live_of(slot, holds);
		if (holds == 0)
			continue; /* it is about to be opened, or to be given back */
		uint64_t whole = used == 0 ? open_holds(segs) : used - SEGMENT_HEADER_SIZE;
		*count += 1;
		/* Sealing changes both numbers, one after the other. */
		*dead_bytes += whole > live ? whole - live : 0;
	}
}
