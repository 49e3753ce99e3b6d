/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member - the control plane of a member: which map holds, who lives, what changes.
 *
 * Why     Members agree on a chain of maps, each decided by the voters of the one before
 *         (the register protocol, section 6). Here is all of it: deciding maps, carrying on with
 *         a change of members until it is done, spreading maps and telling who answers. The
 *         data plane (node/node.h) learns of maps through `adopt` and reports what is in sync.
 * Owns    Its map, and everything below; a guest's link is its caller's.
 * Thread  one, the dispatcher: no lock is held around it. Pure: time, randomness and
 *         durability come in with each call, effects go out through a table.
 * Errors  DHT_ENOMEM at the start. Later what finds no memory or room is dropped, and done
 *         again when its time comes.
 *
 * The parts: member_vote.h (a voter's register), member_propose.h (a proposal), member_maps.h
 * (maps that are decided: adopt, fetch, spread), member_change.h (what a request makes of a map),
 * member_progress.h (how much a change moves),
 * member_drive.h (how a change goes on), member_heartbeat.h (who lives), member_errand.h (requests
 * on their way), member_recover.h (by the operator's word).
 *
 * Persist before send: `send` says what a message rests on, as node/effects.h has it: a position
 * of the log, 0 for nothing, or NODE_RESTS_ON_MAP for the map that was adopted last.
 */
#ifndef DHT_NODE_MEMBER_H
#define DHT_NODE_MEMBER_H

#include "node/effects.h"
#include "node/member_message.h"
#include "ring/map.h"

struct member;

/* A peer of `send` is a member by its number, or a link of the caller's to a node that is none
 * (somebody who wants to join, or through whom this node joins): MEMBER_GUEST and above. */
enum { MEMBER_GUEST = RING_MEMBERS_MAX + 1 };

struct member_effects {
	void *ctx;
	void (*send)(void *ctx, uint32_t peer, const struct member_message *m, uint64_t rests_on);
	/* Appends a VOTE note; *end is the position behind it. member_durable is to be called once
	 * the log is durable up to there. What fails is not said to anybody. */
	int (*store_vote)(void *ctx, struct bytes note, uint64_t *end);
	/* The map is decided, is this node's from now on, and is to be made durable. It is valid
	 * until the next one is adopted. Epochs ascend, but for one of another lineage. */
	void (*adopt)(void *ctx, const struct ring_map *map);
	/* Only an order of preference. */
	void (*set_down)(void *ctx, uint16_t member, bool is_down);
	/* A heartbeat: raise the counter to this one. The member's clock is ahead of this node's
	 * by skew_ms at least, or behind it if that is negative. */
	void (*heard)(void *ctx, uint16_t member, uint64_t counter, int64_t skew_ms);
	/* The outcome of member_request or member_join. */
	void (*answered)(void *ctx, uint64_t token, const struct member_answer *answer);
};

struct member_step {
	uint64_t now_us;     /* monotonic */
	uint64_t now_ms;     /* wall clock, only shown and compared */
	uint64_t random;     /* another for every step */
	uint64_t counter;    /* of ballots of keys, to be told */
	uint64_t progress;   /* bytes taken over by sync so far */
	uint64_t held_bytes; /* of keys and values in the store */
	bool is_full;        /* the store has no room */
	const struct member_effects *effects;
};

struct member_times {
	uint64_t heartbeat_us;     /* between two of them */
	uint64_t suspect_after_us; /* of silence */
	uint64_t doubt_us;         /* of silence of one that is in doubt (member_doubt) */
	uint64_t epoch_us;         /* at least, between two maps of one driver */
	uint64_t round_us;         /* a proposal without an answer that decides it */
	uint64_t away_us;          /* silence of a majority of N before a block goes back to O */
	uint64_t stall_us;         /* without progress before nobody waits for a member of N */
	uint64_t deadline_us;      /* of a joint phase, for members that do make progress */
	uint64_t request_us;       /* for a request as a whole */
	uint32_t joint_max;        /* blocks that are joint at once */
};

#define MEMBER_TIMES_DEFAULT                                                                       \
	((struct member_times){                                                                    \
	    .heartbeat_us = 100000,                                                                \
	    .suspect_after_us = 500000,                                                            \
	    .doubt_us = 150000,                                                                    \
	    .epoch_us = 100000,                                                                    \
	    .round_us = 500000,                                                                    \
	    .away_us = 10000000,                                                                   \
	    .stall_us = 10000000,                                                                  \
	    .deadline_us = 600000000,                                                              \
	    .request_us = 30000000,                                                                \
	    .joint_max = 128,                                                                      \
	})

/* id: own, of 32 digits; map: that of the latest durable adoption (or of a cluster of one),
 * of which a copy is made; note: the latest durable VOTE note, or none; starts: the daemon's
 * start count, this one included and durable. */
int member_create(const char id[RING_ID_SIZE], const struct ring_map *map, struct bytes note,
		  uint32_t starts, const struct member_times *times, uint64_t now_us,
		  struct member **out) DHT_MUST_CHECK;

/* NULL is allowed. */
void member_destroy(struct member *m);

/* ---- Events -------------------------------------------------------------------------- */

/* A message came from a peer: a member by its number, as the handshake found it, or a guest. */
void member_handle(struct member *m, const struct member_step *step, uint32_t peer,
		   const struct member_message *message);

/* Does what is due; to be called at member_wake_us, or whenever. */
void member_tick(struct member *m, const struct member_step *step);
uint64_t member_wake_us(const struct member *m);

/* The log is durable up to this position. */
void member_durable(struct member *m, const struct member_step *step, uint64_t position);

/* A member has told the data plane of a newer map: it is asked for what it has. */
void member_want(struct member *m, const struct member_step *step, uint16_t member);

/* The connection to a member is gone: it counts as down until it is heard of again. */
void member_lost(struct member *m, const struct member_step *step, uint16_t member);

/* The data plane waits in vain for answers of a member: it is probed, and counts as down if that is
 * not answered soon, long before it would by silence alone. One that does answer is as slow as its
 * disk, or as busy as it is. To be repeated while that is so. */
void member_doubt(struct member *m, const struct member_step *step, uint16_t member);

/* The data plane is in sync with a block in this version, durably. Forgotten when the block's
 * version changes, and to be said again after a restart. */
void member_set_fin(struct member *m, uint32_t block, uint32_t version);

/* ---- The operator -------------------------------------------------------------------- */

/* Asks for a change; `answered` has the outcome, once it has begun: how it goes on, member_job
 * says. DHT_EFULL: too many at once. */
int member_request(struct member *m, const struct member_step *step,
		   const struct member_request *request, uint64_t token) DHT_MUST_CHECK;

/* Joins the cluster of a member at the other end of a link: `request` is of JOIN or REPLACE.
 * `answered` says that the change has begun or why not; `adopt` follows. */
int member_join(struct member *m, const struct member_step *step, uint32_t peer,
		const struct member_request *request, uint64_t token) DHT_MUST_CHECK;

/* Nobody waits for the outcome any more: the cluster is not asked again. The change may have begun
 * all the same. */
void member_join_cancel(struct member *m);

/* What a request would do. */
struct member_plan {
	int status; /* 0, or why it would be refused */
	char text[MEMBER_TEXT_MAX];
	uint32_t blocks; /* that get other replicas */
	uint64_t moves;  /* members that take over a block, of all of them */
	uint64_t bytes;  /* that these take over, about */
	/* Risks: */
	uint32_t at_risk;   /* blocks that cannot lose one more member while they change */
	uint32_t few;       /* blocks that have fewer replicas than the cluster wants, then */
	uint32_t same_zone; /* blocks with replicas that share a zone, then, and not now */
	uint32_t full;      /* members that take something over and have no room */
};
int member_plan(const struct member *m, const struct member_request *request,
		struct member_plan *plan) DHT_MUST_CHECK;

/* The change that is going on. */
struct member_job {
	struct ring_change change; /* RING_NO_CHANGE: there is none */
	uint32_t blocks;           /* that are to change or change now */
	uint32_t joint;            /* of these, now */
	uint32_t in_sync;          /* of these, reported by a majority of N (known to voters) */
	uint64_t moved_bytes;      /* by all members, as far as this one has heard */
	uint64_t left_bytes;       /* about */
	uint64_t bytes_per_s;      /* lately */
};
int member_job(struct member *m, struct member_job *job) DHT_MUST_CHECK;

/* What a recovery among some survivors does to the blocks. */
struct member_loss {
	uint32_t kept;   /* a majority of the replicas is there: nothing is lost */
	uint32_t merged; /* some are: what was acknowledged without them is lost */
	uint32_t empty;  /* no survivor has anything */
};

/* Makes a map with a new lineage among the named survivors and adopts it: those that are not
 * named are lost for good. With lineage NULL nothing is done but to tell what would be lost.
 * DHT_EUNSAFE: a survivor does not answer, or has adopted a newer map; `text` says so. */
int member_recover(struct member *m, const struct member_step *step, const uint16_t *survivors,
		   size_t count, const uint8_t lineage[RING_LINEAGE_SIZE], struct member_loss *loss,
		   char text[MEMBER_TEXT_MAX]) DHT_MUST_CHECK;

/* ---- What it knows ------------------------------------------------------------------- */

const struct ring_map *member_map(const struct member *m);

/* Own number in the map; MEMBER_NOBODY: it does not name this node. */
uint16_t member_number(const struct member *m);

bool member_is_down(const struct member *m, uint16_t number);

/* True once a node that left may stop: a majority of the voters has adopted its last map, so that
 * nobody needs its vote (section 6). */
bool member_may_stop(const struct member *m);

#endif
