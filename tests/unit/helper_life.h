/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_life - the random life of a store over a disk that crashes, against a model.
 *
 * Why     What a store must not lose, whatever it does at the moment of a crash, follows
 *         from one rule: after a recovery it is what it was after some operation in the
 *         log's order, and that is none before the last one which was acknowledged.
 * Owns    Disk, store and model: one life at a time.
 * Thread  one.
 * Errors  abort the test, after a line that names plan and seed.
 *
 * All that happens follows from plan and seed. A life can be explored: then, whenever
 * it is about to change the disk, and after each step of a compaction, a child process
 * crashes there, recovers, compares, lives on, crashes again and recovers once more,
 * while the parent waits and goes on as if nothing had been.
 */
#ifndef DHT_TESTS_HELPER_LIFE_H
#define DHT_TESTS_HELPER_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "helper_disk.h"
#include "store/store.h"

enum {
	LIFE_BLOCKS = 64,
	LIFE_BLOCKS_USED = 6,
	LIFE_SEGMENT = STORE_SEGMENT_SIZE_MIN,
	LIFE_KEYS = 30,
	LIFE_VALUE_MAX = 1 << 19,
};

struct life_plan {
	const char *name;
	enum helper_disk_loss loss;
	bool compacts;
	bool is_lazy;
	uint64_t memory_bytes; /* as of struct store_options */
	uint64_t capacity;     /* of the disk in bytes; 0: without a bound */
};

struct life {
	struct life_plan plan;
	uint64_t seed;
	struct helper_disk disk;
	struct store *store; /* NULL: not open */
	struct store_report report;
	uint64_t explored; /* crashes in children so far */
	bool is_child;
	uint64_t now_ms; /* what has expired by then leaves with its segment */
	/* How often things happened, so that a test can see that it tests something. */
	uint64_t compactions, cold_reads, drops, refused, expired;
};

extern struct life life;

/* Begins a life: an empty disk, an empty model. life_end gives all of it back. */
void life_begin(const struct life_plan *plan, uint64_t seed);
void life_end(void);

/* From now on children crash at each change of the disk and after each step of a
 * compaction: every `every`-th of these moments. */
void life_explore(unsigned every);

/* Opens the store. Returns the error of store_open, whose sentence is in life.report. */
int life_open(void);

/* Runs random operations until an error or the end, and acknowledges what may be. */
int life_run(unsigned count);

/* Single operations, as life_run draws them. They return what the store said, after
 * providing room if that was all it wanted. life_delete: a tombstone, then its erasure.
 * life_drop: a block is dropped, and the map that says so is written. */
int life_put(uint32_t id, size_t len);
int life_put_expiring(uint32_t id, size_t len, uint64_t expires_ms);
int life_erase(uint32_t id);
int life_delete(uint32_t id);
int life_drop(uint32_t block);
int life_vote(size_t len);
int life_fin(uint32_t block);
void life_set_flags(uint32_t id, bool promised, bool hot);

/* Makes room for appends: spare files, and a commit. */
int life_provide(void);

/* Empties one segment, if one has something dead in it: DHT_ENOTFOUND otherwise. */
int life_compact(void);

/* What the housekeeper does until it has nothing to do: compaction by pressure, commits,
 * spare files. */
int life_keep_house(void);

/* Lets the segments be in memory that may be. */
int life_balance(void);

/* Commits all of it, which is acknowledged then. */
int life_commit(void);

/* Compares every key with the model, byte by byte. */
void life_check(void);

/* Crashes, unless the disk has: power comes back, the store opens, and it is as it was
 * after an operation that is not before the last acknowledged one. */
void life_recover(void);

/* The process ends, with nothing lost, and another one opens the store: it has all that was
 * written. DHT_EIO: the disk crashed meanwhile. */
int life_restart(void);

/* The same, and nothing is compared. */
int life_reopen(void);

/* Where the store that lives finds its keys: of eight bytes, the number of the key. */
void life_locate(void *ctx, struct store_key *key, uint32_t blocks);

/* Number of the last operation, and of the last acknowledged one. */
uint64_t life_operations(void);
uint64_t life_acknowledged(void);

/* What a child does when it has crashed: it ends here. A parent returns. */
void life_end_child(void);

/* How many seeds a test should try: normal, times what the environment variable
 * DHT_TEST_SCALE says. DHT_TEST_SEED is added to the first one. */
uint64_t life_seeds(uint64_t normal);
uint64_t life_first_seed(void);

#endif
