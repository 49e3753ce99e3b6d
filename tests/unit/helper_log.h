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

/* A VALUE whose acc is of version 1 and the counter, the same as a copy, and an ERASE with
 * that as its floor. */
struct record helper_log_value(const char *key, uint64_t counter, const char *text);
struct record helper_log_copy_of(struct record rec);
struct record helper_log_erasure(const char *key, uint64_t counter);

/* Writes the segments and their manifest to an empty disk. */
void helper_log_write(struct helper_disk *disk);

#endif
