/* SPDX-License-Identifier: Apache-2.0 */
#include "node/list.h"

#include <stdlib.h>

#include "base/error.h"

/* ---- LIST -------------------------------------------------------------------------- */

/* True if the range is here what it is at the asker. */
static bool is_same(const struct node *node, const struct node_step *step, const struct message *m,
		    struct store_digest *digest)
{
	if (!m->is_same || m->count > MESSAGE_ITEMS_MAX)
		return false;
	uint32_t reached = store_digest(node->store, m->block, m->from_hash, m->until_hash,
					m->count + 1, step->fetched, digest);
	return reached == m->until_hash && digest->found == STORE_FOUND &&
	       digest->count == m->count && digest->sum == m->digest;
}

/* The digest of what was collected; none where a record came to be cold meanwhile. */
static void describe(const struct node *node, const struct node_step *step,
		     const struct range *range, struct message *answer)
{
	struct store_digest digest;
	uint32_t reached = store_digest(node->store, range->block, range->from, range->until,
					MESSAGE_ITEMS_MAX + 1, step->fetched, &digest);
	if (reached < range->until || digest.found != STORE_FOUND)
		return;
	answer->digest = digest.sum;
	answer->count = (uint32_t)digest.count;
}

static void leave_values_out(struct range *range)
{
	for (size_t i = 0; i < range->count; i++) {
		range->items[i].record.value = bytes_of(NULL, 0);
		range->items[i].location = 0;
	}
}

int list_answer(const struct node *node, struct node_step *step, const struct message *m,
		struct range *range, struct message *answer)
{
	struct store_digest digest = {0};
	*answer = (struct message){.kind = MESSAGE_LISTED,
				   .from = node->number,
				   .block = m->block,
				   .version = m->version,
				   .tag = m->tag,
				   .from_hash = m->from_hash,
				   .is_omitted = m->is_omitted};
	answer->is_same = is_same(node, step, m, &digest);
	uint32_t until = answer->is_same ? m->from_hash : m->until_hash;
	enum range_values values = m->is_omitted ? RANGE_KEYS_ALONE : RANGE_WITH_VALUES;
	int rc = range_collect_some(node, step, m->block, m->from_hash, until, values,
				    m->limit > 0 ? m->limit : 1, range);
	if (rc != 0)
		return rc;
	answer->until_hash = answer->is_same ? m->until_hash : range->until;
	if (m->is_omitted)
		leave_values_out(range);
	if (answer->is_same) {
		answer->digest = digest.sum;
		answer->count = (uint32_t)digest.count;
	} else {
		describe(node, step, range, answer);
	}
	answer->items = range->items;
	answer->item_count = range->count;
	return 0;
}

static int on_list(const struct node *node, struct node_step *step, const struct message *m)
{
	const struct node_block *block = &node->blocks[m->block];
	if (!node_block_is_replica(block) || node_block_is_recovering(block) ||
	    m->from_hash >= m->until_hash)
		return 0;
	struct message answer;
	struct range *range = malloc(sizeof(*range));
	int rc = range != NULL ? list_answer(node, step, m, range, &answer) : DHT_ENOMEM;
	if (rc == 0)
		step->effects->send(step->effects->ctx, &m->from, 1, &answer, range->rests_on);
	free(range);
	return rc == DHT_EAGAIN || rc == DHT_EDAMAGED ? rc : 0;
}

/* ---- COUNT ------------------------------------------------------------------------- */

static void on_count(const struct node *node, struct node_step *step, const struct message *m)
{
	uint32_t blocks = store_blocks(node->store);
	struct message_count *counts = malloc(blocks * sizeof(*counts));
	if (counts == NULL)
		return;
	size_t count = 0;
	for (uint32_t block = 0; block < blocks; block++) {
		uint32_t keys = store_keys(node->store, block);
		if (keys > 0)
			counts[count++] = (struct message_count){block, keys};
	}
	struct message answer = {
	    .kind = MESSAGE_COUNTED,
	    .from = node->number,
	    .block = m->block,
	    .version = m->version,
	    .tag = m->tag,
	    .counts = counts,
	    .count_count = count,
	};
	step->effects->send(step->effects->ctx, &m->from, 1, &answer, node_map_end(node));
	free(counts);
}

int list_handle(struct node *node, struct node_step *step, const struct message *m)
{
	DHT_ASSERT(list_is_of(m->kind));
	if (m->kind == MESSAGE_LIST)
		return on_list(node, step, m);
	if (m->kind == MESSAGE_COUNT)
		on_count(node, step, m);
	else if (step->effects->answer != NULL)
		step->effects->answer(step->effects->ctx, m);
	return 0;
}
