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
 *         store_write: one thread at a time. store_sync, store_turn and store_commit: one
 *         thread, the committer; the first two also beside a store_write of another
 *         thread. store_prepare, store_touch_memory, store_tick,
 *         store_background, store_balance and store_compact_begin: one thread, the housekeeper.
 * Errors  DHT_ENOMEM: the index cannot grow. DHT_ENOSPC: no room in the log.
 *         DHT_EAGAIN: the log is out of prepared room; the next store_commit, or a
 *         store_prepare and a store_commit, provide it. DHT_ETOOBIG: the record does not
 *         fit into a segment. Nothing has changed then.
 *
 * A location is where a record lies: segment slot << 26 | offset, 42 bits, never 0.
 * A position (lsn) is a point of the log in time: segment sequence << 26 | offset;
 * it only grows. A record is durable once store_durable() is at or beyond the
 * position of its end.
 *
 * Over a struct store_os with files the log is on disk, and store_open recovers it.
 * Appends go to memory; store_commit writes and syncs them. On a full disk VALUE records
 * are refused while two spare segments are left, which take tombstones and erasures.
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
	/* So many workers, the committer, and the control plane. */
	STORE_APPENDERS_MAX = 1024 + 2,
	STORE_HASH_BITS = 20,
	STORE_HASH_END = 1 << STORE_HASH_BITS, /* one beyond the last hash of a block */
};

/* A key, with what is derived from it once per request. */
struct store_key {
	struct bytes key;
	uint64_t hash; /* hash_bytes(key) */
	uint32_t block;
};

/* Fills in key->hash and key->block for key->key. */
typedef void (*store_locate_fn)(void *ctx, struct store_key *key, uint32_t blocks);

/* Told how much of the log was replayed; from any thread, several at a time. */
typedef void (*store_progress_fn)(void *ctx, uint64_t done_bytes, uint64_t total_bytes);

/* What a recovery or a check met. */
struct store_report {
	uint64_t segments;
	uint64_t records;
	uint64_t keys;            /* live; 0 from store_check */
	uint64_t segment_bytes;   /* of the records and the headers */
	uint64_t cut_bytes;       /* an upper bound of what a torn end of the log lost */
	uint64_t highest_counter; /* of any acc */
	uint64_t ceiling;         /* the highest one put; 0: none */
	char why[192];            /* with DHT_ECORRUPT: file, offset and reason */
};

struct store_options {
	uint32_t blocks; /* a power of two, STORE_BLOCKS_MIN .. STORE_BLOCKS_MAX */
	/* STORE_SEGMENT_SIZE_MIN .. STORE_SEGMENT_SIZE_MAX. Files that are there keep the
	 * size they were made with. */
	uint64_t segment_size_bytes;
	/* With files: what was written need not be durable before more is (the settings
	 * `interval` and `never` of store.fsync). A stop of the machine may tear more than the
	 * last segment then. */
	bool is_lazy;
	/* With files: the last run was lazy, and the machine may have stopped since. What
	 * stands behind the first torn segment is given up then, instead of being taken for
	 * damage. */
	bool may_be_torn;
	/* With files: another thread calls store_prepare as soon as store_wants_segment. Then
	 * values wait (DHT_EAGAIN) in front of the last two files until it is known whether the
	 * disk has room for another one, and are not the cause that deletions find none. */
	bool has_housekeeper;
	/* With files: how much of the newest segments may be in memory; 0: all. */
	uint64_t memory_bytes;
	/* Only with files: where a recovered key belongs, a number that tells the hashes of
	 * locate from any others (what was noted of others is not used), and what is to be
	 * filled in by store_open whether it succeeds or not (may be NULL). */
	store_locate_fn locate;
	store_progress_fn progress; /* may be NULL */
	void *ctx;                  /* of these two */
	uint64_t hash_id;
	struct store_report *report;
};

enum store_sync {
	STORE_WRITE_ONLY, /* survives the process */
	STORE_SYNC,       /* survives the machine */
};

enum store_found {
	STORE_ABSENT,
	STORE_FOUND,
	STORE_COLD,    /* a record that may be the key's must be read from disk first */
	STORE_DAMAGED, /* a record that may be the key's does not verify: logged, stop the node */
};

/* What a look-up found. */
struct store_hit {
	uint64_t location; /* 0: absent */
	uint32_t place;    /* of the entry in the block's index; the store's own */
	bool promised;     /* promised = successor of acc */
	bool hot;          /* this node may write next without preparing */
	bool is_fetched;   /* the record lies in what was fetched, not in a segment */
	struct record record;
};

/* Records that were read from disk (store_fetch) for look-ups that answered STORE_COLD. */
struct store_fetched {
	uint64_t location;
	const uint8_t *data;
	const struct store_fetched *next;
};

/* Opens a store: an empty one if os has no files, otherwise what the files hold, and the
 * log goes on in a new segment. os outlives it; options are within their bounds (asserted).
 * Only a torn end of the log is cut. Any other damage is DHT_ECORRUPT, and so are files of
 * another number of blocks; the report says why. Other errors are those of store/os.h.
 *
 * Order decides, as all appends to a block are made under one lock: of one key the latest
 * record in the log wins, whatever its acc is. ERASE hides the records of its key that were
 * appended before it, DROP those of its block. But a DROP whose epoch is greater than that
 * of the latest MAP never counts, now or later: its commit was lost (store_drop). */
int store_open(const struct store_options *options, const struct store_os *os,
	       struct store **out) DHT_MUST_CHECK;

/* Verifies every byte of the log that a recovery could need, and opens nothing. Of the
 * options locate, hash_id and report count; without locate, hint files are not compared
 * with their segments. found is told of each damage (a sentence naming file, offset and reason),
 * after which the next file is looked at; the report's why is the first one. Returns 0,
 * DHT_ECORRUPT if there was damage, or an error of store/os.h. A torn end of the log is not damage,
 * but counted. */
typedef void (*store_damage_fn)(void *ctx, const char *why);
int store_check(const struct store_options *options, const struct store_os *os,
		store_damage_fn found, void *ctx) DHT_MUST_CHECK;

/* Frees everything, pinned or not. Nobody else uses the store. What was not committed is
 * lost. NULL is allowed. */
void store_close(struct store *store);

uint32_t store_blocks(const struct store *store);

/* Asks the processor for the index line, then for the record, that a look-up of key
 * will touch; hints only. store_prefetch_index needs no lock; store_prefetch_record
 * reads the index, and does. */
void store_prefetch_index(const struct store *store, const struct store_key *key);
void store_prefetch_record(const struct store *store, const struct store_key *key);

/* Finds the latest record of a key: value or tombstone, expired or not; hit->record is
 * set only with STORE_FOUND. fetched is NULL, or what earlier calls with STORE_COLD asked
 * for: each names one location, in hit->location, which the caller pins before it gives up
 * the lock, fetches, and adds to the list; keys of equal hash may need several. As long as
 * all segments are in memory no record is cold. */
enum store_found store_find(const struct store *store, const struct store_key *key,
			    const struct store_fetched *fetched, struct store_hit *hit);

/* Returns the position that must be durable before anything is answered that rests on what
 * a look-up found: that of the record's end, or, for an absent key, of the latest erasure
 * in its block, or of the latest MAP record if that is behind. */
uint64_t store_rests_on(const struct store *store, uint32_t block, const struct store_hit *hit);

/* Appends rec (VALUE or TOMBSTONE, rec->key equal to key->key) and makes it the
 * latest record of the key. hit is what store_find answered in the same critical
 * section; it describes the new record then, whose flags are clear. rec may point into
 * the record that it replaces; that one is gone afterwards, unless pinned before. *end
 * is set to the position that must be durable before anything is answered that rests
 * on the record. */
int store_put(struct store *store, unsigned appender, const struct store_key *key,
	      struct store_hit *hit, const struct record *rec, uint64_t *end) DHT_MUST_CHECK;

/* Appends ERASE(key) and drops the key's entry, which is there; otherwise as store_put. hit
 * says absent then. The floor of the register protocol is volatile: it is the caller's. */
int store_erase(struct store *store, unsigned appender, const struct store_key *key,
		struct store_hit *hit, uint64_t *end) DHT_MUST_CHECK;

/* Appends DROP(block, epoch) and drops all entries of the block; no record need be read. It
 * belongs to the adoption of the map of this epoch, which is one durable commit: first the
 * DROPs are appended, then the MAP record of that epoch, and *end of that counts for all.
 * If the log ends between them, a recovery finds the data as if there had been no DROP, so
 * nothing of this block is appended or answered before the MAP record is. Until then no file
 * leaves the log. Where the latest MAP is of this epoch or a greater one, the DROP counts by
 * itself. After an error nothing has changed. */
int store_drop(struct store *store, unsigned appender, uint32_t block, uint64_t epoch,
	       uint64_t *end) DHT_MUST_CHECK;

/* ---- Notes -----------------------------------------------------------------------
 *
 * What a node must know beside its data, in the same log, so that one commit is for both.
 * kind is RECORD_MAP, RECORD_VOTE (id is 0) or RECORD_FIN (id is the block, and value its
 * version in RECORD_FIN_VERSION_SIZE bytes). Of each kind and id the latest is kept, and
 * recovered. Under the lock of the group of block `id`. */

/* Appends a note. An empty value is one, too. epoch is that of the map; the value of a MAP is
 * the map itself. Otherwise as store_put; it fits on a full disk, as tombstones do. */
int store_put_note(struct store *store, unsigned appender, enum record_kind kind, uint32_t id,
		   uint64_t epoch, struct bytes value, uint64_t *end) DHT_MUST_CHECK;

/* Sets *value to the latest one, which stays where it is until the next put; false: none was
 * ever put. */
bool store_note(const struct store *store, enum record_kind kind, uint32_t id, struct bytes *value);

/* Reads the record at a location, whose segment is pinned, from disk and verifies it; no
 * lock is needed. *data is malloc'ed, the caller's. DHT_ENOMEM; DHT_ECORRUPT: the disk
 * lied, which was logged; those of store/os.h. */
int store_fetch(const struct store *store, uint64_t location, uint8_t **data) DHT_MUST_CHECK;

/* Sets the two flags of the entry that hit describes, and in hit. */
void store_set_flags(struct store *store, const struct store_key *key, struct store_hit *hit,
		     bool promised, bool hot);

/* Visits the entries of a block in the order of their hash, from hash `from` on,
 * until at least max were visited; entries of equal hash are never split. Returns
 * the hash to go on from, STORE_HASH_END when the block is done. Because the order
 * is that of the hashes, a cursor survives growth: an entry that is there
 * throughout is visited, and none twice but through a put of its key after an erase.
 * found is STORE_FOUND, STORE_COLD or STORE_DAMAGED, in the last two cases without a
 * record; fetched is as in store_find. visit must not change the block. */
typedef void (*store_visit_fn)(void *ctx, uint32_t block, enum store_found found,
			       const struct store_hit *hit);
uint32_t store_scan(const struct store *store, uint32_t block, uint32_t from, unsigned max,
		    const struct store_fetched *fetched, store_visit_fn visit, void *ctx);

/* The same, but only tombstones are visited, and records that are cold (a tombstone or not:
 * fetched tells); max is that of the entries looked at. A block without tombstones costs
 * nothing. */
uint32_t store_scan_tombstones(const struct store *store, uint32_t block, uint32_t from,
			       unsigned max, const struct store_fetched *fetched,
			       store_visit_fn visit, void *ctx);

enum { STORE_DIGEST_COLD_MAX = 64 };

/* What a range of hashes of a block holds: equal wherever the same keys have the same acc. */
struct store_digest {
	uint64_t count; /* of entries: values and tombstones */
	uint64_t sum;   /* of a hash of key and acc of each, modulo 2^64 */
	/* STORE_FOUND; STORE_COLD: some records must be fetched, and the step repeated with
	 * them; STORE_DAMAGED. Only in the first case the digest is one. */
	enum store_found found;
	unsigned cold_count; /* of the records to fetch, the first ones: */
	uint64_t cold[STORE_DIGEST_COLD_MAX];
};

/* Makes the digest of the entries with hashes from `from` on, below `until` (at most
 * STORE_HASH_END), until at least max were looked at; entries of equal hash are never split.
 * Returns the hash to go on from, `until` when the range is done: so the digest is that of
 * [from, what is returned). */
uint32_t store_digest(const struct store *store, uint32_t block, uint32_t from, uint32_t until,
		      unsigned max, const struct store_fetched *fetched, struct store_digest *out);

/* Keeps the segment of a location from being reused, across the group lock: pinning is
 * for a record that is the latest of its key, under the lock of its group, or that is pinned
 * already. */
void store_pin(struct store *store, uint64_t location);
void store_unpin(struct store *store, uint64_t location);

/* Appends CEILING, the counter's durable ceiling (the register protocol, section 1). The
 * highest one put is found by every later recovery. Otherwise as store_put. */
int store_put_ceiling(struct store *store, unsigned appender, uint64_t ceiling,
		      uint64_t *end) DHT_MUST_CHECK;

/* Everything before this position is durable. A store without files keeps nothing
 * across a restart, so there is nothing to wait for: it is the end of the log. */
uint64_t store_durable(const struct store *store);

/* The same for what was written, and survives an end of the process: at or beyond
 * store_durable. */
uint64_t store_written(const struct store *store);

/* The end of the log: whatever was appended lies before it, durable or not. */
uint64_t store_end(const struct store *store);

/* Writes all records whose copies are complete to the kernel. It takes as long as copying
 * them, and, unless the store is lazy, a sync when a segment ends. Appenders never wait for
 * it. DHT_ENOMEM: memory or descriptors are short, try again. Any other error is final: the
 * disk failed, the node must stop; every later call of these four returns it again. Without
 * files there is nothing to do. */
int store_write(struct store *store) DHT_MUST_CHECK;

/* Syncs what was written. */
int store_sync(struct store *store) DHT_MUST_CHECK;

/* True while files wait for a sync before they can be used again, or given back. */
bool store_wants_sync(const struct store *store);

/* Maps the segments that were sealed, frees files and provides the next segment, where
 * that is due: store_wants_turn, which changes with every append and write. */
bool store_wants_turn(const struct store *store);
int store_turn(struct store *store) DHT_MUST_CHECK;

/* All of these, as far as they are due; with STORE_SYNC it syncs. */
int store_commit(struct store *store, enum store_sync how) DHT_MUST_CHECK;

/* False while an append may be told DHT_EAGAIN. */
bool store_has_room(const struct store *store);

/* True while the disk has no room for another file. */
bool store_is_full(const struct store *store);

/* True if store_prepare has something to do. */
bool store_wants_segment(const struct store *store);

/* Makes one spare file, or removes one that is too many; it takes as long as the disk
 * needs to write a segment. Runs beside store_commit. DHT_ENOSPC: the disk is full; try
 * again when there may be room (files that the log gives up count). Others: store/os.h. */
int store_prepare(struct store *store) DHT_MUST_CHECK;

/* True if store_touch_memory has something to do. */
bool store_wants_memory(const struct store *store);

/* Has the system provide a piece of the memory that appends come to next. */
void store_touch_memory(struct store *store);

/* Called once a second or so, it keeps store_background from segments that are about to
 * die. */
void store_tick(struct store *store);

/* True if store_background has something to do. */
bool store_wants_background(const struct store *store);

/* Verifies one segment that was written, and whose records were not verified since, and
 * leaves a hint file, with which the next store_open need not read it. Takes as long as it
 * takes to read a segment. Runs beside store_commit. DHT_ECORRUPT: a record or the end does
 * not verify, report->why says which: the disk lies, the node must stop. Others:
 * store/os.h. Hint files only save time: that there is no room for one is no error. */
int store_background(struct store *store, struct store_report *report) DHT_MUST_CHECK;

/* ---- Compaction ------------------------------------------------------------------
 *
 * Each round: store_compact_begin, then store_compact until it says DHT_ENOTFOUND; then
 * the committer's next turns give the file back. */

/* How much disk the log takes beside what is alive in it at now_ms, the time since 1970. Of
 * what has expired, only that counts as dead which no scan of the memory finds: in segments
 * that are cold, and in which all that can expire has. */
enum store_pressure {
	STORE_PRESSURE_NONE,
	STORE_PRESSURE_SOME,   /* compact, at leisure */
	STORE_PRESSURE_HIGH,   /* compact as fast as can be */
	STORE_PRESSURE_SEVERE, /* writers have to wait for it */
};
enum store_pressure store_pressure(const struct store *store, uint64_t now_ms);

/* What a step asks of its caller: the locks of the blocks' groups, and to remove keys. */
struct store_caller {
	void *ctx;
	void (*lock)(void *ctx, uint32_t block);
	void (*unlock)(void *ctx, uint32_t block);
	/* Removes a key whose value, which hit describes, has expired, by store_put and
	 * store_erase under the lock that is held; errors are theirs. NULL: such values are
	 * copied like others. */
	int (*expire)(void *ctx, unsigned appender, const struct store_key *key,
		      struct store_hit *hit);
};

/* Chooses the segment to empty next, and reads it if it is cold; nothing while one is
 * being emptied. In it, what has expired by now_ms will be removed. The housekeeper's.
 * DHT_ENOTFOUND: there is none with something dead in it; DHT_ENOMEM; those of store/os.h. */
int store_compact_begin(struct store *store, uint64_t now_ms) DHT_MUST_CHECK;
bool store_is_compacting(const struct store *store);

/* One step: goes over about max_bytes of that segment and copies what is alive to the end
 * of the log. One thread at a time, holding no lock. DHT_ENOTFOUND: none is being emptied
 * (any more); DHT_EAGAIN, DHT_ENOSPC: no room in the log, try again; DHT_ECORRUPT: the disk
 * lied, which was logged. */
int store_compact(struct store *store, unsigned appender, const struct store_caller *caller,
		  size_t max_bytes, size_t *done_bytes) DHT_MUST_CHECK;

/* ---- Memory ---------------------------------------------------------------------- */

/* Lets the newest segments be in memory, as far as memory_bytes allows, and no others: does
 * one step towards that. *changed tells whether there was one to do. The housekeeper's. */
int store_balance(struct store *store, bool *changed) DHT_MUST_CHECK;

/* Counters, near-current; exact when nothing runs. */
struct store_counts {
	uint64_t
	    keys; /* entries that hold a value (expired ones that were not yet removed included) */
	uint64_t tombstones;
	uint64_t expiring;   /* of `keys`: those with an expiry */
	uint64_t bytes;      /* keys and values of `keys` */
	uint64_t live_bytes; /* whole records that entries point to */
	uint64_t dead_bytes; /* the rest of what the segments hold */
	uint64_t index_bytes;
	uint64_t segments;
	uint64_t cold_segments; /* of these */
	uint64_t mapped_bytes;  /* of the others */
	uint64_t disk_bytes;    /* of all files, spares included */
	uint64_t spare_files;
	bool is_full; /* the disk has no room for another file */
	bool is_compacting;
	uint32_t compact_permille; /* of the segment that is being emptied */
	uint64_t compact_segments; /* emptied since the start */
	uint64_t compact_copied_bytes;
};
void store_count(const struct store *store, struct store_counts *counts);

/* The same of all blocks. */
uint64_t store_expiring_total(const struct store *store);

/* The number of keys of a block, as counted in `keys`. */
uint32_t store_keys(const struct store *store, uint32_t block);

/* The number of its tombstones. */
uint32_t store_tombstones(const struct store *store, uint32_t block);

/* The share of one entry in the memory that a block's index takes. */
uint32_t store_entry_bytes(const struct store *store, uint32_t block);

/* The number of keys of a block that have an expiry; 0: none of them can expire. */
uint32_t store_expiring(const struct store *store, uint32_t block);

/* Finds the segment that has a byte of memory: *slot and *offset are set to its place. Reads
 * atomics only, so that a signal handler may ask, whatever it has interrupted. */
bool store_find_address(const struct store *store, const void *address, uint32_t *slot,
			uint32_t *offset);

#endif
