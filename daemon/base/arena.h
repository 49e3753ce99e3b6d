/* SPDX-License-Identifier: Apache-2.0
 *
 * base/arena - runs of bytes that are made one after the other and given back together.
 *
 * Why     What an operation derives (the digits of a sum, a longer value) has to live as
 *         long as its result, however many of them a series of operations makes.
 * Owns    Its memory. Until the few bytes that it starts with are used up it has none.
 * Thread  belongs to one owner at a time.
 * Errors  DHT_ENOMEM; what was made before is unchanged then.
 */
#ifndef DHT_BASE_ARENA_H
#define DHT_BASE_ARENA_H

#include "base/assert.h"
#include "base/bytes.h"

enum { ARENA_FIRST = 64 }; /* bytes that need no allocation */

struct arena_chunk;

/* It must not move: the bytes it gave out may lie in it. */
struct arena {
	struct arena_chunk *newest;
	size_t first_used;
	uint8_t first[ARENA_FIRST];
};

void arena_init(struct arena *arena);

/* Gives back all bytes, and the memory. */
void arena_fini(struct arena *arena);

/* Makes a copy of `from`. */
int arena_copy(struct arena *arena, struct bytes from, struct bytes *copy) DHT_MUST_CHECK;

/* Makes head and tail one behind the other, neither of which changes. Where head is what the
 * arena made last, it is not copied as long as there is room behind it, and there is
 * more and more: many small tails take the time and memory of one. */
int arena_join(struct arena *arena, struct bytes head, struct bytes tail,
	       struct bytes *joined) DHT_MUST_CHECK;

#endif
