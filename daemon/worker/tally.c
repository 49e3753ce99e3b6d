/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/clock.h"
#include "ring/slot.h"
#include "worker/inquiry.h"
#include "worker/peers.h"

/* What a member has said. */
struct tallied {
	uint16_t member;
	bool has_answered;
	struct message_count *counts; /* in the order of blocks */
	size_t count, at;             /* at: as far as they were added up */
};

struct tally {
	struct inquiry inquiry;
	tally_covers_fn covers;
	unsigned tries;
	uint64_t deadline_us;
	int error;
	size_t count;
	struct tallied members[]; /* in the order of their numbers; without this node */
};

static const struct inquiry_kind tally_kind;

static struct tally *tally_of(struct inquiry *q)
{
	return DHT_CONTAINER_OF(q, struct tally, inquiry);
}

void tally_destroy(struct tally *tally)
{
	if (tally == NULL)
		return;
	inquiry_end(&tally->inquiry);
	for (size_t i = 0; i < tally->count; i++)
		free(tally->members[i].counts);
	free(tally);
}

/* ---- Whom to ask ------------------------------------------------------------------- */

static const struct ring_map *map_of(const struct worker *w)
{
	return atomic_load_explicit(&w->shared->map, memory_order_acquire);
}

static uint16_t self_of(const struct worker *w)
{
	return atomic_load_explicit(&w->shared->self, memory_order_relaxed);
}

static bool covers(const struct tally *tally, struct worker *w, uint32_t block)
{
	return tally->covers == NULL || tally->covers(NULL, w, block);
}

static void mark_replicas(const struct ring_replicas *replicas, bool *is_replica)
{
	for (uint16_t i = 0; i < replicas->count; i++)
		is_replica[replicas->members[i]] = true;
}

/* The members that hold any of the blocks. */
static void find_members(struct worker *w, const struct ring_map *map, struct tally *tally)
{
	bool is_replica[RING_MEMBERS_MAX] = {false};
	for (uint32_t block = 0; block < map->blocks; block++) {
		if (covers(tally, w, block))
			mark_replicas(ring_map_replicas(map, block), is_replica);
	}
	for (size_t i = 0; i < map->member_count; i++) {
		uint16_t number = map->members[i].number;
		if (is_replica[number] && number != self_of(w))
			tally->members[tally->count++] = (struct tallied){.member = number};
	}
}

static struct tallied *find(struct tally *tally, uint16_t member)
{
	for (size_t i = 0; i < tally->count; i++) {
		if (tally->members[i].member == member)
			return &tally->members[i];
	}
	return NULL;
}

static bool is_down(const struct tally *tally, const struct tallied *member)
{
	return node_is_down(exec_of(tally->inquiry.worker)->node, member->member);
}

/* Asks those that have not answered: at first only those that are known to live. */
static void ask(const struct tally *tally)
{
	for (size_t i = 0; i < tally->count; i++) {
		const struct tallied *member = &tally->members[i];
		struct message m = {.kind = MESSAGE_COUNT};
		if (!member->has_answered && (tally->tries > 0 || !is_down(tally, member)))
			inquiry_ask(&tally->inquiry, member->member, &m);
	}
}

/* ---- Adding up --------------------------------------------------------------------- */

/* What a member has of a block; they are asked for in ascending order. */
static uint32_t keys_of(struct tallied *member, uint32_t block)
{
	while (member->at < member->count && member->counts[member->at].block < block)
		member->at++;
	bool is_there = member->at < member->count && member->counts[member->at].block == block;
	return is_there ? member->counts[member->at].keys : 0;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* Returns how many of the block's replicas have answered, and what they say in ascending order. */
static unsigned numbers_of(struct worker *w, struct tally *tally,
			   const struct ring_replicas *replicas, uint32_t block,
			   uint32_t numbers[RING_REPLICAS_MAX])
{
	unsigned count = 0;
	for (uint16_t i = 0; i < replicas->count; i++) {
		struct tallied *member = find(tally, replicas->members[i]);
		if (replicas->members[i] == self_of(w))
			numbers[count++] = store_keys(exec_of(w)->store, block);
		else if (member != NULL && member->has_answered)
			numbers[count++] = keys_of(member, block);
	}
	qsort(numbers, count, sizeof(*numbers), compare);
	return count;
}

/* DHT_ENOQUORUM: not yet. */
static int add_up(struct worker *w, struct tally *tally, uint64_t *keys)
{
	const struct ring_map *map = map_of(w);
	*keys = 0;
	for (size_t i = 0; i < tally->count; i++)
		tally->members[i].at = 0;
	for (uint32_t block = 0; block < map->blocks; block++) {
		const struct ring_replicas *replicas = ring_map_replicas(map, block);
		uint32_t numbers[RING_REPLICAS_MAX];
		if (!covers(tally, w, block))
			continue;
		unsigned count = numbers_of(w, tally, replicas, block, numbers);
		if (count <= replicas->count / 2u) {
			w->failure = (struct worker_failure){
			    .slot = ring_block_first_slot(block, map->blocks),
			    .answered = count,
			    .asked = replicas->count,
			};
			return DHT_ENOQUORUM;
		}
		*keys += numbers[count / 2];
	}
	return 0;
}

/* ---- Answers ----------------------------------------------------------------------- */

/* Whoever is known to be down is not waited for. */
static bool are_all_there(const struct tally *tally)
{
	for (size_t i = 0; i < tally->count; i++) {
		const struct tallied *member = &tally->members[i];
		if (!member->has_answered && !is_down(tally, member))
			return false;
	}
	return true;
}

static void take(struct inquiry *q, const struct message *m)
{
	struct tally *tally = tally_of(q);
	struct tallied *member = find(tally, m->from);
	if (m->kind != MESSAGE_COUNTED || member == NULL || member->has_answered)
		return;
	size_t size = m->count_count * sizeof(*m->counts);
	member->counts = size > 0 ? malloc(size) : NULL;
	if (size > 0 && member->counts == NULL) {
		tally->error = DHT_ENOMEM;
		inquiry_ripen(q);
		return;
	}
	if (size > 0)
		memcpy(member->counts, m->counts, size);
	member->count = m->count_count;
	member->has_answered = true;
	if (are_all_there(tally))
		inquiry_ripen(q);
}

/* Some have not answered: if a majority of all blocks' has, that is enough. */
static void due(struct inquiry *q)
{
	struct tally *tally = tally_of(q);
	uint64_t now_us = clock_monotonic_ns() / NS_PER_US;
	/* Beyond the deadline it only waits for the session to see so. */
	inquiry_wait(q, ++tally->tries,
		     now_us < tally->deadline_us ? tally->deadline_us : UINT64_MAX);
	ask(tally);
	inquiry_ripen(q);
}

static const struct inquiry_kind tally_kind = {.take = take, .due = due};

/* ---- The session ------------------------------------------------------------------- */

static int begin(struct worker *w, tally_covers_fn covers_fn, struct tally **out)
{
	const struct ring_map *map = map_of(w);
	struct tally *tally =
	    calloc(1, sizeof(*tally) + map->member_count * sizeof(tally->members[0]));
	if (tally == NULL)
		return DHT_ENOMEM;
	inquiry_init(&tally->inquiry, &tally_kind);
	tally->covers = covers_fn;
	find_members(w, map, tally);
	tally->deadline_us =
	    clock_monotonic_ns() / NS_PER_US +
	    atomic_load_explicit(&w->shared->peers->deadline_us, memory_order_relaxed);
	int rc = tally->count > 0 ? inquiry_begin(w, &tally->inquiry) : 0;
	if (rc != 0) {
		tally_destroy(tally);
		return rc;
	}
	*out = tally;
	if (tally->count == 0)
		return 0;
	inquiry_wait(&tally->inquiry, 0, tally->deadline_us);
	ask(tally);
	return 0;
}

/* What is known of the sum by now. DHT_EAGAIN: too little, and there is time left. */
static int look(struct worker *w, struct tally *tally, uint64_t *keys)
{
	bool is_complete = tally->count == 0 || are_all_there(tally);
	if (tally->error != 0)
		return tally->error;
	if (!is_complete && tally->tries == 0)
		return DHT_EAGAIN;
	int rc = add_up(w, tally, keys);
	bool is_late = clock_monotonic_ns() / NS_PER_US >= tally->deadline_us;
	/* If nobody was asked, no answer can come: the map is another one by now. */
	return rc == DHT_ENOQUORUM && !is_late && tally->count > 0 ? DHT_EAGAIN : rc;
}

int tally_run(struct worker *w, struct session *s, struct tally **tally, tally_covers_fn covers_fn,
	      uint64_t *keys)
{
	int rc = *tally == NULL ? begin(w, covers_fn, tally) : 0;
	if (rc == DHT_EFULL) {
		outbox_stall(w, s, OUTBOX_LATER);
		return DHT_EAGAIN;
	}
	if (rc == 0)
		rc = look(w, *tally, keys);
	if (rc == DHT_EAGAIN) {
		inquiry_await(&(*tally)->inquiry, s);
		return rc;
	}
	tally_destroy(*tally);
	*tally = NULL;
	return rc;
}
