/* SPDX-License-Identifier: Apache-2.0
 *
 * node/member_message - what members say to each other about the map and about themselves.
 *
 * Why     The control plane's messages as values, before wire/ gives them a form.
 * Owns    Nothing: bytes, items and requests are the sender's until `send` returns, and the
 *         caller's while member_handle runs.
 * Thread  values.
 */
#ifndef DHT_NODE_MEMBER_MESSAGE_H
#define DHT_NODE_MEMBER_MESSAGE_H

#include "base/bytes.h"
#include "ring/map.h"

/* X(NAME, from_guest): whether one may come from a node that is no member. */
#define MEMBER_MESSAGE_KINDS(X)                                                                    \
	X(BEAT, false)    /* I live, and this is how far I am */                                   \
	X(WANT_MAP, true) /* I have adopted `epoch`: what came behind it? */                       \
	X(MAP, false)     /* a decided map */                                                      \
	X(PREPARE, false) /* the register of map `epoch`, and its answers */                       \
	X(PROMISE, false)                                                                          \
	X(ACCEPT, false)                                                                           \
	X(ACCEPTED, false)                                                                         \
	X(PROBE, true) /* does it answer? (who left asks, too) */                                  \
	X(PROBED, false)                                                                           \
	X(REQUEST, true) /* change the map, and its outcome */                                     \
	X(ANSWER, false)

enum member_message_kind {
#define X(name, from_guest) MEMBER_##name,
	MEMBER_MESSAGE_KINDS(X)
#undef X
	    MEMBER_MESSAGE_KIND_COUNT
};

enum {
	MEMBER_NOBODY = RING_MEMBERS_MAX, /* `from` of who is no member, or speaks as none */
	MEMBER_FINS_MAX = 512,            /* of a BEAT */
	MEMBER_NEWS_MAX = 32,
	MEMBER_TEXT_MAX = 160,              /* bytes of a reason */
	MEMBER_VALUE_MAX = 8 * 1024 * 1024, /* bytes of a map that is sent or stored */
};

/* Of the register of one epoch; round 0 means none. */
struct member_ballot {
	uint32_t round;
	uint16_t member;
};

static inline int member_ballot_compare(struct member_ballot a, struct member_ballot b)
{
	if (a.round != b.round)
		return a.round < b.round ? -1 : 1;
	return a.member == b.member ? 0 : a.member < b.member ? -1 : 1;
}

/* The sender is in sync with a block in this version, durably. */
struct member_fin {
	uint32_t block, version;
};

/* What somebody who watches it says of a member: it is silent since `beat`, or not. */
struct member_news {
	uint16_t member;
	bool is_down;
	uint64_t beat;
};

enum member_request_kind {
	MEMBER_REQUEST_JOIN,
	MEMBER_REQUEST_LEAVE,
	MEMBER_REQUEST_REMOVE,
	MEMBER_REQUEST_REPLACE,
	MEMBER_REQUEST_ADJUST,
	MEMBER_REQUEST_CANCEL,
	MEMBER_REQUEST_KIND_COUNT
};

struct member_request {
	enum member_request_kind kind;
	uint16_t number;           /* LEAVE, REMOVE: who; REPLACE: whose place is taken */
	uint64_t job;              /* CANCEL */
	struct ring_member member; /* JOIN, REPLACE: who comes (its number is chosen); ADJUST: as it
				      is to be */
	uint64_t lineage;          /* JOIN, REPLACE: of the map that who comes has now */
	bool has_data;             /* JOIN, REPLACE: it holds keys */
	bool is_forced;            /* LEAVE: with fewer replicas than the cluster should have */
};

struct member_answer {
	int status;   /* 0 or DHT_E* */
	uint64_t job; /* the change that has begun; 0: there was nothing to do */
	char text[MEMBER_TEXT_MAX];
};

struct member_message {
	enum member_message_kind kind;
	uint16_t from;    /* the sender's number */
	uint64_t lineage; /* of the sender's map: its first 8 bytes */
	uint64_t epoch;   /* PREPARE to ACCEPTED: the one to be decided; MAP: of this map; else
			     that the sender has adopted */
	/* The register. */
	struct member_ballot ballot; /* PREPARE, ACCEPT; repeated by answers */
	struct member_ballot
	    accepted; /* PROMISE: the value's, or that which was promised (!is_ok) */
	bool is_ok;
	struct bytes map; /* PROMISE, ACCEPT, MAP: as ring/code has it */
	/* MAP */
	uint16_t reach;          /* members behind the receiver that it is to pass it on to */
	uint64_t lineage_before; /* of a recovered map, else 0 */
	/* BEAT */
	uint64_t beat;       /* grows with each, restarts included */
	uint64_t counter;    /* Lamport clock of ballots */
	uint64_t clock_ms;   /* wall clock */
	uint64_t ahead_ms;   /* that the receiver's clock is ahead of the sender's, at least */
	uint64_t progress;   /* bytes that the sender has taken over since its start */
	uint64_t held_bytes; /* of keys and values in its store */
	bool is_full;        /* its store has no room for more; PROBED too */
	const struct member_fin *fins;
	size_t fin_count;
	const struct member_news *news;
	size_t news_count;
	/* PROBE, PROBED, REQUEST, ANSWER */
	uint64_t tag;
	const struct member_request *request;
	const struct member_answer *answer;
};

const char *member_message_name(enum member_message_kind kind);

/* Checks what came from outside: kinds, bounds, numbers; blocks and epochs are their reader's
 * concern. False: it is to be dropped. */
bool member_message_is_valid(const struct member_message *m);

/* True if a node that is no member may say this; m is valid. */
bool member_message_may_come_from_guest(const struct member_message *m);

#endif
