/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/voters - which members decide on the map of the next epoch.
 *
 * Why     A few are enough, however large the cluster is; they should not all be in one zone.
 * Owns    Nothing.
 * Thread  the map's builder.
 */
#ifndef DHT_RING_VOTERS_H
#define DHT_RING_VOTERS_H

#include "ring/map.h"

/* Sets the voters of the map: all members whose standing is RING_IN (all, if there is none), or
 * RING_VOTERS_MAX spread over the zones when there are more. Those that are voters stay as long as
 * the zones allow. */
void ring_voters_choose(struct ring_map *map);

#endif
