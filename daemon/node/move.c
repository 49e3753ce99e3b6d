/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of rounds when their block has a new version.
 */
#include "base/error.h"
#include "node/coordinator.h"
#include "node/forward.h"
#include "node/rounds.h"
#include "paxos/variant.h"

/* No replica any more: what was sent as a change has an unknown outcome, the rest is somebody
 * else's to do. */
static void leave(struct node *node, struct node_step *step, struct active *a)
{
	struct list tasks;
	if (a->round.attempt_count > 0)
		rounds_fail(node, step, a, DHT_EUNCERTAIN);
	list_init(&tasks);
	active_give_back(a, 0);
	list_splice_tail(&tasks, &a->queue);
	active_destroy(node, a);
	LIST_FOREACH_SAFE(link, following, &tasks)
	{
		list_remove(link);
		forward_task(node, step, LIST_ENTRY(link, struct task, link));
	}
}

static void move_round(struct active *a, const struct node_block *block)
{
	const struct acceptor_block *now = &block->acceptor;
	bool reads = a->state == ACTIVE_READS;
	if (a->state == ACTIVE_IDLE || a->round.version == now->version)
		return;
	enum round_phase next = round_move(&a->round, &block->quorum, now->version, now->start);
	a->state = reads || next == ROUND_READING ? ACTIVE_READS : ACTIVE_PREPARES;
}

struct move {
	struct node *node;
	struct node_step *step;
	struct node_block *block;
	int rc;
};

static void move(void *ctx, struct table_link *link)
{
	struct move *m = ctx;
	struct active *a = DHT_CONTAINER_OF(link, struct active, link);
	if (!node_block_is_replica(m->block)) {
		leave(m->node, m->step, a);
		return;
	}
	if (PAXOS_BROKEN(OLD_VERSIONS))
		return;
	move_round(a, m->block);
	int rc = rounds_advance(m->node, m->step, a);
	if (rc != 0 && rc != DHT_EAGAIN)
		m->rc = rc;
}

int coordinator_move(struct node *node, struct node_step *step, uint32_t block)
{
	struct move m = {.node = node, .step = step, .block = &node->blocks[block]};
	table_visit(&m.block->active, move, &m);
	return m.rc;
}
