/* SPDX-License-Identifier: Apache-2.0 */
#include "paxos/counter.h"

void counter_init(struct counter *c, uint64_t start, uint32_t member)
{
	DHT_ASSERT(start < BALLOT_COUNTER_MAX && member < BALLOT_MEMBER_TOP);
	atomic_init(&c->value, start);
	c->member = member;
}

struct ballot counter_draw(struct counter *c, uint32_t version)
{
	uint64_t drawn = atomic_fetch_add_explicit(&c->value, 1, memory_order_relaxed) + 1;
	return ballot_make(version, drawn, c->member);
}

void counter_raise(struct counter *c, struct ballot b)
{
	uint64_t seen = ballot_counter(b);
	uint64_t current = atomic_load_explicit(&c->value, memory_order_relaxed);
	while (current < seen) {
		if (atomic_compare_exchange_weak_explicit(
			&c->value, &current, seen, memory_order_relaxed, memory_order_relaxed))
			return;
	}
}

uint64_t counter_value(const struct counter *c)
{
	return atomic_load_explicit(&c->value, memory_order_relaxed);
}
