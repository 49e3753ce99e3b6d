/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/handshake - how two nodes that opened a link find out that they belong together.
 *
 *     opener                     acceptor
 *     HELLO     ------------>                 who I am, what for, a nonce
 *               <------------    CHALLENGE    the same
 *     PROOF     ------------>                 HMAC over both, by the opener
 *               <------------    PROOF        and by the acceptor
 *
 * Why     Before a frame of a link is acted on, both sides know that the other one is of the same
 *         cluster, knows the secret, and which node it is. proto/peer.proto has the form, and
 *         what a proof is computed of: both nonces, both ids, purpose and role, so that neither
 *         one that was recorded nor one that is sent back proves anything.
 * Owns    Its state, which has no secret in it: that is part of `self`, and the caller's.
 * Thread  belongs to one owner at a time. Pure: bytes go in and come out, nonces are given.
 * Errors  DHT_EDENIED: it was refused, by this side or the other one; `refusal` says why. What
 *         is in `out` then is still to be sent, and the link to be closed. DHT_ENOMEM: the link
 *         is of no use.
 *
 * A side that is refused does not come to know more of the cluster than its name, the node's
 * id, epoch and address. Time is the caller's: a handshake that takes too long is ended by
 * handshake_refuse.
 *
 * What it tells is who opened the link and who answers. It does not protect what is sent on it
 * later from somebody who can read or change bytes on their way: that takes a transport that
 * does (io/transport.h).
 */
#ifndef DHT_WIRE_HANDSHAKE_H
#define DHT_WIRE_HANDSHAKE_H

#include "base/buffer.h"
#include "node/member_message.h"
#include "wire/peer_frame.h"

enum {
	HANDSHAKE_PROTOCOL = 1, /* the version that this program speaks, and the lowest one */
	HANDSHAKE_NONCE_SIZE = 32,
	HANDSHAKE_CLUSTER_MAX = 64, /* bytes of the cluster's name */
	HANDSHAKE_REASON_SIZE = 256,
	HANDSHAKE_MESSAGE_MAX = 1024,
	/* The longest frame of a handshake, of which either side is sent two at most: more
	 * bytes are not worth keeping before it is over. */
	HANDSHAKE_FRAME_MAX = PEER_FRAME_HEADER + HANDSHAKE_MESSAGE_MAX,
};

/* X(NAME, text): the numbers are those of proto/peer.proto. */
#define HANDSHAKE_PURPOSES(X)                                                                      \
	X(CONTROL, "control") /* wire/control.h */                                                 \
	X(DATA, "data")       /* wire/peer.h */                                                    \
	X(JOIN, "join")       /* wire/control.h; the opener is no member yet */

enum handshake_purpose {
	HANDSHAKE_NO_PURPOSE,
#define X(name, text) HANDSHAKE_##name,
	HANDSHAKE_PURPOSES(X)
#undef X
	    HANDSHAKE_PURPOSE_COUNT
};

/* X(NAME, text): the numbers are those of proto/peer.proto; the text is what is said where
 * there is nothing more to say. It is true on both sides. */
#define HANDSHAKE_CODES(X)                                                                         \
	X(MALFORMED, "what was sent is no handshake")                                              \
	X(VERSION, "the nodes have no version of the protocol in common")                          \
	X(OTHER_CLUSTER, "the nodes are of clusters of different names")                           \
	X(OTHER_LINEAGE, "the nodes are of different clusters of one name")                        \
	X(MYSELF, "a node has connected to itself")                                                \
	X(SAME_ID, "two nodes have the same id")                                                   \
	X(OTHER_NODE, "another node was expected at this address")                                 \
	X(SECRET_MISSING, "only one of the nodes has a cluster.secret_file")                       \
	X(SECRET_DIFFERS, "the secrets in cluster.secret_file differ")                             \
	X(NO_MEMBER, "a node is no member of the cluster")                                         \
	X(REMOVED, "a node was removed from the cluster")                                          \
	X(LATE, "the handshake took too long")                                                     \
	X(FULL, "too many links are open")                                                         \
	X(NOT_READY, "a node is starting or stopping")                                             \
	X(OTHER, "the link was refused")

enum handshake_code {
	HANDSHAKE_NO_CODE, /* it is not refused */
#define X(name, text) HANDSHAKE_##name,
	HANDSHAKE_CODES(X)
#undef X
	    HANDSHAKE_CODE_COUNT
};

/* Words for a log: "SECRET_DIFFERS", "control". */
const char *handshake_code_name(enum handshake_code code);
const char *handshake_purpose_name(enum handshake_purpose purpose);

struct handshake_refusal {
	enum handshake_code code;
	bool is_ours;                       /* false: the other side has refused */
	char reason[HANDSHAKE_REASON_SIZE]; /* one sentence, printable */
};

/* The other side, as it described itself; if there is a secret, it has proved to know it. */
struct handshake_peer {
	enum handshake_purpose purpose;
	char id[RING_ID_SIZE];
	uint16_t number; /* in its map; MEMBER_NOBODY: it has none */
	uint8_t lineage[RING_LINEAGE_SIZE];
	uint64_t lineage_before; /* as in struct handshake_self */
	bool is_same_lineage;
	uint64_t epoch;
	uint64_t run;
	uint32_t protocol; /* the version that the link speaks */
	uint64_t features; /* of both */
	char host[RING_TEXT_MAX + 1];
	uint16_t port; /* 0: it told no address */
};

/* Says whether a node may have the link, by what the map knows of it: HANDSHAKE_NO_CODE if so;
 * else reason can be set. All else was found to be good by then. The acceptor has verified the
 * proof; the opener has not yet, and does so before the handshake is over. */
typedef enum handshake_code (*handshake_judge_fn)(void *ctx, const struct handshake_peer *peer,
						  char reason[HANDSHAKE_REASON_SIZE]);

/* This side, as it is at the time of a call. */
struct handshake_self {
	const char *cluster;    /* name, at most HANDSHAKE_CLUSTER_MAX bytes */
	char id[RING_ID_SIZE];  /* 32 digits */
	uint16_t number;        /* in the own map; MEMBER_NOBODY */
	const uint8_t *lineage; /* RING_LINEAGE_SIZE bytes, of the own map */
	/* First bytes of the lineage that the own map's took the place of in a recovery, else 0: a
	 * CONTROL link with a node that has that lineage still is not refused, whichever side opens
	 * it, as that is how the node gets the map. */
	uint64_t lineage_before;
	uint64_t epoch;
	/* It is about to give its map up for that of a cluster, whose members may know so before:
	 * they are to try again. */
	bool is_joining;
	uint64_t run; /* random, of this run of the daemon */
	uint32_t protocol_min, protocol_max;
	uint64_t features;
	const struct ring_address *address; /* advertised to peers; NULL: none */
	struct bytes secret;                /* empty: none */
	handshake_judge_fn judge;           /* NULL: everybody may */
	void *ctx;
};

enum handshake_step {
	HANDSHAKE_EXPECTS_HELLO, /* the acceptor */
	HANDSHAKE_EXPECTS_CHALLENGE,
	HANDSHAKE_EXPECTS_PROOF,
	HANDSHAKE_IS_DONE,
	HANDSHAKE_IS_REFUSED,
};

struct handshake {
	enum handshake_step step;
	bool is_opener;
	enum handshake_purpose purpose;
	char expected[RING_ID_SIZE]; /* the opener's; "": whoever it is */
	uint8_t nonce[HANDSHAKE_NONCE_SIZE];
	struct handshake_peer peer;       /* complete once it is done */
	struct handshake_refusal refusal; /* once it is refused */
	/* The messages of HELLO and CHALLENGE, as they were sent. */
	size_t hello_len, challenge_len;
	uint8_t hello[HANDSHAKE_MESSAGE_MAX], challenge[HANDSHAKE_MESSAGE_MAX];
};

/* Begins as who has connected: appends HELLO to out. expected: the id of the node that is meant,
 * NULL if whichever is found there will do. Nonces are random and never used twice. */
int handshake_open(struct handshake *h, const struct handshake_self *self,
		   enum handshake_purpose purpose, const char *expected,
		   const uint8_t nonce[HANDSHAKE_NONCE_SIZE], struct buffer *out) DHT_MUST_CHECK;

/* Begins as who was connected to. */
void handshake_accept(struct handshake *h, const uint8_t nonce[HANDSHAKE_NONCE_SIZE]);

/* Looks at the start of what has arrived, and appends to out what is to be sent. Returns 1 once
 * the handshake is over: h->peer is known, and what follows on the link are frames of its
 * purpose. 0: more has to come. *taken bytes are done with in any case; where it stands at a
 * part of a frame, the first HANDSHAKE_FRAME_MAX bytes are enough. Not to be called again after 1
 * or an error (asserted). */
int handshake_take(struct handshake *h, const struct handshake_self *self, struct bytes arrived,
		   size_t *taken, struct buffer *out) DHT_MUST_CHECK;

/* Ends a handshake that is not over, for a reason of the caller's (reason NULL: that of the code):
 * appends REFUSAL to out. */
int handshake_refuse(struct handshake *h, enum handshake_code code, const char *reason,
		     struct buffer *out) DHT_MUST_CHECK;

/* Reads a frame of type REFUSAL that comes when the handshake is over on this side: the opener may
 * still refuse the acceptor's proof. */
int handshake_read_refusal(const struct peer_frame *frame,
			   struct handshake_refusal *refusal) DHT_MUST_CHECK;

#endif
