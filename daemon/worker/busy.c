/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/busy.h"

#include "base/assert.h"

void busy_begin(struct busy *b, uint64_t now_ns)
{
	uint64_t published = atomic_load_explicit(&b->published_ns, memory_order_relaxed);
	uint64_t worked = published >> 1;
	DHT_ASSERT((published & 1) == 0 && worked <= now_ns);
	atomic_store_explicit(&b->published_ns, (now_ns - worked) << 1 | 1, memory_order_relaxed);
}

void busy_end(struct busy *b, uint64_t now_ns)
{
	uint64_t published = atomic_load_explicit(&b->published_ns, memory_order_relaxed);
	uint64_t rested = published >> 1;
	DHT_ASSERT((published & 1) == 1 && rested <= now_ns);
	atomic_store_explicit(&b->published_ns, (now_ns - rested) << 1, memory_order_relaxed);
}

uint64_t busy_read(struct busy *b, uint64_t now_ns)
{
	uint64_t published = atomic_load_explicit(&b->published_ns, memory_order_relaxed);
	uint64_t worked = published >> 1;
	if ((published & 1) != 0)
		worked = now_ns > worked ? now_ns - worked : 0;
	if (worked > b->seen_ns)
		b->seen_ns = worked;
	return b->seen_ns;
}
