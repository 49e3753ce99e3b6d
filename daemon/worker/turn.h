/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/turn - one turn of one session: flush, read once, answer, write once.
 *
 * Why     A turn is bounded (one read of at most WORKER_READ_MAX, or one slice of a
 *         stream), so a connection with a million pipelined requests takes its place
 *         in the round like any other.
 *         A socket that is closed with unread input resets the connection, which
 *         destroys replies that the peer has not read yet. So a session that ends
 *         before its peer does lingers: its output is ended, what still comes is read
 *         and thrown away, up to the peer's end, TURN_LINGER_NS or TURN_DISCARD_MAX.
 * Thread  the worker that owns the session; holds no group lock (asserted).
 */
#ifndef DHT_WORKER_TURN_H
#define DHT_WORKER_TURN_H

#include "worker/worker.h"

#define TURN_LINGER_NS 1000000000ull

enum { TURN_DISCARD_MAX = 64 * 1024 * 1024 }; /* bytes */

enum turn_result {
	TURN_IDLE,   /* nothing to do until the next event */
	TURN_AGAIN,  /* more to do: give it another turn after the others */
	TURN_LINGER, /* all is sent: close it at linger_until_ns; until then like another */
	TURN_CLOSE,  /* finished or broken: destroy it */
};

enum turn_result turn_serve(struct worker *w, struct session *s);

/* Reads for a session before others, of the same round, are served: so the memory that its
 * requests need comes while that goes on. turn_look_ahead is for one of the next WORKER_AHEAD
 * sessions, turn_approach for the very next one. Neither does anything where it is of no use,
 * or was done. */
void turn_look_ahead(struct worker *w, struct session *s);
void turn_approach(struct worker *w, struct session *s);

/* Drops what was read for a session that ends before its turn. */
void turn_forget(struct worker *w, struct session *s);

/* True when nothing is lost or delayed by parking the session. */
bool turn_is_parkable(const struct session *s);

#endif
