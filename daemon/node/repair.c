/* SPDX-License-Identifier: Apache-2.0 */
#include "node/repair.h"

#include <stdlib.h>

#include "base/error.h"
#include "node/coordinator.h"
#include "node/range.h"

enum {
	TIMEOUT_ROUNDS = 4, /* for an answer, in times of a round; twice as long with each try */
	TRIES_MAX = 3,      /* before a range is left out */
	SETTLE_MAX = 16, /* identity rounds that an answer begins; others wait for a later pass */
};

void repair_begin(struct node *node, struct repair *repair, uint32_t block, uint16_t with)
{
	DHT_ASSERT(node->blocks[block].repair == NULL);
	*repair = (struct repair){.block = block, .with = with};
	node->blocks[block].repair = repair;
}

void repair_begin_look(struct node *node, struct repair *repair, uint32_t block, uint16_t with,
		       const struct repair_look *look)
{
	repair_begin(node, repair, block, with);
	repair->look = look;
}

void repair_end(struct node *node, struct repair *repair)
{
	if (node->blocks != NULL && node->blocks[repair->block].repair == repair)
		node->blocks[repair->block].repair = NULL;
}

/* ---- Digests --------------------------------------------------------------------- */

/* Makes the digest of what comes first in [from, until). *reached is where it ends. Where some of
 * it is cold that is sooner: the records that have to be read are held all at once. */
static int make_digest(const struct node *node, struct node_step *step, uint32_t block,
		       uint32_t from, uint32_t until, struct store_digest *digest,
		       uint32_t *reached)
{
	*reached =
	    store_digest(node->store, block, from, until, RANGE_DIGEST_MAX, step->fetched, digest);
	if (digest->found == STORE_COLD)
		*reached = store_digest(node->store, block, from, until, RANGE_COLD_MIN,
					step->fetched, digest);
	switch (digest->found) {
	case STORE_COLD:
		step->waits_for = NODE_WAITS_FOR_RECORD;
		step->cold = digest->cold[0];
		return DHT_EAGAIN;
	case STORE_DAMAGED:
		return DHT_EDAMAGED;
	case STORE_FOUND:
	case STORE_ABSENT:
		return 0;
	}
	DHT_UNREACHABLE();
}

/* ---- The one that asks ----------------------------------------------------------- */

static void advance(struct repair *repair, uint32_t hash)
{
	repair->hash = hash;
	repair->tag = 0;
	repair->tries = 0;
	repair->is_done = hash >= STORE_HASH_END;
}

static bool may_compare(const struct node_block *block, uint16_t with)
{
	return node_block_is_replica(block) && !node_block_is_recovering(block) &&
	       node_block_seat(block, with) != NODE_NO_SEAT;
}

static int ask(struct node *node, struct node_step *step, struct repair *repair)
{
	struct message m = {.kind = MESSAGE_COMPARE,
			    .from = node->number,
			    .block = repair->block,
			    .version = node->blocks[repair->block].acceptor.version,
			    .from_hash = repair->hash};
	struct store_digest digest;
	int rc = make_digest(node, step, repair->block, repair->hash, STORE_HASH_END, &digest,
			     &repair->until);
	if (rc != 0)
		return rc;
	m.until_hash = repair->until;
	m.digest = digest.sum;
	m.count = repair->count = (uint32_t)digest.count;
	m.tag = repair->tag = node_tag(node);
	repair->asked_us = step->now_us;
	step->effects->send(step->effects->ctx, &repair->with, 1, &m, node_map_end(node));
	return 0;
}

int repair_step(struct node *node, struct node_step *step, struct repair *repair)
{
	if (!may_compare(&node->blocks[repair->block], repair->with))
		repair->is_done = true;
	if (repair->is_done)
		return 0;
	if (repair->tag != 0) {
		/* One whose records are cold has to read some first. */
		uint64_t patience_us = (TIMEOUT_ROUNDS * node->times.round_us) << repair->tries;
		if (step->now_us < repair->asked_us + patience_us)
			return 0;
		repair->tag = 0;
		if (++repair->tries == TRIES_MAX) {
			repair->unanswered++;
			advance(repair, repair->until);
		}
	}
	return repair->is_done ? 0 : ask(node, step, repair);
}

/* ---- What differs ---------------------------------------------------------------- */

/* What one of the two has, in the order of hashes, which the other's items are looked up in with
 * ascending hashes. One that was named in another order counts as lacking: it is told in vain. */
struct named {
	const struct message_item *items;
	size_t count, at;
};

static uint32_t hash_of(const struct node *node, struct bytes key)
{
	struct store_key k = node_key(node, key);
	return range_hash(&k);
}

static const struct message_item *find_named(const struct node *node, struct named *named,
					     struct bytes key)
{
	uint32_t hash = hash_of(node, key);
	while (named->at < named->count && hash_of(node, named->items[named->at].key) < hash)
		named->at++;
	for (size_t i = named->at; i < named->count; i++) {
		if (bytes_equal(named->items[i].key, key))
			return &named->items[i];
		if (hash_of(node, named->items[i].key) != hash)
			break;
	}
	return NULL;
}

static void tell(struct node *node, struct node_step *step, const struct range *range,
		 const struct message_item *own, struct repair *repair)
{
	struct message m = {.kind = MESSAGE_LEARN,
			    .from = node->number,
			    .block = range->block,
			    .version = node->blocks[range->block].acceptor.version,
			    .key = own->key,
			    .record = own->record,
			    .location = own->location};
	step->effects->send(step->effects->ctx, &repair->with, 1, &m, range->rests_on);
	repair->told++;
}

/* The other one has not got it. LEARN would refuse what is of an older version than start. */
static int mend(struct node *node, struct node_step *step, const struct range *range,
		const struct message_item *own, struct repair *repair, unsigned *settled)
{
	struct store_key key = node_key(node, own->key);
	if (own->record.acc.version >= node->blocks[range->block].acceptor.start) {
		tell(node, step, range, own, repair);
		return 0;
	}
	if ((*settled)++ >= SETTLE_MAX)
		return 0;
	repair->settled++;
	return coordinator_identity(node, step, &key);
}

/* Sets range->until to what was mended: a step tells a bounded number of bytes. */
static int mend_all(struct node *node, struct node_step *step, struct range *range,
		    const struct message *m, struct repair *repair)
{
	struct named named = {m->items, m->item_count, 0};
	unsigned settled = 0;
	size_t bytes = 0;
	uint32_t hash = range->from;
	for (size_t i = 0; i < range->count; i++) {
		const struct message_item *own = &range->items[i];
		uint32_t before = hash;
		hash = hash_of(node, own->key);
		if (bytes > RANGE_BYTES_MAX && hash > before) {
			range->until = hash;
			break;
		}
		const struct message_item *other = find_named(node, &named, own->key);
		if (other != NULL && ballot_compare(other->record.acc, own->record.acc) >= 0)
			continue;
		int rc = mend(node, step, range, own, repair, &settled);
		if (rc != 0)
			return rc;
		bytes += own->key.len + own->record.value.len;
	}
	return 0;
}

/* Tells what differs in the range that both have named. */
static void look_at_all(struct node *node, const struct range *range, const struct message *m,
			const struct repair_look *look)
{
	struct named others = {m->items, m->item_count, 0}, owns = {range->items, range->count, 0};
	for (size_t i = 0; i < range->count; i++) {
		const struct message_item *own = &range->items[i];
		const struct message_item *other = find_named(node, &others, own->key);
		struct ballot acc = other != NULL ? other->record.acc : BALLOT_ABSENT;
		if (!ballot_equal(own->record.acc, acc))
			look->differs(look->ctx, own->key, own->record.acc, acc);
	}
	for (size_t i = 0; i < m->item_count; i++) {
		const struct message_item *other = &m->items[i];
		if (hash_of(node, other->key) < range->until &&
		    find_named(node, &owns, other->key) == NULL)
			look->differs(look->ctx, other->key, BALLOT_ABSENT, other->record.acc);
	}
}

static int on_differ(struct node *node, struct node_step *step, const struct message *m)
{
	struct repair *repair = node->blocks[m->block].repair;
	if (repair == NULL || repair->tag == 0 || m->tag != repair->tag ||
	    m->from != repair->with || m->from_hash != repair->hash ||
	    m->until_hash <= repair->hash || m->until_hash > repair->until)
		return 0;
	if (m->is_same) {
		repair->compared += repair->count;
		advance(repair, m->until_hash);
		return 0;
	}
	struct range *range = malloc(sizeof(*range));
	if (range == NULL)
		return 0;
	int rc = range_collect(node, step, m->block, m->from_hash, m->until_hash, RANGE_KEYS_ALONE,
			       range);
	if (rc == 0 && repair->look != NULL)
		look_at_all(node, range, m, repair->look);
	else if (rc == 0)
		rc = mend_all(node, step, range, m, repair);
	if (rc == 0) {
		repair->compared += range->count;
		repair->differed++;
		advance(repair, range->until);
	}
	/* The answer is there, however long the own records need to be read: no time is lost. */
	if (rc == DHT_EAGAIN)
		repair->asked_us = step->now_us;
	free(range);
	return rc == DHT_EAGAIN || rc == DHT_EDAMAGED ? rc : 0;
}

/* ---- The one that is asked ------------------------------------------------------- */

static int name_own(struct node *node, struct node_step *step, uint32_t until,
		    struct message *answer, struct range *range)
{
	int rc = range_collect(node, step, answer->block, answer->from_hash, until,
			       RANGE_KEYS_ALONE, range);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < range->count; i++) {
		struct ballot acc = range->items[i].record.acc;
		range->items[i].record = (struct paxos_record){.acc = acc};
		range->items[i].location = 0;
	}
	answer->until_hash = range->until;
	answer->items = range->items;
	answer->item_count = range->count;
	return 0;
}

static int answer_compare(struct node *node, struct node_step *step, const struct message *m,
			  struct range *range)
{
	struct message answer = {.kind = MESSAGE_DIFFER,
				 .from = node->number,
				 .block = m->block,
				 .version = m->version,
				 .tag = m->tag,
				 .from_hash = m->from_hash,
				 .until_hash = m->until_hash};
	struct store_digest digest;
	uint32_t reached;
	int rc = make_digest(node, step, m->block, m->from_hash, m->until_hash, &digest, &reached);
	if (rc != 0)
		return rc;
	answer.is_same =
	    reached == m->until_hash && digest.count == m->count && digest.sum == m->digest;
	rc = name_own(node, step, answer.is_same ? m->from_hash : reached, &answer, range);
	if (rc != 0)
		return rc;
	if (answer.is_same)
		answer.until_hash = m->until_hash;
	else
		atomic_fetch_add_explicit(&node->differed, 1, memory_order_relaxed);
	step->effects->send(step->effects->ctx, &m->from, 1, &answer, range->rests_on);
	return 0;
}

static int on_compare(struct node *node, struct node_step *step, const struct message *m)
{
	if (m->from_hash >= m->until_hash)
		return 0;
	struct range *range = malloc(sizeof(*range));
	int rc = range != NULL ? answer_compare(node, step, m, range) : DHT_ENOMEM;
	free(range);
	/* An answer that cannot be made is asked for again. */
	return rc == DHT_EAGAIN || rc == DHT_EDAMAGED ? rc : 0;
}

int repair_handle(struct node *node, struct node_step *step, const struct message *m)
{
	return m->kind == MESSAGE_COMPARE ? on_compare(node, step, m) : on_differ(node, step, m);
}
