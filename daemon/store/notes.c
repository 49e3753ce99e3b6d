/* SPDX-License-Identifier: Apache-2.0 */
#include "store/notes.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/state.h"

enum { PLACE_OF_MAP, PLACE_OF_VOTE, PLACE_OF_FINS };

int notes_init(struct notes *notes, uint32_t blocks)
{
	/* Mostly untouched: zeroed pages that the system need not provide. */
	*notes = (struct notes){.latest = calloc(PLACE_OF_FINS + blocks, sizeof(*notes->latest))};
	return notes->latest != NULL ? 0 : DHT_ENOMEM;
}

void notes_fini(struct notes *notes, uint32_t blocks)
{
	for (uint32_t i = 0; notes->latest != NULL && i < PLACE_OF_FINS + blocks; i++)
		free(notes->latest[i].value);
	free(notes->latest);
	free(notes->marks);
	*notes = (struct notes){0};
}

static struct note *note_of(const struct notes *notes, enum record_kind kind, uint32_t id)
{
	DHT_ASSERT(kind == RECORD_MAP || kind == RECORD_VOTE || kind == RECORD_FIN);
	DHT_ASSERT(kind == RECORD_FIN || id == 0);
	if (kind == RECORD_FIN)
		return &notes->latest[PLACE_OF_FINS + id];
	return &notes->latest[kind == RECORD_MAP ? PLACE_OF_MAP : PLACE_OF_VOTE];
}

struct note *notes_of_key(const struct notes *notes, enum record_kind kind, struct bytes key)
{
	return note_of(notes, kind, kind == RECORD_FIN ? get_u32(key.data) : 0);
}

int notes_add_mark(struct notes *notes, struct note_mark mark)
{
	struct note_mark *larger =
	    realloc(notes->marks, (notes->mark_count + 1) * sizeof(*notes->marks));
	if (larger == NULL)
		return DHT_ENOMEM;
	notes->marks = larger;
	notes->marks[notes->mark_count++] = mark;
	return 0;
}

bool notes_is_void(const struct notes *notes, uint64_t position, uint64_t epoch)
{
	for (uint32_t i = 0; i < notes->mark_count; i++) {
		if (position < notes->marks[i].position && epoch > notes->marks[i].epoch)
			return true;
	}
	return false;
}

static void replace(struct note *note, uint64_t location, const struct record *rec, uint8_t *value)
{
	free(note->value);
	*note =
	    (struct note){.location = location, .size = (uint32_t)record_size(rec), .value = value};
}

int notes_set(struct note *note, uint64_t location, const struct record *rec)
{
	DHT_ASSERT(rec->value.len >= RECORD_EPOCH_SIZE);
	uint8_t *value = malloc(rec->value.len);
	if (value == NULL)
		return DHT_ENOMEM;
	memcpy(value, rec->value.data, rec->value.len);
	replace(note, location, rec, value);
	return 0;
}

uint64_t notes_map_epoch(const struct notes *notes)
{
	const uint8_t *value = notes->latest[PLACE_OF_MAP].value;
	return value != NULL ? get_u64(value) : 0;
}

int store_put_note(struct store *store, unsigned appender, enum record_kind kind, uint32_t id,
		   uint64_t epoch, struct bytes value, uint64_t *end)
{
	DHT_ASSERT(id < store->block_count && value.len <= RECORD_VALUE_MAX - RECORD_EPOCH_SIZE);
	DHT_ASSERT(kind != RECORD_FIN || value.len == RECORD_FIN_VERSION_SIZE);
	struct note *note = note_of(&store->notes, kind, id);
	uint8_t key[RECORD_BLOCK_KEY_SIZE];
	uint8_t *whole = malloc(RECORD_EPOCH_SIZE + value.len);
	uint64_t location;
	if (whole == NULL)
		return DHT_ENOMEM;
	put_u32(key, id);
	put_u64(whole, epoch);
	if (value.len > 0)
		memcpy(whole + RECORD_EPOCH_SIZE, value.data, value.len);
	struct record rec = {.kind = kind,
			     .key = bytes_of(key, kind == RECORD_FIN ? sizeof(key) : 0),
			     .value = bytes_of(whole, RECORD_EPOCH_SIZE + value.len)};
	/* No file leaves the log before a map that drops blocks is there: so it may take what
	 * they are to give back. */
	enum tail_claim claim = kind == RECORD_MAP ? TAIL_CLAIM_MOVE : TAIL_CLAIM_ERASE;
	int rc = tail_append(&store->tail, appender, &rec, claim, &location, end);
	if (rc != 0) {
		free(whole);
		return rc;
	}
	if (note->location != 0)
		segment_kill(&store->segs, note->location, note->size);
	replace(note, location, &rec, whole);
	if (kind != RECORD_MAP)
		return 0;
	atomic_store_explicit(&store->map_end, *end, memory_order_release);
	if (store->segs.has_files)
		files_note_map(&store->files, epoch);
	return 0;
}

bool store_note(const struct store *store, enum record_kind kind, uint32_t id, struct bytes *value)
{
	DHT_ASSERT(id < store->block_count);
	const struct note *note = note_of(&store->notes, kind, id);
	if (note->value == NULL)
		return false;
	size_t key_size = kind == RECORD_FIN ? RECORD_BLOCK_KEY_SIZE : 0;
	*value = bytes_of(note->value + RECORD_EPOCH_SIZE,
			  note->size - RECORD_FIXED - key_size - RECORD_EPOCH_SIZE);
	return true;
}
