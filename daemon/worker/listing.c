/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/listing.h"

#include <stdlib.h>

#include "base/error.h"
#include "io/clock.h"
#include "node/list.h"
#include "ring/slot.h"
#include "worker/committer.h"
#include "worker/peers.h"

static const struct inquiry_kind listing_kind;

static struct listing *listing_of(struct inquiry *q)
{
	return DHT_CONTAINER_OF(q, struct listing, inquiry);
}

void listing_init(struct listing *l)
{
	*l = (struct listing){.state = LISTING_IDLE};
	inquiry_init(&l->inquiry, &listing_kind);
}

void listing_reset(struct listing *l)
{
	inquiry_end(&l->inquiry);
	exec_held_free(l->held);
	l->held = NULL;
	l->item_count = 0;
	l->state = LISTING_IDLE;
}

void listing_fini(struct listing *l)
{
	listing_reset(l);
	free(l->items);
	l->items = NULL;
}

int listing_error(struct worker *w, const struct listing *l)
{
	w->failure = (struct worker_failure){
	    .slot = ring_block_first_slot(l->block, store_blocks(exec_of(w)->store)),
	    .answered = (unsigned)__builtin_popcount(l->answered),
	    .asked = l->replicas.count,
	};
	return l->error;
}

bool listing_is_local(const struct worker *w, uint32_t block)
{
	struct exec *exec = exec_of(w);
	groups_lock(&exec->groups, block);
	bool is_local = node_block_is_alone(&exec->node->blocks[block]);
	groups_unlock(&exec->groups, block);
	return is_local;
}

/* ---- Whom to ask ------------------------------------------------------------------- */

static uint16_t bit(unsigned place)
{
	return (uint16_t)(1u << place);
}

static unsigned count_of(uint16_t places)
{
	return (unsigned)__builtin_popcount(places);
}

static unsigned majority(const struct listing *l)
{
	return l->replicas.count / 2u + 1;
}

/* Takes what the block is, under its lock; the replicas in the map's order of preference. */
static void look_at_block(const struct node *node, struct listing *l)
{
	const struct node_block *block = &node->blocks[l->block];
	l->version = block->acceptor.version;
	l->replicas.count = 0;
	l->asked = l->answered = 0;
	for (unsigned i = 0; i < block->seats; i++) {
		unsigned seat = block->order[i];
		if ((block->quorum.old >> seat & 1) == 0)
			continue;
		l->replicas.members[l->replicas.count++] = block->members[seat];
	}
}

/* The first that was not asked, of those that live if there is one; the count if there is none. */
static unsigned next_place(const struct node *node, const struct listing *l)
{
	for (int down = 0; down <= 1; down++) {
		for (unsigned place = 0; place < l->replicas.count; place++) {
			bool is_down = node_is_down(node, l->replicas.members[place]);
			if ((l->asked & bit(place)) == 0 && is_down == (down == 1))
				return place;
		}
	}
	return l->replicas.count;
}

/* Asks one more; those that have not answered anew when all were asked. */
static void ask_one(struct listing *l)
{
	const struct node *node = exec_of(l->inquiry.worker)->node;
	unsigned place = next_place(node, l);
	if (place == l->replicas.count) {
		l->asked = l->answered;
		place = next_place(node, l);
	}
	DHT_ASSERT(place < l->replicas.count);
	bool is_lead = l->state == LISTING_LEAD;
	struct message m = {
	    .kind = MESSAGE_LIST,
	    .block = l->block,
	    .version = l->version,
	    .from_hash = l->from,
	    .until_hash = is_lead ? STORE_HASH_END : l->until,
	    .limit = is_lead ? l->limit : MESSAGE_ITEMS_MAX,
	    .is_omitted = !is_lead || !l->wants_values,
	    .is_same = !is_lead && l->count > 0,
	    .digest = l->digest,
	    .count = l->count,
	};
	l->asked |= bit(place);
	inquiry_ask(&l->inquiry, l->replicas.members[place], &m);
}

/* ---- The end ------------------------------------------------------------------------ */

static void end(struct listing *l, enum listing_state state, int error)
{
	struct session *s = l->inquiry.session;
	inquiry_end(&l->inquiry);
	l->state = state;
	l->error = error;
	l->inquiry.session = s;
	inquiry_ripen(&l->inquiry);
}

/* What was found beyond where all answers end is for another time. */
static void cut(struct listing *l)
{
	size_t kept = 0;
	for (size_t i = 0; i < l->item_count; i++) {
		if (l->items[i].hash < l->until)
			l->items[kept++] = l->items[i];
	}
	l->item_count = kept;
}

/* Asks whoever is missing for a majority, or ends. */
static void go_on(struct listing *l)
{
	unsigned wanted = majority(l);
	if (count_of(l->answered) >= wanted) {
		cut(l);
		end(l, LISTING_DONE, 0);
		return;
	}
	while (count_of(l->asked) < wanted)
		ask_one(l);
}

/* ---- Answers ------------------------------------------------------------------------ */

static uint32_t hash_of(const struct worker *w, struct bytes key)
{
	struct store_key k = exec_key(w, key);
	return range_hash(&k);
}

static int add_item(struct listing *l, const struct message_item *from, uint32_t hash, bool is_bare)
{
	const struct paxos_record *record = &from->record;
	if (l->item_count == l->item_cap) {
		size_t cap = l->item_cap == 0 ? 64 : 2 * l->item_cap;
		struct listing_item *items = realloc(l->items, cap * sizeof(*items));
		if (items == NULL)
			return DHT_ENOMEM;
		l->items = items;
		l->item_cap = cap;
	}
	struct listing_item *item = &l->items[l->item_count];
	*item = (struct listing_item){.hash = hash,
				      .acc = record->acc,
				      .expires_ms = record->expires_ms,
				      .is_tombstone = record->is_tombstone,
				      .is_bare = is_bare};
	int rc = exec_held_copy(&l->held, from->key, &item->key);
	if (rc == 0)
		rc = exec_held_copy(&l->held, record->value, &item->value);
	l->item_count += rc == 0;
	return rc;
}

static int take_lead(struct worker *w, struct listing *l, const struct message *m)
{
	for (size_t i = 0; i < m->item_count; i++) {
		int rc = add_item(l, &m->items[i], hash_of(w, m->items[i].key),
				  l->wants_values && m->is_omitted);
		if (rc != 0)
			return rc;
	}
	l->lead_count = l->item_count;
	l->until = m->until_hash;
	l->digest = m->digest;
	l->count = m->count;
	return 0;
}

/* Both name keys in the order of hashes; what was added since stands behind. */
static struct listing_item *find_item(struct listing *l, size_t *at, struct bytes key,
				      uint32_t hash)
{
	while (*at < l->lead_count && l->items[*at].hash < hash)
		++*at;
	for (size_t i = *at; i < l->lead_count && l->items[i].hash == hash; i++) {
		if (bytes_equal(l->items[i].key, key))
			return &l->items[i];
	}
	for (size_t i = l->lead_count; i < l->item_count; i++) {
		if (l->items[i].hash == hash && bytes_equal(l->items[i].key, key))
			return &l->items[i];
	}
	return NULL;
}

/* Of each key the latest record counts. */
static int merge(struct worker *w, struct listing *l, const struct message *m)
{
	size_t at = 0;
	if (m->until_hash < l->until)
		l->until = m->until_hash;
	for (size_t i = 0; i < m->item_count; i++) {
		const struct message_item *other = &m->items[i];
		uint32_t hash = hash_of(w, other->key);
		struct listing_item *own = find_item(l, &at, other->key, hash);
		if (own == NULL) {
			int rc = add_item(l, other, hash, l->wants_values);
			if (rc != 0)
				return rc;
		} else if (ballot_compare(other->record.acc, own->acc) > 0) {
			own->acc = other->record.acc;
			own->expires_ms = other->record.expires_ms;
			own->is_tombstone = other->record.is_tombstone;
			own->is_bare = l->wants_values;
		}
	}
	return 0;
}

/* True if it is an answer of one that has not answered yet, about the same range. */
static bool is_expected(const struct listing *l, const struct message *m, unsigned place)
{
	uint32_t end = l->state == LISTING_LEAD ? STORE_HASH_END : l->until;
	return m->kind == MESSAGE_LISTED && m->block == l->block && m->version == l->version &&
	       place < l->replicas.count && (l->answered & bit(place)) == 0 &&
	       m->from_hash == l->from && m->until_hash > l->from && m->until_hash <= end &&
	       (!m->is_same || (l->state == LISTING_CHECK && m->until_hash == l->until));
}

static void take(struct inquiry *q, const struct message *m)
{
	struct listing *l = listing_of(q);
	struct worker *w = q->worker;
	unsigned place = ring_replicas_find(&l->replicas, m->from);
	int rc = 0;
	if (!is_expected(l, m, place))
		return;
	if (l->state == LISTING_LEAD) {
		rc = take_lead(w, l, m);
		l->state = LISTING_CHECK;
		l->asked = 0;
		if (rc == 0)
			rc = inquiry_begin(w, q); /* others that were asked so are late */
	} else if (!m->is_same) {
		rc = merge(w, l, m);
	}
	l->asked |= bit(place);
	l->answered |= bit(place);
	if (rc != 0)
		end(l, LISTING_FAILED, rc);
	else
		go_on(l);
}

/* ---- The beginning ------------------------------------------------------------------ */

/* This node's own answer, under the lock. */
static int lead(struct worker *w, struct listing *l, struct node_step *step)
{
	const struct node *node = exec_of(w)->node;
	const struct message question = {
	    .kind = MESSAGE_LIST,
	    .block = l->block,
	    .version = l->version,
	    .from_hash = l->from,
	    .until_hash = STORE_HASH_END,
	    .limit = l->limit,
	    .is_omitted = !l->wants_values,
	};
	struct message answer;
	struct range *range = malloc(sizeof(*range));
	if (range == NULL)
		return DHT_ENOMEM;
	int rc = list_answer(node, step, &question, range, &answer);
	if (rc == 0)
		rc = take_lead(w, l, &answer);
	if (rc == 0) {
		l->rests_on = range->rests_on;
		l->state = LISTING_CHECK;
		l->asked = l->answered = bit(ring_replicas_find(&l->replicas, node->number));
	}
	free(range);
	return rc;
}

/* Looks at the block, and at what is here of it if it is a replica of it. */
static int look(struct worker *w, struct listing *l, const struct store_fetched *fetched,
		uint64_t *cold)
{
	struct exec *exec = exec_of(w);
	const struct node_block *block = &exec->node->blocks[l->block];
	struct node_step step;
	int rc = 0;
	cluster_begin(w, &step, fetched);
	groups_lock(&exec->groups, l->block);
	look_at_block(exec->node, l);
	bool is_replica =
	    node_block_is_replica(block) && (block->quorum.old >> block->self & 1) != 0;
	if (is_replica && !node_block_is_recovering(block))
		rc = lead(w, l, &step);
	if (rc == DHT_EAGAIN) {
		*cold = step.cold;
		store_pin(exec->store, step.cold);
	}
	groups_unlock(&exec->groups, l->block);
	if (rc == DHT_EDAMAGED)
		committer_fail(w->shared->committer, rc);
	return rc == DHT_EFULL ? DHT_ENOMEM : rc;
}

int listing_begin(struct worker *w, struct listing *l, uint32_t block, uint32_t from,
		  uint32_t limit, bool wants_values, const struct store_fetched *fetched,
		  uint64_t *cold)
{
	DHT_ASSERT(l->state == LISTING_IDLE);
	l->block = block;
	l->from = l->until = from;
	l->limit = limit;
	l->wants_values = wants_values;
	l->tries = 0;
	l->rests_on = 0;
	l->digest = l->count = 0;
	l->item_count = l->lead_count = 0;
	int rc = look(w, l, fetched, cold);
	if (rc == 0)
		rc = inquiry_begin(w, &l->inquiry);
	if (rc != 0) {
		listing_reset(l);
		return rc;
	}
	l->deadline_us = clock_monotonic_ns() / NS_PER_US +
			 atomic_load_explicit(&w->shared->peers->deadline_us, memory_order_relaxed);
	inquiry_wait(&l->inquiry, l->tries, l->deadline_us);
	if (l->state == LISTING_CHECK) {
		go_on(l);
		return 0;
	}
	l->state = LISTING_LEAD;
	ask_one(l);
	return 0;
}

/* ---- Waiting ------------------------------------------------------------------------ */

static bool is_outdated(struct worker *w, const struct listing *l)
{
	struct exec *exec = exec_of(w);
	groups_lock(&exec->groups, l->block);
	bool is_old = exec->node->blocks[l->block].acceptor.version != l->version;
	groups_unlock(&exec->groups, l->block);
	return is_old;
}

/* Answers are missing: others are asked, or with a new map all of them anew. */
static void due(struct inquiry *q)
{
	struct listing *l = listing_of(q);
	struct session *s = q->session;
	if (clock_monotonic_ns() / NS_PER_US >= l->deadline_us) {
		end(l, LISTING_FAILED, DHT_ENOQUORUM);
		return;
	}
	if (is_outdated(q->worker, l)) {
		listing_reset(l);
		q->session = s;
		inquiry_ripen(q);
		return;
	}
	ask_one(l);
	inquiry_wait(q, ++l->tries, l->deadline_us);
}

static const struct inquiry_kind listing_kind = {.take = take, .due = due};
