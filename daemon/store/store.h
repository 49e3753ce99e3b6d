/* SPDX-License-Identifier: Apache-2.0
 *
 * store/store - the hash table: records in segments, an index per block.
 *
 * Why     One log of records (store/record.h) in segments, and per block an
 *         open-addressing table of eight-byte entries that say where the latest
 *         record of a key is: at most 14 bytes of RAM a key beyond the record.
 * Owns    Indexes, segments, the log tail. A struct record handed out points into
 *         a segment: it stays valid until the block's lock is given back or the
 *         record is replaced or erased, longer only under store_pin.
 * Thread  Every function that names a block or a key is called under the lock of the
 *         block's group (the caller's; there is no lock in here), store_prefetch_index
 *         excepted. Appends of different groups run at the same time: the tail is
 *         reserved with atomics, and `appender` (below STORE_APPENDERS_MAX) is a number
 *         that no other thread uses at that time: the worker's. Unpinning is for any
 *         thread. Counters and the durable mark may be read by anybody.
 * Errors  DHT_ENOMEM: the index cannot grow. DHT_ENOSPC: no room in the log.
 *         DHT_ETOOBIG: the record does not fit into a segment. Nothing has changed then.
 *
 * A location is where a record lies: segment slot << 26 | offset, 42 bits, never 0.
 * A position (lsn) is a point of the log in time: segment sequence << 26 | offset;
 * it only grows. A record is durable once store_durable() is at or beyond the
 * position of its end.
 */
#ifndef DHT_STORE_STORE_H
#define DHT_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "store/record.h"

struct store;
struct store_os;

enum {
	STORE_BLOCKS_MIN = 64,
	STORE_BLOCKS_MAX = 16384,
	STORE_OFFSET_BITS = 26,
	STORE_SEGMENT_SIZE_MIN = 1 << 20,
	STORE_SEGMENT_SIZE_MAX = 1 << STORE_OFFSET_BITS,
	STORE_SEGMENTS_MAX = 1 << 16,
	STORE_LOCATION_BITS = 16 + STORE_OFFSET_BITS,
	STORE_APPENDERS_MAX = 1024,
	STORE_HASH_BITS = 20,
	STORE_HASH_END = 1 << STORE_HASH_BITS, /* one beyond the last hash of a block */
};

struct store_options {
	uint32_t blocks;             /* a power of two, STORE_BLOCKS_MIN .. STORE_BLOCKS_MAX */
	uint64_t segment_size_bytes; /* STORE_SEGMENT_SIZE_MIN .. STORE_SEGMENT_SIZE_MAX */
};

/* A key, with what is derived from it once per request. */
struct store_key {
	struct bytes key;
	uint64_t hash; /* hash_bytes(key) */
	uint32_t block;
};

enum store_found {
	STORE_ABSENT,
	STORE_FOUND,
	STORE_COLD, /* a record that may be the key's must be read from disk first */
};

/* What a look-up found. */
struct store_hit {
	uint64_t location; /* 0: absent */
	uint32_t place;    /* of the entry in the block's index; the store's own */
	bool promised;     /* promised = successor of acc */
	bool hot;          /* this node may write next without preparing */
	struct record record;
};

/* A record that was read from disk for a look-up that answered STORE_COLD. */
struct store_fetched {
	uint64_t location;
	const uint8_t *data;
	size_t len;
};

/* Opens an empty store. os outlives it; options are within their bounds (asserted). */
int store_open(const struct store_options *options, const struct store_os *os,
	       struct store **out) DHT_MUST_CHECK;

/* Frees everything, pinned or not. Nobody else uses the store. NULL is allowed. */
void store_close(struct store *store);

uint32_t store_blocks(const struct store *store);

/* Asks the processor for the index line, then for the record, that a look-up of key
 * will touch; hints only. store_prefetch_index needs no lock; store_prefetch_record
 * reads the index, and does. */
void store_prefetch_index(const struct store *store, const struct store_key *key);
void store_prefetch_record(const struct store *store, const struct store_key *key);

/* Finds the latest record of a key: value or tombstone, expired or not; hit->record is
 * set only with STORE_FOUND. fetched is NULL, or the record that an earlier STORE_COLD
 * asked for (its location is in hit->location then). As long as all segments are in
 * memory no record is cold. */
enum store_found store_find(const struct store *store, const struct store_key *key,
			    const struct store_fetched *fetched, struct store_hit *hit);

/* Appends rec (VALUE or TOMBSTONE, rec->key equal to key->key) and makes it the
 * latest record of the key. hit is what store_find answered in the same critical
 * section; it describes the new record then, whose flags are clear. rec may point into
 * the record that it replaces; that one is gone afterwards, unless pinned before. *end
 * is set to the position that must be durable before anything is answered that rests
 * on the record. */
int store_put(struct store *store, unsigned appender, const struct store_key *key,
	      struct store_hit *hit, const struct record *rec, uint64_t *end) DHT_MUST_CHECK;

/* Appends ERASE(key, floor) and drops the key's entry, which is there; otherwise as
 * store_put. hit says absent then. */
int store_erase(struct store *store, unsigned appender, const struct store_key *key,
		struct store_hit *hit, struct ballot floor, uint64_t *end) DHT_MUST_CHECK;

/* Sets the two flags of the entry that hit describes, and in hit. */
void store_set_flags(struct store *store, const struct store_key *key, struct store_hit *hit,
		     bool promised, bool hot);

/* Visits the entries of a block in the order of their hash, from hash `from` on,
 * until at least max were visited; entries of equal hash are never split. Returns
 * the hash to go on from, STORE_HASH_END when the block is done. Because the order
 * is that of the hashes, a cursor survives growth: an entry that is there
 * throughout is visited, and none twice but through a put of its key after an erase.
 * found is STORE_FOUND or STORE_COLD. visit must not change the block. */
typedef void (*store_visit_fn)(void *ctx, uint32_t block, enum store_found found,
			       const struct store_hit *hit);
uint32_t store_scan(const struct store *store, uint32_t block, uint32_t from, unsigned max,
		    store_visit_fn visit, void *ctx);

/* Keeps the segment of a location from being reused, across the group lock: pinning is
 * for a record that is the latest of its key, under the lock of its group. */
void store_pin(struct store *store, uint64_t location);
void store_unpin(struct store *store, uint64_t location);

/* Everything before this position is durable. A store without files keeps nothing
 * across a restart, so there is nothing to wait for: it is the end of the log. */
uint64_t store_durable(const struct store *store);

/* Counters, near-current; exact when nothing runs. */
struct store_counts {
	uint64_t
	    keys; /* entries that hold a value (expired ones that were not yet removed included) */
	uint64_t tombstones;
	uint64_t bytes;      /* keys and values of `keys` */
	uint64_t live_bytes; /* whole records that entries point to */
	uint64_t dead_bytes; /* the rest of what the segments hold */
	uint64_t index_bytes;
	uint64_t segments;
};
void store_count(const struct store *store, struct store_counts *counts);

#endif
