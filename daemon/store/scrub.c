/* SPDX-License-Identifier: Apache-2.0 */
#include "store/scrub.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "store/catalog.h"

/* What is left alone while the log grows. */
enum {
	SCRUB_LATEST = 2,     /* segments at the end of the log */
	SCRUB_LIVE_SHARE = 4, /* and those of which less than the fourth part is alive */
};

int scrub_init(struct scrub *scrub, const struct hint_maker *maker)
{
	scrub->maker = *maker;
	scrub->hinted = calloc(STORE_SEGMENTS_MAX, sizeof(*scrub->hinted));
	return scrub->hinted != NULL ? 0 : DHT_ENOMEM;
}

void scrub_fini(struct scrub *scrub)
{
	free(scrub->hinted);
	scrub->hinted = NULL;
}

void scrub_note_hinted(struct scrub *scrub, uint32_t slot, uint64_t sequence)
{
	scrub->hinted[slot] = sequence;
}

void scrub_tick(struct scrub *scrub, const struct files *files)
{
	uint64_t end = tail_sequence_of(files_durable(files));
	atomic_store_explicit(&scrub->is_busy, end != scrub->ticked_end, memory_order_relaxed);
	scrub->ticked_end = end;
}

static bool is_busy(const struct scrub *scrub)
{
	return atomic_load_explicit(&scrub->is_busy, memory_order_relaxed);
}

/* Segments below this sequence are on disk, whole, whatever happens: with a hint file
 * their records are not read by the next recovery. */
static uint64_t end_of_due(const struct scrub *scrub, const struct files *files)
{
	uint64_t end = tail_sequence_of(files_durable(files));
	if (!is_busy(scrub))
		return end;
	return end > SCRUB_LATEST ? end - SCRUB_LATEST : 0;
}

bool scrub_wants(const struct scrub *scrub, const struct files *files)
{
	if (atomic_load_explicit(&scrub->has_left, memory_order_relaxed) && !is_busy(scrub))
		return true;
	return atomic_load_explicit(&scrub->until, memory_order_relaxed) < end_of_due(scrub, files);
}

/* That there is no hint file costs the next recovery time, and nothing else. But a disk that
 * fails may have failed others. */
static int write_hint(struct scrub *scrub, uint32_t slot, struct hint *hint)
{
	const struct store_os *os = scrub->maker.os;
	char name[HINT_NAME_SIZE];
	hint_name(slot, name);
	hint_seal(hint);
	int rc = os->file_replace(os->ctx, name, hint->data, hint->len);
	if (rc != 0)
		LOG_DEBUG("store", "msg=\"no hint file\" file=%s error=\"%s\"", name,
			  dht_error_text(rc));
	return rc == DHT_EIO ? rc : 0;
}

/* Reads a segment that is pinned. On a full disk a hint file would take what the manifest
 * may need. Short of memory it is left as it is. */
static int scrub_segment(struct scrub *scrub, struct segments *segs, const struct files *files,
			 const struct catalog_segment *segment, struct store_report *report)
{
	struct hint hint = {0};
	struct catalog_walk walk;
	uint64_t *hinted = &scrub->hinted[segment->slot];
	int rc = hint_build_from_file(&scrub->maker, segment, segs->size, &walk, &hint, report);
	if (rc == 0 && !walk.has_mark)
		rc = catalog_damage(report, segment->slot, walk.end,
				    "neither a record nor the end mark verifies");
	if (rc == 0) {
		segment_set_unverified(segs, segment->slot, false);
		if (*hinted != segment->sequence && !atomic_load(&files->is_full))
			rc = write_hint(scrub, segment->slot, &hint);
	}
	if (rc == 0 || rc == DHT_ENOMEM)
		*hinted = segment->sequence;
	hint_free(&scrub->maker, &hint);
	return rc;
}

/* Whether a slot has a segment to read, which is pinned then. */
static bool take_segment(const struct scrub *scrub, struct segments *segs, uint32_t slot,
			 uint64_t end, uint64_t *sequence)
{
	*sequence = atomic_load_explicit(&segs->slots[slot].sequence, memory_order_relaxed);
	if (*sequence == 0 || *sequence >= end ||
	    (scrub->hinted[slot] == *sequence && !segment_is_unverified(segs, slot)))
		return false;
	return segment_try_pin(segs, slot, *sequence);
}

/* Whether a segment is about to die, or has. */
static bool is_dying(const struct segments *segs, uint32_t slot)
{
	uint32_t used, live;
	return !segment_measure(segs, slot, &used, &live) || live < used / SCRUB_LIVE_SHARE;
}

int scrub_next(struct scrub *scrub, struct segments *segs, const struct files *files,
	       struct store_report *report)
{
	bool busy = is_busy(scrub), has_left = false;
	uint64_t end = end_of_due(scrub, files);
	uint32_t slots = atomic_load_explicit(&segs->slots_used, memory_order_acquire);
	for (uint32_t slot = 0; slot < slots; slot++) {
		struct catalog_segment segment = {.slot = slot};
		if (!take_segment(scrub, segs, slot, end, &segment.sequence))
			continue;
		if (busy && is_dying(segs, slot)) {
			segment_unpin_slot(segs, slot);
			has_left = true;
			continue;
		}
		int rc = scrub_segment(scrub, segs, files, &segment, report);
		segment_unpin_slot(segs, slot);
		if (rc != DHT_ENOMEM)
			return rc;
	}
	atomic_store_explicit(&scrub->until, end, memory_order_relaxed);
	atomic_store_explicit(&scrub->has_left, has_left, memory_order_relaxed);
	return 0;
}
