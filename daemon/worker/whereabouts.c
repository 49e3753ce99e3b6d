/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/whereabouts.h"

#include <stdlib.h>

#include "base/error.h"
#include "io/clock.h"
#include "node/list.h"
#include "worker/committer.h"
#include "worker/outbox.h"

enum { PATIENCE_US = 1000000 }; /* for replicas that are not known to be down */

static const struct inquiry_kind whereabouts_kind;

static struct whereabouts *whereabouts_of(struct inquiry *q)
{
	return DHT_CONTAINER_OF(q, struct whereabouts, inquiry);
}

void whereabouts_destroy(struct whereabouts *at)
{
	if (at == NULL)
		return;
	inquiry_end(&at->inquiry);
	exec_held_free(at->held);
	free(at);
}

static struct whereabout *find(struct whereabouts *at, uint16_t member)
{
	for (size_t i = 0; i < at->count; i++) {
		if (at->replicas[i].member == member)
			return &at->replicas[i];
	}
	return NULL;
}

static struct message question(const struct whereabouts *at)
{
	uint32_t hash = range_hash(&at->key);
	return (struct message){.kind = MESSAGE_LIST,
				.block = at->key.block,
				.version = at->version,
				.from_hash = hash,
				.until_hash = hash + 1,
				.limit = MESSAGE_ITEMS_MAX,
				.is_omitted = true};
}

/* ---- Answers ----------------------------------------------------------------------- */

static void note(const struct whereabouts *at, struct whereabout *replica, const struct message *m)
{
	replica->has_answered = true;
	for (size_t i = 0; i < m->item_count; i++) {
		const struct paxos_record *record = &m->items[i].record;
		if (!bytes_equal(m->items[i].key, at->key.key))
			continue;
		replica->has_record = true;
		replica->is_tombstone = record->is_tombstone;
		replica->acc = record->acc;
		replica->ver = record->ver;
	}
}

static bool is_complete(const struct whereabouts *at)
{
	const struct node *node = exec_of(at->inquiry.worker)->node;
	for (size_t i = 0; i < at->count; i++) {
		const struct whereabout *replica = &at->replicas[i];
		if (!replica->has_answered && !node_is_down(node, replica->member))
			return false;
	}
	return true;
}

static void take(struct inquiry *q, const struct message *m)
{
	struct whereabouts *at = whereabouts_of(q);
	struct whereabout *replica = find(at, m->from);
	if (m->kind != MESSAGE_LISTED || replica == NULL || replica->has_answered ||
	    m->block != at->key.block || m->from_hash != range_hash(&at->key) ||
	    m->until_hash != m->from_hash + 1)
		return;
	note(at, replica, m);
	if (is_complete(at))
		inquiry_ripen(q);
}

/* ---- Asking ------------------------------------------------------------------------ */

static void list_replicas(const struct node_block *block, struct whereabouts *at)
{
	at->count = 0;
	for (unsigned i = 0; i < block->seats && at->count < WHEREABOUTS_MAX; i++)
		at->replicas[at->count++] =
		    (struct whereabout){.member = block->members[block->order[i]]};
}

static int look_here(const struct node *node, struct node_step *step, struct whereabouts *at)
{
	const struct message m = question(at);
	struct whereabout *own = find(at, node->number);
	struct message answer;
	if (own == NULL)
		return 0;
	struct range *range = malloc(sizeof(*range));
	int rc = range != NULL ? list_answer(node, step, &m, range, &answer) : DHT_ENOMEM;
	if (rc == 0) {
		note(at, own, &answer);
		at->rests_on = range->rests_on;
	}
	free(range);
	return rc;
}

static int look(struct worker *w, struct session *s, struct whereabouts *at)
{
	struct exec *exec = exec_of(w);
	const struct node_block *block = &exec->node->blocks[at->key.block];
	struct node_step step;
	cluster_begin(w, &step, fetch_list(&s->fetches));
	groups_lock(&exec->groups, at->key.block);
	at->version = block->acceptor.version;
	list_replicas(block, at);
	int rc = look_here(exec->node, &step, at);
	if (rc == DHT_EAGAIN)
		store_pin(exec->store, step.cold);
	groups_unlock(&exec->groups, at->key.block);
	if (rc == DHT_EDAMAGED)
		committer_fail(w->shared->committer, rc);
	if (rc == DHT_EAGAIN)
		exec_wait_for(w, s, step.cold);
	else
		fetch_release(w, &s->fetches);
	return rc;
}

/* Those that are known to be down are asked, too: they may be back. */
static void ask(const struct whereabouts *at)
{
	for (size_t i = 0; i < at->count; i++) {
		struct message m = question(at);
		if (!at->replicas[i].has_answered)
			inquiry_ask(&at->inquiry, at->replicas[i].member, &m);
	}
}

static void due(struct inquiry *q)
{
	struct whereabouts *at = whereabouts_of(q);
	if (clock_monotonic_ns() / NS_PER_US >= at->deadline_us) {
		q->due_us = UINT64_MAX;
		inquiry_ripen(q);
		return;
	}
	ask(at);
	inquiry_wait(q, ++at->tries, at->deadline_us);
}

static const struct inquiry_kind whereabouts_kind = {.take = take, .due = due};

static int begin(struct worker *w, struct session *s, struct bytes key, struct whereabouts **out)
{
	struct whereabouts *at = calloc(1, sizeof(*at));
	struct bytes copy;
	if (at == NULL)
		return DHT_ENOMEM;
	inquiry_init(&at->inquiry, &whereabouts_kind);
	int rc = exec_held_copy(&at->held, key, &copy);
	if (rc == 0) {
		at->key = exec_key(w, copy);
		rc = look(w, s, at);
	}
	if (rc == 0)
		rc = inquiry_begin(w, &at->inquiry);
	if (rc != 0) {
		whereabouts_destroy(at);
		return rc;
	}
	at->deadline_us = clock_monotonic_ns() / NS_PER_US + PATIENCE_US;
	inquiry_wait(&at->inquiry, 0, at->deadline_us);
	ask(at);
	*out = at;
	return 0;
}

int whereabouts_run(struct worker *w, struct session *s, struct whereabouts **at, struct bytes key)
{
	if (*at == NULL) {
		int rc = begin(w, s, key, at);
		if (rc != 0)
			return rc == DHT_EFULL ? DHT_ENOMEM : rc;
	}
	if (is_complete(*at) || clock_monotonic_ns() / NS_PER_US >= (*at)->deadline_us) {
		inquiry_end(&(*at)->inquiry);
		outbox_rest_on(w, (*at)->rests_on);
		return 0;
	}
	inquiry_await(&(*at)->inquiry, s);
	return DHT_EAGAIN;
}
