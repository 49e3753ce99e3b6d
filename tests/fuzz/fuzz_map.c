/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz/fuzz_map - decoding maps, and differences from one, that come from outside.
 *
 * What decodes is valid, and encoded again it gives the same map: whole, and as a difference
 * from the base.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "ring/check.h"
#include "ring/code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BASE_EPOCH = 7, BASE_BLOCKS = 64, BASE_MEMBERS = 5 };

static void require(int rc)
{
	DHT_ASSERT(rc == 0);
}

static void add_member(struct ring_map *map, uint16_t number)
{
	char name[16], zone[] = "z", host[] = "10.0.0.1";
	struct ring_address address = {host, 7402};
	struct ring_member member = {
	    .number = number,
	    .name = name,
	    .zone = zone,
	    .weight = 100,
	    .peers = &address,
	    .peer_count = 1,
	};
	snprintf(name, sizeof(name), "n%u", number);
	snprintf(member.id, sizeof(member.id), "%032x", number);
	require(ring_map_add_member(map, &member));
}

/* The map that differences of the corpus are from. */
static const struct ring_map *base(void)
{
	static struct ring_map *map;
	if (map != NULL)
		return map;
	require(ring_map_create(BASE_BLOCKS, BASE_EPOCH, &map));
	for (uint16_t i = 0; i < BASE_MEMBERS; i++)
		add_member(map, i);
	map->voters = (struct ring_voters){3, {0, 1, 2}};
	for (uint32_t i = 0; i < BASE_BLOCKS; i++) {
		uint16_t first = (uint16_t)(i / 16);
		struct ring_replicas list = {2, {first, (uint16_t)(first + 1)}};
		require(ring_map_set_replicas(map, i, &list));
	}
	return map;
}

static struct ring_map *again(const struct ring_map *map, const struct ring_map *from)
{
	struct buffer bytes = BUFFER_EMPTY;
	struct ring_map *same;
	require(ring_map_encode(map, from, &bytes));
	require(ring_map_decode(bytes_of(buffer_head(&bytes), bytes.len), from, &same));
	buffer_reset(&bytes);
	return same;
}

static void check_same(const struct ring_map *a, const struct ring_map *b)
{
	struct buffer x = BUFFER_EMPTY, y = BUFFER_EMPTY;
	require(ring_map_encode(a, NULL, &x));
	require(ring_map_encode(b, NULL, &y));
	DHT_ASSERT(x.len == y.len && memcmp(buffer_head(&x), buffer_head(&y), x.len) == 0);
	buffer_reset(&x);
	buffer_reset(&y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ring_map *map, *same;
	struct ring_fault fault;
	int rc = ring_map_decode(bytes_of(data, size), base(), &map);
	if (rc != 0) {
		DHT_ASSERT(rc == DHT_EPROTO || rc == DHT_EPRECOND);
		return 0;
	}
	require(ring_map_check(map, &fault));
	same = again(map, NULL);
	check_same(map, same);
	ring_map_destroy(same);
	if (map->blocks == BASE_BLOCKS &&
	    memcmp(map->lineage, base()->lineage, RING_LINEAGE_SIZE) == 0) {
		same = again(map, base());
		check_same(map, same);
		ring_map_destroy(same);
	}
	ring_map_destroy(map);
	return 0;
}
