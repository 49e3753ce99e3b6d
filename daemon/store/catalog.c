/* SPDX-License-Identifier: Apache-2.0 */
#include "store/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/segment.h"

int catalog_damage(struct store_report *report, uint32_t slot, uint64_t offset, const char *reason)
{
	snprintf(report->why, sizeof(report->why), "segments/%08x.seg, offset %llu: %s", slot,
		 (unsigned long long)offset, reason);
	return DHT_ECORRUPT;
}

static int manifest_damage(struct store_report *report, const char *reason)
{
	snprintf(report->why, sizeof(report->why), "%s, offset 0: %s", MANIFEST_NAME, reason);
	return DHT_ECORRUPT;
}

/* Reads the manifest whole: *data is the caller's. DHT_ENOTFOUND: there is none. */
static int read_manifest(const struct store_os *os, struct store_report *report, uint8_t **data,
			 struct manifest *manifest)
{
	size_t len = 0;
	int rc = os->file_read(os->ctx, MANIFEST_NAME, NULL, 0, &len);
	if (rc == 0)
		return manifest_damage(report, "it is empty");
	if (rc != DHT_ETOOBIG)
		return rc;
	if (len > manifest_size(STORE_SEGMENTS_MAX))
		return manifest_damage(report, "it is too large");
	*data = malloc(len);
	if (*data == NULL)
		return DHT_ENOMEM;
	rc = os->file_read(os->ctx, MANIFEST_NAME, *data, len, &len);
	if (rc != 0)
		return rc;
	if (manifest_decode(*data, len, manifest) != 0)
		return manifest_damage(report, "it does not verify");
	uint32_t blocks = manifest->blocks;
	if (blocks < STORE_BLOCKS_MIN || blocks > STORE_BLOCKS_MAX || (blocks & (blocks - 1)) != 0)
		return manifest_damage(report, "it names an impossible number of blocks");
	return 0;
}

static void found_file(void *arg, enum store_os_file kind, uint32_t slot, uint64_t size)
{
	struct catalog *catalog = arg;
	DHT_ASSERT(slot < STORE_SEGMENTS_MAX);
	if (kind == STORE_OS_HINT) {
		catalog->hint_size[slot] = size;
		return;
	}
	catalog->file_size[slot] = size > 0 ? size : UINT64_MAX;
	if (slot >= catalog->slots_used)
		catalog->slots_used = slot + 1;
}

static int by_sequence(const void *a, const void *b)
{
	const struct catalog_segment *x = a, *y = b;
	return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* Every segment of the manifest has a file of its own and a sequence of its own. */
static int read_segments(struct catalog *catalog, const uint8_t *data, struct store_report *report)
{
	uint32_t count = catalog->manifest.count;
	catalog->segments = calloc(count + 1, sizeof(*catalog->segments));
	if (catalog->segments == NULL)
		return DHT_ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		struct catalog_segment *segment = &catalog->segments[i];
		manifest_decode_entry(data, i, &segment->slot, &segment->sequence);
		if (segment->slot >= STORE_SEGMENTS_MAX || segment->sequence == 0 ||
		    segment->sequence >= UINT64_C(1) << (63 - STORE_OFFSET_BITS) ||
		    (i > 0 && segment->slot <= segment[-1].slot))
			return manifest_damage(report, "it names impossible segments");
		if (catalog->file_size[segment->slot] == 0)
			return catalog_damage(report, segment->slot, 0, "the file is missing");
	}
	qsort(catalog->segments, count, sizeof(*catalog->segments), by_sequence);
	for (uint32_t i = 1; i < count; i++) {
		if (catalog->segments[i].sequence == catalog->segments[i - 1].sequence)
			return manifest_damage(report, "it names a segment twice");
	}
	return 0;
}

static int check_files(const struct catalog *catalog, bool has_manifest,
		       struct store_report *report)
{
	for (uint32_t i = 0; i < catalog->slots_used; i++) {
		if (catalog->file_size[i] == 0)
			continue;
		if (!has_manifest)
			return manifest_damage(report, "it is missing, but there are segments");
		if (catalog->file_size[i] != catalog->manifest.segment_size_bytes)
			return catalog_damage(report, i, 0, "the file has another size");
	}
	return 0;
}

int catalog_read(struct catalog *catalog, const struct store_os *os, struct store_report *report)
{
	uint8_t *data = NULL;
	*catalog = (struct catalog){0};
	catalog->file_size = calloc(STORE_SEGMENTS_MAX, sizeof(*catalog->file_size));
	catalog->hint_size = calloc(STORE_SEGMENTS_MAX, sizeof(*catalog->hint_size));
	if (catalog->file_size == NULL || catalog->hint_size == NULL)
		return DHT_ENOMEM;
	int rc = os->list(os->ctx, found_file, catalog);
	if (rc != 0)
		return rc;
	rc = read_manifest(os, report, &data, &catalog->manifest);
	bool has_manifest = rc == 0;
	if (rc == 0 || rc == DHT_ENOTFOUND)
		rc = check_files(catalog, has_manifest, report);
	if (rc == 0 && has_manifest)
		rc = read_segments(catalog, data, report);
	free(data);
	return rc;
}

void catalog_free(struct catalog *catalog)
{
	free(catalog->segments);
	free(catalog->file_size);
	free(catalog->hint_size);
}

/* Up to the first zeros. */
static uint64_t torn_bytes(const uint8_t *data, size_t size, uint32_t offset)
{
	enum { ZEROS = 32 };
	size_t zeros = 0, at = offset;
	while (at < size && zeros < ZEROS) {
		zeros = data[at] == 0 ? zeros + 1 : 0;
		at++;
	}
	return at - zeros - offset;
}

int catalog_walk(const uint8_t *data, size_t size, uint64_t sequence, catalog_visit_fn visit,
		 void *ctx, struct catalog_walk *walk)
{
	size_t limit = size - 1 - SEGMENT_END_SIZE, at = SEGMENT_HEADER_SIZE;
	struct record rec;
	size_t len;
	*walk = (struct catalog_walk){0};
	while (record_decode(data + at, limit - at, sequence, &rec, &len) == 0) {
		int rc = visit(ctx, data + at, (uint32_t)at, &rec, len);
		if (rc != 0)
			return rc;
		walk->records++;
		at += len;
	}
	walk->end = (uint32_t)at;
	walk->has_mark = segment_end_matches(data + at, sequence, walk->end);
	if (!walk->has_mark)
		walk->torn = torn_bytes(data, size, walk->end);
	return 0;
}

int catalog_check_header(const uint8_t *data, size_t size, const struct catalog_segment *segment,
			 struct store_report *report)
{
	uint64_t sequence;
	if (segment_header_decode(data, size, &sequence) != 0 || sequence != segment->sequence)
		return catalog_damage(report, segment->slot, 0,
				      "the header is not that of the manifest's segment");
	return 0;
}

void catalog_report_walk(struct store_report *report, const struct catalog_walk *walk)
{
	report->segments++;
	report->records += walk->records;
	report->segment_bytes += walk->end;
}

uint32_t catalog_first_open(const struct catalog *catalog, const struct catalog_walk *walks)
{
	uint32_t count = catalog->manifest.count;
	if (count < 2)
		return 0;
	return walks[count - 1].records == 0 ? count - 2 : count - 1;
}

void catalog_report_torn(const struct catalog *catalog, const struct catalog_walk *walks,
			 struct store_report *report)
{
	for (uint32_t i = catalog_first_open(catalog, walks); i < catalog->manifest.count; i++)
		report->cut_bytes += walks[i].torn;
}

int catalog_check_end(const struct catalog *catalog, const struct catalog_walk *walks, uint32_t i,
		      struct store_report *report)
{
	if (walks[i].has_mark)
		return 0;
	return catalog_damage(report, catalog->segments[i].slot, walks[i].end,
			      "neither a record nor the end mark verifies");
}

int catalog_check_ends(const struct catalog *catalog, const struct catalog_walk *walks,
		       struct store_report *report)
{
	uint32_t open = catalog_first_open(catalog, walks);
	int rc = 0;
	for (uint32_t i = 0; rc == 0 && i < open; i++)
		rc = catalog_check_end(catalog, walks, i, report);
	return rc;
}
