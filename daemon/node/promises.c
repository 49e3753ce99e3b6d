/* SPDX-License-Identifier: Apache-2.0 */
#include "node/promises.h"

#include <stdlib.h>

#include "base/error.h"

enum { CAP_MIN = 8 };

struct promise {
	uint64_t hash;
	struct ballot promised;
	bool is_old;
	uint16_t key_len;
	uint8_t key[];
};

static struct bytes key_of(const struct promise *promise)
{
	return bytes_of(promise->key, promise->key_len);
}

/* The place of the key, or the empty one where it would go. There is always an empty one. */
static uint32_t seek(const struct promises *promises, struct bytes key, uint64_t hash)
{
	uint32_t mask = promises->cap - 1, at = (uint32_t)hash & mask;
	for (; promises->slots[at] != NULL; at = (at + 1) & mask) {
		const struct promise *promise = promises->slots[at];
		if (promise->hash == hash && bytes_equal(key_of(promise), key))
			break;
	}
	return at;
}

struct ballot promises_find(const struct promises *promises, struct bytes key, uint64_t hash)
{
	if (promises->count == 0)
		return BALLOT_ABSENT;
	const struct promise *promise = promises->slots[seek(promises, key, hash)];
	return promise != NULL ? promise->promised : BALLOT_ABSENT;
}

/* Lays the entries out anew, in a table at most half full. */
static int grow(struct promises *promises)
{
	uint32_t cap = promises->cap < CAP_MIN ? CAP_MIN : 2 * promises->cap;
	struct promises next = {.cap = cap, .slots = calloc(cap, sizeof(*next.slots))};
	if (next.slots == NULL)
		return DHT_ENOMEM;
	for (uint32_t i = 0; i < promises->cap; i++) {
		struct promise *promise = promises->slots[i];
		if (promise == NULL)
			continue;
		next.slots[seek(&next, key_of(promise), promise->hash)] = promise;
		next.count++;
	}
	free(promises->slots);
	*promises = next;
	return 0;
}

static int insert(struct promises *promises, struct bytes key, uint64_t hash,
		  struct ballot promised)
{
	if (promises->count == PROMISES_MAX)
		return DHT_EFULL;
	if (2 * (promises->count + 1) > promises->cap) {
		int rc = grow(promises);
		if (rc != 0)
			return rc;
	}
	struct promise *promise = malloc(sizeof(*promise) + key.len);
	if (promise == NULL)
		return DHT_ENOMEM;
	promise->hash = hash;
	promise->promised = promised;
	promise->is_old = false;
	promise->key_len = (uint16_t)key.len;
	if (key.len > 0)
		memcpy(promise->key, key.data, key.len);
	promises->slots[seek(promises, key, hash)] = promise;
	promises->count++;
	return 0;
}

int promises_set(struct promises *promises, struct bytes key, uint64_t hash, struct ballot promised)
{
	DHT_ASSERT(!ballot_is_absent(promised) && key.len <= UINT16_MAX);
	struct promise *there =
	    promises->count > 0 ? promises->slots[seek(promises, key, hash)] : NULL;
	if (there == NULL)
		return insert(promises, key, hash, promised);
	there->promised = promised;
	there->is_old = false;
	return 0;
}

/* Moves up what stands behind an emptied place and may not be cut off from its home. */
static void close_gap(struct promises *promises, uint32_t gap)
{
	uint32_t mask = promises->cap - 1;
	for (uint32_t at = (gap + 1) & mask; promises->slots[at] != NULL; at = (at + 1) & mask) {
		uint32_t home = (uint32_t)promises->slots[at]->hash & mask;
		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		promises->slots[gap] = promises->slots[at];
		promises->slots[at] = NULL;
		gap = at;
	}
}

void promises_remove(struct promises *promises, struct bytes key, uint64_t hash)
{
	if (promises->count == 0)
		return;
	uint32_t at = seek(promises, key, hash);
	if (promises->slots[at] == NULL)
		return;
	free(promises->slots[at]);
	promises->slots[at] = NULL;
	promises->count--;
	if (promises->count == 0)
		promises_clear(promises);
	else
		close_gap(promises, at);
}

struct ballot promises_highest(const struct promises *promises)
{
	struct ballot highest = BALLOT_ABSENT;
	for (uint32_t i = 0; i < promises->cap; i++) {
		if (promises->slots[i] != NULL)
			highest = ballot_max(highest, promises->slots[i]->promised);
	}
	return highest;
}

void promises_turn(struct promises *promises)
{
	for (uint32_t i = 0; i < promises->cap; i++) {
		if (promises->slots[i] != NULL)
			promises->slots[i]->is_old = true;
	}
}

bool promises_next_old(const struct promises *promises, uint32_t *at, struct bytes *key,
		       uint64_t *hash)
{
	for (; *at < promises->cap; ++*at) {
		const struct promise *promise = promises->slots[*at];
		if (promise == NULL || !promise->is_old)
			continue;
		*key = key_of(promise);
		*hash = promise->hash;
		return true;
	}
	return false;
}

void promises_clear(struct promises *promises)
{
	for (uint32_t i = 0; i < promises->cap; i++)
		free(promises->slots[i]);
	free(promises->slots);
	*promises = PROMISES_EMPTY;
}
