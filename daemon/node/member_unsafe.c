/* SPDX-License-Identifier: Apache-2.0 */
#include "node/member_unsafe.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "node/member_change.h"
#include "node/member_progress.h"

static bool DHT_PRINTF(3, 4)
    refuse(struct member_answer *answer, int status, const char *format, ...)
{
	va_list args;
	answer->status = status;
	va_start(args, format);
	vsnprintf(answer->text, sizeof(answer->text), format, args);
	va_end(args);
	return false;
}

/* ---- What is running already --------------------------------------------------------- */

static bool is_same_node(const struct ring_map *map, uint16_t number,
			 const struct member_request *request)
{
	const struct ring_member *member = ring_map_member(map, number);
	return member != NULL && memcmp(member->id, request->member.id, RING_ID_SIZE) == 0;
}

/* True if the member is what it is to be. */
static bool is_as_asked(const struct ring_map *map, const struct member_request *request)
{
	const struct ring_member *member = ring_map_member(map, request->member.number);
	struct ring_member asked = request->member;
	if (member == NULL)
		return false;
	asked.standing = member->standing;
	memcpy(asked.id, member->id, sizeof(asked.id));
	return ring_member_is_equal(member, &asked);
}

bool member_unsafe_is_running(const struct ring_map *map, const struct member_request *request,
			      struct member_answer *answer)
{
	const struct ring_change *change = &map->change;
	bool is_running = false;
	switch (request->kind) {
	case MEMBER_REQUEST_JOIN:
		is_running = change->kind == RING_JOIN && !change->is_cancelled &&
			     is_same_node(map, change->member, request);
		break;
	case MEMBER_REQUEST_REPLACE:
		is_running = change->kind == RING_REPLACE && !change->is_cancelled &&
			     change->other == request->number &&
			     is_same_node(map, change->member, request);
		break;
	case MEMBER_REQUEST_LEAVE:
		is_running = change->kind == RING_LEAVE && !change->is_cancelled &&
			     change->member == request->number;
		break;
	case MEMBER_REQUEST_REMOVE:
		is_running = change->kind == RING_REMOVE && !change->is_cancelled &&
			     change->member == request->number;
		break;
	case MEMBER_REQUEST_CANCEL:
		is_running = change->kind != RING_NO_CHANGE && change->is_cancelled &&
			     change->id == request->job;
		break;
	case MEMBER_REQUEST_ADJUST:
		if (!is_as_asked(map, request))
			break;
		answer->job =
		    change->kind == RING_ADJUST && change->member == request->member.number
			? change->id
			: 0;
		return true;
	case MEMBER_REQUEST_KIND_COUNT:
		break;
	}
	if (is_running)
		answer->job = change->id;
	return is_running;
}

/* ---- By the members ------------------------------------------------------------------ */

static bool check_comer(const struct member *m, const struct member_request *request,
			struct member_answer *answer)
{
	const struct ring_map *map = m->map;
	for (size_t i = 0; i < map->member_count; i++) {
		const struct ring_member *member = &map->members[i];
		if (memcmp(member->id, request->member.id, RING_ID_SIZE) == 0)
			return refuse(answer, DHT_EUNSAFE, "this node is a member already");
		bool is_replaced =
		    request->kind == MEMBER_REQUEST_REPLACE && member->number == request->number;
		if (!is_replaced && strcmp(member->name, request->member.name) == 0)
			return refuse(answer, DHT_EUNSAFE, "the name %.64s is taken", member->name);
	}
	if (request->lineage == m->lineage)
		return refuse(answer, DHT_EUNSAFE,
			      "this node was removed from this cluster: it comes back with an "
			      "empty data directory, as another one");
	if (request->has_data)
		return refuse(answer, DHT_EUNSAFE, "this node holds data, which would be lost");
	if (map->member_count >= RING_MEMBERS_MAX)
		return refuse(answer, DHT_EFULL, "the cluster has as many members as it can");
	return true;
}

static bool check_known(const struct member *m, uint16_t number, struct member_answer *answer)
{
	if (ring_map_member(m->map, number) != NULL)
		return true;
	return refuse(answer, DHT_EINVAL, "there is no such member");
}

static bool check_leaver(const struct member *m, const struct member_request *request,
			 struct member_answer *answer)
{
	if (!check_known(m, request->number, answer))
		return false;
	if (m->map->member_count == 1)
		return refuse(answer, DHT_EUNSAFE, "it is the last member");
	if (m->map->member_count <= m->map->replicas && !request->is_forced &&
	    request->kind == MEMBER_REQUEST_LEAVE)
		return refuse(answer, DHT_EUNSAFE, "only %zu members would remain, for %u replicas",
			      m->map->member_count - 1, m->map->replicas);
	if (request->kind == MEMBER_REQUEST_REMOVE && !member_is_down(m, request->number))
		return refuse(answer, DHT_EUNSAFE, "it answers: let it leave instead");
	return true;
}

static bool check_name(const struct member *m, const struct member_request *request,
		       struct member_answer *answer)
{
	for (size_t i = 0; i < m->map->member_count; i++) {
		const struct ring_member *member = &m->map->members[i];
		if (member->number != request->member.number &&
		    strcmp(member->name, request->member.name) == 0)
			return refuse(answer, DHT_EUNSAFE, "the name %.64s is taken", member->name);
	}
	return true;
}

static bool check_job(const struct member *m, const struct member_request *request,
		      struct member_answer *answer)
{
	const struct ring_change *change = &m->map->change;
	if (change->kind == RING_NO_CHANGE || change->id != request->job)
		return refuse(answer, DHT_EINVAL, "there is no such job");
	if (change->kind == RING_RECOVER_LOST)
		return refuse(answer, DHT_EUNSAFE, "what was recovered has nothing to go back to");
	return true;
}

bool member_unsafe_check(const struct member *m, const struct member_request *request,
			 struct member_answer *answer)
{
	if (request->kind == MEMBER_REQUEST_CANCEL)
		return check_job(m, request, answer);
	if (m->map->change.kind != RING_NO_CHANGE)
		return refuse(answer, DHT_EUNSAFE,
			      "another change is going on, job %" PRIu64
			      ": wait for it, or cancel it",
			      m->map->change.id);
	switch (request->kind) {
	case MEMBER_REQUEST_JOIN:
		return check_comer(m, request, answer);
	case MEMBER_REQUEST_REPLACE:
		return check_known(m, request->number, answer) && check_comer(m, request, answer);
	case MEMBER_REQUEST_LEAVE:
	case MEMBER_REQUEST_REMOVE:
		return check_leaver(m, request, answer);
	case MEMBER_REQUEST_ADJUST:
		return check_known(m, request->member.number, answer) &&
		       check_name(m, request, answer);
	case MEMBER_REQUEST_CANCEL:
	case MEMBER_REQUEST_KIND_COUNT:
		break;
	}
	DHT_UNREACHABLE();
}

/* ---- By the blocks ------------------------------------------------------------------- */

static unsigned count_up(const struct member *m, const struct ring_replicas *list)
{
	unsigned up = 0;
	for (uint16_t i = 0; i < list->count; i++)
		up += !member_is_down(m, list->members[i]);
	return up;
}

bool member_unsafe_check_blocks(const struct member *m, const struct member_request *request,
				const struct ring_map *next, struct member_answer *answer)
{
	if (request->kind == MEMBER_REQUEST_CANCEL)
		return true;
	struct ring_replicas *target = calloc(next->blocks, sizeof(*target));
	int rc = target == NULL ? DHT_ENOMEM : member_change_target(next, target);
	bool is_good = rc == 0;
	if (rc != 0)
		refuse(answer, rc, "%s", dht_error_text(rc));
	for (uint32_t block = 0; is_good && block < next->blocks; block++) {
		const struct ring_replicas *old = ring_map_replicas(next, block);
		if (ring_replicas_are_same_set(old, &target[block]))
			continue;
		if (2 * count_up(m, old) <= old->count)
			is_good = refuse(answer, DHT_EUNSAFE,
					 "a majority of the replicas of block %" PRIu32
					 " does not answer: nobody can take it over",
					 block);
		else if (2 * count_up(m, &target[block]) <= target[block].count)
			is_good = refuse(answer, DHT_EUNSAFE,
					 "a majority of those that would hold block %" PRIu32
					 " does not answer",
					 block);
	}
	free(target);
	return is_good;
}

static bool shares_zone(const struct ring_map *map, const struct ring_replicas *list)
{
	for (uint16_t i = 0; i < list->count; i++) {
		const char *zone = ring_map_member(map, list->members[i])->zone;
		for (uint16_t j = 0; j < i; j++) {
			if (strcmp(ring_map_member(map, list->members[j])->zone, zone) == 0)
				return true;
		}
	}
	return false;
}

static void count_block(const struct member *m, const struct ring_map *next,
			const struct ring_replicas *old, const struct ring_replicas *to,
			bool takes_over[RING_MEMBERS_MAX], struct member_plan *plan)
{
	plan->few += to->count < next->replicas;
	plan->same_zone += shares_zone(next, to) && !shares_zone(m->map, old);
	if (ring_replicas_are_same_set(old, to))
		return;
	plan->blocks++;
	for (uint16_t i = 0; i < to->count; i++) {
		if (ring_replicas_find(old, to->members[i]) < old->count)
			continue;
		plan->moves++;
		takes_over[to->members[i]] = true;
	}
	plan->at_risk += 2 * (count_up(m, old) - 1) <= old->count;
}

void member_unsafe_count(const struct member *m, const struct ring_map *next,
			 const struct ring_replicas *target, struct member_plan *plan)
{
	bool takes_over[RING_MEMBERS_MAX] = {false};
	for (uint32_t block = 0; block < m->map->blocks; block++)
		count_block(m, next, ring_map_replicas(m->map, block), &target[block], takes_over,
			    plan);
	for (size_t number = 0; number < m->peer_cap; number++)
		plan->full += takes_over[number] && m->peers[number].is_full;
	plan->bytes = plan->moves * member_progress_block_bytes(m);
}
