/* SPDX-License-Identifier: Apache-2.0
 *
 * What is counted.
 */
#include "store/state.h"

static void count_files(const struct store *store, struct store_counts *counts)
{
	const struct compactor *compactor = &store->compactor;
	const struct segments *segs = &store->segs;
	uint32_t slots = files_slots_used(&store->files);
	for (uint32_t i = 0; i < slots; i++) {
		bool has_memory = segment_memory(segs, i) != NULL;
		bool is_cold = has_memory && segment_is_cold(segs, i);
		counts->cold_segments += is_cold;
		counts->mapped_bytes += has_memory && !is_cold ? segs->size : 0;
	}
	counts->disk_bytes = files_disk_bytes(&store->files);
	counts->spare_files = atomic_load(&store->files.spares);
	counts->is_full = files_is_full(&store->files);
	counts->is_compacting = store_is_compacting(store);
	uint32_t offset = atomic_load_explicit(&compactor->offset, memory_order_relaxed);
	if (counts->is_compacting)
		counts->compact_permille = (uint32_t)((uint64_t)offset * 1000 / segs->size);
	counts->compact_segments = atomic_load_explicit(&compactor->segments, memory_order_relaxed);
	counts->compact_copied_bytes =
	    atomic_load_explicit(&compactor->copied_bytes, memory_order_relaxed);
}

void store_count(const struct store *store, struct store_counts *counts)
{
	*counts = (struct store_counts){0};
	for (uint32_t i = 0; i < store->block_count; i++) {
		const struct block *b = &store->blocks[i];
		counts->keys += atomic_load_explicit(&b->keys, memory_order_relaxed);
		counts->tombstones += atomic_load_explicit(&b->tombstones, memory_order_relaxed);
		counts->expiring += atomic_load_explicit(&b->expiring, memory_order_relaxed);
		counts->bytes += atomic_load_explicit(&b->bytes, memory_order_relaxed);
		counts->live_bytes += atomic_load_explicit(&b->live_bytes, memory_order_relaxed);
		counts->index_bytes += index_size_bytes(&b->index);
	}
	segments_count(&store->segs, &counts->segments, &counts->dead_bytes);
	if (store->segs.has_files)
		count_files(store, counts);
}

uint32_t store_keys(const struct store *store, uint32_t block)
{
	return atomic_load_explicit(&store_block(store, block)->keys, memory_order_relaxed);
}

uint32_t store_tombstones(const struct store *store, uint32_t block)
{
	return atomic_load_explicit(&store_block(store, block)->tombstones, memory_order_relaxed);
}

uint32_t store_entry_bytes(const struct store *store, uint32_t block)
{
	const struct block *b = store_block(store, block);
	uint32_t entries = atomic_load_explicit(&b->keys, memory_order_relaxed) +
			   atomic_load_explicit(&b->tombstones, memory_order_relaxed);
	return entries == 0 ? 0 : (uint32_t)(index_size_bytes(&b->index) / entries);
}

uint32_t store_expiring(const struct store *store, uint32_t block)
{
	return atomic_load_explicit(&store_block(store, block)->expiring, memory_order_relaxed);
}

uint64_t store_expiring_total(const struct store *store)
{
	uint64_t total = 0;
	for (uint32_t i = 0; i < store->block_count; i++)
		total += atomic_load_explicit(&store->blocks[i].expiring, memory_order_relaxed);
	return total;
}
