/* SPDX-License-Identifier: Apache-2.0
 *
 * What the links between nodes stand: members that send nonsense, that do not read, that go in the
 * middle of something, whose number is another's. The test is one end of each link.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "helper_node_live.h"
#include "io/clock.h"
#include "io/endpoint.h"
#include "ring/map.h"
#include "unit.h"

/* ---- What makes no sense --------------------------------------------------------- */

struct receiving {
	struct live_node *node;
	uint64_t count;
};

static bool has_received(void *ctx)
{
	const struct receiving *r = ctx;
	uint64_t received = 0;
	for (unsigned i = 0; i < LIVE_WORKERS; i++)
		received += atomic_load(&r->node->workers[i].links.received);
	return received >= r->count;
}

START_TEST(an_answer_about_a_block_that_is_none_is_dropped)
{
	struct live_cluster c;
	live_start(&c, 2, 2, 0);
	live_stop_node(&c.nodes[1]);
	int fd = live_link(&c.nodes[0], 1, 0);
	const struct message answers[] = {{.kind = MESSAGE_CHUNK, .block = LIVE_BLOCKS},
					  {.kind = MESSAGE_CHUNK, .block = UINT32_MAX},
					  {.kind = MESSAGE_DIFFER, .block = UINT32_MAX / 2}};
	for (size_t i = 0; i < DHT_ARRAY_LEN(answers); i++)
		live_send(fd, &answers[i]);
	struct receiving r = {&c.nodes[0], DHT_ARRAY_LEN(answers)};
	live_wait(has_received, &r, "the link is of no use any more");
	close(fd);
	live_end(&c);
}
END_TEST

/* ---- Members that do not read ---------------------------------------------------- */

/* Where neither of two nodes reads before the other one does, nothing goes on. */
START_TEST(a_member_that_reads_nothing_is_listened_to)
{
	enum { SIZE = 200 * 1024, QUESTIONS = 100 };
	struct live_cluster c;
	live_start(&c, 2, 2, 0);
	int client = live_connect(&c.nodes[0]);
	uint8_t *value = calloc(1, SIZE);
	ck_assert_int_eq(live_put(client, "key", value, SIZE), 0);
	free(value);
	close(client);
	live_stop_node(&c.nodes[1]);
	atomic_store(&c.nodes[0].shared.output_max, 64 * 1024);
	struct receiving before = {&c.nodes[0], 0}, r = before;
	while (has_received(&before))
		before.count++;
	int fd = live_link(&c.nodes[0], 1, 4096);
	struct message question = {.kind = MESSAGE_READ, .key = bytes_of_text("key")};
	question.block = node_key(&c.nodes[0].node, question.key).block;
	for (unsigned i = 0; i < QUESTIONS; i++) {
		question.tag = i + 1;
		live_send(fd, &question);
	}
	r.count = before.count - 1 + QUESTIONS;
	live_wait(has_received, &r, "the node reads only as long as it is read");
	close(fd);
	live_end(&c);
}
END_TEST

/* ---- What waits ------------------------------------------------------------------ */

/* How often a thread of the process went to sleep. */
static long count_sleeps(void)
{
	struct rusage used;
	ck_assert_int_eq(getrusage(RUSAGE_SELF, &used), 0);
	return used.ru_nvcsw;
}

/* Asks until there is an answer over this link: what has to wait for room in the log is answered
 * over another one. */
static void ask_and_read(int fd, const struct message *question)
{
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	uint8_t unused[4096];
	do
		live_send(fd, question);
	while (poll(&answer, 1, 500) == 0);
	while (poll(&answer, 1, 100) == 1)
		ck_assert_int_gt(read(fd, unused, sizeof(unused)), 0);
}

/* The adoption of a map may take long, as on a disk that is full: no commit makes it shorter. */
START_TEST(what_waits_for_a_map_keeps_nobody_busy)
{
	struct live_cluster c;
	live_start(&c, 2, 2, 0);
	live_stop_node(&c.nodes[1]);
	struct live_node *n = &c.nodes[0];
	int fd = live_link(n, 1, 0);
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	struct message question = {.kind = MESSAGE_READ, .key = bytes_of_text("key"), .tag = 1};
	question.block = node_key(&n->node, question.key).block;
	ask_and_read(fd, &question);
	atomic_store(&n->node.map_end, NODE_RESTS_ON_MAP);
	live_send(fd, &question);
	long before = count_sleeps();
	ck_assert_int_eq(poll(&answer, 1, 2000), 0);
	ck_assert_int_lt(count_sleeps() - before, 4000);
	atomic_store(&n->node.map_end, store_end(n->store));
	committer_ask(&n->committer);
	ck_assert_int_eq(poll(&answer, 1, 10000), 1);
	close(fd);
	live_end(&c);
}
END_TEST

/* The ballot is above the durable ceiling: the step is made again when a higher one is. The answer
 * goes to who has asked, who waits for it, and cannot be reached otherwise. */
START_TEST(what_had_to_wait_is_answered_over_the_same_link)
{
	struct live_cluster c;
	live_start(&c, 2, 2, 0);
	live_stop_node(&c.nodes[1]);
	struct live_node *n = &c.nodes[0];
	int fd = live_link(n, 1, 0);
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	uint64_t above = counter_value(&n->node.counter) + 1000 * COUNTER_AHEAD_MIN;
	struct message question = {.kind = MESSAGE_PREPARE,
				   .key = bytes_of_text("key"),
				   .tag = 1,
				   .b = ballot_make(0, above, 1)};
	question.block = node_key(&n->node, question.key).block;
	live_send(fd, &question);
	ck_assert_int_eq(poll(&answer, 1, 10000), 1);
	close(fd);
	live_end(&c);
}
END_TEST

/* ---- Members that go ------------------------------------------------------------- */

/* An operation that is forwarded, because only the other node has the key. */
struct operation {
	pthread_t thread;
	int client, status;
	char key[16];
	size_t size; /* of the value */
};

static void *run_operation(void *arg)
{
	struct operation *o = arg;
	void *value = calloc(1, o->size);
	UNIT_REQUIRE(value != NULL);
	o->status = live_put(o->client, o->key, value, o->size);
	free(value);
	return NULL;
}

static void begin_operation(struct operation *o, struct live_node *n, int client, size_t size)
{
	*o = (struct operation){.client = client, .size = size};
	unsigned k = 0;
	do
		snprintf(o->key, sizeof(o->key), "key%u", k++);
	while (node_key(&n->node, bytes_of_text(o->key)).block % 2 != 1);
	ck_assert_int_eq(pthread_create(&o->thread, NULL, run_operation, o), 0);
}

static int end_operation(struct operation *o)
{
	pthread_join(o->thread, NULL);
	return o->status;
}

/* Two nodes, of which one is the test; nothing but links wakes the workers of the other one. */
static void start_with_a_test(struct live_cluster *c)
{
	live_start(c, 2, 1, 0);
	live_stop_node(&c->nodes[1]);
	housekeeper_stop(&c->nodes[0].housekeeper);
	atomic_store(&c->nodes[0].peers.deadline_us, TASK_DEADLINE_MAX_US);
}

static void listen_at(struct listener *listener, uint16_t port)
{
	char why[LISTENER_WHY_MAX];
	ck_assert_msg(listener_open_tcp(listener, "127.0.0.1", port, 0, why) == 0, "%s", why);
}

START_TEST(a_lost_link_is_told_of_at_once)
{
	struct live_cluster c;
	struct operation o;
	struct listener listener;
	start_with_a_test(&c);
	listen_at(&listener, c.nodes[1].port);
	int client = live_connect(&c.nodes[0]);
	begin_operation(&o, &c.nodes[0], client, 5);
	int fd = live_accept(&listener, 1);
	struct pollfd forward = {.fd = fd, .events = POLLIN};
	ck_assert_int_eq(poll(&forward, 1, 5000), 1);
	uint64_t lost_ns = clock_monotonic_ns();
	listener_close(&listener);
	close(fd);
	ck_assert_int_eq(end_operation(&o), DHT_EUNCERTAIN);
	ck_assert_uint_lt(clock_monotonic_ns() - lost_ns, 5 * NS_PER_S);
	close(client);
	live_end(&c);
}
END_TEST

START_TEST(a_link_that_does_not_open_is_told_of_at_once)
{
	struct live_cluster c;
	struct operation o;
	start_with_a_test(&c);
	uint64_t began_ns = clock_monotonic_ns();
	int client = live_connect(&c.nodes[0]);
	begin_operation(&o, &c.nodes[0], client, 5);
	ck_assert_int_eq(end_operation(&o), DHT_ENOQUORUM);
	ck_assert_uint_lt(clock_monotonic_ns() - began_ns, 5 * NS_PER_S);
	close(client);
	live_end(&c);
}
END_TEST

/* More than the sockets take, and the test reads nothing: as of a machine that is gone. */
START_TEST(a_member_that_takes_nothing_is_given_up)
{
	enum { SIZE = 14 * 1024 * 1024 };
	struct live_cluster c;
	struct operation o;
	struct listener listener;
	start_with_a_test(&c);
	listen_at(&listener, c.nodes[1].port);
	int client = live_connect(&c.nodes[0]);
	uint64_t began_ns = clock_monotonic_ns();
	begin_operation(&o, &c.nodes[0], client, SIZE);
	int fd = live_accept(&listener, 1);
	ck_assert_int_eq(end_operation(&o), DHT_EUNCERTAIN);
	ck_assert_uint_lt(clock_monotonic_ns() - began_ns,
			  TASK_DEADLINE_MAX_US / 10 * 9 * NS_PER_US);
	close(fd);
	close(client);
	listener_close(&listener);
	live_end(&c);
}
END_TEST

/* ---- Numbers --------------------------------------------------------------------- */

/* Has the node route by a map in which the other member is another node, at this port. */
static struct ring_map *replace_other(struct live_cluster *c, uint16_t port)
{
	struct ring_map *map;
	ck_assert_int_eq(ring_map_copy(c->map, c->map->epoch + 1, &map), 0);
	memset(map->members[1].id, 'f', RING_ID_SIZE - 1);
	map->members[1].peers[0].port = port;
	atomic_store(&c->nodes[0].shared.map, map);
	return map;
}

/* Who was a member before runs on, and does not close its end. */
START_TEST(a_number_that_is_anothers_leads_to_that_one)
{
	struct live_cluster c;
	struct operation first, second;
	struct listener before, after;
	char host[ENDPOINT_HOST_MAX];
	start_with_a_test(&c);
	listen_at(&before, c.nodes[1].port);
	listen_at(&after, 0);
	/* Of one worker, as every other one is. */
	int clients[] = {live_connect(&c.nodes[0]), live_connect(&c.nodes[0]),
			 live_connect(&c.nodes[0])};
	begin_operation(&first, &c.nodes[0], clients[0], 5);
	int old = live_accept(&before, 1);
	struct ring_map *map = replace_other(&c, endpoint_local_host(after.watch.fd, host));
	begin_operation(&second, &c.nodes[0], clients[2], 5);
	ck_assert_int_eq(end_operation(&first), DHT_EUNCERTAIN);
	/* It may have gone to the old one still. */
	ck_assert_int_ne(end_operation(&second), 0);
	begin_operation(&second, &c.nodes[0], clients[2], 5);
	close(live_accept(&after, 1));
	ck_assert_int_ne(end_operation(&second), 0);
	close(old);
	for (size_t i = 0; i < DHT_ARRAY_LEN(clients); i++)
		close(clients[i]);
	listener_close(&before);
	listener_close(&after);
	live_end(&c);
	ring_map_destroy(map);
}
END_TEST

UNIT_MAIN("worker_links", 120, an_answer_about_a_block_that_is_none_is_dropped,
	  a_member_that_reads_nothing_is_listened_to, what_waits_for_a_map_keeps_nobody_busy,
	  what_had_to_wait_is_answered_over_the_same_link, a_lost_link_is_told_of_at_once,
	  a_link_that_does_not_open_is_told_of_at_once, a_member_that_takes_nothing_is_given_up,
	  a_number_that_is_anothers_leads_to_that_one)
