/* SPDX-License-Identifier: Apache-2.0
 *
 * What the links between nodes stand: members that send nonsense, that do not read, that go in the
 * middle of something, whose number is another's. The test is one end of each link.
 */
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "helper_node_live.h"
#include "io/clock.h"
#include "unit.h"

/* ---- What makes no sense ----------------------------------------------------------------------
 */

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

/* ---- Members that do not read -----------------------------------------------------------------
 */

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

UNIT_MAIN("worker_links", 120, an_answer_about_a_block_that_is_none_is_dropped,
	  a_member_that_reads_nothing_is_listened_to)
