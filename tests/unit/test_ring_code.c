/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/code: maps and differences come out as they went in, and nothing else is accepted.
 *
 * Bytes are copied into a block of exactly their size, so that AddressSanitizer sees one that
 * is read too many.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "helper_map.h"
#include "ring/code.h"
#include "ring/phase.h"
#include "ring/slot.h"
#include "ring/voters.h"
#include "unit.h"

enum {
	/* Offsets in the encoding. */
	AT_EPOCH = 1,
	AT_BASE = 9,
	AT_LINEAGE = 17,
	AT_BLOCKS = 33,
};

static struct buffer encode(const struct ring_map *map, const struct ring_map *base)
{
	struct buffer out = BUFFER_EMPTY;
	ck_assert_int_eq(ring_map_encode(map, base, &out), 0);
	return out;
}

static int decode_bytes(const void *data, size_t len, const struct ring_map *base,
			struct ring_map **map)
{
	uint8_t *block = malloc(len > 0 ? len : 1);
	ck_assert_ptr_nonnull(block);
	if (len > 0)
		memcpy(block, data, len);
	*map = NULL;
	int rc = ring_map_decode(bytes_of(block, len), base, map);
	free(block);
	return rc;
}

static struct ring_map *decode(const struct buffer *in, const struct ring_map *base)
{
	struct ring_map *map;
	ck_assert_int_eq(decode_bytes(buffer_head(in), in->len, base, &map), 0);
	return map;
}

/* Equal maps have equal bytes. */
static void check_equal(const struct ring_map *a, const struct ring_map *b)
{
	struct buffer x = encode(a, NULL), y = encode(b, NULL);
	ck_assert_uint_eq(x.len, y.len);
	ck_assert_mem_eq(buffer_head(&x), buffer_head(&y), x.len);
	buffer_reset(&x);
	buffer_reset(&y);
	for (uint32_t i = 0; i < a->blocks; i++) {
		struct ring_block one, other;
		ring_map_get_block(a, i, &one);
		ring_map_get_block(b, i, &other);
		UNIT_REQUIRE(memcmp(&one, &other, sizeof(one)) == 0);
	}
}

/* Blocks in all phases, versions apart. */
static struct ring_map *colourful(void)
{
	struct ring_map *map = helper_map(128, 6);
	const struct ring_replicas next = {4, {5, 0, 3, 2}}, alone = {1, {4}};
	map->replicas = 5;
	for (uint32_t block = 0; block < 64; block++)
		ck_assert_int_eq(ring_phase_begin(map, block, &next), 0);
	for (uint32_t block = 16; block < 32; block++)
		ck_assert_int_eq(ring_phase_finish(map, block), 0);
	for (uint32_t block = 20; block < 24; block++)
		ck_assert_int_eq(ring_phase_begin(map, block, &alone), 0);
	for (uint32_t block = 40; block < 48; block++)
		ck_assert_int_eq(ring_phase_cancel(map, block), 0);
	for (uint32_t block = 44; block < 56; block++)
		ck_assert_int_eq(
		    ring_phase_recover(map, block, &(struct ring_replicas){1, {3}}) == 0 ||
			ring_phase_recover(map, block, ring_map_replicas(map, block)) == 0,
		    1);
	return map;
}

START_TEST(a_whole_map_comes_out_as_it_went_in)
{
	struct ring_map *map = colourful();
	struct buffer bytes = encode(map, NULL);
	struct ring_map *same = decode(&bytes, NULL);
	check_equal(map, same);
	ck_assert_uint_eq(same->epoch, map->epoch);
	ck_assert_mem_eq(same->lineage, map->lineage, RING_LINEAGE_SIZE);
	ck_assert_uint_eq(same->replicas, 5);
	ck_assert_uint_eq(same->voters.count, map->voters.count);
	ck_assert_uint_eq(same->member_count, 6);
	const struct ring_member *member = ring_map_member(same, 4);
	ck_assert_str_eq(member->id, ring_map_member(map, 4)->id);
	ck_assert_str_eq(member->name, "n4");
	ck_assert_str_eq(member->zone, "z1");
	ck_assert_uint_eq(member->weight, 104);
	ck_assert_uint_eq(member->peer_count, 2);
	ck_assert_str_eq(member->peers[1].host, "::1");
	ck_assert_uint_eq(member->peers[1].port, 7403);
	ring_map_destroy(map);
	ring_map_destroy(same);
	buffer_reset(&bytes);
}
END_TEST

START_TEST(a_large_map_is_small)
{
	struct ring_map *map = helper_map(RING_BLOCKS_MAX, 1);
	struct buffer bytes = encode(map, NULL);
	ck_assert_uint_lt(bytes.len, 200);
	ring_map_destroy(map);
	buffer_reset(&bytes);
	map = helper_map(RING_BLOCKS_MAX, 1000); /* no two neighbours are equal */
	bytes = encode(map, NULL);
	ck_assert_uint_lt(bytes.len, 250 * 1024);
	struct ring_map *same = decode(&bytes, NULL);
	check_equal(map, same);
	ring_map_destroy(map);
	ring_map_destroy(same);
	buffer_reset(&bytes);
}
END_TEST

START_TEST(tables_are_numbered_as_they_come_up)
{
	/* The same map, its lists added in another order, and with some that are not used. */
	struct ring_map *map = helper_map(64, 5), *other = helper_map(64, 5);
	for (uint32_t i = 0; i < 64; i++)
		ck_assert_int_eq(ring_map_set_replicas(other, i, &(struct ring_replicas){1, {3}}),
				 0);
	for (uint32_t i = 64; i-- > 0;)
		ck_assert_int_eq(ring_map_set_replicas(other, i, ring_map_replicas(map, i)), 0);
	check_equal(map, other);
	ring_map_destroy(map);
	ring_map_destroy(other);
}
END_TEST

static void check_difference(const struct ring_map *from, const struct ring_map *to, size_t max)
{
	struct buffer bytes = encode(to, from);
	ck_assert_uint_le(bytes.len, max);
	struct ring_map *same = decode(&bytes, from);
	check_equal(to, same);
	ring_map_destroy(same);
	buffer_reset(&bytes);
}

START_TEST(a_difference_holds_changed_blocks_alone)
{
	struct ring_map *map = helper_map(1024, 5), *next = helper_next(map);
	check_difference(map, next, 80);
	ck_assert_int_eq(ring_phase_begin(next, 100, &(struct ring_replicas){2, {1, 2}}), 0);
	check_difference(map, next, 130);
	ck_assert_int_eq(ring_phase_begin(next, 0, &(struct ring_replicas){2, {1, 2}}), 0);
	ck_assert_int_eq(ring_phase_begin(next, 1023, &(struct ring_replicas){2, {1, 2}}), 0);
	check_difference(map, next, 210);
	ring_map_destroy(map);
	ring_map_destroy(next);
}
END_TEST

START_TEST(a_difference_holds_changed_members_alone)
{
	struct ring_map *map = helper_map(64, 8), *next = helper_next(map);
	helper_add_member(map, 9);
	helper_add_member(next, 100); /* new; 9 is gone */
	check_difference(map, next, 200);
	next->members[5].weight++;
	check_difference(map, next, 300);
	next->members[0].clients[0].port++;
	next->members[1].name[0] = 'N';
	next->members[2].zone[0] = 'Z';
	next->members[3].id[0] = 'f';
	next->members[4].peer_count--;
	check_difference(map, next, 600);
	next->members[4].peer_count++;
	ring_map_destroy(map);
	ring_map_destroy(next);
}
END_TEST

START_TEST(a_difference_holds_voters_and_replicas)
{
	struct ring_map *map = helper_map(64, 8), *next = helper_next(map);
	next->voters = (struct ring_voters){2, {6, 1}};
	next->replicas = 7;
	check_difference(map, next, 80);
	ring_map_destroy(map);
	ring_map_destroy(next);
}
END_TEST

START_TEST(a_change_and_the_hash_seed_come_along)
{
	struct ring_map *map = helper_map(64, 8), *next = helper_next(map);
	map->hash_seed = next->hash_seed = 0x0123456789abcdef;
	next->members[6].standing = RING_JOINING;
	next->members[2].standing = RING_LEAVING;
	next->change = (struct ring_change){
	    .kind = RING_REPLACE,
	    .is_cancelled = true,
	    .member = 6,
	    .other = 2,
	    .id = 8,
	    .began_ms = 1700000000000,
	    .weight = 77,
	    .zone = "z9",
	};
	check_difference(map, next, 300);
	struct buffer bytes = encode(next, map);
	struct ring_map *same = decode(&bytes, map);
	ck_assert_uint_eq(same->hash_seed, 0x0123456789abcdef);
	ck_assert_int_eq(same->change.kind, RING_REPLACE);
	ck_assert(same->change.is_cancelled);
	ck_assert_uint_eq(same->change.member, 6);
	ck_assert_uint_eq(same->change.other, 2);
	ck_assert_uint_eq(same->change.id, 8);
	ck_assert_uint_eq(same->change.began_ms, 1700000000000);
	ck_assert_uint_eq(same->change.weight, 77);
	ck_assert_str_eq(same->change.zone, "z9");
	ck_assert_int_eq(ring_map_member(same, 6)->standing, RING_JOINING);
	ck_assert_int_eq(ring_map_member(same, 2)->standing, RING_LEAVING);
	ck_assert_int_eq(ring_map_member(same, 3)->standing, RING_IN);
	ring_map_destroy(same);
	buffer_reset(&bytes);
	ring_map_destroy(map);
	ring_map_destroy(next);
}
END_TEST

/* A long life, each step of which is sent as a difference, from the epoch before and from the
 * first one. */
START_TEST(differences_lead_to_the_identical_map)
{
	uint64_t seed = 0x9e3779b97f4a7c15u;
	struct ring_map *first = helper_map(128, 6), *map = helper_map(128, 6);
	for (int i = 0; i < 200; i++) {
		struct ring_map *next = helper_next(map);
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint32_t block = seed >> 40 & 63, count = 1 + (seed >> 50 & 63);
		struct ring_replicas list = {2, {(uint16_t)(seed >> 58 & 3), 4}};
		for (uint32_t k = block; k < block + count; k++) {
			if (ring_phase_begin(next, k, &list) != 0 && (seed & (1u << 20)) != 0)
				ck_assert_int_eq(ring_phase_finish(next, k), 0);
		}
		if (i % 20 == 0)
			helper_add_member(next, ring_map_free_number(next));
		next->members[1].weight = 1 + (uint32_t)i;
		check_difference(map, next, RING_CODE_MAX);
		check_difference(first, next, RING_CODE_MAX);
		ring_map_destroy(map);
		map = next;
	}
	ring_map_destroy(first);
	ring_map_destroy(map);
}
END_TEST

START_TEST(a_difference_fits_its_base_alone)
{
	struct ring_map *map = helper_map(64, 5), *next = helper_next(map), *out;
	struct ring_map *other = helper_map(128, 5);
	struct buffer bytes = encode(next, map);
	ck_assert_int_eq(decode_bytes(buffer_head(&bytes), bytes.len, NULL, &out), DHT_EPRECOND);
	ck_assert_int_eq(decode_bytes(buffer_head(&bytes), bytes.len, next, &out), DHT_EPRECOND);
	ck_assert_int_eq(decode_bytes(buffer_head(&bytes), bytes.len, other, &out), DHT_EPRECOND);
	map->lineage[3] ^= 1;
	ck_assert_int_eq(decode_bytes(buffer_head(&bytes), bytes.len, map, &out), DHT_EPRECOND);
	map->lineage[3] ^= 1;
	ck_assert_int_eq(decode_bytes(buffer_head(&bytes), bytes.len, map, &out), 0);
	ring_map_destroy(out);
	ring_map_destroy(map);
	ring_map_destroy(next);
	ring_map_destroy(other);
	buffer_reset(&bytes);
}
END_TEST

START_TEST(what_a_recovery_ended_is_kept)
{
	struct ring_map *map = helper_map(64, 5), *next, *same;
	struct buffer bytes = encode(map, NULL);
	size_t len = bytes.len;
	buffer_reset(&bytes);
	map->lineage_before = UINT64_C(0x0102030405060708);
	bytes = encode(map, NULL);
	ck_assert_uint_eq(bytes.len, len + sizeof(map->lineage_before));
	same = decode(&bytes, NULL);
	check_equal(map, same);
	ck_assert_uint_eq(same->lineage_before, map->lineage_before);
	ring_map_destroy(same);
	buffer_reset(&bytes);
	next = helper_next(map);
	bytes = encode(next, map);
	same = decode(&bytes, map);
	ck_assert_uint_eq(same->lineage_before, map->lineage_before);
	ring_map_destroy(same);
	/* None has one form alone. */
	memset(buffer_head(&bytes) + 1 + 8 + 8 + RING_LINEAGE_SIZE, 0, sizeof(map->lineage_before));
	ck_assert_int_eq(decode_bytes(buffer_head(&bytes), bytes.len, map, &same), DHT_EPROTO);
	ring_map_destroy(map);
	ring_map_destroy(next);
	buffer_reset(&bytes);
}
END_TEST

START_TEST(a_whole_map_needs_no_base)
{
	struct ring_map *map = helper_map(64, 5), *other = helper_map(128, 3);
	struct buffer bytes = encode(map, NULL);
	struct ring_map *same = decode(&bytes, other);
	check_equal(map, same);
	ring_map_destroy(map);
	ring_map_destroy(other);
	ring_map_destroy(same);
	buffer_reset(&bytes);
}
END_TEST

START_TEST(what_is_cut_or_too_long_is_refused)
{
	struct ring_map *map = colourful(), *next = helper_next(map), *out;
	ck_assert_int_eq(ring_phase_begin(next, 100, &(struct ring_replicas){1, {1}}), 0);
	struct buffer whole = encode(map, NULL), part = encode(next, map);
	for (size_t len = 0; len < whole.len; len++)
		UNIT_REQUIRE(decode_bytes(buffer_head(&whole), len, NULL, &out) == DHT_EPROTO);
	for (size_t len = 0; len < part.len; len++)
		UNIT_REQUIRE(decode_bytes(buffer_head(&part), len, map, &out) == DHT_EPROTO);
	ck_assert_int_eq(buffer_append(&whole, "", 1, RING_CODE_MAX), 0);
	ck_assert_int_eq(decode_bytes(buffer_head(&whole), whole.len, NULL, &out), DHT_EPROTO);
	ring_map_destroy(map);
	ring_map_destroy(next);
	buffer_reset(&whole);
	buffer_reset(&part);
}
END_TEST

/* Whatever byte is damaged: it is refused, or another valid map. */
START_TEST(what_is_damaged_is_refused_or_valid)
{
	struct ring_map *map = colourful(), *out;
	struct buffer bytes = encode(map, NULL);
	uint8_t *data = buffer_head(&bytes);
	size_t refused = 0;
	for (size_t i = 0; i < bytes.len; i++) {
		for (unsigned flip = 1; flip < 256; flip = flip * 2 + 1) {
			data[i] ^= (uint8_t)flip;
			int rc = decode_bytes(data, bytes.len, map, &out);
			UNIT_REQUIRE(rc == 0 || rc == DHT_EPROTO || rc == DHT_EPRECOND);
			refused += rc != 0;
			ring_map_destroy(rc == 0 ? out : NULL);
			data[i] ^= (uint8_t)flip;
		}
	}
	ck_assert_uint_gt(refused, bytes.len);
	ring_map_destroy(map);
	buffer_reset(&bytes);
}
END_TEST

START_TEST(a_map_that_breaks_a_rule_is_refused)
{
	struct ring_map *map = helper_map(64, 5), *out;
	struct buffer bytes;
	map->voters = (struct ring_voters){2, {1, 1}};
	bytes = encode(map, NULL);
	ck_assert_int_eq(decode_bytes(buffer_head(&bytes), bytes.len, NULL, &out), DHT_EPROTO);
	buffer_reset(&bytes);
	ring_voters_choose(map);
	struct ring_block block;
	ring_map_get_block(map, 9, &block);
	block.start = 5;
	ck_assert_int_eq(ring_map_set_block(map, 9, &block), 0);
	bytes = encode(map, NULL);
	ck_assert_int_eq(decode_bytes(buffer_head(&bytes), bytes.len, NULL, &out), DHT_EPROTO);
	buffer_reset(&bytes);
	ring_map_destroy(map);
}
END_TEST

START_TEST(the_head_is_where_the_format_says)
{
	struct ring_map *map = helper_map(64, 5), *next = helper_next(map);
	struct buffer bytes = encode(next, map);
	const uint8_t *data = buffer_head(&bytes);
	ck_assert_uint_eq(data[0], 1);
	ck_assert_uint_eq(get_u64(data + AT_EPOCH), 8);
	ck_assert_uint_eq(get_u64(data + AT_BASE), 7);
	ck_assert_uint_eq(data[AT_LINEAGE], 0x5a);
	ck_assert_uint_eq(get_u32(data + AT_BLOCKS), 64);
	ring_map_destroy(map);
	ring_map_destroy(next);
	buffer_reset(&bytes);
}
END_TEST

UNIT_MAIN("ring_code", 120, a_whole_map_comes_out_as_it_went_in, a_large_map_is_small,
	  tables_are_numbered_as_they_come_up, a_difference_holds_changed_blocks_alone,
	  a_difference_holds_changed_members_alone, a_difference_holds_voters_and_replicas,
	  a_change_and_the_hash_seed_come_along, differences_lead_to_the_identical_map,
	  a_difference_fits_its_base_alone, a_whole_map_needs_no_base,
	  what_a_recovery_ended_is_kept, what_is_cut_or_too_long_is_refused,
	  what_is_damaged_is_refused_or_valid, a_map_that_breaks_a_rule_is_refused,
	  the_head_is_where_the_format_says)
