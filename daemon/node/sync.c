/* SPDX-License-Identifier: Apache-2.0 */
#include "node/sync.h"

#include <stdlib.h>

#include "base/error.h"
#include "node/range.h"
#include "node/replica.h"
#include "paxos/variant.h"

enum {
	TIMEOUT_ROUNDS = 4, /* for an answer, in times of a round; twice as long with each try */
	TRIES_MAX = 3,      /* questions to a source in a row before another one is asked */
};

/* ---- The puller ------------------------------------------------------------------ */

static bool has_seat(uint16_t seats, unsigned seat)
{
	return seat < QUORUM_SEATS && (seats >> seat & 1) != 0;
}

static bool pulls(const struct node_block *block)
{
	switch (block->phase) {
	case RING_STABLE:
		return false;
	case RING_JOINT:
		return has_seat(block->quorum.next, block->self);
	case RING_RECOVER:
		return has_seat(block->quorum.old, block->self);
	}
	DHT_UNREACHABLE();
}

bool sync_is_needed(const struct node *node, uint32_t number)
{
	const struct node_block *block = &node->blocks[number];
	return pulls(block) && !block->is_fin;
}

bool sync_is_fin(const struct node *node, uint32_t number, uint64_t durable)
{
	const struct node_block *block = &node->blocks[number];
	return pulls(block) && block->is_fin && block->fin_end <= durable &&
	       node_map_end(node) <= durable;
}

static bool has_all(const struct node_block *block)
{
	uint16_t old = block->quorum.old, pulled = block->pull.pulled;
	return block->phase == RING_RECOVER ? (pulled & old) == old
					    : quorum_is_majority(old, pulled);
}

/* The copies lie before it in the log: when it is durable they are. */
static int put_fin(struct node *node, struct node_step *step, uint32_t number)
{
	struct node_block *block = &node->blocks[number];
	uint8_t version[RECORD_FIN_VERSION_SIZE];
	put_u32(version, block->acceptor.version);
	int rc = store_put_note(node->store, step->appender, RECORD_FIN, number,
				atomic_load_explicit(&node->epoch, memory_order_acquire),
				bytes_of(version, sizeof(version)), &block->fin_end);
	if (rc == DHT_EAGAIN)
		step->waits_for = NODE_WAITS_FOR_COMMIT;
	block->is_fin = rc == 0;
	return rc;
}

/* Those that may be asked. */
static uint16_t sources(const struct node_block *block)
{
	uint16_t own = (uint16_t)(1u << block->self);
	return block->quorum.old & (uint16_t)~block->pull.pulled & (uint16_t)~own;
}

static uint16_t without_down(const struct node *node, const struct node_block *block,
			     uint16_t seats)
{
	uint16_t up = 0;
	for (unsigned seat = 0; seat < block->seats; seat++) {
		if (has_seat(seats, seat) && !node_is_down(node, block->members[seat]))
			up |= (uint16_t)(1u << seat);
	}
	return up;
}

/* Chooses whom to ask. One that answers goes on, and so does one that nobody can replace.
 * False: there is nobody. */
static bool choose_source(const struct node *node, const struct node_step *step,
			  struct node_block *block)
{
	struct node_pull *pull = &block->pull;
	uint16_t all = sources(block), up = without_down(node, block, all);
	bool is_source = pull->is_on && has_seat(all, pull->from);
	bool answers = has_seat(up, pull->from) && pull->tries < TRIES_MAX;
	uint16_t others = up & (uint16_t) ~(is_source ? 1u << pull->from : 0);
	if (is_source && (answers || others == 0))
		return true;
	if (others == 0)
		others = all;
	if (others == 0)
		return false;
	unsigned seat = pull->is_on ? pull->from : (unsigned)(step->random % QUORUM_SEATS);
	do
		seat = (seat + 1) % QUORUM_SEATS;
	while (!has_seat(others, seat));
	pull->is_on = true;
	pull->from = (uint8_t)seat;
	pull->tries = 0;
	pull->hash = 0;
	return true;
}

/* Says what is here of the range that comes next. Where that is cold it is not read for this
 * alone: the source sends what it has. */
static void describe_own(const struct node *node, const struct node_step *step, uint32_t number,
			 struct message *m)
{
	struct store_digest digest;
	m->until_hash = store_digest(node->store, number, m->from_hash, STORE_HASH_END,
				     RANGE_DIGEST_MAX, step->fetched, &digest);
	if (digest.found == STORE_FOUND) {
		m->digest = digest.sum;
		m->count = (uint32_t)digest.count;
	} else {
		m->until_hash = STORE_HASH_END;
	}
}

static void ask(struct node *node, struct node_step *step, uint32_t number)
{
	struct node_block *block = &node->blocks[number];
	struct node_pull *pull = &block->pull;
	struct message m = {.kind = MESSAGE_PULL,
			    .from = node->number,
			    .block = number,
			    .version = block->acceptor.version,
			    .from_hash = pull->hash};
	pull->tag = m.tag = node_tag(node);
	pull->asked_us = step->now_us;
	describe_own(node, step, number, &m);
	pull->until = m.until_hash;
	step->effects->send(step->effects->ctx, &block->members[pull->from], 1, &m,
			    node_map_end(node));
}

int sync_step(struct node *node, struct node_step *step, uint32_t number)
{
	struct node_block *block = &node->blocks[number];
	struct node_pull *pull = &block->pull;
	if (!sync_is_needed(node, number))
		return 0;
	pull->pulled |= block->quorum.old & (uint16_t)(1u << block->self);
	if (has_all(block))
		return put_fin(node, step, number);
	if (pull->tag != 0) {
		/* A source whose records are cold may need long for the first of them. */
		uint64_t patience_us = (TIMEOUT_ROUNDS * node->times.round_us) << pull->tries;
		if (step->now_us < pull->asked_us + patience_us)
			return 0;
		pull->tag = 0;
		pull->tries += pull->tries < TRIES_MAX;
	}
	if (choose_source(node, step, block))
		ask(node, step, number);
	return 0;
}

/* ---- Answers --------------------------------------------------------------------- */

static int take_item(struct node *node, struct node_step *step, uint32_t number,
		     const struct message_item *item)
{
	struct node_pull *pull = &node->blocks[number].pull;
	struct store_key key = node_key(node, item->key);
	struct entry entry;
	bool stored;
	if (key.block != number)
		return 0;
	int rc = entry_load(node, step, &key, &entry);
	if (rc == 0)
		rc = replica_copy(node, step, &entry, &item->record, &stored);
	if (rc == 0 && stored) {
		size_t bytes = item->key.len + item->record.value.len;
		pull->records++;
		pull->bytes += bytes;
		atomic_fetch_add_explicit(&node->synced_bytes, bytes, memory_order_relaxed);
	}
	return rc;
}

/* True if it answers the question under way. */
static bool is_answer(const struct node_block *block, const struct message *m)
{
	const struct node_pull *pull = &block->pull;
	bool is_asked =
	    pull->tag != 0 && m->tag == pull->tag && node_block_seat(block, m->from) == pull->from;
	bool is_range = m->from_hash == pull->hash && m->until_hash > pull->hash &&
			m->until_hash <= pull->until;
	return is_asked && is_range && (!m->is_same || m->until_hash == pull->until);
}

/* Called again after DHT_EAGAIN, it meets as known what it has stored. */
static int on_chunk(struct node *node, struct node_step *step, const struct message *m)
{
	struct node_block *block = &node->blocks[m->block];
	struct node_pull *pull = &block->pull;
	if (!sync_is_needed(node, m->block) || !is_answer(block, m))
		return 0;
	acceptor_raise_floor(&block->acceptor, m->bound);
	for (size_t i = 0; i < m->item_count; i++) {
		int rc = take_item(node, step, m->block, &m->items[i]);
		/* The answer is there, and takes as long as the own records need to be read: it is
		 * not asked for again meanwhile. */
		if (rc == DHT_EAGAIN)
			pull->asked_us = step->now_us;
		/* Without room the range is asked for again, in its time. */
		if (rc != 0)
			return rc == DHT_EAGAIN || rc == DHT_EDAMAGED ? rc : 0;
	}
	pull->tag = 0;
	pull->tries = 0;
	pull->hash = m->until_hash;
	if (pull->hash < STORE_HASH_END)
		return 0;
	pull->pulled |= (uint16_t)(1u << pull->from);
	pull->is_on = false;
	return 0;
}

/* ---- The source ------------------------------------------------------------------ */

static bool is_same(const struct node *node, const struct node_step *step, const struct message *m)
{
	struct store_digest digest;
	if (m->count == 0 || m->count > RANGE_DIGEST_MAX * 4)
		return false;
	uint32_t reached = store_digest(node->store, m->block, m->from_hash, m->until_hash,
					m->count + 1, step->fetched, &digest);
	return reached == m->until_hash && digest.found == STORE_FOUND &&
	       digest.count == m->count && digest.sum == m->digest;
}

static int answer_pull(struct node *node, struct node_step *step, const struct message *m,
		       struct range *range)
{
	struct message answer = {.kind = MESSAGE_CHUNK,
				 .from = node->number,
				 .block = m->block,
				 .version = m->version,
				 .tag = m->tag,
				 .from_hash = m->from_hash,
				 .until_hash = m->until_hash};
	int rc;
	answer.is_same = is_same(node, step, m);
	rc = range_collect(node, step, m->block, m->from_hash,
			   answer.is_same ? m->from_hash : m->until_hash, RANGE_WITH_VALUES, range);
	if (rc != 0)
		return rc;
	if (!answer.is_same)
		answer.until_hash = range->until;
	answer.items = range->items;
	answer.item_count = range->count;
	answer.bound = acceptor_absent_bound(&node->blocks[m->block].acceptor);
	step->effects->send(step->effects->ctx, &m->from, 1, &answer, range->rests_on);
	return 0;
}

static int on_pull(struct node *node, struct node_step *step, const struct message *m)
{
	const struct node_block *block = &node->blocks[m->block];
	bool is_source = has_seat(block->quorum.old, block->self);
	if (m->from_hash >= m->until_hash || (!is_source && !PAXOS_BROKEN(SYNC_UNFENCED)))
		return 0;
	struct range *range = malloc(sizeof(*range));
	int rc = range != NULL ? answer_pull(node, step, m, range) : DHT_ENOMEM;
	free(range);
	/* An answer that cannot be made is asked for again. */
	return rc == DHT_EAGAIN || rc == DHT_EDAMAGED ? rc : 0;
}

int sync_handle(struct node *node, struct node_step *step, const struct message *m)
{
	return m->kind == MESSAGE_PULL ? on_pull(node, step, m) : on_chunk(node, step, m);
}
