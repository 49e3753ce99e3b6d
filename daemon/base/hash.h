/* SPDX-License-Identifier: Apache-2.0
 *
 * base/hash - the hash of keys and the checksum of records: XXH3 of libxxhash,
 * the fastest well-distributed hash in Debian.
 */
#ifndef DHT_BASE_HASH_H
#define DHT_BASE_HASH_H

#include "base/bytes.h"

/* 64 bits over len bytes; len 0 is allowed. */
uint64_t hash_bytes(const void *data, size_t len);

/* The same, depending on seed too. */
uint64_t hash_bytes_seeded(const void *data, size_t len, uint64_t seed);

/* The same as hash_bytes over the pieces one behind the other. */
uint64_t hash_pieces(const struct bytes *pieces, size_t count);

#endif
