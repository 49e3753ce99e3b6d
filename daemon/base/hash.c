/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(const void *data, size_t len)
{
	return XXH3_64bits(data, len);
}

uint64_t hash_bytes_seeded(const void *data, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, len, seed);
}

uint64_t hash_pieces(const struct bytes *pieces, size_t count)
{
	if (count == 1)
		return hash_bytes(pieces->data, pieces->len);
	XXH3_state_t state;
	XXH3_64bits_reset(&state);
	for (size_t i = 0; i < count; i++)
		XXH3_64bits_update(&state, pieces[i].data, pieces[i].len);
	return XXH3_64bits_digest(&state);
}
