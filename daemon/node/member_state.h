/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_state - what the parts of a member share.
 *
 * Why     The parts are files of one idea each over one object.
 * Owns    See node/member.h.
 */
#ifndef DHT_NODE_MEMBER_STATE_H
#define DHT_NODE_MEMBER_STATE_H

#include "base/buffer.h"
#include "node/member.h"

enum {
	MEMBER_HISTORY = 64,                /* differences kept for those behind */
	MEMBER_HISTORY_BYTES = 1024 * 1024, /* of all of them */
	MEMBER_WATCH_ALL = 32,              /* members that all watch each other */
	MEMBER_WATCH_MAX = 64,
	MEMBER_NEWS_QUEUE = 128,
	MEMBER_ERRANDS = 16,
};

/* ---- member_vote.h ---- */

struct member_register {
	uint64_t lineage, epoch; /* of the map it decides; 0: unused */
	struct member_ballot promised, accepted;
	struct buffer value;
	uint64_t end; /* of its latest note */
};

/* ---- member_propose.h ---- */

enum member_proposal_phase { MEMBER_IDLE, MEMBER_PREPARING, MEMBER_ACCEPTING };

struct member_proposal {
	enum member_proposal_phase phase;
	uint64_t epoch;
	struct member_ballot ballot, best; /* best: of the values that were promised */
	struct buffer value;               /* own until a promise has another */
	uint16_t answered;                 /* voters by their place */
	uint64_t own_end;                  /* of the note of one's own answer; 0: counted */
	uint64_t deadline_us;
	/* Behind it. */
	uint64_t retry_us;
	unsigned failures; /* in a row */
	uint32_t round;    /* highest seen */
};

/* ---- member_maps.h ---- */

struct member_past {
	uint64_t base, epoch;
	struct buffer code;
};

/* ---- member_heartbeat.h ---- */

struct member_peer {
	uint64_t heard_us;              /* latest beat from itself */
	uint64_t beat, epoch;           /* of the latest beat, also by news */
	uint64_t probed_us;             /* latest answer to a probe */
	uint64_t asked_us;              /* latest probe */
	uint64_t doubted_us;            /* since when it is in doubt; 0: it is not */
	uint64_t progress, progress_us; /* taken over since its start; when that grew */
	uint64_t held_bytes;            /* of keys and values */
	uint64_t ahead_ms;              /* that its clock is, at least: by its latest beat */
	bool is_down, is_watched, is_full;
};

struct member_rumour {
	struct member_news news;
	unsigned rounds; /* left */
};

/* ---- member_drive.h ---- */

/* A block in a phase that ends by fins, as a driver sees it. */
struct member_block {
	uint32_t version;
	uint16_t fins;     /* members of N (recover: O) by their place */
	uint64_t since_us; /* first seen in this version */
	uint64_t near_us;  /* a majority of N was there */
};

/* ---- member_errand.h ---- */

struct member_errand {
	bool is_used, is_join; /* is_join: `voter` is a guest's link */
	struct member_request request;
	uint32_t origin; /* who asked: a peer, or MEMBER_SELF */
	uint64_t token;  /* the origin's */
	uint64_t tag;    /* own */
	uint32_t asked;  /* peer that is being asked */
	uint64_t retry_us, deadline_us;
	unsigned tries;
	bool is_answered; /* is_join: waits for its map alone */
};
enum { MEMBER_SELF = UINT32_MAX };

struct member {
	char id[RING_ID_SIZE];
	uint16_t number;
	uint64_t lineage; /* first bytes of the map's */
	struct ring_map *map, *before;
	struct member_times times;
	uint64_t tags;

	struct member_register vote;
	struct member_proposal proposal;

	struct member_past history[MEMBER_HISTORY];
	size_t history_at, history_bytes;
	uint64_t wanted_us; /* a map was asked for */
	uint64_t left_us;   /* probes of a node that left */

	struct member_peer *peers; /* by number */
	size_t peer_cap;
	uint16_t watched[MEMBER_WATCH_MAX];
	unsigned watched_count;
	struct member_rumour rumours[MEMBER_NEWS_QUEUE];
	unsigned rumour_count;
	uint64_t beat, beat_us;
	uint64_t doubts_us;     /* until when a member may be in doubt */
	struct member_peer own; /* what is counted of this node as of others */
	uint64_t moved_bytes;   /* by all, in this change */
	uint64_t rate, rate_us, rate_from;
	bool is_changing; /* in N of a joint block, or in a recovering one */

	struct member_fin *fins; /* own */
	size_t fin_count, fin_cap, fin_next;
	struct member_block *blocks;
	struct ring_replicas *target; /* of the change, NULL: not computed */
	uint64_t adopted_us, drive_us, tick_us;
	uint64_t limbo_us; /* since when a value that was accepted has no known fate; 0: none */
	uint64_t ready_us; /* since when something could be decided; 0: nothing */

	struct member_errand errands[MEMBER_ERRANDS];
};

static inline uint64_t member_lineage_of(const struct ring_map *map)
{
	return get_u64(map->lineage);
}

static inline struct member_message member_message_of(const struct member *m,
						      enum member_message_kind kind)
{
	return (struct member_message){
	    .kind = kind, .from = m->number, .lineage = m->lineage, .epoch = m->map->epoch};
}

/* Place of a member among the voters, or their count. */
static inline uint16_t member_voter_place(const struct ring_map *map, uint32_t number)
{
	uint16_t i = 0;
	while (i < map->voters.count && map->voters.members[i] != number)
		i++;
	return i;
}

static inline bool member_is_voter(const struct member *m)
{
	return member_voter_place(m->map, m->number) < m->map->voters.count;
}

/* A number below n, which is not 0. */
static inline uint64_t member_chance(const struct member_step *step, uint64_t salt, uint64_t n)
{
	uint64_t x = (step->random ^ salt) * 0x9E3779B97F4A7C15ull;
	x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93ull;
	return (x >> 33) % n;
}

#endif
