/* SPDX-License-Identifier: Apache-2.0 */
#include "node/member_maps.h"

#include "base/error.h"
#include "node/member_drive.h"
#include "node/member_errand.h"
#include "node/member_heartbeat.h"
#include "node/member_progress.h"
#include "node/member_propose.h"
#include "ring/code.h"

enum {
	WANT_US = 50000, /* between two requests for a map */
	PARTS_MAX = 16,  /* differences that are sent one behind the other */
	RANK_TRIES = 4,  /* members behind a silent one that are tried instead of it */
};

/* ---- What leads to a map ------------------------------------------------------------- */

static void forget_past(struct member *m, struct member_past *past)
{
	m->history_bytes -= past->code.len;
	buffer_reset(&past->code);
	*past = (struct member_past){0};
}

static void forget_all(struct member *m)
{
	for (size_t i = 0; i < MEMBER_HISTORY; i++)
		forget_past(m, &m->history[i]);
}

static void remember(struct member *m, uint64_t base, uint64_t epoch, struct bytes code)
{
	struct member_past *past = &m->history[m->history_at % MEMBER_HISTORY];
	forget_past(m, past);
	for (size_t i = 1; i < MEMBER_HISTORY && m->history_bytes + code.len > MEMBER_HISTORY_BYTES;
	     i++)
		forget_past(m, &m->history[(m->history_at + i) % MEMBER_HISTORY]);
	if (buffer_append(&past->code, code.data, code.len, MEMBER_HISTORY_BYTES) != 0)
		return;
	past->base = base;
	past->epoch = epoch;
	m->history_bytes += code.len;
	m->history_at++;
}

/* The difference from this epoch; NULL: it is not kept. */
static const struct member_past *find_past(const struct member *m, uint64_t base)
{
	for (size_t i = 0; i < MEMBER_HISTORY; i++) {
		const struct member_past *past = &m->history[i];
		if (past->code.len > 0 && past->base == base)
			return past;
	}
	return NULL;
}

/* ---- Telling ------------------------------------------------------------------------- */

static void send_map(struct member *m, const struct member_step *step, uint32_t peer,
		     uint64_t epoch, struct bytes code, uint16_t reach)
{
	struct member_message message = member_message_of(m, MEMBER_MAP);
	message.epoch = epoch;
	message.map = code;
	message.reach = reach;
	message.lineage_before = m->map->lineage_before;
	step->effects->send(step->effects->ctx, peer, &message, NODE_RESTS_ON_MAP);
}

void member_maps_tell_whole(struct member *m, const struct member_step *step, uint32_t peer)
{
	struct buffer whole = BUFFER_EMPTY;
	if (ring_map_encode(m->map, NULL, &whole) == 0 && whole.len <= MEMBER_VALUE_MAX)
		send_map(m, step, peer, m->map->epoch, bytes_of(buffer_head(&whole), whole.len), 0);
	buffer_reset(&whole);
}

void member_maps_tell(struct member *m, const struct member_step *step, uint32_t peer,
		      uint64_t epoch)
{
	const struct member_past *parts[PARTS_MAX];
	size_t count = 0;
	if (epoch >= m->map->epoch)
		return;
	for (uint64_t at = epoch; at != m->map->epoch; at = parts[count++]->epoch) {
		const struct member_past *past = count == PARTS_MAX ? NULL : find_past(m, at);
		if (past == NULL) {
			member_maps_tell_whole(m, step, peer);
			return;
		}
		parts[count] = past;
	}
	for (size_t i = 0; i < count; i++)
		send_map(m, step, peer, parts[i]->epoch,
			 bytes_of(buffer_head(&parts[i]->code), parts[i]->code.len), 0);
}

/* Who heads a run of members, in the order of their numbers and in a circle: the first one
 * that answers of the first few. *skipped: how many were passed over; they fetch it later. */
static uint16_t find_head(const struct member *m, size_t first, size_t count, size_t *skipped)
{
	const struct ring_map *map = m->map;
	for (size_t i = 0; i < count && i < RANK_TRIES; i++) {
		uint16_t number = map->members[(first + i) % map->member_count].number;
		if (!m->peers[number].is_down && number != m->number) {
			*skipped = i;
			return number;
		}
	}
	*skipped = 0;
	return map->members[first % map->member_count].number;
}

/* Sends the map to the heads of the parts that `reach` members behind this one fall into. */
static void pass_on(struct member *m, const struct member_step *step, struct bytes code,
		    size_t reach)
{
	const struct ring_map *map = m->map;
	if (code.len == 0 || m->number == MEMBER_NOBODY)
		return;
	size_t at = ring_map_place(map, m->number) + 1;
	if (reach >= map->member_count)
		reach = map->member_count - 1;
	for (size_t parts = MEMBER_FAN_OUT; parts > 0 && reach > 0; parts--) {
		size_t part = (reach + parts - 1) / parts, skipped;
		uint16_t head = find_head(m, at, part, &skipped);
		if (head != m->number)
			send_map(m, step, head, map->epoch, code, (uint16_t)(part - skipped - 1));
		at += part;
		reach -= part;
	}
}

/* Whom the map does not name any more learns that, too. */
static void tell_removed(struct member *m, const struct member_step *step, struct bytes code)
{
	for (size_t i = 0; m->before != NULL && i < m->before->member_count; i++) {
		uint16_t number = m->before->members[i].number;
		if (number != m->number && ring_map_member(m->map, number) == NULL)
			send_map(m, step, number, m->map->epoch, code, 0);
	}
}

/* ---- Adopting ------------------------------------------------------------------------ */

bool member_maps_is_next(const struct member *m, struct bytes code)
{
	struct ring_map *map;
	if (ring_map_decode(code, m->map, &map) != 0)
		return false;
	bool is_next = map->epoch == m->map->epoch + 1 && map->blocks == m->map->blocks &&
		       memcmp(map->lineage, m->map->lineage, sizeof(map->lineage)) == 0;
	ring_map_destroy(map);
	return is_next;
}

uint16_t member_maps_number(const struct member *m)
{
	for (size_t i = 0; i < m->map->member_count; i++) {
		if (memcmp(m->map->members[i].id, m->id, RING_ID_SIZE) == 0)
			return m->map->members[i].number;
	}
	return MEMBER_NOBODY;
}

bool member_maps_adopt(struct member *m, const struct member_step *step, struct ring_map *map,
		       struct bytes code)
{
	bool is_other = member_lineage_of(map) != m->lineage;
	DHT_ASSERT(is_other || map->epoch > m->map->epoch);
	if (member_heartbeat_make_room(m, map) != 0 || member_drive_make_room(m, map) != 0) {
		ring_map_destroy(map);
		return false; /* it is fetched when there is memory */
	}
	if (is_other)
		forget_all(m);
	else if (code.len > 0)
		remember(m, m->map->epoch, map->epoch, code);
	struct ring_map *gone = m->before;
	m->before = m->map;
	m->map = map;
	m->lineage = member_lineage_of(map);
	m->number = member_maps_number(m);
	m->adopted_us = step->now_us;
	member_propose_drop(m);
	step->effects->adopt(step->effects->ctx, map);
	ring_map_destroy(gone);
	member_heartbeat_adopted(m, step);
	member_progress_adopted(m);
	member_drive_adopted(m, step);
	member_errand_adopted(m, step);
	return true;
}

void member_maps_decided(struct member *m, const struct member_step *step, struct bytes code)
{
	struct ring_map *map;
	if (ring_map_decode(code, m->map, &map) != 0)
		return; /* no memory: it is fetched, or decided again */
	if (!member_maps_adopt(m, step, map, code))
		return;
	pass_on(m, step, code, m->map->member_count - 1);
	tell_removed(m, step, code);
}

void member_maps_want(struct member *m, const struct member_step *step, uint32_t peer)
{
	if (step->now_us < m->wanted_us)
		return;
	m->wanted_us = step->now_us + WANT_US;
	struct member_message message = member_message_of(m, MEMBER_WANT_MAP);
	step->effects->send(step->effects->ctx, peer, &message, 0);
}

/* A map of another lineage is taken by who asked to join, over that link, and by who survives a
 * recovery; and only if it names this node. */
static bool may_take_lineage(const struct member *m, uint32_t peer,
			     const struct member_message *message, const struct ring_map *map)
{
	bool is_joined = member_errand_waits_for_map(m, peer);
	bool is_recovered = message->lineage_before != 0 && message->lineage_before == m->lineage;
	if (!is_joined && !is_recovered)
		return false;
	for (size_t i = 0; i < map->member_count; i++) {
		if (memcmp(map->members[i].id, m->id, RING_ID_SIZE) == 0)
			return true;
	}
	return false;
}

static void take_map(struct member *m, const struct member_step *step, uint32_t peer,
		     const struct member_message *message)
{
	struct ring_map *map;
	bool is_other = message->lineage != m->lineage;
	if (!is_other && message->epoch <= m->map->epoch)
		return;
	int rc = ring_map_decode(message->map, is_other ? NULL : m->map, &map);
	if (rc == DHT_EPRECOND && !is_other)
		member_maps_want(m, step, peer);
	if (rc != 0)
		return;
	bool is_taken = map->epoch == message->epoch && member_lineage_of(map) == message->lineage;
	is_taken = is_taken && (is_other ? may_take_lineage(m, peer, message, map)
					 : map->blocks == m->map->blocks);
	if (!is_taken) {
		ring_map_destroy(map);
		return;
	}
	bool is_step = !is_other && map->epoch == m->map->epoch + 1;
	if (!member_maps_adopt(m, step, map, is_step ? message->map : (struct bytes){0}))
		return;
	m->wanted_us = 0;
	pass_on(m, step, message->map, message->reach);
}

void member_maps_handle(struct member *m, const struct member_step *step, uint32_t peer,
			const struct member_message *message)
{
	if (message->kind == MEMBER_MAP)
		take_map(m, step, peer, message);
	else if (message->lineage != m->lineage)
		member_maps_tell_whole(m, step, peer);
	else
		member_maps_tell(m, step, peer, message->epoch);
}

void member_maps_fini(struct member *m)
{
	forget_all(m);
	ring_map_destroy(m->before);
	ring_map_destroy(m->map);
}
