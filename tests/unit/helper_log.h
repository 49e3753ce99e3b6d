/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_log - a log of segments that is written by hand, record by record.
 *
 * Errors  abort the test.
 */
#ifndef DHT_TESTS_HELPER_LOG_H
#define DHT_TESTS_HELPER_LOG_H

#include <stdint.h>

#include "helper_disk.h"
#include "store/record.h"
#include "store/store.h"

enum {
	HELPER_LOG_BLOCKS = 64,
	HELPER_LOG_SEGMENT = STORE_SEGMENT_SIZE_MIN,
	HELPER_LOG_SEGMENTS_MAX = 4,
	HELPER_LOG_CEILING = 5, /* the manifest's */
};

/* What was added so far; segment i is that of slot i. */
extern struct helper_log {
	struct helper_log_image {
		uint8_t data[HELPER_LOG_SEGMENT];
		uint32_t end;
		uint64_t sequence;
	} images[HELPER_LOG_SEGMENTS_MAX];
	uint32_t count;
} helper_log;

/* The block is the first byte of the key. */
void helper_log_locate(void *ctx, struct store_key *key, uint32_t blocks);

/* Begins with an empty log. */
void helper_log_clear(void);

/* Begins a segment, adds a record to it (whose ver is acc unless it is given), and seals it;
 * the last one may stay open. */
void helper_log_begin_segment(uint64_t sequence);
void helper_log_add(struct record rec);
void helper_log_end_segment(void);

/* The position of the record that is added next. */
uint64_t helper_log_position(void);

/* A VALUE whose acc is of version 1 and the counter, the same as a copy, and an ERASE. */
struct record helper_log_value(const char *key, uint64_t counter, const char *text);
struct record helper_log_copy_of(struct record rec);
struct record helper_log_erasure(const char *key);

/* DROP of a block, a mark, MAP, VOTE, FIN of a block. Each call uses the bytes of the one
 * before. */
struct record helper_log_drop(uint32_t block, uint64_t epoch);
struct record helper_log_mark(uint64_t epoch);
struct record helper_log_map(uint64_t epoch, const char *text);
struct record helper_log_vote(uint64_t epoch, const char *text);
struct record helper_log_fin(uint32_t block, uint64_t epoch, uint32_t version);

/* One that compaction has moved from where it was first appended. */
struct record helper_log_moved(struct record rec, uint64_t position);

/* Writes the segments and their manifest to an empty disk. */
void helper_log_write(struct helper_disk *disk);

#endif
