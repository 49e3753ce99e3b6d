/* SPDX-License-Identifier: Apache-2.0
 *
 * server/control_link - one connection to another node on which the control plane speaks.
 *
 * Why     Handshake, frames, a bounded output: what is the same for a link that this node
 *         opened and for one that it was asked for.
 * Owns    The connection and its buffers.
 * Thread  the dispatcher.
 * Errors  What goes wrong ends the link: control_link_close, which its caller logs.
 */
#ifndef DHT_SERVER_CONTROL_LINK_H
#define DHT_SERVER_CONTROL_LINK_H

#include "base/list.h"
#include "io/conn.h"
#include "io/endpoint.h"
#include "wire/control.h"
#include "wire/handshake.h"
#include "wire/peer_parts.h"

enum {
	CONTROL_LINK_OUT_MAX = 2 * MEMBER_VALUE_MAX, /* unsent bytes */
	CONTROL_LINK_NOBODY = UINT16_MAX,            /* not known yet; above all guests */
};

/* A handshake, and everything in front of it, must not take longer. */
#define CONTROL_LINK_OPEN_NS UINT64_C(2000000000)

enum control_link_state {
	CONTROL_LINK_CONNECTS,
	CONTROL_LINK_SHAKES,
	CONTROL_LINK_OPEN,
	CONTROL_LINK_CLOSED, /* waits to be freed: events of this round may point to it */
};

/* Whether the other end is found at the address that it gives out. */
enum control_reach {
	CONTROL_REACH_UNKNOWN,
	CONTROL_PROBES,
	CONTROL_REACHED,
	CONTROL_UNREACHABLE,
};

struct control_link {
	struct conn conn;
	struct list link; /* of all links */
	enum control_link_state state;
	bool is_opener, is_armed; /* is_armed: for output */
	uint32_t peer;            /* as of node/member.h; of an opener from the start */
	char text[ENDPOINT_MAX];  /* the other end's address, for logs */
	struct handshake shake;
	struct buffer waiting;       /* frames for when it is open */
	struct peer_parts parts;     /* frames that are being put together */
	uint32_t streams;            /* numbers of those that were cut */
	uint64_t opened_ns;          /* when it began */
	char expected[RING_ID_SIZE]; /* of an opener that is no member's: who is meant; "" */
	/* Of a link to a node that is no member yet, either way (control_probe.c): */
	enum control_reach reach;
	struct control_link *probe;  /* that is tried on its behalf */
	struct control_link *probes; /* of such a one: on whose */
	char unreached[MEMBER_TEXT_MAX];
};

/* A frame, or DHT_E* to end the link. */
typedef int (*control_link_frame_fn)(void *ctx, struct control_link *l,
				     const struct peer_frame *frame);

/* Takes over a connected socket, or with is_opener one that connects. DHT_ENOMEM: the socket
 * stays the caller's. */
int control_link_create(int fd, uint32_t watch_kind, struct poller *poller,
			struct peer_budget *budget, bool is_opener, uint64_t now_ns,
			struct control_link **out) DHT_MUST_CHECK;

/* Closes the connection; the memory goes with control_link_free. */
void control_link_close(struct control_link *l);
void control_link_free(struct control_link *l);

/* Reads what has come. The handshake's end is told by the state, OPEN; frames behind it go to
 * take. Returns 0 or why the link is of no use: DHT_ECLOSED, DHT_EDENIED (shake.refusal says
 * why), DHT_EPROTO and so on. */
int control_link_read(struct control_link *l, const struct handshake_self *self,
		      control_link_frame_fn take, void *ctx) DHT_MUST_CHECK;

/* Begins the handshake of a link that has connected. expected: an id or NULL. */
int control_link_greet(struct control_link *l, const struct handshake_self *self,
		       enum handshake_purpose purpose, const char *expected) DHT_MUST_CHECK;

/* Queues an encoded frame, cut where it is too long. Without room it is lost: DHT_EFULL. */
int control_link_queue(struct control_link *l, struct bytes frame) DHT_MUST_CHECK;

/* Writes what the socket takes, and asks the poller for output or not. */
int control_link_flush(struct control_link *l, struct poller *poller) DHT_MUST_CHECK;

#endif
