/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

#include <string.h>

#include "base/assert.h"

/* One writer: a relaxed load and store, no locked instruction. */
static void cell_add(_Atomic uint64_t *cell, uint64_t n)
{
	atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static uint64_t cell_get(const _Atomic uint64_t *cell)
{
	return atomic_load_explicit(cell, memory_order_relaxed);
}

/* Below HISTOGRAM_SUB a cell is one nanosecond; above, the highest bit picks the
 * power of two and the next HISTOGRAM_SUB_BITS bits the cell in it. */
static unsigned cell_of(uint64_t ns)
{
	if (ns < HISTOGRAM_SUB)
		return (unsigned)ns;
	unsigned top = 63u - (unsigned)__builtin_clzll(ns);
	unsigned shift = top - HISTOGRAM_SUB_BITS;
	unsigned cell =
	    (shift + 1) * HISTOGRAM_SUB + (unsigned)((ns >> shift) & (HISTOGRAM_SUB - 1));
	return cell < HISTOGRAM_CELLS ? cell : HISTOGRAM_CELLS - 1;
}

static uint64_t cell_middle(unsigned cell)
{
	if (cell < HISTOGRAM_SUB)
		return cell;
	unsigned shift = cell / HISTOGRAM_SUB - 1;
	uint64_t low = ((uint64_t)(HISTOGRAM_SUB + cell % HISTOGRAM_SUB)) << shift;
	return low + ((1ull << shift) >> 1);
}

void histogram_init(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
}

void histogram_clear(struct histogram *h)
{
	atomic_store_explicit(&h->count, 0, memory_order_relaxed);
	atomic_store_explicit(&h->max_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&h->sum_ns, 0, memory_order_relaxed);
	for (unsigned i = 0; i < HISTOGRAM_CELLS; i++)
		atomic_store_explicit(&h->cells[i], 0, memory_order_relaxed);
}

void histogram_record(struct histogram *h, uint64_t ns)
{
	histogram_record_many(h, ns, 1);
}

void histogram_record_many(struct histogram *h, uint64_t ns, uint64_t events)
{
	cell_add(&h->cells[cell_of(ns)], events);
	cell_add(&h->sum_ns, ns * events);
	cell_add(&h->count, events);
	if (ns > cell_get(&h->max_ns))
		atomic_store_explicit(&h->max_ns, ns, memory_order_relaxed);
}

void histogram_merge(struct histogram *dst, const struct histogram *src)
{
	for (unsigned i = 0; i < HISTOGRAM_CELLS; i++)
		cell_add(&dst->cells[i], cell_get(&src->cells[i]));
	cell_add(&dst->sum_ns, cell_get(&src->sum_ns));
	cell_add(&dst->count, cell_get(&src->count));
	if (cell_get(&src->max_ns) > cell_get(&dst->max_ns))
		atomic_store_explicit(&dst->max_ns, cell_get(&src->max_ns), memory_order_relaxed);
}

uint64_t histogram_quantile_ns(const struct histogram *h, unsigned permille)
{
	DHT_ASSERT(permille <= 1000);
	uint64_t total = 0;
	for (unsigned i = 0; i < HISTOGRAM_CELLS; i++)
		total += cell_get(&h->cells[i]);
	if (total == 0)
		return 0;
	uint64_t rank = (total * permille + 999) / 1000, seen = 0;
	if (rank == 0)
		rank = 1;
	for (unsigned i = 0; i < HISTOGRAM_CELLS; i++) {
		seen += cell_get(&h->cells[i]);
		if (seen >= rank) {
			uint64_t middle = cell_middle(i), max = histogram_max_ns(h);
			return middle < max ? middle : max;
		}
	}
	return histogram_max_ns(h);
}

uint64_t histogram_count_below(const struct histogram *h, unsigned power)
{
	DHT_ASSERT(power >= HISTOGRAM_SUB_BITS);
	unsigned end = (power - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB;
	uint64_t count = 0;
	for (unsigned i = 0; i < HISTOGRAM_CELLS && i < end; i++)
		count += cell_get(&h->cells[i]);
	return count;
}

uint64_t histogram_max_ns(const struct histogram *h)
{
	return cell_get(&h->max_ns);
}

uint64_t histogram_count(const struct histogram *h)
{
	return cell_get(&h->count);
}
