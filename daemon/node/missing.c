/* SPDX-License-Identifier: Apache-2.0
 *
 * What node/coordinator and node/forward are to do, as far as others need it to be linked.
 */
#include "node/coordinator.h"
#include "node/entry.h"
#include "node/forward.h"

#define STANDS_IN __attribute__((weak))

STANDS_IN int coordinator_handle(struct node *node, struct node_step *step,
				 const struct message *message)
{
	(void)node, (void)step, (void)message;
	return 0;
}

STANDS_IN int coordinator_identity(struct node *node, struct node_step *step,
				   const struct store_key *key)
{
	const struct node_block *block = &node->blocks[key->block];
	struct message m = {.kind = MESSAGE_PREPARE,
			    .from = node->number,
			    .block = key->block,
			    .version = block->acceptor.version,
			    .tag = node_tag(node),
			    .key = key->key};
	int rc = counter_draw(&node->counter, block->acceptor.version, &m.b);
	uint16_t to[QUORUM_SEATS];
	if (rc == 0)
		step->effects->send(step->effects->ctx, to,
				    node_block_others(block, quorum_all(&block->quorum), to), &m,
				    node_map_end(node));
	else
		step->waits_for = NODE_WAITS_FOR_COMMIT;
	return rc;
}

STANDS_IN int coordinator_move(struct node *node, struct node_step *step, uint32_t block)
{
	(void)node, (void)step, (void)block;
	return 0;
}

STANDS_IN int forward_handle(struct node *node, struct node_step *step,
			     const struct message *message)
{
	(void)node, (void)step, (void)message;
	return 0;
}
