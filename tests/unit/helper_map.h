/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/helper_map - maps to begin a test with.
 *
 * Errors  fail the test.
 */
#ifndef DHT_TESTS_HELPER_MAP_H
#define DHT_TESTS_HELPER_MAP_H

#include "ring/map.h"

/* A member whose name, id, zone and addresses follow from its number; name is a text of 16
 * bytes that the member points to. Zones are "z0" to "z2", in turn. */
struct ring_member helper_member(uint16_t number, char name[16]);

void helper_add_member(struct ring_map *map, uint16_t number);

/* A valid map of epoch 7: members 0 to count - 1, the first ones voters; block b has the
 * replicas b mod count and those that follow, at most three. */
struct ring_map *helper_map(uint32_t blocks, uint16_t count);

/* A copy for the next epoch. */
struct ring_map *helper_next(const struct ring_map *map);

#endif
