/* SPDX-License-Identifier: Apache-2.0 */
#include "node/member_heartbeat.h"

#include <stdlib.h>

#include "base/error.h"
#include "node/member_drive.h"
#include "node/member_maps.h"
#include "node/member_progress.h"

enum {
	RUMOUR_ROUNDS = 3, /* heartbeats that carry one: two may get lost */
	PROBE_US = 200000, /* between two probes */
};

bool member_is_down(const struct member *m, uint16_t number)
{
	return number < m->peer_cap && m->peers[number].is_down;
}

/* ---- News ---------------------------------------------------------------------------- */

static bool has_rumours(const struct member *m)
{
	return m->map->member_count > MEMBER_WATCH_ALL;
}

/* The oldest one makes room; it was told by then, or is learnt from others. */
static void spread(struct member *m, uint16_t number)
{
	struct member_rumour rumour = {{number, m->peers[number].is_down, m->peers[number].beat},
				       RUMOUR_ROUNDS};
	if (!has_rumours(m))
		return;
	unsigned at = 0;
	while (at < m->rumour_count && m->rumours[at].news.member != number)
		at++;
	if (at == MEMBER_NEWS_QUEUE)
		at = 0;
	if (at < m->rumour_count) {
		memmove(&m->rumours[at], &m->rumours[at + 1],
			(m->rumour_count - at - 1) * sizeof(m->rumours[0]));
		m->rumour_count--;
	}
	m->rumours[m->rumour_count++] = rumour;
}

static void set_down(struct member *m, const struct member_step *step, uint16_t number,
		     bool is_down)
{
	if (m->peers[number].is_down == is_down)
		return;
	m->peers[number].is_down = is_down;
	m->peers[number].doubted_us = 0;
	step->effects->set_down(step->effects->ctx, number, is_down);
	spread(m, number);
}

static void take_news(struct member *m, const struct member_step *step,
		      const struct member_news *news)
{
	struct member_peer *peer = &m->peers[news->member];
	if (!has_rumours(m) || news->member == m->number ||
	    ring_map_member(m->map, news->member) == NULL)
		return;
	bool is_heard = peer->is_watched && !peer->is_down;
	if (is_heard && news->is_down && news->beat <= peer->beat) {
		if (news->beat < peer->beat)
			spread(m, news->member);
		return;
	}
	if (news->beat < peer->beat || (news->beat == peer->beat && !news->is_down))
		return;
	peer->beat = news->beat;
	/* Who hears it itself trusts that. */
	if (!peer->is_watched || !news->is_down)
		set_down(m, step, news->member, news->is_down);
}

/* ---- Sending ------------------------------------------------------------------------- */

static size_t take_rumours(struct member *m, struct member_news news[MEMBER_NEWS_MAX])
{
	size_t count = 0;
	unsigned kept = 0;
	for (unsigned i = 0; i < m->rumour_count; i++) {
		struct member_rumour rumour = m->rumours[i];
		if (count < MEMBER_NEWS_MAX) {
			news[count++] = rumour.news;
			rumour.rounds--;
		}
		if (rumour.rounds > 0)
			m->rumours[kept++] = rumour;
	}
	m->rumour_count = kept;
	return count;
}

/* Those that do not fit into one heartbeat come with the next ones. */
static size_t take_fins(struct member *m, struct member_fin fins[MEMBER_FINS_MAX])
{
	size_t count = m->fin_count < MEMBER_FINS_MAX ? m->fin_count : MEMBER_FINS_MAX;
	for (size_t i = 0; i < count; i++)
		fins[i] = m->fins[(m->fin_next + i) % m->fin_count];
	m->fin_next = m->fin_count > 0 ? (m->fin_next + count) % m->fin_count : 0;
	return count;
}

static void send_beat(const struct member *m, const struct member_step *step, uint16_t to,
		      struct member_message *beat)
{
	beat->ahead_ms = m->peers[to].ahead_ms;
	step->effects->send(step->effects->ctx, to, beat, NODE_RESTS_ON_MAP);
}

static void send_beats(struct member *m, const struct member_step *step)
{
	struct member_news news[MEMBER_NEWS_MAX];
	struct member_fin fins[MEMBER_FINS_MAX];
	struct member_message beat = member_message_of(m, MEMBER_BEAT);
	beat.beat = ++m->beat;
	beat.counter = step->counter;
	beat.clock_ms = step->now_ms;
	beat.progress = step->progress;
	beat.held_bytes = step->held_bytes;
	beat.is_full = step->is_full;
	beat.news = news;
	beat.news_count = take_rumours(m, news);
	for (unsigned i = 0; i < m->watched_count; i++) {
		if (member_voter_place(m->map, m->watched[i]) == m->map->voters.count ||
		    !m->is_changing)
			send_beat(m, step, m->watched[i], &beat);
	}
	if (!m->is_changing)
		return;
	beat.fins = fins;
	beat.fin_count = take_fins(m, fins);
	for (uint16_t i = 0; i < m->map->voters.count; i++) {
		if (m->map->voters.members[i] != m->number)
			send_beat(m, step, m->map->voters.members[i], &beat);
	}
}

static void send_probe(struct member *m, const struct member_step *step, uint16_t number)
{
	struct member_message message = member_message_of(m, MEMBER_PROBE);
	m->peers[number].asked_us = step->now_us;
	message.tag = ++m->tags;
	step->effects->send(step->effects->ctx, number, &message, NODE_RESTS_ON_MAP);
}

/* True if this node did not run for a while, as a stopped process or a machine that sleeps: that
 * it has heard nobody says nothing about others. */
static bool was_away(const struct member *m, const struct member_step *step)
{
	return step->now_us - m->tick_us > m->times.heartbeat_us + m->times.suspect_after_us / 2;
}

/* Members answer nothing before the map that they rest on is durable, and a change brings up to ten
 * a second: their disks decide then how soon they are heard. */
static bool waits_for_maps(const struct member *m)
{
	return m->map->change.kind != RING_NO_CHANGE;
}

static void begin_doubt(struct member *m, const struct member_step *step, struct member_peer *peer)
{
	peer->doubted_us = step->now_us;
	m->doubts_us = step->now_us + 2 * m->times.doubt_us;
}

/* True if a doubt has turned out to be right. An answer that has arrived may wait to be read, so
 * one that this node was away in says nothing. */
static bool is_silent_in_doubt(struct member *m, const struct member_step *step,
			       struct member_peer *peer)
{
	if (peer->doubted_us == 0)
		return false;
	if (peer->heard_us > peer->doubted_us || peer->probed_us > peer->doubted_us ||
	    waits_for_maps(m)) {
		peer->doubted_us = 0;
		return false;
	}
	if (step->now_us - m->tick_us > m->times.doubt_us / 2)
		begin_doubt(m, step, peer);
	return step->now_us - peer->doubted_us > m->times.doubt_us;
}

static void find_silent(struct member *m, const struct member_step *step)
{
	bool is_back = was_away(m, step);
	for (unsigned i = 0; i < m->watched_count; i++) {
		struct member_peer *peer = &m->peers[m->watched[i]];
		if (is_back)
			peer->heard_us = step->now_us;
		else if (is_silent_in_doubt(m, step, peer) ||
			 step->now_us - peer->heard_us > m->times.suspect_after_us)
			set_down(m, step, m->watched[i], true);
	}
}

void member_doubt(struct member *m, const struct member_step *step, uint16_t number)
{
	if (number >= m->peer_cap || !m->peers[number].is_watched || m->peers[number].is_down ||
	    m->peers[number].doubted_us != 0 || waits_for_maps(m))
		return;
	begin_doubt(m, step, &m->peers[number]);
	send_probe(m, step, number);
}

void member_lost(struct member *m, const struct member_step *step, uint16_t number)
{
	/* Whom this node does not hear itself others tell of. */
	if (number < m->peer_cap && m->peers[number].is_watched)
		set_down(m, step, number, true);
}

void member_heartbeat_tick(struct member *m, const struct member_step *step)
{
	find_silent(m, step);
	if (step->now_us < m->beat_us || m->number == MEMBER_NOBODY)
		return;
	send_beats(m, step);
	/* A tenth of chance, so that members do not fall into step. */
	uint64_t tenth = m->times.heartbeat_us / 10;
	m->beat_us = step->now_us + m->times.heartbeat_us - tenth +
		     member_chance(step, m->number, 2 * tenth + 1);
}

/* ---- Receiving ----------------------------------------------------------------------- */

/* A heartbeat may have been under way for as long as this node, or a link, stood still. That makes
 * the sender's clock look further behind than it is, and never ahead: so each side can be sure of
 * what the other clock is ahead alone, and tells the other side, for which it is behind. */
static int64_t find_skew(struct member_peer *peer, const struct member_step *step,
			 const struct member_message *message)
{
	uint64_t behind_ms = message->ahead_ms < INT64_MAX ? message->ahead_ms : INT64_MAX;
	peer->ahead_ms = message->clock_ms > step->now_ms ? message->clock_ms - step->now_ms : 0;
	if (peer->ahead_ms > INT64_MAX)
		peer->ahead_ms = INT64_MAX;
	return peer->ahead_ms > 0 ? (int64_t)peer->ahead_ms : -(int64_t)behind_ms;
}

static void take_beat(struct member *m, const struct member_step *step,
		      const struct member_message *message)
{
	struct member_peer *peer = &m->peers[message->from];
	if (message->beat <= peer->beat)
		return; /* a later one overtook it */
	member_progress_note(m, peer, message->progress, step->now_us);
	peer->held_bytes = message->held_bytes;
	peer->heard_us = step->now_us;
	peer->beat = message->beat;
	peer->epoch = message->epoch;
	peer->is_full = message->is_full;
	set_down(m, step, message->from, false);
	step->effects->heard(step->effects->ctx, message->from, message->counter,
			     find_skew(peer, step, message));
	for (size_t i = 0; i < message->news_count; i++)
		take_news(m, step, &message->news[i]);
	for (size_t i = 0; i < message->fin_count; i++)
		member_drive_fin(m, step, message->from, message->fins[i]);
}

void member_heartbeat_handle(struct member *m, const struct member_step *step, uint32_t peer,
			     const struct member_message *message)
{
	bool is_member = peer < RING_MEMBERS_MAX && ring_map_member(m->map, (uint16_t)peer) != NULL;
	if (message->kind == MEMBER_BEAT) {
		if (is_member)
			take_beat(m, step, message);
		else
			member_maps_tell(m, step, peer, message->epoch); /* it left */
	} else if (message->kind == MEMBER_PROBE) {
		struct member_message reply = member_message_of(m, MEMBER_PROBED);
		reply.tag = message->tag;
		reply.is_full = step->is_full;
		step->effects->send(step->effects->ctx, peer, &reply, NODE_RESTS_ON_MAP);
	} else if (is_member) {
		struct member_peer *known = &m->peers[peer];
		known->probed_us = step->now_us;
		known->epoch = message->epoch > known->epoch ? message->epoch : known->epoch;
		known->is_full = message->is_full;
	}
	if (message->epoch > m->map->epoch && peer < RING_MEMBERS_MAX)
		member_maps_want(m, step, peer);
}

void member_heartbeat_probe(struct member *m, const struct member_step *step, uint16_t number)
{
	struct member_peer *peer = &m->peers[number];
	if (number == m->number ||
	    (peer->asked_us != 0 && step->now_us < peer->asked_us + PROBE_US))
		return;
	send_probe(m, step, number);
}

/* ---- Whom to watch ------------------------------------------------------------------- */

static void watch(struct member *m, const struct member_step *step, size_t place,
		  bool was_watched[])
{
	uint16_t number = m->map->members[place % m->map->member_count].number;
	struct member_peer *peer = &m->peers[number];
	if (number == m->number || peer->is_watched)
		return;
	peer->is_watched = true;
	m->watched[m->watched_count++] = number;
	if (!was_watched[number])
		peer->heard_us = step->now_us; /* it has not begun to send */
}

/* A number may be another node's by now, if maps were missed. */
static void forget_removed(struct member *m)
{
	for (size_t i = 0; m->before != NULL && i < m->before->member_count; i++) {
		const struct ring_member *before = &m->before->members[i];
		const struct ring_member *now = ring_map_member(m->map, before->number);
		if (before->number < m->peer_cap &&
		    (now == NULL || memcmp(now->id, before->id, RING_ID_SIZE) != 0))
			m->peers[before->number] = (struct member_peer){0};
	}
}

int member_heartbeat_make_room(struct member *m, const struct ring_map *map)
{
	size_t cap = map->members[map->member_count - 1].number + 1u;
	if (cap <= m->peer_cap)
		return 0;
	struct member_peer *peers = realloc(m->peers, cap * sizeof(*peers));
	if (peers == NULL)
		return DHT_ENOMEM;
	memset(peers + m->peer_cap, 0, (cap - m->peer_cap) * sizeof(*peers));
	m->peers = peers;
	m->peer_cap = cap;
	return 0;
}

static bool is_in_a_change(const struct member *m)
{
	for (uint32_t block = 0; block < m->map->blocks; block++) {
		const struct ring_kept *kept = ring_map_kept(m->map, block);
		if (kept->phase == RING_STABLE)
			continue;
		const struct ring_replicas *who =
		    ring_map_list(m->map, kept->phase == RING_JOINT ? kept->next : kept->old);
		if (ring_replicas_find(who, m->number) < who->count)
			return true;
	}
	return false;
}

void member_heartbeat_adopted(struct member *m, const struct member_step *step)
{
	bool was_watched[RING_MEMBERS_MAX] = {false};
	size_t count = m->map->member_count;
	forget_removed(m);
	for (size_t i = 0; i < m->peer_cap; i++) {
		was_watched[i] = m->peers[i].is_watched && m->peers[i].heard_us != 0;
		m->peers[i].is_watched = false;
	}
	m->watched_count = 0;
	m->is_changing = m->number != MEMBER_NOBODY && is_in_a_change(m);
	if (m->number == MEMBER_NOBODY)
		return;
	size_t own = ring_map_place(m->map, m->number);
	if (count <= MEMBER_WATCH_ALL) {
		for (size_t i = 1; i < count; i++)
			watch(m, step, own + i, was_watched);
		return;
	}
	for (size_t distance = 1; distance < count; distance *= 2) {
		watch(m, step, own + distance, was_watched);
		watch(m, step, own + count - distance, was_watched);
	}
}
