/* SPDX-License-Identifier: Apache-2.0
 *
 * store/catalog - the files that a disk has, and what they are to the log.
 *
 * Why     Recovery and the check of a store begin alike: manifest and directory are read
 *         and compared, then segments are walked, record by record.
 * Owns    Its list.
 * Thread  one.
 * Errors  DHT_ECORRUPT, with a sentence in report->why; DHT_ENOMEM; those of store/os.h.
 */
#ifndef DHT_STORE_CATALOG_H
#define DHT_STORE_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/manifest.h"
#include "store/os.h"
#include "store/record.h"
#include "store/store.h"

struct catalog_segment {
	uint64_t sequence;
	uint32_t slot;
};

struct catalog {
	struct manifest manifest;         /* blocks 0: there is none, and no file */
	struct catalog_segment *segments; /* manifest.count of them, by sequence */
	uint64_t *file_size;              /* by slot; 0: no file */
	uint64_t *hint_size;              /* the same of hint files */
	uint32_t slots_used;
};

int catalog_read(struct catalog *catalog, const struct store_os *os,
		 struct store_report *report) DHT_MUST_CHECK;
void catalog_free(struct catalog *catalog);

/* Receives a record that was verified: the bytes of it and where they begin. */
typedef int (*catalog_visit_fn)(void *ctx, const uint8_t *data, uint32_t offset,
				const struct record *rec, size_t size);

struct catalog_walk {
	uint32_t end;     /* where the records end */
	uint64_t records; /* how many there were */
	bool has_mark;    /* the end mark stands there */
	uint64_t torn;    /* without it: how many bytes from there on may be lost records */
};

/* Walks the records in the size bytes of a segment, whose header is not looked at. Returns
 * 0, or what visit returned, unless that was 0. */
int catalog_walk(const uint8_t *data, size_t size, uint64_t sequence, catalog_visit_fn visit,
		 void *ctx, struct catalog_walk *walk) DHT_MUST_CHECK;

/* Compares the header of the size bytes of a segment with what the manifest says. */
int catalog_check_header(const uint8_t *data, size_t size, const struct catalog_segment *segment,
			 struct store_report *report) DHT_MUST_CHECK;

/* The first of the segments that may be torn (store/recover.h), by their walks. */
uint32_t catalog_first_open(const struct catalog *catalog, const struct catalog_walk *walks);

/* Adds what a walk found to the report. */
void catalog_report_walk(struct store_report *report, const struct catalog_walk *walk);

/* Adds what may be lost of the segments that may be torn. */
void catalog_report_torn(const struct catalog *catalog, const struct catalog_walk *walks,
			 struct store_report *report);

/* Segment i, which cannot be torn, has its end mark; or all of those have. */
int catalog_check_end(const struct catalog *catalog, const struct catalog_walk *walks, uint32_t i,
		      struct store_report *report) DHT_MUST_CHECK;
int catalog_check_ends(const struct catalog *catalog, const struct catalog_walk *walks,
		       struct store_report *report) DHT_MUST_CHECK;

/* Writes the sentence about a damage in a segment file; returns DHT_ECORRUPT. */
int catalog_damage(struct store_report *report, uint32_t slot, uint64_t offset, const char *reason);

#endif
