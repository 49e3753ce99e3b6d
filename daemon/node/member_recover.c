/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_recover - a map among survivors, by the operator's word (the register protocol,
 * section 7).
 *
 * A block that keeps a majority of its replicas (in a joint phase: of O and of N) stays as it is.
 * Of one that does not, the survivors of O and N are its replicas and compare what they have; where
 * there is none, it begins empty at survivors. Whoever is not named leaves, and the change that
 * this is goes on like any other.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "node/member_maps.h"
#include "ring/check.h"
#include "ring/phase.h"
#include "ring/voters.h"

struct survivors {
	const uint16_t *numbers;
	size_t count;
};

static bool survives(const struct survivors *survivors, uint16_t number)
{
	for (size_t i = 0; i < survivors->count; i++) {
		if (survivors->numbers[i] == number)
			return true;
	}
	return false;
}

static bool has_majority(const struct survivors *survivors, const struct ring_replicas *list)
{
	uint16_t alive = 0;
	for (uint16_t i = 0; i < list->count; i++)
		alive += survives(survivors, list->members[i]);
	return 2 * alive > list->count;
}

static void add_survivors(const struct survivors *survivors, const struct ring_replicas *from,
			  struct ring_replicas *to)
{
	for (uint16_t i = 0; i < from->count && to->count < RING_REPLICAS_MAX; i++) {
		uint16_t number = from->members[i];
		if (survives(survivors, number) && ring_replicas_find(to, number) == to->count)
			to->members[to->count++] = number;
	}
}

/* Nobody has it: it begins anew, empty, at one who is a replica since the version before. */
static int begin_empty(struct ring_map *map, uint32_t number, uint16_t member)
{
	struct ring_block block;
	ring_map_get_block(map, number, &block);
	if (block.version > UINT32_MAX - 2)
		return DHT_EFULL;
	block = (struct ring_block){.phase = RING_RECOVER,
				    .version = block.version + 2,
				    .start = block.version + 2,
				    .old = {1, {member}},
				    .old_since = {block.version + 1}};
	return ring_map_set_block(map, number, &block);
}

static int recover_block(struct ring_map *map, uint32_t number, const struct survivors *survivors,
			 struct member_loss *loss)
{
	struct ring_block block;
	struct ring_replicas alive = {0};
	ring_map_get_block(map, number, &block);
	if (has_majority(survivors, &block.old) &&
	    (block.phase != RING_JOINT || has_majority(survivors, &block.next))) {
		loss->kept++;
		return 0;
	}
	add_survivors(survivors, &block.old, &alive);
	add_survivors(survivors, &block.next, &alive);
	if (alive.count > 0) {
		loss->merged++;
		return ring_phase_recover(map, number, &alive);
	}
	loss->empty++;
	return begin_empty(map, number, survivors->numbers[number % survivors->count]);
}

static int make_map(const struct member *m, const struct member_step *step,
		    const struct survivors *survivors, const uint8_t *lineage,
		    struct member_loss *loss, struct ring_map **out)
{
	struct ring_fault fault;
	struct ring_map *map;
	int rc = ring_map_copy(m->map, m->map->epoch + 1, &map);
	if (rc != 0)
		return rc;
	if (lineage != NULL) {
		memcpy(map->lineage, lineage, sizeof(map->lineage));
		map->lineage_before = m->lineage;
	}
	map->change = (struct ring_change){.kind = RING_RECOVER_LOST,
					   .member = m->number,
					   .id = map->epoch,
					   .began_ms = step->now_ms};
	for (size_t i = 0; i < map->member_count; i++)
		map->members[i].standing =
		    survives(survivors, map->members[i].number) ? RING_IN : RING_LEAVING;
	ring_voters_choose(map);
	for (uint32_t block = 0; rc == 0 && block < map->blocks; block++)
		rc = recover_block(map, block, survivors, loss);
	if (rc == 0)
		rc = ring_map_check(map, &fault);
	if (rc == 0)
		*out = map;
	else
		ring_map_destroy(map);
	return rc;
}

static int check(const struct member *m, const struct survivors *survivors,
		 char text[MEMBER_TEXT_MAX])
{
	if (!survives(survivors, m->number)) {
		snprintf(text, MEMBER_TEXT_MAX, "this node has to be one of the survivors");
		return DHT_EUNSAFE;
	}
	for (size_t i = 0; i < survivors->count; i++) {
		const struct ring_member *member = ring_map_member(m->map, survivors->numbers[i]);
		const char *what = NULL;
		if (member == NULL) {
			snprintf(text, MEMBER_TEXT_MAX, "there is no such member");
			return DHT_EINVAL;
		}
		if (member->number == m->number)
			continue;
		if (member_is_down(m, member->number))
			what = "does not answer";
		else if (m->peers[member->number].epoch > m->map->epoch)
			what = "has a newer map: let it recover the cluster";
		if (what != NULL) {
			snprintf(text, MEMBER_TEXT_MAX, "%.64s %s", member->name, what);
			return DHT_EUNSAFE;
		}
	}
	return 0;
}

int member_recover(struct member *m, const struct member_step *step, const uint16_t *numbers,
		   size_t count, const uint8_t lineage[RING_LINEAGE_SIZE], struct member_loss *loss,
		   char text[MEMBER_TEXT_MAX])
{
	struct survivors survivors = {numbers, count};
	struct ring_map *map;
	*loss = (struct member_loss){0};
	text[0] = '\0';
	int rc = check(m, &survivors, text);
	if (rc == 0)
		rc = make_map(m, step, &survivors, lineage, loss, &map);
	if (rc != 0)
		return rc;
	if (lineage == NULL) {
		ring_map_destroy(map);
		return 0;
	}
	if (!member_maps_adopt(m, step, map, (struct bytes){0}))
		return DHT_ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (numbers[i] != m->number)
			member_maps_tell_whole(m, step, numbers[i]);
	}
	return 0;
}
