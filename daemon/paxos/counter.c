/* SPDX-License-Identifier: Apache-2.0 */
#include "paxos/counter.h"

#include "base/error.h"

void counter_init(struct counter *c, uint64_t ceiling, uint32_t member)
{
	DHT_ASSERT(ceiling < BALLOT_COUNTER_MAX && member <= BALLOT_MEMBER_TOP);
	atomic_init(&c->value, ceiling);
	atomic_init(&c->ceiling, ceiling);
	atomic_init(&c->appended, ceiling);
	c->member = member;
}

static void raise(_Atomic uint64_t *what, uint64_t to, memory_order order)
{
	uint64_t current = atomic_load_explicit(what, memory_order_relaxed);
	while (current < to) {
		if (atomic_compare_exchange_weak_explicit(what, &current, to, order,
							  memory_order_relaxed))
			return;
	}
}

static uint64_t durable(const struct counter *c)
{
	return atomic_load_explicit(&c->ceiling, memory_order_acquire);
}

int counter_draw(struct counter *c, uint32_t version, struct ballot *drawn)
{
	uint64_t ceiling = durable(c);
	DHT_ASSERT(c->member < BALLOT_MEMBER_TOP);
	/* Looked at first, so that those who try again and again do not count up. */
	if (counter_value(c) + 1 >= ceiling)
		return DHT_EAGAIN;
	uint64_t value = atomic_fetch_add_explicit(&c->value, 1, memory_order_relaxed) + 1;
	if (value >= ceiling)
		return DHT_EAGAIN;
	*drawn = ballot_make(version, value, c->member);
	return 0;
}

int counter_raise(struct counter *c, struct ballot b)
{
	uint64_t seen = ballot_counter(b);
	raise(&c->value, seen, memory_order_relaxed);
	return seen < durable(c) ? 0 : DHT_EAGAIN;
}

uint64_t counter_value(const struct counter *c)
{
	return atomic_load_explicit(&c->value, memory_order_relaxed);
}

uint64_t counter_wants_ceiling(const struct counter *c, uint64_t rate)
{
	uint64_t value = counter_value(c);
	uint64_t appended = atomic_load_explicit(&c->appended, memory_order_relaxed);
	uint64_t ahead = rate > COUNTER_AHEAD_MIN ? rate : COUNTER_AHEAD_MIN;
	if (ahead > COUNTER_AHEAD_MAX)
		ahead = COUNTER_AHEAD_MAX;
	if (appended >= BALLOT_COUNTER_MAX || value + ahead / 2 < appended)
		return 0;
	uint64_t wanted = value + ahead;
	return wanted < BALLOT_COUNTER_MAX ? wanted : BALLOT_COUNTER_MAX;
}

void counter_ceiling_appended(struct counter *c, uint64_t ceiling)
{
	raise(&c->appended, ceiling, memory_order_relaxed);
}

void counter_ceiling_durable(struct counter *c, uint64_t ceiling)
{
	DHT_ASSERT(ceiling <= BALLOT_COUNTER_MAX);
	raise(&c->appended, ceiling, memory_order_relaxed);
	raise(&c->ceiling, ceiling, memory_order_release);
}
