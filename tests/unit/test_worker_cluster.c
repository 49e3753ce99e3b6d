/* SPDX-License-Identifier: Apache-2.0
 *
 * Nodes with workers over real sockets: operations on replicated blocks, links that break,
 * replicas that were away.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "helper_node_live.h"
#include "io/clock.h"
#include "unit.h"

static void check_value(int fd, const char *key, const void *value, size_t len)
{
	struct live_reply reply = live_get(fd, key);
	ck_assert_int_eq(reply.status, 0);
	ck_assert_uint_eq(reply.len, len);
	ck_assert_int_eq(memcmp(reply.value, value, len), 0);
	free(reply.value);
}

static void check_absent(int fd, const char *key)
{
	struct live_reply reply = live_get(fd, key);
	ck_assert_int_eq(reply.status, DHT_ENOTFOUND);
	free(reply.value);
}

static void delete (int fd, const char *key)
{
	const struct op op = {.kind = OP_DEL, .key.key = bytes_of_text(key)};
	struct live_reply reply = live_run(fd, &op);
	ck_assert_int_eq(reply.status, 0);
	free(reply.value);
}

/* ---- What was put on one node is read from each -------------------------------------------- */

static void check_keys(unsigned nodes, unsigned replicas)
{
	struct live_cluster c;
	int fds[LIVE_NODES_MAX];
	live_start(&c, nodes, replicas, 0);
	for (unsigned i = 0; i < nodes; i++)
		fds[i] = live_connect(&c.nodes[i]);
	for (unsigned k = 0; k < 300; k++) {
		char key[16], value[16];
		snprintf(key, sizeof(key), "key%u", k);
		int len = snprintf(value, sizeof(value), "value%u", k);
		check_absent(fds[(k + 1) % nodes], key);
		ck_assert_int_eq(live_put(fds[k % nodes], key, value, (size_t)len), 0);
		for (unsigned i = 0; i < nodes; i++)
			check_value(fds[i], key, value, (size_t)len);
		if (k % 3 != 0)
			continue;
		delete (fds[(k + 2) % nodes], key);
		for (unsigned i = 0; i < nodes; i++)
			check_absent(fds[i], key);
	}
	for (unsigned i = 0; i < nodes; i++)
		close(fds[i]);
	live_end(&c);
}

START_TEST(what_is_put_on_one_node_is_there_on_each)
{
	check_keys(3, 3);
}
END_TEST

START_TEST(nodes_that_are_no_replicas_forward)
{
	check_keys(4, 2);
}
END_TEST

START_TEST(a_node_without_the_only_replica_forwards)
{
	check_keys(2, 1);
}
END_TEST

START_TEST(values_of_megabytes_go_in_parts)
{
	struct live_cluster c;
	enum { SIZE = 5 * 1024 * 1024 + 17 };
	live_start(&c, 3, 3, 0);
	uint8_t *value = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		value[i] = (uint8_t)(i * 2654435761u >> 13);
	int fd0 = live_connect(&c.nodes[0]), fd1 = live_connect(&c.nodes[1]);
	for (unsigned i = 0; i < 3; i++)
		atomic_store(&c.nodes[i].peers.deadline_us, TASK_DEADLINE_MAX_US);
	for (unsigned k = 0; k < 4; k++) {
		char key[16];
		snprintf(key, sizeof(key), "large%u", k);
		ck_assert_int_eq(live_put(fd0, key, value, SIZE - k), 0);
		check_value(fd1, key, value, SIZE - k);
		ck_assert_int_eq(live_put(fd1, key, value + k, 300000), 0);
		check_value(fd0, key, value + k, 300000);
	}
	free(value);
	close(fd0);
	close(fd1);
	live_end(&c);
}
END_TEST

/* ---- Clients of all nodes count together ---------------------------------------------------- */

enum { COUNTERS = 5, CLIENTS = 6, INCREMENTS = 200, UNCERTAIN_MAX = 6 };

struct counting {
	pthread_t thread;
	struct live_node *node;
	unsigned done, uncertain;
	unsigned max;
	_Atomic bool *shall_end;
};

static void *count_up(void *arg)
{
	struct counting *counting = arg;
	int fd = live_connect(counting->node);
	unsigned run = 0;
	while (run < counting->max && !atomic_load(counting->shall_end)) {
		char key[16];
		int status;
		snprintf(key, sizeof(key), "counter%u", run++ % COUNTERS);
		live_incr(fd, key, &status);
		counting->done += status == 0;
		counting->uncertain += status == DHT_EUNCERTAIN;
		UNIT_REQUIRE(status == 0 || status == DHT_EUNCERTAIN || status == DHT_ENOQUORUM);
	}
	close(fd);
	return NULL;
}

static void begin_counting(struct live_cluster *c, struct counting *clients, unsigned count,
			   unsigned nodes, unsigned max, _Atomic bool *shall_end)
{
	for (unsigned i = 0; i < count; i++) {
		clients[i] = (struct counting){
		    .node = &c->nodes[i % nodes], .max = max, .shall_end = shall_end};
		ck_assert_int_eq(pthread_create(&clients[i].thread, NULL, count_up, &clients[i]),
				 0);
	}
}

static void end_counting(struct counting *clients, unsigned count, unsigned *done,
			 unsigned *uncertain)
{
	*done = *uncertain = 0;
	for (unsigned i = 0; i < count; i++) {
		pthread_join(clients[i].thread, NULL);
		*done += clients[i].done;
		*uncertain += clients[i].uncertain;
	}
}

/* Every increment that was answered counts once; one whose outcome is not known, perhaps. */
static void check_sum(int fd, unsigned done, unsigned uncertain)
{
	int64_t sum = 0;
	for (unsigned i = 0; i < COUNTERS; i++) {
		char key[16], digits[32];
		snprintf(key, sizeof(key), "counter%u", i);
		struct live_reply reply = live_get(fd, key);
		ck_assert_int_eq(reply.status, 0);
		ck_assert_uint_lt(reply.len, sizeof(digits));
		memcpy(digits, reply.value, reply.len);
		digits[reply.len] = '\0';
		sum += atoll(digits);
		free(reply.value);
	}
	ck_assert_int_ge(sum, done);
	ck_assert_int_le(sum, done + uncertain);
}

START_TEST(clients_of_all_nodes_count_together)
{
	struct live_cluster c;
	struct counting clients[CLIENTS];
	_Atomic bool shall_end = false;
	unsigned done, uncertain;
	live_start(&c, 3, 3, 0);
	begin_counting(&c, clients, CLIENTS, 3, INCREMENTS, &shall_end);
	end_counting(clients, CLIENTS, &done, &uncertain);
	/* On a machine that is busy with something else, a member may seem slow, and another one
	 * write in its place. */
	ck_assert_msg(done + uncertain == CLIENTS * INCREMENTS && uncertain <= UNCERTAIN_MAX,
		      "%u of %u are done, %u perhaps", done, CLIENTS * INCREMENTS, uncertain);
	for (unsigned i = 0; i < 3; i++) {
		int fd = live_connect(&c.nodes[i]);
		check_sum(fd, done, uncertain);
		close(fd);
	}
	live_end(&c);
}
END_TEST

/* ---- A node goes and comes ------------------------------------------------------------------ */

struct pair {
	struct live_node *a, *b;
};

static bool are_equal(void *ctx)
{
	const struct pair *pair = ctx;
	return live_is_equal(pair->a, pair->b);
}

static void put_some(int fd, unsigned from, unsigned until)
{
	for (unsigned k = from; k < until; k++) {
		char key[16];
		snprintf(key, sizeof(key), "some%u", k);
		ck_assert_int_eq(live_put(fd, key, key, strlen(key)), 0);
	}
}

START_TEST(two_of_three_go_on_and_the_third_gets_what_it_missed)
{
	struct live_cluster c;
	struct counting clients[4];
	_Atomic bool shall_end = false;
	unsigned done, uncertain;
	live_start(&c, 3, 3, 0);
	int fd = live_connect(&c.nodes[0]);
	put_some(fd, 0, 200);
	begin_counting(&c, clients, 4, 2, 100000, &shall_end);
	live_stop_node(&c.nodes[2]);
	put_some(fd, 100, 400);
	live_start_node(&c.nodes[2]);
	put_some(fd, 400, 500);
	atomic_store(&shall_end, true);
	end_counting(clients, 4, &done, &uncertain);
	ck_assert_uint_gt(done, 0);
	struct pair pairs[] = {{&c.nodes[0], &c.nodes[2]}, {&c.nodes[1], &c.nodes[2]}};
	live_wait(are_equal, &pairs[0], "the third node has not got all of it");
	live_wait(are_equal, &pairs[1], "the third node has more than the second one");
	int third = live_connect(&c.nodes[2]);
	check_sum(third, done, uncertain);
	close(third);
	close(fd);
	live_end(&c);
}
END_TEST

/* The others have tried it for so long that they rest between two attempts: what they answer does
 * not wait for the next one. */
START_TEST(a_node_that_comes_back_is_answered_at_once)
{
	struct live_cluster c;
	live_start(&c, 3, 3, 0);
	int fds[] = {live_connect(&c.nodes[0]), live_connect(&c.nodes[1])};
	live_stop_node(&c.nodes[2]);
	uint64_t until_ns = clock_monotonic_ns() + NS_PER_S;
	while (clock_monotonic_ns() < until_ns) {
		put_some(fds[0], 0, 30);
		put_some(fds[1], 0, 30);
	}
	live_start_node(&c.nodes[2]);
	int third = live_connect(&c.nodes[2]);
	put_some(third, 30, 60);
	close(third);
	close(fds[0]);
	close(fds[1]);
	live_end(&c);
}
END_TEST

/* ---- Comparing ----------------------------------------------------------------------- */

static bool is_verified(void *ctx)
{
	struct verify_result result;
	verify_look(&((struct live_node *)ctx)->background.verify, &result);
	return result.is_over;
}

static void wait_equal(struct live_cluster *c)
{
	struct pair pairs[] = {{&c->nodes[0], &c->nodes[2]}, {&c->nodes[1], &c->nodes[2]}};
	live_wait(are_equal, &pairs[0], "the first and the third hold the same");
	live_wait(are_equal, &pairs[1], "the second and the third hold the same");
}

static struct verify_result verify(struct live_node *n)
{
	struct verify_result result;
	ck_assert_int_eq(verify_begin(&n->background.verify), 0);
	live_wait(is_verified, n, "the verification to be over");
	verify_look(&n->background.verify, &result);
	return result;
}

enum { PLANTED = 20 };

/* A value that nobody else has heard of, in front of all that is there. */
static void plant(struct live_node *n, const char *key)
{
	struct store_key k = node_key(&n->node, bytes_of_text(key));
	struct store_hit hit;
	uint64_t end;
	groups_lock(&n->exec.groups, k.block);
	ck_assert_int_ne(store_find(n->store, &k, NULL, &hit), STORE_COLD);
	struct record record = {.kind = RECORD_VALUE,
				.key = k.key,
				.value = bytes_of_text("planted"),
				.acc = ballot_make(0, 1, n->number),
				.ver = ballot_make(0, 1, n->number)};
	ck_assert_int_eq(store_put(n->store, LIVE_WORKERS, &k, &hit, &record, &end), 0);
	groups_unlock(&n->exec.groups, k.block);
}

START_TEST(what_differs_is_found_and_what_is_the_same_is_not)
{
	struct live_cluster c;
	live_start(&c, 3, 3, 0);
	int fd = live_connect(&c.nodes[0]);
	put_some(fd, 0, 500);
	wait_equal(&c);
	struct verify_result result = verify(&c.nodes[1]);
	ck_assert_uint_eq(result.differences, 0);
	ck_assert_uint_eq(result.left_out, 0);
	ck_assert_uint_eq(result.blocks, LIVE_BLOCKS);
	ck_assert_uint_eq(result.pairs, 2 * LIVE_BLOCKS);
	ck_assert_uint_eq(result.records, 2 * 500);

	/* Both of the others differ from it, and it from each of these. A round of repair that
	 * is still under way may be there first. */
	for (unsigned i = 0; i < PLANTED && result.differences != 2; i++) {
		char key[16];
		snprintf(key, sizeof(key), "planted%u", i);
		plant(&c.nodes[1], key);
		result = verify(&c.nodes[1]);
		ck_assert_uint_le(result.differences, 2);
		for (unsigned k = 0; k < result.name_count; k++)
			ck_assert_mem_eq(result.names[k].key, key, result.names[k].len);
	}
	ck_assert_uint_eq(result.differences, 2);
	ck_assert_uint_eq(result.name_count, 2);
	ck_assert_uint_eq(result.pairs, 2 * LIVE_BLOCKS);

	/* Repair has heard of it, and so the others do. */
	wait_equal(&c);
	ck_assert_uint_eq(verify(&c.nodes[2]).differences, 0);
	close(fd);
	live_end(&c);
}
END_TEST

START_TEST(one_of_three_alone_says_that_nothing_was_done)
{
	struct live_cluster c;
	live_start(&c, 3, 3, 0);
	int fd = live_connect(&c.nodes[0]);
	put_some(fd, 0, 20);
	atomic_store(&c.nodes[0].peers.deadline_us, 300000);
	live_stop_node(&c.nodes[1]);
	live_stop_node(&c.nodes[2]);
	for (unsigned k = 0; k < 6; k++) {
		char key[16];
		snprintf(key, sizeof(key), "some%u", k);
		uint64_t began_ns = clock_monotonic_ns();
		struct live_reply reply = live_get(fd, key);
		ck_assert_int_eq(reply.status, DHT_ENOQUORUM);
		free(reply.value);
		int rc = live_put(fd, key, "x", 1);
		ck_assert(rc == DHT_ENOQUORUM || rc == DHT_EUNCERTAIN);
		ck_assert_uint_lt(clock_monotonic_ns() - began_ns, 5 * NS_PER_S);
	}
	live_start_node(&c.nodes[2]);
	int status;
	do
		status = live_put(fd, "after", "y", 1);
	while (status == DHT_ENOQUORUM || status == DHT_EUNCERTAIN);
	ck_assert_int_eq(status, 0);
	close(fd);
	live_end(&c);
}
END_TEST

START_TEST(a_session_is_closed_while_its_operation_runs)
{
	struct live_cluster c;
	live_start(&c, 3, 3, 0);
	live_stop_node(&c.nodes[1]);
	live_stop_node(&c.nodes[2]);
	for (unsigned i = 0; i < 20; i++) {
		int fd = live_connect(&c.nodes[0]);
		const struct op op = {.kind = OP_GET, .key.key = bytes_of_text("key")};
		ck_assert_int_eq(write(fd, &op, sizeof(op)), (ssize_t)sizeof(op));
		ck_assert_int_eq(write(fd, "key", 3), 3);
		close(fd);
	}
	live_end(&c);
}
END_TEST

/* ---- Upkeep --------------------------------------------------------------------------------- */

static bool has_no_tombstones(void *ctx)
{
	struct live_cluster *c = ctx;
	for (unsigned i = 0; i < c->count; i++) {
		struct store_counts counts;
		store_count(c->nodes[i].store, &counts);
		if (counts.tombstones > 0 || counts.keys > 0)
			return false;
	}
	return true;
}

START_TEST(deletions_are_completed)
{
	struct live_cluster c;
	live_start(&c, 3, 3, 0);
	int fd = live_connect(&c.nodes[0]);
	for (unsigned k = 0; k < 100; k++) {
		char key[16];
		snprintf(key, sizeof(key), "gone%u", k);
		ck_assert_int_eq(live_put(fd, key, key, strlen(key)), 0);
		delete (fd, key);
	}
	live_wait(has_no_tombstones, &c, "tombstones stay");
	close(fd);
	live_end(&c);
}
END_TEST

START_TEST(expired_keys_go_though_nobody_reads_them)
{
	struct live_cluster c;
	live_start(&c, 3, 3, 0);
	int fd = live_connect(&c.nodes[1]);
	for (unsigned k = 0; k < 100; k++) {
		char key[16];
		snprintf(key, sizeof(key), "short%u", k);
		const struct op op = {.kind = OP_PUT,
				      .key.key = bytes_of_text(key),
				      .value = bytes_of_text("v"),
				      .expiry = OP_EXPIRY_AT,
				      .expires_ms = clock_expiry_ms() + 200};
		struct live_reply reply = live_run(fd, &op);
		ck_assert_int_eq(reply.status, 0);
		free(reply.value);
	}
	live_wait(has_no_tombstones, &c, "expired keys stay");
	close(fd);
	live_end(&c);
}
END_TEST

UNIT_MAIN("worker_cluster", 120, what_is_put_on_one_node_is_there_on_each,
	  nodes_that_are_no_replicas_forward, a_node_without_the_only_replica_forwards,
	  values_of_megabytes_go_in_parts, clients_of_all_nodes_count_together,
	  two_of_three_go_on_and_the_third_gets_what_it_missed,
	  a_node_that_comes_back_is_answered_at_once,
	  what_differs_is_found_and_what_is_the_same_is_not,
	  one_of_three_alone_says_that_nothing_was_done,
	  a_session_is_closed_while_its_operation_runs, deletions_are_completed,
	  expired_keys_go_though_nobody_reads_them)
