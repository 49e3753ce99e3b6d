/* SPDX-License-Identifier: Apache-2.0 */
#include "node/member_change.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "node/member_unsafe.h"
#include "ring/check.h"
#include "ring/planner.h"
#include "ring/voters.h"

static const char replaced[] = ".replaced"; /* behind a name that the one who comes has, too */

/* ---- Targets ------------------------------------------------------------------------- */

const struct ring_replicas *member_change_latest(const struct ring_map *map, uint32_t block)
{
	const struct ring_kept *kept = ring_map_kept(map, block);
	return ring_map_list(map, kept->phase == RING_JOINT ? kept->next : kept->old);
}

int member_change_target(const struct ring_map *from, struct ring_replicas *target)
{
	struct ring_candidate *candidates = calloc(from->member_count, sizeof(*candidates));
	if (candidates == NULL)
		return DHT_ENOMEM;
	for (size_t i = 0; i < from->member_count; i++) {
		const struct ring_member *member = &from->members[i];
		candidates[i] =
		    (struct ring_candidate){.number = member->number,
					    .weight = member->weight,
					    .zone = member->zone,
					    .is_leaving = member->standing == RING_LEAVING};
	}
	for (uint32_t block = 0; block < from->blocks; block++)
		target[block] = from->change.is_cancelled ? *ring_map_replicas(from, block)
							  : *member_change_latest(from, block);
	struct ring_plan_input input = {.candidates = candidates,
					.count = from->member_count,
					.blocks = from->blocks,
					.replicas = from->replicas,
					.old = target};
	int rc = ring_plan(&input, target);
	free(candidates);
	return rc;
}

/* ---- Beginning ----------------------------------------------------------------------- */

static struct ring_member *find(struct ring_map *map, uint16_t number)
{
	size_t at = ring_map_place(map, number);
	DHT_ASSERT(at < map->member_count && map->members[at].number == number);
	return &map->members[at];
}

static int rename_member(struct ring_map *map, uint16_t number, const char *name, size_t len,
			 const char *suffix)
{
	char text[RING_TEXT_MAX + sizeof(replaced)];
	struct ring_member changed = *find(map, number);
	snprintf(text, sizeof(text), "%.*s%s", (int)len, name, suffix);
	if (strlen(text) > RING_TEXT_MAX)
		return DHT_EINVAL;
	changed.name = text;
	return ring_map_set_member(map, &changed);
}

/* A node that takes the place of another one mostly comes with its name. */
static int give_name(struct ring_map *map, const struct member_request *request)
{
	const struct ring_member *other = ring_map_member(map, request->number);
	if (strcmp(other->name, request->member.name) != 0)
		return 0;
	return rename_member(map, request->number, other->name, strlen(other->name), replaced);
}

static int add(struct ring_map *map, const struct member_request *request)
{
	struct ring_member member = request->member;
	member.number = ring_map_free_number(map);
	member.standing = RING_JOINING;
	member.state = RING_UP;
	if (member.number == RING_MEMBERS_MAX)
		return DHT_EFULL;
	int rc = request->kind == MEMBER_REQUEST_REPLACE ? give_name(map, request) : 0;
	if (rc != 0)
		return rc;
	if (request->kind == MEMBER_REQUEST_REPLACE) {
		find(map, request->number)->standing = RING_LEAVING;
		map->change.other = request->number;
	}
	map->change.member = member.number;
	return ring_map_add_member(map, &member);
}

static int adjust(struct ring_map *map, const struct member_request *request)
{
	struct ring_member *before = find(map, request->member.number);
	struct ring_member member = request->member;
	map->change.member = member.number;
	map->change.weight = before->weight;
	snprintf(map->change.zone, sizeof(map->change.zone), "%s", before->zone);
	memcpy(member.id, before->id, sizeof(member.id));
	member.standing = RING_IN;
	return ring_map_set_member(map, &member);
}

static int set_back(struct ring_map *map)
{
	const struct ring_change *change = &map->change;
	struct ring_member member = *find(map, change->member);
	char zone[RING_TEXT_MAX + 1];
	memcpy(zone, change->zone, sizeof(zone));
	member.weight = change->weight;
	member.zone = zone;
	return ring_map_set_member(map, &member);
}

static int cancel(struct ring_map *map)
{
	map->change.is_cancelled = true;
	if (map->change.kind == RING_ADJUST)
		return set_back(map);
	for (size_t i = 0; i < map->member_count; i++) {
		struct ring_member *member = &map->members[i];
		if (member->standing != RING_IN)
			member->standing =
			    member->standing == RING_JOINING ? RING_LEAVING : RING_IN;
	}
	return 0;
}

static int apply(struct ring_map *map, const struct member_request *request, uint64_t now_ms)
{
	static const enum ring_change_kind kinds[] = {
	    [MEMBER_REQUEST_JOIN] = RING_JOIN,     [MEMBER_REQUEST_LEAVE] = RING_LEAVE,
	    [MEMBER_REQUEST_REMOVE] = RING_REMOVE, [MEMBER_REQUEST_REPLACE] = RING_REPLACE,
	    [MEMBER_REQUEST_ADJUST] = RING_ADJUST,
	};
	if (request->kind == MEMBER_REQUEST_CANCEL)
		return cancel(map);
	map->change = (struct ring_change){
	    .kind = kinds[request->kind], .id = map->epoch, .began_ms = now_ms};
	switch (request->kind) {
	case MEMBER_REQUEST_JOIN:
	case MEMBER_REQUEST_REPLACE:
		return add(map, request);
	case MEMBER_REQUEST_LEAVE:
	case MEMBER_REQUEST_REMOVE:
		find(map, request->number)->standing = RING_LEAVING;
		map->change.member = request->number;
		return 0;
	case MEMBER_REQUEST_ADJUST:
		return adjust(map, request);
	case MEMBER_REQUEST_CANCEL:
	case MEMBER_REQUEST_KIND_COUNT:
		break;
	}
	DHT_UNREACHABLE();
}

static void refuse(struct member_answer *answer, int status, const char *text)
{
	answer->status = status;
	snprintf(answer->text, sizeof(answer->text), "%s", text);
}

void member_change_begin(const struct member *m, const struct member_request *request,
			 uint64_t now_ms, struct member_answer *answer, struct ring_map **next)
{
	struct ring_fault fault = {.text = ""};
	*answer = (struct member_answer){0};
	*next = NULL;
	if (member_unsafe_is_running(m->map, request, answer) ||
	    !member_unsafe_check(m, request, answer))
		return;
	int rc = ring_map_copy(m->map, m->map->epoch + 1, next);
	if (rc == 0)
		rc = apply(*next, request, now_ms);
	if (rc == 0) {
		ring_voters_choose(*next);
		rc = ring_map_check(*next, &fault);
	}
	if (rc != 0)
		refuse(answer, rc, fault.text[0] != '\0' ? fault.text : dht_error_text(rc));
	else if (!member_unsafe_check_blocks(m, request, *next, answer))
		rc = answer->status;
	if (rc == 0)
		return;
	ring_map_destroy(*next);
	*next = NULL;
}

/* ---- Ending -------------------------------------------------------------------------- */

/* Takes the name of one who came in its place, and did not stay, back. */
static int take_name_back(struct ring_map *map)
{
	const struct ring_member *other = ring_map_member(map, map->change.other);
	size_t len = strlen(other->name), end = sizeof(replaced) - 1;
	if (!map->change.is_cancelled || len <= end ||
	    strcmp(other->name + len - end, replaced) != 0)
		return 0;
	for (size_t i = 0; i < map->member_count; i++) {
		const char *name = map->members[i].name;
		if (strlen(name) == len - end && strncmp(name, other->name, len - end) == 0)
			return 0;
	}
	return rename_member(map, other->number, other->name, len - end, "");
}

int member_change_end(struct ring_map *map)
{
	int rc = 0;
	for (size_t i = 0; i < map->member_count; i++) {
		if (map->members[i].standing == RING_JOINING)
			map->members[i].standing = RING_IN;
	}
	ring_voters_choose(map);
	for (size_t i = map->member_count; rc == 0 && i-- > 0;) {
		if (map->members[i].standing == RING_LEAVING)
			rc = ring_map_remove_member(map, map->members[i].number);
	}
	if (rc == 0 && map->change.kind == RING_REPLACE &&
	    ring_map_member(map, map->change.other) != NULL)
		rc = take_name_back(map);
	map->change = (struct ring_change){.kind = RING_NO_CHANGE};
	return rc;
}
