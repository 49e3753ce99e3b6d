/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/random - where all chance of a run comes from: one number, its seed.
 *
 * Thread  one owner.
 */
#ifndef DHT_SIM_RANDOM_H
#define DHT_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random_source {
	uint64_t state;
};

/* SplitMix64. */
static inline uint64_t random_next(struct random_source *r)
{
	uint64_t x = r->state += 0x9E3779B97F4A7C15ull;
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
	return x ^ (x >> 31);
}

static inline void random_init(struct random_source *r, uint64_t seed)
{
	r->state = seed * 0xD1342543DE82EF95ull;
	(void)random_next(r);
}

/* 0 to n - 1; n is below 2^32 and not 0. */
static inline uint32_t random_below(struct random_source *r, uint32_t n)
{
	return (uint32_t)(((random_next(r) >> 32) * n) >> 32);
}

/* low to high, both included. */
static inline uint32_t random_between(struct random_source *r, uint32_t low, uint32_t high)
{
	return low + random_below(r, high - low + 1);
}

static inline bool random_chance(struct random_source *r, uint32_t permille)
{
	return random_below(r, 1000) < permille;
}

/* One of the seats in the mask, which is not empty. */
static inline uint8_t random_seat(struct random_source *r, uint16_t mask)
{
	uint32_t skip = random_below(r, (uint32_t)__builtin_popcount(mask));
	while (skip-- > 0)
		mask &= (uint16_t)(mask - 1);
	return (uint8_t)__builtin_ctz(mask);
}

#endif
