/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/conf: defaults, overrides, checks of several settings, copies and reload.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/conf.h"

static struct conf conf;
static struct conf_problems problems;

static void setup(void)
{
	problems = CONF_PROBLEMS_NONE;
	ck_assert_int_eq(conf_init_defaults(&conf, "host-1"), 0);
}

static void teardown(void)
{
	conf_fini(&conf);
	conf_problems_fini(&problems);
}

static int load_sets(const char *const *sets, size_t count)
{
	return conf_load_file(&conf, NULL, sets, count, &problems);
}

#define LOAD_SETS(...)                                                                             \
	load_sets((const char *const[]){__VA_ARGS__},                                              \
		  DHT_ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static void assert_only_problem(const char *line)
{
	ck_assert_uint_eq(problems.total, 1);
	ck_assert_uint_eq(problems.count, 1);
	ck_assert_str_eq(problems.lines[0], line);
}

static void assert_value(const struct conf *of, enum conf_id id, const char *expected)
{
	char *value = conf_item_value(of, &conf_items[id]);
	ck_assert_ptr_nonnull(value);
	ck_assert_str_eq(value, expected);
	free(value);
}

START_TEST(defaults_are_those_of_the_design)
{
	ck_assert_str_eq(conf.node_name, "host-1");
	ck_assert_str_eq(conf.node_data_dir, "/var/lib/dhtd");
	ck_assert_str_eq(conf.node_zone, "default");
	ck_assert_uint_eq(conf.node_weight, 100);
	ck_assert_str_eq(conf.cluster_name, "dht");
	ck_assert_uint_eq(conf.cluster_blocks, 1024);
	ck_assert_uint_eq(conf.listen_client.count, 1);
	ck_assert_str_eq(conf.listen_client.items[0].text, "127.0.0.1:7401");
	ck_assert_str_eq(conf.listen_client.items[0].host, "127.0.0.1");
	ck_assert_uint_eq(conf.listen_client.items[0].port, 7401);
	ck_assert_uint_eq(conf.listen_peer.count, 1);
	ck_assert_str_eq(conf.listen_peer.items[0].text, "127.0.0.1:7402");
	ck_assert_str_eq(conf.listen_admin, "/run/dhtd/dhtd.sock");
	ck_assert_uint_eq(conf.advertise_client.count, 0);
	ck_assert_uint_eq(conf.advertise_peer.count, 0);
	ck_assert_uint_eq(conf.workers_count, 0);
	ck_assert_uint_eq(conf.workers_park_after_ms, 1000);
	ck_assert_uint_eq(conf.workers_queue_max, 65536);
	ck_assert_int_eq(conf.store_fsync, CONF_FSYNC_ALWAYS);
	ck_assert_uint_eq(conf.store_segment_size_bytes, 64 * CONF_MIB);
	ck_assert_uint_eq(conf.store_max_value_size_bytes, 16 * CONF_MIB);
	ck_assert_uint_eq(conf.store_memory_bytes, 0);
	ck_assert_uint_eq(conf.store_compact_rate_bytes_per_s, 64 * CONF_MIB);
	ck_assert_uint_eq(conf.clients_max, 100000);
	ck_assert_uint_eq(conf.clients_output_max_bytes, 64 * CONF_MIB);
	ck_assert_int_eq(conf.clients_redirect, CONF_REDIRECT_PROXY);
	ck_assert_uint_eq(conf.clients_slow_after_ms, 10);
	ck_assert_uint_eq(conf.clients_slow_max, 128);
	ck_assert_uint_eq(conf.peers_sync_rate_bytes_per_s, 128 * CONF_MIB);
	ck_assert_int_eq(conf.log_level, LOG_info);
}
END_TEST

START_TEST(defaults_pass_every_check)
{
	ck_assert_int_eq(load_sets(NULL, 0), 0);
	ck_assert_uint_eq(problems.total, 0);
}
END_TEST

START_TEST(defaults_are_shown_as_they_are_written)
{
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		const struct conf_item *item = &conf_items[i];
		ck_assert_uint_eq(item->id, i);
		ck_assert_ptr_nonnull(conf_item_default(item));
		if (i != CONF_node_name)
			assert_value(&conf, item->id, conf_item_default(item));
	}
	assert_value(&conf, CONF_node_name, "host-1");
	ck_assert_str_eq(conf_item_default(&conf_items[CONF_node_name]), "the host name");
	ck_assert_str_eq(conf_item_default(&conf_items[CONF_advertise_peer]),
			 "the listen addresses");
	ck_assert_str_eq(conf_items[CONF_workers_park_after].key, "workers.park_after");
}
END_TEST

START_TEST(reloadable_settings_are_those_of_the_table)
{
	static const enum conf_id reloadable[] = {CONF_workers_park_after, CONF_store_compact_rate,
						  CONF_clients_max,        CONF_clients_output_max,
						  CONF_clients_redirect,   CONF_clients_slow_after,
						  CONF_clients_slow_max,   CONF_peers_sync_rate,
						  CONF_peers_max_skew,     CONF_log_level};
	size_t found = 0;
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		if (conf_items[i].change != CONF_RELOAD)
			continue;
		ck_assert_uint_lt(found, DHT_ARRAY_LEN(reloadable));
		ck_assert_uint_eq(conf_items[i].id, reloadable[found++]);
	}
	ck_assert_uint_eq(found, DHT_ARRAY_LEN(reloadable));
}
END_TEST

START_TEST(bad_host_name_is_reported_unless_overridden)
{
	conf_fini(&conf);
	ck_assert_int_eq(conf_init_defaults(&conf, "(none)"), 0);
	ck_assert_int_eq(load_sets(NULL, 0), DHT_ECONF);
	assert_only_problem("host name: node.name: \"(none)\" is not a name: "
			    "1 to 64 characters of A-Z a-z 0-9 . _ -");

	conf_problems_fini(&problems);
	ck_assert_int_eq(LOAD_SETS("node.name=n1"), 0);
	ck_assert_str_eq(conf.node_name, "n1");
}
END_TEST

START_TEST(set_overrides_every_setting)
{
	ck_assert_int_eq(
	    LOAD_SETS("node.name=n_1", "node.data_dir=/tmp/a=b", "node.zone=z.2",
		      "node.weight=10000", "cluster.name=c-3", "cluster.blocks=64",
		      "listen.client=127.0.0.1:1,[::1]:2,db.example:65535", "listen.peer=0.0.0.0:3",
		      "listen.admin=/tmp/s", "advertise.client=[::2]:4", "advertise.peer=host:5",
		      "workers.count=1024", "workers.park_after=0", "workers.queue_max=16",
		      "store.fsync=interval", "store.segment_size=1MiB",
		      "store.max_value_size=1KiB", "store.memory=64MiB", "store.compact_rate=1MiB",
		      "clients.max=1", "clients.output_max=4GiB", "log.level=debug"),
	    0);
	assert_value(&conf, CONF_node_name, "n_1");
	assert_value(&conf, CONF_node_data_dir, "/tmp/a=b");
	assert_value(&conf, CONF_node_zone, "z.2");
	ck_assert_uint_eq(conf.node_weight, 10000);
	assert_value(&conf, CONF_cluster_name, "c-3");
	ck_assert_uint_eq(conf.cluster_blocks, 64);
	assert_value(&conf, CONF_listen_client, "127.0.0.1:1,[::1]:2,db.example:65535");
	ck_assert_uint_eq(conf.listen_client.count, 3);
	ck_assert_str_eq(conf.listen_client.items[1].host, "::1");
	ck_assert_uint_eq(conf.listen_client.items[1].port, 2);
	ck_assert_str_eq(conf.listen_client.items[2].host, "db.example");
	assert_value(&conf, CONF_listen_peer, "0.0.0.0:3");
	assert_value(&conf, CONF_listen_admin, "/tmp/s");
	assert_value(&conf, CONF_advertise_client, "[::2]:4");
	assert_value(&conf, CONF_advertise_peer, "host:5");
	ck_assert_uint_eq(conf.workers_count, 1024);
	ck_assert_uint_eq(conf.workers_park_after_ms, 0);
	ck_assert_uint_eq(conf.workers_queue_max, 16);
	ck_assert_int_eq(conf.store_fsync, CONF_FSYNC_INTERVAL);
	ck_assert_uint_eq(conf.store_segment_size_bytes, CONF_MIB);
	ck_assert_uint_eq(conf.store_max_value_size_bytes, CONF_KIB);
	ck_assert_uint_eq(conf.store_memory_bytes, 64 * CONF_MIB);
	ck_assert_uint_eq(conf.store_compact_rate_bytes_per_s, CONF_MIB);
	ck_assert_uint_eq(conf.clients_max, 1);
	ck_assert_uint_eq(conf.clients_output_max_bytes, 4 * CONF_GIB);
	ck_assert_int_eq(conf.log_level, LOG_debug);
}
END_TEST

START_TEST(last_set_of_a_key_wins)
{
	ck_assert_int_eq(LOAD_SETS("listen.client=a:1,b:2", "log.level=warn", "listen.client=c:3",
				   "advertise.peer=d:4", "advertise.peer="),
			 0);
	assert_value(&conf, CONF_listen_client, "c:3");
	ck_assert_uint_eq(conf.advertise_peer.count, 0);
}
END_TEST

START_TEST(set_reports_every_error)
{
	static const char *const expected[] = {
	    "--set: node: unknown key: the settings of node are name, data_dir, zone, weight",
	    "--set: \"\": unknown section: the sections are node, cluster, listen, advertise, "
	    "workers, store, clients, peers, log",
	    "--set: workers.count: has no value, write workers.count=VALUE: "
	    "auto or a number, 1 to 1024",
	    "--set: node.nmae: unknown key, did you mean node.name?",
	    "--set: listen.client: the list is too short: "
	    "host:port or [IPv6]:port, port 1 to 65535; or a list of 1 to 64",
	    "--set: listen.peer: \"\" is not an address: "
	    "host:port or [IPv6]:port, port 1 to 65535; or a list of 1 to 64",
	    "--set: listen.peer: \"b:x\" is not an address: "
	    "host:port or [IPv6]:port, port 1 to 65535; or a list of 1 to 64",
	    "--set: log.level: \"\\xff\\x0a\" is not a log level: error, warn, info or debug",
	};
	ck_assert_int_eq(LOAD_SETS("node", "=x", "workers.count", "node.nmae=x",
				   "listen.client=", "listen.peer=a:1,,b:x", "log.level=\xff\n"),
			 DHT_ECONF);
	ck_assert_uint_eq(problems.count, DHT_ARRAY_LEN(expected));
	for (size_t i = 0; i < DHT_ARRAY_LEN(expected); i++)
		ck_assert_str_eq(problems.lines[i], expected[i]);
}
END_TEST

START_TEST(set_comes_after_the_file)
{
	static const char text[] = "clients: {max: 5}\nlog: {level: loud}\n";
	char path[] = "/tmp/test_conf_XXXXXX";
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	FILE *file = fdopen(fd, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);

	static const char *const sets[] = {"clients.max=6", "log.level=warn"};
	int rc = conf_load_file(&conf, path, sets, DHT_ARRAY_LEN(sets), &problems);
	char expected[128];
	snprintf(expected, sizeof(expected),
		 "%s:2:14: log.level: \"loud\" is not a log level: error, warn, info or debug",
		 path);
	ck_assert_int_eq(remove(path), 0);
	ck_assert_int_eq(rc, DHT_ECONF);
	assert_only_problem(expected);
	ck_assert_uint_eq(conf.clients_max, 6);
	ck_assert_int_eq(conf.log_level, LOG_warn);
}
END_TEST

START_TEST(file_that_cannot_be_read_hides_no_other_error)
{
	static const char *const sets[] = {"clients.max=0"};
	ck_assert_int_eq(conf_load_file(&conf, "/nonexistent/dhtd.yaml", sets, 1, &problems),
			 DHT_EIO);
	ck_assert_uint_eq(problems.count, 2);
	ck_assert_str_eq(problems.lines[0],
			 "/nonexistent/dhtd.yaml: yaml: the file cannot be read: "
			 "No such file or directory");
	ck_assert_str_eq(problems.lines[1],
			 "--set: clients.max: \"0\" is out of range: a number, 1 to 1000000");

	conf_problems_fini(&problems);
	ck_assert_int_eq(conf_load_file(&conf, "/", NULL, 0, &problems), DHT_EIO);
	assert_only_problem("/: yaml: the file cannot be read: Is a directory");
}
END_TEST

START_TEST(largest_value_must_fit_in_a_segment)
{
	/* 2 MiB less 64 KiB and 128 bytes. */
	ck_assert_int_eq(LOAD_SETS("store.segment_size=2MiB", "store.max_value_size=2031488"), 0);
	ck_assert_int_eq(LOAD_SETS("store.max_value_size=2031489"), DHT_ECONF);
	assert_only_problem("--set: store.max_value_size: \"2031489B\" is out of range: "
			    "with store.segment_size 2MiB, at most 2031488B");
}
END_TEST

START_TEST(segment_is_blamed_when_the_value_size_is_the_default)
{
	ck_assert_int_eq(LOAD_SETS("store.segment_size=16842880"), 0);
	ck_assert_int_eq(LOAD_SETS("store.segment_size=16842879"), DHT_ECONF);
	assert_only_problem("--set: store.segment_size: \"16842879B\" is out of range: "
			    "with store.max_value_size 16MiB, at least 16842880B");
}
END_TEST

START_TEST(silence_is_longer_than_two_heartbeats)
{
	ck_assert_int_eq(LOAD_SETS("peers.heartbeat=250ms"), 0);
	ck_assert_int_eq(LOAD_SETS("peers.heartbeat=251ms"), DHT_ECONF);
	assert_only_problem("--set: peers.heartbeat: peers.suspect_after has to be at least twice "
			    "peers.heartbeat: they are 500ms and 251ms");
}
END_TEST

START_TEST(silence_is_blamed_when_the_heartbeat_is_the_default)
{
	ck_assert_int_eq(LOAD_SETS("peers.suspect_after=200ms"), 0);
	ck_assert_int_eq(LOAD_SETS("peers.suspect_after=199ms"), DHT_ECONF);
	assert_only_problem("--set: peers.suspect_after: peers.suspect_after has to be at least "
			    "twice peers.heartbeat: they are 199ms and 100ms");
}
END_TEST

START_TEST(rejected_size_is_not_checked_against_others)
{
	ck_assert_int_eq(LOAD_SETS("store.segment_size=2MiB", "store.max_value_size=1MB"),
			 DHT_ECONF);
	assert_only_problem(
	    "--set: store.max_value_size: \"1MB\" is not a size: a number with B, KiB, "
	    "MiB or GiB, 1KiB to 16MiB; did you mean 1MiB?");
}
END_TEST

START_TEST(checks_name_the_place_in_the_file)
{
	static const char text[] = "store:\n  segment_size: 2MiB\n  max_value_size: 3MiB\n";
	ck_assert_int_eq(conf_load_text(&conf, "t.yaml", text, strlen(text), &problems), DHT_ECONF);
	assert_only_problem("t.yaml:3:19: store.max_value_size: \"3MiB\" is out of range: "
			    "with store.segment_size 2MiB, at most 2031488B");
}
END_TEST

START_TEST(clone_shares_nothing)
{
	ck_assert_int_eq(LOAD_SETS("listen.client=a:1,b:2", "node.zone=z", "log.level=debug"), 0);
	struct conf copy;
	ck_assert_int_eq(conf_clone(&copy, &conf), 0);
	for (size_t i = 0; i < CONF_ITEM_COUNT; i++) {
		char *value = conf_item_value(&conf, &conf_items[i]);
		assert_value(&copy, conf_items[i].id, value);
		free(value);
	}
	conf_fini(&conf);
	assert_value(&copy, CONF_listen_client, "a:1,b:2");
	ck_assert_str_eq(copy.listen_client.items[1].host, "b");
	ck_assert_uint_eq(copy.listen_client.items[1].port, 2);
	conf_fini(&copy);
}
END_TEST

struct change {
	char key[64], before[64], after[64];
};

struct changes {
	struct change items[CONF_ITEM_COUNT];
	size_t count;
};

static void record(const struct conf_item *item, const char *before, const char *after, void *ctx)
{
	struct changes *changes = ctx;
	ck_assert_uint_lt(changes->count, CONF_ITEM_COUNT);
	struct change *change = &changes->items[changes->count++];
	snprintf(change->key, sizeof(change->key), "%s", item->key);
	snprintf(change->before, sizeof(change->before), "%s", before);
	snprintf(change->after, sizeof(change->after), "%s", after);
}

START_TEST(reload_takes_over_what_is_reloadable)
{
	static const struct change expected[] = {
	    {"node.zone", "default", "z"},
	    {"advertise.client", "the listen addresses", "a:1"},
	    {"workers.park_after", "1s", "500ms"},
	    {"store.fsync", "always", "never"},
	    {"store.compact_rate", "64MiB", "1GiB"},
	    {"clients.max", "100000", "7"},
	    {"clients.output_max", "64MiB", "1GiB"},
	    {"clients.redirect", "proxy", "moved"},
	    {"peers.sync_rate", "128MiB", "1MiB"},
	    {"log.level", "info", "debug"},
	};
	struct conf running;
	ck_assert_int_eq(conf_clone(&running, &conf), 0);
	ck_assert_int_eq(LOAD_SETS("node.zone=z", "advertise.client=a:1",
				   "workers.park_after=500ms", "store.fsync=never",
				   "store.compact_rate=1GiB", "clients.max=7",
				   "clients.output_max=1GiB", "clients.redirect=moved",
				   "peers.sync_rate=1MiB", "log.level=debug"),
			 0);
	struct changes changes = {.count = 0};
	ck_assert_int_eq(conf_reload(&running, &conf, record, &changes), 0);

	ck_assert_uint_eq(changes.count, DHT_ARRAY_LEN(expected));
	for (size_t i = 0; i < DHT_ARRAY_LEN(expected); i++) {
		ck_assert_str_eq(changes.items[i].key, expected[i].key);
		ck_assert_str_eq(changes.items[i].before, expected[i].before);
		ck_assert_str_eq(changes.items[i].after, expected[i].after);
	}
	ck_assert_str_eq(running.node_zone, "default");
	ck_assert_uint_eq(running.advertise_client.count, 0);
	ck_assert_uint_eq(running.workers_park_after_ms, 500);
	ck_assert_int_eq(running.store_fsync, CONF_FSYNC_ALWAYS);
	ck_assert_uint_eq(running.store_compact_rate_bytes_per_s, CONF_GIB);
	ck_assert_uint_eq(running.clients_max, 7);
	ck_assert_uint_eq(running.clients_output_max_bytes, CONF_GIB);
	ck_assert_int_eq(running.clients_redirect, CONF_REDIRECT_MOVED);
	ck_assert_uint_eq(running.peers_sync_rate_bytes_per_s, CONF_MIB);
	ck_assert_int_eq(running.log_level, LOG_debug);
	conf_fini(&running);
}
END_TEST

START_TEST(reload_without_a_change_reports_none)
{
	struct conf running;
	ck_assert_int_eq(conf_clone(&running, &conf), 0);
	/* Another spelling of the same value is no change. */
	ck_assert_int_eq(LOAD_SETS("workers.park_after=1000ms", "clients.output_max=67108864"), 0);
	struct changes changes = {.count = 0};
	ck_assert_int_eq(conf_reload(&running, &conf, record, &changes), 0);
	ck_assert_uint_eq(changes.count, 0);
	conf_fini(&running);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf");
	TCase *tcase = tcase_create("conf");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, defaults_are_those_of_the_design);
	tcase_add_test(tcase, defaults_pass_every_check);
	tcase_add_test(tcase, defaults_are_shown_as_they_are_written);
	tcase_add_test(tcase, reloadable_settings_are_those_of_the_table);
	tcase_add_test(tcase, bad_host_name_is_reported_unless_overridden);
	tcase_add_test(tcase, set_overrides_every_setting);
	tcase_add_test(tcase, last_set_of_a_key_wins);
	tcase_add_test(tcase, set_reports_every_error);
	tcase_add_test(tcase, set_comes_after_the_file);
	tcase_add_test(tcase, file_that_cannot_be_read_hides_no_other_error);
	tcase_add_test(tcase, largest_value_must_fit_in_a_segment);
	tcase_add_test(tcase, silence_is_longer_than_two_heartbeats);
	tcase_add_test(tcase, silence_is_blamed_when_the_heartbeat_is_the_default);
	tcase_add_test(tcase, segment_is_blamed_when_the_value_size_is_the_default);
	tcase_add_test(tcase, rejected_size_is_not_checked_against_others);
	tcase_add_test(tcase, checks_name_the_place_in_the_file);
	tcase_add_test(tcase, clone_shares_nothing);
	tcase_add_test(tcase, reload_takes_over_what_is_reloadable);
	tcase_add_test(tcase, reload_without_a_change_reports_none);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
