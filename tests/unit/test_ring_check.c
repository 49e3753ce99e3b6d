/* SPDX-License-Identifier: Apache-2.0
 *
 * ring/check: a valid map is accepted, and each rule by itself is missed.
 */
#include <string.h>

#include "base/error.h"
#include "helper_map.h"
#include "ring/check.h"
#include "ring/phase.h"
#include "ring/share.h"
#include "unit.h"

enum { BLOCK = 10 }; /* has the replicas 0, 1, 2 */

static struct ring_map *map;
static struct ring_fault fault;

static void start(void)
{
	map = helper_map(64, 5);
	ck_assert_int_eq(ring_map_check(map, &fault), 0);
}

static void check_fault(const char *text, uint32_t block, uint16_t member)
{
	ck_assert_int_eq(ring_map_check(map, &fault), DHT_EINVAL);
	ck_assert_str_eq(fault.text, text);
	ck_assert_uint_eq(fault.block, block);
	ck_assert_uint_eq(fault.member, member);
}

/* Checks that the map breaks a rule of its own, and ends it. */
static void refuse(const char *text)
{
	check_fault(text, RING_NO_BLOCK, RING_MEMBERS_MAX);
	ring_map_destroy(map);
}

static void refuse_member(const char *text, uint16_t member)
{
	check_fault(text, RING_NO_BLOCK, member);
	ring_map_destroy(map);
}

static void refuse_block(const char *text, const struct ring_block *block)
{
	start();
	ck_assert_int_eq(ring_map_set_block(map, BLOCK, block), 0);
	check_fault(text, BLOCK, RING_MEMBERS_MAX);
	ring_map_destroy(map);
}

static void accept_block(const struct ring_block *block)
{
	start();
	ck_assert_int_eq(ring_map_set_block(map, BLOCK, block), 0);
	ck_assert_int_eq(ring_map_check(map, &fault), 0);
	ring_map_destroy(map);
}

static const struct ring_block stable = {RING_STABLE, 4, 3, {3, {0, 1, 2}}, {0}, {0, 2, 3}, {0}};
static const struct ring_block joint = {RING_JOINT,     3,      3,        {2, {0, 1}},
					{3, {1, 2, 4}}, {0, 2}, {2, 3, 3}};
static const struct ring_block recover = {RING_RECOVER, 5, 5, {2, {1, 2}}, {0}, {0, 4}, {0}};

START_TEST(blocks_of_every_phase_are_valid)
{
	accept_block(&stable);
	accept_block(&joint);
	accept_block(&recover);
}
END_TEST

START_TEST(blocks_and_replicas_are_numbers_that_a_cluster_may_have)
{
	start();
	map->blocks = 63;
	check_fault("the number of blocks is none that a cluster may have", RING_NO_BLOCK,
		    RING_MEMBERS_MAX);
	map->blocks = 64;
	map->replicas = 0;
	check_fault("the number of replicas is out of range", RING_NO_BLOCK, RING_MEMBERS_MAX);
	map->replicas = RING_REPLICAS_MAX + 1;
	refuse("the number of replicas is out of range");
}
END_TEST

START_TEST(there_are_members)
{
	ck_assert_int_eq(ring_map_create(64, 0, &map), 0);
	refuse("there are no members");
}
END_TEST

START_TEST(voters_are_members_and_1_to_5)
{
	start();
	map->voters.count = 0;
	refuse("the number of voters is out of range");
	start();
	map->voters.count = RING_VOTERS_MAX + 1;
	refuse("the number of voters is out of range");
	start();
	map->voters.members[1] = 17;
	refuse("a voter is no member, or one twice");
	start();
	map->voters.members[1] = map->voters.members[0];
	refuse("a voter is no member, or one twice");
}
END_TEST

START_TEST(numbers_of_members_are_unique_and_ascend)
{
	start();
	map->members[4].number = 3;
	map->voters = (struct ring_voters){1, {0}};
	refuse_member("the numbers of the members do not ascend", 3);
	start();
	map->members[4].number = RING_MEMBERS_MAX;
	map->voters = (struct ring_voters){1, {0}};
	refuse_member("the number of a member is too large", RING_MEMBERS_MAX);
}
END_TEST

START_TEST(ids_are_32_digits_and_unique)
{
	start();
	map->members[2].id[5] = 'G';
	refuse_member("the id of a member is not 32 hexadecimal digits", 2);
	start();
	map->members[2].id[31] = '\0';
	refuse_member("the id of a member is not 32 hexadecimal digits", 2);
	start();
	memcpy(map->members[4].id, map->members[1].id, RING_ID_SIZE);
	ck_assert_int_eq(ring_map_check(map, &fault), DHT_EINVAL);
	ck_assert_str_eq(fault.text, "two members have the same id");
	ck_assert(fault.member == 1 || fault.member == 4);
	ring_map_destroy(map);
}
END_TEST

START_TEST(names_are_unique)
{
	start();
	map->members[4].name[1] = '1';
	ck_assert_int_eq(ring_map_check(map, &fault), DHT_EINVAL);
	ck_assert_str_eq(fault.text, "two members have the same name");
	ck_assert(fault.member == 1 || fault.member == 4);
	ring_map_destroy(map);
}
END_TEST

START_TEST(names_and_zones_are_not_empty)
{
	start();
	map->members[0].name[0] = '\0';
	refuse_member("the name or zone of a member is empty or too long", 0);
	start();
	map->members[3].zone[0] = '\0';
	refuse_member("the name or zone of a member is empty or too long", 3);
}
END_TEST

START_TEST(weights_are_in_range)
{
	start();
	map->members[2].weight = 0;
	refuse_member("the weight of a member is out of range", 2);
	start();
	map->members[2].weight = RING_WEIGHT_MAX + 1;
	refuse_member("the weight of a member is out of range", 2);
}
END_TEST

START_TEST(addresses_have_host_and_port)
{
	start();
	map->members[1].peers[1].host[0] = '\0';
	refuse_member("an address has no host, or a host that is too long", 1);
	start();
	map->members[1].clients[0].port = 0;
	refuse_member("an address has no port", 1);
	start();
	size_t count = map->members[1].peer_count;
	map->members[1].peer_count = RING_ADDRESSES_MAX + 1;
	check_fault("a member has too many addresses", RING_NO_BLOCK, 1);
	map->members[1].peer_count = count;
	ring_map_destroy(map);
}
END_TEST

START_TEST(every_block_has_replicas)
{
	ck_assert_int_eq(ring_map_create(64, 0, &map), 0);
	helper_add_member(map, 0);
	map->voters = (struct ring_voters){1, {0}};
	ck_assert_int_eq(ring_map_set_replicas(map, 0, &(struct ring_replicas){1, {0}}), 0);
	check_fault("a block has no replicas", 1, RING_MEMBERS_MAX);
	ring_map_destroy(map);
}
END_TEST

START_TEST(lists_name_members_once)
{
	struct ring_block block = stable;
	block.old.members[1] = 5;
	refuse_block("a list names nobody's number", &block);
	block = stable;
	block.old.members[1] = block.old.members[2];
	refuse_block("a list names a member twice", &block);
	block = joint;
	block.next.members[0] = 5;
	refuse_block("a list names nobody's number", &block);
	block = joint;
	block.next.members[1] = block.next.members[2];
	refuse_block("a list names a member twice", &block);
}
END_TEST

START_TEST(start_is_not_above_the_version)
{
	struct ring_block block = stable;
	block.start = 4;
	refuse_block("a stable block's start is not below its version", &block);
	block.version = 0;
	block.start = 1;
	memset(block.old_since, 0, sizeof(block.old_since));
	refuse_block("a block's start is above its version", &block);
	block.start = 0;
	accept_block(&block);
}
END_TEST

START_TEST(a_changing_block_starts_with_its_version)
{
	struct ring_block block = joint;
	block.start = 2;
	refuse_block("a changing block's start is not its version", &block);
	block = recover;
	block.start = 6;
	refuse_block("a changing block's start is not its version", &block);
	block.start = block.version = 0;
	refuse_block("a changing block's start is not its version", &block);
}
END_TEST

START_TEST(next_is_empty_exactly_without_a_joint_phase)
{
	struct ring_block block = joint;
	block.next = (struct ring_replicas){0};
	refuse_block("a joint phase has no next replicas", &block);
	block = stable;
	block.next = (struct ring_replicas){1, {4}};
	refuse_block("next replicas without a joint phase", &block);
	block = recover;
	block.next = (struct ring_replicas){1, {4}};
	refuse_block("next replicas without a joint phase", &block);
}
END_TEST

START_TEST(a_joint_phase_changes_the_set)
{
	struct ring_block block = joint;
	block.next = (struct ring_replicas){2, {1, 0}};
	refuse_block("a joint phase changes nothing", &block);
}
END_TEST

START_TEST(replicas_are_ones_since_a_version_before)
{
	struct ring_block block = stable;
	block.old_since[1] = 4;
	refuse_block("a replica is one since a version to come", &block);
	block = joint;
	block.old_since[0] = 3;
	refuse_block("a replica is one since a version to come", &block);
}
END_TEST

START_TEST(new_replicas_are_ones_since_the_joint_version)
{
	struct ring_block block = joint;
	block.next_since[2] = 2;
	refuse_block("a new replica is not one since this version", &block);
}
END_TEST

START_TEST(a_replica_in_both_sets_is_one_since_one_version)
{
	struct ring_block block = joint;
	block.next_since[0] = 3;
	refuse_block("a replica is one since two versions", &block);
}
END_TEST

static void start_change(enum ring_change_kind kind)
{
	start();
	map->change = (struct ring_change){.kind = kind, .member = 3, .other = 1, .id = map->epoch};
	map->members[3].standing = RING_JOINING;
}

START_TEST(a_change_is_about_members_and_has_begun)
{
	start_change(RING_REPLACE);
	map->members[1].standing = RING_LEAVING;
	ck_assert_int_eq(ring_map_check(map, &fault), 0);
	map->change.id++;
	refuse("a change is to begin later");
	start_change(RING_REPLACE);
	map->change.other = 77;
	refuse("nobody is replaced");
	start_change(RING_JOIN);
	map->change.member = 77;
	refuse("a change is about nobody");
}
END_TEST

START_TEST(members_come_and_go_by_a_change)
{
	start_change(RING_JOIN);
	map->members[1].standing = RING_LEAVING;
	refuse("a member comes or goes without a change");
	start();
	map->members[1].standing = RING_LEAVING;
	refuse("a member comes or goes without a change");
	start_change(RING_RECOVER_LOST);
	ck_assert_int_eq(ring_map_check(map, &fault), 0);
	ring_map_destroy(map);
}
END_TEST

START_TEST(nothing_is_left_of_a_change)
{
	start();
	map->change.zone[0] = 'z';
	refuse("something is left of a change");
	start();
	map->change.id = 3;
	refuse("something is left of a change");
}
END_TEST

UNIT_MAIN("ring_check", 60, blocks_of_every_phase_are_valid,
	  blocks_and_replicas_are_numbers_that_a_cluster_may_have, there_are_members,
	  voters_are_members_and_1_to_5, numbers_of_members_are_unique_and_ascend,
	  ids_are_32_digits_and_unique, names_are_unique, names_and_zones_are_not_empty,
	  weights_are_in_range, addresses_have_host_and_port, every_block_has_replicas,
	  lists_name_members_once, start_is_not_above_the_version,
	  a_changing_block_starts_with_its_version, next_is_empty_exactly_without_a_joint_phase,
	  a_joint_phase_changes_the_set, replicas_are_ones_since_a_version_before,
	  new_replicas_are_ones_since_the_joint_version,
	  a_replica_in_both_sets_is_one_since_one_version, a_change_is_about_members_and_has_begun,
	  members_come_and_go_by_a_change, nothing_is_left_of_a_change)
