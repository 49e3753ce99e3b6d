/* SPDX-License-Identifier: Apache-2.0
 *
 * server/founding: which map a node begins with.
 */
#include "server/founding.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "helper_disk.h"
#include "node/node.h"
#include "ring/code.h"
#include "store/store.h"
#include "unit.h"

static struct helper_disk disk;
static struct store_report report;
static struct store *store;
static struct conf conf;
static struct identity identity;

static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	(void)ctx;
	*key = node_locate(key->key, identity.hash_seed, blocks);
}

static void *table_resize(void *ctx, void *p, size_t old_bytes, size_t new_bytes)
{
	(void)ctx;
	(void)old_bytes;
	if (new_bytes > 0)
		return realloc(p, new_bytes);
	free(p);
	return NULL;
}

static void begin(void)
{
	struct store_options options = {.blocks = 64,
					.segment_size_bytes = STORE_SEGMENT_SIZE_MIN,
					.locate = locate,
					.report = &report};
	helper_disk_init(&disk, 7);
	disk.os.table_resize = table_resize;
	ck_assert_int_eq(store_open(&options, &disk.os, &store), 0);
	ck_assert_int_eq(conf_init_defaults(&conf, "n1"), 0);
	memset(identity.id, 'a', sizeof(identity.id) - 1);
	identity.hash_seed = 77;
}

static void end(void)
{
	store_close(store);
	helper_disk_fini(&disk);
	conf_fini(&conf);
}

static struct ring_map *load(bool expects_founded)
{
	char why[FOUNDING_WHY_MAX] = "";
	struct ring_map *map;
	bool founded;
	ck_assert_msg(founding_load(store, &conf, &identity, &map, &founded, why) == 0, "%s", why);
	ck_assert_int_eq(founded, expects_founded);
	return map;
}

START_TEST(a_fresh_node_founds_a_cluster_and_goes_on_with_it)
{
	begin();
	conf.cluster_replicas = 5;
	struct ring_map *founded = load(true), *again = load(false);
	static const uint8_t none[RING_LINEAGE_SIZE];
	ck_assert_uint_eq(founded->replicas, 5);
	ck_assert_uint_eq(founded->epoch, 1);
	ck_assert_uint_eq(founded->hash_seed, 77);
	ck_assert_int_ne(memcmp(founded->lineage, none, sizeof(none)), 0);
	ck_assert_mem_eq(founded->lineage, again->lineage, sizeof(none));
	ck_assert_uint_eq(founding_number(again, identity.id), 0);
	ring_map_destroy(founded);
	ring_map_destroy(again);
	end();
}
END_TEST

START_TEST(a_join_that_got_no_further_than_the_seed_founds_anew)
{
	begin();
	struct ring_map *before = load(true);
	identity.hash_seed = 78;
	struct ring_map *after = load(true);
	ck_assert_uint_eq(after->hash_seed, 78);
	ck_assert_int_ne(memcmp(before->lineage, after->lineage, RING_LINEAGE_SIZE), 0);
	ring_map_destroy(before);
	ring_map_destroy(after);
	end();
}
END_TEST

static void put(const struct ring_map *map)
{
	struct buffer code = BUFFER_EMPTY;
	uint64_t position;
	ck_assert_int_eq(ring_map_encode(map, NULL, &code), 0);
	ck_assert_int_eq(store_put_note(store, 0, RECORD_MAP, 0, map->epoch,
					bytes_of(buffer_head(&code), code.len), &position),
			 0);
	buffer_reset(&code);
}

START_TEST(a_map_that_is_not_this_nodes_is_refused)
{
	begin();
	char why[FOUNDING_WHY_MAX] = "";
	struct founding_self other;
	struct ring_map *map = load(true), *unused;
	bool founded;
	conf_fini(&conf);
	ck_assert_int_eq(conf_init_defaults(&conf, "n2"), 0);
	founding_describe(&conf, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", &other);
	other.member.number = 1;
	ck_assert_int_eq(ring_map_add_member(map, &other.member), 0);
	map->epoch++;
	put(map);
	ring_map_destroy(load(false));
	identity.hash_seed++;
	ck_assert_int_eq(founding_load(store, &conf, &identity, &unused, &founded, why),
			 DHT_EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "identity"));
	ring_map_destroy(map);
	end();
}
END_TEST

/* n1 and, where asked for, another member. */
static void put_members(size_t count)
{
	struct founding_self other;
	struct conf other_conf;
	struct ring_map *map = load(true);
	ck_assert_int_eq(conf_init_defaults(&other_conf, "n2"), 0);
	founding_describe(&other_conf, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", &other);
	other.member.number = 1;
	if (count == 2)
		ck_assert_int_eq(ring_map_add_member(map, &other.member), 0);
	map->epoch++;
	put(map);
	ring_map_destroy(map);
	conf_fini(&other_conf);
}

START_TEST(a_member_of_several_that_may_have_forgotten_is_refused)
{
	begin();
	char why[FOUNDING_WHY_MAX] = "";
	identity.may_have_forgotten = true;
	identity.last_fsync = CONF_FSYNC_INTERVAL;
	ck_assert_int_eq(founding_check_memory(store, &identity, why), 0);
	identity.starts = 1;
	ck_assert_int_eq(founding_check_memory(store, &identity, why), DHT_EUNSAFE);
	put_members(2);
	ck_assert_int_eq(founding_check_memory(store, &identity, why), DHT_EUNSAFE);
	ck_assert_ptr_nonnull(strstr(why, "dhtctl replace n1;"));
	ck_assert_ptr_nonnull(strstr(why, "store.fsync was interval"));
	identity.may_have_forgotten = false;
	ck_assert_int_eq(founding_check_memory(store, &identity, why), 0);
	/* Who was removed votes no more. */
	identity.may_have_forgotten = true;
	identity.id[0] = 'c';
	ck_assert_int_eq(founding_check_memory(store, &identity, why), 0);
	end();
}
END_TEST

START_TEST(who_is_alone_may_forget)
{
	begin();
	char why[FOUNDING_WHY_MAX] = "";
	identity.may_have_forgotten = true;
	put_members(1);
	ck_assert_int_eq(founding_check_memory(store, &identity, why), 0);
	/* Whoever has the seed of another cluster was not alone. */
	identity.hash_seed++;
	ck_assert_int_eq(founding_check_memory(store, &identity, why), DHT_EUNSAFE);
	end();
}
END_TEST

START_TEST(an_address_that_means_any_is_not_given_out)
{
	struct founding_self self;
	begin();
	free(conf.listen_peer.items[0].host);
	conf.listen_peer.items[0].host = strdup("0.0.0.0");
	founding_describe(&conf, identity.id, &self);
	ck_assert_uint_eq(self.member.peer_count, 0);
	ck_assert_uint_eq(self.member.client_count, 1);
	ck_assert_uint_eq(self.member.clients[0].port, 7401);
	end();
}
END_TEST

UNIT_MAIN("founding", 60, a_fresh_node_founds_a_cluster_and_goes_on_with_it,
	  a_join_that_got_no_further_than_the_seed_founds_anew,
	  a_map_that_is_not_this_nodes_is_refused,
	  a_member_of_several_that_may_have_forgotten_is_refused, who_is_alone_may_forget,
	  an_address_that_means_any_is_not_given_out)
