/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/yaml, conf/reader, conf/key: what a file may look like, and every error of one
 * that does not, with its place.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/conf.h"

#define NAME_ALLOWED    "1 to 64 characters of A-Z a-z 0-9 . _ -"
#define ADDRESS_ALLOWED "host:port or [IPv6]:port, port 1 to 65535; or a list of 1 to 64"
#define SECTIONS        "node, cluster, listen, advertise, workers, store, clients, peers, log"
#define IS_EXTRA        ", which is not allowed: write the value itself"

static struct conf conf;
static struct conf_problems problems;

static void setup(void)
{
	problems = CONF_PROBLEMS_NONE;
	ck_assert_int_eq(conf_init_defaults(&conf, "host"), 0);
}

static void teardown(void)
{
	conf_fini(&conf);
	conf_problems_fini(&problems);
}

static void load(const char *text, size_t len, int expected_rc)
{
	teardown();
	setup();
	int rc = conf_load_text(&conf, "t.yaml", text, len, &problems);
	ck_assert_msg(rc == expected_rc, "%s: %d: %s", text, rc,
		      problems.count > 0 ? problems.lines[0] : "no problem");
}

static void assert_good(const char *text)
{
	load(text, strlen(text), 0);
	ck_assert_uint_eq(problems.total, 0);
}

static void assert_problems(const char *text, size_t len, const char *const *lines, size_t count)
{
	load(text, len, DHT_ECONF);
	for (size_t i = 0; i < problems.count && i < count; i++)
		ck_assert_str_eq(problems.lines[i], lines[i]);
	ck_assert_uint_eq(problems.count, count);
	ck_assert_uint_eq(problems.total, count);
}

/* The rest of the arguments are the lines that loading text gives, in order. */
#define ASSERT_PROBLEMS(text, ...)                                                                 \
	assert_problems(text, sizeof(text) - 1, (const char *const[]){__VA_ARGS__},                \
			DHT_ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

START_TEST(every_setting_is_read)
{
	assert_good("node: {name: n1, data_dir: /d, zone: z1, weight: 7}\n"
		    "cluster:\n"
		    "  name: \"c1\"\n"
		    "  blocks: 128\n"
		    "listen:\n"
		    "  client: [127.0.0.1:1, \"[::1]:2\"]\n"
		    "  peer:\n"
		    "    - a:3\n"
		    "    - b:4\n"
		    "  admin: '/run/a.sock'\n"
		    "advertise: {client: c:5, peer: [d:6]}\n"
		    "workers: {count: 3, park_after: 250ms, queue_max: \"1024\"}\n"
		    "store: {fsync: never, segment_size: 32MiB, max_value_size: 1MiB,\n"
		    "        memory: 1GiB, compact_rate: 8MiB}\n"
		    "clients: {max: 10, output_max: 1MiB}\n"
		    "log: {level: debug}\n");
	ck_assert_str_eq(conf.node_name, "n1");
	ck_assert_str_eq(conf.node_data_dir, "/d");
	ck_assert_str_eq(conf.node_zone, "z1");
	ck_assert_uint_eq(conf.node_weight, 7);
	ck_assert_str_eq(conf.cluster_name, "c1");
	ck_assert_uint_eq(conf.cluster_blocks, 128);
	ck_assert_uint_eq(conf.listen_client.count, 2);
	ck_assert_str_eq(conf.listen_client.items[0].text, "127.0.0.1:1");
	ck_assert_str_eq(conf.listen_client.items[1].text, "[::1]:2");
	ck_assert_uint_eq(conf.listen_peer.count, 2);
	ck_assert_str_eq(conf.listen_peer.items[1].text, "b:4");
	ck_assert_str_eq(conf.listen_admin, "/run/a.sock");
	ck_assert_str_eq(conf.advertise_client.items[0].text, "c:5");
	ck_assert_str_eq(conf.advertise_peer.items[0].text, "d:6");
	ck_assert_uint_eq(conf.workers_count, 3);
	ck_assert_uint_eq(conf.workers_park_after_ms, 250);
	ck_assert_uint_eq(conf.workers_queue_max, 1024);
	ck_assert_uint_eq(conf.store_segment_size_bytes, 32 * CONF_MIB);
	ck_assert_uint_eq(conf.store_max_value_size_bytes, CONF_MIB);
	ck_assert_int_eq(conf.store_fsync, CONF_FSYNC_NEVER);
	ck_assert_uint_eq(conf.store_memory_bytes, CONF_GIB);
	ck_assert_uint_eq(conf.store_compact_rate_bytes_per_s, 8 * CONF_MIB);
	ck_assert_uint_eq(conf.clients_max, 10);
	ck_assert_uint_eq(conf.clients_output_max_bytes, CONF_MIB);
	ck_assert_int_eq(conf.log_level, LOG_debug);
}
END_TEST

START_TEST(nothing_is_a_configuration)
{
	assert_good("");
	assert_good("# all commented out\n");
	assert_good("---\n...\n");
	assert_good("node:\n  #name: x\nlog: ~\n");
	load(NULL, 0, 0);
	ck_assert_str_eq(conf.node_name, "host");
	ck_assert_int_eq(conf.log_level, LOG_info);
}
END_TEST

START_TEST(harmless_yaml_is_taken)
{
	assert_good("%YAML 1.1\n---\nnode: {name: x}\n...\n");
	assert_good("\xef\xbb\xbfnode: {name: x}\r\n");
	ck_assert_str_eq(conf.node_name, "x");
	assert_good("{\"node\": {\"name\": \"y\", \"weight\": 3}, \"advertise\": {\"peer\": []}}");
	ck_assert_str_eq(conf.node_name, "y");
	assert_good("node:\n  data_dir: >-\n    /srv/data\n");
	ck_assert_str_eq(conf.node_data_dir, "/srv/data");
	assert_good("node: {name: 'null'}");
	ck_assert_str_eq(conf.node_name, "null");
}
END_TEST

START_TEST(all_errors_of_a_file_are_reported_at_once)
{
	ASSERT_PROBLEMS(
	    "cluster: {name: my cluster}\n"
	    "workers:\n"
	    "  park_after: soon\n"
	    "  parkafter: 1s\n"
	    "  count: 2000\n"
	    "node:\n"
	    "  name:\n"
	    "  weight: [1]\n"
	    "  zone: {a: b}\n"
	    "listen: {client: [127.0.0.1:0, a:1, [x], ~]}\n"
	    "worker: {count: 1}\n"
	    "log:\n"
	    "  level: warn\n"
	    "  level: info\n",
	    "t.yaml:1:17: cluster.name: \"my cluster\" is not a name: " NAME_ALLOWED,
	    "t.yaml:3:15: workers.park_after: \"soon\" is not a duration: a number with "
	    "ms, s, min or h, 0 to 1h",
	    "t.yaml:4:3: workers.parkafter: unknown key, did you mean workers.park_after?",
	    "t.yaml:5:10: workers.count: \"2000\" is out of range: auto or a number, "
	    "1 to 1024",
	    "t.yaml:7:8: node.name: has no value: " NAME_ALLOWED,
	    "t.yaml:8:11: node.weight: a list is not a number: a number, 1 to 10000",
	    "t.yaml:9:9: node.zone: a mapping is not a name: " NAME_ALLOWED,
	    "t.yaml:10:19: listen.client: \"127.0.0.1:0\" is not an address: " ADDRESS_ALLOWED,
	    "t.yaml:10:37: listen.client: a list is not an address: " ADDRESS_ALLOWED,
	    "t.yaml:10:42: listen.client: has no value: " ADDRESS_ALLOWED,
	    "t.yaml:11:1: worker: unknown section, did you mean workers?",
	    "t.yaml:14:3: log.level: is set twice, first on line 13");
	/* What is wrong was not taken over. */
	ck_assert_uint_eq(conf.listen_client.count, 1);
	ck_assert_str_eq(conf.listen_client.items[0].text, "127.0.0.1:7401");
}
END_TEST

START_TEST(errors_before_a_syntax_error_are_kept)
{
	ASSERT_PROBLEMS(
	    "log: {level: loud}\nnode:\n  weight: 0\n  name: a: b\ncluster: {name: /}\n",
	    "t.yaml:1:14: log.level: \"loud\" is not a log level: error, warn, info or debug",
	    "t.yaml:3:11: node.weight: \"0\" is out of range: a number, 1 to 10000",
	    "t.yaml:4:10: yaml: mapping values are not allowed in this context");
}
END_TEST

START_TEST(syntax_error_does_not_blame_what_was_read)
{
	/* A smaller max_value_size may follow. */
	ASSERT_PROBLEMS(
	    "store:\n  segment_size: 2MiB\n  @: x\n",
	    "t.yaml:3:3: yaml: found character that cannot start any token, while scanning "
	    "for the next token that begins on line 3");
}
END_TEST

START_TEST(syntax_errors)
{
	ASSERT_PROBLEMS(
	    "node:\n\tname: x\n",
	    "t.yaml:2:1: yaml: found character that cannot start any token (a tab; YAML is "
	    "indented with spaces), while scanning for the next token that begins on line 2");
	ASSERT_PROBLEMS(
	    "log: {level: info\n",
	    "t.yaml:2:1: yaml: did not find expected ',' or '}', while parsing a flow mapping "
	    "that begins on line 1");
	ASSERT_PROBLEMS(
	    "log: {level: \"info\n",
	    "t.yaml:2:1: yaml: found unexpected end of stream, while scanning a quoted scalar "
	    "that begins on line 1");
	ASSERT_PROBLEMS(
	    "listen: {client: [::1]:7401}\n",
	    "t.yaml:1:19: yaml: did not find expected node content, while parsing a flow node "
	    "that begins on line 1");
	ASSERT_PROBLEMS("%YAML 3.0\n--- {}\n",
			"t.yaml:1:1: yaml: found incompatible YAML document");
}
END_TEST

START_TEST(syntax_errors_in_any_part_end_the_reading)
{
	ASSERT_PROBLEMS("x: {a: [b\n", "t.yaml:1:1: x: unknown section: the sections are " SECTIONS,
			"t.yaml:2:1: yaml: did not find expected ',' or ']', while parsing a flow "
			"sequence that begins on line 1");
	ASSERT_PROBLEMS("? {a: [b\n", "t.yaml:1:3: yaml: a mapping is not a key, a word is",
			"t.yaml:2:1: yaml: did not find expected ',' or ']', while parsing a flow "
			"sequence that begins on line 1");
	ASSERT_PROBLEMS("node: @\n",
			"t.yaml:1:7: yaml: found character that cannot start any token, "
			"while scanning for the next token that begins on line 1");
	ASSERT_PROBLEMS(
	    "listen: {client: [a:1, %]}\n",
	    "t.yaml:1:24: yaml: found character that cannot start any token, while scanning "
	    "for the next token that begins on line 1");
	/* Columns are counted in characters. */
	ASSERT_PROBLEMS(
	    "node: # \xc3\xa4\n \t\xc3\xa4: x\n",
	    "t.yaml:2:2: yaml: found character that cannot start any token (a tab; YAML is "
	    "indented with spaces), while scanning for the next token that begins on line 2");
}
END_TEST

START_TEST(unknown_keys)
{
	ASSERT_PROBLEMS(
	    "store: {appendonly: yes}",
	    "t.yaml:1:9: store.appendonly: unknown key: the settings of store are fsync, "
	    "segment_size, max_value_size, memory, compact_rate");
	ASSERT_PROBLEMS("cluster: {data_dir: /x}",
			"t.yaml:1:11: cluster.data_dir: unknown key, did you mean node.data_dir?");
	ASSERT_PROBLEMS("node: {nmae: x}",
			"t.yaml:1:8: node.nmae: unknown key, did you mean node.name?");
	ASSERT_PROBLEMS("data_dir: /x", "t.yaml:1:1: data_dir: unknown section, did you mean "
					"node.data_dir?");
	ASSERT_PROBLEMS("clstr: {name: x}", "t.yaml:1:1: clstr: unknown section: the sections "
					    "are " SECTIONS);
	ASSERT_PROBLEMS("clustr: {name: x}",
			"t.yaml:1:1: clustr: unknown section, did you mean cluster?");
	ASSERT_PROBLEMS("cluster.name: x", "t.yaml:1:1: cluster.name: is written nested, as "
					   "cluster: {name: ...}");
	ASSERT_PROBLEMS("swarm.links: 4",
			"t.yaml:1:1: swarm.links: unknown section: the sections are " SECTIONS);
	ASSERT_PROBLEMS("node: {'': x}",
			"t.yaml:1:8: node.: unknown key: the settings of node are name, "
			"data_dir, zone, weight");
	ASSERT_PROBLEMS("{'': {}}",
			"t.yaml:1:2: \"\": unknown section: the sections are " SECTIONS);
	ASSERT_PROBLEMS("<<: {}", "t.yaml:1:1: <<: unknown section: the sections are " SECTIONS);
}
END_TEST

START_TEST(hostile_keys_stay_on_one_line)
{
	ASSERT_PROBLEMS("\"a\\nb\\0\": {x: 1}",
			"t.yaml:1:1: a\\x0ab\\x00: unknown section: the sections are " SECTIONS);
	ASSERT_PROBLEMS("\"node\\0\": {x: 1}",
			"t.yaml:1:1: node\\x00: unknown section, did you mean node?");
	char text[1000], line[512];
	memset(text, 'k', sizeof(text));
	memcpy(text + sizeof(text) - 4, ": 1", 4);
	snprintf(line, sizeof(line),
		 "t.yaml:1:1: %.64s...: unknown section: the sections are " SECTIONS, text);
	assert_problems(text, strlen(text), (const char *const[]){line}, 1);
}
END_TEST

START_TEST(duplicates)
{
	ASSERT_PROBLEMS("node: {name: a}\nlog: {level: warn}\nnode: {zone: z, name: b}\n",
			"t.yaml:3:1: node: is there twice, first on line 1",
			"t.yaml:3:17: node.name: is set twice, first on line 1");
	ASSERT_PROBLEMS("node:\n  name: a b\n  name: c\n",
			"t.yaml:2:9: node.name: \"a b\" is not a name: " NAME_ALLOWED,
			"t.yaml:3:3: node.name: is set twice, first on line 2");
}
END_TEST

START_TEST(wrong_kinds)
{
	ASSERT_PROBLEMS("- node\n", "t.yaml:1:1: yaml: a list is not a configuration: a mapping "
				    "with " SECTIONS);
	ASSERT_PROBLEMS("node", "t.yaml:1:1: yaml: \"node\" is not a configuration: a mapping "
				"with " SECTIONS);
	ASSERT_PROBLEMS("workers: 3",
			"t.yaml:1:10: workers: \"3\" is not a section: a mapping with "
			"count, park_after, queue_max");
	ASSERT_PROBLEMS("workers: [count]",
			"t.yaml:1:10: workers: a list is not a section: a mapping "
			"with count, park_after, queue_max");
	ASSERT_PROBLEMS("? [node]\n: {a: b}\nlog: {? {a: b} : c}\n",
			"t.yaml:1:3: yaml: a list is not a key, a word is",
			"t.yaml:3:9: log: a mapping is not a key, a word is");
	ASSERT_PROBLEMS("listen: {client: []}",
			"t.yaml:1:18: listen.client: the list is too short: " ADDRESS_ALLOWED);
	ASSERT_PROBLEMS("node: {name: null, zone: ~, weight: }",
			"t.yaml:1:14: node.name: has no value: " NAME_ALLOWED,
			"t.yaml:1:26: node.zone: has no value: " NAME_ALLOWED,
			"t.yaml:1:37: node.weight: has no value: a number, 1 to 10000");
}
END_TEST

START_TEST(anchors_aliases_and_tags)
{
	ASSERT_PROBLEMS("node: {name: &a x, zone: *a}\n",
			"t.yaml:1:14: node.name: \"a\" is an anchor" IS_EXTRA,
			"t.yaml:1:26: node.zone: \"a\" is an alias" IS_EXTRA);
	ASSERT_PROBLEMS("node: &n {name: x}\ncluster: *n\n",
			"t.yaml:1:7: node: \"n\" is an anchor" IS_EXTRA,
			"t.yaml:2:10: cluster: \"n\" is an alias" IS_EXTRA);
	ASSERT_PROBLEMS("&k node: {*k : x, name: y}\n",
			"t.yaml:1:1: node: \"k\" is an anchor" IS_EXTRA,
			"t.yaml:1:11: node: \"k\" is an alias" IS_EXTRA);
	ASSERT_PROBLEMS("&r {}", "t.yaml:1:1: yaml: \"r\" is an anchor" IS_EXTRA);
	ASSERT_PROBLEMS("listen: {client: &l [&e a:1, !x b:2]}",
			"t.yaml:1:18: listen.client: \"l\" is an anchor" IS_EXTRA);
	ASSERT_PROBLEMS("listen: {client: [&e a:1, !x b:2]}",
			"t.yaml:1:19: listen.client: \"e\" is an anchor" IS_EXTRA,
			"t.yaml:1:27: listen.client: \"!x\" is a tag" IS_EXTRA);
	ASSERT_PROBLEMS("node: {weight: !!int 3}\n",
			"t.yaml:1:16: node.weight: \"tag:yaml.org,2002:int\" is a tag" IS_EXTRA);
}
END_TEST

START_TEST(alias_bomb_is_cheap)
{
	ASSERT_PROBLEMS("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n"
			"node: {name: *b}\n",
			"t.yaml:1:1: a: unknown section: the sections are " SECTIONS,
			"t.yaml:2:1: b: unknown section: the sections are " SECTIONS,
			"t.yaml:3:14: node.name: \"b\" is an alias" IS_EXTRA);
}
END_TEST

START_TEST(further_documents)
{
	ASSERT_PROBLEMS("node: {name: x}\n---\nnode: {name: y}\n",
			"t.yaml:2:1: yaml: a second document begins here, which was not checked");
	ck_assert_str_eq(conf.node_name, "x");
	ASSERT_PROBLEMS("--- {}\n...\nnode: {}\n",
			"t.yaml:3:1: yaml: did not find expected <document start>");
}
END_TEST

START_TEST(deep_nesting)
{
	char text[4096] = "deep: ";
	memset(text + 6, '[', sizeof(text) - 6);
	static const char *const lines[] = {
	    "t.yaml:1:1: deep: unknown section: the sections are " SECTIONS,
	    "t.yaml:1:23: yaml: nested too deep, what follows was not checked",
	};
	assert_problems(text, sizeof(text), lines, DHT_ARRAY_LEN(lines));

	memset(text, '{', sizeof(text));
	static const char *const lines_of_keys[] = {
	    "t.yaml:1:2: yaml: a mapping is not a key, a word is",
	    "t.yaml:1:18: yaml: nested too deep, what follows was not checked",
	};
	assert_problems(text, sizeof(text), lines_of_keys, DHT_ARRAY_LEN(lines_of_keys));
}
END_TEST

START_TEST(text_that_is_not_utf8)
{
	ASSERT_PROBLEMS(
	    "log: {level: info}\nnode: {name: \xff}\n",
	    "t.yaml:2:14: yaml: invalid leading UTF-8 octet (0xff), the file must be UTF-8 text");
	ASSERT_PROBLEMS(
	    "\xc3\xa4\xc3",
	    "t.yaml:1:2: yaml: incomplete UTF-8 octet sequence, the file must be UTF-8 text");
	ASSERT_PROBLEMS(
	    "node: {name: \"a\0b\"}",
	    "t.yaml:1:16: yaml: control characters are not allowed (0x00), the file must be "
	    "UTF-8 text");
	ASSERT_PROBLEMS(
	    "\xff\xfen\0o\0",
	    "t.yaml:1:1: yaml: invalid leading UTF-8 octet (0xff), the file must be UTF-8 text");
	ASSERT_PROBLEMS("node: {name: \"a\\0b\"}",
			"t.yaml:1:14: node.name: \"a\\x00b\" is not a name: " NAME_ALLOWED);
	ASSERT_PROBLEMS(
	    "listen: {client: \"a:1\\0\", admin: \"/a\\0\"}",
	    "t.yaml:1:18: listen.client: \"a:1\\x00\" is not an address: " ADDRESS_ALLOWED,
	    "t.yaml:1:34: listen.admin: \"/a\\x00\" is not an absolute path: a path that "
	    "begins with /, at most 107 bytes");
}
END_TEST

START_TEST(file_size_is_bounded)
{
	char *text = malloc(CONF_FILE_MAX + 1);
	ck_assert_ptr_nonnull(text);
	memset(text, '#', CONF_FILE_MAX + 1);
	load(text, CONF_FILE_MAX, 0);
	static const char *const lines[] = {
	    "t.yaml:1:1: yaml: the file is larger than 1048576 bytes"};
	assert_problems(text, CONF_FILE_MAX + 1, lines, 1);
	free(text);
}
END_TEST

START_TEST(problems_beyond_the_bound_are_counted)
{
	enum { KEYS = 1000, WIDTH = 5 };
	char text[KEYS * WIDTH];
	for (size_t i = 0; i < KEYS; i++)
		memcpy(text + (size_t)WIDTH * i, i % 2 == 0 ? "x: 1\n" : "log:\n", WIDTH);
	load(text, sizeof(text), DHT_ECONF);
	ck_assert_uint_eq(problems.count, CONF_PROBLEMS_MAX);
	ck_assert_uint_eq(problems.total, KEYS - 1); /* the first `log:` is right */
	ck_assert_str_eq(problems.lines[CONF_PROBLEMS_MAX - 1],
			 "t.yaml:101:1: x: unknown section: the sections are " SECTIONS);

	char *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);
	ck_assert_ptr_nonnull(out);
	conf_problems_print(&problems, out);
	ck_assert_int_eq(fclose(out), 0);
	static const char tail[] = " " SECTIONS "\nand 899 more\n";
	ck_assert_uint_gt(size, strlen(tail));
	ck_assert_str_eq(printed + size - strlen(tail), tail);
	free(printed);
}
END_TEST

START_TEST(file_name_stays_on_one_line)
{
	ck_assert_int_eq(conf_load_text(&conf, "a\nb", "x: 1", 4, &problems), DHT_ECONF);
	ck_assert_uint_eq(problems.count, 1);
	ck_assert_str_eq(problems.lines[0],
			 "a\\x0ab:1:1: x: unknown section: the sections are " SECTIONS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf_yaml");
	TCase *tcase = tcase_create("conf_yaml");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, every_setting_is_read);
	tcase_add_test(tcase, nothing_is_a_configuration);
	tcase_add_test(tcase, harmless_yaml_is_taken);
	tcase_add_test(tcase, all_errors_of_a_file_are_reported_at_once);
	tcase_add_test(tcase, errors_before_a_syntax_error_are_kept);
	tcase_add_test(tcase, syntax_error_does_not_blame_what_was_read);
	tcase_add_test(tcase, syntax_errors);
	tcase_add_test(tcase, syntax_errors_in_any_part_end_the_reading);
	tcase_add_test(tcase, unknown_keys);
	tcase_add_test(tcase, hostile_keys_stay_on_one_line);
	tcase_add_test(tcase, duplicates);
	tcase_add_test(tcase, wrong_kinds);
	tcase_add_test(tcase, anchors_aliases_and_tags);
	tcase_add_test(tcase, alias_bomb_is_cheap);
	tcase_add_test(tcase, further_documents);
	tcase_add_test(tcase, deep_nesting);
	tcase_add_test(tcase, text_that_is_not_utf8);
	tcase_add_test(tcase, file_size_is_bounded);
	tcase_add_test(tcase, problems_beyond_the_bound_are_counted);
	tcase_add_test(tcase, file_name_stays_on_one_line);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
