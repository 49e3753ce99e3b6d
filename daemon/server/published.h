/* SPDX-License-Identifier: Apache-2.0
 *
 * server/published - the map that workers route by and show, replaced while they read it.
 *
 * Why     A worker reads the map without a lock, and not beyond the end of a job. So one that
 *         was replaced is freed once every worker has begun another job: the watchdog's probes
 *         tell, which is soon enough for what is replaced ten times a second at most.
 * Owns    The published map, and those that were replaced and may still be read.
 * Thread  the dispatcher; before there are workers, who starts them.
 */
#ifndef DHT_SERVER_PUBLISHED_H
#define DHT_SERVER_PUBLISHED_H

#include "ring/map.h"
#include "worker/worker.h"

struct published_past;

struct published {
	struct worker_shared *shared;
	struct published_past *past; /* latest first */
	uint64_t rounds;             /* of probes that all workers had run */
};

void published_init(struct published *p, struct worker_shared *shared);

/* Frees all of them: the workers have ended. */
void published_fini(struct published *p);

/* Replaces the map with a copy of this one, in which this node has the number `self`.
 * DHT_ENOMEM: the old one stays. */
int published_set(struct published *p, const struct ring_map *map, uint16_t self) DHT_MUST_CHECK;

/* All workers had run their latest probe when they were given another one. */
void published_probed(struct published *p);

#endif
