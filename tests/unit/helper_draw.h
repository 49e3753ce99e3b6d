/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/helper_draw - numbers that look random, the same ones in every run.
 */
#ifndef DHT_TESTS_HELPER_DRAW_H
#define DHT_TESTS_HELPER_DRAW_H

#include <stdbool.h>
#include <stdint.h>

static uint64_t draw_state = 7;

static inline uint64_t draw(void)
{
	draw_state ^= draw_state << 13;
	draw_state ^= draw_state >> 7;
	draw_state ^= draw_state << 17;
	return draw_state * 0x2545f4914f6cdd1dull;
}

static inline uint64_t below(uint64_t bound)
{
	return (draw() >> 8) % bound;
}

static inline bool chance(unsigned one_in)
{
	return below(one_in) == 0;
}

/* Of all magnitudes alike. */
static inline uint64_t any_number(void)
{
	return draw() >> below(64);
}

#endif
