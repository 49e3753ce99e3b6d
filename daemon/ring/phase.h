/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/phase - the steps in which a block's replicas change.
 *
 * Why     Each step is a row of the register protocol (section 6: map changes), and raises
 *         the block's version by one:
 *
 *             stable  -> joint       phase_begin: O as it is, N the new set; start = the new
 *                                    version, which is also since when N's new ones are replicas
 *             joint   -> stable(N)   phase_finish
 *             joint   -> stable(O)   phase_cancel
 *             any     -> recover     phase_recover: O = the survivors, N empty; start = the
 *                                    new version
 *             recover -> stable(O)   phase_recovered
 *
 *         A block whose set stays the same is not touched but for the order of its list,
 *         which is only a preference.
 * Owns    Nothing: it changes a map that its builder made with ring_map_copy, for the next epoch.
 *         When to take a step is the driver's concern.
 * Thread  the map's builder.
 * Errors  DHT_EPRECOND: the block is in another phase. DHT_EINVAL: the replicas are none, too
 *         many, no members, or named twice. DHT_EFULL: there is no version left. DHT_ENOMEM. The
 *         block is unchanged then.
 */
#ifndef DHT_RING_PHASE_H
#define DHT_RING_PHASE_H

#include "ring/map.h"

int ring_phase_begin(struct ring_map *map, uint32_t block,
		     const struct ring_replicas *next) DHT_MUST_CHECK;
int ring_phase_finish(struct ring_map *map, uint32_t block) DHT_MUST_CHECK;
int ring_phase_cancel(struct ring_map *map, uint32_t block) DHT_MUST_CHECK;

/* The survivors are of O, or of N in a joint phase; DHT_EINVAL otherwise. */
int ring_phase_recover(struct ring_map *map, uint32_t block,
		       const struct ring_replicas *survivors) DHT_MUST_CHECK;
int ring_phase_recovered(struct ring_map *map, uint32_t block) DHT_MUST_CHECK;

#endif
