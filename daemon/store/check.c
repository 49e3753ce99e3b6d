/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/catalog.h"
#include "store/hint.h"
#include "store/os.h"
#include "store/store.h"

/* store_check under way. */
struct check {
	struct hint_maker maker;
	bool has_hashes;
	struct catalog catalog;
	struct catalog_walk *walks; /* by place in the catalog */
	struct store_report *report;
	store_damage_fn found;
	void *ctx;
	char first[sizeof(((struct store_report *)0)->why)];
};

/* What stops the check, and what is damage that it goes on after. */
static int note_damage(struct check *check, int rc)
{
	if (rc != DHT_ECORRUPT)
		return rc;
	if (check->first[0] == '\0')
		memcpy(check->first, check->report->why, sizeof(check->first));
	check->found(check->ctx, check->report->why);
	return 0;
}

/* Keys are not hashed: the list serves to walk only. */
static void locate_nowhere(void *ctx, struct store_key *key, uint32_t blocks)
{
	(void)blocks;
	key->hash = 0;
	key->block = 0;
}

static int hint_damage(struct check *check, uint32_t slot, size_t offset, const char *reason)
{
	char name[HINT_NAME_SIZE];
	hint_name(slot, name);
	snprintf(check->report->why, sizeof(check->report->why), "%s, offset %zu: %s", name, offset,
		 reason);
	return DHT_ECORRUPT;
}

/* Compares a hint file with the list made from its segment. */
static int check_hint(struct check *check, const struct catalog_segment *segment, struct hint *made)
{
	uint64_t size = check->catalog.hint_size[segment->slot];
	struct hint hint;
	if (size == 0 || !check->has_hashes)
		return 0;
	int rc = hint_read(&check->maker, segment, size, check->catalog.manifest.segment_size_bytes,
			   &hint);
	if (rc == DHT_ECORRUPT)
		return hint_damage(check, segment->slot, 0, "it does not verify");
	if (rc != 0)
		return rc == DHT_ENOTFOUND ? 0 : rc;
	hint_seal(made);
	size_t at = 0, end = made->len < hint.len ? made->len : hint.len;
	while (at < end && hint.data[at] == made->data[at])
		at++;
	if (at < made->len || at < hint.len)
		rc = hint_damage(check, segment->slot, at, "it contradicts its segment");
	hint_free(&check->maker, &hint);
	return rc;
}

static int check_segment(struct check *check, uint32_t place)
{
	const struct catalog_segment *segment = &check->catalog.segments[place];
	struct catalog_walk *walk = &check->walks[place];
	struct store_report *report = check->report;
	struct hint made = {0};
	int rc =
	    hint_build_from_file(&check->maker, segment, check->catalog.manifest.segment_size_bytes,
				 walk, &made, report);
	catalog_report_walk(report, walk);
	/* The walk stopped at a record that means nothing: its end is not known. */
	if (rc == DHT_ECORRUPT && walk->end == 0)
		walk->has_mark = true;
	if (rc == 0) {
		if (made.highest_counter > report->highest_counter)
			report->highest_counter = made.highest_counter;
		if (made.ceiling > report->ceiling)
			report->ceiling = made.ceiling;
		rc = check_hint(check, segment, &made);
	}
	hint_free(&check->maker, &made);
	return rc;
}

static int check_segments(struct check *check)
{
	uint32_t count = check->catalog.manifest.count;
	int rc = 0;
	check->walks = calloc((size_t)count + 1, sizeof(*check->walks));
	if (check->walks == NULL)
		return DHT_ENOMEM;
	check->maker.blocks = check->catalog.manifest.blocks;
	check->report->ceiling = check->catalog.manifest.ceiling;
	for (uint32_t i = 0; rc == 0 && i < count; i++)
		rc = note_damage(check, check_segment(check, i));
	uint32_t open = count > 0 ? catalog_first_open(&check->catalog, check->walks) : 0;
	for (uint32_t i = 0; rc == 0 && i < open; i++)
		rc = note_damage(
		    check, catalog_check_end(&check->catalog, check->walks, i, check->report));
	if (count > 0)
		catalog_report_torn(&check->catalog, check->walks, check->report);
	return rc;
}

int store_check(const struct store_options *options, const struct store_os *os,
		store_damage_fn found, void *ctx)
{
	struct store_report own;
	struct check check = {
	    .maker = {.os = os,
		      .locate = options->locate,
		      .ctx = options->ctx,
		      .hash_id = options->hash_id},
	    .has_hashes = options->locate != NULL,
	    .report = options->report != NULL ? options->report : &own,
	    .found = found,
	    .ctx = ctx,
	};
	if (!check.has_hashes)
		check.maker.locate = locate_nowhere;
	*check.report = (struct store_report){0};
	int rc = catalog_read(&check.catalog, os, check.report);
	bool is_readable = rc == 0;
	rc = note_damage(&check, rc);
	if (is_readable)
		rc = check_segments(&check);
	if (rc == 0 && check.first[0] != '\0')
		rc = DHT_ECORRUPT;
	memcpy(check.report->why, check.first, sizeof(check.first));
	free(check.walks);
	catalog_free(&check.catalog);
	return rc;
}
