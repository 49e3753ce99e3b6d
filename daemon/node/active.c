/* SPDX-License-Identifier: Apache-2.0 */
#include "node/active.h"

#include <stdlib.h>

#include "base/error.h"

static struct active *of_link(struct table_link *link)
{
	return link != NULL ? DHT_CONTAINER_OF(link, struct active, link) : NULL;
}

struct active *active_find(const struct node_block *block, const struct store_key *key)
{
	struct table_link *link = table_find(&block->active, key->hash);
	while (link != NULL && !bytes_equal(of_link(link)->key.key, key->key))
		link = table_find_next(link);
	return of_link(link);
}

struct active *active_find_alarm(const struct node_block *block, const struct node_timer *timer)
{
	struct table_link *link = table_find(&block->active, timer->hash);
	while (link != NULL && of_link(link)->alarm != timer->tag)
		link = table_find_next(link);
	return of_link(link);
}

struct active *active_create(struct node_block *block, const struct store_key *key)
{
	struct active *a = malloc(sizeof(*a) + key->key.len);
	if (a == NULL)
		return NULL;
	*a = (struct active){.key = *key};
	if (key->key.len > 0)
		memcpy(a->bytes, key->key.data, key->key.len);
	a->key.key.data = a->bytes;
	list_init(&a->queue);
	list_init(&a->batch);
	if (table_insert(&block->active, &a->link, key->hash) == 0)
		return a;
	free(a);
	return NULL;
}

/* ---- What outlives messages ------------------------------------------------------------ */

static void let_go(struct node *node, struct active_value *value)
{
	if (value->location != 0)
		store_unpin(node->store, value->location);
	else
		free((void *)(uintptr_t)value->bytes.data);
	*value = (struct active_value){0};
}

static int hold_copy(struct active_value *value, struct bytes bytes)
{
	uint8_t *copy = malloc(bytes.len);
	if (copy == NULL)
		return DHT_ENOMEM;
	memcpy(copy, bytes.data, bytes.len);
	value->bytes = bytes_of(copy, bytes.len);
	return 0;
}

int active_hold_found(struct node *node, struct active *a, struct bytes value)
{
	let_go(node, &a->found);
	return value.len > 0 ? hold_copy(&a->found, value) : 0;
}

static int hold_own(struct node *node, struct active *a, const struct entry *entry)
{
	struct bytes value = entry->acceptor.record.value;
	a->named = entry->acceptor.record;
	if (value.len == 0)
		return 0;
	if (entry->hit.is_fetched) {
		int rc = hold_copy(&a->own, value);
		a->named.value = a->own.bytes;
		return rc;
	}
	store_pin(node->store, entry->hit.location);
	a->own = (struct active_value){.bytes = value, .location = entry->hit.location};
	return 0;
}

static size_t results_of_batch(const struct active *a)
{
	size_t count = 0;
	for (struct list *link = a->batch.next; link != &a->batch; link = link->next)
		count += 1 + LIST_ENTRY(link, struct task, link)->series.count;
	return count;
}

static int remember_results(struct active *a, struct active_attempt *attempt)
{
	attempt->results = malloc(results_of_batch(a) * sizeof(*attempt->results));
	if (attempt->results == NULL)
		return DHT_ENOMEM;
	struct op_result *to = attempt->results;
	for (struct list *link = a->batch.next; link != &a->batch; link = link->next) {
		struct task *task = LIST_ENTRY(link, struct task, link);
		*to++ = task->whole;
		for (size_t i = 0; i < task->series.count; i++)
			*to++ = task->series.results[i];
	}
	return 0;
}

void active_recall(struct active *a, unsigned attempt)
{
	DHT_ASSERT(attempt < a->attempts_kept);
	const struct op_result *from = a->attempts[attempt].results;
	for (struct list *link = a->batch.next; link != &a->batch; link = link->next) {
		struct task *task = LIST_ENTRY(link, struct task, link);
		task->whole = *from++;
		for (size_t i = 0; i < task->series.count; i++)
			task->series.results[i] = *from++;
	}
}

/* What the last round proposed is kept if it was a change. */
static int keep_attempt(struct active *a)
{
	if (a->round.attempt_count == a->attempts_kept)
		return 0;
	DHT_ASSERT(a->round.attempt_count == a->attempts_kept + 1);
	if (a->attempts == NULL)
		a->attempts = calloc(ROUND_MAX, sizeof(*a->attempts));
	if (a->attempts == NULL)
		return DHT_ENOMEM;
	struct active_attempt *attempt = &a->attempts[a->attempts_kept];
	int rc = remember_results(a, attempt);
	if (rc != 0)
		return rc;
	attempt->own = a->own;
	attempt->found = a->found;
	a->own = a->found = (struct active_value){0};
	a->attempts_kept++;
	return 0;
}

int active_name(struct node *node, struct active *a, const struct entry *entry)
{
	int rc = keep_attempt(a);
	if (rc != 0)
		return rc;
	let_go(node, &a->own);
	let_go(node, &a->found);
	a->was_omitted = false;
	a->is_fast = false;
	a->rests_on = entry_rests_on(node, entry);
	return hold_own(node, a, entry);
}

static void forget_attempts(struct node *node, struct active *a)
{
	for (unsigned i = 0; i < a->attempts_kept; i++) {
		let_go(node, &a->attempts[i].own);
		let_go(node, &a->attempts[i].found);
		free(a->attempts[i].results);
	}
	free(a->attempts);
	a->attempts = NULL;
	a->attempts_kept = 0;
}

void active_clear(struct node *node, struct active *a)
{
	const struct node_block *block = &node->blocks[a->key.block];
	let_go(node, &a->own);
	let_go(node, &a->found);
	forget_attempts(node, a);
	a->state = ACTIVE_IDLE;
	a->is_single = false;
	a->is_contended = false;
	round_init(&a->round, &block->quorum, block->acceptor.version, block->acceptor.start);
}

void active_destroy(struct node *node, struct active *a)
{
	let_go(node, &a->own);
	let_go(node, &a->found);
	forget_attempts(node, a);
	table_remove(&node->blocks[a->key.block].active, &a->link);
	free(a);
}
