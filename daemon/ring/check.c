/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ring/share.h"
#include "ring/slot.h"

/* Each of the functions below returns the text of a broken rule, or NULL. */

/* ---- Members ----------------------------------------------------------------------- */

static const char *check_addresses(const struct ring_address *addresses, size_t count)
{
	if (count > RING_ADDRESSES_MAX)
		return "a member has too many addresses";
	for (size_t i = 0; i < count; i++) {
		if (addresses[i].host[0] == '\0' || strlen(addresses[i].host) > UINT8_MAX)
			return "an address has no host, or a host that is too long";
		if (addresses[i].port == 0)
			return "an address has no port";
	}
	return NULL;
}

static bool is_id(const char id[RING_ID_SIZE])
{
	return strspn(id, "0123456789abcdef") == RING_ID_SIZE - 1;
}

static bool is_word(const char *text)
{
	size_t len = strlen(text);
	return len > 0 && len <= UINT8_MAX;
}

static const char *check_member(const struct ring_member *member)
{
	if (member->number >= RING_MEMBERS_MAX)
		return "the number of a member is too large";
	if (!is_id(member->id))
		return "the id of a member is not 32 hexadecimal digits";
	if (!is_word(member->name) || !is_word(member->zone))
		return "the name or zone of a member is empty or too long";
	if (member->weight == 0 || member->weight > RING_WEIGHT_MAX)
		return "the weight of a member is out of range";
	const char *text = check_addresses(member->clients, member->client_count);
	return text != NULL ? text : check_addresses(member->peers, member->peer_count);
}

static int compare_ids(const void *a, const void *b)
{
	const struct ring_member *const *x = a, *const *y = b;
	return strcmp((*x)->id, (*y)->id);
}

static int compare_names(const void *a, const void *b)
{
	const struct ring_member *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

/* Finds a member that another one equals, NULL if there is none. */
static const struct ring_member *find_twin(const struct ring_member **members, size_t count,
					   int (*compare)(const void *, const void *))
{
	qsort(members, count, sizeof(const struct ring_member *), compare);
	for (size_t i = 1; i < count; i++) {
		if (compare(&members[i - 1], &members[i]) == 0)
			return members[i];
	}
	return NULL;
}

static int find_twins(const struct ring_map *map, struct ring_fault *fault)
{
	const struct ring_member **members = calloc(map->member_count, sizeof(*members));
	if (members == NULL)
		return DHT_ENOMEM;
	for (size_t i = 0; i < map->member_count; i++)
		members[i] = &map->members[i];
	const char *text = "two members have the same id";
	const struct ring_member *twin = find_twin(members, map->member_count, compare_ids);
	if (twin == NULL) {
		text = "two members have the same name";
		twin = find_twin(members, map->member_count, compare_names);
	}
	if (twin != NULL)
		*fault = (struct ring_fault){text, RING_NO_BLOCK, twin->number};
	free(members);
	return twin != NULL ? DHT_EINVAL : 0;
}

static int check_members(const struct ring_map *map, struct ring_fault *fault)
{
	for (size_t i = 0; i < map->member_count; i++) {
		const struct ring_member *member = &map->members[i];
		const char *text = check_member(member);
		if (text == NULL && i > 0 && member->number <= map->members[i - 1].number)
			text = "the numbers of the members do not ascend";
		if (text != NULL) {
			*fault = (struct ring_fault){text, RING_NO_BLOCK, member->number};
			return DHT_EINVAL;
		}
	}
	return find_twins(map, fault);
}

/* ---- Blocks ------------------------------------------------------------------------ */

static const char *check_list(const struct ring_map *map, const uint16_t *members, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++) {
		if (ring_map_member(map, members[i]) == NULL)
			return "a list names nobody's number";
		for (uint16_t k = 0; k < i; k++) {
			if (members[k] == members[i])
				return "a list names a member twice";
		}
	}
	return NULL;
}

static const char *check_phase(const struct ring_block *block)
{
	switch (block->phase) {
	case RING_STABLE:
		if (block->start >= block->version && block->version > 0)
			return "a stable block's start is not below its version";
		if (block->start > block->version)
			return "a block's start is above its version";
		break;
	case RING_JOINT:
	case RING_RECOVER:
		if (block->version == 0 || block->start != block->version)
			return "a changing block's start is not its version";
		break;
	}
	if (block->phase == RING_JOINT && block->next.count == 0)
		return "a joint phase has no next replicas";
	if (block->phase != RING_JOINT && block->next.count > 0)
		return "next replicas without a joint phase";
	if (block->phase == RING_JOINT && ring_replicas_are_same_set(&block->old, &block->next))
		return "a joint phase changes nothing";
	return NULL;
}

static const char *check_since(const struct ring_block *block)
{
	for (uint16_t i = 0; i < block->old.count; i++) {
		/* 0 is the beginning, which has no version before it. */
		if (block->old_since[i] >= block->version && block->old_since[i] > 0)
			return "a replica is one since a version to come";
	}
	for (uint16_t i = 0; i < block->next.count; i++) {
		uint16_t at = ring_replicas_find(&block->old, block->next.members[i]);
		if (at == block->old.count && block->next_since[i] != block->version)
			return "a new replica is not one since this version";
		if (at < block->old.count && block->next_since[i] != block->old_since[at])
			return "a replica is one since two versions";
	}
	return NULL;
}

static const char *check_block(const struct ring_map *map, const struct ring_block *block)
{
	const char *text = NULL;
	if (block->old.count == 0)
		return "a block has no replicas";
	text = check_list(map, block->old.members, block->old.count);
	if (text == NULL)
		text = check_list(map, block->next.members, block->next.count);
	if (text == NULL)
		text = check_phase(block);
	return text != NULL ? text : check_since(block);
}

static int check_blocks(const struct ring_map *map, struct ring_fault *fault)
{
	for (uint32_t i = 0; i < map->blocks; i++) {
		const char *text = NULL;
		struct ring_block block;
		if (map->state_of[i] >= map->states.count) {
			text = "a block has no replicas";
		} else if (i == 0 || map->state_of[i] != map->state_of[i - 1]) {
			ring_map_get_block(map, i, &block);
			text = check_block(map, &block);
		}
		if (text != NULL) {
			*fault = (struct ring_fault){text, i, RING_MEMBERS_MAX};
			return DHT_EINVAL;
		}
	}
	return 0;
}

/* ---- The change -------------------------------------------------------------------- */

static bool is_about(const struct ring_change *change, const struct ring_member *member)
{
	switch (change->kind) {
	case RING_NO_CHANGE:
		return false;
	case RING_JOIN:
	case RING_LEAVE:
	case RING_REMOVE:
	case RING_ADJUST:
		return member->number == change->member;
	case RING_REPLACE:
		return member->number == change->member || member->number == change->other;
	case RING_RECOVER_LOST:
		return true;
	}
	DHT_UNREACHABLE();
}

static const char *check_change(const struct ring_map *map)
{
	const struct ring_change *change = &map->change;
	if (change->kind == RING_NO_CHANGE &&
	    (change->is_cancelled || change->member != 0 || change->other != 0 || change->id != 0 ||
	     change->began_ms != 0 || change->weight != 0 || change->zone[0] != '\0'))
		return "something is left of a change";
	if (change->kind != RING_NO_CHANGE && (change->id == 0 || change->id > map->epoch))
		return "a change is to begin later";
	if (change->kind != RING_NO_CHANGE && ring_map_member(map, change->member) == NULL)
		return "a change is about nobody";
	if (change->kind == RING_REPLACE && ring_map_member(map, change->other) == NULL)
		return "nobody is replaced";
	for (size_t i = 0; i < map->member_count; i++) {
		if (map->members[i].standing != RING_IN && !is_about(change, &map->members[i]))
			return "a member comes or goes without a change";
	}
	return NULL;
}

/* ---- The whole --------------------------------------------------------------------- */

static const char *check_settings(const struct ring_map *map)
{
	if (!ring_slot_is_block_count(map->blocks))
		return "the number of blocks is none that a cluster may have";
	if (map->replicas == 0 || map->replicas > RING_REPLICAS_MAX)
		return "the number of replicas is out of range";
	if (map->member_count == 0)
		return "there are no members";
	if (map->voters.count == 0 || map->voters.count > RING_VOTERS_MAX)
		return "the number of voters is out of range";
	if (check_list(map, map->voters.members, map->voters.count) != NULL)
		return "a voter is no member, or one twice";
	return check_change(map);
}

int ring_map_check(const struct ring_map *map, struct ring_fault *fault)
{
	const char *text = check_settings(map);
	if (text != NULL) {
		*fault = (struct ring_fault){text, RING_NO_BLOCK, RING_MEMBERS_MAX};
		return DHT_EINVAL;
	}
	int rc = check_members(map, fault);
	return rc != 0 ? rc : check_blocks(map, fault);
}
