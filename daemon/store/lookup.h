/* SPDX-License-Identifier: Apache-2.0
 *
 * store/lookup - from a key, or a place of an index, to a record; in the store alone.
 *
 * Why     A record may lie in memory, or not (cold), or come from disk and be unverified:
 *         whoever follows an entry of an index has to know.
 * Thread  under the lock of the block's group.
 */
#ifndef DHT_STORE_LOOKUP_H
#define DHT_STORE_LOOKUP_H

#include "store/state.h"

/* Lets hit describe the entry, which stands at place; data is its record, or NULL. */
void lookup_hit_set(struct store_hit *hit, uint32_t place, uint64_t entry, const uint8_t *data);

/* Lets it say that there is none. */
void lookup_hit_clear(struct store_hit *hit);

/* Verifies the record of a location, at the start of the len bytes at data. Damage is logged. */
bool lookup_verifies(const struct store *store, uint64_t location, const uint8_t *data, size_t len);

#endif
