/* SPDX-License-Identifier: Apache-2.0 */
#include "node/member.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "node/member_change.h"
#include "node/member_drive.h"
#include "node/member_errand.h"
#include "node/member_heartbeat.h"
#include "node/member_maps.h"
#include "node/member_progress.h"
#include "node/member_propose.h"
#include "node/member_unsafe.h"
#include "node/member_vote.h"

enum { BUSY_US = 20000 /* between two looks while something is under way */ };

/* ---- Life ---------------------------------------------------------------------------- */

static int fill(struct member *m, const struct ring_map *map, struct bytes note, uint64_t now_us)
{
	struct member_step step = {.now_us = now_us};
	int rc = ring_map_copy(map, map->epoch, &m->map);
	if (rc == 0)
		rc = member_heartbeat_make_room(m, m->map);
	if (rc == 0)
		rc = member_drive_make_room(m, m->map);
	if (rc == 0)
		rc = member_vote_restore(m, note);
	if (rc != 0)
		return rc;
	m->lineage = member_lineage_of(m->map);
	m->number = member_maps_number(m);
	member_heartbeat_adopted(m, &step);
	return 0;
}

int member_create(const char id[RING_ID_SIZE], const struct ring_map *map, struct bytes note,
		  uint32_t starts, const struct member_times *times, uint64_t now_us,
		  struct member **out)
{
	struct member *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return DHT_ENOMEM;
	memcpy(m->id, id, RING_ID_SIZE);
	m->times = *times;
	m->beat = m->tags = (uint64_t)starts << 32;
	int rc = fill(m, map, note, now_us);
	if (rc == 0)
		*out = m;
	else
		member_destroy(m);
	return rc;
}

void member_destroy(struct member *m)
{
	if (m == NULL)
		return;
	member_errand_fini(m);
	member_propose_drop(m);
	member_drive_fini(m);
	member_maps_fini(m);
	buffer_reset(&m->vote.value);
	free(m->peers);
	free(m);
}

/* ---- Messages ------------------------------------------------------------------------ */

static void dispatch(struct member *m, const struct member_step *step, uint32_t peer,
		     const struct member_message *message)
{
	switch (message->kind) {
	case MEMBER_BEAT:
	case MEMBER_PROBE:
	case MEMBER_PROBED:
		member_heartbeat_handle(m, step, peer, message);
		return;
	case MEMBER_WANT_MAP:
	case MEMBER_MAP:
		member_maps_handle(m, step, peer, message);
		return;
	case MEMBER_PREPARE:
	case MEMBER_ACCEPT:
		member_vote_handle(m, step, peer, message);
		return;
	case MEMBER_PROMISE:
	case MEMBER_ACCEPTED:
		member_propose_handle(m, step, message);
		return;
	case MEMBER_REQUEST:
	case MEMBER_ANSWER:
		member_errand_handle(m, step, peer, message);
		return;
	case MEMBER_MESSAGE_KIND_COUNT:
		break;
	}
	DHT_UNREACHABLE();
}

static bool is_from_guest(const struct member *m, uint32_t peer,
			  const struct member_message *message)
{
	if (member_errand_waits_for_map(m, peer))
		return message->kind == MEMBER_MAP || message->kind == MEMBER_ANSWER;
	return message->from == MEMBER_NOBODY && member_message_may_come_from_guest(message);
}

/* True if a member may say this to this one. A survivor of a recovery that knows nothing of it yet
 * is told. */
static bool is_from_member(struct member *m, const struct member_step *step, uint32_t peer,
			   const struct member_message *message)
{
	bool has_left = message->from == MEMBER_NOBODY &&
			(message->kind == MEMBER_PROBE || message->kind == MEMBER_PROBED ||
			 message->kind == MEMBER_WANT_MAP || message->kind == MEMBER_MAP);
	if ((message->from != peer && !has_left) || peer >= RING_MEMBERS_MAX || peer == m->number)
		return false;
	if (message->lineage == m->lineage)
		return true;
	if (message->kind == MEMBER_BEAT && m->map->lineage_before != 0 &&
	    message->lineage == m->map->lineage_before &&
	    ring_map_member(m->map, message->from) != NULL)
		member_maps_tell_whole(m, step, peer);
	return message->kind == MEMBER_MAP && message->lineage_before == m->lineage;
}

void member_handle(struct member *m, const struct member_step *step, uint32_t peer,
		   const struct member_message *message)
{
	if (!member_message_is_valid(message))
		return;
	bool is_taken = peer >= MEMBER_GUEST ? is_from_guest(m, peer, message)
					     : is_from_member(m, step, peer, message);
	if (is_taken)
		dispatch(m, step, peer, message);
}

/* ---- Time ---------------------------------------------------------------------------- */

/* Who left asks the voters whether they know. */
static void probe_voters(struct member *m, const struct member_step *step)
{
	for (uint16_t i = 0; i < m->map->voters.count; i++)
		member_heartbeat_probe(m, step, m->map->voters.members[i]);
}

void member_tick(struct member *m, const struct member_step *step)
{
	member_progress_tick(m, step);
	member_propose_tick(m, step);
	member_heartbeat_tick(m, step);
	member_errand_tick(m, step);
	member_drive_tick(m, step);
	if (m->number == MEMBER_NOBODY && !member_may_stop(m))
		probe_voters(m, step);
	m->tick_us = step->now_us;
}

static bool is_busy(const struct member *m)
{
	bool is_busy = m->proposal.phase != MEMBER_IDLE || m->number == MEMBER_NOBODY ||
		       m->tick_us < m->doubts_us ||
		       (m->map->change.kind != RING_NO_CHANGE && member_is_voter(m));
	for (size_t i = 0; i < MEMBER_ERRANDS; i++)
		is_busy |= m->errands[i].is_used;
	return is_busy;
}

uint64_t member_wake_us(const struct member *m)
{
	uint64_t busy_us = m->tick_us + BUSY_US;
	if (m->number == MEMBER_NOBODY)
		return busy_us;
	return is_busy(m) && busy_us < m->beat_us ? busy_us : m->beat_us;
}

void member_want(struct member *m, const struct member_step *step, uint16_t member)
{
	if (member != m->number && ring_map_member(m->map, member) != NULL)
		member_maps_want(m, step, member);
}

void member_durable(struct member *m, const struct member_step *step, uint64_t position)
{
	member_propose_durable(m, step, position);
}

/* ---- What it knows ------------------------------------------------------------------- */

const struct ring_map *member_map(const struct member *m)
{
	return m->map;
}

uint16_t member_number(const struct member *m)
{
	return m->number;
}

bool member_may_stop(const struct member *m)
{
	uint16_t knowing = 0;
	if (m->number != MEMBER_NOBODY)
		return false;
	for (uint16_t i = 0; i < m->map->voters.count; i++)
		knowing += m->peers[m->map->voters.members[i]].epoch >= m->map->epoch;
	return 2 * knowing > m->map->voters.count;
}

int member_plan(const struct member *m, const struct member_request *request,
		struct member_plan *plan)
{
	struct member_answer answer;
	struct ring_map *next;
	*plan = (struct member_plan){0};
	member_change_begin(m, request, 0, &answer, &next);
	plan->status = answer.status;
	memcpy(plan->text, answer.text, sizeof(plan->text));
	if (next == NULL)
		return 0;
	struct ring_replicas *target = calloc(next->blocks, sizeof(*target));
	int rc = target == NULL ? DHT_ENOMEM : member_change_target(next, target);
	if (rc == 0)
		member_unsafe_count(m, next, target, plan);
	free(target);
	ring_map_destroy(next);
	return rc;
}
