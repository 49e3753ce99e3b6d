/* SPDX-License-Identifier: Apache-2.0
 *
 * store/manifest - the named file that says which segment files belong to the log.
 *
 *     offset size
 *      0     4   magic "DHTM"
 *      4     4   format version
 *      8     8   size of the segments in bytes
 *     16     4   blocks of the store
 *     20     4   number of segments
 *     24     8   ceiling: at least that of every CEILING record in a file that left the log
 *     32   12n   for each segment: slot 4, sequence 8
 *     then  8   XXH3 of all before
 *
 * Why     A recycled file is written over from its header on, and a crash may leave any
 *         mixture of old and new there. Which files count is therefore decided elsewhere,
 *         by the replacement of one small file, which is atomic: a file that is not named
 *         here holds nothing, and one that is must be in order.
 * Thread  any; pure functions over the caller's bytes.
 * Errors  DHT_ECORRUPT: these bytes are no manifest.
 */
#ifndef DHT_STORE_MANIFEST_H
#define DHT_STORE_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

#define MANIFEST_NAME "manifest"

enum {
	MANIFEST_HEADER_SIZE = 32,
	MANIFEST_ENTRY_SIZE = 12,
	MANIFEST_CHECKSUM_SIZE = 8,
	MANIFEST_FORMAT_VERSION = 1,
};

struct manifest {
	uint64_t segment_size_bytes;
	uint64_t ceiling;
	uint32_t blocks;
	uint32_t count;
};

static inline size_t manifest_size(uint32_t count)
{
	return MANIFEST_HEADER_SIZE + (size_t)count * MANIFEST_ENTRY_SIZE + MANIFEST_CHECKSUM_SIZE;
}

/* Writes entry i of a manifest at out. */
void manifest_encode_entry(uint8_t *out, uint32_t i, uint32_t slot, uint64_t sequence);

/* Writes the rest of the manifest_size(count) bytes at out, whose entries are there. */
void manifest_encode(uint8_t *out, const struct manifest *manifest);

/* Checks the len bytes at data, which come from disk: all but the entries' meaning. */
int manifest_decode(const uint8_t *data, size_t len, struct manifest *out) DHT_MUST_CHECK;

/* Reads entry i of a manifest that was decoded. */
void manifest_decode_entry(const uint8_t *data, uint32_t i, uint32_t *slot, uint64_t *sequence);

#endif
