/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/check - what holds of every map.
 *
 * Why     A map that breaks one of these is never proposed, and refused when it comes from
 *         outside: nobody else looks at them again.
 * Owns    Nothing.
 * Thread  any; a function of the map.
 * Errors  DHT_EINVAL, and the fault says what and where.
 *
 * Of the whole: the number of blocks is one that a cluster may have; 1 to 7 replicas; at least one
 * member; members with a number of their own in ascending order, an id of 32 hexadecimal digits
 * and a name of their own, a zone, a weight, addresses with a host and a port; 1 to 5 voters, all
 * of them members, no two the same. Members that join or leave are those that the change is
 * about; it began at an epoch that was, and with none of them its fields are 0.
 *
 * Of each block: O has 1 to 7 replicas, all of them members, no two the same; so has N in
 * a joint phase, where it is another set than O, and in no other phase has it any.
 *
 *     stable    start < version, or both are 0: it is as it was founded
 *     joint     start = version > 0
 *     recover   start = version > 0
 *
 * A replica is one since a version that has begun: since < version for those of O, and in a
 * joint phase since = version for those that are in N alone; whoever is in both has one since.
 */
#ifndef DHT_RING_CHECK_H
#define DHT_RING_CHECK_H

#include "ring/map.h"

#define RING_NO_BLOCK UINT32_MAX

struct ring_fault {
	const char *text;
	uint32_t block;  /* RING_NO_BLOCK: it is not about one */
	uint16_t member; /* number; RING_MEMBERS_MAX: not about one */
};

/* Checks all of them; the fault is the first one found, and unchanged without any. */
int ring_map_check(const struct ring_map *map, struct ring_fault *fault) DHT_MUST_CHECK;

#endif
