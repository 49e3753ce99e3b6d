/* SPDX-License-Identifier: Apache-2.0 */
#include "store/scrub.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "store/catalog.h"

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

/* Segments below this sequence are on disk, whole, whatever happens: with a hint file
 * their records are not read by the next recovery. */
static uint64_t end_of_durable(const struct files *files)
{
	return tail_sequence_of(files_durable(files));
}

bool scrub_wants(const struct scrub *scrub, const struct files *files)
{
	return atomic_load_explicit(&scrub->until, memory_order_relaxed) < end_of_durable(files);
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

int scrub_next(struct scrub *scrub, struct segments *segs, const struct files *files,
	       struct store_report *report)
{
	uint64_t end = end_of_durable(files);
	uint32_t slots = atomic_load_explicit(&segs->slots_used, memory_order_acquire);
	for (uint32_t slot = 0; slot < slots; slot++) {
		struct catalog_segment segment = {.slot = slot};
		if (!take_segment(scrub, segs, slot, end, &segment.sequence))
			continue;
		int rc = scrub_segment(scrub, segs, files, &segment, report);
		segment_unpin_slot(segs, slot);
		if (rc != DHT_ENOMEM)
			return rc;
	}
	atomic_store_explicit(&scrub->until, end, memory_order_relaxed);
	return 0;
}
