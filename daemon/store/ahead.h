/* SPDX-License-Identifier: Apache-2.0
 *
 * store/ahead - has the memory there before records are appended to it.
 *
 * Why     The kernel provides memory when it is first touched: for a huge page it clears
 *         2 MiB, a quarter of a millisecond, and where a hypervisor has taken the page back
 *         meanwhile, several. Whoever appends there waits, and all clients behind it. So it
 *         is touched before, by a thread that nobody waits for.
 * Owns    How far that was done.
 * Thread  ahead_touch: one background job. ahead_wants: any.
 *
 * Once a segment was filled since the start, that is all of the log's last segment and the
 * one that follows it: the following one is there from when the one before the last gives
 * its memory back, of which it is made then, before the system does something else with
 * it. Before that, as much again as was appended: a node that takes few writes does not
 * take the memory of a busy one.
 */
#ifndef DHT_STORE_AHEAD_H
#define DHT_STORE_AHEAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/segment.h"
#include "store/tail.h"

struct ahead {
	uint64_t first;           /* sequence of the segment that the start began */
	_Atomic uint64_t touched; /* the memory before this position is there */
};

/* For a tail in a log with files that has just been started. */
void ahead_init(struct ahead *ahead, const struct tail *tail);

/* True if ahead_touch has something to do. */
bool ahead_wants(const struct ahead *ahead, const struct tail *tail);

/* Touches a piece. It takes as long as the system needs for a huge page. */
void ahead_touch(struct ahead *ahead, const struct tail *tail, struct segments *segs);

#endif
