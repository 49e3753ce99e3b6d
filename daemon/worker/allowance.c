/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/allowance.h"

#include "io/clock.h"

void allowance_add(struct allowance *a, uint64_t elapsed_ns, uint64_t saved_ns)
{
	uint64_t rate = atomic_load_explicit(&a->rate, memory_order_relaxed);
	int64_t most = (int64_t)((double)rate * (double)saved_ns / (double)NS_PER_S);
	int64_t more = (int64_t)((double)rate * (double)elapsed_ns / (double)NS_PER_S);
	int64_t now = atomic_load_explicit(&a->left, memory_order_relaxed);
	int64_t next = now + more < most ? now + more : most;
	atomic_fetch_add_explicit(&a->left, next - now, memory_order_relaxed);
}
