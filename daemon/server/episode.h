/* SPDX-License-Identifier: Apache-2.0
 *
 * server/episode - a trouble that comes and goes, told once.
 *
 * Why     At a limit, a client that leaves and returns crosses it many times a second;
 *         each crossing is no news. An episode begins when the trouble is first met,
 *         and is over only when it was not met for EPISODE_QUIET_NS: two lines of log
 *         for all that lies between.
 * Thread  one owner.
 * Errors  none.
 */
#ifndef DHT_SERVER_EPISODE_H
#define DHT_SERVER_EPISODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

#define EPISODE_QUIET_NS (10 * 1000000000ULL)

struct episode {
	bool is_open;
	uint64_t met_ns;  /* when the trouble was met last */
	uint64_t refused; /* connections that the episode has cost, this one or the last */
};

/* Notes that the trouble is met at now_ns and costs so many connections. Returns true
 * when an episode begins with that. */
bool episode_note(struct episode *e, uint64_t refused, uint64_t now_ns) DHT_MUST_CHECK;

/* Returns true, once, when an episode is over. */
bool episode_close(struct episode *e, uint64_t now_ns) DHT_MUST_CHECK;

#endif
