/* SPDX-License-Identifier: Apache-2.0
 *
 * store/notes - records that are about no key: MAP, VOTE and FIN, the latest of each.
 *
 * Why     What a node must know beside its data is in the same log, so that one commit is
 *         for both: the map and the drops it causes above all.
 * Owns    The bytes of the latest notes, and where they lie. The marks.
 * Thread  A note: under the lock of the group of the block that it names by its id (MAP and
 *         VOTE: 0). The marks change in a recovery only.
 * Errors  DHT_ENOMEM; those of an append.
 *
 * A recovery decides which DROP counts: one whose epoch is greater than that of the latest MAP
 * has lost its commit, so the data must be there still. It must never count again, not even
 * when a MAP of its epoch follows: therefore such a recovery puts a mark before everything
 * that follows, a DROP record without a key. A DROP is void if behind it (where it was first
 * appended) there is a mark of a lower epoch; the end of the log is as good as a mark. A mark
 * stays as long as a void DROP may be there. A void DROP is never copied: it would outlive
 * its mark.
 */
#ifndef DHT_STORE_NOTES_H
#define DHT_STORE_NOTES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "store/record.h"

struct store;

/* The latest of a kind and id. */
struct note {
	uint64_t location; /* 0: there was none */
	uint32_t size;     /* of the record */
	uint8_t *value;    /* the record's, epoch included; malloc'ed */
};

/* Before this position DROPs of a greater epoch are void. */
struct note_mark {
	uint64_t position;
	uint64_t epoch;
};

struct notes {
	struct note *latest; /* of MAP, of VOTE, and of FIN by block */
	struct note_mark *marks;
	uint32_t mark_count;
};

int notes_init(struct notes *notes, uint32_t blocks) DHT_MUST_CHECK;
void notes_fini(struct notes *notes, uint32_t blocks);

/* The note of a kind that a record with this key is about. The key is one of its kind. */
struct note *notes_of_key(const struct notes *notes, enum record_kind kind, struct bytes key);

/* Adds a mark. DHT_ENOMEM. */
int notes_add_mark(struct notes *notes, struct note_mark mark) DHT_MUST_CHECK;

/* True if a mark says so. */
bool notes_is_void(const struct notes *notes, uint64_t position, uint64_t epoch);

/* Makes a record the latest of its note: a copy of its value is kept. DHT_ENOMEM. */
int notes_set(struct note *note, uint64_t location, const struct record *rec) DHT_MUST_CHECK;

/* The epoch of the latest MAP; 0: there is none. */
uint64_t notes_map_epoch(const struct notes *notes);

#endif
