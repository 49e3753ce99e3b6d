/* SPDX-License-Identifier: Apache-2.0
 *
 * Which segments are in memory.
 */
#include "base/error.h"
#include "store/state.h"

/* The sealed segments by what is to change: the oldest in memory, the newest that is not. */
struct balance {
	uint64_t hot_bytes;
	uint32_t oldest_hot, newest_cold;
	uint64_t oldest_hot_sequence, newest_cold_sequence; /* 0: none */
};

static void weigh(const struct store *store, struct balance *balance)
{
	const struct segments *segs = &store->segs;
	uint32_t slots = files_slots_used(&store->files);
	for (uint32_t i = 0; i < slots; i++) {
		uint64_t sequence;
		uint32_t used, live;
		bool is_sealed = files_is_compactable(&store->files, i, &sequence) &&
				 segment_measure(segs, i, &used, &live);
		if (is_sealed && segment_is_cold(segs, i)) {
			if (sequence > balance->newest_cold_sequence) {
				balance->newest_cold_sequence = sequence;
				balance->newest_cold = i;
			}
			continue;
		}
		if (segment_memory(segs, i) != NULL)
			balance->hot_bytes += segs->size;
		if (is_sealed && (balance->oldest_hot_sequence == 0 ||
				  sequence < balance->oldest_hot_sequence)) {
			balance->oldest_hot_sequence = sequence;
			balance->oldest_hot = i;
		}
	}
}

/* Who sees the flag late reads the same bytes from a page that must come from disk again:
 * slower, not wrong. */
static int cool(struct store *store, uint32_t slot)
{
	struct segments *segs = &store->segs;
	segment_set_state(segs, slot, SEGMENT_COLD, true);
	return store->os->map(store->os->ctx, slot, segment_memory(segs, slot), segs->size,
			      STORE_OS_MAP_LAZY);
}

static int warm(struct store *store, uint32_t slot)
{
	struct segments *segs = &store->segs;
	int rc = store->os->map(store->os->ctx, slot, segment_memory(segs, slot), segs->size,
				STORE_OS_MAP_READ);
	if (rc == 0)
		segment_set_state(segs, slot, SEGMENT_COLD, false);
	return rc;
}

/* What recovery touched of cold segments leaves memory, and so do those that are too many. */
int store_cool_all(struct store *store)
{
	struct segments *segs = &store->segs;
	uint64_t budget = store->memory_bytes != 0 ? store->memory_bytes : UINT64_MAX;
	int rc = 0;
	for (uint32_t i = 0; rc == 0 && i < files_slots_used(&store->files); i++) {
		if (segment_memory(segs, i) != NULL && segment_is_cold(segs, i))
			rc = cool(store, i);
	}
	for (bool goes_on = true; rc == 0 && goes_on;) {
		struct balance balance = {0};
		weigh(store, &balance);
		goes_on = balance.hot_bytes > budget && balance.oldest_hot_sequence != 0;
		if (goes_on)
			rc = cool(store, balance.oldest_hot);
	}
	return rc;
}

int store_balance(struct store *store, bool *changed)
{
	struct segments *segs = &store->segs;
	struct balance balance = {0};
	*changed = false;
	if (!segs->has_files)
		return 0;
	uint64_t budget = store->memory_bytes != 0 ? store->memory_bytes : UINT64_MAX;
	weigh(store, &balance);
	bool cools = balance.hot_bytes > budget && balance.oldest_hot_sequence != 0;
	bool warms = !cools && balance.newest_cold_sequence != 0 &&
		     budget - balance.hot_bytes >= segs->size && balance.hot_bytes <= budget;
	if (!cools && !warms)
		return 0;
	uint32_t slot = cools ? balance.oldest_hot : balance.newest_cold;
	uint64_t sequence = cools ? balance.oldest_hot_sequence : balance.newest_cold_sequence;
	if (!segment_try_pin(segs, slot, sequence))
		return 0;
	int rc = cools ? cool(store, slot) : warm(store, slot);
	segment_unpin_slot(segs, slot);
	*changed = rc == 0;
	return rc;
}
bool store_find_address(const struct store *store, const void *address, uint32_t *slot,
			uint32_t *offset)
{
	const struct segments *segs = &store->segs;
	uint32_t used = atomic_load_explicit(&segs->slots_used, memory_order_acquire);
	for (uint32_t i = 0; i < used; i++) {
		const uint8_t *memory = segment_memory(segs, i);
		uintptr_t distance = (uintptr_t)address - (uintptr_t)memory;
		if (memory == NULL || distance >= segs->size)
			continue;
		*slot = i;
		*offset = (uint32_t)distance;
		return true;
	}
	return false;
}
